package telemetry

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/tqgen/tqgen/runtime/tq"
)

// SpanLevel says which operations have spans.
type SpanLevel uint32

// The levels. Each has the spans of those before.
const (
	SpansOff     SpanLevel = iota
	SpansProcess           // one for each lease, while it is worked on
	SpansFull              // one for each operation
)

// Operation is what a span is of.
type Operation uint8

// The operations; see [Spans.Trace].
const (
	Process    Operation = iota // a worker's work on one lease
	Enqueue                     // a producer's call, waiting for room included
	Lease                       // a worker's call, waiting for tasks included
	Complete                    // the end of a lease
	Heartbeat                   // its prolongation
	Requeue                     // its failure with attempts left
	DeadLetter                  // its failure without, or for good
)

// operationSpec is how the spans of an operation look.
type operationSpec struct {
	name  string
	kind  trace.SpanKind
	level SpanLevel // from which there are any
}

var operationSpecs = [...]operationSpec{
	Process:    {"TaskQueue.process", trace.SpanKindConsumer, SpansProcess},
	Enqueue:    {"TaskQueue.enqueue", trace.SpanKindProducer, SpansFull},
	Lease:      {"TaskQueue.lease", trace.SpanKindClient, SpansFull},
	Complete:   {"TaskQueue.complete", trace.SpanKindClient, SpansFull},
	Heartbeat:  {"TaskQueue.heartbeat", trace.SpanKindClient, SpansFull},
	Requeue:    {"TaskQueue.fail.requeue", trace.SpanKindClient, SpansFull},
	DeadLetter: {"TaskQueue.fail.deadletter", trace.SpanKindClient, SpansFull},
}

// openSpans prepares spans if there is somebody to give them to.
func (r *Registration) openSpans() {
	if r.config.budget == nil {
		r.config.budget = NewBudget(DefaultBudget)
	}
	if _, off := r.config.tracers.(noop.TracerProvider); off || r.config.tracers == nil {
		return
	}
	r.tracer = r.config.tracers.Tracer(scope)
	r.level.Store(uint32(r.config.level))
}

// SetSpanLevel says which spans there are from now on. After Close there are
// none.
func (r *Registration) SetSpanLevel(l SpanLevel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.level.Store(uint32(l))
	}
}

// SetBudget changes how many spans may begin within any second; 0 or less is
// none. It is Set of the registration's budget, whoever else spends from that.
func (r *Registration) SetBudget(perSecond int) { r.config.budget.Set(perSecond) }

// Spans are those of one queue. Its methods are safe for concurrent use.
type Spans struct {
	r        *Registration
	attempts int // that a task has
	options  [len(operationSpecs)][]trace.SpanStartOption
	series   []trace.SpanStartOption // labels of payloads; nil if they have none
}

// Spans prepares the spans of q, with the attributes its measurements have. q
// need not be attached.
func (r *Registration) Spans(q Queue) *Spans {
	o := q.Probe().Options()
	s := &Spans{r: r, attempts: o.Attempts}
	if r.tracer == nil {
		return s
	}
	attributes := trace.WithAttributes(r.config.set(o.Name, "")...)
	for op, spec := range operationSpecs {
		s.options[op] = []trace.SpanStartOption{trace.WithSpanKind(spec.kind), attributes}
	}
	if l := q.Probe().Labels(); len(l) > 0 {
		s.series = make([]trace.SpanStartOption, l.Series())
		for series := range s.series {
			s.series[series] = trace.WithAttributes(labelAttributes(l, series)...)
		}
	}

	return s
}

// Trace calls f, with a span round it if the level has spans of op.
//
// If ctx has a span, or came with one from another process, that decides: the
// new one is its child if it is sampled, and there is none if it is not. Only
// otherwise the budget is asked. If that is spent, f's context says that
// nothing is sampled, so that what f calls begins no traces of its own.
//
// The span has an error type if f fails, panics or calls runtime.Goexit, and
// never what the error says.
func (s *Spans) Trace(
	ctx context.Context, op Operation, f func(context.Context) error, links ...trace.Link,
) error {
	ctx, span := s.start(ctx, op, func() []trace.SpanStartOption { return linked(links) })
	if span == nil {
		return f(ctx)
	}

	return traced(ctx, span, f)
}

// linked is the option for links, if there are any.
func linked(links []trace.Link) []trace.SpanStartOption {
	if len(links) == 0 {
		return nil
	}

	return []trace.SpanStartOption{trace.WithLinks(links...)}
}

// Failing is the operation of a call to Fail with a lease of this token:
// Requeue, or DeadLetter if it is the last attempt.
func (s *Spans) Failing(t tq.Token) Operation {
	if t.Attempt >= s.attempts {
		return DeadLetter
	}

	return Requeue
}

// on reports whether there are spans of op.
func (s *Spans) on(op Operation) bool {
	return s.r.level.Load() >= uint32(operationSpecs[op].level) && s.r.tracer != nil
}

// start gives a span of op, or nil, and the context for what happens in it.
// more is called if there is to be one.
func (s *Spans) start(
	ctx context.Context, op Operation, more func() []trace.SpanStartOption,
) (context.Context, trace.Span) {
	if !s.on(op) {
		return ctx, nil
	}
	if parent := trace.SpanContextFromContext(ctx); parent.IsValid() {
		if !parent.IsSampled() {
			return ctx, nil
		}

		return s.begin(ctx, ctx, op, more())
	}
	now, allowed := s.r.config.budget.allowNow()
	if !allowed {
		return unsampled(ctx), nil
	}

	shown := context.WithValue(ctx, paidKey{}, s.r.config.budget)

	return s.begin(ctx, shown, op, append(more(), trace.WithTimestamp(now)))
}

// begin has the provider start a span in the context of shown. A provider that
// panics gives none: it must not take a lease from its worker.
func (s *Spans) begin(
	ctx, shown context.Context, op Operation, more []trace.SpanStartOption,
) (in context.Context, span trace.Span) {
	defer func() {
		if recover() != nil {
			in, span = ctx, nil
		}
	}()
	options := append(s.options[op][:2:2], more...)
	_, span = s.r.tracer.Start(shown, operationSpecs[op].name, options...)

	return trace.ContextWithSpan(ctx, span), span
}

// traced calls f in span and ends that.
func traced(ctx context.Context, span trace.Span, f func(context.Context) error) (err error) {
	failed := tq.CodePanic
	defer func() { end(span, failed) }()
	err = f(ctx)
	failed = errorType(err)

	return err
}

// end ends span, with an error type if that is not empty.
func end(span trace.Span, failed string) {
	defer func() { _ = recover() }() // as in begin
	if failed != "" {
		span.SetAttributes(keyError.String(failed))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// errorType is the attribute error.type; empty if there is no error.
func errorType(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.Canceled):
		return canceled
	case errors.Is(err, context.DeadlineExceeded):
		return exceeded
	default:
		return tq.ErrorCode(err)
	}
}

// unsampled is ctx in a trace that is not sampled.
func unsampled(ctx context.Context) context.Context {
	var c trace.SpanContextConfig
	binary.NativeEndian.PutUint64(c.TraceID[:], rand.Uint64())
	binary.NativeEndian.PutUint64(c.TraceID[8:], rand.Uint64()|1) // all zeros is no trace
	binary.NativeEndian.PutUint64(c.SpanID[:], rand.Uint64()|1)

	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(c))
}
