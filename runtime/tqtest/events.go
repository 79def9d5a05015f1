package tqtest

import (
	"context"
	"testing"
	"testing/synctest"

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
