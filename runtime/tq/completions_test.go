package tq_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// foreign is another kind of engine. It refuses every lease but that of slot 0,
// and notes whether the engine beside it can be used meanwhile.
type foreign struct {
	tq.Settler
	beside *queue
	calls  int
}

func (f *foreign) Complete(_ context.Context, s tq.Slot, _ tq.Token) error {
	f.calls++
	f.beside.Stats()
	if s == 0 {
		return nil
	}

	return tq.ErrUncertain
}

// completeAll is what generated code does with leases.
func completeAll(leases ...lease) (int, error) {
	var all tq.Completions
	for i := range leases {
		all.Complete(background, &leases[i].Held, &leases[i].Token)
	}

	return all.End()
}

func TestCompletions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := policy()
		o.Capacity = 1000
		q, other := openQueue(t, o), openQueue(t, o)
		q.mustEnqueue(t, 900)
		other.mustEnqueue(t, 2)
		var leases []lease
		for range 900 {
			leases = append(leases, q.mustLease(t))
		}
		n, err := completeAll()
		want(t, "none", n, 0)
		must(t, err)

		f := &foreign{beside: q}
		mixed := []lease{
			leases[0], other.mustLease(t), leases[1], leases[1],
			{Grant: tq.Grant{Held: tq.NewHeld(f, 0)}}, leases[2], {Grant: tq.Grant{Held: tq.NewHeld(f, 1)}}, {},
			other.mustLease(t),
		}
		n, err = completeAll(mixed...)
		want(t, "completed", n, 6)
		want(t, "calls of the other engine", f.calls, 2)
		for _, why := range []error{tq.ErrLeaseLost, tq.ErrUncertain} {
			want(t, why.Error(), errors.Is(err, why), true)
		}
		var refused *tq.LeaseError
		if !errors.As(err, &refused) || refused.Token != leases[1].Token {
			t.Errorf("refused %v, want that of %v", err, leases[1].Token)
		}
		want(t, "completed here", q.gauges(t).Completed, 3)
		want(t, "completed there", other.gauges(t).Completed, 2)

		n, err = completeAll(leases[3:]...) // more than one hold of the lock
		must(t, err)
		want(t, "completed", n, 897)
		want(t, "left", q.gauges(t).Live(), 0)
		want(t, "payloads", q.held(), 0)
	})
}

// Those who wait for a task to be gone are woken by many as by one.
func TestCompletionsMakeRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := policy()
		o.Capacity = 2
		q := openQueue(t, o)
		q.mustEnqueue(t, 2)
		leases := []lease{q.mustLease(t), q.mustLease(t)}
		done := make(chan error, 3)
		for range 2 {
			go func() { _, err := q.enqueue(background, nil); done <- err }()
		}
		time.Sleep(time.Millisecond)
		want(t, "waiting", q.Stats().WaitingProducers, 2)
		n, err := completeAll(leases...)
		must(t, err)
		want(t, "completed", n, 2)
		must(t, <-done)
		must(t, <-done)

		leases = []lease{q.mustLease(t), q.mustLease(t)}
		go func() { _, err := q.drain(background, o.Lease/2); done <- err }()
		time.Sleep(time.Millisecond)
		started := time.Now()
		_, err = completeAll(leases...)
		must(t, err)
		must(t, <-done)
		want(t, "the drain waited", time.Since(started), 0)
	})
}
