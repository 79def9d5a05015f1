package tq

import (
	"sync/atomic"
	"time"
)

// tick is the resolution of time, in nanoseconds: what the seven fractional
// digits of the wire can say. Deadlines are whole ticks after the clock's, so
// nothing falls due early or late by it.
const tick = 100

// clock gives elapsed time since the queue opened. It reads the monotonic
// clock, or, if coarse, what a goroutine read at most a millisecond ago.
type clock struct {
	base   time.Time
	coarse *atomic.Int64 // nil: exact
	stop   chan struct{}
}

// coarseStopped in place of a time says that nobody keeps it any more.
const coarseStopped = -1

func (k *clock) start(coarse bool) {
	now := time.Now()
	k.base = now.Add(-time.Duration(now.Nanosecond() % tick))
	if !coarse {
		return
	}
	k.coarse, k.stop = new(atomic.Int64), make(chan struct{})
	go keep(k.base, k.coarse, k.stop)
}

func keep(base time.Time, now *atomic.Int64, stop <-chan struct{}) {
	t := time.NewTicker(time.Millisecond / 2)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			now.Store(int64(time.Since(base) / tick * tick))
		case <-stop:
			now.Store(coarseStopped)
			return
		}
	}
}

// close stops the goroutine. From then on the clock is exact.
func (k *clock) close() {
	if k.stop != nil {
		close(k.stop)
		k.stop = nil
	}
}

func (k *clock) now() Instant {
	if k.coarse != nil {
		if n := k.coarse.Load(); n != coarseStopped {
			return Instant(n)
		}
	}

	n := uint64(time.Since(k.base)) // not negative, and cheaper to divide so

	return Instant(n - n%tick)
}

// until is how long it takes until now says at, or more: the exact clock's to
// the nanosecond, so that nobody sees what is due before the timer does.
func (k *clock) until(at Instant) time.Duration {
	if k.coarse != nil {
		return (at - k.now()).duration()
	}

	return at.duration() - time.Since(k.base)
}
