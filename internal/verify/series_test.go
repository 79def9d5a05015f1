package verify

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/metric"

	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/golden/accept/labels"
	"github.com/tqgen/tqgen/golden/accept/labels/orderqueue"
	"github.com/tqgen/tqgen/internal/instrument"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/telemetry"
	"github.com/tqgen/tqgen/runtime/tq"
)

// others make the instruments report that belong to no queue's operations: those
// of effects and of a diagnostics host.
func others(t testing.TB, r *telemetry.Registration) {
	t.Helper()
	h, err := diagnostics.New(diagnostics.Options{})
	must(t, err)
	t.Cleanup(func() { h.Close() })
	must(t, r.AttachHost(h))
	outcomes(t, r)
}

// ofHost reports whether a point is of a diagnostics host.
func ofHost(p point) bool { return strings.HasPrefix(p.name, "taskqueue.diagnostics.") }

// outcomes runs effects of the example's queue with several outcomes.
func outcomes(t testing.TB, r *telemetry.Registration) {
	t.Helper()
	recorder, err := effect.New(effect.Options{
		Store: new(effect.Memory), Observe: r.Effects(leasequeue.Metrics()),
	})
	must(t, err)
	run := func(name string, fail error) {
		s := effect.ForTask("resource-lease", tq.TaskID{Origin: 1, Sequence: 1}, name)
		_ = recorder.Do(bg, s, func(context.Context, effect.Call) error { return fail })
	}
	run("Notify", errors.New("busy"))
	run("Notify", nil)
	run("Notify", nil)
	run("unheard of", effect.Final(errors.New("no")))
}

// Effects are counted by outcome, under names of the directives alone, and
// until Close.
func TestEffects(t *testing.T) {
	t.Parallel()
	m := newMeters(t)
	r := m.register(t)
	observe := r.Effects(leasequeue.Metrics())
	outcomes(t, r)
	counts := func(name string) map[string]float64 {
		counts := map[string]float64{}
		for _, p := range m.collect(t) {
			if p.name == name {
				counts[p.attributes["deterministic.effect.name"]+" "+p.attributes["outcome"]] = p.value
			}
		}

		return counts
	}
	want := map[string]float64{"Notify retry": 1, "Notify completed": 1, "Notify replayed": 1, "other failed": 1}
	for _, name := range []string{"deterministic.effects", "deterministic.effect.duration"} {
		if diff := cmp.Diff(want, counts(name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	r.SetGroups(telemetry.Depth)
	outcomes(t, r)
	r.SetGroups(telemetry.AllGroups)
	must(t, r.Close())
	observe(effect.Observation{Outcome: effect.OutcomeCompleted})
	if diff := cmp.Diff(want, counts("deterministic.effects")); diff != "" {
		t.Errorf("off or closed, and effects are counted (-want +got):\n%s", diff)
	}
}

// order runs one order through a queue.
func order(t testing.TB, q *orderqueue.Local, o labels.Order) {
	if _, err := q.Enqueue(bg, o); err != nil {
		t.Fatal(err)
	}
	l, err := q.Lease(bg)
	if err == nil {
		_, err = l.Heartbeat(bg)
	}
	if err == nil {
		err = l.Complete(bg)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Histograms of single tasks have the labels of their payloads, and nothing
// else has them.
func TestLabelledHistograms(t *testing.T) {
	t.Parallel()
	m := newMeters(t)
	r := m.register(t)
	q, err := orderqueue.New(tq.Options{})
	must(t, err)
	defer q.Close()
	must(t, r.AttachQueue(q))
	order(t, q, labels.Order{Region: "eu", Urgency: -1, IsGift: true})
	order(t, q, labels.Order{Region: "eu", Urgency: -1, IsGift: true})
	order(t, q, labels.Order{Region: "mars", Urgency: 9})
	got := map[string]map[string]float64{}
	for _, p := range m.collect(t) {
		series := ""
		for _, l := range orderqueue.Metrics().Labels {
			series += p.attributes["taskqueue.label."+l.Name] + " "
		}
		if series = strings.TrimSpace(series); series != "" {
			if got[p.name] == nil {
				got[p.name] = map[string]float64{}
			}
			got[p.name][series] = p.value
		}
	}
	each := map[string]float64{"eu -1 true": 2, "other other other": 1}
	want := map[string]map[string]float64{}
	for _, i := range instrument.Table {
		if i.Labelled {
			want[string(i.Name)] = each
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labelled (-want +got):\n%s", diff)
	}
}

// The spans of handlers have the labels of their payloads, and other spans have
// not.
func TestLabelledSpans(t *testing.T) {
	t.Parallel()
	p := newTracers(t)
	r := p.register(t, telemetry.WithSpanLevel(telemetry.SpansFull))
	q, err := orderqueue.New(tq.Options{})
	must(t, err)
	defer q.Close()
	orders := []labels.Order{{Region: "us", IsGift: true}, {Region: "mars", Urgency: -1}}
	for _, o := range orders {
		_, err := q.TryEnqueue(bg, o)
		must(t, err)
	}
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	left := len(orders)
	o := orderqueue.RunOptions{Wrap: r.Spans(q).Wrap}
	must(t, orderqueue.Run(ctx, q, o, func(context.Context, *orderqueue.Lease) error {
		if left--; left == 0 {
			cancel()
		}

		return nil
	}))
	var got []string
	for _, s := range p.exported.GetSpans() {
		for _, a := range s.Attributes {
			if label, ok := strings.CutPrefix(string(a.Key), "taskqueue.label."); ok {
				got = append(got, s.Name+" "+label+" "+a.Value.AsString())
			}
		}
	}
	want := []string{
		"TaskQueue.process region us", "TaskQueue.process urgency 0", "TaskQueue.process is_gift true",
		"TaskQueue.process region other", "TaskQueue.process urgency -1", "TaskQueue.process is_gift other",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

// ownInstruments are those of a service.
func ownInstruments(t testing.TB, r *telemetry.Registration) (size, count orderqueue.Instrument) {
	t.Helper()
	h, err := r.Histogram(orderqueue.Metrics(), "orders.size", metric.WithUnit("By"))
	must(t, err)
	c, err := r.Counter(orderqueue.Metrics(), "orders.shipped", metric.WithUnit("{order}"))
	must(t, err)

	return orderqueue.NewInstrument(h), orderqueue.NewInstrument(c)
}

// What is recorded of a payload that the Metrics are not about has the labels of
// all that is not told apart.
func TestForeignSeries(t *testing.T) {
	t.Parallel()
	m := newMeters(t)
	c, err := m.register(t).Counter(orderqueue.Metrics(), "orders.shipped")
	must(t, err)
	for _, series := range []int{-1, 1 << 20} {
		c.Record(bg, series, 1)
	}
	for _, p := range m.collect(t) {
		if p.attributes["taskqueue.label.region"] != "other" || p.attributes["taskqueue.label.is_gift"] != "other" {
			t.Errorf("%s has %v", p.name, p.attributes)
		}
	}
}

// A service's own instruments have the attributes of the queue and the labels of
// the payload, until Close.
func TestOwnInstruments(t *testing.T) {
	t.Parallel()
	m := newMeters(t)
	r := m.register(t, telemetry.WithServiceName("shop"))
	size, count := ownInstruments(t, r)
	o := labels.Order{Region: "us", Urgency: 1}
	size.Record(bg, &o, 10)
	count.Record(bg, &o, 3)
	check := func() {
		t.Helper()
		points := m.collect(t)
		want := map[string]string{
			"taskqueue.name": "orders", "service.name": "shop", "taskqueue.label.region": "us",
			"taskqueue.label.urgency": "1", "taskqueue.label.is_gift": "other",
		}
		var names []string
		for _, p := range points {
			names = append(names, p.name+" "+p.kind+" "+p.unit)
			if diff := cmp.Diff(want, p.attributes); diff != "" {
				t.Errorf("%s (-want +got):\n%s", p.name, diff)
			}
		}
		slices.Sort(names)
		if diff := cmp.Diff([]string{"orders.shipped counter {order}", "orders.size histogram By"}, names); diff != "" {
			t.Errorf("instruments (-want +got):\n%s", diff)
		}
		if v := value(t, points, "orders.shipped"); v != 3 {
			t.Errorf("shipped %v, want 3", v)
		}
	}
	check()
	must(t, r.Close())
	size.Record(bg, &o, 10)
	count.Record(bg, &o, 3)
	check()
	if _, err := r.Counter(orderqueue.Metrics(), "late"); !errors.Is(err, tq.ErrClosed) {
		t.Errorf("an instrument of a closed registration: %v", err)
	}
}

// A host is reported once, without a queue, until it is detached. Invariant 41.
func TestInvariant41Host(t *testing.T) {
	defer leavesNothing(t)()
	h, err := diagnostics.New(diagnostics.Options{})
	must(t, err)
	defer h.Close()
	a, b := newMeters(t), newMeters(t)
	ra, rb := a.register(t, telemetry.WithShard("a")), b.register(t)
	must(t, errors.Join(ra.AttachHost(h), rb.AttachHost(h)))
	if err := ra.AttachHost(h); err == nil {
		t.Error("attached twice")
	}
	got := map[string]string{}
	for _, p := range a.collect(t) {
		got[p.name] = strings.Join(slices.Sorted(maps.Keys(p.attributes)), " ")
	}
	want := map[string]string{
		"taskqueue.diagnostics.subscribers": "taskqueue.shard", "taskqueue.diagnostics.gaps": "taskqueue.shard",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("instruments (-want +got):\n%s", diff)
	}
	must(t, ra.DetachHost(h))
	if points := a.collect(t); len(points) != 0 {
		t.Errorf("detached, and %v is collected", points)
	}
	if points := b.collect(t); len(points) != 2 {
		t.Errorf("the other registration reports %v", points)
	}
	must(t, rb.Close())
	if points := b.collect(t); len(points) != 0 {
		t.Errorf("closed, and %v is collected", points)
	}
}

// Recording effects, labelled samples and a service's own figures allocates
// nothing, whoever provides.
func TestLabelledRecordingAllocatesNothing(t *testing.T) {
	for name, p := range providers(t) {
		var options []telemetry.Option
		if p != nil {
			options = append(options, telemetry.WithMeterProvider(p))
		}
		r, err := telemetry.New(options...)
		must(t, err)
		q, err := orderqueue.New(tq.Options{Capacity: 64})
		must(t, err)
		must(t, r.AttachQueue(q))
		size, count := ownInstruments(t, r)
		observe := r.Effects(orderqueue.Metrics())
		o := labels.Order{Region: "eu"}
		for what, f := range map[string]func(){
			"samples": func() { order(t, q, o) },
			"own":     func() { size.Record(bg, &o, 1); count.Record(bg, &o, 1) },
			"effects": func() {
				if observe != nil {
					observe(effect.Observation{
						Scope: effect.ForTask("orders", tq.TaskID{}, "Charge"), Outcome: effect.OutcomeRetry, Took: time.Second,
					})
				}
			},
		} {
			n := 1.0
			for try := 0; try < 5 && n != 0; try++ { // until buffers have their size
				n = testing.AllocsPerRun(5000, f)
			}
			if n != 0 {
				t.Errorf("%s, %s: %v allocations", name, what, n)
			}
		}
		must(t, errors.Join(r.Close(), q.Close()))
	}
}
