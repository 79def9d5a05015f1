package tq_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

// watched is a watch of a queue and how often it was told of a crossing.
type watched struct {
	*tq.DepthWatch
	q         *queue
	live      bool
	high, low int
	told      atomic.Uint64
}

func watch(q *queue, high, low int, live bool) *watched {
	w := &watched{q: q, high: high, low: low, live: live}
	w.DepthWatch = tq.NewDepthWatch(high, low, live, func() { w.told.Add(1) })
	q.Probe().Attach(w.DepthWatch)

	return w
}

// watchAll attaches watches of all sorts.
func watchAll(q *queue) []*watched {
	return []*watched{
		watch(q, 1, 0, false), watch(q, 3, 1, false), watch(q, 1, 0, true), watch(q, 4, 2, true),
	}
}

// compareWatches says which of them has not followed the queue, whose present
// figures are s, and whether one attached now does.
func compareWatches(all []*watched, s tq.Stats) error {
	var errs []error
	for _, w := range all {
		late := watch(w.q, w.high, w.low, w.live)
		w.q.Probe().Detach(late.DepthWatch)
		errs = append(errs, w.compare(s), late.compare(s))
	}

	return errors.Join(errs...)
}

func (w *watched) compare(s tq.Stats) error {
	want := s.Pending()
	if w.live {
		want = s.Live()
	}
	got, told := w.State(), w.told.Load()
	if w.QueueClosed() && told > got.Crossings {
		told-- // that it was closed
	}
	switch {
	case got.Depth != want:
		return fmt.Errorf("watch of %d and %d: depth %d, want %d", w.high, w.low, got.Depth, want)
	case got.Depth >= w.high && !got.Raised, got.Depth <= w.low && got.Raised:
		return fmt.Errorf("watch of %d and %d: raised %t at a depth of %d", w.high, w.low, got.Raised, got.Depth)
	case got.Raised != (got.Crossings%2 == 1) || got.Crossings != told:
		return fmt.Errorf("watch of %d and %d: raised %t after %d crossings, of which %d were told",
			w.high, w.low, got.Raised, got.Crossings, told)
	default:
		return nil
	}
}

// A watch is raised and lowered exactly at its marks, and keeps its state
// between them.
func TestWatchMarks(t *testing.T) {
	t.Parallel()
	q := openQueue(t, unhurried())
	w := watch(q, 3, 1, false)
	var states []string
	note := func() { states = append(states, fmt.Sprint(w.State())) }
	for range 4 {
		q.mustEnqueue(t, 1)
		note()
	}
	for range 4 {
		q.mustLease(t)
		note()
	}
	q.mustEnqueue(t, 2)
	note()
	want := []string{
		"{1 false 0}", "{2 false 0}", "{3 true 1}", "{4 true 1}",
		"{3 true 1}", "{2 true 1}", "{1 false 2}", "{0 false 2}", "{2 false 2}",
	}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("depth, raised, crossings (-want +got):\n%s", diff)
	}
}

// Attaching to a queue that is deep already is a crossing.
func TestWatchAttachedLate(t *testing.T) {
	t.Parallel()
	q := openQueue(t, unhurried())
	q.mustEnqueue(t, 4)
	q.mustLease(t)
	if w := watch(q, 4, 1, false); w.told.Load() != 0 || w.Raised() {
		t.Errorf("pending: told %d times, raised %t", w.told.Load(), w.Raised())
	}
	w := watch(q, 4, 1, true)
	if w.told.Load() != 1 || !w.Raised() {
		t.Errorf("live: told %d times, raised %t", w.told.Load(), w.Raised())
	}
	must(t, q.Close())
	if w.told.Load() != 2 || !w.QueueClosed() {
		t.Errorf("after Close: told %d times, closed %t", w.told.Load(), w.QueueClosed())
	}
}

// A watch that is let go stays as it is, and the others go on.
func TestWatchDetached(t *testing.T) {
	t.Parallel()
	q := openQueue(t, policy())
	a, b := watch(q, 2, 0, false), watch(q, 2, 0, false)
	q.mustEnqueue(t, 1)
	q.Probe().Detach(a.DepthWatch)
	q.Probe().Detach(a.DepthWatch)
	q.mustEnqueue(t, 1)
	if got := a.State(); got.Depth != 1 || got.Raised {
		t.Errorf("the one let go has %+v", got)
	}
	if got := b.State(); got.Depth != 2 || !got.Raised {
		t.Errorf("the other one has %+v", got)
	}
}

// TestWatchUnderLoad has producers and consumers cross the marks all the time.
// Invariant 34: when all is quiet the state is that of the depth.
func TestWatchUnderLoad(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		o := unhurried()
		o.Capacity = 16
		q := openQueue(t, o)
		all := watchAll(q)
		rest := rand.New(rand.NewPCG(seed, 3)).IntN(8)
		const workers, each = 4, 500
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for range each {
					if _, err := q.enqueue(background, []byte("x")); err != nil {
						t.Error(err)
					}
				}
			})
			wg.Go(func() {
				for range each - rest {
					l, err := q.lease(background)
					if err == nil {
						err = l.complete()
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		// What is left must fit, or the producers would wait for ever.
		wg.Go(func() {
			for range max(0, workers*rest-o.Capacity) {
				l, err := q.lease(background)
				if err == nil {
					err = l.complete()
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		wg.Wait()
		if err := compareWatches(all, q.Stats()); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// What a watch costs is estimated from a part of the changes.
func TestWatchCost(t *testing.T) {
	t.Parallel()
	q := openQueue(t, unhurried())
	w := tq.NewDepthWatch(5, 1, false, func() {})
	w.Measure()
	q.Probe().Attach(w)
	for range 100 {
		q.mustEnqueue(t, 1)
		l := q.mustLease(t)
		must(t, l.complete())
	}
	changes, busy := w.Cost()
	if changes != 1+200 || busy <= 0 {
		t.Errorf("%d changes took %v, want 201 and more than nothing", changes, busy)
	}
	plain := watch(q, 5, 1, false)
	if changes, busy := plain.Cost(); changes != 0 || busy != 0 {
		t.Errorf("one that does not measure says %d and %v", changes, busy)
	}
	if !slices.Contains([]int{0}, plain.State().Depth) {
		t.Errorf("depth %d", plain.State().Depth)
	}
}
