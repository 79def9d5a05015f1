package lease_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/tq"
)

// TestSynchronousOperations holds that each operation returns only once a
// synchronous reader has acknowledged its events, and not before; and that it
// answers tq.ErrUncertain if ctx ends first, having taken place all the same,
// but for a grant (invariant 27).
func TestSynchronousOperations(t *testing.T) {
	t.Parallel()
	request := lease.ResourceLease{ResourceID: "r"}
	type setting struct {
		q    *leasequeue.Local
		held leasequeue.Lease
		dead tq.TaskID
		out  leasequeue.Snapshot
	}
	operations := map[string]func(context.Context, *setting) error{
		"enqueue":     func(ctx context.Context, s *setting) error { _, err := s.q.Enqueue(ctx, request); return err },
		"try enqueue": func(ctx context.Context, s *setting) error { _, err := s.q.TryEnqueue(ctx, request); return err },
		"enqueue at": func(ctx context.Context, s *setting) error {
			_, err := s.q.EnqueueAt(ctx, request, time.Now().Add(time.Hour))
			return err
		},
		"enqueue batch": func(ctx context.Context, s *setting) error {
			n, err := s.q.EnqueueBatch(ctx, []lease.ResourceLease{request, request}, nil)
			if n != 2 {
				t.Errorf("%d accepted, want 2", n)
			}
			return err
		},
		"lease":     func(ctx context.Context, s *setting) error { _, err := s.q.Lease(ctx); return err },
		"try lease": func(ctx context.Context, s *setting) error { _, err := s.q.TryLease(ctx); return err },
		"lease batch": func(ctx context.Context, s *setting) error {
			_, err := s.q.LeaseBatch(ctx, make([]leasequeue.Lease, 3))
			return err
		},
		"complete":    func(ctx context.Context, s *setting) error { return s.held.Complete(ctx) },
		"fail":        func(ctx context.Context, s *setting) error { return s.held.Fail(ctx, errors.New("no")) },
		"release":     func(ctx context.Context, s *setting) error { return s.held.Release(ctx) },
		"dead-letter": func(ctx context.Context, s *setting) error { return s.held.DeadLetter(ctx, errors.New("no")) },
		"heartbeat":   func(ctx context.Context, s *setting) error { _, err := s.held.Heartbeat(ctx); return err },
		"complete all": func(ctx context.Context, s *setting) error {
			_, err := leasequeue.CompleteAll(ctx, []leasequeue.Lease{s.held})
			return err
		},
		"redrive": func(ctx context.Context, s *setting) error { return s.q.Redrive(ctx, s.dead) },
		"purge":   func(ctx context.Context, s *setting) error { return s.q.Purge(ctx, s.dead) },
		"drain":   func(ctx context.Context, s *setting) error { _, err := s.q.Drain(ctx, 0); return err },
		"restore": func(ctx context.Context, s *setting) error { return s.q.Restore(ctx, s.out) },
	}
	for name, operate := range operations {
		for _, acknowledged := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				other, _ := openSource(t, leasequeue.SourceOptions{})
				put(t, other, "x")
				s := setting{}
				var err error
				s.out, err = other.Drain(t.Context(), 0)
				no(t, err)
				s.q = open(t, leasequeue.Options{Incarnation: 9})
				put(t, s.q, "dead", "held", "a", "b")
				dying := leaseAs(t, s.q, "w")
				no(t, dying.DeadLetter(t.Context(), errors.New("no")))
				s.dead = dying.Token.Task
				s.held = leaseAs(t, s.q, "w")
				before, err := s.q.Stats(t.Context())
				no(t, err)
				reader, err := s.q.Watch(tq.Latest)
				no(t, err)
				no(t, reader.Synchronous(tq.SyncOptions{}))

				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- operate(ctx, &s) }()
				synctest.Wait()
				select {
				case err := <-done:
					t.Fatalf("%s has returned %v with nothing acknowledged", name, err)
				default:
				}
				var last tq.Sequence
				for more := true; more; {
					e, err := reader.Next(t.Context())
					no(t, err)
					last, more = e.Sequence, reader.Lag() > 0
					if more {
						reader.Acknowledge(last)
					}
				}
				synctest.Wait()
				select {
				case err := <-done:
					t.Fatalf("%s has returned %v with its last event not acknowledged", name, err)
				default:
				}
				if !acknowledged {
					cancel()
					uncertain := &tq.UncertainError{}
					if err := <-done; !errors.Is(err, tq.ErrUncertain) || !errors.Is(err, context.Canceled) ||
						!errors.As(err, &uncertain) || uncertain.Sequence != last {
						t.Errorf("%s gives %v", name, err)
					}
					after, err := s.q.Stats(t.Context())
					no(t, err)
					if after.Sequence == before.Sequence {
						t.Errorf("%s has changed nothing", name)
					}
					if after.Granted > before.Granted && after.Released-before.Released != after.Granted-before.Granted {
						t.Errorf("%s: %d grants and %d releases", name, after.Granted-before.Granted, after.Released-before.Released)
					}
					return
				}
				reader.Acknowledge(last)
				if err := <-done; err != nil {
					t.Errorf("%s gives %v", name, err)
				}
			})
		}
	}
}

// TestSynchronousOrder holds that who returns has the timer's events before its
// own acknowledged, too, whatever the concurrency.
func TestSynchronousOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, s := openSource(t, leasequeue.SourceOptions{})
		no(t, s.Synchronous(tq.SyncOptions{}))
		var applied atomic.Uint64
		done := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			done <- s.Pump(ctx, func(_ context.Context, e *leasequeue.Event) error {
				time.Sleep(time.Millisecond)
				applied.Store(uint64(e.Sequence))

				return nil
			})
		}()
		put(t, q, "a")
		leaseAs(t, q, "w")
		time.Sleep(time.Minute) // expires
		for range 4 {
			go func() {
				for range 25 {
					id, err := q.Enqueue(ctx, lease.ResourceLease{})
					no(t, err)
					if id.Sequence > applied.Load() { // an event at least for each task
						t.Errorf("task %d is accepted with %d events applied", id.Sequence, applied.Load())
					}
				}
			}()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		stats, err := q.Stats(ctx)
		no(t, err)
		if uint64(stats.Sequence) != applied.Load() || stats.Expired != 1 {
			t.Errorf("%d events, %d applied, %d expired", stats.Sequence, applied.Load(), stats.Expired)
		}
		cancel()
		<-done
	})
}

// TestSynchronousFails holds what becomes of operations when the reader fails,
// is slow, falls behind or is closed, with Detach and without.
func TestSynchronousFails(t *testing.T) {
	t.Parallel()
	errDisk := errors.New("disk is full")
	cases := map[string]struct {
		options tq.SyncOptions
		fail    func(r *leasequeue.Reader)
		first   error // of the operation that waits
		later   error // of those after it; nil: they go on
		waits   bool  // those after it wait for the reader
	}{
		"fails":               {fail: func(r *leasequeue.Reader) { r.Fail(errDisk) }, first: errDisk, later: errDisk},
		"fails, detached":     {tq.SyncOptions{Detach: true}, func(r *leasequeue.Reader) { r.Fail(errDisk) }, errDisk, nil, false},
		"is slow":             {tq.SyncOptions{Timeout: time.Second}, func(*leasequeue.Reader) { time.Sleep(time.Second) }, tq.ErrUncertain, tq.ErrUncertain, false},
		"is slow, detached":   {tq.SyncOptions{Timeout: time.Second, Detach: true}, func(*leasequeue.Reader) { time.Sleep(time.Second) }, tq.ErrUncertain, nil, false},
		"is closed":           {fail: func(r *leasequeue.Reader) { _ = r.Close() }, first: tq.ErrUncertain},
		"acknowledges in end": {fail: func(r *leasequeue.Reader) { r.Acknowledge(5) }, waits: true},
	}
	for name, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			q := open(t, leasequeue.Options{})
			reader, err := q.Watch(0)
			no(t, err)
			no(t, reader.Synchronous(c.options))
			operate := func() chan error {
				done := make(chan error, 1)
				go func() {
					_, err := q.Enqueue(t.Context(), lease.ResourceLease{})
					done <- err
				}()
				synctest.Wait()

				return done
			}
			first := operate()
			c.fail(reader)
			if err := <-first; !errors.Is(err, c.first) || err != nil && !errors.Is(err, tq.ErrUncertain) {
				t.Errorf("%s: the operation that waits gives %v, want %v", name, err, c.first)
			}
			if c.waits {
				reader.Acknowledge(1 << 40)
			}
			if err := <-operate(); !errors.Is(err, c.later) {
				t.Errorf("%s: a later operation gives %v, want %v", name, err, c.later)
			}
			stats, err := q.Stats(t.Context())
			no(t, err)
			if stats.Ready != 2 {
				t.Errorf("%s: %d tasks are ready, want 2", name, stats.Ready)
			}
			_ = reader.Close()
			if err := <-operate(); err != nil {
				t.Errorf("%s: with the reader closed: %v", name, err)
			}
		})
	}
}

// TestSynchronousSink holds that a sink which cannot apply an event is the
// failure of the operation that made it, and of no task's loss.
func TestSynchronousSink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, source := openSource(t, leasequeue.SourceOptions{})
		no(t, source.Synchronous(tq.SyncOptions{}))
		f := &follower{}
		sink := newSink(t, leasequeue.SinkOptions{Stream: "s", Retries: -1}, f)
		done := make(chan error)
		run := func() { done <- sink.Feed(t.Context(), source.All) }
		go run()
		put(t, q, "a", "b")
		synctest.Wait()
		f.mu.Lock()
		f.err = errors.New("disk is full")
		f.mu.Unlock()
		if _, err := q.Enqueue(t.Context(), lease.ResourceLease{ResourceID: "c"}); !errors.Is(err, tq.ErrUncertain) {
			t.Errorf("enqueue gives %v", err)
		}
		if err := <-done; !errors.Is(err, f.err) {
			t.Errorf("the sink ends with %v", err)
		}
		if _, err := q.TryLease(t.Context()); !errors.Is(err, tq.ErrUncertain) {
			t.Errorf("lease gives %v", err)
		}
		stats, err := q.Stats(t.Context())
		no(t, err)
		if stats.Ready != 3 || stats.Leased != 0 || stats.Released != 1 {
			t.Errorf("stats are %+v", stats)
		}
		if diff := cmp.Diff([]string{"a", "b"}, f.ids); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		no(t, source.Close())
		put(t, q, "d") // nobody to wait for
	})
}

// TestRunWithSynchronousReader holds that workers go through it, and that their
// end is none of an error.
func TestRunWithSynchronousReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, source := openSource(t, leasequeue.SourceOptions{})
		no(t, source.Synchronous(tq.SyncOptions{}))
		ctx, cancel := context.WithCancel(t.Context())
		pumped := make(chan error)
		go func() {
			pumped <- source.Pump(t.Context(), func(context.Context, *leasequeue.Event) error { return nil })
		}()
		done := make(chan error)
		var handled atomic.Int64
		go func() {
			done <- leasequeue.Run(ctx, q, leasequeue.RunOptions{Workers: 3}, func(context.Context, *leasequeue.Lease) error {
				handled.Add(1)

				return nil
			})
		}()
		for range 50 {
			put(t, q, "a")
		}
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run ends with %v", err)
		}
		stats, err := q.Stats(t.Context())
		no(t, err)
		if handled.Load() != 50 || stats.Completed != 50 {
			t.Errorf("%d handled, %d completed", handled.Load(), stats.Completed)
		}
		no(t, source.Close())
		if err := <-pumped; !errors.Is(err, tq.ErrClosed) {
			t.Errorf("Pump ends with %v", err)
		}
	})
}

// TestRunUnconfirmed holds that workers say so when a task they have completed
// is not acknowledged, and that their end is no such case.
func TestRunUnconfirmed(t *testing.T) {
	t.Parallel()
	errDisk := errors.New("disk is full")
	for _, fails := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			q := open(t, leasequeue.Options{})
			reader, err := q.Watch(0)
			no(t, err)
			put(t, q, "a")
			no(t, reader.Synchronous(tq.SyncOptions{}))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() {
				done <- leasequeue.Run(ctx, q, leasequeue.RunOptions{}, func(context.Context, *leasequeue.Lease) error { return nil })
			}()
			synctest.Wait()
			reader.Acknowledge(2) // the grant, and not what comes of it
			synctest.Wait()
			if fails {
				reader.Fail(errDisk)
			} else {
				cancel()
			}
			synctest.Wait()
			select {
			case err := <-done:
				if fails != errors.Is(err, errDisk) || !fails && err != nil {
					t.Errorf("a reader that fails (%v): Run ends with %v", fails, err)
				}
			default:
				t.Fatalf("a reader that fails (%v): Run goes on", fails)
			}
			no(t, reader.Close())
		})
	}
}
