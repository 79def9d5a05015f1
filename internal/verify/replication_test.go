package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/replicationhttp"
	"github.com/tqgen/tqgen/runtime/telemetry"
	"github.com/tqgen/tqgen/runtime/tq"
)

func sourceOf(t testing.TB, q *leasequeue.Local) *leasequeue.Source {
	t.Helper()
	reader, err := q.Watch(tq.Latest)
	must(t, err)
	t.Cleanup(func() { reader.Close() })

	return leasequeue.NewSource(reader, leasequeue.SourceOptions{Stamp: replication.Stamp{Peer: "node"}})
}

func sinkOf(t testing.TB, o leasequeue.SinkOptions, apply func(*leasequeue.Event) error) *leasequeue.Sink {
	t.Helper()
	o.Stream = "audit"
	s, err := leasequeue.NewSink(o, func(_ context.Context, e *leasequeue.Event) error { return apply(e) })
	must(t, err)

	return s
}

// follow has the sink follow the source until the test ends.
func follow(t testing.TB, sink *leasequeue.Sink, source *leasequeue.Source) (stop func()) {
	ctx, cancel := context.WithCancel(bg)
	done := make(chan error)
	go func() { done <- sink.Follow(ctx, source) }()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(func() { cancel() })

	return stop
}

// replicate has a sink follow a source of q, both attached.
func replicate(t *testing.T, r *telemetry.Registration, q *leasequeue.Local) {
	t.Helper()
	source, sink := sourceOf(t, q), sinkOf(t, leasequeue.SinkOptions{}, func(*leasequeue.Event) error { return nil })
	must(t, r.AttachSource(source))
	must(t, r.AttachSink(sink))
	follow(t, sink, source)
}

// What sources and sinks report is what has gone through them, by kind and by
// peer, and how late.
func TestReplicationValues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMeters(t)
		r := m.register(t, telemetry.WithOmniRelayNames())
		q := open(t, tq.Options{Capacity: 200})
		source := sourceOf(t, q)
		held := make(chan struct{})
		sink := sinkOf(t, leasequeue.SinkOptions{Batch: 1000, Interval: time.Hour}, func(e *leasequeue.Event) error {
			if e.Sequence == 4 {
				<-held
			}

			return nil
		})
		must(t, r.AttachSource(source))
		must(t, r.AttachSink(sink))
		if got := m.collect(t); len(got) != 0 {
			t.Errorf("before the first event: %v", got)
		}
		for range 3 {
			_, err := q.TryEnqueue(bg, lease.ResourceLease{})
			must(t, err)
		}
		l, err := q.LeaseAs(bg, "worker")
		must(t, err)
		must(t, l.Complete(bg))
		stop := follow(t, sink, source)
		synctest.Wait() // at the fourth of five events
		time.Sleep(7 * time.Second)
		close(held)
		synctest.Wait()
		points := m.collect(t)
		for _, c := range []struct {
			name, key, value string
			want             float64
		}{
			{"taskqueue.replication.events", "taskqueue.replication.kind", "Enqueued", 3},
			{"taskqueue.replication.events", "taskqueue.replication.kind", "LeaseGranted", 1},
			{"taskqueue.replication.events", "taskqueue.replication.kind", "Completed", 1},
			{"taskqueue.replication.events", "taskqueue.replication.kind", "Failed", -1},
			{"taskqueue.replication.applied", "taskqueue.peer", "node", 3},
			{"taskqueue.replication.applied", "taskqueue.peer", "worker", 2},
			{"taskqueue.replication.checkpoint_distance", "taskqueue.peer", "node", 3},
			{"taskqueue.replication.checkpoint_distance", "taskqueue.peer", "worker", 2},
			{"taskqueue.replication.duplicates", "taskqueue.peer", "node", 0},
			{"taskqueue.replication.gaps", "taskqueue.peer", "node", 0},
			{"taskqueue.replication.sequence_lag", "taskqueue.name", "resource-lease", 10},
			{"taskqueue.replication.wall_clock_lag", "taskqueue.name", "resource-lease", 5},
			{"omnirelay.resourcelease.replication.events", "lease.event_type", "Enqueue", 3},
			{"omnirelay.resourcelease.replication.events", "rpc.peer", "worker", 1},
			{"omnirelay.resourcelease.replication.lag", "lease.event_type", "Completed", 1},
		} {
			if got := value(t, points, c.name, c.key, c.value); got != c.want {
				t.Errorf("%s of %s: %v, want %v", c.name, c.value, got, c.want)
			}
		}
		for _, p := range points {
			switch p.name {
			case "taskqueue.replication.wall_clock_lag": // the last two were held up
				if p.sum != 14000 {
					t.Errorf("delays of %v ms, want 14000", p.sum)
				}
			case "taskqueue.replication.sequence_lag": // 4, 3, 2, 1, 0: of the source, and of the sink
				if p.sum != 20 {
					t.Errorf("lags of %v, want 20", p.sum)
				}
			}
		}

		stop() // which saves
		for _, peer := range []string{"node", "worker"} {
			if got := value(t, m.collect(t), "taskqueue.replication.checkpoint_distance", "taskqueue.peer", peer); got != 0 {
				t.Errorf("%s is %v events from its checkpoint after it was saved", peer, got)
			}
		}
	})
}

// Events that come again, and those that are missing, are counted.
func TestReplicationDuplicatesAndGaps(t *testing.T) {
	t.Parallel()
	m := newMeters(t)
	r := m.register(t)
	sink := sinkOf(t, leasequeue.SinkOptions{}, func(*leasequeue.Event) error { return nil })
	must(t, r.AttachSink(sink, attribute.String("site", "here")))
	feed := func(sequences ...tq.Sequence) error {
		return sink.Run(bg, func(yield func(leasequeue.Event, error) bool) {
			for _, s := range sequences {
				e := leasequeue.Event{Header: replication.Header{
					Sequence: s, Queue: "elsewhere", Incarnation: 7, OwnerPeer: "w", Task: tq.TaskID{Sequence: uint64(s)},
				}}
				if !yield(e, nil) {
					return
				}
			}
		})
	}
	must(t, feed(1, 2, 3))
	must(t, feed(2, 3, 4))
	if err := feed(6); !errors.Is(err, tq.ErrGap) {
		t.Errorf("an event that is not next: %v", err)
	}
	points := m.collect(t)
	for name, want := range map[string]float64{
		"taskqueue.replication.applied": 4, "taskqueue.replication.duplicates": 2, "taskqueue.replication.gaps": 1,
		"taskqueue.replication.checkpoint_distance": 0,
	} {
		if got := value(t, points, name, "taskqueue.peer", "w"); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for _, p := range points {
		if p.attributes["taskqueue.name"] != "elsewhere" || p.attributes["site"] != "here" {
			t.Errorf("%s has %v", p.name, p.attributes)
		}
	}
}

// Attributes are bounded, whoever owns events.
func TestReplicationPeersAreCapped(t *testing.T) {
	t.Parallel()
	m := newMeters(t)
	r := m.register(t, telemetry.WithOmniRelayNames())
	q := open(t, tq.Options{Capacity: 200})
	source := sourceOf(t, q)
	sink := sinkOf(t, leasequeue.SinkOptions{}, func(*leasequeue.Event) error { return nil })
	must(t, r.AttachSource(source))
	must(t, r.AttachSink(sink))
	follow(t, sink, source)
	for i := range 100 {
		_, err := q.TryEnqueue(bg, lease.ResourceLease{})
		must(t, err)
		l, err := q.LeaseAs(bg, fmt.Sprint("worker", i))
		must(t, err)
		must(t, l.Complete(bg))
	}
	points := eventually(t, m, func(points []point) bool {
		return value(t, points, "taskqueue.replication.applied", "taskqueue.peer", "other") == 74 &&
			value(t, points, "omnirelay.resourcelease.replication.events", "rpc.peer", "other") > 0 &&
			value(t, points, "taskqueue.replication.wall_clock_lag") == 300
	})
	peers := map[string]map[string]bool{}
	for _, p := range points {
		for _, key := range []string{"taskqueue.peer", "rpc.peer"} {
			if peer, ok := p.attributes[key]; ok {
				if peers[p.name] == nil {
					peers[p.name] = map[string]bool{}
				}
				peers[p.name][peer] = true
			}
		}
	}
	for name, seen := range peers {
		if len(seen) != replication.MaxPeers+1 || !seen[replication.OtherPeers] || !seen["node"] || !seen["worker0"] {
			t.Errorf("%s tells %d peers apart", name, len(seen))
		}
	}
	if len(peers) != 6 {
		t.Errorf("%d instruments know peers: %v", len(peers), peers)
	}
}

// Detached or closed, a source and a sink are nobody's business, and no
// goroutine is left. Invariant 41.
func TestInvariant41ReplicationDetaches(t *testing.T) {
	defer leavesNothing(t)()
	q := open(t, tq.Options{Capacity: 4})
	a, b := newMeters(t), newMeters(t)
	ra, rb := a.register(t), b.register(t)
	source, sink := sourceOf(t, q), sinkOf(t, leasequeue.SinkOptions{}, func(*leasequeue.Event) error { return nil })
	stop := follow(t, sink, source)
	for _, r := range []*telemetry.Registration{ra, rb} {
		must(t, r.AttachSource(source))
		must(t, r.AttachSink(sink))
		if r.AttachSource(source) == nil || r.AttachSink(sink) == nil {
			t.Error("attached twice")
		}
	}
	cycle(t, q)
	for _, m := range []*meters{a, b} {
		eventually(t, m, func(points []point) bool {
			return value(t, points, "taskqueue.replication.wall_clock_lag") == 3
		})
	}
	must(t, ra.Close())
	must(t, rb.DetachSource(source))
	must(t, rb.DetachSource(source))
	must(t, rb.DetachSink(sink))
	cycle(t, q)
	for _, p := range append(a.collect(t), b.collect(t)...) { // sums are the provider's
		if p.kind != "histogram" || p.value != 3 && p.name == "taskqueue.replication.wall_clock_lag" {
			t.Errorf("detached, and %v", p)
		}
	}
	if err := ra.AttachSink(sink); !errors.Is(err, tq.ErrClosed) {
		t.Errorf("attached to a closed registration: %v", err)
	}
	must(t, rb.AttachSink(sink))
	must(t, rb.Close())
	must(t, q.Close())
	stop()
}

// The group is switched while events pass; what passed meanwhile is counted all
// the same.
func TestReplicationGroup(t *testing.T) {
	t.Parallel()
	m := newMeters(t)
	r := m.register(t)
	q := open(t, tq.Options{Capacity: 4})
	source, done := sourceOf(t, q), make(chan struct{})
	sink := sinkOf(t, leasequeue.SinkOptions{}, func(e *leasequeue.Event) error {
		if e.Sequence == 7 { // the six before were applied
			close(done)
		}

		return nil
	})
	must(t, r.AttachSource(source))
	must(t, r.AttachSink(sink))
	follow(t, sink, source)
	applied := func(want float64) func([]point) bool {
		return func(points []point) bool { return value(t, points, "taskqueue.replication.applied") == want }
	}
	cycle(t, q)
	eventually(t, m, applied(3))
	r.SetGroups(telemetry.Depth)
	cycle(t, q)
	_, err := q.Enqueue(bg, lease.ResourceLease{})
	must(t, err)
	<-done
	for _, p := range m.collect(t) {
		if p.kind != "histogram" {
			t.Errorf("switched off, and %v", p)
		}
	}
	r.SetGroups(telemetry.AllGroups)
	points := eventually(t, m, applied(7))
	if got := value(t, points, "taskqueue.replication.wall_clock_lag"); got > 4 {
		t.Errorf("%v delays, want the three from before, and one at most", got)
	}
}

// Events that pass cost no allocation, whatever they are reported to.
func TestReplicationAllocatesNothing(t *testing.T) {
	for name, p := range providers(t) {
		var options []telemetry.Option
		if p != nil {
			options = append(options, telemetry.WithMeterProvider(p), telemetry.WithOmniRelayNames())
		}
		r, err := telemetry.New(options...)
		must(t, err)
		t.Cleanup(func() { r.Close() })
		q := open(t, tq.Options{Capacity: 64})
		source := sourceOf(t, q)
		applied := make(chan struct{})
		sink := sinkOf(t, leasequeue.SinkOptions{Batch: 1 << 20, Interval: time.Hour}, func(*leasequeue.Event) error {
			applied <- struct{}{}
			return nil
		})
		must(t, r.AttachSource(source))
		must(t, r.AttachSink(sink))
		follow(t, sink, source)
		n := 1.0
		for try := 0; try < 5 && n != 0; try++ { // until buffers have their size
			n = testing.AllocsPerRun(5000, func() {
				cycle(t, q)
				for range 3 {
					<-applied
				}
			})
		}
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// What a histogram has no room for is counted, with what a queue of the same
// name has lost, and the counters have it all the same.
func TestReplicationLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMeters(t)
		r := m.register(t)
		q := open(t, tq.Options{Capacity: 4})
		must(t, r.AttachQueue(q))
		probe := replication.NewSinkProbe("follower")
		must(t, r.AttachSink(probe))
		for i := range 10000 {
			must(t, probe.Applied(&replication.Header{Queue: "resource-lease", Sequence: tq.Sequence(i + 1), OwnerPeer: "w"}, nil))
		}
		points := m.collect(t)
		for name, want := range map[string]float64{
			"taskqueue.replication.applied": 10000, "taskqueue.replication.wall_clock_lag": 4096,
			"taskqueue.telemetry.lost": 10000 - 4096,
		} {
			if got := value(t, points, name); got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
	})
}

// notified tells of events that a replica has applied.
type notified struct {
	*leasequeue.Replica
	applied chan tq.Sequence
}

func (n *notified) Apply(e *leasequeue.Event) error {
	err := n.Replica.Apply(e)
	if err == nil {
		n.applied <- e.Sequence
	}

	return err
}

// What follows a queue over HTTP reports by a probe: the gap that it began with,
// events by owner, and how late they were.
func TestReplicationFollower(t *testing.T) {
	t.Parallel()
	m := newMeters(t)
	r := m.register(t)
	q := open(t, tq.Options{Capacity: 16})
	cycle(t, q) // which nobody reads
	reader, err := q.Watch(tq.Latest)
	must(t, err)
	defer reader.Close()
	h, err := replicationhttp.NewHandler(q.Feed(), replicationhttp.HandlerOptions{})
	must(t, err)
	server := httptest.NewServer(h)
	defer server.Close()
	defer server.CloseClientConnections()
	c, err := replicationhttp.NewClient(server.URL, replicationhttp.ClientOptions{})
	must(t, err)
	to, err := leasequeue.NewReplica(tq.Options{Capacity: 16})
	must(t, err)
	probe := replication.NewSinkProbe("follower")
	must(t, r.AttachSink(probe))
	f := &notified{to, make(chan tq.Sequence)}
	ctx, cancel := context.WithCancel(bg)
	done := make(chan error)
	go func() {
		done <- leasequeue.Follow(ctx, c, f, replication.FollowOptions{MinBackoff: time.Millisecond, Probe: probe})
	}()
	_, err = q.TryEnqueue(bg, lease.ResourceLease{})
	must(t, err)
	for to.Position().Sequence < 4 { // by the snapshot, or the event
		select {
		case <-f.applied:
		default:
		}
	}
	l, err := q.LeaseAs(bg, "worker")
	must(t, err)
	must(t, l.Complete(bg))
	for <-f.applied < 6 {
	}
	cancel()
	<-done
	points := m.collect(t)
	for _, c := range []struct {
		name, peer string
		want       float64
	}{
		{"taskqueue.replication.gaps", replication.DefaultPeer, 1},
		{"taskqueue.replication.applied", "worker", 2},
		{"taskqueue.replication.checkpoint_distance", "worker", 0},
	} {
		if got := value(t, points, c.name, "taskqueue.peer", c.peer); got != c.want {
			t.Errorf("%s of %s is %v, want %v", c.name, c.peer, got, c.want)
		}
	}
	if got := value(t, points, "taskqueue.replication.wall_clock_lag"); got < 2 || got > 3 {
		t.Errorf("%v delays", got)
	}
	if s := probe.Stats(); s.Position.Sequence != 6 || s.Queue != "resource-lease" {
		t.Errorf("%+v", s)
	}
}

// Kinds that are not known here share an attribute, as they share a count.
func TestReplicationKindsAreClosed(t *testing.T) {
	t.Parallel()
	m := newMeters(t)
	r := m.register(t, telemetry.WithOmniRelayNames())
	sink := sinkOf(t, leasequeue.SinkOptions{}, func(*leasequeue.Event) error { return nil })
	must(t, r.AttachSink(sink))
	must(t, sink.Run(bg, headers(4, func(h *replication.Header) { h.Kind = tq.Kind(50 + h.Sequence) })))
	points := eventually(t, m, func(points []point) bool {
		return value(t, points, "omnirelay.resourcelease.replication.lag", "lease.event_type", "other") == 4
	})
	for _, p := range points {
		if kind, ok := p.attributes["lease.event_type"]; ok && kind != "other" {
			t.Errorf("%s has %s", p.name, kind)
		}
	}
}

// Tags that panic where only the first event names the queue take nobody down:
// there are none.
func TestReplicationTagsPanic(t *testing.T) {
	t.Parallel()
	m := newMeters(t)
	r := m.register(t, telemetry.WithTags(func(queue string) []attribute.KeyValue { panic(queue) }))
	sink := sinkOf(t, leasequeue.SinkOptions{}, func(*leasequeue.Event) error { return nil })
	must(t, r.AttachSink(sink))
	must(t, sink.Run(bg, headers(3, func(*replication.Header) {})))
	points := m.collect(t)
	if got := value(t, points, "taskqueue.replication.applied", "taskqueue.name", "elsewhere"); got != 3 {
		t.Errorf("%v applied, want 3: %v", got, points)
	}
}

// headers are n events of a queue elsewhere.
func headers(n tq.Sequence, change func(*replication.Header)) func(func(leasequeue.Event, error) bool) {
	return func(yield func(leasequeue.Event, error) bool) {
		for s := range n {
			e := leasequeue.Event{Header: replication.Header{
				Sequence: s + 1, Queue: "elsewhere", Incarnation: 7, OwnerPeer: "w", Task: tq.TaskID{Sequence: uint64(s) + 1},
			}}
			change(&e.Header)
			if !yield(e, nil) {
				return
			}
		}
	}
}
