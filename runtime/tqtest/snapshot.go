package tqtest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

// checkDrain holds restore ∘ drain to be the identity: one task of each state
// goes through JSON into a second queue, and comes out of it as it was.
func checkDrain(t *testing.T, open Open) {
	synctest.Test(t, func(t *testing.T) {
		first := opened(t, open, options())
		stale := populate(t, first)
		snapshot, err := first.Drain(t.Context(), 0)
		no(t, err, "drain")
		_, err = first.TryEnqueue(t.Context(), 9)
		is(t, err, tq.ErrDrained, "enqueue into a drained queue")
		lost(t, stale)

		second := opened(t, open, options())
		no(t, second.Restore(t.Context(), snapshot), "restore")
		no(t, second.Restore(t.Context(), snapshot), "restore of the same snapshot")
		counts(t, second, 3, 1, 0, 1)
		no(t, first.Restore(t.Context(), snapshot), "restore into the drained queue")
		counts(t, first, 3, 1, 0, 1)
		lost(t, stale)
		restored(t, second, stale)
	})
}

// populate leaves payload 5 dead, 1 leased, 2 failed once, 3 ready and 4
// delayed, and gives the lease.
func populate(t *testing.T, q Queue) (leased Grant) {
	t.Helper()
	enqueue(t, q, 5)
	no(t, takeNumber(t, q, 5).DeadLetter(t.Context(), errHandler), "dead-letter")
	enqueue(t, q, 2)
	failed := takeNumber(t, q, 2)
	enqueue(t, q, 1)
	leased = takeNumber(t, q, 1)
	no(t, failed.Fail(t.Context(), errHandler), "fail")
	enqueue(t, q, 3)
	_, err := q.EnqueueAt(t.Context(), 4, time.Now().Add(time.Hour))
	no(t, err, "enqueue at")
	counts(t, q, 2, 1, 1, 1)

	return leased
}

// restored looks at what populate left, in a queue it was restored into.
func restored(t *testing.T, q Queue, stale Grant) {
	t.Helper()
	g := takeNumber(t, q, 1) // drained while leased: first, and its attempt does not count
	if g.Attempt != 1 || g.Token.Task != stale.Token.Task || g.Token.Epoch <= stale.Token.Epoch {
		t.Errorf("restored lease is %+v, want the first attempt of %v with a higher epoch", g, stale.Token.Task)
	}
	if g = takeNumber(t, q, 2); g.Attempt != 2 || g.LastError == nil || g.LastError.Message != errHandler.Error() {
		t.Errorf("attempt %d with %+v, want attempt 2 after %v", g.Attempt, g.LastError, errHandler)
	}
	if g = takeNumber(t, q, 3); g.LastError != nil {
		t.Errorf("last error is %+v, want none", g.LastError)
	}
	nothing(t, q)

	dead, err := q.DeadLetters(t.Context(), 0, 9)
	no(t, err, "dead letters")
	if len(dead) != 1 || dead[0].Number != 5 {
		t.Errorf("dead letters are %+v, want payload 5", dead)
	}

	time.Sleep(time.Hour)
	for {
		g, err := q.Lease(t.Context())
		no(t, err, "lease")
		if g.Number == 4 {
			return
		}
		no(t, g.Complete(t.Context()), "complete") // the others' leases expired meanwhile
	}
}

// checkWatchNow holds that a snapshot and the events after it are the queue.
func checkWatchNow(t *testing.T, open Open) {
	q := opened(t, open, options())
	enqueue(t, q, 1, 2)
	header, tasks, reader := q.WatchNow()
	defer reader.Close()
	enqueue(t, q, 3)

	var numbers []int
	for _, task := range tasks {
		numbers = append(numbers, task.Number)
	}
	if diff := cmp.Diff([]int{1, 2}, numbers); diff != "" {
		t.Errorf("payloads of the snapshot (-want +got):\n%s", diff)
	}

	e, err := reader.Next(t.Context())
	no(t, err, "next")
	if e.Number != 3 || e.Sequence != header.Sequence+1 {
		t.Errorf("first event is %d of payload %d, want %d of 3", e.Sequence, e.Number, header.Sequence+1)
	}
}
