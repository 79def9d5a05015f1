package diagnostics_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/tq"
)

// TestWatch: a transport gets a snapshot, what is wanted, a sign of life in
// between even while other events come, and a bye; the places of streams are
// shared with HTTP.
func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, diagnostics.Options{MaxSubscribers: 1, Heartbeat: 3 * time.Second})
		q := attach(t, h)
		w, err := h.Watch("", diagnostics.Filter{Types: []string{diagnostics.TypeDeadLetter}})
		must(t, err)
		if _, err := h.Watch("", diagnostics.Filter{}); !errors.Is(err, diagnostics.ErrBusy) {
			t.Errorf("a stream too many: %v", err)
		}
		if status, _ := answer(h, "GET", root); status != 503 {
			t.Errorf("a stream too many by HTTP: %d", status)
		}
		next := func(ctx context.Context) []string {
			t.Helper()
			events, err := w.Next(ctx)
			must(t, err)
			types := []string{}
			for _, e := range events {
				types = append(types, e.Type)
			}

			return types
		}
		if diff := cmp.Diff([]string{diagnostics.TypeSnapshot}, next(t.Context())); diff != "" {
			t.Errorf("at first (-want +got):\n%s", diff)
		}
		begun := time.Now()
		if got := next(t.Context()); len(got) > 0 || time.Since(begun) != 3*time.Second {
			t.Errorf("%q after %v, want a sign of life after 3 s", got, time.Since(begun))
		}
		enqueue(t, q, 1)
		fail(t, q, 1)
		if diff := cmp.Diff([]string{diagnostics.TypeDeadLetter}, next(t.Context())); diff != "" {
			t.Errorf("then (-want +got):\n%s", diff)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := w.Next(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("who goes gets %v", err)
		}
		must(t, h.Close())
		if diff := cmp.Diff([]string{diagnostics.TypeBye}, next(t.Context())); diff != "" {
			t.Errorf("at the end (-want +got):\n%s", diff)
		}
		if _, err := w.Next(t.Context()); !errors.Is(err, tq.ErrClosed) {
			t.Errorf("behind the end: %v", err)
		}
		w.Close()
		w.Close()
		if n := h.Subscribers(); n != 0 {
			t.Errorf("%d streams are open, after one was closed twice", n)
		}
		if _, err := h.Watch("", diagnostics.Filter{}); !errors.Is(err, tq.ErrClosed) {
			t.Errorf("a closed host: %v", err)
		}
	})
}
