package queue

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/tqgen/tqgen/bench/payload"
	"github.com/tqgen/tqgen/bench/payload/leasequeue"
	"github.com/tqgen/tqgen/runtime/telemetry"
)

// instrumented is a queue all of whose instruments report to the SDK, and whose
// workers ask for a span for each task, in a trace that is not sampled.
type instrumented struct {
	ours
	meters  *metric.MeterProvider
	tracers *sdktrace.TracerProvider
	r       *telemetry.Registration
	spans   *telemetry.Spans
	ctx     context.Context // of a request that is not sampled
}

func openInstrumented(p *payload.Lease) (*instrumented, error) {
	o, err := openOurs(p, leasequeue.Options{})
	if err != nil {
		return nil, err
	}
	i := &instrumented{
		ours:    o,
		meters:  metric.NewMeterProvider(metric.WithReader(metric.NewManualReader())),
		tracers: sdktrace.NewTracerProvider(),
	}
	i.r, err = telemetry.New(telemetry.WithMeterProvider(i.meters), telemetry.WithTracerProvider(i.tracers))
	if err != nil {
		return nil, err
	}
	i.spans = i.r.Spans(o.q)
	i.ctx = trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1},
	}))

	return i, i.r.AttachQueue(o.q)
}

func (i *instrumented) worker() worker {
	w := &instrumentedWorker{instrumented: i}
	w.complete = func(ctx context.Context) error { return w.l.Complete(ctx) }

	return w
}

func (i *instrumented) close() {
	i.ours.close()
	_ = errors.Join(i.r.Close(), i.meters.Shutdown(i.ctx), i.tracers.Shutdown(i.ctx))
}

type instrumentedWorker struct {
	*instrumented
	l        leasequeue.Lease
	complete func(context.Context) error
}

func (w *instrumentedWorker) handle(ctx context.Context) (err error) {
	if w.l, err = w.q.Lease(ctx); err != nil {
		return err
	}

	return w.spans.Trace(w.ctx, telemetry.Process, w.complete)
}
