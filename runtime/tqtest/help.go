package tqtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// lease is the lease time of the queues under test.
const lease = 10 * time.Second

// errHandler is why attempts fail.
var errHandler = errors.New("no such resource")

// options are those of a small queue without a backoff.
func options() tq.Options {
	return tq.Options{
		Capacity:  8,
		Lease:     lease,
		Heartbeat: lease / 4,
		Attempts:  3,
		Backoff:   tq.NoBackoff,
		Dead:      8,
	}
}

// opened is a queue that is closed when the test ends.
func opened(t *testing.T, open Open, o tq.Options) Queue {
	t.Helper()
	q := open(t, o)
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})

	return q
}

// enqueue adds the payloads numbered ns.
func enqueue(t *testing.T, q Queue, ns ...int) []tq.TaskID {
	t.Helper()
	ids := make([]tq.TaskID, len(ns))
	for i, n := range ns {
		id, err := q.Enqueue(t.Context(), n)
		if err != nil {
			t.Fatalf("enqueue %d: %v", n, err)
		}
		ids[i] = id
	}

	return ids
}

// take leases the next task, which must be there.
func take(t *testing.T, q Queue) Grant {
	t.Helper()
	g, err := q.TryLease(t.Context())
	if err != nil {
		t.Fatalf("lease: %v", err)
	}

	return g
}

// takeNumber is take of the payload n.
func takeNumber(t *testing.T, q Queue, n int) Grant {
	t.Helper()
	g := take(t, q)
	if g.Number != n {
		t.Fatalf("leased payload %d, want %d", g.Number, n)
	}

	return g
}

// nothing checks that no task is ready.
func nothing(t *testing.T, q Queue) {
	t.Helper()
	if g, err := q.TryLease(t.Context()); !errors.Is(err, tq.ErrEmpty) {
		t.Errorf("lease of an empty queue gives payload %d and %v, want tq.ErrEmpty", g.Number, err)
	}
}

// no fails the test unless err is nil.
func no(t *testing.T, err error, what string) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// is checks that err matches want.
func is(t *testing.T, err, want error, what string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s gives %v, want %v", what, err, want)
	}
}

// lost checks that no verb of a lease that is over changes anything.
func lost(t *testing.T, g Grant) {
	t.Helper()
	ctx := t.Context()
	is(t, g.Complete(ctx), tq.ErrLeaseLost, "complete of a lost lease")
	is(t, g.Fail(ctx, errHandler), tq.ErrLeaseLost, "fail of a lost lease")
	is(t, g.Release(ctx), tq.ErrLeaseLost, "release of a lost lease")
	is(t, g.DeadLetter(ctx, errHandler), tq.ErrLeaseLost, "dead-letter of a lost lease")
	_, err := g.Heartbeat(ctx)
	is(t, err, tq.ErrLeaseLost, "heartbeat of a lost lease")
	if d := g.Deadline(); !d.IsZero() {
		t.Errorf("a lost lease has the deadline %v", d)
	}
	if owner := g.Owner(); owner != "" {
		t.Errorf("a lost lease is of %q", owner)
	}
	if trace := g.TraceParent(); trace != "" {
		t.Errorf("a lost lease has the trace %q", trace)
	}
}

// counts checks how many tasks are in which state.
func counts(t *testing.T, q Queue, ready, delayed, leased, dead int) {
	t.Helper()
	s, err := q.Stats(context.WithoutCancel(t.Context()))
	no(t, err, "stats")
	if s.Ready != ready || s.Delayed != delayed || s.Leased != leased || s.Dead != dead {
		t.Errorf("%d ready, %d delayed, %d leased, %d dead; want %d, %d, %d, %d",
			s.Ready, s.Delayed, s.Leased, s.Dead, ready, delayed, leased, dead)
	}
}
