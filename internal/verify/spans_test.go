package verify

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	nooptrace "go.opentelemetry.io/otel/trace/noop"

	"github.com/tqgen/tqgen/adapters/otelsdk"
	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/telemetry"
	"github.com/tqgen/tqgen/runtime/tq"
)

// tracers is a provider that exports at once to memory.
type tracers struct {
	*sdktrace.TracerProvider
	exported *tracetest.InMemoryExporter
}

func newTracers(t testing.TB, o ...sdktrace.TracerProviderOption) *tracers {
	exported := tracetest.NewInMemoryExporter()
	p := sdktrace.NewTracerProvider(append(o, sdktrace.WithSyncer(exported))...)
	t.Cleanup(func() { _ = p.Shutdown(bg) })

	return &tracers{p, exported}
}

func (p *tracers) register(t testing.TB, o ...telemetry.Option) *telemetry.Registration {
	t.Helper()
	r, err := telemetry.New(append([]telemetry.Option{telemetry.WithTracerProvider(p)}, o...)...)
	must(t, err)
	t.Cleanup(func() { r.Close() })

	return r
}

// names are the exported spans, in the order of their ends, and how they ended.
func (p *tracers) names() (names []string) {
	for _, s := range p.exported.GetSpans() {
		name := s.Name
		for _, a := range s.Attributes {
			if a.Key == "error.type" {
				name += " " + a.Value.AsString()
			}
		}
		names = append(names, name)
	}

	return names
}

// within is the most spans without a parent that began within one second.
func (p *tracers) within() (most int) {
	var begun []time.Time
	for _, s := range p.exported.GetSpans() {
		if !s.Parent.IsValid() {
			begun = append(begun, s.StartTime)
		}
	}
	slices.SortFunc(begun, time.Time.Compare)
	for first, i := 0, 0; i < len(begun); i++ {
		for begun[i].Sub(begun[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}

	return most
}

// parents are contexts whose parents have decided, here or elsewhere.
func parents() map[string]context.Context {
	c := trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}
	dropped := trace.NewSpanContext(c)
	c.TraceFlags = trace.FlagsSampled
	sampled := trace.NewSpanContext(c)

	return map[string]context.Context{
		"sampled":        trace.ContextWithSpanContext(bg, sampled),
		"sampled remote": trace.ContextWithRemoteSpanContext(bg, sampled),
		"dropped":        trace.ContextWithSpanContext(bg, dropped),
		"dropped remote": trace.ContextWithRemoteSpanContext(bg, dropped),
	}
}

// nothing is what is traced where that does not matter.
func nothing(context.Context) error { return nil }

// work has n tasks handled by Run, one after another.
func work(t testing.TB, q *leasequeue.Local, s *telemetry.Spans, n int, handler func(context.Context, *leasequeue.Lease) error) {
	t.Helper()
	for range n {
		_, err := q.TryEnqueue(bg, lease.ResourceLease{})
		must(t, err)
	}
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	must(t, leasequeue.Run(ctx, q, tq.RunOptions{Wrap: s.Wrap}, func(ctx context.Context, l *leasequeue.Lease) error {
		if n--; n == 0 {
			defer cancel()
		}

		return handler(ctx, l)
	}))
}

// A child follows its parent, whatever the budget is, and spends nothing of it.
// Where nobody has decided the budget does, for what the handler calls, too.
// Invariant 40.
func TestInvariant40ParentDecides(t *testing.T) {
	t.Parallel()
	for name, ctx := range parents() {
		for _, sampler := range []sdktrace.Sampler{sdktrace.AlwaysSample(), sdktrace.ParentBased(sdktrace.AlwaysSample())} {
			p := newTracers(t, sdktrace.WithSampler(sampler))
			r := p.register(t)
			r.SetBudget(0)
			s, parent := r.Spans(open(t, tq.Options{})), trace.SpanContextFromContext(ctx)
			must(t, s.Trace(ctx, telemetry.Process, func(ctx context.Context) error {
				if got := trace.SpanContextFromContext(ctx); got.IsSampled() != parent.IsSampled() || got.TraceID() != parent.TraceID() {
					t.Errorf("%s: the work is in %v", name, got)
				}

				return nil
			}))
			spans := p.exported.GetSpans()
			if want := parent.IsSampled(); (len(spans) == 1) != want || len(spans) > 1 {
				t.Errorf("%s: %d spans are exported", name, len(spans))
			}
			for _, span := range spans {
				if span.Parent.SpanID() != parent.SpanID() || span.SpanKind != trace.SpanKindConsumer {
					t.Errorf("%s: %s span below %v", name, span.SpanKind, span.Parent)
				}
			}
		}
	}

	p := newTracers(t)
	r := p.register(t)
	r.SetBudget(1)
	s := r.Spans(open(t, tq.Options{}))
	ids := map[trace.TraceID]bool{}
	for range 3 {
		must(t, s.Trace(bg, telemetry.Process, func(ctx context.Context) error {
			ids[trace.SpanContextFromContext(ctx).TraceID()] = true
			_, span := p.Tracer("handler").Start(ctx, "query")
			span.End()

			return nil
		}))
	}
	if diff := cmp.Diff([]string{"query", "TaskQueue.process"}, p.names()); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	if ids[trace.TraceID{}] || len(ids) != 3 {
		t.Errorf("the traces are not three: %v", ids)
	}
}

// Of leases that come in bursts no more are exported than the budget allows,
// and as many where there were as many, when it changes, too. Invariant 40.
func TestInvariant40QuotaOfLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newTracers(t)
		r := p.register(t)
		q, err := leasequeue.New(tq.Options{Capacity: 1000})
		must(t, err)
		defer q.Close()
		s, handled := r.Spans(q), 0
		work(t, q, s, 1000, func(context.Context, *leasequeue.Lease) error {
			handled++
			time.Sleep(time.Duration(handled%7) * 100 * time.Microsecond)

			return nil
		})
		if got := len(p.exported.GetSpans()); handled != 1000 || got != telemetry.DefaultBudget {
			t.Errorf("%d of %d leases in %d spans", got, handled, telemetry.DefaultBudget)
		}

		p.exported.Reset()
		time.Sleep(time.Second)
		r.SetBudget(10)
		for i := range 3000 {
			must(t, s.Trace(bg, telemetry.Process, nothing))
			time.Sleep(time.Duration(i%13) * time.Millisecond)
		}
		if got := p.within(); got != 10 {
			t.Errorf("%d spans within a second, want 10", got)
		}
		r.SetBudget(0)
		p.exported.Reset()
		time.Sleep(2 * time.Second)
		must(t, s.Trace(bg, telemetry.Process, nothing))
		if got := p.names(); got != nil {
			t.Errorf("without a budget there are %v", got)
		}
	})
}

// The budget holds when many goroutines spend it, and nothing is left of it.
// Invariant 40.
func TestInvariant40QuotaOfManyWorkers(t *testing.T) {
	t.Parallel()
	p := newTracers(t)
	r := p.register(t)
	r.SetBudget(20)
	s, begun := r.Spans(open(t, tq.Options{})), time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for ctx.Err() == nil {
				_ = s.Trace(bg, telemetry.Process, nothing)
				runtime.Gosched()
			}
		})
	}
	for len(p.exported.GetSpans()) < 60 { // the budget of the third second is spent
		runtime.Gosched()
	}
	cancel()
	all.Wait()
	// A span may begin well after the budget was asked, if its goroutine has to wait:
	// what falls within any second is none of the budget's doing.
	took := time.Since(begun)
	if got, most := len(p.exported.GetSpans()), 20*(1+int(took/time.Second)); got > most {
		t.Errorf("%d spans in %v, want %d at most", got, took, most)
	}
}

// Each level has its spans, and changes while Run runs. Errors are told by
// their type alone.
func TestSpanLevels(t *testing.T) {
	t.Parallel()
	p := newTracers(t)
	r := p.register(t, telemetry.WithSpanLevel(telemetry.SpansOff), telemetry.WithServiceName("orders"))
	q := open(t, tq.Options{Capacity: 16, Attempts: 2, Backoff: tq.NoBackoff})
	s := r.Spans(q)
	results := []func() error{
		func() error { r.SetSpanLevel(telemetry.SpansProcess); return nil },
		func() error { return errors.New("secret") },
		func() error { panic("secret") },
		func() error { r.SetSpanLevel(telemetry.SpansFull); return context.DeadlineExceeded },
		func() error { return nil },
		func() error { return errors.New("secret") },
		func() error { return tq.Permanent(tq.ErrFull) },
		func() error { runtime.Goexit(); return nil },
		func() error { r.SetSpanLevel(telemetry.SpansOff); return nil },
	}
	i := 0
	for range len(results) {
		_, err := q.TryEnqueue(bg, lease.ResourceLease{})
		must(t, err)
	}
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	must(t, leasequeue.Run(ctx, q, tq.RunOptions{Wrap: s.Wrap}, func(context.Context, *leasequeue.Lease) error {
		if i++; i == len(results) {
			cancel()
		}

		return results[i-1]()
	}))
	want := []string{
		"TaskQueue.process error.taskqueue.failed",
		"TaskQueue.process error.taskqueue.panic",
		"TaskQueue.process deadline_exceeded",
		"TaskQueue.lease", "TaskQueue.process", "TaskQueue.complete",
		"TaskQueue.lease", "TaskQueue.process error.taskqueue.failed", "TaskQueue.fail.requeue",
		"TaskQueue.lease", "TaskQueue.process error.taskqueue.full", "TaskQueue.fail.deadletter",
		"TaskQueue.lease", "TaskQueue.process error.taskqueue.panic", "TaskQueue.fail.requeue",
		"TaskQueue.lease", "TaskQueue.process",
	}
	if diff := cmp.Diff(want, p.names()); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	traces := map[trace.TraceID]string{}
	for _, span := range p.exported.GetSpans() {
		failed := false
		attributes := attribute.NewSet(span.Attributes...)
		for _, a := range span.Attributes {
			failed = failed || a.Key == "error.type"
		}
		if _, ok := attributes.Value("taskqueue.name"); !ok || attributes.Len() > 3 {
			t.Errorf("%s: attributes %v", span.Name, span.Attributes)
		}
		if wanted := map[bool]codes.Code{true: codes.Error}[failed]; span.Status.Code != wanted || span.Status.Description != "" {
			t.Errorf("%s: status %v", span.Name, span.Status)
		}
		traces[span.SpanContext.TraceID()] += span.Name + " "
		if span.Parent.IsValid() == (span.SpanKind == trace.SpanKindConsumer || span.Name == "TaskQueue.lease") {
			t.Errorf("%s: %v span below %v", span.Name, span.SpanKind, span.Parent)
		}
	}
	if len(traces) != 13 {
		t.Errorf("%d traces: %v", len(traces), traces)
	}
}

// Heartbeats of Run are in the trace of the handler.
func TestHeartbeatSpans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newTracers(t)
		r := p.register(t, telemetry.WithSpanLevel(telemetry.SpansFull))
		q, err := leasequeue.New(tq.Options{Lease: 10 * time.Second, Heartbeat: time.Second})
		must(t, err)
		defer q.Close()
		work(t, q, r.Spans(q), 1, func(context.Context, *leasequeue.Lease) error {
			time.Sleep(2500 * time.Millisecond)

			return nil
		})
		want := []string{"TaskQueue.lease", "TaskQueue.heartbeat", "TaskQueue.heartbeat", "TaskQueue.process", "TaskQueue.complete"}
		if diff := cmp.Diff(want, p.names()); diff != "" {
			t.Errorf("spans (-want +got):\n%s", diff)
		}
		spans := p.exported.GetSpans()
		if got, want := spans[1].Parent.SpanID(), spans[3].SpanContext.SpanID(); got != want {
			t.Errorf("a heartbeat is below %v, the handler is %v", got, want)
		}
	})
}

// What a service calls by itself has its span, with links if it has any.
func TestTraceByHand(t *testing.T) {
	t.Parallel()
	p := newTracers(t)
	q := open(t, tq.Options{Attempts: 3})
	s := p.register(t, telemetry.WithSpanLevel(telemetry.SpansFull)).Spans(q)
	producer := trace.SpanContext{}
	must(t, s.Trace(bg, telemetry.Enqueue, func(ctx context.Context) error {
		producer = trace.SpanContextFromContext(ctx)
		_, err := q.Enqueue(ctx, lease.ResourceLease{})

		return err
	}))
	l, err := q.Lease(bg)
	must(t, err)
	must(t, s.Trace(bg, telemetry.Process, nothing, trace.Link{SpanContext: producer}))
	must(t, s.Trace(bg, s.Failing(l.Token), func(ctx context.Context) error { return l.Fail(ctx, nil) }))
	if err := s.Trace(bg, telemetry.Complete, l.Complete); !errors.Is(err, tq.ErrLeaseLost) {
		t.Error(err)
	}
	l.Token.Attempt = 3
	must(t, s.Trace(bg, s.Failing(l.Token), nothing))
	want := []string{
		"TaskQueue.enqueue", "TaskQueue.process", "TaskQueue.fail.requeue",
		"TaskQueue.complete error.taskqueue.lease_inactive", "TaskQueue.fail.deadletter",
	}
	if diff := cmp.Diff(want, p.names()); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	links := p.exported.GetSpans()[1].Links
	if len(links) != 1 || !links[0].SpanContext.Equal(producer) {
		t.Errorf("links %v, want %v", links, producer)
	}
}

// A sampler shares the budget with a queue, and a limit that is closed leaves
// what was there before. Invariants 40 and 41.
func TestInvariant41SamplerRestores(t *testing.T) {
	t.Parallel()
	sampler := otelsdk.NewSampler(sdktrace.AlwaysSample())
	p := newTracers(t, sdktrace.WithSampler(sampler))
	budget, other := telemetry.NewBudget(5), telemetry.NewBudget(1)
	s := p.register(t, telemetry.WithBudget(budget)).Spans(open(t, tq.Options{}))
	// sampled is how many of ten roots, and of two children of each.
	sampled := func(where context.Context) int {
		p.exported.Reset()
		for range 10 {
			ctx, root := p.Tracer("host").Start(where, "request")
			for range 2 {
				_, child := p.Tracer("host").Start(ctx, "query")
				child.End()
			}
			root.End()
		}

		return len(p.exported.GetSpans())
	}
	expect := func(what string, want int) {
		t.Helper()
		if got := sampled(bg); got != want {
			t.Errorf("%s: %d spans, want %d", what, got, want)
		}
	}
	expect("no limit", 30)
	shared := sampler.Limit(budget)
	for range 2 {
		must(t, s.Trace(bg, telemetry.Process, nothing))
	}
	if got := p.names(); !slices.Equal(got[len(got)-2:], []string{"TaskQueue.process", "TaskQueue.process"}) {
		t.Errorf("the queue's spans are not sampled: %v", got)
	}
	expect("two of five are spent by the queue", 9)
	for name, ctx := range parents() {
		want := 0
		if trace.SpanContextFromContext(ctx).IsSampled() {
			want = 30
		}
		if got := sampled(ctx); got != want {
			t.Errorf("%s: %d spans, want %d", name, got, want)
		}
	}
	second := sampler.Limit(other)
	expect("another limit", 3)
	must(t, second.Close())
	expect("the first limit again, spent", 0)
	second = sampler.Limit(telemetry.NewBudget(2))
	must(t, errors.Join(shared.Close(), shared.Close()))
	expect("the first one closed below the second", 6)
	must(t, second.Close())
	expect("no limit again", 30)
	if got, want := sampler.Description(), "TaskQueueBudget{AlwaysOnSampler}"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Registrations do not see each other's spans, and a closed one has none.
// Invariant 41.
func TestInvariant41SpansEndWithTheirRegistration(t *testing.T) {
	t.Parallel()
	a, b := newTracers(t), newTracers(t)
	q := open(t, tq.Options{})
	ra, rb := a.register(t), b.register(t)
	sa, sb := ra.Spans(q), rb.Spans(q)
	ra.SetBudget(1)
	for range 2 {
		must(t, errors.Join(sa.Trace(bg, telemetry.Process, nothing), sb.Trace(bg, telemetry.Process, nothing)))
	}
	if len(a.names()) != 1 || len(b.names()) != 2 {
		t.Errorf("spans of one are %v, of the other %v", a.names(), b.names())
	}
	must(t, rb.Close())
	rb.SetSpanLevel(telemetry.SpansFull)
	work(t, q, sb, 2, func(ctx context.Context, _ *leasequeue.Lease) error {
		if trace.SpanContextFromContext(ctx).IsValid() {
			t.Error("closed, and the handler is in a trace")
		}

		return nil
	})
	if got := b.names(); len(got) != 2 {
		t.Errorf("closed, and there are %v", got)
	}
}

// faulty is a tracer that panics.
type faulty struct{ trace.TracerProvider }

func (f faulty) Tracer(string, ...trace.TracerOption) trace.Tracer { return faultyTracer{} }

type faultyTracer struct{ nooptrace.Tracer }

func (faultyTracer) Start(context.Context, string, ...trace.SpanStartOption) (context.Context, trace.Span) {
	panic("start")
}

// A provider that panics takes no task from its worker.
func TestFaultyTracer(t *testing.T) {
	t.Parallel()
	r, err := telemetry.New(telemetry.WithTracerProvider(faulty{}), telemetry.WithSpanLevel(telemetry.SpansFull))
	must(t, err)
	q := open(t, tq.Options{})
	work(t, q, r.Spans(q), 3, func(context.Context, *leasequeue.Lease) error { return nil })
	if got := q.Probe().Stats().Completed; got != 3 {
		t.Errorf("%d of 3 tasks are completed", got)
	}
}

// tracerProviders are those without spans, and one whose spans are not begun.
func tracerProviders(t testing.TB) map[string]*telemetry.Registration {
	none, err := telemetry.New()
	must(t, err)
	noop, err := telemetry.New(telemetry.WithTracerProvider(nooptrace.NewTracerProvider()),
		telemetry.WithSpanLevel(telemetry.SpansFull))
	must(t, err)
	off := newTracers(t).register(t, telemetry.WithSpanLevel(telemetry.SpansOff))

	return map[string]*telemetry.Registration{"none": none, "noop": noop, "off": off}
}

// idle is a worker with nothing to do.
type idle struct{}

func (idle) Next(context.Context, tq.Outcome) (settled, err error) { return nil, nil }
func (idle) Handle(context.Context) error                          { return nil }
func (idle) Lease() (tq.Held, tq.Token)                            { return tq.Held{}, tq.Token{} }

func TestNoSpansAllocateNothing(t *testing.T) {
	for name, r := range tracerProviders(t) {
		q := open(t, tq.Options{Capacity: 64})
		s := r.Spans(q)
		for range 1000 {
			cycle(t, q)
		}
		n := testing.AllocsPerRun(20000, func() {
			_ = s.Trace(bg, telemetry.Enqueue, func(ctx context.Context) error {
				_, err := q.Enqueue(ctx, lease.ResourceLease{})
				return err
			})
			l, err := q.Lease(bg)
			if err == nil {
				err = s.Trace(bg, telemetry.Process, func(ctx context.Context) error { return l.Complete(ctx) })
			}
			if err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if w := tq.Worker(nil); name != "off" && s.Wrap(w) != w {
			t.Errorf("%s: a worker is wrapped for nothing", name)
		}
	}
	// Nor is it by a wrapped worker below the level.
	w := newTracers(t).register(t, telemetry.WithSpanLevel(telemetry.SpansOff)).Spans(open(t, tq.Options{})).Wrap(idle{})
	if n := testing.AllocsPerRun(1000, func() {
		_, _ = w.Next(bg, tq.Outcome{})
		w.Lease()
		_ = w.Handle(bg)
	}); n != 0 {
		t.Errorf("wrapped: %v allocations", n)
	}
	// Where a parent is not sampled nothing is allocated with the SDK either.
	s := newTracers(t).register(t, telemetry.WithSpanLevel(telemetry.SpansFull)).Spans(open(t, tq.Options{}))
	ctx := parents()["dropped remote"]
	if n := testing.AllocsPerRun(1000, func() { _ = s.Trace(ctx, telemetry.Process, nothing) }); n != 0 {
		t.Errorf("not sampled: %v allocations", n)
	}
}

// BenchmarkRun is what spans cost a handled task: plain is Run without Wrap,
// spent one whose budget is.
func BenchmarkRun(b *testing.B) {
	registrations := tracerProviders(b)
	registrations["spent"] = newTracers(b).register(b, telemetry.WithBudget(telemetry.NewBudget(0)))
	registrations["plain"] = nil
	for name, r := range registrations {
		b.Run(name, func(b *testing.B) {
			q := open(b, tq.Options{Capacity: 4096})
			o := tq.RunOptions{}
			if r != nil {
				o.Wrap = r.Spans(q).Wrap
			}
			ctx, cancel := context.WithCancel(bg)
			defer cancel()
			left := b.N
			ended := make(chan error)
			b.ReportAllocs()
			go func() {
				ended <- leasequeue.Run(ctx, q, o, func(context.Context, *leasequeue.Lease) error {
					if left--; left == 0 {
						cancel()
					}

					return nil
				})
			}()
			for range b.N {
				if _, err := q.Enqueue(bg, lease.ResourceLease{}); err != nil {
					b.Fatal(err)
				}
			}
			if err := <-ended; err != nil {
				b.Fatal(fmt.Errorf("run: %w", err))
			}
		})
	}
}
