package lease_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// follower is what a sink applies events to.
type follower struct {
	mu  sync.Mutex
	ids []string
	err error
}

func (f *follower) apply(_ context.Context, e *leasequeue.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	f.ids = append(f.ids, e.Payload.ResourceID)

	return nil
}

func newSink(t *testing.T, o leasequeue.SinkOptions, f *follower) *leasequeue.Sink {
	t.Helper()
	s, err := leasequeue.NewSink(o, f.apply)
	no(t, err)

	return s
}

// TestSinkGoesOn holds that a sink goes on from its checkpoint with what the
// queue still has, and applies nothing twice.
func TestSinkGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := new(replication.MemoryCheckpoints)
		q, source := openSource(t, leasequeue.SourceOptions{})
		f := &follower{}
		put(t, q, "a", "b")
		ctx, cancel := context.WithCancel(t.Context())
		sink := newSink(t, leasequeue.SinkOptions{Stream: "s", Store: store}, f)
		done := make(chan error)
		go func() { done <- sink.Follow(ctx, source) }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("ends with %v", err)
		}
		put(t, q, "c", "d")
		no(t, q.Close())
		attached := leasequeue.Fanout(t.Context(), q, leasequeue.SourceOptions{},
			newSink(t, leasequeue.SinkOptions{Stream: "s", Store: store}, f))
		<-attached[0].Done()
		if err := attached[0].Err(); !errors.Is(err, tq.ErrClosed) {
			t.Errorf("ends with %v", err)
		}
		if diff := cmp.Diff([]string{"a", "b", "c", "d"}, f.ids); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// TestSinkFollows is invariant 21 for a sink that follows a source: an event that
// could not be applied is the next one to come, and none is applied twice,
// however many are applied at a time; what apply has seen stays as it was.
func TestSinkFollows(t *testing.T) {
	t.Parallel()
	for _, parallel := range []int{1, 4} {
		q, source := openSource(t, leasequeue.SourceOptions{Stamp: replication.Stamp{Peer: "p"}})
		want, seen := make([]string, 50), map[string]leasequeue.Event{}
		for i := range want {
			want[i] = fmt.Sprintf("task %02d", i)
		}
		put(t, q, want...)
		no(t, q.Close())
		var mu sync.Mutex
		failed := false
		sink, err := leasequeue.NewSink(leasequeue.SinkOptions{Stream: "s", Parallel: parallel, Retries: -1},
			func(_ context.Context, e *leasequeue.Event) error {
				mu.Lock()
				defer mu.Unlock()
				if _, twice := seen[e.Payload.ResourceID]; twice {
					t.Errorf("%d at a time: %s comes twice", parallel, e.Payload.ResourceID)
				}
				if e.Sequence == 20 && !failed {
					failed = true
					return errors.New("for once")
				}
				seen[e.Payload.ResourceID] = *e

				return nil
			})
		no(t, err)
		var refused *replication.ApplyError
		if err := sink.Follow(t.Context(), source); !errors.As(err, &refused) || refused.Event.Sequence != 20 {
			t.Errorf("%d at a time: ends with %v", parallel, err)
		}
		if parallel > 1 { // it has taken later ones
			at, err := sink.Position(t.Context())
			no(t, err)
			reader, err := q.Watch(at.Sequence)
			no(t, err)
			source = leasequeue.NewSource(reader, leasequeue.SourceOptions{Stamp: replication.Stamp{Peer: "p"}})
		}
		if err := sink.Follow(t.Context(), source); !errors.Is(err, tq.ErrClosed) {
			t.Errorf("%d at a time: goes on, and ends with %v", parallel, err)
		}
		for i, id := range want {
			e, ok := seen[id]
			if !ok || e.Payload.ResourceID != id || e.Sequence != tq.Sequence(i+1) || e.SourcePeer != "p" {
				t.Errorf("%d at a time: %s is %v", parallel, id, e)
			}
		}
	}
}

// TestFanout is invariant 24: a sink that fails, and one that is slow, delay
// and starve no other.
func TestFanout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, _ := openSource(t, leasequeue.SourceOptions{})
		good, bad := &follower{}, &follower{err: errors.New("gone")}
		slow := make(chan struct{})
		stuck, err := leasequeue.NewSink(leasequeue.SinkOptions{Stream: "stuck"},
			func(context.Context, *leasequeue.Event) error { <-slow; return nil })
		no(t, err)
		attached := leasequeue.Fanout(t.Context(), q, leasequeue.SourceOptions{Stamp: replication.Stamp{Shard: "eu"}},
			newSink(t, leasequeue.SinkOptions{Stream: "bad", Retries: -1}, bad), stuck,
			newSink(t, leasequeue.SinkOptions{Stream: "good", Parallel: 4}, good))
		put(t, q, "a", "b", "c")
		synctest.Wait()
		slices.Sort(good.ids)
		if diff := cmp.Diff([]string{"a", "b", "c"}, good.ids); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		<-attached[0].Done()
		var failed *replication.ApplyError
		if err := attached[0].Err(); !errors.As(err, &failed) || failed.Event.Shard != "eu" || failed.Event.Sequence != 1 {
			t.Errorf("the failing sink ends with %v", err)
		}
		close(slow)
		for _, a := range attached[1:] {
			no(t, a.Close())
			<-a.Done()
			no(t, a.Err())
		}
	})
}

// TestSinkAfterGap is invariants 17 and 19 for sinks: when more happened than
// the log holds, a snapshot and its position go on, and the state is equal.
func TestSinkAfterGap(t *testing.T) {
	t.Parallel()
	q, err := leasequeue.New(leasequeue.Options{LogEntries: 8})
	no(t, err)
	defer q.Close()
	tasks := map[tq.TaskID]string{}
	sink, err := leasequeue.NewSink(leasequeue.SinkOptions{Stream: "s"}, func(_ context.Context, e *leasequeue.Event) error {
		tasks[e.Task] = e.Payload.ResourceID
		if e.Kind == tq.Completed {
			delete(tasks, e.Task)
		}

		return nil
	})
	no(t, err)
	for range 30 {
		put(t, q, "x")
	}
	for range 20 {
		l := leaseAs(t, q, "w")
		no(t, l.Complete(t.Context()))
	}
	attached := leasequeue.Fanout(t.Context(), q, leasequeue.SourceOptions{}, sink)
	<-attached[0].Done()
	if err := attached[0].Err(); !errors.Is(err, tq.ErrGap) {
		t.Fatalf("ends with %v", err)
	}

	reader, err := q.Watch(tq.Latest)
	no(t, err)
	source := leasequeue.NewSource(reader, leasequeue.SourceOptions{})
	defer source.Close()
	snapshot := source.Snapshot()
	for _, task := range snapshot.Tasks {
		tasks[task.ID] = task.Payload.ResourceID
	}
	no(t, sink.MoveTo(t.Context(), tq.Position{Incarnation: snapshot.Incarnation, Sequence: snapshot.Sequence}))
	put(t, q, "y")
	l := leaseAs(t, q, "w")
	no(t, l.Complete(t.Context()))
	no(t, q.Close())
	if err := sink.Run(t.Context(), source.All(t.Context())); !errors.Is(err, tq.ErrClosed) {
		t.Fatalf("ends with %v", err)
	}

	want := map[tq.TaskID]string{}
	state, end := q.WatchNow()
	defer end.Close()
	for _, task := range state.Tasks {
		want[task.ID] = task.Payload.ResourceID
	}
	if diff := cmp.Diff(want, tasks); diff != "" || len(tasks) != 10 {
		t.Errorf("%d tasks (-want +got)\n%s", len(tasks), diff)
	}
}
