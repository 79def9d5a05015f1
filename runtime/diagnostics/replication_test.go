package diagnostics_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// replicate has a sink follow a source of q, and attaches what is wanted.
func replicate(
	t *testing.T, q *leasequeue.Local, attach func(*leasequeue.Source, *leasequeue.Sink),
) (stop func() error) {
	t.Helper()
	reader, err := q.Watch(tq.Latest)
	must(t, err)
	source := leasequeue.NewSource(reader, leasequeue.SourceOptions{Stamp: replication.Stamp{Peer: "node", Shard: "eu"}})
	sink, err := leasequeue.NewSink(leasequeue.SinkOptions{Stream: "audit", Batch: 100, Interval: time.Hour},
		func(context.Context, *leasequeue.Event) error { return nil })
	must(t, err)
	attach(source, sink)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- sink.Follow(ctx, source) }()
	stop = func() error {
		cancel()
		defer reader.Close()

		return <-done
	}

	return stop
}

func cycle(t *testing.T, q *leasequeue.Local, owner string) {
	t.Helper()
	_, err := q.Enqueue(t.Context(), lease.ResourceLease{ResourceID: "secret"})
	must(t, err)
	l, err := q.LeaseAs(t.Context(), owner)
	must(t, err)
	must(t, l.Complete(t.Context()))
}

// Invariant 39, of replication: events without their payload, and the figures of
// each peer, in the stream, in the snapshot and in queries.
func TestInvariant39Replication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, diagnostics.Options{})
		q := attach(t, h)
		stop := replicate(t, q, func(source *leasequeue.Source, sink *leasequeue.Sink) {
			must(t, h.AttachSource(source))
			must(t, h.AttachSink(sink))
			if h.AttachSource(source) == nil || h.AttachSink(sink) == nil {
				t.Error("attached twice")
			}
		})
		defer func() { _ = stop() }()
		synctest.Wait()
		l := listen(t, h, root)
		l.next(diagnostics.TypeSnapshot)
		begin := time.Now()
		cycle(t, q, "worker")

		events := map[string][]diagnostics.Replicated{}
		for range 6 {
			e := l.until(diagnostics.TypeReplication)
			complete(t, "event", e.Data, diagnostics.Replicated{})
			one := decode[diagnostics.Replicated](t, e.Data)
			events[one.Role] = append(events[one.Role], one)
		}
		if time.Since(begin) > 200*time.Millisecond {
			t.Errorf("events came after %v", time.Since(begin))
		}
		life := q.Probe().Options().Incarnation.String()
		want := diagnostics.Replicated{
			Queue: "resource-lease", Shard: "eu", Role: "source", Peer: "worker", Owner: "worker", Incarnation: life,
			Sequence: 2, SourceEvent: 2, SequenceDelta: 1, Kind: "LeaseGranted", Task: life + "-1", Attempt: 1, OccurredAt: begin, RecordedAt: begin,
		}
		for role, stream := range map[string]string{diagnostics.RoleSource: "", diagnostics.RoleSink: "audit"} {
			want.Role, want.Stream = role, stream
			got := events[role][1]
			want.Behind, want.Task = got.Behind, got.Task
			if diff := cmp.Diff(want, got); diff != "" || len(events[role]) != 3 || got.Task == "" || got.Behind > 1 {
				t.Errorf("%s: (-want +got):\n%s", role, diff)
			}
		}

		e := l.until(diagnostics.TypeStats)
		stats := decode[diagnostics.QueueStats](t, e.Data)
		position := diagnostics.Replication{
			Queue: "resource-lease", Shard: "eu", Role: "source", Incarnation: life, Position: 3, Known: 3, PerSec: 3,
			Peers: []diagnostics.ReplicationPeer{
				{Peer: "node", Position: 1, Events: 1}, {Peer: "worker", Position: 3, Events: 2},
			},
		}
		applied := position
		applied.Role, applied.Stream, applied.Distance = "sink", "audit", 3
		applied.Peers = []diagnostics.ReplicationPeer{
			{Peer: "node", Position: 1, Events: 1, Distance: 1}, {Peer: "worker", Position: 3, Events: 2, Distance: 2},
		}
		figures := []diagnostics.Replication{position, applied}
		if diff := cmp.Diff(figures, stats.Replication); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
		parts := decode[struct{ Replication []json.RawMessage }](t, e.Data)
		complete(t, "stats of replication", parts.Replication[1], diagnostics.Replication{})
		peers := decode[struct{ Peers []json.RawMessage }](t, parts.Replication[1])
		complete(t, "stats of a peer", peers.Peers[0], diagnostics.ReplicationPeer{})

		_, body := answer(h, http.MethodGet, root+"/snapshot")
		snapshot := decode[diagnostics.Snapshot](t, []byte(body))
		if diff := cmp.Diff(figures, snapshot.Replication); diff != "" {
			t.Errorf("snapshot (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(figures, snapshot.Queues[0].Replication); diff != "" {
			t.Errorf("queue in the snapshot (-want +got):\n%s", diff)
		}
		_, body = answer(h, http.MethodGet, root+"/latest?types="+diagnostics.TypeReplication)
		latest := decode[diagnostics.Event](t, []byte(body))
		if e := decode[diagnostics.Replicated](t, latest.Data); e.Sequence != 3 {
			t.Errorf("latest %s", body)
		}
		_, body = answer(h, http.MethodGet, root+"/history?types="+diagnostics.TypeReplication)
		if page := decode[diagnostics.History](t, []byte(body)); len(page.Events) != 6 || strings.Contains(body, "secret") {
			t.Errorf("history %s", body)
		}
	})
}

// What passes faster than the rate is accounted for to the last event, and
// neither queue nor sink wait for it; other events are not pushed out.
func TestReplicationUnderLoad(t *testing.T) {
	t.Parallel()
	h := newHost(t, diagnostics.Options{ReplicationRate: 50, Ring: 1 << 16}) // for as long as it may take
	q, err := leasequeue.New(tq.Options{Capacity: 64})
	must(t, err)
	defer q.Close()
	must(t, h.AttachQueue(q))
	const tasks = 10000
	last := make(chan struct{})
	sink, err := leasequeue.NewSink(leasequeue.SinkOptions{Stream: "audit"}, func(_ context.Context, e *leasequeue.Event) error {
		if e.Sequence == 3*tasks {
			close(last)
		}

		return nil
	})
	must(t, err)
	must(t, h.AttachSink(sink))
	reader, err := q.Watch(tq.Latest)
	must(t, err)
	defer reader.Close()
	source := leasequeue.NewSource(reader, leasequeue.SourceOptions{})
	must(t, source.Synchronous(tq.SyncOptions{})) // so that nothing is pushed out of the log
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- sink.Follow(ctx, source) }()
	for range 10 { // clients that do not read
		listen(t, h, root)
	}
	l := listen(t, h, root+"?types="+diagnostics.TypeReplication)
	l.next(diagnostics.TypeSnapshot)
	for range tasks {
		cycle(t, q, "worker")
	}
	<-last
	cancel()
	must(t, ended(<-done))
	must(t, h.DetachSink(sink))
	seen, published, gaps := uint64(0), 0, 0
	for seen < 3*tasks {
		e, err := l.Next()
		must(t, err)
		switch e.Type {
		case diagnostics.TypeReplication:
			seen++
			published++
			if r := decode[diagnostics.Replicated](t, e.Data); r.Sequence > 3*tasks {
				t.Fatalf("event %d", r.Sequence)
			}
		case diagnostics.TypeGap:
			g := decode[diagnostics.Gap](t, e.Data)
			if e.ID == "" || g.Reason != "rate" || g.Queue != "resource-lease" || g.Role != "sink" || g.Stream != "audit" ||
				g.From < 1 || g.To > 3*tasks || g.To-g.From+1 < g.Dropped {
				t.Fatalf("gap %s", e.Data)
			}
			seen += g.Dropped
			gaps++
		}
	}
	if seen != 3*tasks || gaps == 0 || published == 0 || published > tasks {
		t.Errorf("%d events are accounted for, %d of them published, with %d gaps", seen, published, gaps)
	}
}

// What is left out is told once a second, however often something is, and also
// if nothing comes any more.
func TestReplicationRateGapsAreFew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, diagnostics.Options{ReplicationRate: 1})
		probe := replication.NewSinkProbe("follower")
		must(t, h.AttachSink(probe))
		w, err := h.Watch("", diagnostics.Filter{Types: []string{diagnostics.TypeReplication}})
		must(t, err)
		defer w.Close()
		_, err = w.Next(t.Context()) // the snapshot
		must(t, err)
		for i := range 24 { // in two seconds
			must(t, probe.Applied(&replication.Header{Queue: "elsewhere", Sequence: tq.Sequence(i + 1), Incarnation: 9}, nil))
			time.Sleep(80 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		var events, gaps int
		var dropped uint64
		for {
			found, err := w.Next(t.Context())
			must(t, err)
			if len(found) == 0 {
				break
			}
			for _, e := range found {
				switch e.Type {
				case diagnostics.TypeReplication:
					events++
				case diagnostics.TypeGap:
					gaps++
					dropped += decode[diagnostics.Gap](t, e.Data).Dropped
				}
			}
		}
		if events != 2 || gaps != 2 || dropped != 22 {
			t.Errorf("%d events and %d gaps for %d, want 2 and 2 for 22", events, gaps, dropped)
		}
	})
}

// ended is err, unless the end of the context is all there was.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}

	return err
}

// Where the queue is elsewhere what follows it has figures of its own; detached,
// it has none.
func TestReplicas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, diagnostics.Options{})
		probe := replication.NewSinkProbe("follower")
		must(t, h.AttachSink(probe))
		l := listen(t, h, root)
		l.next(diagnostics.TypeSnapshot)
		time.Sleep(3500 * time.Millisecond) // there is nothing to say before the first event
		now := time.Now()
		for i := range 4 {
			err := probe.Applied(&replication.Header{
				Queue: "elsewhere", Sequence: tq.Sequence(i + 1), Incarnation: 9, SourcePeer: "primary", RecordedAt: now.Add(-time.Second),
			}, nil)
			must(t, err)
		}
		if e := probe.Applied(&replication.Header{Queue: "elsewhere", Sequence: 9, SourcePeer: "primary"}, tq.ErrGap); e == nil {
			t.Error("a gap that is none")
		}
		for range 4 {
			l.next(diagnostics.TypeReplication)
		}
		e := l.next(diagnostics.TypeReplicas)
		complete(t, "replicas", e.Data, diagnostics.Replicas{})
		got := decode[diagnostics.Replicas](t, e.Data)
		want := []diagnostics.Replication{{
			Queue: "elsewhere", Role: "sink", Stream: "follower", Incarnation: tq.Incarnation(9).String(), Position: 4, Known: 4,
			PerSec: 4, Peers: []diagnostics.ReplicationPeer{{Peer: "primary", Position: 4, LagSeconds: 1, Events: 4, Gaps: 1}},
		}}
		if diff := cmp.Diff(want, got.Replication); diff != "" || got.Queue != "elsewhere" {
			t.Errorf("replicas (-want +got):\n%s", diff)
		}
		must(t, h.DetachSink(probe))
		must(t, h.DetachSink(probe))
		if left := decode[diagnostics.Replicas](t, l.until(diagnostics.TypeReplicas).Data); len(left.Replication) != 0 {
			t.Errorf("detached: %+v", left)
		}
		_, body := answer(h, http.MethodGet, root+"/snapshot")
		if s := decode[diagnostics.Snapshot](t, []byte(body)); len(s.Replication) != 0 {
			t.Errorf("detached: %s", body)
		}
		must(t, h.AttachSink(probe))
		must(t, h.Close())
		if err := h.AttachSink(probe); !errors.Is(err, tq.ErrClosed) {
			t.Errorf("attached to a closed host: %v", err)
		}
	})
}

// Attempts of tasks that ended faster than they can be noted are counted as
// lost, and waits take no room from them.
func TestAttemptsUnderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, diagnostics.Options{})
		q := attach(t, h)
		figures := func() diagnostics.QueueStats {
			time.Sleep(1001 * time.Millisecond)
			_, body := answer(h, http.MethodGet, root+"/snapshot")

			return decode[diagnostics.Snapshot](t, []byte(body)).Queues[0]
		}
		for range 4096 {
			cycle(t, q, "w")
		}
		if s := figures(); s.Attempts[0] != 4096 || s.AttemptsLost != 0 {
			t.Errorf("%v attempts, %d lost", s.Attempts, s.AttemptsLost)
		}
		for range 10000 {
			cycle(t, q, "w")
		}
		if s := figures(); s.Attempts[0]+s.AttemptsLost != 14096 || s.Attempts[0] != 8192 {
			t.Errorf("%v attempts, %d lost", s.Attempts, s.AttemptsLost)
		}
	})
}

// A host that publishes no events of a source or sink shows its figures all the
// same.
func TestNoReplication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, diagnostics.Options{ReplicationRate: diagnostics.NoReplication})
		q := attach(t, h)
		stop := replicate(t, q, func(source *leasequeue.Source, sink *leasequeue.Sink) {
			must(t, h.AttachSource(source))
			must(t, h.AttachSink(sink))
			must(t, h.DetachSource(source))
		})
		defer func() { _ = stop() }()
		cycle(t, q, "worker")
		time.Sleep(3 * time.Second)
		_, body := answer(h, http.MethodGet, root+"/snapshot")
		snapshot := decode[diagnostics.Snapshot](t, []byte(body))
		if len(snapshot.Replication) != 1 || snapshot.Replication[0].Position != 3 {
			t.Errorf("figures: %+v, want those of the sink at 3", snapshot.Replication)
		}
		_, body = answer(h, http.MethodGet, root+"/history?types="+diagnostics.TypeReplication+","+diagnostics.TypeGap)
		if page := decode[diagnostics.History](t, []byte(body)); len(page.Events) != 0 {
			t.Errorf("published: %s", body)
		}
	})
}
