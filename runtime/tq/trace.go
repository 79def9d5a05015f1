package tq

import "context"

// traceOf is the trace context of a producer's call, as the task will carry it.
// No lock is held.
func (e *Engine) traceOf(ctx context.Context) string {
	if e.core.opt.TraceParent == nil {
		return ""
	}

	return callTrace(ctx, e.core.opt.TraceParent)
}

// callTrace calls user code: a panic of its is no trace, and nobody's failure.
func callTrace(ctx context.Context, of func(context.Context) string) (trace string) {
	defer func() {
		if recover() != nil {
			trace = ""
		}
	}()

	return traceParent(of(ctx))
}

// A traceparent is "version-trace-parent-flags": 2, 32, 16 and 2 digits.
const (
	traceLength = 55
	traceEnd    = 35 // of the trace id
	parentEnd   = 52
)

// traceParent is s if it is a W3C traceparent, else empty. What a later version
// may add behind the flags makes it longer, and so none.
func traceParent(s string) string {
	if len(s) != traceLength || s[2] != '-' || s[traceEnd] != '-' || s[parentEnd] != '-' {
		return ""
	}
	if s[:2] == "ff" || zeros(s[3:traceEnd]) || zeros(s[traceEnd+1:parentEnd]) {
		return ""
	}
	for i := range len(s) {
		c := s[i]
		if i != 2 && i != traceEnd && i != parentEnd && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
	}

	return s
}

func zeros(s string) bool {
	for i := range len(s) {
		if s[i] != '0' {
			return false
		}
	}

	return true
}
