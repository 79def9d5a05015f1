package verify

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/telemetry"
	"github.com/tqgen/tqgen/runtime/tq"
)

var (
	bg     = context.Background()
	update = flag.Bool("update", false, "record what was found as wanted")
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, o tq.Options) *leasequeue.Local {
	t.Helper()
	q, err := leasequeue.New(o)
	must(t, err)
	t.Cleanup(func() { q.Close() })

	return q
}

// meters is a provider with its reader.
type meters struct {
	*sdk.MeterProvider
	reader *sdk.ManualReader
}

func newMeters(t testing.TB) *meters {
	reader := sdk.NewManualReader()
	p := sdk.NewMeterProvider(sdk.WithReader(reader))
	t.Cleanup(func() { _ = p.Shutdown(bg) })

	return &meters{p, reader}
}

func (m *meters) register(t testing.TB, o ...telemetry.Option) *telemetry.Registration {
	t.Helper()
	r, err := telemetry.New(append([]telemetry.Option{telemetry.WithMeterProvider(m)}, o...)...)
	must(t, err)
	t.Cleanup(func() { r.Close() })

	return r
}

// point is one collected value.
type point struct {
	name, kind, unit string
	attributes       map[string]string
	value            float64 // count of a histogram
	bounds           []float64
	sum              float64
}

func (m *meters) collect(t testing.TB) []point {
	t.Helper()
	var all metricdata.ResourceMetrics
	must(t, m.reader.Collect(bg, &all))
	var points []point
	for _, scope := range all.ScopeMetrics {
		for _, i := range scope.Metrics {
			for _, p := range pointsOf(i.Data) {
				p.name, p.unit = i.Name, i.Unit
				points = append(points, p)
			}
		}
	}

	return points
}

func pointsOf(data metricdata.Aggregation) []point {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		return numbers(d.DataPoints, map[bool]string{true: "counter", false: "updown"}[d.IsMonotonic])
	case metricdata.Sum[float64]:
		return numbers(d.DataPoints, map[bool]string{true: "counter", false: "updown"}[d.IsMonotonic])
	case metricdata.Gauge[int64]:
		return numbers(d.DataPoints, "gauge")
	case metricdata.Gauge[float64]:
		return numbers(d.DataPoints, "gauge")
	case metricdata.Histogram[int64]:
		return histograms(d.DataPoints)
	case metricdata.Histogram[float64]:
		return histograms(d.DataPoints)
	default:
		return []point{{kind: fmt.Sprintf("%T", data)}}
	}
}

func numbers[N int64 | float64](from []metricdata.DataPoint[N], kind string) (points []point) {
	for _, p := range from {
		points = append(points, point{kind: kind, attributes: text(p.Attributes), value: float64(p.Value)})
	}

	return points
}

func histograms[N int64 | float64](from []metricdata.HistogramDataPoint[N]) (points []point) {
	for _, p := range from {
		points = append(points, point{
			kind: "histogram", attributes: text(p.Attributes), value: float64(p.Count), bounds: p.Bounds, sum: float64(p.Sum),
		})
	}

	return points
}

func text(s attribute.Set) map[string]string {
	m := map[string]string{}
	for _, kv := range s.ToSlice() {
		m[string(kv.Key)] = kv.Value.String()
	}

	return m
}

// value is that of the only point of that name, or of the one with the given
// attribute.
func value(t testing.TB, points []point, name string, attr ...string) float64 {
	t.Helper()
	for _, p := range points {
		if p.name == name && (len(attr) == 0 || p.attributes[attr[0]] == attr[1]) {
			return p.value
		}
	}

	return -1
}

// busy makes a queue do one of everything.
func busy(t testing.TB, q *leasequeue.Local) {
	t.Helper()
	put := func() {
		_, err := q.TryEnqueue(bg, lease.ResourceLease{})
		must(t, err)
	}
	take := func() leasequeue.Lease {
		l, err := q.TryLease(bg)
		must(t, err)

		return l
	}
	for range 5 {
		put()
	}
	l := take()
	_, err := l.Heartbeat(bg)
	must(t, err)
	must(t, l.Complete(bg))
	if err := l.Complete(bg); !errors.Is(err, tq.ErrLeaseLost) {
		t.Fatal(err)
	}
	l = take()
	must(t, l.Fail(bg, errors.New("again")))
	l = take()
	must(t, l.Release(bg))
	for range 2 {
		l = take()
		must(t, l.DeadLetter(bg, errors.New("no")))
	}
	letters, err := q.DeadLetters(bg, 0, 2)
	must(t, err)
	must(t, q.Redrive(bg, letters[0].ID))
	must(t, q.Purge(bg, letters[1].ID))
	s, err := q.Drain(bg, 0)
	must(t, err)
	if _, err := q.TryEnqueue(bg, lease.ResourceLease{}); !errors.Is(err, tq.ErrDrained) {
		t.Fatal(err)
	}
	must(t, q.Restore(bg, s))
	for q.Probe().Stats().Live() < q.Probe().Options().Capacity {
		put()
	}
	blocked := make(chan error)
	go func() {
		_, err := q.Enqueue(bg, lease.ResourceLease{})
		blocked <- err
	}()
	for q.Probe().Stats().WaitingProducers == 0 {
	}
	l = take()
	must(t, l.Complete(bg))
	must(t, <-blocked)
}

var row = regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| (\\w+) \\| `([^`]+)` \\| (\\w+) \\| ([^|]*)\\|")

// documented is the table of docs/telemetry.md: name, kind, unit, attribute.
func documented(t *testing.T) (rows []string, groups map[string]string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/telemetry.md")
	must(t, err)
	groups = map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		attributes := strings.ReplaceAll(strings.TrimSpace(m[5]), "`", "")
		rows = append(rows, strings.Join([]string{m[1], m[2], m[3], attributes}, " "))
		groups[m[1]] = m[4]
	}
	slices.Sort(rows)

	return rows, groups
}

// all attaches a queue, its monitor, a source and a sink of it, and makes every instrument report.
func all(t *testing.T, r *telemetry.Registration) {
	t.Helper()
	q := open(t, tq.Options{Capacity: 16, High: 4, Low: 1, Cooldown: tq.NoCooldown})
	m, err := backpressure.New(q, backpressure.Options{})
	must(t, err)
	t.Cleanup(func() { m.Close() })
	must(t, r.AttachQueue(q))
	must(t, r.AttachMonitor(m))
	replicate(t, r, q)
	others(t, r)
	told := make(chan struct{}, 100)
	m.Subscribe(func(context.Context, backpressure.Signal) error {
		told <- struct{}{}
		return nil
	})
	<-told
	busy(t, q)
	<-told
}

// eventually collects until done says so.
func eventually(t *testing.T, m *meters, done func([]point) bool) []point {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		points := m.collect(t)
		if done(points) {
			return points
		}
		if time.Now().After(end) {
			t.Fatalf("in vain: %v", points)
		}
	}
}

// leavesNothing gives what fails the test if goroutines run then that do not run
// now. Those that are about to end have time for it: goleak's own is half a second.
func leavesNothing(t *testing.T) (look func()) {
	before := goleak.IgnoreCurrent()

	return func() {
		t.Helper()
		for end := time.Now().Add(patience); ; {
			err := goleak.Find(before)
			if err == nil {
				return
			}
			if time.Now().After(end) {
				t.Fatal(err)
			}
		}
	}
}

// The table in the docs is what a reader collects.
func TestDocumentedInstruments(t *testing.T) {
	t.Parallel()
	m := newMeters(t)
	all(t, m.register(t, telemetry.WithOmniRelayNames()))
	want, _ := documented(t)
	var got []string
	points := eventually(t, m, func(points []point) bool {
		return value(t, points, "omnirelay.resourcelease.backpressure.transitions") > 0 &&
			value(t, points, "omnirelay.resourcelease.replication.lag") > 0
	})
	for _, p := range points {
		extra := slices.Sorted(maps.Keys(p.attributes))
		extra = slices.DeleteFunc(extra, func(k string) bool { return k == "taskqueue.name" })
		got = append(got, strings.Join([]string{p.name, p.kind, p.unit, strings.Join(extra, ", ")}, " "))
		if p.attributes["taskqueue.name"] != "resource-lease" && !ofHost(p) {
			t.Errorf("%s does not name its queue: %v", p.name, p.attributes)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("instruments (-docs +collected):\n%s", diff)
	}
}

// Each value is the queue's.
func TestValues(t *testing.T) {
	t.Parallel()
	m := newMeters(t)
	all(t, m.register(t))
	points := eventually(t, m, func(points []point) bool {
		return value(t, points, "hugo.taskqueue.backpressure.pending") > 0
	})
	for name, want := range map[string]float64{
		"taskqueue.enqueued": 19, "taskqueue.leased": 6, "taskqueue.completed": 2, "taskqueue.failed": 3,
		"taskqueue.heartbeats": 1, "taskqueue.released": 1, "taskqueue.deadlettered": 2, "taskqueue.redriven": 1,
		"taskqueue.purged": 1, "taskqueue.requeued": 1, "taskqueue.drained": 3, "taskqueue.restored": 3, "taskqueue.expired": 0,
		"taskqueue.pending": 16, "taskqueue.active": 0, "taskqueue.pending.limit": 16, "taskqueue.deadletter.pending": 0,
		"taskqueue.lease.duration": 6, "taskqueue.wait.duration": 6, "taskqueue.heartbeat.extension": 1,
		"taskqueue.delivery.attempts": 4, "taskqueue.enqueue.blocked.duration": 1, "taskqueue.telemetry.lost": 0,
		"hugo.taskqueue.backpressure.active": 1, "taskqueue.backpressure.high_watermark": 4,
		"taskqueue.backpressure.low_watermark": 1,
	} {
		if got := value(t, points, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got := value(t, points, "taskqueue.enqueue.rejected", "error.type", tq.CodeDrained); got != 1 {
		t.Errorf("%v enqueues were rejected by a drain, want 1", got)
	}
	if got := value(t, points, "taskqueue.lease.stale", "taskqueue.operation", "complete"); got != 1 {
		t.Errorf("%v completions were too late, want 1", got)
	}
	if got := value(t, points, "taskqueue.pending.oldest_age"); got <= 0 {
		t.Errorf("the oldest task is ready for %v", got)
	}
}

// Groups can be switched while the queue works, and one that is off reports
// nothing.
func TestGroups(t *testing.T) {
	t.Parallel()
	_, groups := documented(t)
	for group, g := range map[string]telemetry.Groups{
		"Depth": telemetry.Depth, "Throughput": telemetry.Throughput, "Backpressure": telemetry.Backpressure,
		"Replication": telemetry.Replication, "": 0,
	} {
		m := newMeters(t)
		r := m.register(t, telemetry.WithGroups(telemetry.AllGroups&^g))
		r.SetGroups(g)
		all(t, r)
		seen := map[string]bool{}
		eventually(t, m, func(points []point) bool {
			for _, p := range points {
				seen[groups[p.name]] = true
			}

			return group == "" || seen[group]
		})
		if want := group != ""; len(seen) > 1 || seen[group] != want {
			t.Errorf("group %q alone reports %v", group, slices.Collect(maps.Keys(seen)))
		}
	}
}

// Two registrations do not see each other, and a closed one observes nothing.
// Invariant 41.
func TestInvariant41IndependentAndClosed(t *testing.T) {
	defer leavesNothing(t)()
	q := open(t, tq.Options{Capacity: 4})
	a, b := newMeters(t), newMeters(t)
	ra, rb := a.register(t, telemetry.WithShard("a")), b.register(t, telemetry.WithShard("b"))
	must(t, ra.AttachQueue(q))
	must(t, rb.AttachQueue(q))
	if err := ra.AttachQueue(q); err == nil {
		t.Error("attached twice")
	}
	for m, shard := range map[*meters]string{a: "a", b: "b"} {
		points := m.collect(t)
		if len(points) == 0 {
			t.Error("nothing collected")
		}
		for _, p := range points {
			if p.attributes["taskqueue.shard"] != shard {
				t.Errorf("%s of shard %s has %v", p.name, shard, p.attributes)
			}
		}
	}
	must(t, errors.Join(ra.Close(), ra.Close()))
	if points := a.collect(t); len(points) != 0 {
		t.Errorf("closed, and %d points are collected: %v", len(points), points)
	}
	if points := b.collect(t); len(points) == 0 {
		t.Error("the other one reports nothing any more")
	}
	if err := ra.AttachQueue(q); !errors.Is(err, tq.ErrClosed) {
		t.Errorf("attached to a closed registration: %v", err)
	}
	must(t, rb.DetachQueue(q))
	must(t, rb.DetachQueue(q))
	if points := b.collect(t); len(points) != 0 {
		t.Errorf("detached, and %d points are collected", len(points))
	}
	must(t, rb.AttachQueue(q))
	must(t, rb.Close())
	must(t, q.Close())
}

// Units, attributes and bounds are what options say.
func TestOptions(t *testing.T) {
	t.Parallel()
	m := newMeters(t)
	calls := 0
	all(t, m.register(t, telemetry.WithHugoUnits(), telemetry.WithServiceName("orders"), telemetry.WithShard("eu"),
		telemetry.WithAttributes(attribute.String("tenant", "x")),
		telemetry.WithTags(func(queue string) []attribute.KeyValue {
			calls++
			return []attribute.KeyValue{attribute.String("team", queue+"-team")}
		}),
		telemetry.WithBuckets("taskqueue.lease.duration", 1, 2, 3)))
	want := map[string]string{
		"taskqueue.name": "resource-lease", "service.name": "orders", "taskqueue.shard": "eu", "tenant": "x",
		"team": "resource-lease-team",
	}
	points := eventually(t, m, func(points []point) bool { // a source and a sink are named by their first event
		return value(t, points, "taskqueue.replication.events") > 0 && value(t, points, "taskqueue.replication.applied") > 0
	})
	for _, p := range points {
		if ofHost(p) {
			p.attributes["taskqueue.name"], p.attributes["team"] = want["taskqueue.name"], want["team"] // it has none
		}
		delete(p.attributes, "deterministic.effect.name")
		delete(p.attributes, "outcome")
		delete(p.attributes, "error.type")
		delete(p.attributes, "taskqueue.operation")
		delete(p.attributes, "taskqueue.peer")
		delete(p.attributes, "taskqueue.replication.kind")
		if diff := cmp.Diff(want, p.attributes); diff != "" || strings.Contains(p.unit, "{") {
			t.Errorf("%s: unit %s, attributes (-want +got):\n%s", p.name, p.unit, diff)
		}
		if p.name == "taskqueue.lease.duration" && !slices.Equal(p.bounds, []float64{1, 2, 3}) {
			t.Errorf("bounds %v", p.bounds)
		}
	}
	if calls != 5 {
		t.Errorf("tags were asked for %d times, want once for queue, monitor, source, sink and effects", calls)
	}
	for what, o := range map[string]telemetry.Option{
		`there is no histogram "taskqueue.pending"`: telemetry.WithBuckets("taskqueue.pending", 1),
		"are not rising: [2 1]":                     telemetry.WithBuckets("taskqueue.wait.duration", 2, 1),
		"are not rising: []":                        telemetry.WithBuckets("taskqueue.wait.duration"),
	} {
		if _, err := telemetry.New(o); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v does not say %s", err, what)
		}
	}
}

// exposition is what Prometheus shows: each family with its type, and its series by
// their labels, without values.
func exposition(t *testing.T, registry *prometheus.Registry) string {
	families, err := registry.Gather()
	must(t, err)
	var text strings.Builder
	for _, f := range families {
		fmt.Fprintf(&text, "# TYPE %s %s\n", f.GetName(), strings.ToLower(f.GetType().String()))
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				known := !strings.HasPrefix(l.GetName(), "otel_scope") && !strings.HasPrefix(l.GetName(), "telemetry_sdk")
				if known && l.GetName() != "service_name" {
					labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
				}
			}
			fmt.Fprintf(&text, "%s{%s}\n", f.GetName(), strings.Join(labels, ","))
		}
	}

	return text.String()
}

// What Prometheus shows, under the usual names and under OmniRelay's with their
// own attributes and values, is in testdata.
func TestPrometheusNames(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	exporter, err := promexporter.New(promexporter.WithRegisterer(registry))
	must(t, err)
	p := sdk.NewMeterProvider(sdk.WithReader(exporter))
	r, err := telemetry.New(telemetry.WithMeterProvider(p), telemetry.WithOmniRelayNames(), telemetry.WithShard("s1"))
	must(t, err)
	all(t, r)
	const golden = "testdata/prometheus.txt"
	want, err := os.ReadFile(golden)
	must(t, err)
	got := exposition(t, registry)
	wait := patience
	if *update {
		wait = 5 * time.Second
	}
	for end := time.Now().Add(wait); got != string(want) && time.Now().Before(end); {
		got = exposition(t, registry) // what others record comes by and by
	}
	if *update {
		must(t, os.WriteFile(golden, []byte(got), 0o666))
	} else if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	must(t, r.Close())
	must(t, p.Shutdown(bg))
}

// cycle is enqueue, lease and complete.
func cycle(t testing.TB, q *leasequeue.Local) {
	if _, err := q.Enqueue(bg, lease.ResourceLease{}); err != nil {
		t.Fatal(err)
	}
	l, err := q.Lease(bg)
	if err == nil {
		err = l.Complete(bg)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// providers are those that recording is measured with.
func providers(t testing.TB) map[string]metric.MeterProvider {
	return map[string]metric.MeterProvider{"none": nil, "noop": noop.NewMeterProvider(), "sdk": newMeters(t)}
}

func attached(t testing.TB, p metric.MeterProvider) *leasequeue.Local {
	t.Helper()
	var options []telemetry.Option
	if p != nil {
		options = append(options, telemetry.WithMeterProvider(p))
	}
	r, err := telemetry.New(options...)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	q := open(t, tq.Options{Capacity: 64})
	must(t, r.AttachQueue(q))

	return q
}

func TestRecordingAllocatesNothing(t *testing.T) {
	for name, p := range providers(t) {
		q := attached(t, p)
		n := 1.0
		for try := 0; try < 5 && n != 0; try++ { // until buffers have their size
			n = testing.AllocsPerRun(20000, func() { cycle(t, q) })
		}
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkCycle is what instruments cost: plain is a queue without any.
func BenchmarkCycle(b *testing.B) {
	b.Run("plain", func(b *testing.B) {
		q := open(b, tq.Options{Capacity: 64})
		b.ReportAllocs()
		for b.Loop() {
			cycle(b, q)
		}
	})
	for name, p := range providers(b) {
		b.Run(name, func(b *testing.B) {
			q := attached(b, p)
			b.ReportAllocs()
			for b.Loop() {
				cycle(b, q)
			}
		})
	}
}
