package tq

import (
	"context"
	"fmt"
	"time"
)

// Takeover says how an engine takes over from the queue that a replica follows.
type Takeover struct {
	// Term of all later epochs. It must be above every term there was.
	Term uint64
	// Revoke ends all leases at once: their tasks are ready before all others,
	// and the attempts do not count. Otherwise leases hold until their deadline.
	Revoke bool
	// ClockSkew is how far the clock here may be ahead of the one that set the
	// deadlines, 0 to MaxLease. Leases that are kept hold that much longer.
	ClockSkew time.Duration
}

func (t Takeover) check() error {
	if t.ClockSkew < 0 || t.ClockSkew > MaxLease {
		return fmt.Errorf("ClockSkew %v is not in 0…%v", t.ClockSkew, MaxLease)
	}

	return nil
}

// Heir is the incarnation of the queue that the replica is promoted to, unless
// that one is opened with another. It stays the same however often that is
// tried.
func (r *Replica) Heir() Incarnation { return r.heir }

// Term is the highest term the replica knows of.
func (r *Replica) Term() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.epoch.Term()
}

// Adopt makes the engine, empty and used by nobody yet, go on where a replica
// stands: with its tasks as they are, its counters, and the sequence after its
// last event. It returns with the lock held: the caller moves the payload of
// each of refs, at its slot in the replica, to the place of the same number in
// slots, and calls Unlock. The replica takes no further events.
//
// On an error nothing has changed and the lock is not held: ErrFull if there
// are no slots for all tasks, ErrDeposed if the term is not above all known
// ones, ErrExhausted, ErrClosed if the replica was promoted before.
func (e *Engine) Adopt(r *Replica, how Takeover) (refs []TaskRef, slots []Slot, err error) {
	now := e.clock.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	e.lockAll()
	if err = e.mayAdopt(r, how); err != nil {
		e.Unlock()
		return nil, nil, err
	}
	r.drop()
	r.over = true
	refs = r.refs(e.core.time(now))

	return refs, e.core.adopt(r, refs, how, e.core.clock(now)), nil
}

// Adoptable says what Adopt would, without doing it.
func (e *Engine) Adoptable(r *Replica, how Takeover) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.lockAll()
	defer e.Unlock()

	return e.mayAdopt(r, how)
}

func (e *Engine) mayAdopt(r *Replica, how Takeover) (err error) {
	c := &e.core
	switch {
	case !e.gate.open():
		err = e.gate.err()
	case r.over:
		err = ErrClosed
	case c.opt.Name != r.opt.Name:
		err = fmt.Errorf("%w: to queue %q", ErrForeign, c.opt.Name)
	case c.opt.Incarnation == r.at.Incarnation:
		err = fmt.Errorf("incarnation %v is the one that is over: it needs a new one", c.opt.Incarnation)
	case c.in.used > 0 || c.log.seq > 0:
		err = fmt.Errorf("the queue to take over is not empty")
	case how.Term > MaxTerm:
		err = ErrExhausted
	case how.Term <= r.epoch.Term():
		err = fmt.Errorf("%w: term %d, and there was %d", ErrDeposed, how.Term, r.epoch.Term())
	case len(r.index) > c.unused():
		err = fmt.Errorf("%w: %d tasks do not fit", ErrFull, len(r.index))
	default:
		err = how.check()
	}
	if err != nil {
		return fmt.Errorf("tq: promote replica of %q: %w", r.opt.Name, err)
	}

	return nil
}

func (c *core) adopt(r *Replica, refs []TaskRef, how Takeover, now Instant) []Slot {
	c.epoch = firstOfTerm(how.Term)
	c.log.seq, c.count, c.deaths, c.purgedTo = r.at.Sequence, r.count, r.deaths, r.deaths
	c.restored = r.restored
	r.restored = restoredIDs{}
	slots := make([]Slot, len(refs))
	for n := range refs {
		slots[n] = c.mustAlloc()
		c.adoptOne(slots[n], &refs[n], how, now)
	}
	c.takeOver() // free slots

	return slots
}

// adoptOne adds one task as it is. They come in the order of their lines.
func (c *core) adoptOne(i Slot, t *TaskRef, how Takeover, now Instant) {
	s := c.at(i)
	c.inherit(s, &t.TaskState)
	if t.State != Dead {
		c.in.admitted++
		if t.State == Leased && !how.Revoke {
			c.depth(0, 1)
		} else {
			c.depth(1, 1)
		}
	}
	switch t.State {
	case Leased:
		if how.Revoke {
			s.attempt--
			c.waitFirst(i, s, now)
			return
		}
		s.owner, s.more = t.Owner, true
		s.phase, s.until = phaseLeased, c.keptUntil(t.Deadline, how.ClockSkew, now)
		c.push(&c.kept, i, s)
		c.leased.n++
	case ReadyFirst:
		c.waitFirst(i, s, c.since(&t.TaskState, now))
	case Ready:
		s.phase, s.until = phaseReady, c.since(&t.TaskState, now)
		c.push(&c.ready, i, s)
	case Delayed:
		s.phase = phaseDelayed
		c.waitUntil(&c.delayed, i, s, c.wallCapped(t.AvailableAt))
	case Dead:
		s.phase, s.figure = phaseDead, int64(t.Number)
		c.purgedTo = min(c.purgedTo, t.Number-1)
		c.push(&c.dead, i, s)
	}
}

// inherit copies into a slot what a task keeps whatever becomes of it.
func (c *core) inherit(s *slot, t *TaskState) {
	s.id, s.enqueued = t.ID, c.wall(t.EnqueuedAt)
	s.attempt = int16(t.Attempt)
	s.from(traceParent(t.TraceParent))
	if t.LastError != nil {
		s.fault(t.LastError)
	}
	s.epoch, s.granter, s.granted = t.LastToken.Epoch, t.LastToken.Incarnation, int32(t.LastToken.Attempt)
}

// keptUntil is the deadline here of a lease that was granted elsewhere.
func (c *core) keptUntil(deadline time.Time, skew time.Duration, now Instant) Instant {
	return wholeTicks(min(c.wallCapped(deadline), now+Instant(MaxLease)) + Instant(skew))
}

// wallCapped is wall of a time that may be any, and before never.
func (c *core) wallCapped(t time.Time) Instant { return min(c.wall(t), never/tick*tick-tick) }

// Term is that of the queue's epochs.
func (e *Engine) Term() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()

	return e.core.epoch.Term()
}

// Own makes later epochs those of a term that was claimed for this queue, if
// its own is below. From then on Restore calls claim, without any lock, for all
// terms up to one that it needs; its error is Restore's.
func (e *Engine) Own(term uint64, claim func(ctx context.Context, term uint64) error) error {
	e.lockAll()
	defer e.Unlock()
	if e.gate.deposed {
		return ErrDeposed
	}
	if term > MaxTerm {
		return ErrExhausted
	}
	e.core.epoch = max(e.core.epoch, firstOfTerm(term))
	e.raise = claim

	return nil
}

// claimFor claims the terms that restoring a snapshot needs.
func (e *Engine) claimFor(ctx context.Context, h SnapshotHeader) error {
	e.mu.Lock()
	claim, term := e.raise, e.core.epoch.Term()
	e.mu.Unlock()
	if claim == nil || h.HighestEpoch.Term() < term || h.HighestEpoch.Term() >= MaxTerm {
		return nil
	}

	return claim(ctx, h.HighestEpoch.Term()+1)
}

// Depose says that another owner has taken over with the given term. All leases
// are revoked, as if released, and from then on everything that would change
// the queue answers ErrDeposed, waiting callers included; those who wait for a
// synchronous reader get an *UncertainError with it. What was in it can still be
// looked at: by WatchNow, Stats and readers, which get what there is
// and then ErrDeposed. Deposing again is no error; a term that is not above the
// queue's own is one, and changes nothing.
func (e *Engine) Depose(term uint64) error {
	now := e.clock.now()
	e.lockAll()
	defer e.Unlock()
	if own := e.core.epoch.Term(); term <= own {
		return fmt.Errorf("tq: depose %q: term %d is not above its own, %d", e.core.opt.Name, term, own)
	}
	if e.gate.deposed {
		return nil
	}
	e.gate.deposed = true
	e.core.revoke(now)
	e.producers.dismiss(ErrDeposed)
	e.consumers.dismiss(ErrDeposed)
	e.confirms.depose()
	if e.timer != nil {
		e.timer.Stop()
	}
	e.wakeCursors()
	e.deaths.notify()
	e.drainEnds.notify()
	e.core.closeWatches()

	return nil
}

// revoke releases all leases in one operation.
func (c *core) revoke(now Instant) {
	now = c.clock(now)
	c.log.whole = c.leased.n
	for c.leased.n > 0 {
		i := c.nextLease()
		s := c.at(i)
		c.unlease(i, s, now)
		s.attempt--
		c.count.Released++
		c.waitFirst(i, s, now)
		c.depth(1, 0)
		c.record(Released, 0, i, now, c.leased.n > 0)
	}
	c.log.whole = 0
}
