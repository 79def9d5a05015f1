package tq_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// TestResumeSays: a token that came back is refused with what has become of its
// lease (9), and the code says it on any wire.
func TestResumeSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := policy() // a lease of 1s
		o.Attempts, o.Backoff = 2, tq.NoBackoff
		q := openQueue(t, o)
		says := func(token tq.Token, code string) {
			t.Helper()
			_, err := q.Resume(token)
			if !errors.Is(err, tq.ErrLeaseLost) || tq.ErrorCode(err) != code {
				t.Errorf("resume says %v, code %s, want %s", err, tq.ErrorCode(err), code)
			}
			if err == nil {
				q.Unlock()
			}
		}
		granted := func() lease {
			t.Helper()
			g, err := q.keep(q.TryTake("w"))
			must(t, err)

			return g
		}
		q.mustEnqueue(t, 1)
		first := granted()
		wrong := first.Token
		wrong.Attempt++
		says(wrong, tq.CodeLeaseLost)
		wrong = first.Token
		wrong.Incarnation++
		says(wrong, tq.CodeLeaseLost)
		says(tq.Token{}, tq.CodeUnknownTask)

		time.Sleep(time.Second)
		says(first.Token, tq.CodeLeaseExpired)
		synctest.Wait()
		says(first.Token, tq.CodeLeaseExpired) // now that it is requeued, too
		second := granted()
		says(first.Token, tq.CodeLeaseLost)
		must(t, second.release())
		says(second.Token, tq.CodeLeaseLost)
		third := granted()
		must(t, third.fail())
		says(third.Token, tq.CodeDeadLettered)
		must(t, q.Redrive(third.Token.Task))
		says(third.Token, tq.CodeLeaseLost)
		fourth := granted()
		must(t, fourth.complete())
		says(fourth.Token, tq.CodeUnknownTask)

		must(t, q.Depose(q.Term()+1))
		if _, err := q.Resume(fourth.Token); !errors.Is(err, tq.ErrDeposed) || tq.ErrorCode(err) != tq.CodeDeposed {
			t.Errorf("resume at a deposed owner says %v, code %s", err, tq.ErrorCode(err))
		}
	})
}
