package tq

import (
	"context"
	"runtime"
	"time"
)

// Take leases the task that is next for owner and returns with the lock held,
// the lease in g. It waits in line while no task is ready, or the queue is paused.
// On an error nothing was leased and the lock is not held: ErrClosed, ErrDrained,
// ErrExhausted, or ctx's error.
func (e *Engine) Take(ctx context.Context, owner string, g *Grant) error {
	now := e.clock.now()
	e.mu.Lock()
	i, err := e.tryTake(now, owner)
	if err == ErrEmpty {
		i, err = e.waitTask(ctx, owner)
	}
	if err != nil {
		e.mu.Unlock()
		return err
	}
	e.show(i, g)

	return nil
}

// show fills in the lease of the task in slot i. A grant is large, so it is made
// where it is wanted.
func (e *Engine) show(i Slot, g *Grant) {
	s := e.core.at(i)
	g.Held.by, g.Held.slot, g.Slot = e, i, i
	g.Token.Task, g.Token.Attempt = s.id, int(s.granted)
	g.Token.Incarnation, g.Token.Epoch = s.granter, s.epoch
	g.EnqueuedAt = e.core.enqueuedAt(s)
	g.LastError = nil
	if s.more {
		g.LastError = s.err
	}
}

// TryTake is Take that answers ErrEmpty at once.
func (e *Engine) TryTake(owner string, g *Grant) error {
	now := e.clock.now()
	e.mu.Lock()
	i, err := e.tryTake(now, owner)
	if err == ErrEmpty && e.gate.draining {
		err = ErrDrained
	}
	if err != nil {
		e.mu.Unlock()
		return err
	}
	e.show(i, g)

	return nil
}

// TakeMore leases one more task under the lock that Take returned with, and
// says whether one was ready. Who was let in then is let in still.
func (e *Engine) TakeMore(owner string, g *Grant) bool {
	i, err := e.grant(e.core.last, owner)
	if err != nil {
		return false
	}
	e.show(i, g)

	return true
}

// tryTake leases a task for a caller who is not in line.
func (e *Engine) tryTake(now Instant, owner string) (Slot, error) {
	if !e.gate.open() {
		if err := e.gate.turnsAway(); err != nil {
			return noSlot, err
		}

		return noSlot, ErrEmpty // and wait for the drain to end
	}
	if e.paused || !e.consumers.mayPass() {
		return noSlot, ErrEmpty
	}

	return e.grant(now, owner)
}

// grant leases the task that is next. What producers have left comes after all
// that is ready, so it is not looked at before that runs out. Then it ends
// leases that are over, so that nobody waits for the timer to come round.
func (e *Engine) grant(now Instant, owner string) (Slot, error) {
	c := &e.core
	if c.ready.n == 0 && len(c.first) == 0 || c.cross.unseen.Load() {
		e.takeOver(false)
	}
	i, err := c.grant(now, owner)
	expired := err == ErrEmpty && c.expire(now, batch) > 0
	if expired {
		i, err = c.grant(now, owner)
	}
	if expired || err == nil && (e.consumers.head != nil || e.parked > 0 || c.last+Instant(c.opt.Lease) < e.armed) {
		e.settle(c.last) // a grant promises no more than that to anybody
	}

	return i, err
}

// waitTask leases a task once one is ready. mu is held, also on an error.
func (e *Engine) waitTask(ctx context.Context, owner string) (Slot, error) {
	e.mu.Unlock()
	runtime.Gosched() // a task is often one scheduling away, and parking costs far more
	now := e.clock.now()
	e.mu.Lock()
	if i, err := e.tryTake(now, owner); err != ErrEmpty {
		return i, err
	}
	w := e.consumers.waiter()
	defer e.consumers.done(w)
	for {
		if err := e.gate.turnsAway(); err != nil {
			return noSlot, err // since w was woken
		}
		e.consumers.join(w)
		e.settle(e.core.last) // a task may have come before w was in line
		if err := e.consumers.await(ctx, &e.mu, w); err != nil {
			e.settle(e.core.last)
			return noSlot, err
		}
		if e.gate.open() && !e.paused {
			if i, err := e.grant(e.clock.now(), owner); err != ErrEmpty {
				return i, err
			}
		}
		e.consumers.overtake(w)
	}
}

// SettleTake settles a lease and takes the next one, in one step where a task
// is ready: one reading of the clock, one hold of the lock. settled is the
// outcome of the first half, err of the second; the lock is held unless err is
// set. Nothing is taken after a half that is not acknowledged.
func (e *Engine) SettleTake(
	ctx context.Context, h Held, t Token, o Outcome, owner string, g *Grant,
) (settled, err error) {
	cause := newTaskError(o.Cause)
	now := e.clock.now()
	e.mu.Lock()
	if o.Verb != Nothing {
		settled = e.apply(h.slot, &t, o.Verb, cause, now)
		switch {
		case settled != nil:
		case o.Verb == Complete:
			e.completed(1)
		default:
			e.settle(e.core.last)
		}
		if e.confirming && settled == nil {
			if settled = e.confirmLocked(ctx); settled != nil {
				e.mu.Unlock()
				return settled, settled
			}
			now = e.clock.now()
		}
	}
	i, err := e.tryTake(now, owner)
	if err == ErrEmpty {
		i, err = e.waitTask(ctx, owner)
	}
	if err != nil {
		e.mu.Unlock()
		return settled, err
	}
	e.show(i, g)

	return settled, nil
}

// confirmLocked is confirm of what is in the log; mu is held before and after,
// and not in between.
func (e *Engine) confirmLocked(ctx context.Context) error {
	seq := e.core.log.seq
	e.mu.Unlock()
	defer e.mu.Lock()

	return e.confirm(ctx, seq)
}

// verbNames are the operations of a LeaseError.
var verbNames = [...]string{
	Nothing: "nothing", Complete: "complete", Fail: "fail", Release: "release", MoveToDead: "dead-letter",
}

// apply settles a lease; mu is held. What becomes ready by it is behind what
// producers have left before.
func (e *Engine) apply(i Slot, t *Token, v Verb, cause *TaskError, now Instant) (err error) {
	if v == Complete {
		e.catchUp()
	} else {
		e.takeOver(false)
	}
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
		return e.refuse(verbNames[v], *t, err)
	}

	return nil
}

// refuse says why a lease is refused; mu is held.
func (e *Engine) refuse(op string, t Token, err error) error {
	e.refused.stale(op)
	if e.gate.deposed {
		err = errRevoked
	}

	return &LeaseError{Op: op, Queue: e.core.opt.Name, Token: t, Err: err}
}

func (e *Engine) settleLease(ctx context.Context, i Slot, t *Token, v Verb, cause *TaskError) error {
	now := e.clock.now()
	e.mu.Lock()
	err := e.apply(i, t, v, cause, now)
	if err != nil {
		e.mu.Unlock()
		return err
	}
	e.settle(e.core.last)

	return e.Finish(ctx)
}

// Complete implements [Settler]. It waits for nothing but a synchronous reader,
// and ctx ends only that.
func (e *Engine) Complete(ctx context.Context, i Slot, t Token) error {
	now := e.clock.now()
	e.mu.Lock()
	e.catchUp()
	if err := e.core.complete(i, &t, now); err != nil {
		err = e.refuse("complete", t, err)
		e.mu.Unlock()
		return err
	}
	e.completed(1)

	return e.Finish(ctx)
}

// completed is settle for tasks that are gone: they make room, they are events,
// and nobody needs to wait for them.
func (e *Engine) completed(n int) {
	e.core.leave(n)
	if e.short.Load() || e.parked > 0 || e.leasesEnd.ch != nil {
		e.settle(e.core.last)
	}
}

// Fail implements [Settler]. It waits as Complete does.
func (e *Engine) Fail(ctx context.Context, i Slot, t Token, cause error) error {
	return e.settleLease(ctx, i, &t, Fail, newTaskError(cause))
}

// Release implements [Settler]. It waits as Complete does.
func (e *Engine) Release(ctx context.Context, i Slot, t Token) error {
	return e.settleLease(ctx, i, &t, Release, nil)
}

// DeadLetter implements [Settler]. It waits as Complete does.
func (e *Engine) DeadLetter(ctx context.Context, i Slot, t Token, cause error) error {
	return e.settleLease(ctx, i, &t, MoveToDead, newTaskError(cause))
}

// Heartbeat implements [Settler]. It waits as Complete does; the deadline holds
// even if nobody acknowledges it.
func (e *Engine) Heartbeat(ctx context.Context, i Slot, t Token) (time.Time, error) {
	now := e.clock.now()
	e.mu.Lock()
	e.catchUp()
	until, err := e.core.heartbeat(i, &t, now)
	if err != nil {
		err = e.refuse("heartbeat", t, err)
		e.mu.Unlock()
		return time.Time{}, err
	}
	e.settle(e.core.last)

	return e.core.time(until), e.Finish(ctx)
}

// Deadline implements [Settler].
func (e *Engine) Deadline(i Slot, t Token) time.Time {
	s := e.lockHolder(i, &t)
	defer e.mu.Unlock()
	if s == nil {
		return time.Time{}
	}

	return e.core.time(s.until)
}

// Owner implements [Settler].
func (e *Engine) Owner(i Slot, t Token) string {
	s := e.lockHolder(i, &t)
	defer e.mu.Unlock()
	if s == nil {
		return ""
	}

	return s.owner
}

// TraceParent implements [Tracer].
func (e *Engine) TraceParent(i Slot, t Token) string {
	s := e.lockHolder(i, &t)
	defer e.mu.Unlock()
	if s == nil {
		return ""
	}

	return s.trace
}

// lockHolder gives the slot of a lease that holds, nil if it does not, and
// returns with the lock held.
func (e *Engine) lockHolder(i Slot, t *Token) *slot {
	now := e.clock.now()
	e.mu.Lock()

	return e.core.holder(i, t, max(now, e.core.last))
}

// Resume finds the lease behind a token that came back from outside and
// returns with the lock held. The error matches ErrLeaseLost if it no longer
// holds; its code is [CodeLeaseExpired] if the deadline ended the lease and
// nobody was granted the task since, [CodeDeadLettered] if the task is a dead
// letter, [CodeUnknownTask] if it is not in the queue, or not any more, and
// otherwise [CodeLeaseLost].
func (e *Engine) Resume(t Token, g *Grant) error {
	now := e.clock.now()
	e.mu.Lock()
	if e.core.index == nil {
		e.mu.Unlock()
		e.lockAll()
		e.core.buildIndex()
	}
	i := e.core.lookup(t.Task)
	if e.core.holder(i, &t, max(now, e.core.last)) == nil {
		err := e.refuse("resume", t, e.core.whyLost(i, &t))
		e.Unlock()
		return err
	}
	e.show(i, g)

	return nil
}
