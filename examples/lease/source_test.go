package lease_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

var update = flag.Bool("update", false, "rewrite testdata")

// kinds are those of the stream that everyKind makes.
var kinds = []tq.Kind{
	tq.Enqueued, tq.LeaseGranted, tq.Heartbeat, tq.Completed, tq.Failed, tq.Requeued, tq.DeadLettered,
	tq.LeaseExpired, tq.Drained, tq.Released, tq.Restored, tq.Redriven, tq.Purged, tq.PassedOver,
}

// everyKind takes q through every kind of state change. It runs in a bubble,
// whose time begins anew.
func everyKind(t *testing.T, q *leasequeue.Local) {
	t.Helper()
	ctx := t.Context()
	put(t, q, "vm")
	putIn(context.WithValue(ctx, traceKey{}, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), t, q, "disk")
	first := leaseAs(t, q, "worker-7")
	if _, err := first.Heartbeat(ctx); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
	no(t, first.Complete(ctx))
	second := leaseAs(t, q, "worker-8")
	no(t, second.Release(ctx))
	second = leaseAs(t, q, "worker-8")
	no(t, second.Fail(ctx, errors.New("dial <tcp>: refused")))
	time.Sleep(time.Hour) // the backoff is over
	third := leaseAs(t, q, "worker-9")
	time.Sleep(time.Minute) // the lease expires
	if err := third.Complete(ctx); !errors.Is(err, tq.ErrLeaseLost) {
		t.Fatalf("complete of an expired lease gives %v", err)
	}
	time.Sleep(time.Hour)
	fourth := leaseAs(t, q, "worker-9")
	no(t, fourth.DeadLetter(ctx, errors.New("no such disk")))
	no(t, q.Redrive(ctx, fourth.Token.Task))
	snapshot, err := q.Drain(ctx, 0)
	no(t, err)
	no(t, q.Restore(ctx, snapshot))
	snapshot.ID = "the same by another name"
	no(t, q.Restore(ctx, snapshot))
	fifth := leaseAs(t, q, "")
	no(t, fifth.DeadLetter(ctx, errors.New("no such disk")))
	no(t, q.Purge(ctx, fifth.Token.Task))
}

func no(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// traceKey is where contexts have the trace that openSource's queue looks for.
type traceKey struct{}

func put(t *testing.T, q *leasequeue.Local, ids ...string) {
	t.Helper()
	putIn(t.Context(), t, q, ids...)
}

func putIn(ctx context.Context, t *testing.T, q *leasequeue.Local, ids ...string) {
	t.Helper()
	for _, id := range ids {
		_, err := q.Enqueue(ctx, lease.ResourceLease{ResourceType: "t", ResourceID: id, Body: []byte{1, 2}})
		no(t, err)
	}
}

func leaseAs(t *testing.T, q *leasequeue.Local, owner string) leasequeue.Lease {
	t.Helper()
	l, err := q.LeaseAs(t.Context(), owner)
	no(t, err)

	return l
}

// openSource opens a queue that a source reads from its first event on.
func openSource(t *testing.T, o leasequeue.SourceOptions) (*leasequeue.Local, *leasequeue.Source) {
	t.Helper()
	q, err := leasequeue.New(leasequeue.Options{
		Incarnation: 0x6f1c2a7e9b0d4c55,
		TraceParent: func(ctx context.Context) string { trace, _ := ctx.Value(traceKey{}).(string); return trace },
	})
	no(t, err)
	reader, err := q.Watch(0)
	no(t, err)
	s := leasequeue.NewSource(reader, o)
	t.Cleanup(func() { no(t, s.Close()); no(t, q.Close()) })

	return q, s
}

// rest takes what a source has left of a queue, which it closes.
func rest(t *testing.T, q *leasequeue.Local, s *leasequeue.Source) []leasequeue.Event {
	t.Helper()
	no(t, q.Close())
	var events []leasequeue.Event
	for e, err := range s.All(context.WithoutCancel(t.Context())) {
		if errors.Is(err, tq.ErrClosed) {
			break
		}
		no(t, err)
		events = append(events, e)
	}

	return events
}

// TestEventsOnTheWire compares one event of each kind, as a source gives it,
// with the established form.
func TestEventsOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, s := openSource(t, leasequeue.SourceOptions{
			Stamp: replication.Stamp{
				Peer: "node-a", Owner: "nobody", Shard: "eu",
				Clock: func() time.Time { return time.Now().Add(123400 * time.Nanosecond) },
			},
			Resolve: func(e *leasequeue.Event) replication.Owner {
				if e.Kind != tq.Redriven {
					return replication.Owner{}
				}

				return replication.Owner{Peer: "operator", Metadata: map[string]string{"principal": "alice"}}
			},
		})
		everyKind(t, q)

		var got bytes.Buffer
		seen := map[tq.Kind]bool{}
		for i, e := range rest(t, q, s) {
			if e.Sequence != tq.Sequence(i+1) {
				t.Fatalf("event %d after %d", e.Sequence, i)
			}
			line, err := e.AppendJSON(nil)
			no(t, err)
			got.Write(append(line, '\n'))
			seen[e.Kind] = true
		}
		for _, k := range kinds {
			if !seen[k] {
				t.Errorf("no event %v", k)
			}
		}
		golden(t, "events.jsonl", got.String())
	})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		no(t, os.MkdirAll("testdata", 0o755))
		no(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	no(t, err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", name, diff)
	}
}

// TestResolverPanics is invariant 10 for owner resolvers: each event goes out
// with the owner it has without.
func TestResolverPanics(t *testing.T) {
	t.Parallel()
	panics := 0
	q, s := openSource(t, leasequeue.SourceOptions{
		Stamp: replication.Stamp{
			Owner: "nobody",
			Panicked: func(replication.Header, any) {
				panics++
				panic("again")
			},
		},
		Resolve: func(*leasequeue.Event) replication.Owner { panic("no owner") },
	})
	put(t, q, "a")
	l := leaseAs(t, q, "worker-7")
	no(t, l.Complete(t.Context()))

	var owners []string
	for _, e := range rest(t, q, s) {
		owners = append(owners, e.OwnerPeer)
	}
	if diff := cmp.Diff([]string{"nobody", "worker-7", "worker-7"}, owners); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if panics != 3 {
		t.Errorf("heard of %d panics, want 3", panics)
	}
}

// ids are the resources of events.
func ids(events []leasequeue.Event) (ids []string) {
	for _, e := range events {
		ids = append(ids, e.Payload.ResourceID)
	}

	return ids
}

// TestPump is invariant 21 for Pump: an event that forward refused comes again.
func TestPump(t *testing.T) {
	t.Parallel()
	q, s := openSource(t, leasequeue.SourceOptions{})
	put(t, q, "a", "b", "c")
	refused := errors.New("not now")
	var got []string
	err := s.Pump(t.Context(), func(_ context.Context, e *leasequeue.Event) error {
		if e.Payload.ResourceID == "b" {
			return refused
		}
		got = append(got, e.Payload.ResourceID)

		return nil
	})
	if !errors.Is(err, refused) {
		t.Errorf("Pump ends with %v", err)
	}
	got = append(got, ids(rest(t, q, s))...)
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestChannel(t *testing.T) {
	t.Parallel()
	q, s := openSource(t, leasequeue.SourceOptions{})
	put(t, q, "a", "b", "c")
	ctx, cancel := context.WithCancel(t.Context())
	events := s.C(ctx)
	if got := ids([]leasequeue.Event{<-events, <-events, <-events}); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("the channel gives %v", got)
	}
	cancel()
	if _, open := <-events; open {
		t.Error("the channel gives an event that never was")
	}
	if err := s.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("the channel was closed by %v", err)
	}
}

// TestSourcesShareNothing is invariant 18: every source and observer gets
// everything, whatever the others do.
func TestSourcesShareNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, s := openSource(t, leasequeue.SourceOptions{})
		reader, err := q.Watch(0)
		no(t, err)
		idle := leasequeue.NewSource(reader, leasequeue.SourceOptions{})
		var seen, failed, panicked atomic.Int64
		observe := func(n *atomic.Int64, end func() error) *replication.Attachment {
			return s.Observe(func(context.Context, *leasequeue.Event) error {
				n.Add(1)

				return end()
			})
		}
		good := observe(&seen, func() error { return nil })
		refuse := errors.New("refused")
		bad := observe(&failed, func() error { return refuse })
		worse := observe(&panicked, func() error { panic(refuse) })
		put(t, q, "a", "b", "c")
		synctest.Wait()

		for _, a := range []*replication.Attachment{bad, worse} {
			<-a.Done()
			if err := a.Err(); !errors.Is(err, refuse) {
				t.Errorf("observer ends with %v", err)
			}
		}
		no(t, good.Close())
		<-good.Done()
		no(t, good.Err())
		put(t, q, "d")
		synctest.Wait()
		if seen.Load() != 3 || failed.Load() != 1 || panicked.Load() != 1 {
			t.Errorf("observers got %d, %d and %d events, want 3, 1 and 1", seen.Load(), failed.Load(), panicked.Load())
		}
		want := []string{"a", "b", "c", "d"}
		if diff := cmp.Diff([][]string{want, want}, [][]string{ids(rest(t, q, s)), ids(rest(t, q, idle))}); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// TestGapAndSnapshot is invariants 17 and 19 for sources: one that idles holds
// up nobody, is told that it fell behind, and goes on from a snapshot.
func TestGapAndSnapshot(t *testing.T) {
	t.Parallel()
	q, err := leasequeue.New(leasequeue.Options{LogEntries: 8})
	no(t, err)
	defer q.Close()
	reader, err := q.Watch(tq.Latest)
	no(t, err)
	s := leasequeue.NewSource(reader, leasequeue.SourceOptions{})
	defer s.Close()
	ctx := t.Context()
	put(t, q, "a")
	if e, err := s.Next(ctx); err != nil || e.Sequence != 1 {
		t.Fatalf("first event is %d, %v", e.Sequence, err)
	}
	for range 20 {
		put(t, q, "x")
	}
	if lag := s.Lag(); lag != 20 {
		t.Errorf("lag is %d, want 20", lag)
	}
	if _, err := s.Next(ctx); !errors.Is(err, tq.ErrGap) {
		t.Fatalf("a source that fell behind gets %v", err)
	}

	snapshot := s.Snapshot()
	put(t, q, "b")
	e, err := s.Next(ctx)
	no(t, err)
	if len(snapshot.Tasks) != 21 || snapshot.Sequence != 21 || e.Sequence != 22 || e.Payload.ResourceID != "b" {
		t.Errorf("%d tasks at %d, then event %d of %s; want 21 at 21, then 22 of b",
			len(snapshot.Tasks), snapshot.Sequence, e.Sequence, e.Payload.ResourceID)
	}
}
