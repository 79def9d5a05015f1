package tqtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

func checkOrder(t *testing.T, open Open) {
	q := opened(t, open, options())
	ids := enqueue(t, q, 1, 2, 3)
	for i, n := range []int{1, 2, 3} {
		g := takeNumber(t, q, n)
		if g.Token.Task != ids[i] || g.Attempt != 1 || g.LastError != nil || g.EnqueuedAt.IsZero() {
			t.Errorf("grant is %+v, want the first attempt of %v", g, ids[i])
		}
		no(t, g.Complete(t.Context()), "complete")
	}
	nothing(t, q)
	counts(t, q, 0, 0, 0, 0)
}

func checkBatch(t *testing.T, open Open) {
	q := opened(t, open, options())
	ids := make([]tq.TaskID, 3)
	n, err := q.EnqueueBatch(t.Context(), []int{1, 2, 3}, ids)
	if n != 3 || err != nil {
		t.Fatalf("batch of 3 gives %d and %v", n, err)
	}

	grants, err := q.LeaseBatch(t.Context(), 2)
	no(t, err, "lease batch")
	if len(grants) != 2 || grants[0].Token.Task != ids[0] || grants[1].Number != 2 {
		t.Errorf("batch of 2 gives %+v, want payloads 1 and 2", grants)
	}
	grants, err = q.LeaseBatch(t.Context(), 5)
	no(t, err, "lease batch")
	if len(grants) != 1 || grants[0].Token.Task != ids[2] {
		t.Errorf("batch takes %+v, want what is there", grants)
	}

	partial(t, q)
}

// partial checks that a batch which ends early says what it accepted. Five of
// eight places are free.
func partial(t *testing.T, q Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	n, err := q.EnqueueBatch(ctx, []int{4, 5, 6, 7, 8, 9, 10}, nil)
	if n != 5 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("batch of 7 into 5 places gives %d and %v, want 5 and the context's error", n, err)
	}
	counts(t, q, 5, 0, 3, 0)
}

func checkDelay(t *testing.T, open Open) {
	synctest.Test(t, func(t *testing.T) {
		q := opened(t, open, options())
		_, err := q.EnqueueAt(t.Context(), 1, time.Now().Add(time.Minute))
		no(t, err, "enqueue at")
		enqueue(t, q, 2)
		counts(t, q, 1, 1, 0, 0)
		no(t, takeNumber(t, q, 2).Complete(t.Context()), "complete")
		nothing(t, q)

		start := time.Now()
		g, err := q.Lease(t.Context())
		no(t, err, "lease")
		if waited := time.Since(start); g.Number != 1 || waited < time.Minute || waited > time.Minute+time.Second {
			t.Errorf("leased payload %d after %v, want 1 after a minute", g.Number, waited)
		}
	})
}

func checkFull(t *testing.T, open Open) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Capacity = 1
		q := opened(t, open, o)
		enqueue(t, q, 1)
		_, err := q.TryEnqueue(t.Context(), 2)
		is(t, err, tq.ErrFull, "enqueue into a full queue")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = q.Enqueue(ctx, 2)
		is(t, err, context.DeadlineExceeded, "enqueue into a queue that stays full")

		added := make(chan error, 1)
		go func() {
			_, err := q.Enqueue(t.Context(), 3)
			added <- err
		}()
		synctest.Wait()
		no(t, takeNumber(t, q, 1).Complete(t.Context()), "complete")
		no(t, <-added, "enqueue once there is room")
		takeNumber(t, q, 3)
	})
}

func checkSettled(t *testing.T, open Open) {
	for _, settle := range []struct {
		name string
		do   func(context.Context, Grant) error
	}{
		{"complete", func(ctx context.Context, g Grant) error { return g.Complete(ctx) }},
		{"fail", func(ctx context.Context, g Grant) error { return g.Fail(ctx, errHandler) }},
		{"release", func(ctx context.Context, g Grant) error { return g.Release(ctx) }},
		{"dead-letter", func(ctx context.Context, g Grant) error { return g.DeadLetter(ctx, errHandler) }},
	} {
		t.Run(settle.name, func(t *testing.T) {
			q := opened(t, open, options())
			enqueue(t, q, 1)
			g := take(t, q)
			no(t, settle.do(t.Context(), g), settle.name)
			before, err := q.Stats(t.Context())
			no(t, err, "stats")
			lost(t, g)
			after, err := q.Stats(t.Context())
			no(t, err, "stats")
			before.OldestReady, after.OldestReady = 0, 0
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("a lost lease changed something (-before +after):\n%s", diff)
			}
		})
	}
}

func checkFail(t *testing.T, open Open) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Backoff = tq.ConstBackoff(time.Minute)
		q := opened(t, open, o)
		enqueue(t, q, 1)

		for attempt := 1; attempt <= 3; attempt++ {
			g := takeNumber(t, q, 1)
			if g.Attempt != attempt || (g.LastError == nil) != (attempt == 1) {
				t.Fatalf("attempt %d with last error %v, want attempt %d", g.Attempt, g.LastError, attempt)
			}
			if attempt > 1 && g.LastError.Message != errHandler.Error() {
				t.Errorf("last error is %q, want %q", g.LastError.Message, errHandler)
			}
			no(t, g.Fail(t.Context(), errHandler), "fail")
			nothing(t, q)
			time.Sleep(time.Minute + time.Millisecond)
		}

		nothing(t, q)
		counts(t, q, 0, 0, 0, 1)
	})
}

func checkRelease(t *testing.T, open Open) {
	q := opened(t, open, options())
	enqueue(t, q, 1, 2, 3)
	first := takeNumber(t, q, 1)
	second := takeNumber(t, q, 2)
	no(t, second.Release(t.Context()), "release")
	no(t, first.Release(t.Context()), "release")

	again := takeNumber(t, q, 1)
	if again.Attempt != 1 {
		t.Errorf("a released task is at attempt %d, want 1", again.Attempt)
	}
	if again.Token.Epoch <= second.Token.Epoch {
		t.Errorf("epoch %d after %d, want more", again.Token.Epoch, second.Token.Epoch)
	}
	takeNumber(t, q, 2)
	takeNumber(t, q, 3)
	lost(t, first)
}

func checkDeadLetters(t *testing.T, open Open) {
	q := opened(t, open, options())
	ids := enqueue(t, q, 1, 2, 3)
	for n := 1; n <= 3; n++ {
		no(t, takeNumber(t, q, n).DeadLetter(t.Context(), errHandler), "dead-letter")
	}

	page, err := q.DeadLetters(t.Context(), 0, 2)
	no(t, err, "dead letters")
	if len(page) != 2 || page[0].Number != 1 || page[0].ID != ids[0] || page[1].Number != 2 {
		t.Fatalf("first page is %+v, want payloads 1 and 2", page)
	}
	if e := page[0].LastError; e == nil || e.Message != errHandler.Error() {
		t.Errorf("dead letter has the error %v, want %v", e, errHandler)
	}
	page, err = q.DeadLetters(t.Context(), page[1].Place, 2)
	no(t, err, "dead letters")
	if len(page) != 1 || page[0].Number != 3 {
		t.Errorf("second page is %+v, want payload 3", page)
	}

	no(t, q.Redrive(t.Context(), ids[1]), "redrive")
	if g := takeNumber(t, q, 2); g.Attempt != 1 {
		t.Errorf("a redriven task is at attempt %d, want 1", g.Attempt)
	}
	no(t, q.Purge(t.Context(), ids[0]), "purge")
	is(t, q.Purge(t.Context(), ids[0]), tq.ErrUnknownTask, "purge of a purged task")
	is(t, q.Redrive(t.Context(), ids[0]), tq.ErrUnknownTask, "redrive of a purged task")
	counts(t, q, 0, 0, 1, 1)
}

func checkExpiry(t *testing.T, open Open) {
	synctest.Test(t, func(t *testing.T) {
		q := opened(t, open, options())
		enqueue(t, q, 1)
		stale := take(t, q)
		if d := stale.Deadline(); !d.Equal(time.Now().Add(lease)) {
			t.Errorf("deadline in %v, want %v", time.Until(d), lease)
		}

		next, err := q.Lease(t.Context()) // the timer alone wakes it
		no(t, err, "lease")
		if next.Attempt != 2 || next.LastError == nil || next.LastError.Code != tq.CodeLeaseExpired {
			t.Errorf("attempt %d with %+v, want attempt 2 after an expiry", next.Attempt, next.LastError)
		}
		if next.Token.Epoch <= stale.Token.Epoch {
			t.Errorf("epoch %d after %d, want more", next.Token.Epoch, stale.Token.Epoch)
		}
		lost(t, stale)
		no(t, next.Complete(t.Context()), "complete")
	})
}

func checkHeartbeat(t *testing.T, open Open) {
	synctest.Test(t, func(t *testing.T) {
		q := opened(t, open, options())
		enqueue(t, q, 1)
		g := take(t, q)
		for range 5 {
			time.Sleep(lease - time.Second)
			until, err := g.Heartbeat(t.Context())
			no(t, err, "heartbeat")
			if want := time.Now().Add(lease); !until.Equal(want) || !g.Deadline().Equal(want) {
				t.Errorf("deadline in %v, want %v", time.Until(until), lease)
			}
		}

		time.Sleep(lease) // at the deadline it is too late, even if nobody else has the task
		lost(t, g)
		again, err := q.Lease(t.Context())
		no(t, err, "lease")
		if again.Attempt != 2 {
			t.Errorf("attempt %d after an expiry, want 2", again.Attempt)
		}
	})
}

func checkResume(t *testing.T, open Open) {
	q := opened(t, open, options())
	enqueue(t, q, 1, 2)
	g := takeNumber(t, q, 1)
	resumed, err := q.Resume(t.Context(), g.Token)
	no(t, err, "resume")
	if resumed.Number != 1 || resumed.Token != g.Token || resumed.Attempt != g.Attempt {
		t.Errorf("resumed %+v, want %+v", resumed, g)
	}
	no(t, resumed.Complete(t.Context()), "complete")
	lost(t, g)
	_, err = q.Resume(t.Context(), g.Token)
	is(t, err, tq.ErrLeaseLost, "resume of a settled lease")
}

func checkClose(t *testing.T, open Open) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, options())
		enqueue(t, q, 1)
		g := take(t, q)

		waiting := make(chan error, 1)
		go func() {
			_, err := q.Lease(t.Context())
			waiting <- err
		}()
		synctest.Wait()
		no(t, q.Close(), "close")
		is(t, <-waiting, tq.ErrClosed, "a lease that waited")
		_, err := q.TryEnqueue(t.Context(), 2)
		is(t, err, tq.ErrClosed, "enqueue")
		no(t, g.Complete(t.Context()), "complete")
		no(t, q.Close(), "close of a closed queue")
	})
}

func checkDepth(t *testing.T, open Open) {
	q := opened(t, open, options())
	if o := q.Probe().Options(); o.High != 6 || o.Low != 3 {
		t.Errorf("watermarks of a queue of 8 are %d and %d, want three quarters and half of that", o.High, o.Low)
	}
	told := 0
	w := tq.NewDepthWatch(2, 0, false, func() { told++ })
	q.Probe().Attach(w)
	defer q.Probe().Detach(w)
	is := func(step string, depth int, raised bool, crossings int) {
		t.Helper()
		want := tq.DepthState{Depth: depth, Raised: raised, Crossings: uint64(crossings)}
		if diff := cmp.Diff(want, w.State()); diff != "" || told != crossings {
			t.Errorf("%s: told %d times (-want +got):\n%s", step, told, diff)
		}
	}
	enqueue(t, q, 1, 2, 3)
	is("three enqueued", 3, true, 1)
	g := take(t, q)
	is("one leased", 2, true, 1)
	no(t, g.Fail(t.Context(), errHandler), "fail")
	is("and failed", 3, true, 1)

	snapshot, err := q.Drain(t.Context(), 0)
	no(t, err, "drain")
	is("drained", 0, false, 2)
	no(t, q.Restore(t.Context(), snapshot), "restore")
	is("restored", 3, true, 3)
}
