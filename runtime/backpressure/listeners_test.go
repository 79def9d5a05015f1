package backpressure_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Readers of a history each see every entry, or are told which they missed.
func TestHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := backpressure.NewHistory(4)
		if _, ok := h.Latest(); ok {
			t.Error("an empty history has a latest entry")
		}
		ctx, cancel := context.WithCancel(t.Context())
		read := func(pause time.Duration) func() string {
			var got []string
			done := make(chan struct{})
			go func() {
				defer close(done)
				for e, err := range h.All(ctx, 0) {
					if err != nil {
						got = append(got, fmt.Sprint(err, errors.Is(err, tq.ErrGap)))
					} else {
						got = append(got, fmt.Sprint(e.Sequence, ":", e.Generation))
					}
					time.Sleep(pause)
				}
			}()

			return func() string { <-done; return strings.Join(got, "; ") }
		}
		swift, slow := read(0), read(10*second)
		for i := range uint64(8) {
			_ = h.Listen(ctx, backpressure.Signal{Generation: 10 + i})
			synctest.Wait()
			time.Sleep(second)
		}
		if e, ok := h.Latest(); !ok || e.Sequence != 8 || e.Generation != 17 {
			t.Errorf("latest %+v, %t", e, ok)
		}
		entries, missed := h.Since(2)
		if len(entries) != 4 || entries[0].Sequence != 5 || missed != 2 {
			t.Errorf("since 2: %d entries from %d, %d missed", len(entries), entries[0].Sequence, missed)
		}
		if entries, missed = h.Since(8); len(entries) != 0 || missed != 0 {
			t.Errorf("since 8: %v, %d missed", entries, missed)
		}
		time.Sleep(time.Hour)
		cancel()
		const end = "; context canceled false"
		if got, want := swift(), "1:10; 2:11; 3:12; 4:13; 5:14; 6:15; 7:16; 8:17"+end; got != want {
			t.Errorf("the swift one got %s, want %s", got, want)
		}
		want := "1:10; backpressure: signals 2 to 4 are no longer kept true; 5:14; 6:15; 7:16; 8:17" + end
		if got := slow(); got != want {
			t.Errorf("the slow one got %s, want %s", got, want)
		}
	})
}

func TestLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, tq.Options{})
		m := monitor(t, q, backpressure.Options{High: 2, Low: tq.UntilEmpty, Cooldown: tq.NoCooldown, Shard: "eu"})
		var out bytes.Buffer
		drop := func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}

			return a
		}
		m.Subscribe(backpressure.Log(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: drop}))))
		synctest.Wait()
		out.Reset()
		q.add(2)
		synctest.Wait()
		q.work(2)
		synctest.Wait()
		const marks = "taskqueue.backpressure.high_watermark=2 taskqueue.backpressure.low_watermark=0"
		want := "level=WARN msg=backpressure taskqueue.name=resource-lease taskqueue.pending=2 " + marks +
			" taskqueue.backpressure.generation=1 taskqueue.shard=eu\n" +
			"level=INFO msg=\"no backpressure\" taskqueue.name=resource-lease taskqueue.pending=0 " + marks +
			" taskqueue.backpressure.generation=2 taskqueue.shard=eu\n"
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}

func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := backpressure.Rate(rate.NewLimiter(4, 2))
		for range 2 {
			release, _, ok := l.TryAcquire()
			if !ok {
				t.Fatal("a token is there and was not given")
			}
			release()
		}
		for range 3 { // asking costs nothing
			if _, after, ok := l.TryAcquire(); ok || after != second/4 {
				t.Errorf("without a token: %t, after %v, want a quarter of a second", ok, after)
			}
		}
		begun := time.Now()
		if _, err := l.Acquire(t.Context()); err != nil || time.Since(begun) != second/4 {
			t.Errorf("waited %v: %v", time.Since(begun), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.Acquire(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if _, after, ok := backpressure.Rate(rate.NewLimiter(0, 0)).TryAcquire(); ok || after != 0 {
			t.Errorf("nothing ever: %t, after %v", ok, after)
		}
	})
}

func TestConcurrency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if _, err := backpressure.NewConcurrency(0); err == nil {
			t.Error("a limiter that lets nobody through")
		}
		l, err := backpressure.NewConcurrency(2)
		if err != nil {
			t.Fatal(err)
		}
		release, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ok := l.TryAcquire(); !ok || l.InUse() != 2 {
			t.Errorf("the second place: %t, %d in use", ok, l.InUse())
		}
		if _, after, ok := l.TryAcquire(); ok || after != 0 {
			t.Errorf("a third place: %t, after %v", ok, after)
		}
		got := make(chan error, 1)
		go func() {
			_, err := l.Acquire(t.Context())
			got <- err
		}()
		synctest.Wait()
		release()
		if err := <-got; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), second)
		defer cancel()
		if _, err := l.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no place: %v", err)
		}
	})
}

func TestLimitersAllocateNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun wants no company
	places, _ := backpressure.NewConcurrency(1)
	for name, l := range map[string]backpressure.Limiter{
		"concurrency": places, "rate": backpressure.Rate(rate.NewLimiter(rate.Inf, 1)),
	} {
		if n := testing.AllocsPerRun(100, func() {
			release, _, _ := l.TryAcquire()
			release()
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestLimiterSwitchUnderLoad throws the switch from 8 producers and 8 consumers.
func TestLimiterSwitchUnderLoad(t *testing.T) {
	t.Parallel()
	q := open(t, tq.Options{Capacity: 8})
	m := monitor(t, q, backpressure.Options{High: 3, Low: 1, Cooldown: tq.NoCooldown})
	many, _ := backpressure.NewConcurrency(64)
	few, _ := backpressure.NewConcurrency(2)
	s := backpressure.NewLimiterSwitch(m, many, few)
	defer s.Close()
	selector := s.Selector()

	const workers, each = 8, 300
	rush := func() {
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				for range each {
					release, err := selector().Acquire(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := q.Enqueue(t.Context(), lease.ResourceLease{}); err != nil {
						t.Error(err)
					}
					release()
					if release, _, ok := s.TryAcquire(); ok {
						release()
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
	for rush(); m.State().Generation < 2; { // it was not thrown: nobody was behind
		rush()
	}
	if many.InUse() != 0 || few.InUse() != 0 {
		t.Errorf("%d and %d places were not given back", many.InUse(), few.InUse())
	}
	wait(func() bool { return selector() == backpressure.Limiter(many) })
	q.add(3)
	wait(func() bool { // earlier signals may still be on their way
		release, err := s.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer release()

		return few.InUse() == 1
	})
}

// A switch that comes late, or is closed, stands as it should.
func TestLimiterSwitchLateAndClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, tq.Options{})
		q.add(4)
		m := monitor(t, q, backpressure.Options{High: 3, Low: 1, Cooldown: tq.NoCooldown})
		normal, slow := backpressure.Rate(rate.NewLimiter(1, 1)), backpressure.Rate(rate.NewLimiter(1, 1))
		s := backpressure.NewLimiterSwitch(m, normal, slow)
		if s.Selected() != slow {
			t.Error("a late switch begins with the normal limiter")
		}
		synctest.Wait()
		_ = s.Close()
		q.work(4)
		synctest.Wait()
		if s.Selected() != slow {
			t.Error("a closed switch is thrown")
		}
	})
}
