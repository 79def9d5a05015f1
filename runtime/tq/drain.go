package tq

import (
	"context"
	"errors"
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

// Drained ends the bracket that Drain began: the payloads are let go.
func (e *Engine) Drained() {
	e.core.drained()
	e.Unlock()
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
			until = min(until, e.core.at(e.core.leased.head).until)
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
// i at slots[i], unless that is negative, and calls Unlock. Tasks that are
// live or dead here are passed over, and so is a whole snapshot that was
// restored before (the latest 4,096 are remembered). It never waits. Capacity
// and the bound of dead letters may be exceeded by it; the next death purges
// down to the bound. Later grants have a term above the snapshot's
// HighestEpoch, so one from a source that is not trusted can use up the terms.
//
// On an error nothing was changed: ErrFull if there are no slots for all,
// ErrClosed, ErrDrained while a drain is under way, ErrExhausted, or what is
// wrong with the snapshot.
func (e *Engine) Restore(h SnapshotHeader, n int, state func(i int) *TaskState) (slots []Slot, err error) {
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
// the order they died, with the lock held; Unlock follows.
func (e *Engine) DeadLetters(after uint64, limit int) []TaskRef {
	e.lockAll()
	var refs []TaskRef
	c := &e.core
	for i := c.deadAfter(after); i >= 0 && len(refs) < limit; i = c.at(i).next {
		refs = append(refs, c.ref(i, c.last))
	}

	return refs
}

// NextDead waits for the dead letter after the given number and returns with
// the lock held. ErrGap if the bound purged letters in between; the Number of
// the ref then says up to where. On an error the lock is not held. After Close
// it gives what is there, then ErrClosed.
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
		if e.gate.closed {
			err = ErrClosed
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
func (e *Engine) Redrive(id TaskID) error {
	return e.operate(func(now Instant) error {
		if err := e.gate.err(); err != nil {
			return err
		}

		return e.core.redrive(id, now)
	})
}

// Purge removes a dead letter for good. ErrUnknownTask if it is none here.
func (e *Engine) Purge(id TaskID) error {
	return e.operate(func(now Instant) error {
		i := e.core.deadSlot(id)
		if i < 0 {
			return ErrUnknownTask
		}
		e.core.purge(i, e.core.clock(now), false)

		return nil
	})
}

func (e *Engine) operate(op func(now Instant) error) error {
	now := e.clock.now()
	e.lockAll()
	defer e.Unlock()

	return op(now)
}
