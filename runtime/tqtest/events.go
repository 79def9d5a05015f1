package tqtest

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// change is what checkEvents compares of an event.
type change struct {
	Kind    tq.Kind
	Number  int
	Attempt int
}

func checkEvents(t *testing.T, open Open) {
	synctest.Test(t, func(t *testing.T) {
		q := opened(t, open, options())
		reader, err := q.Watch(0)
		no(t, err, "watch")
		defer reader.Close()

		ctx := t.Context()
		enqueue(t, q, 1, 2)
		no(t, take(t, q).Complete(ctx), "complete")
		no(t, take(t, q).Fail(ctx, errHandler), "fail")
		no(t, take(t, q).Release(ctx), "release")
		no(t, take(t, q).DeadLetter(ctx, errHandler), "dead-letter")

		want := []change{
			{tq.Enqueued, 1, 1},
			{tq.Enqueued, 2, 1},
			{tq.LeaseGranted, 1, 1},
			{tq.Completed, 1, 1},
			{tq.LeaseGranted, 2, 1},
			{tq.Failed, 2, 1},
			{tq.Requeued, 2, 2},
			{tq.LeaseGranted, 2, 2},
			{tq.Released, 2, 2},
			{tq.LeaseGranted, 2, 2},
			{tq.Failed, 2, 2},
			{tq.DeadLettered, 2, 2},
		}
		if diff := cmp.Diff(want, read(t, reader, len(want))); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

// read takes n events, whose sequences must have no hole. Those that leave the
// payload out have the number of their task.
func read(t *testing.T, r Reader, n int) []change {
	t.Helper()
	numbers := map[tq.TaskID]int{}
	var changes []change
	for sequence := tq.Sequence(1); len(changes) < n; sequence++ {
		e, err := r.Next(t.Context())
		no(t, err, "next")
		if e.Sequence != sequence {
			t.Fatalf("event %d after %d", e.Sequence, sequence-1)
		}
		if replication.HasPayload(e.Kind) {
			numbers[e.Task] = e.Number
		} else if e.Number < 0 {
			e.Number = numbers[e.Task]
		}
		changes = append(changes, change{e.Kind, e.Number, e.Attempt})
	}

	return changes
}

// checkTrace has one task enqueued in each way there is, in a trace of its own,
// and one in none.
func checkTrace(t *testing.T, open Open) {
	type key struct{}
	o := options()
	o.TraceParent = func(ctx context.Context) string {
		trace, _ := ctx.Value(key{}).(string)

		return trace
	}
	q := opened(t, open, o)
	reader, err := q.Watch(0)
	no(t, err, "watch")
	defer reader.Close()

	traces := make([]string, 6) // by payload number
	in := func(ns ...int) context.Context {
		trace := fmt.Sprintf("00-4bf92f3577b34da6a3ce929d0e0e4736-%016x-01", ns[0])
		for _, n := range ns {
			traces[n] = trace
		}

		return context.WithValue(t.Context(), key{}, trace)
	}
	enqueue(t, q, 0)
	_, err = q.Enqueue(in(1), 1)
	no(t, err, "enqueue")
	_, err = q.TryEnqueue(in(2), 2)
	no(t, err, "try to enqueue")
	_, err = q.EnqueueAt(in(3), 3, time.Time{})
	no(t, err, "enqueue at")
	_, err = q.EnqueueBatch(in(4, 5), []int{4, 5}, nil)
	no(t, err, "enqueue a batch")

	snapshot, err := q.Drain(t.Context(), 0)
	no(t, err, "drain")
	no(t, q.Restore(t.Context(), snapshot), "restore")
	numbers := map[tq.TaskID]int{}
	for range traces {
		g := take(t, q)
		numbers[g.Token.Task] = g.Number
		if got := g.TraceParent(); got != traces[g.Number] {
			t.Errorf("the lease of payload %d is in trace %q, want %q", g.Number, got, traces[g.Number])
		}
		no(t, g.Complete(t.Context()), "complete")
	}
	schema := ""
	for range 5 * len(traces) { // enqueued, drained, restored, granted, completed
		e, err := reader.Next(t.Context())
		no(t, err, "next")
		if want := traces[numbers[e.Task]]; e.TraceParent != want {
			t.Errorf("%v of payload %d is in trace %q, want %q", e.Kind, numbers[e.Task], e.TraceParent, want)
		}
		if e.Sequence == 1 {
			schema = e.Schema
		}
		if e.Schema == "" || e.Schema != schema {
			t.Errorf("%v has the schema %q, the first event %q", e.Kind, e.Schema, schema)
		}
	}
}

func checkGap(t *testing.T, open Open) {
	o := options()
	o.LogEntries = 8
	q := opened(t, open, o)
	reader, err := q.Watch(0)
	no(t, err, "watch")
	defer reader.Close()

	for range 20 {
		no(t, q.Cycle(t.Context()), "cycle")
	}
	_, err = reader.Next(t.Context())
	is(t, err, tq.ErrGap, "next of a reader that fell behind")
	_, err = q.Watch(1)
	is(t, err, tq.ErrGap, "watch of events that are gone")

	_, _, fresh := q.WatchNow()
	defer fresh.Close()
	enqueue(t, q, 1)
	e, err := fresh.Next(context.WithoutCancel(t.Context()))
	no(t, err, "next")
	if e.Number != 1 {
		t.Errorf("event of payload %d, want 1", e.Number)
	}
}
