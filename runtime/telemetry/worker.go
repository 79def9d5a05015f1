package telemetry

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Wrap puts spans round a worker of [tq.Run]: it is for tq.RunOptions.Wrap.
//
// At [SpansProcess] each handler runs in a span, with the labels of its payload,
// and a link to the span of the task's producer if the task carries its
// [TraceParent]. At [SpansFull] leasing, the heartbeats and how the lease ends
// have theirs, too, the latter two as children of the handler's. What a handler
// itself calls on its lease has none.
// With no provider there is nothing to wrap.
func (s *Spans) Wrap(w tq.Worker) tq.Worker {
	if s.r.tracer == nil {
		return w
	}
	t := &worker{Worker: w, spans: s, handle: w.Handle}
	t.more = t.known
	if labelled, ok := w.(tq.LabelledWorker); ok && s.series != nil {
		t.series = labelled.Series
	}
	t.next = func(ctx context.Context) error {
		_, err := w.Next(ctx, tq.Outcome{})

		return err
	}

	return t
}

// worker is a worker with spans.
type worker struct {
	tq.Worker
	spans  *Spans
	handle func(context.Context) error
	next   func(context.Context) error
	more   func() []trace.SpanStartOption
	series func() int // of the present payload; nil if payloads have no labels
	held   *settler   // of the present lease; nil below SpansFull
}

func (w *worker) Next(ctx context.Context, o tq.Outcome) (settled, err error) {
	if !w.spans.on(Lease) && w.held == nil {
		return w.Worker.Next(ctx, o)
	}
	settled = w.settle(ctx, o)
	w.held = nil
	if settled != nil && !errors.Is(settled, tq.ErrLeaseLost) {
		return settled, settled
	}
	if err := w.spans.Trace(ctx, Lease, w.next); err != nil {
		return settled, err
	}
	if w.spans.on(Lease) {
		held, _ := w.Worker.Lease()
		w.held = &settler{held: held, spans: w.spans}
	}

	return settled, nil
}

// settle leaves the present lease without taking another.
func (w *worker) settle(ctx context.Context, o tq.Outcome) error {
	held, token := w.Lease()
	switch o.Verb {
	case tq.Complete:
		return held.Complete(ctx, token)
	case tq.Fail:
		return held.Fail(ctx, token, o.Cause)
	case tq.Release:
		return held.Release(ctx, token)
	case tq.MoveToDead:
		return held.DeadLetter(ctx, token, o.Cause)
	default:
		return nil
	}
}

func (w *worker) Handle(ctx context.Context) error {
	ctx, span := w.spans.start(ctx, Process, w.more)
	if w.held != nil {
		w.held.below(trace.SpanContextFromContext(ctx))
	}
	if span == nil {
		return w.handle(ctx)
	}

	return traced(ctx, span, w.handle)
}

// known is what a span has of its task: a link to the span that it was enqueued
// in, and the labels of its payload.
func (w *worker) known() []trace.SpanStartOption {
	held, token := w.Worker.Lease()
	options := linked(Links(held.TraceParent(token)))
	if w.series != nil {
		options = append(options, w.spans.series[w.series()])
	}

	return options
}

func (w *worker) Lease() (tq.Held, tq.Token) {
	held, token := w.Worker.Lease()
	if w.held != nil {
		held = tq.NewHeld(w.held, 0)
	}

	return held, token
}

// settler is one lease, with spans.
type settler struct {
	held   tq.Held
	spans  *Spans
	parent atomic.Pointer[trace.SpanContext] // the handler's; nil if it has not begun or has none
}

// below has the spans to come be children of parent.
func (s *settler) below(parent trace.SpanContext) {
	if parent.IsValid() {
		s.parent.Store(&parent)
	}
}

// trace is Trace in the trace of the handler.
func (s *settler) trace(ctx context.Context, op Operation, f func(context.Context) error) error {
	if parent := s.parent.Load(); parent != nil {
		ctx = trace.ContextWithSpanContext(ctx, *parent)
	}

	return s.spans.Trace(ctx, op, f)
}

func (s *settler) Complete(ctx context.Context, _ tq.Slot, t tq.Token) error {
	return s.trace(ctx, Complete, func(ctx context.Context) error { return s.held.Complete(ctx, t) })
}

func (s *settler) Heartbeat(ctx context.Context, _ tq.Slot, t tq.Token) (until time.Time, err error) {
	err = s.trace(ctx, Heartbeat, func(ctx context.Context) (err error) {
		until, err = s.held.Heartbeat(ctx, t)

		return err
	})

	return until, err
}

func (s *settler) Fail(ctx context.Context, _ tq.Slot, t tq.Token, cause error) error {
	return s.trace(ctx, s.spans.Failing(t), func(ctx context.Context) error { return s.held.Fail(ctx, t, cause) })
}

func (s *settler) Release(ctx context.Context, _ tq.Slot, t tq.Token) error {
	return s.held.Release(ctx, t)
}

func (s *settler) DeadLetter(ctx context.Context, _ tq.Slot, t tq.Token, cause error) error {
	return s.trace(ctx, DeadLetter, func(ctx context.Context) error { return s.held.DeadLetter(ctx, t, cause) })
}

func (s *settler) TraceParent(_ tq.Slot, t tq.Token) string { return s.held.TraceParent(t) }

func (s *settler) Deadline(_ tq.Slot, t tq.Token) time.Time { return s.held.Deadline(t) }

func (s *settler) Owner(_ tq.Slot, t tq.Token) string { return s.held.Owner(t) }
