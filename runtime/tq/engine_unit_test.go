package tq

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/tqgen/tqgen/runtime/jsonwire"
)

// bytesStore stores one number a slot, and takes every payload for size bytes.
type bytesStore struct {
	payloads map[Slot]int
	size     int
}

func (s *bytesStore) Grow(Slot)     {}
func (s *bytesStore) Clear(i Slot)  { delete(s.payloads, i) }
func (s *bytesStore) Size(Slot) int { return s.size }

func unitOptions() Options {
	return Options{
		Name: "unit", Capacity: 4, Lease: 30 * time.Second, Heartbeat: 10 * time.Second, Attempts: 3,
		Backoff: ConstBackoff(time.Second), Dead: 2, Incarnation: 0xabc,
	}
}

func open(t testing.TB, o Options) (*Engine, *bytesStore) {
	t.Helper()
	s := &bytesStore{payloads: map[Slot]int{}}
	e := new(Engine)
	if err := e.Open(o, s); err != nil {
		t.Fatal(err)
	}

	return e, s
}

func put(t testing.TB, e *Engine, s *bytesStore, v int) TaskID {
	t.Helper()
	i, at, err := e.Put(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s.payloads[i] = v
	id, err := e.TryEnqueue(t.Context(), i, at)
	if err != nil {
		t.Fatal(err)
	}

	return id
}

func take(t testing.TB, e *Engine) (g Grant) {
	t.Helper()
	if err := e.TryTake("worker", &g); err != nil {
		t.Fatal(err)
	}
	e.Unlock()

	return g
}

func TestOneTaskFromEnqueueToDeath(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		e, s := open(t, unitOptions())
		c, err := e.Watch(0)
		if err != nil {
			t.Fatal(err)
		}
		id := put(t, e, s, 7)

		g := take(t, e)
		if g.Token.Task != id || g.Token.Attempt != 1 {
			t.Fatalf("granted %+v, want attempt 1 of %v", g.Token, id)
		}
		if err := g.Held.Fail(ctx, g.Token, errors.New("no luck")); err != nil {
			t.Fatal(err)
		}
		if err := g.Held.Complete(ctx, g.Token); !errors.Is(err, ErrLeaseLost) {
			t.Fatalf("complete after fail: %v", err)
		}
		if err := e.TryTake("", &Grant{}); err != ErrEmpty {
			t.Fatalf("take while delayed: %v", err)
		}
		g = Grant{}
		if err := e.Take(ctx, "worker", &g); err != nil { // waits for the backoff
			t.Fatal(err)
		}
		e.Unlock()
		if g.LastError == nil || g.LastError.Message != "no luck" {
			t.Fatalf("last error %v", g.LastError)
		}
		var g2 Grant
		if err := e.Take(ctx, "worker", &g2); err != nil { // waits for expiry and backoff
			t.Fatal(err)
		}
		e.Unlock()
		if g2.Token.Attempt != 3 || g2.LastError.Code != CodeLeaseExpired {
			t.Fatalf("granted %+v after %v", g2.Token, g2.LastError)
		}
		if _, err := g.Held.Heartbeat(ctx, g.Token); !errors.Is(err, ErrLeaseLost) {
			t.Fatalf("heartbeat of a stale token: %v", err)
		}
		if err := g2.Held.Fail(ctx, g2.Token, nil); err != nil {
			t.Fatal(err)
		}
		st := e.Stats()
		if st.Dead != 1 || st.Live() != 0 || st.Expired != 1 || st.Failed != 2 || st.Requeued != 2 {
			t.Fatalf("stats %+v", st)
		}
		want := []Kind{
			Enqueued, LeaseGranted, Failed, Requeued, LeaseGranted, LeaseExpired, Requeued, LeaseGranted,
			Failed, DeadLettered,
		}
		rs, err := c.Next(ctx, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(rs) != len(want) {
			t.Fatalf("%d events, want %d", len(rs), len(want))
		}
		for i, r := range rs {
			if r.Kind != want[i] || r.Sequence != Sequence(i+1) || r.Task != id {
				t.Errorf("event %d is %+v, want %v", i, r, want[i])
			}
		}
		c.Unlock(len(rs))
		if err := e.Redrive(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		g = take(t, e)
		if err := g.Held.Complete(ctx, g.Token); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		_ = e.Close()
		if n := len(s.payloads); n != 0 {
			t.Fatalf("%d payloads left behind", n)
		}
	})
}

// Batches take one lease after another into the same place.
func TestGrantLeavesNothingOfTheOneBefore(t *testing.T) {
	t.Parallel()
	o := unitOptions()
	o.Backoff = NoBackoff
	e, s := open(t, o)
	put(t, e, s, 1)
	g := take(t, e)
	if err := g.Held.Fail(t.Context(), g.Token, errors.New("no luck")); err != nil {
		t.Fatal(err)
	}
	id := put(t, e, s, 2)
	if err := e.TryTake("", &g); err != nil || g.LastError == nil {
		t.Fatalf("took %+v, %v", g, err)
	}
	if !e.TakeMore("", &g) || g.LastError != nil || g.Token.Task != id || g.Token.Attempt != 1 {
		t.Errorf("took %+v, want a first attempt at %v", g, id)
	}
	e.Unlock()
}

func TestDrainThenRestoreIsTheIdentity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		e, s := open(t, unitOptions())
		for v := range 4 {
			put(t, e, s, v)
		}
		held := take(t, e)
		failed := take(t, e)
		if err := failed.Held.Fail(ctx, failed.Token, errors.New("again")); err != nil {
			t.Fatal(err)
		}
		h, refs, err := e.Drain(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		states := make([]TaskState, len(refs))
		for i, r := range refs {
			states[i] = r.TaskState
		}
		if err := e.Drained(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(states) != 4 || states[0].State != ReadyFirst || states[3].State != Delayed {
			t.Fatalf("drained %+v", states)
		}
		if err := held.Held.Complete(ctx, held.Token); !errors.Is(err, ErrLeaseLost) {
			t.Fatalf("complete after drain: %v", err)
		}
		if _, _, err := e.Put(context.Background()); err != ErrDrained {
			t.Fatalf("put into a drained queue: %v", err)
		}
		for round := range 2 {
			slots, err := e.Restore(context.Background(), h, len(states), func(i int) *TaskState { return &states[i] })
			if err != nil {
				t.Fatal(err)
			}
			for i, at := range slots {
				if (at >= 0) != (round == 0) {
					t.Errorf("round %d: task %d went to slot %d", round, i, at)
				}
			}
			e.Unlock()
		}
		g := take(t, e)
		if g.Token.Task != held.Token.Task || g.Token.Attempt != 1 || g.Token.Epoch <= held.Token.Epoch {
			t.Fatalf("granted %+v, want the task drained while leased", g.Token)
		}
		if err := held.Held.Complete(ctx, held.Token); !errors.Is(err, ErrLeaseLost) {
			t.Fatalf("complete after restore with the old token: %v", err)
		}
		if st := e.Stats(); st.Restored != 4 || st.Drained != 4 || st.Live() != 4 {
			t.Fatalf("stats %+v", st)
		}
		_ = e.Close()
	})
}

// TestSlotSize: a slot is two cache lines.
func TestSlotSize(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(slot{}); size != 128 && unsafe.Sizeof(size) == 8 {
		t.Errorf("a slot takes %d bytes", size)
	}
}

func TestHotPathsAllocateNothing(t *testing.T) {
	t.Run("untraced", func(t *testing.T) { hotPathsAllocateNothing(t, nil) })
	t.Run("traced", func(t *testing.T) {
		hotPathsAllocateNothing(t, func(context.Context) string {
			return "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		})
	})
}

func hotPathsAllocateNothing(t *testing.T, trace func(context.Context) string) {
	e, s := open(t, Options{
		Name: "hot", Capacity: 64, Lease: time.Hour, Heartbeat: time.Minute, Attempts: 1000, Backoff: NoBackoff, Dead: 4,
		TraceParent: trace,
	})
	defer e.Close()
	ctx := context.Background()
	cycle := func(settle func(Grant)) func() {
		return func() {
			i, at, err := e.Put(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.Enqueue(ctx, i, at); err != nil {
				t.Fatal(err)
			}
			var g Grant
			if err := e.Take(ctx, "", &g); err != nil {
				t.Fatal(err)
			}
			e.Unlock()
			settle(g)
		}
	}
	_ = s
	w := NewDepthWatch(1, 0, false, func() {}) // each cycle crosses twice
	w.Measure()
	e.Probe().Attach(w)
	for name, f := range map[string]func(){
		"complete": cycle(func(g Grant) { _ = g.Held.Complete(ctx, g.Token) }),
		"heartbeat": cycle(func(g Grant) {
			_, _ = g.Held.Heartbeat(ctx, g.Token)
			_ = g.Held.Complete(ctx, g.Token)
		}),
		"fail": cycle(func(g Grant) {
			_ = g.Held.Fail(ctx, g.Token, nil)
			_ = e.Take(ctx, "", &g)
			e.Unlock()
			_ = g.Held.Complete(ctx, g.Token)
		}),
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// A pause that comes between the wake-up of a caller and its look at the queue
// leaves it first in line.
func TestPauseAfterTheWakeUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, s := open(t, unitOptions())
		defer e.Close()
		e.Probe().Pause(true)
		put(t, e, s, 1)
		put(t, e, s, 2)
		got := make(chan Grant, 2)
		for range 2 {
			go func() {
				var g Grant
				if err := e.Take(context.Background(), "", &g); err != nil {
					t.Error(err)
				}
				e.Unlock()
				got <- g
			}()
			synctest.Wait()
		}
		first := e.consumers.head
		for range 2 * patience {
			e.lockAll()
			e.paused = false
			e.settle(e.core.last) // wakes the first
			e.paused = true
			e.Unlock()
			synctest.Wait()
			if st := e.Stats(); st.Leased != 0 || st.WaitingConsumers != 2 || e.consumers.head != first {
				t.Fatalf("paused: %+v", st)
			}
		}
		e.Probe().Pause(false)
		for want := range uint64(2) {
			if g := <-got; g.Token.Task.Sequence != want+1 {
				t.Errorf("granted %v, want the task of sequence %d", g.Token.Task, want+1)
			}
		}
	})
}

func TestATaskIsThereTheMomentItsLeaseIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := unitOptions()
		o.Backoff = NoBackoff
		e, s := open(t, o)
		put(t, e, s, 1)
		take(t, e)
		e.mu.Lock()
		e.timer.Stop() // as late as a timer can be
		e.mu.Unlock()
		time.Sleep(o.Lease)
		if g := take(t, e); g.Token.Attempt != 2 {
			t.Fatalf("granted %+v, want attempt 2", g.Token)
		}
		_ = e.Close()
	})
}

func TestOptionsSayWhichFieldIsOutOfRange(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*Options){
		"Name":       func(o *Options) { o.Name = " a" },
		"Capacity":   func(o *Options) { o.Capacity = MaxCapacity + 1 },
		"Attempts":   func(o *Options) { o.Attempts = -1 },
		"Dead":       func(o *Options) { o.Dead = -1 },
		"MaxWaiting": func(o *Options) { o.MaxWaiting = -1 },
		"LogEntries": func(o *Options) { o.LogEntries = -1 },
		"LogBytes":   func(o *Options) { o.LogBytes = -1 },
		"Lease":      func(o *Options) { o.Lease = 25 * time.Hour },
		"Heartbeat":  func(o *Options) { o.Heartbeat = o.Lease / 2 },
		"Backoff":    func(o *Options) { o.Backoff = ExpBackoff(time.Second, time.Millisecond, 0) },
		"High":       func(o *Options) { o.High = o.Capacity + 1 },
		"Low":        func(o *Options) { o.High, o.Low = 2, 2 },
		"Cooldown":   func(o *Options) { o.Cooldown = -2 },

		"Decode.Bytes":    func(o *Options) { o.Decode.Bytes = -1 },
		"Decode.Depth":    func(o *Options) { o.Decode.Depth = jsonwire.MaxDepth + 1 },
		"Decode.Elements": func(o *Options) { o.Decode.Elements = -1 },
	} {
		o := unitOptions()
		change(&o)
		err := new(Engine).Open(o, &bytesStore{})
		if err == nil || !strings.Contains(err.Error(), field+" ") && !strings.Contains(err.Error(), field+":") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// witness notes, whenever a payload is dropped, for when the timer is armed.
type witness struct {
	bytesStore
	e     *Engine
	armed []Instant
}

func (s *witness) Clear(Slot) { s.armed = append(s.armed, s.e.armed) }

// A timer that goes on with the next batch must not be started a second time.
func TestOneTimerEndsManyLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 10 * batch
		o := unitOptions()
		o.Capacity, o.Attempts, o.Dead = n, 1, 1
		e := new(Engine)
		s := &witness{e: e}
		if err := e.Open(o, s); err != nil {
			t.Fatal(err)
		}
		for range n {
			i, at, err := e.Put(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.TryEnqueue(t.Context(), i, at); err != nil {
				t.Fatal(err)
			}
			take(t, e)
		}
		time.Sleep(o.Lease)
		synctest.Wait()
		if st := e.Stats(); st.Purged != n-1 {
			t.Errorf("%d purged, want %d", st.Purged, n-1)
		}
		for i, armed := range s.armed {
			if i >= batch && armed > 0 {
				t.Fatalf("armed for %v while it is at work, after %d leases", armed, i)
			}
		}
		_ = e.Close()
	})
}
