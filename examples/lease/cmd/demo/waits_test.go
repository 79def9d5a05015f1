package main

import (
	"math"
	"testing"
	"time"
)

func TestWaitSteps(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, 1, 15, 16, 17, 31, 32, 33, 1000, time.Millisecond, time.Hour, math.MaxInt64} {
		i := step(d)
		if up := upper(i); up < d || up-d > d/waitSteps {
			t.Errorf("step(%d) = %d, up to %d", d, i, up)
		}
		if d > 0 && step(d-1) > i {
			t.Errorf("step(%d) = %d is above step(%d) = %d", d-1, step(d-1), d, i)
		}
		if step(upper(i)) != i {
			t.Errorf("upper(%d) = %d is of step %d", i, upper(i), step(upper(i)))
		}
	}
}

func TestQuantiles(t *testing.T) {
	t.Parallel()
	var w waits
	if got := w.quantile(0.5); got != 0 {
		t.Errorf("median of nothing = %v", got)
	}
	for i := range 1000 {
		w.add(time.Duration(i+1) * time.Microsecond)
	}
	w.add(-time.Second)
	for q, want := range map[float64]time.Duration{
		0: 0, 0.5: 500 * time.Microsecond, 0.9: 900 * time.Microsecond, 0.99: 990 * time.Microsecond, 1: time.Millisecond,
	} {
		if got := w.quantile(q); got < want-want/waitSteps || got > want+want/waitSteps {
			t.Errorf("quantile(%g) = %v, want about %v", q, got, want)
		}
	}
	if w.longest() != time.Millisecond {
		t.Errorf("max = %v", w.longest())
	}
}
