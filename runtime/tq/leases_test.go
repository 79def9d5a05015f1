package tq_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Pages of leases are in the order of deadlines, and of grants where those are
// equal; together they have each lease once, wherever a page ends.
func TestLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := openQueue(t, policy()) // a lease of 1s
		q.mustEnqueue(t, 7)
		var granted []tq.TaskID
		var leases []lease
		for i := range 6 {
			if i == 4 {
				time.Sleep(100 * time.Millisecond)
			}
			g, err := q.keep(q.TryTake("w"))
			must(t, err)
			granted, leases = append(granted, g.Token.Task), append(leases, g)
		}
		// Extended with the later two: in their list behind them, by grant before.
		_, err := leases[1].beat()
		must(t, err)
		must(t, leases[2].complete())
		want := []tq.TaskID{granted[0], granted[3], granted[1], granted[4], granted[5]}

		for limit := 1; limit <= 6; limit++ {
			var got []tq.TaskID
			deadline, epoch := time.Time{}, tq.Epoch(0)
			for range 10 {
				page, err := q.Probe().Leases(deadline, epoch, limit)
				must(t, err)
				if len(page) > limit {
					t.Errorf("%d leases on a page of %d", len(page), limit)
				}
				if len(page) == 0 {
					break
				}
				for _, l := range page {
					got = append(got, l.ID)
					if l.Owner != "w" || l.Attempt != 1 || l.State != tq.Leased {
						t.Errorf("lease %+v", l)
					}
				}
				last := page[len(page)-1]
				deadline, epoch = last.Deadline.Round(0).UTC(), last.LastToken.Epoch // as from the wire
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
			}
		}

		time.Sleep(950 * time.Millisecond) // two have run out, whether or not the timer has been
		page, err := q.Probe().Leases(time.Time{}, 0, 10)
		must(t, err)
		if len(page) != 3 {
			t.Errorf("%d leases, want the 3 that have not run out", len(page))
		}
	})
}
