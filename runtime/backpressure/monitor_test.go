package backpressure_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Watermarks and cooldown are the directive's, the queue's or the monitor's.
func TestDefaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		queue     tq.Options
		monitor   backpressure.Options
		high, low int
	}{
		"the directive's":          {tq.Options{Capacity: 4096}, backpressure.Options{}, 3072, 1536},
		"the queue's":              {tq.Options{Capacity: 100, High: 50, Low: 10}, backpressure.Options{}, 50, 10},
		"low follows high":         {tq.Options{Capacity: 100, High: 50, Low: 40}, backpressure.Options{High: 20}, 20, 10},
		"low is zero below one":    {tq.Options{Capacity: 100}, backpressure.Options{High: 1}, 1, 0},
		"low alone":                {tq.Options{Capacity: 100}, backpressure.Options{Low: 3}, 75, 3},
		"until empty":              {tq.Options{Capacity: 100}, backpressure.Options{High: 20, Low: tq.UntilEmpty}, 20, 0},
		"the queue's, until empty": {tq.Options{Capacity: 100, High: 9, Low: tq.UntilEmpty}, backpressure.Options{}, 9, 0},
		"a queue of one":           {tq.Options{Capacity: 1}, backpressure.Options{}, 1, 0},
	} {
		s := monitor(t, open(t, c.queue), c.monitor).State()
		if s.High != c.high || s.Low != c.low {
			t.Errorf("%s: %d and %d, want %d and %d", name, s.High, s.Low, c.high, c.low)
		}
	}
}

func TestOptionsOutOfRange(t *testing.T) {
	t.Parallel()
	q := open(t, tq.Options{})
	for want, o := range map[string]backpressure.Options{
		`backpressure: queue "resource-lease": High 65 is not in 1…64, its capacity`:                               {High: 65},
		`backpressure: queue "resource-lease": High -1 is not in 1…64, its capacity`:                               {High: -1},
		`backpressure: queue "resource-lease": Low 9 must be at least 1 and less than High, 9, or tq.UntilEmpty`:   {High: 9, Low: 9},
		`backpressure: queue "resource-lease": Low -2 must be at least 1 and less than High, 48, or tq.UntilEmpty`: {Low: -2},
		`backpressure: queue "resource-lease": Cooldown 24h0m0.000000001s is not in 0…24h0m0s, nor tq.NoCooldown`:  {Cooldown: tq.MaxCooldown + 1},
		`backpressure: queue "resource-lease": Cooldown -1s is not in 0…24h0m0s, nor tq.NoCooldown`:                {Cooldown: -second},
	} {
		_, err := backpressure.New(q, o)
		if err == nil || err.Error() != want {
			t.Errorf("%+v:\n got %v\nwant %s", o, err, want)
		}
	}
}

// The state follows the depth at once; listeners wait for the cooldown.
func TestInvariant34CooldownDelaysSignalsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, tq.Options{})
		m := monitor(t, q, backpressure.Options{High: 4, Low: 1, Cooldown: 10 * second, Shard: "a"})
		var told tape
		m.Subscribe(told.listen)
		synctest.Wait()
		begun := time.Now()

		q.add(4) // active, told at once
		synctest.Wait()
		time.Sleep(second)
		q.work(3) // over, told at 10s
		if m.Active() || m.State().Active {
			t.Error("the cooldown delays the state")
		}
		synctest.Wait()
		if diff := cmp.Diff([]bool{false, true}, told.states()); diff != "" {
			t.Errorf("before the cooldown ends (-want +got):\n%s", diff)
		}
		time.Sleep(10 * second)
		synctest.Wait()

		signal := backpressure.Signal{Queue: "resource-lease", Shard: "a", High: 4, Low: 1, ObservedAt: begun}
		want := []backpressure.Signal{signal, signal, signal}
		want[1].Active, want[1].Pending, want[1].Generation = true, 4, 1
		want[2].Pending, want[2].Generation = 1, 2
		want[2].ObservedAt = begun.Add(10 * second)
		if diff := cmp.Diff(want, told.all()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// What changes back during a cooldown is not told, and what changes then is.
func TestInvariant34FinalStateIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, tq.Options{})
		m := monitor(t, q, backpressure.Options{High: 2, Low: 0, Cooldown: 10 * second})
		var told tape
		m.Subscribe(told.listen)
		synctest.Wait()
		for range 4 { // told once
			q.add(2)
			time.Sleep(second)
			q.work(2)
			time.Sleep(second)
		}
		q.add(2) // active when the cooldown ends, as told
		time.Sleep(time.Hour)
		q.work(2) // told at once
		synctest.Wait()
		time.Sleep(second)
		q.add(2) // told 9 seconds later
		time.Sleep(time.Hour)
		if diff := cmp.Diff([]bool{false, true, false, true}, told.states()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		for i, s := range told.all() {
			if s.Active != (s.Generation%2 == 1) {
				t.Errorf("signal %d: active %t in generation %d", i, s.Active, s.Generation)
			}
		}
	})
}

// storm has producers, workers and an operator do as they like, then leaves the
// queue alone until every cooldown is over.
func storm(t *testing.T, q *queue, r *rand.Rand) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	spawn := func(n int, f func(r *rand.Rand)) {
		for range n {
			own := rand.New(rand.NewPCG(r.Uint64(), 1))
			all.Go(func() {
				for ctx.Err() == nil {
					f(own)
					if own.IntN(4) == 0 {
						time.Sleep(time.Duration(own.IntN(300)) * time.Millisecond)
					} else {
						runtime.Gosched()
					}
				}
			})
		}
	}
	spawn(2, func(r *rand.Rand) {
		switch r.IntN(4) {
		case 0:
			_, _ = q.EnqueueAt(ctx, lease.ResourceLease{}, time.Now().Add(time.Duration(r.IntN(2000))*time.Millisecond))
		case 1:
			_, _ = q.EnqueueBatch(ctx, make([]lease.ResourceLease, 1+r.IntN(6)), nil)
		default:
			_, _ = q.TryEnqueue(ctx, lease.ResourceLease{})
		}
	})
	spawn(3, func(r *rand.Rand) {
		l, err := q.TryLease(ctx)
		if err != nil {
			return
		}
		switch r.IntN(6) {
		case 0:
			_ = l.Fail(ctx, errors.New("again"))
		case 1:
			_ = l.Release(ctx)
		case 2:
			_ = l.DeadLetter(ctx, errors.New("no"))
		case 3: // let it expire
		default:
			_ = l.Complete(ctx)
		}
	})
	spawn(1, func(r *rand.Rand) {
		switch r.IntN(8) {
		case 0:
			if s, err := q.Drain(ctx, 0); err == nil {
				_ = q.Restore(context.Background(), s)
			}
		case 1:
			if letters, err := q.DeadLetters(ctx, 0, 1); err == nil && len(letters) > 0 {
				_ = q.Redrive(ctx, letters[0].ID)
			}
		}
		time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
	})
	time.Sleep(20 * second)
	stop()
	all.Wait()
	time.Sleep(time.Minute)
	synctest.Wait()
}

// After any schedule, what was told last is the state, and that is the depth's.
// Invariants 34 and 35.
func TestInvariant34And35RandomSchedules(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			q := open(t, tq.Options{Capacity: 16, Lease: second, Attempts: 3, Backoff: tq.ConstBackoff(second / 2)})
			type heard struct {
				m    *backpressure.Monitor
				told *tape
			}
			var all []heard
			for i := range 4 {
				o := backpressure.Options{High: 2 + r.IntN(10), Low: tq.UntilEmpty, Live: i%2 == 1, Shard: fmt.Sprint(i)}
				o.Cooldown = []time.Duration{tq.NoCooldown, 50 * time.Millisecond, 3 * second}[r.IntN(3)]
				h := heard{monitor(t, q, o), new(tape)}
				slow := time.Duration(r.IntN(3)) * second
				h.m.Subscribe(func(ctx context.Context, s backpressure.Signal) error {
					time.Sleep(slow)
					return h.told.listen(ctx, s)
				})
				all = append(all, h)
			}
			storm(t, q, r)
			time.Sleep(5 * time.Minute) // for the slow ones
			synctest.Wait()
			stats, _ := q.Stats(t.Context())
			for i, h := range all {
				depth := stats.Pending()
				if i%2 == 1 {
					depth = stats.Live()
				}
				compare(t, h.m.State(), h.told.all(), depth, fmt.Sprint(i))
			}
		})
	}
}

// compare holds a state to the depth, and what was told to the state.
func compare(t *testing.T, s backpressure.Signal, told []backpressure.Signal, depth int, shard string) {
	t.Helper()
	if s.Pending != depth || depth >= s.High && !s.Active || depth <= s.Low && s.Active {
		t.Errorf("depth %d: state %+v", depth, s)
	}
	last := told[len(told)-1]
	if last.Active != s.Active {
		t.Errorf("told last %+v, but the state is %+v", last, s)
	}
	for i, at := range told {
		if at.Queue != "resource-lease" || at.Shard != shard {
			t.Errorf("signal %d does not name its queue and shard: %+v", i, at)
		}
		if i > 0 && (at.Active == told[i-1].Active || at.Generation <= told[i-1].Generation) {
			t.Errorf("signals %d and %d: %+v, then %+v", i-1, i, told[i-1], at)
		}
	}
}

// Under real load, with both sides of the queue crossing the marks all the time.
func TestInvariant34And35UnderLoad(t *testing.T) {
	t.Parallel()
	q := open(t, tq.Options{Capacity: 8})
	m := monitor(t, q, backpressure.Options{High: 2, Low: tq.UntilEmpty, Cooldown: tq.NoCooldown})
	var told tape
	m.Subscribe(told.listen)
	crowd(t, q, 8, 400)
	q.add(2)
	wait(func() bool { s := told.states(); return len(s) > 0 && s[len(s)-1] })
	compare(t, m.State(), told.all(), 2, "")
}

// crowd has n producers and n consumers pass each tasks.
func crowd(t *testing.T, q *queue, n, each int) {
	t.Helper()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for range each {
				if _, err := q.Enqueue(t.Context(), lease.ResourceLease{}); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range each {
				l, err := q.Lease(t.Context())
				if err == nil {
					err = l.Complete(t.Context())
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// wait lets others run until done is true, which it must be in the end.
func wait(done func() bool) {
	for !done() {
		runtime.Gosched()
	}
}

// Waiters are let go when backpressure ends, though a listener hangs and the
// cooldown has long to go; so does a producer once the queue is drained.
func TestInvariant36WaitersDoNotWaitForListeners(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*queue) error{
		"work":  func(q *queue) error { q.work(4); return nil },
		"drain": func(q *queue) error { _, err := q.Drain(context.Background(), 0); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := open(t, tq.Options{})
				m := monitor(t, q, backpressure.Options{High: 4, Low: tq.UntilEmpty, Cooldown: time.Hour})
				m.Subscribe(func(ctx context.Context, _ backpressure.Signal) error {
					<-ctx.Done()
					return nil
				})
				q.add(4)
				synctest.Wait()
				const waiters = 5
				errs := make(chan error, waiters)
				for range waiters {
					go func() { errs <- m.WaitForDraining(t.Context()) }()
				}
				synctest.Wait()
				if len(errs) != 0 {
					t.Fatal("a waiter does not wait")
				}
				begun := time.Now()
				if err := end(q); err != nil {
					t.Fatal(err)
				}
				for range waiters {
					if err := <-errs; err != nil {
						t.Error(err)
					}
				}
				if d := time.Since(begun); d > 0 {
					t.Errorf("waiters were let go after %v", d)
				}
			})
		})
	}
}

// A waiter is let go by its context, by the end of the monitor, and by that of
// a queue nobody will drain any more.
func TestInvariant36NoWaiterHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			end  func(q *queue, m *backpressure.Monitor, cancel func())
			want error
		}{
			"context":         {func(_ *queue, _ *backpressure.Monitor, cancel func()) { cancel() }, context.Canceled},
			"monitor closed":  {func(_ *queue, m *backpressure.Monitor, _ func()) { _ = m.Close() }, tq.ErrClosed},
			"queue closed":    {func(q *queue, _ *backpressure.Monitor, _ func()) { _ = q.Close() }, tq.ErrClosed},
			"over, then back": {func(q *queue, _ *backpressure.Monitor, _ func()) { q.work(2); q.add(2) }, nil},
		} {
			q := open(t, tq.Options{})
			m := monitor(t, q, backpressure.Options{High: 2, Low: tq.UntilEmpty})
			q.add(2)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- m.WaitForDraining(ctx) }()
			synctest.Wait()
			c.end(q, m, cancel)
			synctest.Wait()
			select {
			case err := <-done:
				if !errors.Is(err, c.want) {
					t.Errorf("%s: %v, want %v", name, err, c.want)
				}
			default:
				t.Errorf("%s: still waits", name)
			}
			if c.want != tq.ErrClosed {
				continue
			}
			if err := m.WaitForDraining(ctx); !errors.Is(err, tq.ErrClosed) {
				t.Errorf("%s: a later waiter gets %v", name, err)
			}
		}
	})
}

// Adding, losing and hanging up other monitors leaves one as it was.
func TestInvariant37MonitorsAreIndependent(t *testing.T) {
	t.Parallel()
	play := func(others bool) (signals []backpressure.Signal) {
		synctest.Test(t, func(t *testing.T) {
			q := open(t, tq.Options{})
			m := monitor(t, q, backpressure.Options{High: 6, Low: 2, Cooldown: 2 * second})
			var told tape
			m.Subscribe(told.listen)
			r := rand.New(rand.NewPCG(1, 3))
			var more []*backpressure.Monitor
			for i := range 60 {
				if others && i%3 == 0 {
					o := monitor(t, q, backpressure.Options{High: 1 + i%8, Live: i%2 == 0, Cooldown: tq.NoCooldown})
					o.Subscribe(func(context.Context, backpressure.Signal) error { panic("rude") })
					more = append(more, o)
				}
				if others && i%4 == 1 {
					_ = more[0].Close()
					more = more[1:]
				}
				if n := 1 + r.IntN(4); r.IntN(2) == 0 && q.pending()+n < 60 {
					q.add(n)
				} else {
					q.work(min(n, q.pending()))
				}
				synctest.Wait()
				time.Sleep(second)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			signals = told.all()
		})

		return signals
	}
	alone, among := play(false), play(true)
	if len(alone) < 4 {
		t.Fatalf("%d signals say nothing", len(alone))
	}
	if diff := cmp.Diff(alone, among, cmpopts.IgnoreFields(backpressure.Signal{}, "ObservedAt")); diff != "" {
		t.Errorf("with others (-alone +among):\n%s", diff)
	}
}

// A monitor that comes late begins with what there is, and so does a listener.
func TestLateComers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, tq.Options{})
		q.add(5)
		m := monitor(t, q, backpressure.Options{High: 4, Low: 1})
		if s := m.State(); !s.Active || s.Pending != 5 || s.Generation != 1 {
			t.Errorf("state %+v", s)
		}
		var told tape
		m.Subscribe(told.listen)
		synctest.Wait()
		if diff := cmp.Diff([]bool{true}, told.states()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// Listeners that are slow, fail, panic or end their goroutine do not affect the
// others, and say so. Invariant 35 holds for a listener that falls behind.
func TestInvariant35RudeListeners(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, tq.Options{})
		m := monitor(t, q, backpressure.Options{High: 2, Low: tq.UntilEmpty, Cooldown: tq.NoCooldown})
		errBad := errors.New("bad")
		var told, lazy tape
		hung := m.Subscribe(func(ctx context.Context, s backpressure.Signal) error {
			<-ctx.Done()
			return ctx.Err()
		})
		fails := m.Subscribe(func(context.Context, backpressure.Signal) error { return errBad })
		panics := m.Subscribe(func(context.Context, backpressure.Signal) error { panic("rude") })
		leaves := m.Subscribe(func(context.Context, backpressure.Signal) error { runtime.Goexit(); return nil })
		m.Subscribe(func(ctx context.Context, s backpressure.Signal) error {
			time.Sleep(time.Hour)
			return lazy.listen(ctx, s)
		})
		good := m.Subscribe(told.listen)
		synctest.Wait()
		const rounds = 200
		for range rounds {
			q.add(2)
			synctest.Wait()
			q.work(2)
			synctest.Wait()
		}
		q.add(2)
		synctest.Wait()
		if got := len(told.all()); got != 2*rounds+2 {
			t.Errorf("the good one was told %d times, want %d", got, 2*rounds+2)
		}
		var panicked *tq.PanicError
		if !errors.Is(fails.Err(), errBad) || !errors.As(panics.Err(), &panicked) || leaves.Err() == nil || good.Err() != nil {
			t.Errorf("errors: %v, %v, %v, %v", fails.Err(), panics.Err(), leaves.Err(), good.Err())
		}
		<-leaves.Done()

		time.Sleep(1000 * time.Hour)
		synctest.Wait()
		slow := lazy.all()
		if n := len(slow); n > 70 || slow[n-1].Generation != 2*rounds+1 {
			t.Errorf("the lazy one was told %d times, last of %+v", n, slow[n-1])
		}
		compare(t, m.State(), slow, 2, "")

		if err := errors.Join(hung.Close(), hung.Close()); err != nil {
			t.Error(err)
		}
		<-hung.Done()
		if err := errors.Join(m.Close(), m.Close()); err != nil {
			t.Error(err)
		}
		<-good.Done()
		late := m.Subscribe(told.listen)
		<-late.Done()
		if !errors.Is(late.Err(), tq.ErrClosed) {
			t.Errorf("subscribed to a closed monitor: %v", late.Err())
		}
	})
}

// A quiet monitor has no timer, and a closed one does not look any more.
func TestQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, tq.Options{})
		m := monitor(t, q, backpressure.Options{High: 2, Low: tq.UntilEmpty, Cooldown: time.Hour})
		q.add(2)
		q.work(2) // the timer runs
		_ = m.Close()
		q.add(2)
		if m.Active() {
			t.Error("a closed monitor still follows")
		}
	})
}

func TestStateAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun wants no company
	q := open(t, tq.Options{})
	m := monitor(t, q, backpressure.Options{High: 1, Low: tq.UntilEmpty, Cooldown: tq.NoCooldown})
	m.Subscribe(func(context.Context, backpressure.Signal) error { return nil })
	if n := testing.AllocsPerRun(200, func() {
		q.add(1)
		_ = m.State()
		q.work(1)
		_ = m.WaitForDraining(t.Context())
	}); n > 0 {
		t.Errorf("%v allocations for two transitions", n)
	}
}
