package tq_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tqgen/tqgen/runtime/tq"
)

const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

type traceKey struct{}

// in is a context in a trace.
func in(trace string) context.Context {
	return context.WithValue(context.Background(), traceKey{}, trace)
}

// traceIn is a TraceParent for such contexts.
func traceIn(ctx context.Context) string {
	s, _ := ctx.Value(traceKey{}).(string)

	return s
}

// TestTraceParentIsChecked: a task carries a traceparent or nothing.
func TestTraceParentIsChecked(t *testing.T) {
	t.Parallel()
	o := unhurried()
	o.TraceParent = traceIn
	q := openQueue(t, o)
	changed := func(at int, to string) string { return trace[:at] + to + trace[at+len(to):] }
	for _, c := range []struct {
		said string
		kept bool
	}{
		{trace, true},
		{changed(0, "fe"), true}, // a later version
		{changed(53, "00"), true},
		{"", false},
		{trace[:54], false},
		{trace + "-more", false},
		{strings.Repeat("0", 1<<20), false},
		{changed(0, "ff"), false},
		{changed(0, "0x"), false},
		{strings.ToUpper(trace), false},
		{changed(2, "_"), false},
		{changed(35, "0"), false},
		{changed(52, "0"), false},
		{changed(10, "-"), false},
		{changed(3, strings.Repeat("0", 32)), false},
		{changed(36, strings.Repeat("0", 16)), false},
	} {
		if _, err := q.tryEnqueueIn(in(c.said), nil); err != nil {
			t.Fatal(err)
		}
		l := mustLease(t, q)
		want := ""
		if c.kept {
			want = c.said
		}
		if got := l.Held.TraceParent(l.Token); got != want {
			t.Errorf("of %.80q the task carries %q", c.said, got)
		}
		if err := l.complete(); err != nil {
			t.Fatal(err)
		}
		if got := l.Held.TraceParent(l.Token); got != "" {
			t.Errorf("after the end of the lease: %q", got)
		}
	}
}

// TestTraceParentIsCalledOutside: it may look at the queue, and a panic of its
// does no harm (invariant 10).
func TestTraceParentIsCalledOutside(t *testing.T) {
	t.Parallel()
	o := policy()
	var q *queue
	o.TraceParent = func(ctx context.Context) string {
		q.Stats()
		if traceIn(ctx) == "panic" {
			panic("no trace")
		}

		return traceIn(ctx)
	}
	q = openQueue(t, o)
	for _, said := range []string{trace, "panic"} {
		if _, err := q.tryEnqueueIn(in(said), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := q.enqueueBatch(in(said), [][]byte{nil, nil}); err != nil {
			t.Fatal(err)
		}
	}
	for i, task := range q.look().Tasks {
		want := trace
		if i >= 3 {
			want = ""
		}
		if task.TraceParent != want {
			t.Errorf("task %d carries %q, want %q", i, task.TraceParent, want)
		}
	}
}

// TestTraceParentIsNotInherited: a slot that is used again has forgotten the
// trace, whether a task was there or only the payload of one that found no room.
func TestTraceParentIsNotInherited(t *testing.T) {
	t.Parallel()
	o := unhurried()
	o.Capacity, o.TraceParent = 1, traceIn
	o.High, o.Low = 1, tq.UntilEmpty
	for _, with := range []locks{1, 2} {
		q := with.open(t, o)
		c, err := q.Watch(0)
		if err != nil {
			t.Fatal(err)
		}
		for round, said := range []string{trace, "", trace, "", ""} {
			if _, err := q.tryEnqueueIn(in(said), nil); err != nil {
				t.Fatal(err)
			}
			if _, err := q.tryEnqueueIn(in(trace), nil); err != tq.ErrFull {
				t.Fatal(err)
			}
			l := mustLease(t, q)
			_ = l.complete()
			events, err := q.read(c)
			if err != nil || len(events) != 3 {
				t.Fatal(len(events), err)
			}
			for _, e := range events {
				if e.TraceParent != said {
					t.Errorf("round %d: %v carries %q, want %q", round, e.Kind, e.TraceParent, said)
				}
			}
			if round%2 == 0 {
				continue // the next task gets the slot of the one that found no room
			}
			_ = c.Close() // lets the slots go
			if c, err = q.Watch(tq.Latest); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestTraceParentGoesOn: a task keeps its trace through drain and restore, to a
// replica by events and by a snapshot, and into the queue it is promoted to.
// What is none is not taken from outside either.
func TestTraceParentGoesOn(t *testing.T) {
	t.Parallel()
	o := unhurried()
	o.TraceParent = traceIn
	q := openQueue(t, o)
	_, c := q.watchNow()
	if _, err := q.tryEnqueueIn(in(trace), []byte("a")); err != nil {
		t.Fatal(err)
	}
	f := openFollower(t, unhurried())
	f.see(t, q, c)
	s := f.state()
	late := openFollower(t, unhurried())
	if err := late.applySnapshot(s); err != nil {
		t.Fatal(err)
	}
	promoted, err := late.promote(unhurried(), tq.Takeover{Term: 2})
	if err != nil {
		t.Fatal(err)
	}
	drained, err := promoted.drain(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	again := openQueue(t, unhurried())
	if err := again.restore(drained); err != nil {
		t.Fatal(err)
	}
	l := mustLease(t, again)
	if got := l.Held.TraceParent(l.Token); got != trace {
		t.Errorf("after replication, promotion, drain and restore the trace is %q", got)
	}

	s.Tasks[0].TraceParent = strings.Repeat("x", 1<<20)
	bad := openFollower(t, unhurried())
	if err := bad.applySnapshot(s); err != nil {
		t.Fatal(err)
	}
	s.ID, s.Tasks[0].ID.Sequence = "other", 7
	if err := again.restore(s); err != nil {
		t.Fatal(err)
	}
	e := record(1, tq.Enqueued, func(r *tq.Record) { r.TraceParent = "x" })
	told := openFollower(t, unhurried())
	if err := told.apply(e, "test", 7); err != nil {
		t.Fatal(err)
	}
	for _, state := range []snapshot{bad.state(), again.look(), told.state()} {
		for _, task := range state.Tasks {
			if task.TraceParent != "" && task.TraceParent != trace {
				t.Errorf("%.20q was kept", task.TraceParent)
			}
		}
	}
}

// TestTraceParentOfNothing: a lease of no engine has no trace.
func TestTraceParentOfNothing(t *testing.T) {
	t.Parallel()
	if got := (tq.Held{}).TraceParent(tq.Token{}); got != "" {
		t.Errorf("the zero Held has the trace %q", got)
	}
	if got := tq.NewHeld(struct{ tq.Settler }{}, 0).TraceParent(tq.Token{}); got != "" {
		t.Errorf("an engine that knows no trace says %q", got)
	}
}
