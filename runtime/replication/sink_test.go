package replication

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

// feed runs s over events, as generated code does.
func feed(
	ctx context.Context, s *Sink, events iter.Seq2[Header, error], apply func(context.Context, *Header) error,
) error {
	var slots []Header

	return s.Run(ctx, func(ctx context.Context, slot int) error { return apply(ctx, &slots[slot]) },
		func(r *SinkRun) error {
			slots = make([]Header, r.Slots())
			for h, err := range events {
				if err != nil {
					return err
				}
				slot, err := r.Slot()
				if err != nil {
					return err
				}
				slots[slot] = h
				if err := r.Apply(slot, &slots[slot]); err != nil {
					return err
				}
			}

			return nil
		})
}

// stream gives the events from first to last of a source, of as many tasks and
// owners.
func stream(first, last tq.Sequence, tasks, owners uint64) iter.Seq2[Header, error] {
	return func(yield func(Header, error) bool) {
		for q := first; q <= last; q++ {
			h := Header{
				Sequence: q, Incarnation: source, OwnerPeer: fmt.Sprint("w", uint64(q)%owners),
				Task: tq.TaskID{Origin: source, Sequence: uint64(q) % tasks},
			}
			if !yield(h, nil) {
				return
			}
		}
	}
}

// applier notes what it is given, and fails as it is told.
type applier struct {
	mu      sync.Mutex
	applied []tq.Sequence
	tries   map[tq.Sequence]int
	fail    func(q tq.Sequence, try int) error
}

func (a *applier) apply(_ context.Context, h *Header) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tries == nil {
		a.tries = map[tq.Sequence]int{}
	}
	a.tries[h.Sequence]++
	if a.fail != nil {
		if err := a.fail(h.Sequence, a.tries[h.Sequence]); err != nil {
			return err
		}
	}
	a.applied = append(a.applied, h.Sequence)

	return nil
}

func sequences(first, last tq.Sequence) (all []tq.Sequence) {
	for q := first; q <= last; q++ {
		all = append(all, q)
	}

	return all
}

func sink(t *testing.T, o SinkOptions) *Sink {
	t.Helper()
	if o.Stream == "" {
		o.Stream = "s"
	}
	s, err := NewSink(o)
	if err != nil {
		t.Fatal(err)
	}

	return s
}

var errApply = errors.New("no route to host")

// TestFailedApplyComesAgain is invariant 21: an event that could not be applied
// is retried after a backoff, then stops the sink, which says which event and
// why; a further run applies it, and nothing twice.
func TestFailedApplyComesAgain(t *testing.T) {
	t.Parallel()
	for _, parallel := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			a := &applier{fail: func(q tq.Sequence, try int) error {
				switch {
				case q == 3 && try == 2:
					panic(errApply)
				case q == 3 && try < 4, q == 7 && try <= 3:
					return errApply
				default:
					return nil
				}
			}}
			s := sink(t, SinkOptions{Parallel: parallel, Retries: 3, Backoff: tq.ConstBackoff(time.Second)})
			begin := time.Now()
			a.tries = map[tq.Sequence]int{7: -1}
			err := feed(t.Context(), s, stream(1, 20, 5, 3), a.apply)
			var failed *ApplyError
			if !errors.As(err, &failed) || !errors.Is(err, errApply) || failed.Event.Sequence != 7 || failed.Attempts != 4 {
				t.Fatalf("%d at a time: the run ends with %v", parallel, err)
			}
			if waited := time.Since(begin); parallel == 1 && waited != 6*time.Second {
				t.Errorf("waited %v, want 3 times a second for two events", waited)
			}
			if parallel == 1 {
				if diff := cmp.Diff(sequences(1, 6), a.applied); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			}
			a.fail = nil
			if err := feed(t.Context(), s, stream(4, 20, 5, 3), a.apply); err != nil {
				t.Fatal(err)
			}
			slices.Sort(a.applied)
			if diff := cmp.Diff(sequences(1, 20), a.applied); diff != "" {
				t.Errorf("%d at a time (-want +got)\n%s", parallel, diff)
			}
			if at, err := s.Position(t.Context()); err != nil || at != (Position{Incarnation: source, Sequence: 20}) {
				t.Errorf("%d at a time: position is %v, %v", parallel, at, err)
			}
		})
	}
}

func TestPermanentFailureIsNotRetried(t *testing.T) {
	t.Parallel()
	a := &applier{fail: func(tq.Sequence, int) error { return tq.Permanent(errApply) }}
	err := feed(t.Context(), sink(t, SinkOptions{}), stream(1, 2, 1, 1), a.apply)
	if !errors.Is(err, errApply) || a.tries[1] != 1 {
		t.Errorf("ends with %v after %d tries", err, a.tries[1])
	}
}

// TestOrderWithinTask holds that events of a task are applied in order and one
// after another, and others at the same time.
func TestOrderWithinTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const tasks = 6
		var mu sync.Mutex
		var newest [tasks]tq.Sequence
		running, most := 0, 0
		s := sink(t, SinkOptions{Parallel: 4})
		err := feed(t.Context(), s, stream(1, 300, tasks, 2), func(_ context.Context, h *Header) error {
			mu.Lock()
			task := &newest[h.Task.Sequence]
			if *task != 0 && *task != h.Sequence-tasks {
				t.Errorf("event %d of task %d comes after %d", h.Sequence, h.Task.Sequence, *task)
			}
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Duration(h.Sequence%7) * time.Millisecond)
			mu.Lock()
			*task = h.Sequence
			running--
			mu.Unlock()

			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if most != 4 {
			t.Errorf("at most %d events were applied at a time, want 4", most)
		}
	})
}

// TestWindow holds that the newest event taken is no further ahead of the oldest
// one missing than the window says, and that the run goes on in the end.
func TestWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := sink(t, SinkOptions{Parallel: 2, Window: 10})
		hold := make(chan struct{})
		done := make(chan error)
		go func() {
			done <- feed(t.Context(), s, stream(1, 100, 2, 2), func(_ context.Context, h *Header) error {
				if h.Sequence == 1 {
					<-hold
				}

				return nil
			})
		}()
		synctest.Wait()
		if stats := s.Stats(); stats.Newest > 11 || stats.Position.Sequence != 0 {
			t.Errorf("with the first event held up: %+v", stats)
		}
		close(hold)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if at := s.Stats().Position.Sequence; at != 100 {
			t.Errorf("ends at %d", at)
		}
	})
}

// countingStore counts what is saved, and looks at it.
type countingStore struct {
	MemoryCheckpoints

	mu        sync.Mutex
	saves     int
	positions []tq.Sequence
	fail      func(save int) (before, after error)
}

func (s *countingStore) Save(ctx context.Context, c Checkpoint, expected uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves++
	var before, after error
	if s.fail != nil {
		before, after = s.fail(s.saves)
	}
	if before != nil {
		return before
	}
	if err := s.MemoryCheckpoints.Save(ctx, c, expected); err != nil {
		return err
	}
	s.positions = append(s.positions, c.Position)

	return after
}

// TestCheckpointWrites is invariant 22: checkpoints are written once a batch,
// once an interval and at the end, never backwards; after a crash at most one
// batch comes again.
func TestCheckpointWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const events, batch, interval = 250, 20, 10 * time.Second
		store := new(countingStore)
		s := sink(t, SinkOptions{Store: store, Batch: batch, Interval: interval})
		begin := time.Now()
		err := feed(t.Context(), s, stream(1, events, 5, 2), func(_ context.Context, h *Header) error {
			if h.Sequence%100 == 50 {
				time.Sleep(time.Minute) // one of the intervals must do
			}
			stored, err := store.Load(t.Context(), "s")
			if err != nil {
				return err
			}
			if behind := h.Sequence - stored.Position; behind > batch {
				t.Errorf("a crash before event %d would bring back %d events", h.Sequence, behind-1)
			}

			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		elapsed := time.Since(begin)
		most := (events+batch-1)/batch + int(elapsed/interval) + 1
		if store.saves > most || store.saves < events/batch {
			t.Errorf("%d writes, want at most %d", store.saves, most)
		}
		if !slices.IsSorted(store.positions) || store.positions[len(store.positions)-1] != events {
			t.Errorf("positions are %v", store.positions)
		}

		idle := make(chan struct{})
		done := make(chan error)
		go func() {
			done <- feed(t.Context(), s, func(yield func(Header, error) bool) {
				stream(events+1, events+3, 1, 1)(yield)
				<-idle
			}, func(context.Context, *Header) error { return nil })
		}()
		time.Sleep(interval)
		synctest.Wait()
		if c, err := store.Load(t.Context(), "s"); err != nil || c.Position != events+3 {
			t.Errorf("an interval after the stream went silent the checkpoint is %d, %v", c.Position, err)
		}
		saves := store.saves
		time.Sleep(time.Hour)
		close(idle)
		if err := <-done; err != nil || store.saves != saves {
			t.Errorf("%d writes with nothing applied, %v", store.saves-saves, err)
		}
	})
}

// TestSaveFails holds that a store that fails is tried again, one that has saved
// all the same is believed, and one that goes on failing stops the sink.
func TestSaveFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		errStore := errors.New("disk is full")
		store := &countingStore{fail: func(save int) (before, after error) {
			switch save {
			case 1:
				return errStore, nil
			case 3:
				return nil, errStore
			default:
				return nil, nil
			}
		}}
		s := sink(t, SinkOptions{Store: store, Batch: 5})
		a := new(applier)
		if err := feed(t.Context(), s, stream(1, 20, 1, 1), a.apply); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]tq.Sequence{5, 10, 15, 20}, store.positions); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}

		store.fail = func(int) (before, after error) { return errStore, nil }
		err := feed(t.Context(), s, stream(21, 40, 1, 1), a.apply)
		if !errors.Is(err, errStore) {
			t.Errorf("ends with %v", err)
		}
		store.fail = nil
		if err := feed(t.Context(), s, stream(21, 25, 1, 1), a.apply); err != nil || store.positions[len(store.positions)-1] != 25 {
			t.Errorf("with nothing to apply, %v and checkpoints at %v", err, store.positions)
		}
		if err := feed(t.Context(), s, stream(21, 40, 1, 1), a.apply); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(sequences(1, 40), a.applied); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// TestFlushBeforeCheckpoint holds that no checkpoint is saved of what could not
// be flushed.
func TestFlushBeforeCheckpoint(t *testing.T) {
	t.Parallel()
	store := new(countingStore)
	a := new(applier)
	var flushed []int
	fail := errors.New("no space")
	s := sink(t, SinkOptions{Store: store, Batch: 5, Retries: -1, Flush: func(context.Context) error {
		if len(flushed) == 2 {
			return fail
		}
		flushed = append(flushed, len(a.applied))

		return nil
	}})
	err := feed(t.Context(), s, stream(1, 20, 1, 1), a.apply)
	if !errors.Is(err, fail) || !slices.Equal(flushed, []int{5, 10}) || !slices.Equal(store.positions, []tq.Sequence{5, 10}) {
		t.Errorf("%v; flushed after %v, saved at %v", err, flushed, store.positions)
	}
}

// TestSecondRun is invariant 23: a run of a stream that has one fails with an
// error that says so, by the claim or, in a store without, by the conflict.
func TestSecondRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := new(MemoryCheckpoints)
		first := sink(t, SinkOptions{Store: store})
		other := sink(t, SinkOptions{Store: store})
		hold := make(chan struct{})
		done := make(chan error)
		never := func(context.Context, *Header) error { t.Error("applied by a second run"); return nil }
		go func() {
			done <- feed(t.Context(), first, stream(1, 1, 1, 1), func(context.Context, *Header) error { <-hold; return nil })
		}()
		synctest.Wait()
		for name, s := range map[string]*Sink{"itself": first, "another": other} {
			if err := feed(t.Context(), s, stream(1, 1, 1, 1), never); !errors.Is(err, ErrRunning) {
				t.Errorf("a second run by %s gives %v", name, err)
			}
			if err := s.MoveTo(t.Context(), Position{Incarnation: source, Sequence: 9}); !errors.Is(err, ErrRunning) {
				t.Errorf("a move by %s gives %v", name, err)
			}
		}
		close(hold)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := feed(t.Context(), other, stream(1, 1, 1, 1), never); err != nil {
			t.Errorf("a run after the first gives %v", err)
		}

		plain := struct{ CheckpointStore }{store} // takes no claims
		twice := sink(t, SinkOptions{Stream: "u", Store: plain})
		err := feed(t.Context(), twice, stream(1, 1, 1, 1), func(ctx context.Context, _ *Header) error {
			if err := feed(ctx, twice, stream(1, 1, 1, 1), never); !errors.Is(err, ErrRunning) {
				t.Errorf("a second run by a sink without claims gives %v", err)
			}

			return nil
		})
		if err != nil {
			t.Error(err)
		}
		late := sink(t, SinkOptions{Stream: "t", Store: plain, Batch: 1})
		err = feed(t.Context(), late, stream(1, 2, 1, 1), func(ctx context.Context, _ *Header) error {
			return feed(ctx, sink(t, SinkOptions{Stream: "t", Store: plain}), stream(1, 1, 1, 1),
				func(context.Context, *Header) error { return nil })
		})
		if !errors.Is(err, ErrConflict) {
			t.Errorf("a run that another one has overtaken ends with %v", err)
		}
	})
}

// TestGapNeedsSnapshot holds that a stream which leaves events out is refused,
// and that a snapshot's position goes on from there, never backwards.
func TestGapNeedsSnapshot(t *testing.T) {
	t.Parallel()
	store := new(MemoryCheckpoints)
	s := sink(t, SinkOptions{Store: store})
	a := new(applier)
	apply := func(first, last tq.Sequence) error { return feed(t.Context(), s, stream(first, last, 1, 1), a.apply) }
	if err := apply(5, 6); !errors.Is(err, tq.ErrGap) {
		t.Errorf("a stream that begins in the middle gives %v", err)
	}
	if err := s.MoveTo(t.Context(), Position{Incarnation: source, Sequence: 4}); err != nil {
		t.Fatal(err)
	}
	if err := apply(5, 6); err != nil {
		t.Errorf("after a snapshot: %v", err)
	}
	if err := apply(8, 9); !errors.Is(err, tq.ErrGap) {
		t.Errorf("a stream with a hole gives %v", err)
	}
	if err := s.MoveTo(t.Context(), Position{Incarnation: source, Sequence: 5}); !errors.Is(err, ErrBackwards) {
		t.Errorf("moving back gives %v", err)
	}
	if err := s.MoveTo(t.Context(), Position{Incarnation: source + 1, Sequence: 3}); err != nil {
		t.Errorf("moving to another incarnation gives %v", err)
	}
	if err := s.MoveTo(t.Context(), Position{Incarnation: source, Sequence: 99}); !errors.Is(err, ErrBackwards) {
		t.Errorf("moving to an incarnation that is over gives %v", err)
	}
	again := sink(t, SinkOptions{Store: store})
	if at, err := again.Position(t.Context()); err != nil || at != (Position{Incarnation: source + 1, Sequence: 3}) {
		t.Errorf("the store has %v, %v", at, err)
	}
	if diff := cmp.Diff([]tq.Sequence{5, 6}, a.applied); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if stats := s.Stats(); stats.Gaps != 2 || stats.Applied != 2 {
		t.Errorf("stats are %+v", stats)
	}
}

// TestStops holds that a run ends with its context, with an error of the
// stream, and, where events come by way of its context, at once when an event
// cannot be applied; each time with a checkpoint of what was applied.
func TestStops(t *testing.T) {
	t.Parallel()
	for _, parallel := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			store := new(MemoryCheckpoints)
			s := sink(t, SinkOptions{Store: store, Parallel: parallel, Retries: -1, Interval: time.Hour})
			position := func(want tq.Sequence) {
				t.Helper()
				if c, err := store.Load(context.WithoutCancel(t.Context()), "s"); err != nil || c.Position != want {
					t.Errorf("%d at a time: the checkpoint is %d, %v, want %d", parallel, c.Position, err, want)
				}
			}
			errStream := errors.New("connection reset")
			err := feed(t.Context(), s, func(yield func(Header, error) bool) {
				stream(1, 5, 3, 1)(yield)
				yield(Header{}, errStream)
			}, new(applier).apply)
			if !errors.Is(err, errStream) {
				t.Errorf("ends with %v", err)
			}
			position(5)

			ctx, cancel := context.WithCancel(t.Context())
			err = feed(ctx, s, func(yield func(Header, error) bool) {
				stream(6, 8, 3, 1)(yield)
				synctest.Wait()
				cancel()
				yield(Header{}, ctx.Err())
			}, new(applier).apply)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("ends with %v", err)
			}
			position(8)

			a := &applier{fail: func(q tq.Sequence, _ int) error {
				if q == 9 {
					return errApply
				}

				return nil
			}}
			var slots [64]Header
			err = s.Run(t.Context(), func(ctx context.Context, slot int) error { return a.apply(ctx, &slots[slot]) },
				func(r *SinkRun) error {
					slot, err := r.Slot()
					if err != nil {
						return err
					}
					slots[slot] = Header{Sequence: 9, Incarnation: source}
					if err := r.Apply(slot, &slots[slot]); err != nil {
						return err
					}
					<-r.Context().Done() // as a source waits for its next event

					return r.Context().Err()
				})
			if !errors.Is(err, errApply) {
				t.Errorf("ends with %v", err)
			}
			position(8)
		})
	}
}

// TestFeedPanics holds that a panic of the stream goes through, and leaves the
// sink ready for the next run.
func TestFeedPanics(t *testing.T) {
	t.Parallel()
	s := sink(t, SinkOptions{Parallel: 2})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is gone")
			}
		}()
		_ = feed(t.Context(), s, func(func(Header, error) bool) { panic("stream") }, new(applier).apply)
	}()
	if err := feed(t.Context(), s, stream(1, 3, 2, 1), new(applier).apply); err != nil {
		t.Error(err)
	}
}

// rude is a store that panics, or ends the goroutine, as long as it is told to.
type rude struct {
	MemoryCheckpoints
	load, claim, release bool
}

func (r *rude) Load(ctx context.Context, stream string) (Checkpoint, error) {
	if r.load {
		panic("load")
	}

	return r.MemoryCheckpoints.Load(ctx, stream)
}

func (r *rude) Claim(stream string) (func(), error) {
	if r.claim {
		panic("claim")
	}
	release, err := r.MemoryCheckpoints.Claim(stream)

	return func() {
		release()
		if r.release {
			panic("release")
		}
	}, err
}

// TestRudeStore holds that a store that panics leaves the sink ready for the next
// run, as does one that answers an error (invariant 10).
func TestRudeStore(t *testing.T) {
	t.Parallel()
	store := new(rude)
	s := sink(t, SinkOptions{Store: store})
	for _, rudely := range []func(on bool){func(on bool) { store.load = on }, func(on bool) { store.claim = on }} {
		rudely(true)
		var panicked *PanicError
		if err := feed(t.Context(), s, stream(1, 3, 2, 1), new(applier).apply); !errors.As(err, &panicked) {
			t.Errorf("ends with %v, want a *PanicError", err)
		}
		rudely(false)
		if err := feed(t.Context(), s, stream(1, 3, 2, 1), new(applier).apply); err != nil {
			t.Error(err)
		}
	}
	store.release = true
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic of release is kept from the caller")
			}
		}()
		_ = feed(t.Context(), s, stream(1, 3, 2, 1), new(applier).apply)
	}()
	store.release = false
	if err := feed(t.Context(), s, stream(1, 3, 2, 1), new(applier).apply); err != nil {
		t.Errorf("after a panic of release: %v", err)
	}
}

// TestApplyEndsItsGoroutine holds that a run ends where its apply does not
// return, and that the event comes again (invariant 21).
func TestApplyEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	s := sink(t, SinkOptions{Parallel: 3})
	err := feed(t.Context(), s, stream(1, 1000, 2, 1), func(_ context.Context, h *Header) error {
		if h.Sequence == 5 {
			runtime.Goexit()
		}

		return nil
	})
	var panicked *PanicError
	at := s.Stats().Position.Sequence
	if !errors.As(err, &panicked) || at > 4 {
		t.Errorf("ends at %d with %v", at, err)
	}
	a := new(applier)
	if err := feed(t.Context(), s, stream(at+1, 1000, 2, 1), a.apply); err != nil || a.tries[5] != 1 {
		t.Errorf("event 5 came %d times, %v", a.tries[5], err)
	}
}

// TestLag holds that the hook gets what sink and stream say.
func TestLag(t *testing.T) {
	t.Parallel()
	var lags []Lag
	now := at(10)
	s := sink(t, SinkOptions{
		Batch: 2, Clock: func() time.Time { return now },
		Peer: func(*Header) string { return "p" },
		Applied: func(l Lag) {
			l.Event = nil
			lags = append(lags, l)
		},
	})
	err := feed(t.Context(), s, func(yield func(Header, error) bool) {
		for i, more := range []bool{false, true, false} {
			yield(Header{Sequence: tq.Sequence(i + 1), Incarnation: source, RecordedAt: at(i), More: more}, nil)
		}
	}, new(applier).apply)
	if err != nil {
		t.Fatal(err)
	}
	want := []Lag{
		{Peer: "p", Global: Position{Incarnation: source, Sequence: 1}, Delay: 10 * time.Second, Unsaved: 1},
		{Peer: "p", Global: Position{Incarnation: source, Sequence: 1}, Delay: 9 * time.Second, Behind: 1, Unsaved: 2},
		{Peer: "p", Global: Position{Incarnation: source, Sequence: 3}, Delay: 8 * time.Second, Unsaved: 1},
	}
	if diff := cmp.Diff(want, lags); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestRestarts runs random streams through sinks that fail and begin anew, and holds
// invariant 21: nothing is left out, nothing is applied twice, and checkpoints
// do not go backwards.
func TestRestarts(t *testing.T) {
	t.Parallel()
	seeds := uint64(150)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 2))
		store := new(countingStore)
		parallel, batch := 1+r.IntN(4), 1+r.IntN(10)
		a := &applier{fail: func(tq.Sequence, int) error {
			if r.IntN(15) == 0 {
				return errApply
			}

			return nil
		}}
		const events = 80
		var s *Sink
		for range 1000 {
			if s == nil || r.IntN(2) == 0 { // another life
				s = sink(t, SinkOptions{Store: store, Parallel: parallel, Batch: batch, Retries: -1})
			}
			from, err := s.Position(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			first := max(1, from.Sequence+1-tq.Sequence(r.IntN(3))*min(1, from.Sequence))
			err = feed(t.Context(), s, stream(max(1, min(first, from.Sequence+1)), events, 7, 3), a.apply)
			if err == nil {
				break
			}
			if !errors.Is(err, errApply) {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		slices.Sort(a.applied)
		if diff := cmp.Diff(sequences(1, events), a.applied); diff != "" {
			t.Fatalf("seed %d: (-want +got)\n%s", seed, diff)
		}
		if !slices.IsSorted(store.positions) {
			t.Fatalf("seed %d: checkpoints at %v", seed, store.positions)
		}
	}
}
