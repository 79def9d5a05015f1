package tq

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
)

// Measure is what a [Sample] is of.
type Measure uint8

// Measures. Durations are in nanoseconds.
const (
	WaitDuration       Measure = iota // from ready to leased
	LeaseDuration                     // from leased to settled, expired or drained
	HeartbeatExtension                // by how much a heartbeat moves the deadline
	DeliveryAttempts                  // of a task that is completed or dead
	PendingDepth                      // ready and delayed tasks, when workers come for new ones
	ActiveDepth                       // leased tasks, at the same time
	BlockedDuration                   // of an Enqueue that waited for room
	Measures                          // how many there are
)

// Sample is one measurement.
type Sample struct {
	Value   int64
	Series  uint16 // of the task, where the payloads have labels; 0 for depths and what is blocked
	Measure Measure
}

// Meter collects what the operations of a queue take, for whoever comes by to
// take it away. It holds a bounded number of samples: while it is full, further
// ones are counted and not kept, so that the queue never waits.
type Meter struct {
	e       *Engine
	wake    func()
	slept   atomic.Bool // nothing was kept since Take
	limit   int
	wanted  uint32   // a bit for each Measure
	settled []Sample // guarded by e.mu
	lost    uint64   // that settled had no room for; guarded by e.mu

	blocked   []Sample // guarded by e.pmu
	unblocked uint64   // that blocked had no room for; guarded by e.pmu
}

// Measure attaches a meter that keeps up to limit samples, of all measures or
// of those given. wake is called with the first sample after each Take, with a
// lock of the queue held: it is short, does not call the queue and does not
// panic.
func (p *Probe) Measure(limit int, wake func(), measures ...Measure) *Meter {
	e := (*Engine)(p)
	m := &Meter{e: e, wake: wake, limit: max(limit, 2)}
	for _, what := range measures {
		m.wanted |= 1 << what
	}
	if len(measures) == 0 {
		m.wanted = 1<<Measures - 1
	}
	m.settled, m.blocked = make([]Sample, 0, m.limit), make([]Sample, 0, m.limit/2)
	m.slept.Store(true)
	e.lockAll()
	defer e.Unlock()
	e.core.meters = append(slices.Clone(e.core.meters), m)

	return m
}

// Take appends the samples there are to dst, and says how many were not kept
// since the last time.
func (m *Meter) Take(dst []Sample) (samples []Sample, lost uint64) {
	m.e.lockAll()
	defer m.e.Unlock()
	dst = append(append(dst, m.settled...), m.blocked...)
	m.settled, m.blocked = m.settled[:0], m.blocked[:0]
	lost = m.lost + m.unblocked
	m.lost, m.unblocked = 0, 0
	m.slept.Store(true)

	return dst, lost
}

// Close lets go of the queue. Samples that were not taken are gone. Closing
// twice is no error.
func (m *Meter) Close() error {
	m.e.lockAll()
	defer m.e.Unlock()
	c := &m.e.core
	c.meters = slices.DeleteFunc(slices.Clone(c.meters), func(o *Meter) bool { return o == m })
	if len(c.meters) == 0 {
		c.meters = nil
	}

	return nil
}

// keep adds to one of the lists, which is not full.
func (m *Meter) keep(list *[]Sample, s Sample) {
	*list = append(*list, s)
	if m.slept.Load() && m.slept.CompareAndSwap(true, false) {
		m.wake()
	}
}

// measure is called with mu held. i is the task that is measured, or noSlot.
func (c *core) measure(what Measure, i Slot, value int64) {
	for _, m := range c.meters {
		if m.wanted&(1<<what) == 0 {
			continue
		}
		if len(m.settled) == cap(m.settled) {
			m.lost++
			continue
		}
		m.keep(&m.settled, Sample{Value: value, Series: c.series(i), Measure: what})
	}
}

// measureBlocked is measure of an Enqueue that has waited, with pmu held.
func (c *core) measureBlocked(d Instant) {
	for _, m := range c.meters {
		if m.wanted&(1<<BlockedDuration) == 0 {
			continue
		}
		if len(m.blocked) == cap(m.blocked) {
			m.unblocked++
			continue
		}
		m.keep(&m.blocked, Sample{Value: int64(d), Measure: BlockedDuration})
	}
}

// measureGrant is called while s still says since when it is ready.
func (c *core) measureGrant(i Slot, s *slot, now Instant) {
	s.figure, s.leasedBy = int64(now), c.epoch
	c.measure(WaitDuration, i, int64(max(now-s.until, 0)))
}

// unlease takes a task out of those that are leased.
func (c *core) unlease(i Slot, s *slot, now Instant) {
	c.endLease(i, s)
	if c.meters == nil {
		return
	}
	if s.leasedBy == s.epoch {
		c.measure(LeaseDuration, i, int64(now)-s.figure)
	}
}

// Refusals count operations that were refused. They only grow.
type Refusals struct {
	// Enqueues, of one task or of a batch.
	Full, Closed, Drained, Deposed, Cancelled, TimedOut uint64
	// Operations with a token that does not hold, by operation.
	Complete, Heartbeat, Fail, Release, DeadLetter, Resume uint64
}

// Refusals is a reading without a lock: each count is of its own moment.
func (p *Probe) Refusals() Refusals {
	r := &p.refused

	return Refusals{
		r.full.Load(), r.closed.Load(), r.drained.Load(), r.deposed.Load(), r.cancelled.Load(), r.timedOut.Load(),
		r.complete.Load(), r.heartbeat.Load(), r.fail.Load(), r.release.Load(), r.deadLetter.Load(), r.resume.Load(),
	}
}

// refusals are Refusals while they are counted.
type refusals struct {
	full, closed, drained, deposed, cancelled, timedOut    atomic.Uint64
	complete, heartbeat, fail, release, deadLetter, resume atomic.Uint64
}

// enqueue counts an enqueue that ended with err and gives err back.
func (r *refusals) enqueue(err error) error {
	switch {
	case err == nil:
	case err == ErrFull:
		r.full.Add(1)
	case err == ErrClosed:
		r.closed.Add(1)
	case err == ErrDrained:
		r.drained.Add(1)
	case err == ErrDeposed:
		r.deposed.Add(1)
	case errors.Is(err, context.DeadlineExceeded):
		r.timedOut.Add(1)
	default:
		r.cancelled.Add(1)
	}

	return err
}

// stale counts an operation, by its name in a LeaseError, that came too late.
func (r *refusals) stale(op string) {
	switch op {
	case "complete":
		r.complete.Add(1)
	case "heartbeat":
		r.heartbeat.Add(1)
	case "fail":
		r.fail.Add(1)
	case "release":
		r.release.Add(1)
	case "dead-letter":
		r.deadLetter.Add(1)
	case "resume":
		r.resume.Add(1)
	}
}
