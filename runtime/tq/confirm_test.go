package tq_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

func synchronous(t *testing.T, q *queue, o tq.SyncOptions) *tq.Cursor {
	t.Helper()
	c, err := q.Watch(tq.Latest)
	must(t, err)
	must(t, c.Synchronous(o))

	return c
}

// Each synchronous reader has its own time: that of one who has acknowledged
// ends no wait for another, and detaches nobody (invariant 27).
func TestTimeoutsAreEachReadersOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := openQueue(t, policy())
		quick := synchronous(t, q, tq.SyncOptions{Timeout: time.Second})
		patient := synchronous(t, q, tq.SyncOptions{Timeout: time.Minute, Detach: true})
		quick.Acknowledge(1)
		started := time.Now()
		time.AfterFunc(30*time.Second, func() { patient.Acknowledge(1) })
		_, err := q.enqueue(background, nil)
		must(t, err)
		want(t, "waited", time.Since(started), 30*time.Second)

		quick.Acknowledge(2)
		started = time.Now()
		_, err = q.enqueue(background, nil)
		want(t, "uncertain", errors.Is(err, tq.ErrUncertain), true)
		want(t, "waited for the slow one", time.Since(started), time.Minute)

		time.AfterFunc(time.Millisecond, func() { quick.Acknowledge(3) })
		_, err = q.enqueue(background, nil) // the slow one is detached, the other is not
		must(t, err)
	})
}

// A reader that acknowledges what it has by another way is not behind.
func TestAcknowledgedIsNotBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := openQueue(t, policy())
		c := synchronous(t, q, tq.SyncOptions{})
		c.Acknowledge(1)
		q.mustEnqueue(t, 1)
		want(t, "lag", q.Stats().SlowestLag, 0)
		want(t, "its own lag", c.Lag(), 0)
	})
}

// What is acknowledged while the reader reads is not counted twice: it goes on
// behind what it has, and leaves nothing out (invariant 17).
func TestAcknowledgedWhileRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := openQueue(t, policy())
		c, err := q.Watch(0)
		must(t, err)
		q.mustEnqueue(t, 8)
		must(t, c.Synchronous(tq.SyncOptions{}))
		for _, read := range []struct{ from, n, acknowledged, next tq.Sequence }{
			{1, 2, 5, 6}, {6, 2, 6, 8},
		} {
			records, err := c.Next(background, int(read.n))
			must(t, err)
			want(t, "read", records[0].Sequence, read.from)
			c.Acknowledge(read.acknowledged)
			c.Unlock(len(records))
			want(t, "behind", c.Lag(), 9-read.next)
		}
	})
}

// Completions of which none came about have no events to wait for.
func TestNothingCompletedIsCertain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := openQueue(t, policy())
		c, err := q.Watch(0)
		must(t, err)
		q.mustEnqueue(t, 1)
		l := q.mustLease(t)
		must(t, l.complete())
		must(t, c.Synchronous(tq.SyncOptions{Timeout: time.Second})) // and has acknowledged nothing
		n, err := completeAll(l)
		want(t, "completed", n, 0)
		want(t, "lost", errors.Is(err, tq.ErrLeaseLost), true)
		want(t, "uncertain", errors.Is(err, tq.ErrUncertain), false)
	})
}

// A grant that was not confirmed and is gone already was nobody's late release.
func TestGiveBackIsNoRefusal(t *testing.T) {
	q := openQueue(t, unhurried())
	q.mustEnqueue(t, 1)
	l := q.mustLease(t)
	must(t, l.complete())
	q.GiveBack(l.Held, l.Token)
	want(t, "refused releases", q.Probe().Refusals().Release, 0)
}

// Who watches the depth of a deposed queue is told that nothing lowers it any
// more, and its refusals are its own.
func TestDeposedIsTold(t *testing.T) {
	q := openQueue(t, policy())
	w := watch(q, 1, 0, false)
	q.mustEnqueue(t, 1)
	told := w.told.Load()
	must(t, q.Depose(q.Term()+1))
	want(t, "told", w.told.Load(), told+1)
	want(t, "closed", w.QueueClosed(), true)
	late := watch(q, 1, 0, false)
	want(t, "closed for one attached later", late.QueueClosed(), true)
	_, err := q.enqueue(background, nil)
	want(t, "deposed", errors.Is(err, tq.ErrDeposed), true)
	want(t, "refused", q.Probe().Refusals(), tq.Refusals{Deposed: 1})
}

// A batch that waits for room is measured like one task.
func TestBatchBlockedIsMeasured(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := policy()
		o.Capacity = 1
		q := openQueue(t, o)
		q.mustEnqueue(t, 1)
		l := q.mustLease(t)
		m := q.Probe().Measure(64, func() {})
		time.AfterFunc(300*time.Millisecond, func() { must(t, l.complete()) })
		_, err := q.enqueueBatch(background, [][]byte{nil})
		must(t, err)
		samples, _ := m.Take(nil)
		for _, s := range samples {
			if s.Measure == tq.BlockedDuration {
				want(t, "blocked", time.Duration(s.Value), 300*time.Millisecond)
				return
			}
		}
		t.Errorf("not measured: %v", samples)
	})
}
