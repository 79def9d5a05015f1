package tq

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Engine is the shell round the state machine: the locks, the callers that
// wait, the timer, the clock and the readers of the log. Generated code stores
// payloads between its brackets, which hold a lock: a method that says so
// returns with it held, and the caller gives it back with Unlock or with the
// method that ends the bracket.
//
// Producers and consumers are apart, so that they do not wait for each other.
// A producer takes a slot, fills it and leaves it in the core's intake, under
// pmu alone. All else is under mu: a consumer that finds nothing ready, or that
// is about to write to the log, first takes over what was left, with pmu
// besides. So the log is in the order of time although producers do not write
// to it. What is neither hot nor short holds both locks all the time: then
// nothing is in the intake, and all is as if there were one lock.
//
// The order is mu, then pmu. What crosses without the other's lock is atomic:
//
//   - core.cross.gone and short: a consumer makes room, then looks whether a
//     producer waits; a producer says that it waits, then looks for room. One
//     of them sees the other.
//   - core.cross.attend: set under both locks when nothing is left, so whichever
//     producer is next sees it, and comes by once it has left its task.
//   - core.cross.unseen: set before the producer's call returns, so whoever
//     calls after that sees it.
//
// The zero Engine must be opened before use. All other methods are safe for
// concurrent use.
type Engine struct {
	clock clock
	gate  gate        // changed under both locks
	short atomic.Bool // a producer is in line and none was woken; written under pmu
	core  core        // says itself what guards it

	_         apart
	pmu       sync.Mutex
	producers line // wait for room; guarded by pmu
	yielding  int  // producers that hold a slot and are about to join the line; guarded by pmu
	_         apart

	mu        sync.Mutex
	whole     bool   // who holds mu holds pmu, too; guarded by mu
	paused    bool   // nothing is granted; guarded by mu
	consumers line   // wait for a ready task; guarded by mu
	drainEnds signal // guarded by mu
	leasesEnd signal // nothing is leased any more; guarded by mu
	deaths    signal // a dead letter came; guarded by mu
	lastDeath uint64 // number of the last one that was told; guarded by mu

	timer *time.Timer // guarded by mu; nil until first needed
	armed Instant     // when the timer fires; never if it does not; guarded by mu

	confirming bool // a reader is synchronous; changed under both locks
	confirms   confirmations

	// raise claims terms for the queue outside; nil if nobody else can. It
	// is called without a lock. Guarded by mu.
	raise func(ctx context.Context, term uint64) error

	cursors []*Cursor // guarded by mu
	parked  int       // cursors that wait; guarded by mu

	refused refusals

	batchTrace string // of who fills the batch under way; guarded by both locks
}

// gate is who may come in.
type gate struct {
	closed   bool
	deposed  bool
	drained  bool
	draining bool // nobody is let in, but nobody is turned away yet either
}

func (g gate) open() bool { return !g.closed && !g.deposed && !g.drained && !g.draining }

// turnsAway is why a caller who would wait cannot come in.
func (g gate) turnsAway() error {
	switch {
	case g.deposed:
		return ErrDeposed
	case g.closed:
		return ErrClosed
	case g.drained:
		return ErrDrained
	default:
		return nil
	}
}

// still says whether time does anything to the queue.
func (g gate) still() bool { return g.closed || g.deposed }

// err is why a caller who does not wait cannot come in.
func (g gate) err() error {
	if g.draining && !g.still() {
		return ErrDrained
	}

	return g.turnsAway()
}

// Open makes the engine ready. Name, Capacity, Lease, Attempts and Dead must be
// set, the other fields may be zero; the error says which one is out of range.
func (e *Engine) Open(o Options, s Store) error {
	o = o.Or(defaults)
	if err := o.check(); err != nil {
		return err
	}
	if o.Incarnation == 0 {
		o.Incarnation = newIncarnation()
	}
	o.Lease = time.Duration(wholeTicks(Instant(o.Lease)))
	e.clock.start(o.CoarseClock)
	e.core.init(o, e.clock.base, s)
	e.armed = never

	return nil
}

// MaxSlot is above every slot there will ever be.
func (e *Engine) MaxSlot() Slot { return e.core.max }

// Options is the policy that holds, with nothing left open.
func (e *Engine) Options() Options { return e.core.opt }

// Unlock ends a bracket.
func (e *Engine) Unlock() {
	if e.whole {
		e.core.takeOver() // what a batch has left
		e.settle(e.core.last)
		e.whole = false
		e.pmu.Unlock()
	}
	e.mu.Unlock()
}

// lockAll takes both locks, and all that producers have left. Unlock follows.
func (e *Engine) lockAll() {
	e.mu.Lock()
	e.pmu.Lock()
	e.whole = true
	e.core.takeOver()
}

// takeOver brings what producers have left into the core, and says whether
// there was anything; mu is held. If there was nothing and attend is set, the
// next producer will serve those who wait.
func (e *Engine) takeOver(attend bool) bool {
	if e.core.cross.attend.Load() {
		return false
	}
	if !e.whole {
		e.pmu.Lock()
	}
	any := e.core.takeOver()
	if !any && attend {
		e.core.cross.attend.Store(true)
	}
	if !e.whole {
		e.pmu.Unlock()
	}

	return any
}

// catchUp takes over what must be in the log before what comes now; mu is held.
func (e *Engine) catchUp() {
	if e.core.cross.unseen.Load() {
		e.takeOver(false)
	}
}

// serve is what a producer does for those who asked for it. It gives the last
// event there is then.
func (e *Engine) serve() Sequence {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.takeOver(false)
	e.settle(e.core.last)

	return e.core.log.seq
}

// settle makes good what a change of state promises to those outside: one
// caller is woken where there is room or work, the timer is armed for the
// earliest deadline, readers are woken. mu is held.
func (e *Engine) settle(now Instant) {
	if e.consumers.head != nil {
		e.callConsumer(now)
	}
	if e.short.Load() {
		e.relieve()
	}
	if at := e.core.wake(); at < e.armed && !e.gate.still() {
		e.arm(at)
	}
	if e.parked > 0 {
		e.takeOver(true)
		e.wakeCursors()
	}
	if e.core.leased.n == 0 {
		e.leasesEnd.notify()
	}
	if e.lastDeath != e.core.deaths {
		e.lastDeath = e.core.deaths
		e.deaths.notify()
	}
}

// callConsumer wakes the consumer that is first in line if a task is ready, or
// has the next producer come by. mu is held.
func (e *Engine) callConsumer(now Instant) {
	if e.consumers.woken || e.paused || !e.gate.open() {
		return
	}
	for !e.core.grantable(now) {
		if !e.takeOver(true) {
			return
		}
		now = e.core.last
	}
	e.consumers.wakeFirst()
}

// relieve calls a producer from under mu.
func (e *Engine) relieve() {
	if !e.whole {
		e.pmu.Lock()
		defer e.pmu.Unlock()
	}
	e.callProducer()
}

// callProducer wakes the producer that is first in line if there is room, or
// has the consumer that makes room do it. pmu is held.
func (e *Engine) callProducer() {
	if e.producers.head == nil || e.producers.woken {
		e.setShort(false)
		return
	}
	e.setShort(true)
	if e.gate.open() && e.core.room(1) {
		e.producers.wakeFirst()
		e.setShort(false)
	}
}

func (e *Engine) setShort(short bool) {
	if e.short.Load() != short {
		e.short.Store(short)
	}
}

func (e *Engine) arm(at Instant) {
	e.armed = at
	d := e.clock.until(at)
	if e.timer == nil {
		e.timer = time.AfterFunc(d, e.fire)
		return
	}
	e.timer.Reset(d)
}

// batch bounds what the timer does under one hold of the lock.
const batch = 256

// fire does what is due: it ends leases and makes delayed tasks ready.
func (e *Engine) fire() {
	for more := true; more; {
		now := e.clock.now()
		e.mu.Lock()
		if e.gate.still() {
			e.mu.Unlock()
			return
		}
		e.takeOver(false)
		more = e.core.expire(now, batch) == batch
		more = e.core.ripen(e.core.last, batch) == batch || more
		e.armed = never
		if more {
			e.armed = -never // this call goes on; the timer need not
		}
		e.settle(e.core.last)
		e.mu.Unlock()
	}
}

// Close wakes every waiter with ErrClosed and stops the timer. Leases granted
// before can still be settled until their deadline; Drain hands out the rest.
// Closing twice is no error.
func (e *Engine) Close() error {
	e.lockAll()
	defer e.Unlock()
	if e.gate.closed {
		return nil
	}
	e.gate.closed = true
	e.producers.dismiss(ErrClosed)
	e.consumers.dismiss(ErrClosed)
	if e.timer != nil {
		e.timer.Stop()
	}
	e.clock.close()
	e.wakeCursors()
	e.deaths.notify()
	e.core.closeWatches()

	return nil
}

// lockUpToDate is lockAll with nothing overdue, even if the timer is late or,
// after Close, gone. It holds the locks for a batch at a time. Unlock follows.
func (e *Engine) lockUpToDate() Instant {
	for {
		now := e.clock.now()
		e.lockAll()
		expired := e.core.expire(now, batch)
		ripened := e.core.ripen(e.core.last, batch)
		if expired+ripened > 0 {
			e.settle(e.core.last)
		}
		if expired < batch && ripened < batch {
			return e.core.last
		}
		e.Unlock()
	}
}

// Stats is one consistent reading.
func (e *Engine) Stats() Stats {
	now := e.lockUpToDate()
	defer e.Unlock()
	c := &e.core
	s := Stats{
		Exact: true, Paused: e.paused, Ready: len(c.first) + c.ready.n + len(c.due), Delayed: len(c.delayed), Leased: c.leased.n,
		Dead: c.dead.n, Capacity: c.opt.Capacity, WaitingProducers: e.producers.n, WaitingConsumers: e.consumers.n,
		Counters: c.count, Sequence: c.log.seq, LogBytes: c.log.bytes, Readers: len(e.cursors), HighestEpoch: c.epoch,
	}
	if at, ok := c.oldest(now); ok {
		s.OldestReady = (now - at).duration()
	}
	if c.log.on() {
		s.LogEntries = c.log.len()
	}
	for _, r := range e.cursors {
		s.SlowestLag = max(s.SlowestLag, c.log.seq+1-r.at())
	}

	return s
}
