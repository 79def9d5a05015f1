// Package measure times rows: things that are done n times over. A row is
// measured in a process that measures all others too, in an order of its own;
// what counts is the median over such processes.
package measure

import (
	"fmt"
	"runtime"
	"time"
)

// Row is one thing to measure.
type Row struct {
	// Name is unique, with slashes: json/decode/lease/goccy.
	Name string
	// Ratios says that a goal needs the row; the others are for the full table.
	Ratios bool
	// Measure takes about as long as it is told.
	Measure func(budget time.Duration) (Sample, error)
}

// Sample is one measurement of one row.
type Sample struct {
	Ns     float64 // per operation
	Allocs float64 // per operation, of the whole process
}

// Loop makes the Measure of a row from what sets it up: do does the operation n
// times, and done, if not nil, clears away.
func Loop(setUp func() (do func(n int) error, done func(), err error)) func(time.Duration) (Sample, error) {
	return func(budget time.Duration) (s Sample, err error) {
		do, done, err := setUp()
		if err != nil {
			return Sample{}, err
		}
		if done != nil {
			defer done()
		}

		return loop(do, budget)
	}
}

// repeats is how often a row is timed in one process. The third fastest counts:
// what else runs on the machine only adds.
const repeats = 12

func loop(do func(n int) error, budget time.Duration) (Sample, error) {
	runtime.GC()
	part := budget / (repeats + 1)
	n, took := 1, time.Duration(0)
	for { // what warms up also finds n
		if n > 1<<40 {
			return Sample{}, fmt.Errorf("%d repetitions took %v", n, took)
		}
		start := time.Now()
		if err := do(n); err != nil {
			return Sample{}, err
		}
		if took = time.Since(start); took >= part/4 {
			break
		}
		n *= 2
	}
	n = max(1, int(float64(n)*float64(part)/float64(took)))

	var all [repeats]Sample
	for i := 0; i < repeats; i++ {
		var err error
		if all[i], err = Once(n, func() error { return do(n) }); err != nil {
			return Sample{}, err
		}
		if all[i].Ns*float64(n) < float64(part)/2 { // something else took the time when n was found
			n *= 2
			i = -1
		}
	}

	Middle(all[:]) // sorts

	return all[repeats/4-1], nil
}

// Once times one call that does an operation n times.
func Once(n int, do func() error) (Sample, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := do()
	took := time.Since(start)
	runtime.ReadMemStats(&after)

	return Sample{
		Ns:     float64(took.Nanoseconds()) / float64(n),
		Allocs: float64(after.Mallocs-before.Mallocs) / float64(n),
	}, err
}

// Middle is the sample with the median time.
func Middle(s []Sample) Sample {
	if len(s) == 0 {
		return Sample{}
	}
	for i := range s { // few of them
		for j := i; j > 0 && s[j].Ns < s[j-1].Ns; j-- {
			s[j], s[j-1] = s[j-1], s[j]
		}
	}

	return s[len(s)/2]
}

// Result is what several processes have measured of one row.
type Result struct {
	Median, Min, Max float64 // ns per operation
	Allocs           float64 // median
	Processes        int
}

// Summarize makes a Result of samples.
func Summarize(s []Sample) Result {
	m := Middle(s)
	if len(s) == 0 {
		return Result{}
	}

	return Result{Median: m.Ns, Min: s[0].Ns, Max: s[len(s)-1].Ns, Allocs: m.Allocs, Processes: len(s)}
}

// Spread is how much longer the slowest process took than the fastest one.
func (r Result) Spread() float64 { return r.Max / r.Min }

func (r Result) String() string { return fmt.Sprintf("%.4g [%.4g–%.4g]", r.Median, r.Min, r.Max) }
