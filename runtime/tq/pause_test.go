package tq_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

// TestPauseKeepsWaiting: while a queue is paused nobody gets a task, neither who
// waited before nor who comes later, and everything else goes on. Afterwards
// those who wait are served in order (invariant 16).
func TestPauseKeepsWaiting(t *testing.T) {
	const n = 5
	bubble(t, func(t *testing.T) {
		o := policy()
		o.Capacity = n + 3
		q := openQueue(t, o)
		q.mustEnqueue(t, 3)
		held, failing, expiring := q.mustLease(t), q.mustLease(t), q.mustLease(t)
		order, all := inLine(n, func(int) error { _, err := q.lease(background); return err })

		q.Probe().Pause(true)
		q.mustEnqueue(t, n)
		must(t, failing.fail())
		time.Sleep(o.Lease / 2)
		_, err := held.beat()
		must(t, err)
		time.Sleep(o.Lease * 3 / 4)
		if err := expiring.complete(); !errors.Is(err, tq.ErrLeaseLost) {
			t.Errorf("complete after the deadline: %v", err)
		}
		must(t, held.complete())
		if _, err := q.tryLease(); err != tq.ErrEmpty {
			t.Errorf("lease of a paused queue: %v", err)
		}
		if got := order(); len(got) > 0 {
			t.Errorf("%v got tasks", got)
		}
		s := q.Stats()
		if !s.Paused || s.Ready != n+2 || s.Leased != 0 || s.Expired != 1 || s.WaitingConsumers != n {
			t.Errorf("paused: %+v", s)
		}

		q.Probe().Pause(false)
		if diff := cmp.Diff(sequence(n), order()); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		all.Wait()
		if s := q.Stats(); s.Paused || s.Ready != 2 || s.Leased != n {
			t.Errorf("afterwards: %+v", s)
		}
	})
}

// TestPauseEndsInDrainAndClose: both work while the queue is paused, and those
// who wait hear of it. The pause outlives a drain.
func TestPauseEndsInDrainAndClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := openQueue(t, policy())
		q.Probe().Pause(true)
		q.mustEnqueue(t, 2)
		for _, end := range []struct {
			do   func() error
			want error
		}{
			{func() error { _, err := q.drain(background, time.Second); return err }, tq.ErrDrained},
			{q.Close, tq.ErrClosed},
		} {
			var all sync.WaitGroup
			all.Go(func() {
				if _, err := q.lease(background); err != end.want {
					t.Errorf("who waits gets %v, want %v", err, end.want)
				}
			})
			time.Sleep(time.Millisecond)
			must(t, end.do())
			all.Wait()
			if _, err := q.tryLease(); err != end.want {
				t.Errorf("lease gives %v, want %v", err, end.want)
			}
			if !q.Stats().Paused {
				t.Errorf("%v ended the pause", end.want)
			}
			_ = q.Reopen()
		}
	})
}
