package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/tq"
)

// progress prints a line now and then: on a terminal over the last one, else
// below it.
func (d *demo) progress(ctx context.Context, q *leasequeue.Local, begin time.Time) error {
	every, end := time.Second, "\n"
	if terminal(d.out) {
		every, end = 200*time.Millisecond, "\x1b[K\r"
	}
	before := d.books.totals().completed
	for {
		if err := pause(ctx, every); err != nil {
			return err
		}
		s, err := q.Stats(ctx)
		if err != nil {
			return err
		}
		t := d.books.totals()
		fmt.Fprintf(d.out, "%5.1fs  accepted %s  completed %s (%s/s)  pending %s  leased %s  dead %s%s",
			time.Since(begin).Seconds(), grouped(t.accepted), grouped(t.completed),
			grouped(int(float64(t.completed-before)/every.Seconds())),
			grouped(s.Pending()), grouped(s.Leased), grouped(s.Dead), end)
		before = t.completed
	}
}

// terminal reports whether w is one.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()

	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// result is what a run came to.
type result struct {
	books       sums
	handover    handover
	waits       *waits
	took        time.Duration
	differences []string // between books and queues

	// Counted one by one over what the second queue still holds.
	pending, leased, dead int
	// Accepted and nowhere; done with more often than accepted.
	lost, twice int
	// What the demo cannot see from outside, as both queues counted it.
	retried, expired, deadLettered uint64
	// Settlements that came after the lease was lost, and were refused.
	tooLate int64
}

// settle balances the books with what the second queue still holds, and
// compares them with what both queues counted.
func (d *demo) settle(first, second *leasequeue.Local, h handover, took time.Duration) (*result, error) {
	one, err := first.Stats(context.Background())
	if err != nil {
		return nil, err
	}
	two, err := second.Stats(context.Background())
	if err != nil {
		return nil, err
	}
	held, reader := second.WatchNow()
	if err := reader.Close(); err != nil {
		return nil, err
	}

	r := &result{
		handover: h, waits: &d.waits, took: took, tooLate: d.tooLate.Load(),
		retried:      one.Requeued + two.Requeued,
		expired:      one.Expired + two.Expired,
		deadLettered: one.DeadLettered + two.DeadLettered,
	}
	holds := make([]left, len(held.Tasks))
	for i := range held.Tasks {
		t := &held.Tasks[i]
		holds[i] = left{t.ID, number(&t.Payload)}
		switch t.State {
		case tq.Leased:
			r.leased++
		case tq.Dead:
			r.dead++
		default:
			r.pending++
		}
	}
	r.lost, r.twice = d.books.close(holds)
	r.books = d.books.totals()
	r.compare(one, two)

	return r, nil
}

// compare notes every figure on which books and queues differ.
func (r *result) compare(one, two tq.Stats) {
	for _, c := range []struct {
		what   string
		books  int
		queues uint64
	}{
		{"accepted", r.books.accepted, one.Enqueued + two.Enqueued},
		{"completed", r.books.completed, one.Completed + two.Completed},
		{"purged", r.books.purged, one.Purged + two.Purged},
		{"redriven", r.books.redriven, one.Redriven + two.Redriven},
		{"drained", r.handover.tasks, one.Drained},
		{"restored", r.handover.tasks, two.Restored},
		{"left in the first queue", 0, uint64(one.Live() + one.Dead)},
		{"pending", r.pending, uint64(two.Pending())},
		{"leased", r.leased, uint64(two.Leased)},
		{"dead", r.dead, uint64(two.Dead)},
	} {
		if uint64(c.books) != c.queues {
			r.differences = append(r.differences,
				fmt.Sprintf("%s: the books say %d, the queues %d", c.what, c.books, c.queues))
		}
	}
	if r.books.mixed > 0 {
		r.differences = append(r.differences, fmt.Sprintf("%d tasks had another's payload", r.books.mixed))
	}
}

// holds reports whether nothing was lost, counted twice, or counted otherwise.
func (r *result) holds() bool {
	return r.lost == 0 && r.twice == 0 && len(r.differences) == 0
}

// print writes the table, what is amiss, and the balance as the last line.
func (r *result) print(w io.Writer) {
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\ttasks\tper second\t")
	row := func(what string, n int) {
		fmt.Fprintf(table, "%s\t%s\t%s\t\n", what, grouped(n), grouped(int(float64(n)/r.took.Seconds())))
	}
	row("accepted", r.books.accepted)
	row("completed", r.books.completed)
	row("retried", int(r.retried))
	row("expired", int(r.expired))
	row("dead-lettered", int(r.deadLettered))
	row("redriven", r.books.redriven)
	row("purged", r.books.purged)
	_ = table.Flush() // reports what w did, as Fprintf does

	q := r.waits.quantile
	fmt.Fprintf(w, "\nwait until leased: p50 %v, p90 %v, p99 %v, most %v\n",
		short(q(0.5)), short(q(0.9)), short(q(0.99)), short(r.waits.longest()))
	fmt.Fprintf(w, "half way: %s tasks to another queue as %s bytes of JSON, in %v\n",
		grouped(r.handover.tasks), grouped(r.handover.bytes), short(r.handover.took))
	fmt.Fprintf(w, "settled too late, and refused: %s\n\n", grouped(int(r.tooLate)))

	for _, d := range r.differences {
		fmt.Fprintln(w, "differs:", d)
	}
	verdict := "conserved"
	if !r.holds() {
		verdict = fmt.Sprintf("NOT conserved, %d counted twice", r.twice)
	}
	fmt.Fprintf(w, "%s: accepted=%d completed=%d dead=%d purged=%d pending=%d leased=%d lost=%d\n", verdict,
		r.books.accepted, r.books.completed, r.dead, r.books.purged, r.pending, r.leased, r.lost)
}

// short writes d in three digits or so.
func short(d time.Duration) time.Duration {
	for unit := time.Nanosecond; unit < time.Hour; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit)
		}
	}

	return d
}

// grouped writes n with a comma at the thousands.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}

	return s
}
