package verify

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/telemetry"
	"github.com/tqgen/tqgen/runtime/tq"
)

// traced is a queue whose tasks carry the trace of their producer.
func traced(t testing.TB) *leasequeue.Local {
	return open(t, tq.Options{TraceParent: telemetry.TraceParent})
}

// handleAll has the n tasks of q handled by Run.
func handleAll(t testing.TB, q *leasequeue.Local, s *telemetry.Spans, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	must(t, leasequeue.Run(ctx, q, tq.RunOptions{Wrap: s.Wrap}, func(context.Context, *leasequeue.Lease) error {
		if n--; n == 0 {
			cancel()
		}

		return nil
	}))
}

// linked are the links of the spans of leases.
func (p *tracers) linked() (links []trace.SpanContext) {
	for _, s := range p.exported.GetSpans() {
		if s.Name != "TaskQueue.process" {
			continue
		}
		from := trace.SpanContext{}
		if len(s.Links) > 0 {
			from = s.Links[0].SpanContext
		}
		links = append(links, from)
	}

	return links
}

var compareSpans = cmp.Comparer(trace.SpanContext.Equal)

// The span of a lease links to the one its task was enqueued in, however that
// was enqueued, and has none where there is none.
func TestLeaseSpansLinkToProducers(t *testing.T) {
	t.Parallel()
	for _, level := range []telemetry.SpanLevel{telemetry.SpansProcess, telemetry.SpansFull} {
		p := newTracers(t)
		q := traced(t)
		s := p.register(t, telemetry.WithSpanLevel(level)).Spans(q)
		tracer := p.Tracer("producer")
		var want []trace.SpanContext
		enqueue := func(n int, enqueue func(ctx context.Context) error) {
			ctx, span := tracer.Start(bg, "produce")
			defer span.End()
			must(t, enqueue(ctx))
			for range n {
				want = append(want, span.SpanContext().WithRemote(true))
			}
		}
		enqueue(1, func(ctx context.Context) error { _, err := q.Enqueue(ctx, lease.ResourceLease{}); return err })
		enqueue(1, func(ctx context.Context) error { _, err := q.TryEnqueue(ctx, lease.ResourceLease{}); return err })
		enqueue(1, func(ctx context.Context) error {
			_, err := q.EnqueueAt(ctx, lease.ResourceLease{}, time.Time{})
			return err
		})
		enqueue(2, func(ctx context.Context) error {
			_, err := q.EnqueueBatch(ctx, make([]lease.ResourceLease, 2), nil)
			return err
		})
		_, err := q.Enqueue(bg, lease.ResourceLease{})
		must(t, err)
		want = append(want, trace.SpanContext{})

		handleAll(t, q, s, len(want))
		if diff := cmp.Diff(want, p.linked(), compareSpans); diff != "" {
			t.Errorf("level %d (-want +got):\n%s", level, diff)
		}
	}
}

// The link is there after the task has gone by way of JSON: events to a replica
// that is promoted, and a drained snapshot that is restored.
func TestLinksGoOn(t *testing.T) {
	t.Parallel()
	p := newTracers(t)
	r := p.register(t)
	q := traced(t)
	snapshot, reader := q.WatchNow()
	defer reader.Close()
	replica, err := leasequeue.NewReplica(leasequeue.Options{})
	must(t, err)
	must(t, replica.ApplySnapshot(&snapshot))

	ctx, span := p.Tracer("producer").Start(bg, "produce")
	_, err = q.Enqueue(ctx, lease.ResourceLease{})
	must(t, err)
	span.End()
	e, err := reader.Next(bg)
	must(t, err)
	text, err := e.AppendJSON(nil)
	must(t, err)
	var read leasequeue.Event
	must(t, read.UnmarshalJSON(text))
	must(t, replica.Apply(&read))
	promoted, err := replica.Promote(bg, leasequeue.Options{}, replication.Promotion{})
	must(t, err)
	defer promoted.Close()

	drained, err := promoted.Drain(bg, 0)
	must(t, err)
	text, err = drained.AppendJSON(nil)
	must(t, err)
	var back leasequeue.Snapshot
	must(t, back.UnmarshalJSON(text))
	restored := open(t, tq.Options{})
	must(t, restored.Restore(bg, back))

	handleAll(t, restored, r.Spans(restored), 1)
	want := []trace.SpanContext{span.SpanContext().WithRemote(true)}
	if diff := cmp.Diff(want, p.linked(), compareSpans); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TraceParent writes what OpenTelemetry's propagator does, and Links reads it.
func TestTraceParentIsW3C(t *testing.T) {
	t.Parallel()
	p := newTracers(t)
	ctx, span := p.Tracer("x").Start(bg, "x")
	defer span.End()
	all := parents()
	all["own"], all["none"] = ctx, bg
	for name, ctx := range all {
		carrier := propagation.MapCarrier{}
		propagation.TraceContext{}.Inject(ctx, carrier)
		got := telemetry.TraceParent(ctx)
		if want := carrier["traceparent"]; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		var want, link trace.SpanContext
		if links := telemetry.Links(got); len(links) > 0 {
			link = links[0].SpanContext
		}
		if from := trace.SpanContextFromContext(ctx); from.IsValid() {
			want = from.WithRemote(true)
		}
		if !link.Equal(want) {
			t.Errorf("%s: linked to %v, want %v", name, link, want)
		}
	}
	for _, bad := range []string{"", "x", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-xx"} {
		if links := telemetry.Links(bad); links != nil {
			t.Errorf("%q has links: %v", bad, links)
		}
	}
}
