package backpressure_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/tq"
)

// trial is a queue with a canary of both monitors on it.
type trial struct {
	*queue
	old    *replaced
	canary *backpressure.Canary
	pick   atomic.Uint32
	told   tape
}

func tryBoth(t *testing.T, high, low int, cooldown time.Duration) *trial {
	t.Helper()
	q := open(t, tq.Options{})
	c := &trial{queue: q, old: newReplaced("resource-lease", high, low, cooldown)}
	t.Cleanup(c.old.close)
	c.canary = backpressure.NewCanary(backpressure.CanaryOptions{
		Old: c.old,
		New: func() (backpressure.Source, error) {
			return backpressure.New(q, backpressure.Options{High: high, Low: low, Cooldown: cooldown, Measure: true})
		},
		Select: func() backpressure.Pick { return backpressure.Pick(c.pick.Load()) },
	})
	t.Cleanup(func() { c.canary.Close() })
	c.canary.Subscribe(c.told.listen)

	return c
}

// set brings the number of pending tasks to n and reports it to the old one.
func (c *trial) set(n int) {
	c.tb.Helper()
	for c.pending() < n {
		c.add(1)
		c.old.observe(c.pending())
	}
	for c.pending() > n {
		c.work(1)
		c.old.observe(c.pending())
	}
	synctest.Wait()
}

// decide has p decide from now on.
func (c *trial) decide(p backpressure.Pick) {
	c.pick.Store(uint32(p))
	c.canary.Reselect()
	synctest.Wait()
}

// The old one swallows what happens in its cooldown; the report says for how
// long it was wrong, and who is selected decides.
func TestCanary(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := tryBoth(t, 4, 2, 10*second)
		if err := c.canary.SetMode(backpressure.Shadow); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()

		c.set(4) // both: active at 0s
		time.Sleep(2 * second)
		c.set(0) // the new one says so at 10s, the old one never
		time.Sleep(30 * second)
		if s := c.canary.State(); !s.Active {
			t.Errorf("the old one was selected, and the state is %+v", s)
		}
		r := c.canary.Report()
		if r.Disagreements != 2 || r.DisagreementSeconds != 22 || !r.Old.Active || r.New.Active {
			t.Errorf("the old one is wrong for 22s now: %+v", r)
		}

		waits := make(chan error, 1)
		go func() { waits <- c.canary.WaitForDraining(t.Context()) }()
		synctest.Wait()
		c.decide(backpressure.PickNew)
		if err := <-waits; err != nil {
			t.Error(err)
		}
		if s := c.canary.State(); s.Active {
			t.Errorf("the new one is selected, and the state is %+v", s)
		}
		c.set(4) // the new one at 32s; the old one has not seen the end, so it says nothing
		time.Sleep(8 * second)
		c.decide(backpressure.PickOld) // of the same mind
		c.set(0)
		time.Sleep(30 * second)

		got := c.canary.Report()
		want := backpressure.Report{
			Mode: "shadow", Selected: "old", Seconds: 70, Disagreements: 3, DisagreementSeconds: 22 + 28,
			Old: backpressure.SideReport{Active: true, Transitions: 1, Evaluations: 16},
			New: backpressure.SideReport{Transitions: 4, Unmatched: 1, Evaluations: 17},
		}
		ignored := cmpopts.IgnoreFields(backpressure.SideReport{}, "Latency", "EvaluationsPerSecond", "BusySeconds")
		if diff := cmp.Diff(want, got, ignored, cmpopts.IgnoreFields(backpressure.Report{}, "Skew")); diff != "" {
			t.Errorf("report (-want +got):\n%s", diff)
		}
		if got.Skew.Count != 1 || got.Skew.Max != 0 || got.New.Latency.Count != 4 || got.New.Latency.Max != 0 {
			t.Errorf("skew %+v, latency %+v", got.Skew, got.New.Latency)
		}
		if got.Old.EvaluationsPerSecond < 0.2 || got.New.EvaluationsPerSecond < 0.2 {
			t.Errorf("%v and %v evaluations a second", got.Old.EvaluationsPerSecond, got.New.EvaluationsPerSecond)
		}
		if diff := cmp.Diff([]bool{false, true, false, true}, c.told.states()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		compareGenerations(t, c.told.all())
	})
}

func compareGenerations(t *testing.T, told []backpressure.Signal) {
	t.Helper()
	for i, s := range told {
		if s.Active != (s.Generation%2 == 1) || i > 0 && s.Generation <= told[i-1].Generation {
			t.Errorf("signal %d: %+v", i, s)
		}
	}
}

// Skew is by how much the new one is later, or earlier.
func TestCanarySkew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := tryBoth(t, 4, 2, tq.NoCooldown)
		if err := c.canary.SetMode(backpressure.Shadow); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c.add(4) // the old one hears of it 3s later
		synctest.Wait()
		time.Sleep(3 * second)
		c.old.observe(4)
		synctest.Wait()
		c.old.observe(2) // and of this 5s earlier
		synctest.Wait()
		time.Sleep(5 * second)
		c.work(2)
		synctest.Wait()
		want := backpressure.Distribution{Count: 2, Sum: 2, Min: -3, Max: 5}
		r := c.canary.Report()
		if diff := cmp.Diff(want, r.Skew); diff != "" || r.Skew.Mean() != 1 || r.DisagreementSeconds != 8 {
			t.Errorf("apart for %vs, skew (-want +got):\n%s", r.DisagreementSeconds, diff)
		}
	})
}

// Off costs nothing, and shadow can begin and end again and again.
func TestCanaryModes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, tq.Options{})
		old := newReplaced("resource-lease", 4, 2, tq.NoCooldown)
		defer old.close()
		var opened []*backpressure.Monitor
		errNo := errors.New("no")
		fail := true
		c := backpressure.NewCanary(backpressure.CanaryOptions{
			Old: old,
			New: func() (backpressure.Source, error) {
				if fail {
					return nil, errNo
				}
				m, err := backpressure.New(q, backpressure.Options{High: 1})
				opened = append(opened, m)

				return m, err
			},
			Select: func() backpressure.Pick { return backpressure.PickNew },
		})
		if err := c.SetMode(backpressure.Shadow); !errors.Is(err, errNo) || c.Report().Mode != "off" {
			t.Errorf("a new one that does not open: %v, mode %s", err, c.Report().Mode)
		}
		fail = false
		for range 3 {
			for range 2 {
				if err := c.SetMode(backpressure.Shadow); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			q.add(1)
			synctest.Wait()
			if !c.State().Active || c.Report().Selected != "new" {
				t.Error("the new one is selected and does not decide")
			}
			if err := errors.Join(c.SetMode(backpressure.Off), c.SetMode(backpressure.Off)); err != nil {
				t.Fatal(err)
			}
			if c.State().Active || c.Report().Selected != "old" {
				t.Error("off, and the old one does not decide")
			}
			q.work(1)
		}
		if len(opened) != 3 {
			t.Errorf("opened %d times, want 3", len(opened))
		}
		for i, m := range opened {
			if err := m.Subscribe(backpressure.NewHistory(1).Listen).Err(); !errors.Is(err, tq.ErrClosed) {
				t.Errorf("monitor %d is not closed: %v", i, err)
			}
		}

		if err := c.SetMode(backpressure.Shadow); err != nil {
			t.Fatal(err)
		}
		q.add(1)
		synctest.Wait()
		waits := make(chan error, 1)
		go func() { waits <- c.WaitForDraining(t.Context()) }()
		synctest.Wait()
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Error(err)
		}
		if err := <-waits; !errors.Is(err, tq.ErrClosed) {
			t.Errorf("a waiter of a closed canary gets %v", err)
		}
		if err := c.SetMode(backpressure.Shadow); !errors.Is(err, tq.ErrClosed) {
			t.Errorf("shadow of a closed canary: %v", err)
		}
	})
}

// The report is JSON that says what it is in.
func TestCanaryReportJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(backpressure.Report{Mode: "shadow", Selected: "new", Seconds: 1.5})
	if err != nil {
		t.Fatal(err)
	}
	const distribution = `{"count":0,"sum":0,"min":0,"max":0}`
	const side = `{"isActive":false,"transitions":0,"unmatched":0,"latencySeconds":` + distribution +
		`,"evaluations":0,"evaluationsPerSecond":0,"busySeconds":0}`
	want := `{"mode":"shadow","selected":"new","seconds":1.5,"disagreements":0,"disagreementSeconds":0,` +
		`"skewSeconds":` + distribution + `,"old":` + side + `,"new":` + side + `}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// Producers, consumers and whoever selects do as they like; nothing races, and
// at rest the selected one's state is what listeners know.
func TestCanaryUnderLoad(t *testing.T) {
	t.Parallel()
	c := tryBoth(t, 4, 1, tq.NoCooldown)
	if err := c.canary.SetMode(backpressure.Shadow); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				if _, err := c.Enqueue(ctx, lease.ResourceLease{}); err == nil {
					c.old.observe(c.pending())
				}
			}
		})
		all.Go(func() {
			for ctx.Err() == nil {
				if l, err := c.TryLease(ctx); err == nil {
					_ = l.Complete(ctx)
					c.old.observe(c.pending())
				}
			}
		})
	}
	for i := range 200 {
		c.pick.Store(uint32(i % 2))
		c.canary.Reselect()
		_ = c.canary.State()
		_ = c.canary.Report()
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		_ = c.canary.WaitForDraining(short)
		cancel()
	}
	c.pick.Store(uint32(backpressure.PickNew))
	stop()
	all.Wait()
	wait(func() bool {
		states := c.told.states()
		return len(states) > 0 && states[len(states)-1] == c.canary.State().Active
	})
	compareGenerations(t, c.told.all())
}
