package lease_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/replicationhttp"
	"github.com/tqgen/tqgen/runtime/tq"
)

// remote is a queue behind a synchronous handler.
type remote struct {
	*leasequeue.Local
	handler *replicationhttp.Handler
	server  *httptest.Server
}

func openRemote(t *testing.T, o tq.SyncOptions) *remote {
	t.Helper()
	q := open(t, leasequeue.Options{Incarnation: 5, Lease: time.Hour})
	h, err := replicationhttp.NewHandler(q.Feed(), replicationhttp.HandlerOptions{Synchronous: &o, Heartbeat: 10 * time.Millisecond})
	no(t, err)
	t.Cleanup(func() { no(t, h.Close()) })
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.CloseClientConnections() // those of streams
		server.Close()
	})

	return &remote{q, h, server}
}

// enqueue puts a task into the queue, in a goroutine of its own.
func (r *remote) enqueue(ctx context.Context, id string) chan error {
	done := make(chan error, 1)
	go func() {
		_, err := r.Enqueue(ctx, lease.ResourceLease{ResourceID: id})
		done <- err
	}()

	return done
}

// meets waits until as many followers acknowledge.
func (r *remote) meets(t *testing.T, followers int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for r.handler.Followers() != followers {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// standby is a replica that a test holds up.
type standby struct {
	*leasequeue.Replica
	came    chan tq.Sequence // unbuffered: an event is there, and not applied; nil: nobody looks
	proceed chan struct{}    // one for each of came
	over    <-chan struct{}  // the test is
	applied atomic.Uint64
}

func (s *standby) Apply(e *leasequeue.Event) error {
	if s.came != nil {
		select {
		case s.came <- e.Sequence:
		case <-s.over:
		}
		select {
		case <-s.proceed:
		case <-s.over:
		}
	}
	err := s.Replica.Apply(e)
	if err == nil {
		s.applied.Store(uint64(e.Sequence))
	}

	return err
}

func newStandby(t *testing.T) *standby { return &standby{Replica: newReplica(t, leasequeue.Options{})} }

func newHeldStandby(t *testing.T) *standby {
	s := newStandby(t)
	s.came, s.proceed, s.over = make(chan tq.Sequence), make(chan struct{}), t.Context().Done()

	return s
}

// follow has a standby follow until the function it returns is called, or the
// test is over.
func (r *remote) follow(t *testing.T, s *standby) (stop func()) {
	t.Helper()
	client, err := replicationhttp.NewClient(r.server.URL, replicationhttp.ClientOptions{Acknowledge: true})
	no(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- leasequeue.Follow(ctx, client, s, replication.FollowOptions{MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond})
	}()

	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow ends with %v", err)
		}
	})
	t.Cleanup(stop)

	return stop
}

// holds waits until so many tasks are in the queue, acknowledged or not.
func (r *remote) holds(t *testing.T, tasks int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		s, err := r.Stats(t.Context())
		no(t, err)
		if s.Pending() == tasks {
			return
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// waits says whether an operation has not returned, and does not for some rounds
// over the network.
func (r *remote) waits(t *testing.T, done chan error) bool {
	t.Helper()
	client, err := replicationhttp.NewClient(r.server.URL, replicationhttp.ClientOptions{})
	no(t, err)
	for range 20 {
		_, err := client.Snapshot(t.Context())
		no(t, err)
		select {
		case err := <-done:
			done <- err
			return false
		default:
		}
	}

	return true
}

// TestAcknowledgedByFollower holds that an operation returns once a follower
// elsewhere has applied its event, and not before that; and that it waits for a
// follower where there is none (27).
func TestAcknowledgedByFollower(t *testing.T) {
	t.Parallel()
	r := openRemote(t, tq.SyncOptions{})
	done := r.enqueue(t.Context(), "a")
	r.holds(t, 1)
	if !r.waits(t, done) {
		t.Fatalf("without a follower an operation returns %v", <-done)
	}
	s := newHeldStandby(t)
	r.follow(t, s)
	for n := range 3 {
		if n > 0 {
			done = r.enqueue(t.Context(), "b")
		}
		if at := <-s.came; s.applied.Load() != uint64(at-1) || !r.waits(t, done) {
			t.Fatalf("with %d applied, event %d is acknowledged", s.applied.Load(), at)
		}
		s.proceed <- struct{}{}
		no(t, <-done)
	}
	if state := s.State(); len(state.Tasks) != 3 {
		t.Errorf("%d tasks in the replica", len(state.Tasks))
	}

	// A second follower is enough where the first hangs.
	other := newStandby(t)
	r.follow(t, other)
	done = r.enqueue(t.Context(), "d")
	<-s.came
	no(t, <-done)
	if other.applied.Load() != 4 {
		t.Errorf("the other has applied %d", other.applied.Load())
	}
	s.proceed <- struct{}{}
}

// TestFollowerDies holds what becomes of operations when the only follower dies
// with their event received and not applied, and when it comes back (27).
func TestFollowerDies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options tq.SyncOptions
		ends    bool // the operation that waits does before a follower comes back
		without bool // a later one does without
	}{
		"waits":              {tq.SyncOptions{}, false, false},
		"waits so long":      {tq.SyncOptions{Timeout: 100 * time.Millisecond}, true, false},
		"detaches":           {tq.SyncOptions{Detach: true}, true, true},
		"detaches, or later": {tq.SyncOptions{Detach: true, Timeout: time.Hour}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := openRemote(t, c.options)
			first := newHeldStandby(t)
			stop := r.follow(t, first)
			r.meets(t, 1)
			done := r.enqueue(t.Context(), "a")
			<-first.came
			died := make(chan struct{})
			go func() {
				defer close(died)
				stop()
			}()
			r.server.CloseClientConnections()
			r.meets(t, 0)
			if !c.ends && !r.waits(t, done) {
				t.Fatalf("the operation gives %v", <-done)
			}
			if uncertain := new(tq.UncertainError); c.ends {
				if err := <-done; !errors.Is(err, tq.ErrUncertain) || !errors.As(err, &uncertain) || uncertain.Sequence != 1 {
					t.Errorf("the operation that waits gives %v", err)
				}
			}
			later := r.enqueue(t.Context(), "b")
			if c.ends {
				if err := <-later; errors.Is(err, tq.ErrUncertain) == c.without {
					t.Errorf("a later operation gives %v", err)
				}
			}
			first.proceed <- struct{}{} // it is applied after all, and nobody hears of it
			<-died

			back := newHeldStandby(t)
			back.Replica = first.Replica
			r.follow(t, back)
			if at := <-back.came; at != 2 {
				t.Errorf("event %d comes first, want 2", at)
			}
			back.proceed <- struct{}{}
			if !c.ends {
				no(t, errors.Join(<-done, <-later))
			}
			if c.options.Timeout == 100*time.Millisecond {
				return // what follows may take longer
			}
			for waited := false; !waited; { // as soon as it is known to have caught up
				next := r.enqueue(t.Context(), "c")
				<-back.came
				waited = r.waits(t, next)
				back.proceed <- struct{}{}
				no(t, <-next)
				if !waited && !c.without {
					t.Fatal("with the follower back, operations do not wait for it")
				}
			}
		})
	}
}

// TestSynchronousFollowers holds, with connections that are cut whenever the
// follower has come on, that what an operation has acknowledged is in the replica
// at that moment (27).
func TestSynchronousFollowers(t *testing.T) {
	t.Parallel()
	r := openRemote(t, tq.SyncOptions{})
	s := newStandby(t)
	stop := r.follow(t, s)
	var workers, cutter sync.WaitGroup
	over := make(chan struct{})
	cutter.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for cut := uint64(0); ; {
			select {
			case <-tick.C:
				if at := s.applied.Load(); at > cut { // else nobody might ever get through
					cut = at
					r.server.CloseClientConnections()
				}
			case <-over:
				return
			}
		}
	})
	for range 4 {
		workers.Go(func() {
			for range 100 {
				id, err := r.Enqueue(t.Context(), lease.ResourceLease{})
				if err != nil {
					t.Error(err)
				}
				if id.Sequence > s.applied.Load() { // an event at least for each task
					t.Errorf("task %d is accepted with %d events applied", id.Sequence, s.applied.Load())
				}
				if _, err := r.TryLease(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	close(over)
	cutter.Wait()
	stop()
	want, reader := r.WatchNow()
	no(t, reader.Close())
	if diff := cmp.Diff(want, s.State()); diff != "" {
		t.Errorf("the replica (-want +got)\n%s", diff)
	}
}

// TestSynchronousDeposed holds that who waits for a follower learns that the
// owner was succeeded (27).
func TestSynchronousDeposed(t *testing.T) {
	t.Parallel()
	r := openRemote(t, tq.SyncOptions{})
	done := r.enqueue(t.Context(), "a")
	r.holds(t, 1)
	if !r.waits(t, done) {
		t.Fatal("it does not wait")
	}
	no(t, r.Depose(2))
	if err := <-done; !errors.Is(err, tq.ErrUncertain) || !errors.Is(err, tq.ErrDeposed) {
		t.Errorf("the operation gives %v", err)
	}
	if err := <-r.enqueue(t.Context(), "b"); !errors.Is(err, tq.ErrDeposed) || errors.Is(err, tq.ErrUncertain) {
		t.Errorf("a later one gives %v", err)
	}
}

// TestHandlerClosed holds that a queue waits for nobody once its handler is
// closed.
func TestHandlerClosed(t *testing.T) {
	t.Parallel()
	r := openRemote(t, tq.SyncOptions{})
	done := r.enqueue(t.Context(), "a")
	r.holds(t, 1)
	if !r.waits(t, done) {
		t.Fatal("it does not wait")
	}
	no(t, r.handler.Close())
	if err := <-done; !errors.Is(err, tq.ErrUncertain) {
		t.Errorf("the operation gives %v", err)
	}
	no(t, <-r.enqueue(t.Context(), "b"))
}
