package telemetry

import (
	"context"
	"encoding/hex"

	"go.opentelemetry.io/otel/trace"
)

// TraceParent is the W3C trace context of the span that ctx is in, empty if it
// is in none: for tq.Options.TraceParent. Each task then carries that of its
// producer, wherever it goes, and the spans of its leases link to it. It
// allocates its result.
func TraceParent(ctx context.Context) string {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return ""
	}

	traceID, spanID := span.TraceID(), span.SpanID()
	flags := [...]byte{byte(span.TraceFlags() & trace.FlagsSampled)}
	var text [55]byte
	dst := append(text[:0], "00-"...)
	dst = append(hex.AppendEncode(dst, traceID[:]), '-')
	dst = append(hex.AppendEncode(dst, spanID[:]), '-')

	return string(hex.AppendEncode(dst, flags[:]))
}

// Links gives a link to the span that a task was enqueued in, by its
// traceparent; none if that is empty. [Spans.Wrap] has it already; it is for
// [Spans.Trace] of whoever leases by hand.
func Links(traceParent string) []trace.Link {
	from := remote(traceParent)
	if !from.IsValid() {
		return nil
	}

	return []trace.Link{{SpanContext: from}}
}

// remote is the span context of a traceparent, which a task carries as tq has
// checked it; the zero one if there is none.
func remote(traceParent string) trace.SpanContext {
	if len(traceParent) != len("00-")+32+1+16+len("-00") {
		return trace.SpanContext{}
	}
	traceID, err := trace.TraceIDFromHex(traceParent[3:35])
	if err != nil {
		return trace.SpanContext{}
	}
	spanID, err := trace.SpanIDFromHex(traceParent[36:52])
	if err != nil {
		return trace.SpanContext{}
	}
	flags, err := hex.DecodeString(traceParent[53:])
	if err != nil {
		return trace.SpanContext{}
	}

	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: traceID, SpanID: spanID, TraceFlags: trace.TraceFlags(flags[0]), Remote: true,
	})
}
