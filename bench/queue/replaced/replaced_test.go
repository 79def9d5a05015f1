package replaced

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestQueue holds that the port does what it is measured for.
func TestQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var kinds []Kind
		q := New[string](Options{
			Capacity: 2, Lease: time.Second, Sweep: time.Second, MaxAttempts: 2,
			Listeners: []func(*Event){func(e *Event) { kinds = append(kinds, e.Kind) }},
		})
		defer q.Close()

		if err := q.Enqueue(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		lost, err := q.Lease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		l, err := q.Lease(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := lost.Complete(); !errors.Is(err, ErrLost) {
			t.Errorf("a lost lease was completed: %v", err)
		}
		if err := l.Complete(); err != nil || l.Payload() != "a" {
			t.Errorf("Complete of %q: %v", l.Payload(), err)
		}
		want := []Kind{Enqueued, Leased, Expired, Enqueued, Leased, Completed}
		if len(kinds) != len(want) {
			t.Fatalf("events %v, want %v", kinds, want)
		}
	})
}
