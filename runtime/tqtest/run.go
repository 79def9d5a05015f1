package tqtest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// checkRun has one handler do everything a handler may, by payload number.
func checkRun(t *testing.T, open Open) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Attempts = 2
		q := opened(t, open, o)
		enqueue(t, q, 1, 2, 3, 4, 5)

		ctx, cancel := context.WithCancel(t.Context())
		attempts := map[int]int{}
		handler := func(ctx context.Context, g Grant) error {
			attempts[g.Number]++
			switch g.Number {
			case 2: // fails, comes back once, dies
				return errHandler
			case 3: // dies at once
				return tq.Permanent(errHandler)
			case 4: // fails by a panic once
				if g.Attempt == 1 {
					panic("handler")
				}
			case 5: // settled by itself; what it returns then does not matter
				if err := g.Complete(ctx); err != nil {
					t.Errorf("complete: %v", err)
				}

				return errHandler
			}

			return nil
		}

		ended := make(chan error, 1)
		go func() { ended <- q.Run(ctx, tq.RunOptions{Workers: 1}, handler) }()
		synctest.Wait()
		cancel()
		no(t, <-ended, "run")

		for n, want := range map[int]int{1: 1, 2: 2, 3: 1, 4: 2, 5: 1} {
			if attempts[n] != want {
				t.Errorf("payload %d was handled %d times, want %d", n, attempts[n], want)
			}
		}
		counts(t, q, 0, 0, 0, 2)
		no(t, q.Close(), "close")
		is(t, q.Run(t.Context(), tq.RunOptions{}, handler), tq.ErrClosed, "run of a closed queue")
	})
}

// checkRunLost has a handler outlive its lease: heartbeats keep it for long,
// then the queue is drained under it.
func checkRunLost(t *testing.T, open Open) {
	synctest.Test(t, func(t *testing.T) {
		q := opened(t, open, options())
		enqueue(t, q, 1)
		held := make(chan Grant, 1)
		cause := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			o := tq.RunOptions{Workers: 1, Owner: "worker-7"}
			ended <- q.Run(ctx, o, func(ctx context.Context, g Grant) error {
				held <- g
				<-ctx.Done()
				cause <- context.Cause(ctx)

				return ctx.Err()
			})
		}()

		g := <-held
		time.Sleep(10 * lease)
		if d := g.Deadline(); !d.After(time.Now()) {
			t.Errorf("the lease was not prolonged: its deadline is %v", d)
		}
		resumed, err := q.Resume(t.Context(), g.Token)
		no(t, err, "resume")
		if a, b := g.Owner(), resumed.Owner(); a != "worker-7" || b != a {
			t.Errorf("the lease is of %q, resumed of %q, want worker-7", a, b)
		}
		no(t, g.Complete(t.Context()), "complete behind the handler's back")
		lost(t, g)
		is(t, <-cause, tq.ErrLeaseLost, "cause of the handler's context")
		cancel()
		no(t, <-ended, "run")
		counts(t, q, 0, 0, 0, 0)
	})
}

// checkRunGrace ends a run while one handler is about to finish and another
// never does.
func checkRunGrace(t *testing.T, open Open) {
	synctest.Test(t, func(t *testing.T) {
		q := opened(t, open, options())
		enqueue(t, q, 1, 2, 3)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- q.Run(ctx, tq.RunOptions{Workers: 2, Grace: time.Minute}, func(ctx context.Context, g Grant) error {
				finish := time.Second
				if g.Number == 2 {
					finish = time.Hour
				}
				select {
				case <-time.After(finish):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		}()

		synctest.Wait()
		start := time.Now()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run gives %v, want nil", err)
		}
		if took := time.Since(start); took < time.Minute || took > time.Minute+lease {
			t.Errorf("run ended after %v, want a minute", took)
		}
		counts(t, q, 2, 0, 0, 0) // 1 completed, 2 released, 3 untouched
		if g := takeNumber(t, q, 2); g.Attempt != 1 {
			t.Errorf("a task released by run is at attempt %d, want 1", g.Attempt)
		}
	})
}
