package tq

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// DepthWatch follows how many tasks wait in a queue and tells when that number
// crosses a watermark. It changes in the same step as the number does, so no
// schedule can leave it wrong: it is raised by what reaches the high watermark
// and lowered by what reaches the low one, in the order of the changes.
//
// Make one with [NewDepthWatch] and attach it with [Probe.Attach]. All methods
// are safe for concurrent use.
type DepthWatch struct {
	// word is the depth in the low bits and, above it, how often a watermark
	// was crossed. It is odd while the watch is raised.
	word      atomic.Uint64
	high, low int
	live      bool
	crossed   func()
	turns     atomic.Uint64 // crossings at the last State, all bits of them
	closed    atomic.Bool
	cost      *cost // nil: nobody measures
}

// A depth is at most the slots of a queue: 6 times MaxCapacity.
const (
	depthBits = 27
	depthMask = 1<<depthBits - 1
)

// DepthState is what a DepthWatch has seen.
type DepthState struct {
	Depth     int
	Raised    bool   // reached the high watermark, and the low one not since
	Crossings uint64 // how often Raised has changed, from 0 on; odd while raised
}

// NewDepthWatch makes a watch of the pending tasks, ready and delayed ones, or
// if live is set of all that capacity bounds, leased ones included. It is
// raised at high or more and lowered at low or less; low is below high.
//
// crossed is called at each crossing, and when the queue closes or is deposed,
// with a lock of the queue held and possibly by two callers at once. It must be
// short, must not call the queue and must not panic.
func NewDepthWatch(high, low int, live bool, crossed func()) *DepthWatch {
	return &DepthWatch{high: high, low: low, live: live, crossed: crossed}
}

// State is an atomic reading.
func (w *DepthWatch) State() DepthState {
	word := w.word.Load()

	return DepthState{int(word & depthMask), w.raised(word), w.count(word >> depthBits)}
}

// Raised is an atomic load.
func (w *DepthWatch) Raised() bool { return w.raised(w.word.Load()) }

func (w *DepthWatch) raised(word uint64) bool { return word>>depthBits&1 == 1 }

// QueueClosed says whether the queue was closed or deposed. Its depth may still
// change.
func (w *DepthWatch) QueueClosed() bool { return w.closed.Load() }

// count gives all bits of a number of crossings of which low are the lowest.
// It is called at each crossing, so it is never half way round behind.
func (w *DepthWatch) count(low uint64) uint64 {
	for {
		known := w.turns.Load()
		ahead := int64((low-known)<<depthBits) >> depthBits
		n := known + uint64(ahead)
		if ahead <= 0 || w.turns.CompareAndSwap(known, n) {
			return n
		}
	}
}

// add changes the depth by n. The lock is held of the side on which tasks come
// or go.
func (w *DepthWatch) add(n int) {
	if w.cost == nil || !w.cost.measures() {
		w.change(n)
		return
	}
	begun := time.Now()
	w.change(n)
	w.cost.busy.Add(int64(time.Since(begun)))
}

func (w *DepthWatch) change(n int) {
	for {
		old := w.word.Load()
		depth := int(old&depthMask) + n
		turns := old >> depthBits
		cross := depth >= w.high
		if w.raised(old) {
			cross = depth <= w.low
		}
		if cross {
			turns++
		}
		if !w.word.CompareAndSwap(old, turns<<depthBits|uint64(depth)) {
			continue
		}
		if cross {
			w.count(turns)
			w.crossed()
		}

		return
	}
}

// cost is what a watch has cost those who changed the depth.
type cost struct {
	changes atomic.Uint64
	busy    atomic.Int64 // of one in costSample changes
}

const costSample = 64

// measures says whether the time of this change is to be taken.
func (c *cost) measures() bool { return c.changes.Add(1)%costSample == 0 }

// Measure makes the watch count and time what it does, for [DepthWatch.Cost].
// Call it before the watch is attached. Each change costs a counter more.
func (w *DepthWatch) Measure() { w.cost = new(cost) }

// Cost is how many changes of the depth the watch has seen since it was
// attached and how long they took, estimated from one in 64. Both are 0 unless
// the watch measures.
func (w *DepthWatch) Cost() (changes uint64, busy time.Duration) {
	if w.cost == nil {
		return 0, 0
	}

	return w.cost.changes.Load(), time.Duration(costSample * w.cost.busy.Load())
}

// depth tells the watches how many pending and live tasks there are more.
func (c *core) depth(pending, live int) {
	if c.watches != nil {
		c.tellWatches(pending, live)
	}
}

func (c *core) tellWatches(pending, live int) {
	for _, w := range c.watches {
		n := pending
		if w.live {
			n = live
		}
		if n != 0 {
			w.add(n)
		}
	}
}

// waiting is how many tasks are pending, of those that were taken over.
func (c *core) waiting() int { return len(c.first) + c.ready.n + len(c.due) + len(c.delayed) }

// Probe is where monitors, instruments and diagnostics attach to a queue. It is
// the engine without what handles payloads. All methods are safe for
// concurrent use, also after Close.
type Probe Engine

// Probe gives the engine's.
func (e *Engine) Probe() *Probe { return (*Probe)(e) }

// Options is the policy that holds, with nothing left open.
func (p *Probe) Options() Options { return (*Engine)(p).Options() }

// Stats is one consistent reading.
func (p *Probe) Stats() Stats { return (*Engine)(p).Stats() }

// Closed is why the queue takes no tasks any more: ErrDrained, ErrClosed or
// ErrDeposed; nil while it does.
func (p *Probe) Closed() error {
	e := (*Engine)(p)
	e.mu.Lock()
	defer e.mu.Unlock()

	return e.gate.turnsAway()
}

// Pause stops granting tasks, or goes on. While the queue is paused callers who
// wait for a task go on waiting, TryTake answers ErrEmpty, and everything else is
// as ever: producers, leases that were granted before, deadlines, Drain, Close.
// When it goes on those who wait are served in order.
//
// It is no event, and part of this queue alone: its replicas are not paused, and
// neither is what is restored from it. Draining and reopening the queue leaves it
// paused. Pausing twice is once. Stats says whether it is.
func (p *Probe) Pause(paused bool) {
	e := (*Engine)(p)
	e.lockAll()
	defer e.Unlock()
	e.paused = paused
}

// DeadLetters lists up to limit dead letters whose number is above after, in
// the order they died. The error is ErrDeposed.
func (p *Probe) DeadLetters(after uint64, limit int) ([]TaskRef, error) {
	e := (*Engine)(p)
	refs, err := e.DeadLetters(after, limit)
	if err == nil {
		e.Unlock()
	}

	return refs, err
}

// Leases lists up to limit leases in the order of their deadlines, those of one
// deadline in the order they were granted: those behind that deadline and
// epoch, which are the ones of the last lease of the page before, and zero for
// the first page. It reads the leases up to the page under the locks, so pages
// far back cost the queue more. The error is ErrDeposed.
func (p *Probe) Leases(deadline time.Time, epoch Epoch, limit int) ([]TaskRef, error) {
	e := (*Engine)(p)
	e.lockUpToDate()
	defer e.Unlock()
	if e.gate.deposed {
		return nil, ErrDeposed
	}
	from := Instant(math.MinInt64)
	if !deadline.IsZero() {
		from = e.core.wall(deadline)
	}

	return e.core.leasesAfter(from, epoch, limit), nil
}

// NextDead waits for the dead letter after the given number: see
// [Engine.NextDead].
func (p *Probe) NextDead(ctx context.Context, after uint64) (TaskRef, error) {
	e := (*Engine)(p)
	ref, err := e.NextDead(ctx, after)
	if err == nil {
		e.Unlock()
	}

	return ref, err
}

// Redrive makes a dead letter ready again: see [Engine.Redrive].
func (p *Probe) Redrive(ctx context.Context, id TaskID) error { return (*Engine)(p).Redrive(ctx, id) }

// Purge removes a dead letter for good: see [Engine.Purge].
func (p *Probe) Purge(ctx context.Context, id TaskID) error { return (*Engine)(p).Purge(ctx, id) }

// Attach has w follow this queue, beginning with the depth of this moment: if
// that reaches the high watermark, crossed is called before Attach returns. A
// watch is attached once.
func (p *Probe) Attach(w *DepthWatch) {
	e := (*Engine)(p)
	e.lockAll()
	defer e.Unlock()
	e.core.watches = append(slices.Clone(e.core.watches), w)
	w.closed.Store(e.gate.still())
	depth := e.core.waiting()
	if w.live {
		depth += e.core.leased.n
	}
	w.add(depth)
}

// Detach lets go of w, which then stays as it is. Other watches do not notice.
// It is no error if w was not attached.
func (p *Probe) Detach(w *DepthWatch) {
	e := (*Engine)(p)
	e.lockAll()
	defer e.Unlock()
	e.core.watches = slices.DeleteFunc(slices.Clone(e.core.watches), func(o *DepthWatch) bool { return o == w })
	if len(e.core.watches) == 0 {
		e.core.watches = nil
	}
}

// closeWatches tells all that watch the depth that the queue is closed.
func (c *core) closeWatches() {
	for _, w := range c.watches {
		w.closed.Store(true)
		w.crossed()
	}
}
