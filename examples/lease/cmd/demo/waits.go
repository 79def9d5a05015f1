package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// waits is a histogram of durations, exact to one part in 16. The zero value
// is empty; its methods are safe for concurrent use.
type waits struct {
	counts [64 * waitSteps]atomic.Uint64
	most   atomic.Int64
}

// waitSteps is into how many steps each doubling is divided.
const waitSteps = 16

// add counts d; negative ones, as a clock set back yields, count as 0.
func (w *waits) add(d time.Duration) {
	d = max(d, 0)
	w.counts[step(d)].Add(1)
	for most := w.most.Load(); int64(d) > most; most = w.most.Load() {
		if w.most.CompareAndSwap(most, int64(d)) {
			break
		}
	}
}

// step is the index of d's count: its power of two, then its next four bits.
func step(d time.Duration) int {
	n := uint64(d)
	if n < waitSteps {
		return int(n)
	}
	power := bits.Len64(n) - 5 // leaves waitSteps ≤ n>>power < 2*waitSteps

	return power*waitSteps + int(n>>power)
}

// upper is the longest duration that step puts at index i.
func upper(i int) time.Duration {
	if i < 2*waitSteps {
		return time.Duration(i)
	}
	power := i/waitSteps - 1

	return time.Duration(uint64(i%waitSteps+waitSteps+1)<<power - 1)
}

// quantile is a duration that the share q of all does not exceed, 0 of none.
func (w *waits) quantile(q float64) time.Duration {
	var total uint64
	for i := range w.counts {
		total += w.counts[i].Load()
	}
	rank := uint64(q * float64(total))
	for i := range w.counts {
		n := w.counts[i].Load()
		if n > rank {
			return min(upper(i), w.longest())
		}
		rank -= n
	}

	return w.longest()
}

func (w *waits) longest() time.Duration { return time.Duration(w.most.Load()) }
