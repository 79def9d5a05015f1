package tq

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// Engine is the shell round the state machine: the lock, the callers that
// wait, the timer, the clock and the readers of the log. Generated code stores
// payloads between its brackets, which hold the lock: a method that says so
// returns with it held, and the caller gives it back with Unlock or with the
// method that ends the bracket.
//
// The zero Engine must be opened before use. All other methods are safe for
// concurrent use.
type Engine struct {
	mu    sync.Mutex
	clock clock
	core  core // guarded by mu

	gate      gate   // guarded by mu
	dirty     bool   // a bracket changed the state; guarded by mu
	producers line   // wait for room; guarded by mu
	yielding  int    // producers that hold a slot and are about to join the line; guarded by mu
	consumers line   // wait for a ready task; guarded by mu
	drainEnds signal // guarded by mu
	leasesEnd signal // nothing is leased any more; guarded by mu
	deaths    signal // a dead letter came; guarded by mu
	lastDeath uint64 // number of the last one that was told; guarded by mu

	timer *time.Timer // guarded by mu; nil until first needed
	armed Instant     // when the timer fires; never if it does not; guarded by mu

	cursors []*Cursor // guarded by mu
	parked  int       // cursors that wait; guarded by mu
}

// gate is who may come in.
type gate struct {
	closed   bool
	drained  bool
	draining bool // nobody is let in, but nobody is turned away yet either
}

func (g gate) open() bool { return g == gate{} }

// turnsAway is why a caller who would wait cannot come in.
func (g gate) turnsAway() error {
	switch {
	case g.closed:
		return ErrClosed
	case g.drained:
		return ErrDrained
	default:
		return nil
	}
}

// err is why a caller who does not wait cannot come in.
func (g gate) err() error {
	if g.draining && !g.closed {
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
	if e.dirty {
		e.dirty = false
		e.settle(e.core.last)
	}
	e.mu.Unlock()
}

// settle makes good what a change of state promises to those outside: one
// caller is woken where there is room or work, the timer is armed for the
// earliest deadline, readers are woken.
func (e *Engine) settle(now Instant) {
	if e.gate.open() {
		if e.consumers.head != nil && e.core.grantable(now) {
			e.consumers.wakeFirst()
		}
		if e.producers.head != nil && !e.core.full() {
			e.producers.wakeFirst()
		}
	}
	if at, ok := e.core.wake(); ok && at < e.armed && !e.gate.closed {
		e.arm(at)
	}
	if e.parked > 0 {
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

func (e *Engine) arm(at Instant) {
	e.armed = at
	d := at.duration() - time.Since(e.clock.base) // not the clock, which has ticks
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
		if e.gate.closed {
			e.mu.Unlock()
			return
		}
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
	e.mu.Lock()
	defer e.mu.Unlock()
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

	return nil
}

// Put hands out a slot to fill, with the lock held; Enqueue, TryEnqueue or
// EnqueueAt must follow at once. ErrClosed, ErrDrained, or ErrFull if as many
// producers wait as may.
func (e *Engine) Put() (Slot, Instant, error) {
	now := e.clock.now()
	e.mu.Lock()
	if err := e.gate.turnsAway(); err != nil {
		e.mu.Unlock()
		return noSlot, 0, err
	}
	if e.producers.n+e.yielding >= e.core.opt.MaxWaiting {
		e.mu.Unlock()
		return noSlot, 0, ErrFull
	}
	i, ok := e.core.alloc()
	if !ok {
		e.mu.Unlock()
		return noSlot, 0, ErrFull
	}

	return i, now, nil
}

// Enqueue makes the filled slot a task and unlocks. While the queue is full it
// waits in line, its payload in place. On an error nothing was enqueued:
// ErrClosed, ErrDrained, ErrFull if as many producers wait as may, or ctx's
// error. A ctx that is done already is an error only if it has to wait.
func (e *Engine) Enqueue(ctx context.Context, i Slot, now Instant) (TaskID, error) {
	return e.enqueue(ctx, i, now, 0)
}

// EnqueueAt is Enqueue of a task that is ready at when; one in the past, at once.
func (e *Engine) EnqueueAt(ctx context.Context, i Slot, now Instant, when time.Time) (TaskID, error) {
	return e.enqueue(ctx, i, now, e.core.instant(when))
}

func (e *Engine) enqueue(ctx context.Context, i Slot, now, due Instant) (TaskID, error) {
	if !e.roomFor(1) {
		err := e.waitRoom(ctx)
		if err != nil {
			e.core.discard(i)
			e.mu.Unlock()
			return TaskID{}, err
		}
		now = e.clock.now()
	}
	id := e.core.admit(i, now, due)
	e.settle(e.core.last)
	e.mu.Unlock()

	return id, nil
}

// TryEnqueue makes the filled slot a task and unlocks. ErrFull, ErrDrained or
// ErrClosed at once, and then nothing was enqueued.
func (e *Engine) TryEnqueue(i Slot, now Instant) (TaskID, error) {
	err := e.gate.err()
	if err == nil && !e.roomFor(1) {
		err = ErrFull
	}
	if err != nil {
		e.core.discard(i)
		e.mu.Unlock()
		return TaskID{}, err
	}
	id := e.core.admit(i, now, 0)
	e.settle(e.core.last)
	e.mu.Unlock()

	return id, nil
}

// roomFor says whether a newcomer may add n tasks without joining the line.
func (e *Engine) roomFor(n int) bool {
	return e.core.live+n <= e.core.opt.Capacity && e.gate.open() && e.producers.mayPass()
}

// waitRoom returns with room for one task. The lock is held, also on an error.
func (e *Engine) waitRoom(ctx context.Context) error {
	e.yielding++
	err := e.yield()
	e.yielding--
	if err != nil {
		return err
	}
	if e.roomFor(1) {
		return nil
	}
	if e.producers.n >= e.core.opt.MaxWaiting {
		return ErrFull
	}
	w := e.producers.waiter()
	defer e.producers.done(w)
	for {
		if err := e.await(ctx, &e.producers, w); err != nil {
			return err
		}
		if !e.core.full() && e.gate.open() {
			return nil
		}
		e.producers.overtake(w)
	}
}

// yield lets somebody else run before a caller parks: what it waits for is
// often one scheduling away, and parking costs far more.
func (e *Engine) yield() error {
	e.mu.Unlock()
	runtime.Gosched()
	e.mu.Lock()

	return e.gate.turnsAway()
}

// PutBatch waits for room for at least one of want tasks and returns, with the
// lock held, how many fit. AddLocked follows for each of them, then Unlock.
// The errors are those of Enqueue.
func (e *Engine) PutBatch(ctx context.Context, want int) (room int, now Instant, err error) {
	now = e.clock.now()
	e.mu.Lock()
	if err := e.gate.turnsAway(); err != nil {
		e.mu.Unlock()
		return 0, 0, err
	}
	if !e.roomFor(1) {
		if err := e.waitRoom(ctx); err != nil {
			e.mu.Unlock()
			return 0, 0, err
		}
		now = e.clock.now()
	}
	room = min(want, e.core.opt.Capacity-e.core.live, int(e.core.max)-e.core.inUse)
	if room <= 0 {
		e.settle(e.core.last) // a wake-up this call had goes to the next in line
		e.mu.Unlock()
		return 0, 0, ErrFull
	}

	return room, now, nil
}

// AddLocked makes one task of a batch; the caller stores its payload.
func (e *Engine) AddLocked(now Instant) (Slot, TaskID) {
	i, ok := e.core.alloc()
	if !ok {
		panic("tq: more tasks added than PutBatch gave room for")
	}
	e.dirty = true

	return i, e.core.admit(i, now, 0)
}

// Take leases the task that is next for owner and returns with the lock held.
// It waits in line while no task is ready. On an error nothing was leased and
// the lock is not held: ErrClosed, ErrDrained, ErrExhausted, or ctx's error.
func (e *Engine) Take(ctx context.Context, owner string) (Grant, error) {
	now := e.clock.now()
	e.mu.Lock()

	return e.take(ctx, now, owner)
}

func (e *Engine) take(ctx context.Context, now Instant, owner string) (Grant, error) {
	g, err := e.tryTake(now, owner)
	if err == ErrEmpty {
		g, err = e.waitTask(ctx, owner)
	}
	if err != nil {
		e.mu.Unlock()
	}

	return g, err
}

// TryTake is Take that answers ErrEmpty at once.
func (e *Engine) TryTake(owner string) (Grant, error) {
	now := e.clock.now()
	e.mu.Lock()
	g, err := e.tryTake(now, owner)
	if err == ErrEmpty && e.gate.draining {
		err = ErrDrained
	}
	if err != nil {
		e.mu.Unlock()
	}

	return g, err
}

// TakeMore leases one more task under the lock that Take returned with.
func (e *Engine) TakeMore(owner string) (Grant, bool) {
	g, err := e.tryTake(e.core.last, owner)

	return g, err == nil
}

// tryTake leases a task for a caller who is not in line.
func (e *Engine) tryTake(now Instant, owner string) (Grant, error) {
	switch {
	case e.gate.closed:
		return Grant{}, ErrClosed
	case e.gate.drained:
		return Grant{}, ErrDrained
	case e.gate.draining || !e.consumers.mayPass():
		return Grant{}, ErrEmpty
	}

	return e.grant(now, owner)
}

// grant leases the task that is next. Where none is ready it first ends leases
// that are over, so that nobody waits for the timer to come round.
func (e *Engine) grant(now Instant, owner string) (Grant, error) {
	i, err := e.core.grant(now, owner)
	if err == ErrEmpty && e.core.expire(now, batch) > 0 {
		i, err = e.core.grant(now, owner)
		e.settle(e.core.last)
	}
	if err != nil {
		return Grant{}, err
	}
	e.settle(e.core.last)
	s := e.core.at(i)

	return Grant{
		Held: Held{e, i}, Token: s.token(), Slot: i,
		EnqueuedAt: e.core.time(s.enqueued), LastError: s.err,
	}, nil
}

// waitTask leases a task once one is ready. The lock is held, also on an error.
func (e *Engine) waitTask(ctx context.Context, owner string) (Grant, error) {
	if err := e.yield(); err != nil {
		return Grant{}, err
	}
	if g, err := e.tryTake(e.clock.now(), owner); err != ErrEmpty {
		return g, err
	}
	w := e.consumers.waiter()
	defer e.consumers.done(w)
	for {
		if err := e.await(ctx, &e.consumers, w); err != nil {
			return Grant{}, err
		}
		if e.gate.open() {
			if g, err := e.grant(e.clock.now(), owner); err != ErrEmpty {
				return g, err
			}
		}
		e.consumers.overtake(w)
	}
}

// SettleTake settles a lease and takes the next one, in one step where a task
// is ready: one reading of the clock, one hold of the lock. settled is the
// outcome of the first half, err of the second; the lock is held unless err is
// set.
func (e *Engine) SettleTake(ctx context.Context, h Held, t Token, o Outcome, owner string) (g Grant, settled, err error) {
	cause := newTaskError(o.Cause)
	now := e.clock.now()
	e.mu.Lock()
	if o.Verb != Nothing {
		settled = e.apply(h.slot, t, o.Verb, cause, now)
		if settled == nil {
			e.settle(e.core.last)
		}
	}
	g, err = e.take(ctx, now, owner)

	return g, settled, err
}

// verbNames are the operations of a LeaseError.
var verbNames = [...]string{
	Nothing: "nothing", Complete: "complete", Fail: "fail", Release: "release", MoveToDead: "dead-letter",
}

func (e *Engine) apply(i Slot, t Token, v Verb, cause *TaskError, now Instant) (err error) {
	switch v {
	case Complete:
		err = e.core.complete(i, t, now)
	case Fail:
		err = e.core.fail(i, t, cause, now)
	case Release:
		err = e.core.release(i, t, now)
	case MoveToDead:
		err = e.core.deadLetter(i, t, cause, now)
	}
	if err != nil {
		return e.refuse(verbNames[v], t, err)
	}

	return nil
}

func (e *Engine) refuse(op string, t Token, err error) error {
	return &LeaseError{Op: op, Queue: e.core.opt.Name, Token: t, Err: err}
}

func (e *Engine) settleLease(i Slot, t Token, v Verb, cause *TaskError) error {
	now := e.clock.now()
	e.mu.Lock()
	err := e.apply(i, t, v, cause, now)
	if err == nil {
		e.settle(e.core.last)
	}
	e.mu.Unlock()

	return err
}

// Complete implements [Settler]. It never waits, whatever ctx says.
func (e *Engine) Complete(_ context.Context, i Slot, t Token) error {
	return e.settleLease(i, t, Complete, nil)
}

// Fail implements [Settler]. It never waits, whatever ctx says.
func (e *Engine) Fail(_ context.Context, i Slot, t Token, cause error) error {
	return e.settleLease(i, t, Fail, newTaskError(cause))
}

// Release implements [Settler]. It never waits, whatever ctx says.
func (e *Engine) Release(_ context.Context, i Slot, t Token) error {
	return e.settleLease(i, t, Release, nil)
}

// DeadLetter implements [Settler]. It never waits, whatever ctx says.
func (e *Engine) DeadLetter(_ context.Context, i Slot, t Token, cause error) error {
	return e.settleLease(i, t, MoveToDead, newTaskError(cause))
}

// Heartbeat implements [Settler]. It never waits, whatever ctx says.
func (e *Engine) Heartbeat(_ context.Context, i Slot, t Token) (time.Time, error) {
	now := e.clock.now()
	e.mu.Lock()
	until, err := e.core.heartbeat(i, t, now)
	if err == nil {
		e.settle(e.core.last)
	}
	e.mu.Unlock()
	if err != nil {
		return time.Time{}, e.refuse("heartbeat", t, err)
	}

	return e.core.time(until), nil
}

// Deadline implements [Settler].
func (e *Engine) Deadline(i Slot, t Token) time.Time {
	now := e.clock.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.core.holder(i, t, max(now, e.core.last))
	if s == nil {
		return time.Time{}
	}

	return e.core.time(s.until)
}

// Resume finds the lease behind a token that came back from outside and
// returns with the lock held. The error matches ErrLeaseLost if it no longer
// holds.
func (e *Engine) Resume(t Token) (Grant, error) {
	now := e.clock.now()
	e.mu.Lock()
	i := e.core.lookup(t.Task)
	s := e.core.holder(i, t, max(now, e.core.last))
	if s == nil {
		e.mu.Unlock()
		return Grant{}, e.refuse("resume", t, ErrLeaseLost)
	}

	return Grant{
		Held: Held{e, i}, Token: t, Slot: i,
		EnqueuedAt: e.core.time(s.enqueued), LastError: s.err,
	}, nil
}

// lockUpToDate returns with the lock held and nothing overdue, even if the
// timer is late or, after Close, gone. It holds the lock for a batch at a time.
func (e *Engine) lockUpToDate() Instant {
	for {
		now := e.clock.now()
		e.mu.Lock()
		expired := e.core.expire(now, batch)
		ripened := e.core.ripen(e.core.last, batch)
		if expired+ripened > 0 {
			e.settle(e.core.last)
		}
		if expired < batch && ripened < batch {
			return e.core.last
		}
		e.mu.Unlock()
	}
}

// Stats is one consistent reading.
func (e *Engine) Stats() Stats {
	now := e.lockUpToDate()
	defer e.mu.Unlock()
	c := &e.core
	s := Stats{
		Exact: true, Ready: len(c.first) + c.ready.n + len(c.due), Delayed: len(c.delayed), Leased: c.leased.n,
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
		s.SlowestLag = max(s.SlowestLag, c.log.seq+1-r.next)
	}

	return s
}
