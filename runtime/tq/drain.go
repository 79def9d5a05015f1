package tq

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// signal wakes everybody who waits for the next time something happens. The
// consumers' lock guards it.
type signal struct{ ch chan struct{} }

// next is closed when it happens next.
func (s *signal) next() <-chan struct{} {
	if s.ch == nil {
		s.ch = make(chan struct{})
	}

	return s.ch
}

func (s *signal) notify() {
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// Drain stops admission and grants, waits up to grace for leases to be
// settled, then takes out every task in one step, leased ones as released. It
// returns with the lock held; the caller copies the payloads and calls
// Drained. If ctx ends before that step, the queue goes on as if nothing had
// been, and the lock is not held. Draining a drained queue gives no tasks; a
// drain that finds another one under way waits for it first.
func (e *Engine) Drain(ctx context.Context, grace time.Duration) (SnapshotHeader, []TaskRef, error) {
	e.lockAll()
	err := e.claimDrain(ctx)
	if err == nil {
		err = e.awaitLeases(ctx, grace)
		e.gate.draining = false
		e.drainEnds.notify()
	}
	if e.gate.deposed {
		err = ErrDeposed
	}
	if err != nil {
		e.Unlock()
		return SnapshotHeader{}, nil, err
	}
	for e.core.expire(e.clock.now(), batch) == batch {
		continue
	}
	h, refs := e.core.drain(e.core.last)
	e.gate.drained = true
	e.producers.dismiss(ErrDrained)
	e.consumers.dismiss(ErrDrained)

	return h, refs, nil
}

// Drained ends the bracket that Drain began: the payloads are let go. The error
// is an *UncertainError, and then the snapshot is all there is of the tasks.
func (e *Engine) Drained(ctx context.Context) error {
	e.core.drained()

	return e.Finish(ctx)
}

// claimDrain makes this the one drain under way.
func (e *Engine) claimDrain(ctx context.Context) error {
	for e.gate.draining {
		if err := e.waitFor(ctx, &e.drainEnds, nil); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	e.gate.draining = true

	return nil
}

// awaitLeases waits until nothing is leased, at most for grace.
func (e *Engine) awaitLeases(ctx context.Context, grace time.Duration) error {
	end := e.clock.now() + Instant(grace)
	over := time.NewTimer(0)
	defer over.Stop()
	for e.core.leased.n > 0 {
		until := end
		if e.gate.closed { // no timer ends leases any more
			until = min(until, e.core.at(e.core.nextLease()).until)
		}
		now := e.clock.now()
		if now >= end {
			return nil
		}
		over.Reset((until - now).duration())
		if err := e.waitFor(ctx, &e.leasesEnd, over.C); err != nil && err != errOver {
			return err
		}
		if e.core.expire(e.clock.now(), batch) > 0 {
			e.settle(e.core.last)
		}
	}

	return ctx.Err()
}

// errOver says that the time a wait may take is over.
var errOver = errors.New("tq: waited long enough")

// waitFor waits, without the locks, until s happens or over fires, which is
// errOver, or ctx is done.
func (e *Engine) waitFor(ctx context.Context, s *signal, over <-chan time.Time) error {
	ch := s.next()
	e.Unlock()
	defer e.lockAll()
	select {
	case <-ch:
		return nil
	case <-over:
		return errOver
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Reopen lets producers and workers in again after a drain. It is no error if
// they never were kept out; ErrClosed after Close, ErrDrained while a drain is
// under way.
func (e *Engine) Reopen() error {
	e.lockAll()
	defer e.Unlock()
	if err := e.mayRestore(); err != nil {
		return err
	}
	e.gate.drained = false

	return nil
}

func (e *Engine) mayRestore() error {
	switch {
	case e.gate.deposed:
		return ErrDeposed
	case e.gate.closed:
		return ErrClosed
	case e.gate.draining:
		return ErrDrained
	default:
		return nil
	}
}

// Restore puts the tasks of a snapshot back exactly as they were, reopens the
// queue and returns with the lock held: the caller stores the payload of task
// i at slots[i], unless that is negative, and calls Finish. Tasks that are
// live or dead here are passed over, and so is a whole snapshot that was
// restored before (the latest 4,096 are remembered, after a promotion, too). It
// waits for no room. Capacity and the bound of dead letters may be exceeded by
// it; the next death purges down to the bound. Later grants have a term above the
// snapshot's HighestEpoch, so one from a source that is not trusted can use up
// the terms.
//
// On an error nothing was changed: ErrFull if there are no slots for all,
// ErrClosed, ErrDrained while a drain is under way, ErrExhausted, or what is
// wrong with the snapshot. ctx is for claiming terms, of a queue that must: see
// [Engine.Own].
func (e *Engine) Restore(
	ctx context.Context, h SnapshotHeader, n int, state func(i int) *TaskState,
) (slots []Slot, err error) {
	if err := e.claimFor(ctx, h); err != nil {
		return nil, err
	}
	now := e.clock.now()
	e.lockAll()
	if err = e.mayRestore(); err == nil {
		slots, err = e.core.restore(h, n, state, now)
	}
	if err != nil {
		e.Unlock()
		return nil, err
	}
	e.gate.drained = false

	return slots, nil
}

// DeadLetters lists up to limit dead letters whose number is above after, in
// the order they died, with the lock held; Unlock follows. On an error,
// ErrDeposed, it is not held.
func (e *Engine) DeadLetters(after uint64, limit int) (refs []TaskRef, err error) {
	e.lockAll()
	if e.gate.deposed {
		e.Unlock()
		return nil, ErrDeposed
	}
	c := &e.core
	for i := c.deadAfter(after); i >= 0 && len(refs) < limit; i = c.at(i).next {
		refs = append(refs, c.ref(i, c.last))
	}

	return refs, nil
}

// leasesAfter lists up to limit leases behind that deadline and epoch, in the
// order of the two.
func (c *core) leasesAfter(deadline Instant, epoch Epoch, limit int) (refs []TaskRef) {
	i, k := c.leased.head, c.kept.head
	last := never
	for i >= 0 || k >= 0 {
		next := &i
		if i < 0 || k >= 0 && c.at(k).until <= c.at(i).until {
			next = &k
		}
		s := c.at(*next)
		// Those of one deadline stand in the order they were granted or extended,
		// so all of them are needed to know which come first.
		if len(refs) >= limit && s.until != last {
			break
		}
		if s.until > deadline || s.until == deadline && s.epoch > epoch {
			refs, last = append(refs, c.ref(*next, c.last)), s.until
		}
		*next = s.next
	}
	slices.SortFunc(refs, func(a, b TaskRef) int {
		return cmp.Or(a.Deadline.Compare(b.Deadline), cmp.Compare(a.LastToken.Epoch, b.LastToken.Epoch))
	})

	return refs[:min(len(refs), max(limit, 0))]
}

// NextDead waits for the dead letter after the given number and returns with
// the lock held. ErrGap if the bound purged letters in between; the Number of
// the ref then says up to where. Of the time before a promotion nobody knows
// whether it was the bound: then it is ErrGap for all that are gone. On an error
// the lock is not held. After Close it gives what is there, then ErrClosed;
// ErrDeposed likewise.
func (e *Engine) NextDead(ctx context.Context, after uint64) (TaskRef, error) {
	e.lockAll()
	c := &e.core
	for {
		if c.purgedTo > after {
			defer e.Unlock()
			return TaskRef{Number: c.purgedTo}, ErrGap
		}
		if i := c.deadAfter(after); i >= 0 {
			return c.ref(i, c.last), nil
		}
		err := error(nil)
		if e.gate.still() {
			err = e.gate.turnsAway()
		} else {
			err = e.waitFor(ctx, &e.deaths, nil)
		}
		if err != nil {
			e.Unlock()
			return TaskRef{}, err
		}
	}
}

// Redrive makes a dead letter ready again, with all its attempts. ErrFull if
// there is no room, ErrUnknownTask if it is no dead letter here, ErrClosed,
// ErrDrained.
func (e *Engine) Redrive(ctx context.Context, id TaskID) error {
	return e.operate(ctx, func(now Instant) error {
		if err := e.gate.err(); err != nil {
			return err
		}

		return e.core.redrive(id, now)
	})
}

// Purge removes a dead letter for good. ErrUnknownTask if it is none here.
func (e *Engine) Purge(ctx context.Context, id TaskID) error {
	return e.operate(ctx, func(now Instant) error {
		if e.gate.deposed {
			return ErrDeposed
		}
		i := e.core.deadSlot(id)
		if i < 0 {
			return ErrUnknownTask
		}
		e.core.purge(i, e.core.clock(now), false)

		return nil
	})
}

func (e *Engine) operate(ctx context.Context, op func(now Instant) error) error {
	now := e.clock.now()
	e.lockAll()
	if err := op(now); err != nil {
		e.Unlock()
		return err
	}

	return e.Finish(ctx)
}
