package tq_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

// taken are the samples of a meter in short, sorted.
func taken(m *tq.Meter) (list []string, lost uint64) {
	samples, lost := m.Take(nil)
	names := []string{"wait", "lease", "heartbeat", "attempts", "pending", "active", "blocked"}
	for _, s := range samples {
		value := fmt.Sprint(s.Value)
		if s.Measure < tq.DeliveryAttempts || s.Measure == tq.BlockedDuration {
			value = time.Duration(s.Value).String()
		}
		list = append(list, names[s.Measure]+" "+value)
	}
	slices.Sort(list)

	return list, lost
}

func compareTaken(t *testing.T, m *tq.Meter, step string, want ...string) {
	t.Helper()
	got, lost := taken(m)
	if diff := cmp.Diff(want, got); diff != "" || lost > 0 {
		t.Errorf("%s: %d lost (-want +got):\n%s", step, lost, diff)
	}
}

// A meter sees what each operation takes, from whatever line a task comes and
// however its lease ends.
func TestMeter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := policy() // a lease of 1s, 3 attempts
		o.Capacity, o.Backoff = 2, tq.ConstBackoff(time.Second)
		q := openQueue(t, o)
		q.mustEnqueue(t, 1)
		before := q.mustLease(t)
		woken := 0
		m := q.Probe().Measure(64, func() { woken++ })
		must(t, before.complete())
		compareTaken(t, m, "leased before the meter came", "attempts 1")

		q.mustEnqueue(t, 2)
		time.Sleep(2 * time.Second)
		a := q.mustLease(t)
		compareTaken(t, m, "leased", "active 0", "pending 2", "wait 2s")
		time.Sleep(time.Second / 2)
		if _, err := a.beat(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second / 4)
		must(t, a.complete())
		compareTaken(t, m, "completed", "attempts 1", "heartbeat 500ms", "lease 750ms")

		b := q.mustLease(t)
		must(t, b.release())
		time.Sleep(time.Second)
		b = q.mustLease(t)
		must(t, b.fail())
		compareTaken(t, m, "released and failed", "lease 0s", "lease 0s", "wait 1s", "wait 2.75s")
		time.Sleep(3 * time.Second) // 1s of backoff
		q.mustLease(t)
		time.Sleep(3 * time.Second) // 1s until it expires, 1s of backoff
		b = q.mustLease(t)
		must(t, b.bury())
		compareTaken(t, m, "expired and dead", "attempts 3", "lease 0s", "lease 1s", "wait 1s", "wait 2s")

		q.mustEnqueue(t, 2)
		b = q.mustLease(t)
		go func() {
			_, _ = q.enqueue(background, []byte("x"))
		}()
		synctest.Wait()
		time.Sleep(time.Second / 2)
		must(t, b.complete())
		synctest.Wait()
		got, _ := taken(m)
		if !slices.Contains(got, "blocked 500ms") {
			t.Errorf("an enqueue was blocked for half a second: %q", got)
		}
		if woken != 6 {
			t.Errorf("woken %d times, want once for each time of taking", woken)
		}
		q.mustLease(t)
		if _, err := q.drain(background, 0); err != nil {
			t.Fatal(err)
		}
		if got, _ := taken(m); !slices.Contains(got, "lease 0s") {
			t.Errorf("a lease was drained: %q", got)
		}
		must(t, m.Close())
		must(t, m.Close())
		must(t, q.Reopen())
		q.mustEnqueue(t, 1)
		q.mustLease(t)
		compareTaken(t, m, "closed")
	})
}

// What a full meter cannot keep it counts.
func TestMeterFull(t *testing.T) {
	t.Parallel()
	q := openQueue(t, unhurried())
	m := q.Probe().Measure(8, func() {})
	other := q.Probe().Measure(1000, func() {})
	for range 20 {
		q.mustEnqueue(t, 1)
		l := q.mustLease(t)
		must(t, l.complete())
	}
	got, lost := taken(m)
	all, none := taken(other)
	if len(got) != 8 || int(lost) != len(all)-8 || none != 0 {
		t.Errorf("kept %d and lost %d, another one kept %d and lost %d", len(got), lost, len(all), none)
	}
	if again, lost := taken(m); len(again) != 0 || lost != 0 {
		t.Errorf("then %d, %d lost", len(again), lost)
	}
}

// Meters come, take and go while the queue is busy.
func TestMeterUnderLoad(t *testing.T) {
	t.Parallel()
	o := unhurried()
	o.Capacity = 2
	q := openQueue(t, o)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	wake := make(chan struct{}, 1)
	m := q.Probe().Measure(256, func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	const tasks = 2000
	var all, meters sync.WaitGroup
	counts := map[tq.Measure]int{}
	lost := uint64(0)
	meters.Go(func() {
		var samples []tq.Sample
		for {
			var missed uint64
			samples, missed = m.Take(samples[:0])
			lost += missed
			for _, s := range samples {
				counts[s.Measure]++
			}
			select {
			case <-wake:
				continue
			default:
			}
			select {
			case <-wake:
			case <-ctx.Done():
				return
			}
		}
	})
	meters.Go(func() {
		for ctx.Err() == nil {
			other := q.Probe().Measure(4, func() {})
			other.Take(nil)
			_ = other.Close()
		}
	})
	for range 4 {
		all.Go(func() {
			for range tasks / 4 {
				if _, err := q.enqueue(ctx, []byte("x")); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range tasks / 4 {
				l, err := q.lease(ctx)
				if err == nil {
					err = l.complete()
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	stop()
	meters.Wait()
	samples, missed := m.Take(nil)
	lost += missed
	for _, s := range samples {
		counts[s.Measure]++
	}
	kept := counts[tq.WaitDuration] + counts[tq.LeaseDuration] + counts[tq.DeliveryAttempts]
	if lost == 0 && kept != 3*tasks || kept > 3*tasks {
		t.Errorf("%d samples of %d tasks, %d lost: %v", kept, tasks, lost, counts)
	}
}

// Each refusal is counted as what it is.
func TestRefusals(t *testing.T) {
	t.Parallel()
	o := unhurried()
	o.Capacity = 1
	q := openQueue(t, o)
	q.mustEnqueue(t, 1)
	past, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{done, past} {
		if _, err := q.enqueue(ctx, nil); err == nil {
			t.Error("enqueued into a full queue")
		}
	}
	if _, err := q.enqueueBatch(done, make([][]byte, 1)); err == nil {
		t.Error("enqueued a batch into a full queue")
	}
	if _, err := q.tryEnqueue(nil); !errors.Is(err, tq.ErrFull) {
		t.Error(err)
	}
	l := q.mustLease(t)
	must(t, l.complete())
	_, beat := l.beat()
	_, resume := q.resume(l.Token)
	for _, err := range []error{l.complete(), l.fail(), l.release(), l.bury(), beat, resume} {
		if !errors.Is(err, tq.ErrLeaseLost) {
			t.Error(err)
		}
	}
	if _, err := q.drain(background, 0); err != nil {
		t.Fatal(err)
	}
	_, _ = q.tryEnqueue(nil)
	must(t, q.Close())
	_, _ = q.tryEnqueue(nil)
	want := tq.Refusals{
		Full: 1, Closed: 1, Drained: 1, Cancelled: 2, TimedOut: 1,
		Complete: 1, Heartbeat: 1, Fail: 1, Release: 1, DeadLetter: 1, Resume: 1,
	}
	if diff := cmp.Diff(want, q.Probe().Refusals()); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
}
