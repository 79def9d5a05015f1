package lease_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// TestRunAllocations holds Run to at most three allocations a task.
func TestRunAllocations(t *testing.T) {
	const tasks = 2000
	q := open(t, leasequeue.Options{})
	work := func() (mallocs uint64) {
		enqueue(t, q, tasks)
		ctx, cancel := context.WithCancel(t.Context())
		var before, after runtime.MemStats
		done := 0
		runtime.ReadMemStats(&before)
		err := leasequeue.Run(ctx, q, leasequeue.RunOptions{}, func(context.Context, *leasequeue.Lease) error {
			if done++; done == tasks {
				cancel()
			}

			return nil
		})
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}

		return after.Mallocs - before.Mallocs
	}

	work() // the queue reaches its size
	if n := float64(work()) / tasks; n > 3 {
		t.Errorf("a task costs %.2f allocations, want at most 3", n)
	} else {
		t.Logf("%.2f allocations a task", n)
	}
}

// open opens a queue that is closed when the test ends.
func open(t *testing.T, o leasequeue.Options) *leasequeue.Local {
	t.Helper()
	q, err := leasequeue.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})

	return q
}

// enqueue adds the requests numbered 1 to n.
func enqueue(t *testing.T, q leasequeue.Queue, n int) {
	t.Helper()
	for i := range n {
		if _, err := q.Enqueue(t.Context(), request(i+1)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, o := range []leasequeue.Options{
		{Capacity: -1},
		{Capacity: tq.MaxCapacity + 1},
		{Lease: time.Microsecond},
		{Lease: time.Minute, Heartbeat: 30 * time.Second},
		{Attempts: tq.MaxAttempts + 1},
	} {
		if q, err := leasequeue.New(o); err == nil {
			t.Errorf("%+v is accepted", o)
			q.Close()
		}
	}
}

func TestZeroLeaseHoldsNothing(t *testing.T) {
	t.Parallel()
	var l leasequeue.Lease
	_, heartbeat := l.Heartbeat(t.Context())
	for name, err := range map[string]error{
		"complete":    l.Complete(t.Context()),
		"fail":        l.Fail(t.Context(), nil),
		"release":     l.Release(t.Context()),
		"dead-letter": l.DeadLetter(t.Context(), nil),
		"heartbeat":   heartbeat,
	} {
		if !errors.Is(err, tq.ErrLeaseLost) {
			t.Errorf("%s gives %v, want tq.ErrLeaseLost", name, err)
		}
	}
	if d := l.Deadline(); !d.IsZero() {
		t.Errorf("deadline is %v, want none", d)
	}
	if text := fmt.Sprint(l); !strings.Contains(text, "attempt=0") {
		t.Errorf("it is printed as %q", text)
	}
}

func TestLeasesEndWithTheFirstError(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	enqueue(t, q, 2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	for l, err := range q.Leases(ctx) {
		got = append(got, l.Payload.ResourceID+" "+fmt.Sprint(err))
		if len(got) == 2 {
			cancel()
		}
	}
	if diff := cmp.Diff([]string{"1 <nil>", "2 <nil>", " context canceled"}, got); diff != "" {
		t.Errorf("leases (-want +got):\n%s", diff)
	}
}

func TestReadTakesWhatIsThere(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	events, err := q.Watch(0)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	enqueue(t, q, 5)

	dst := make([]leasequeue.Event, 3)
	var got []string
	for len(got) < 5 {
		n, err := events.Read(t.Context(), dst)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range dst[:n] {
			got = append(got, e.Payload.ResourceID)
		}
	}
	if diff := cmp.Diff([]string{"1", "2", "3", "4", "5"}, got); diff != "" {
		t.Errorf("payloads (-want +got):\n%s", diff)
	}
	if n, err := events.Read(t.Context(), nil); n != 0 || err != nil || events.Lag() != 0 {
		t.Errorf("reading into nothing gives %d and %v, and leaves a lag of %d", n, err, events.Lag())
	}
}

func TestDeadLetteredTellsOfAGap(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{Dead: 2})
	enqueue(t, q, 4)
	for range 4 {
		l, err := q.Lease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := l.DeadLetter(t.Context(), errors.New("refused")); err != nil {
			t.Fatal(err)
		}
	}

	var got []string
	for letter, err := range q.DeadLettered(t.Context(), 0) {
		got = append(got, fmt.Sprintf("%d %s %t", letter.Number, letter.Payload.ResourceID, errors.Is(err, tq.ErrGap)))
		if len(got) == 3 {
			q.Close()
		}
	}
	if diff := cmp.Diff([]string{"2  true", "3 3 false", "4 4 false", "0  false"}, got); diff != "" {
		t.Errorf("number, payload, gap (-want +got):\n%s", diff)
	}
}

func TestEventSurvivesTheWire(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	events, err := q.Watch(0)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	enqueue(t, q, 1)
	l, err := q.LeaseAs(t.Context(), "worker-7")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Fail(t.Context(), errors.New("no answer")); err != nil {
		t.Fatal(err)
	}

	for range 4 {
		e, err := events.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		document, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		read := leasequeue.Event{Payload: request(9)}
		if err := json.Unmarshal(document, &read); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wire(e), wire(read)); diff != "" {
			t.Errorf("%v (-sent +read):\n%s", e.Kind, diff)
		}
	}
}

// wire is what of an event is compared: times without their monotonic reading.
func wire(e leasequeue.Event) any {
	h := e.Header
	for _, at := range []*time.Time{&h.OccurredAt, &h.RecordedAt, &h.Deadline, &h.EnqueuedAt, &h.AvailableAt} {
		*at = at.Round(0).UTC()
	}

	return struct {
		Header  replication.Header
		Payload lease.ResourceLease
	}{h, e.Payload}
}
