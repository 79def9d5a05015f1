package tq_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

// stage is a queue with one task in each state: "dead", "leased", "ready" and
// one that is delayed, enqueued in this order.
type stage struct {
	q       *queue
	dead    tq.TaskID
	leased  lease
	drained snapshot // of another queue, with a ready, a leased and a dead task
}

func newStage(t *testing.T, o tq.Options) *stage {
	t.Helper()
	s := &stage{q: openQueue(t, o)}
	mustEnqueue(t, s.q, "dead", "leased", "ready")
	dying := mustLease(t, s.q)
	s.dead = dying.Token.Task
	must(t, dying.bury())
	s.leased = mustLease(t, s.q)
	_, err := s.q.enqueueAt(background, []byte("delayed"), time.Now().Add(time.Hour))
	must(t, err)

	other := policy()
	other.Incarnation = 8
	from := openQueue(t, other)
	mustEnqueue(t, from, "x", "y", "z")
	x, _ := mustLease(t, from), mustLease(t, from)
	must(t, x.bury())
	s.drained, err = from.drain(background, 0)
	must(t, err)

	return s
}

// TestInvariant26TheTableOfEvents: every operation makes exactly the events of
// the table, with the flags and attempts it says, together, each with its task's
// sequence and with the next number of the log.
func TestInvariant26TheTableOfEvents(t *testing.T) {
	operations := []struct {
		name    string
		options func(*tq.Options)
		do      func(*stage) error
		want    []string // kind, task, attempt, flags; + if more follow
	}{
		{"enqueue", nil, func(s *stage) error {
			_, err := s.q.tryEnqueue(nil)
			return err
		}, []string{"Enqueued 7-5 1 0"}},
		{"enqueue at", nil, func(s *stage) error {
			_, err := s.q.enqueueAt(background, nil, time.Now().Add(time.Minute))
			return err
		}, []string{"Enqueued 7-5 1 0 delayed"}},
		{"a batch", nil, func(s *stage) error {
			_, err := s.q.enqueueBatch(background, [][]byte{nil, nil})
			return err
		}, []string{"Enqueued 7-5 1 0", "Enqueued 7-6 1 0"}},
		{"lease", nil, func(s *stage) error {
			_, err := s.q.tryLease()
			return err
		}, []string{"LeaseGranted 7-3 1 0"}},
		{"heartbeat", nil, func(s *stage) error {
			_, err := s.leased.beat()
			return err
		}, []string{"Heartbeat 7-2 1 0"}},
		{"complete", nil, func(s *stage) error { return s.leased.complete() }, []string{"Completed 7-2 1 0"}},
		{"fail", nil, func(s *stage) error { return s.leased.fail() }, []string{"Failed 7-2 1 0 +", "Requeued 7-2 2 0"}},
		{"fail with a delay", func(o *tq.Options) { o.Backoff = tq.ConstBackoff(time.Minute) },
			func(s *stage) error { return s.leased.fail() },
			[]string{"Failed 7-2 1 0 +", "Requeued 7-2 2 0 delayed"}},
		{"fail for the last time", func(o *tq.Options) { o.Attempts = 1 },
			func(s *stage) error { return s.leased.fail() },
			[]string{"Failed 7-2 1 4 +", "DeadLettered 7-2 1 4"}},
		{"dead-letter", nil, func(s *stage) error { return s.leased.bury() },
			[]string{"Failed 7-2 1 4 +", "DeadLettered 7-2 1 4"}},
		{"one dead letter too many", func(o *tq.Options) { o.Dead = 1 },
			func(s *stage) error { return s.leased.bury() },
			[]string{"Failed 7-2 1 4 +", "DeadLettered 7-2 1 4 +", "Purged 7-1 1 0"}},
		{"expiry", nil, func(s *stage) error {
			time.Sleep(2 * time.Second)
			return nil
		}, []string{"LeaseExpired 7-2 1 1 +", "Requeued 7-2 2 1"}},
		{"the last expiry", func(o *tq.Options) { o.Attempts = 1 }, func(s *stage) error {
			time.Sleep(2 * time.Second)
			return nil
		}, []string{"LeaseExpired 7-2 1 5 +", "DeadLettered 7-2 1 5"}},
		{"a delay that ends", nil, func(s *stage) error {
			must(t, s.leased.complete())
			time.Sleep(2 * time.Hour)
			return nil
		}, []string{"Completed 7-2 1 0"}},
		{"release", nil, func(s *stage) error { return s.leased.release() }, []string{"Released 7-2 1 0"}},
		{"drain", nil, func(s *stage) error {
			_, err := s.q.drain(background, 0)
			return err
		}, []string{"Drained 7-2 1 2 +", "Drained 7-3 1 2 +", "Drained 7-4 1 2 +", "Drained 7-1 2 6"}},
		{"restore", nil, func(s *stage) error { return s.q.restore(s.drained) },
			[]string{"Restored 8-2 1 8 since +", "Restored 8-3 1 0 since +", "Restored 8-1 2 4"}},
		{"restore it twice", nil, func(s *stage) error {
			must(t, s.q.restore(s.drained))
			return s.q.restore(s.drained)
		}, []string{"Restored 8-2 1 8 since +", "Restored 8-3 1 0 since +", "Restored 8-1 2 4"}},
		{"restore what is here", nil, func(s *stage) error {
			all := s.q.look()
			must(t, s.q.restore(all))
			return s.q.restore(all)
		}, []string{"PassedOver 7-3 0 0"}},
		{"redrive", nil, func(s *stage) error { return s.q.Redrive(s.dead) }, []string{"Redriven 7-1 1 0"}},
		{"purge", nil, func(s *stage) error { return s.q.Purge(s.dead) }, []string{"Purged 7-1 1 0"}},
		{"depose", nil, func(s *stage) error { return s.q.Depose(9) }, []string{"Released 7-2 1 0"}},
		{"close", nil, func(s *stage) error { return s.q.Close() }, nil},
		{"reopen", nil, func(s *stage) error { return s.q.Reopen() }, nil},
	}
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				o := policy()
				if op.options != nil {
					op.options(&o)
				}
				s := newStage(t, o)
				reader, err := s.q.Watch(tq.Latest)
				must(t, err)
				next := s.q.Stats().Sequence + 1
				must(t, op.do(s))
				events, err := s.q.read(reader)
				must(t, err)
				var got []string
				for i, e := range events {
					want(t, "sequence", e.Sequence, next+tq.Sequence(i))
					got = append(got, brief(&e.Record))
				}
				if diff := cmp.Diff(op.want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		})
	}
}

// brief is what the table says of an event.
func brief(r *tq.Record) string {
	text := fmt.Sprintf("%v %x-%d %d %d", r.Kind, uint64(r.Task.Origin), r.Task.Sequence, r.Attempt, r.Flags)
	switch {
	case r.AvailableAt.After(time.Now()):
		text += " delayed"
	case !r.AvailableAt.IsZero():
		text += " since"
	}
	if r.More {
		text += " +"
	}

	return text
}

// TestInvariant27ErrorsChangeNothing: what returns an error has changed nothing,
// not so much as a counter or an event. A batch says how much of it is in.
func TestInvariant27ErrorsChangeNothing(t *testing.T) {
	gone, cancel := context.WithCancel(background)
	cancel()
	unknown := tq.TaskID{Origin: 7, Sequence: 99}
	full := func(s *stage) { s.q.mustEnqueue(t, 5) }
	drained := func(s *stage) {
		_, err := s.q.drain(background, 0)
		must(t, err)
	}
	closed := func(s *stage) { must(t, s.q.Close()) }
	deposed := func(s *stage) { must(t, s.q.Depose(9)) }
	enqueue := func(s *stage) error {
		_, err := s.q.enqueue(gone, nil)
		return err
	}
	take := func(s *stage) error {
		_, err := s.q.lease(gone)
		return err
	}
	drain := func(s *stage) error {
		_, err := s.q.drain(gone, time.Minute)
		return err
	}
	restore := func(s *stage) error { return s.q.restore(s.drained) }
	redrive := func(s *stage) error { return s.q.Redrive(s.dead) }
	for _, op := range []struct {
		name   string
		before func(*stage)
		do     func(*stage) error
		want   error // nil: any
	}{
		{"enqueue, full", full, enqueue, context.Canceled},
		{"try to enqueue, full", full, func(s *stage) error {
			_, err := s.q.tryEnqueue(nil)
			return err
		}, tq.ErrFull},
		{"enqueue, drained", drained, enqueue, tq.ErrDrained},
		{"enqueue, closed", closed, enqueue, tq.ErrClosed},
		{"enqueue, deposed", deposed, enqueue, tq.ErrDeposed},
		{"batch, full", full, func(s *stage) error {
			ids, err := s.q.enqueueBatch(gone, make([][]byte, 3))
			want(t, "accepted", len(ids), 0)
			return err
		}, context.Canceled},
		{"lease, empty", func(s *stage) { mustLease(t, s.q) }, take, context.Canceled},
		{"try to lease, empty", func(s *stage) { mustLease(t, s.q) }, func(s *stage) error {
			_, err := s.q.tryLease()
			return err
		}, tq.ErrEmpty},
		{"lease, closed", closed, take, tq.ErrClosed},
		{"lease, drained", drained, take, tq.ErrDrained},
		{"lease, deposed", deposed, take, tq.ErrDeposed},
		{"settle twice", func(s *stage) { must(t, s.leased.release()) }, func(s *stage) error {
			refused(t, s.leased, tq.ErrLeaseLost)
			return s.leased.complete()
		}, tq.ErrLeaseLost},
		{"settle, deposed", deposed, func(s *stage) error {
			refused(t, s.leased, tq.ErrDeposed)
			return s.leased.complete()
		}, tq.ErrDeposed},
		{"drain, cancelled", nil, drain, context.Canceled},
		{"drain, deposed", deposed, drain, tq.ErrDeposed},
		{"restore, closed", closed, restore, tq.ErrClosed},
		{"restore, deposed", deposed, restore, tq.ErrDeposed},
		{"restore, epochs above the highest", func(s *stage) { s.drained.HighestEpoch = 1 }, restore, nil},
		{"restore, twice the same", func(s *stage) { s.drained.Tasks[1].ID = s.drained.Tasks[0].ID }, restore, tq.ErrDuplicate},
		{"redrive, full", full, redrive, tq.ErrFull},
		{"redrive, drained", drained, redrive, tq.ErrDrained},
		{"redrive, closed", closed, redrive, tq.ErrClosed},
		{"redrive, unknown", nil, func(s *stage) error { return s.q.Redrive(unknown) }, tq.ErrUnknownTask},
		{"purge, unknown", nil, func(s *stage) error { return s.q.Purge(unknown) }, tq.ErrUnknownTask},
		{"reopen, closed", closed, func(s *stage) error { return s.q.Reopen() }, tq.ErrClosed},
		{"depose twice", deposed, func(s *stage) error { return errors.Join(s.q.Depose(9), tq.ErrDeposed) }, tq.ErrDeposed},
	} {
		t.Run(op.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newStage(t, policy())
				if op.before != nil {
					op.before(s)
				}
				state, stats := s.q.look(), s.q.Stats()
				if err := op.do(s); err == nil || op.want != nil && !errors.Is(err, op.want) {
					t.Errorf("the error is %v, want %v", err, op.want)
				}
				if diff := cmp.Diff(stats, s.q.Stats()); diff != "" {
					t.Errorf("figures (-before +after)\n%s", diff)
				}
				if diff := cmp.Diff(state, s.q.look()); diff != "" {
					t.Errorf("state (-before +after)\n%s", diff)
				}
			})
		})
	}
	t.Run("batch, cut short", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := newStage(t, policy())
			ctx, cancel := context.WithTimeout(background, time.Millisecond)
			defer cancel()
			ids, err := s.q.enqueueBatch(ctx, make([][]byte, 8))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the error is %v", err)
			}
			want(t, "accepted", len(ids), 5)
			want(t, "enqueued", s.q.Stats().Enqueued, 4+5)
		})
	})
}
