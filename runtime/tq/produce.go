package tq

import (
	"context"
	"runtime"
	"time"
)

// Put hands out a slot to fill, with the lock held; Enqueue, TryEnqueue or
// EnqueueAt must follow at once. ctx is that of the producer, and nothing waits
// for it here. ErrClosed, ErrDrained, or ErrFull if as many producers wait as
// may.
func (e *Engine) Put(ctx context.Context) (Slot, Instant, error) {
	trace := e.traceOf(ctx)
	now := e.clock.now()
	e.pmu.Lock()
	i, err := e.put()
	if err != nil {
		e.pmu.Unlock()
		return i, now, e.refused.enqueue(err)
	}
	if trace != "" {
		e.core.at(i).from(trace)
	}

	return i, now, nil
}

func (e *Engine) put() (Slot, error) {
	for {
		if err := e.gate.turnsAway(); err != nil {
			return noSlot, err
		}
		if e.producers.n+e.yielding >= e.core.opt.MaxWaiting {
			return noSlot, ErrFull
		}
		if i, ok := e.core.alloc(); ok {
			return i, nil
		}
		if !e.provide() {
			return noSlot, ErrFull
		}
	}
}

// provide fetches free slots, or gets storage for new ones, and says whether
// there are any. pmu is held before and after, and not in between.
func (e *Engine) provide() bool {
	e.pmu.Unlock()
	e.lockAll()
	ok := e.core.provide()
	e.settle(e.core.last)
	e.whole = false
	e.mu.Unlock()

	return ok
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
		if err := e.waitRoom(ctx); err != nil {
			e.core.takeBack(i)
			e.pmu.Unlock()
			return TaskID{}, e.refused.enqueue(err)
		}
		asked := now
		now = e.clock.now()
		if e.core.meters != nil {
			e.core.measureBlocked(max(now-asked, 0))
		}
	}

	return e.leave(ctx, i, now, due)
}

// TryEnqueue makes the filled slot a task and unlocks. ErrFull, ErrDrained or
// ErrClosed at once, and then nothing was enqueued.
func (e *Engine) TryEnqueue(ctx context.Context, i Slot, now Instant) (TaskID, error) {
	err := e.gate.err()
	if err == nil && !e.roomFor(1) {
		err = ErrFull
	}
	if err != nil {
		e.core.takeBack(i)
		e.pmu.Unlock()
		return TaskID{}, e.refused.enqueue(err)
	}

	return e.leave(ctx, i, now, 0)
}

// leave leaves the filled slot for the consumers and unlocks pmu. It serves
// them if they asked for it, or if the timer may have to be armed, or if a
// synchronous reader is to have the event before anybody goes on. Then the
// error may be an *UncertainError, with the id of the task.
func (e *Engine) leave(ctx context.Context, i Slot, now, due Instant) (TaskID, error) {
	attend := &e.core.cross.attend
	id := e.core.admit(i, now, due)
	if e.producers.head != nil {
		e.callProducer()
	}
	serve, confirm := due > now, e.confirming
	if attend.Load() {
		attend.Store(false)
		serve = true
	}
	e.pmu.Unlock()
	if confirm {
		return id, e.confirm(ctx, e.serve())
	}
	if serve {
		e.serve()
	}

	return id, nil
}

// roomFor says whether a newcomer may add n tasks without joining the line.
func (e *Engine) roomFor(n int) bool {
	return e.gate.open() && e.producers.mayPass() && e.core.room(n)
}

// waitRoom returns with room for one task. pmu is held, also on an error.
func (e *Engine) waitRoom(ctx context.Context) error {
	e.yielding++
	e.pmu.Unlock()
	runtime.Gosched() // room is often one scheduling away, and parking costs far more
	e.pmu.Lock()
	e.yielding--
	if err := e.gate.turnsAway(); err != nil {
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
		if err := e.gate.turnsAway(); err != nil {
			return err // since w was woken
		}
		e.producers.join(w)
		e.callProducer() // room may have come before w was in line
		if err := e.producers.await(ctx, &e.pmu, w); err != nil {
			e.callProducer()
			return err
		}
		if e.gate.open() && e.core.room(1) {
			return nil
		}
		e.producers.overtake(w)
	}
}

// PutBatch waits for room for at least one of want tasks and returns, with the
// lock held, how many fit. AddLocked follows for each of them, then Finish.
// The errors are those of Enqueue.
func (e *Engine) PutBatch(ctx context.Context, want int) (room int, now Instant, err error) {
	c := &e.core
	trace := e.traceOf(ctx)
	for {
		if err := e.claim(ctx); err != nil {
			return 0, 0, e.refused.enqueue(err)
		}
		now = e.clock.now()
		e.lockAll()
		c.cross.gone.Add(1) // the claim
		if e.gate.open() {
			break
		}
		e.Unlock() // a drain has begun in between, or something final: claim says which
	}
	room = want
	if !c.room(want) {
		room = max(1, c.opt.Capacity-int(c.in.admitted-c.in.seen)) // one was claimed, whatever Restore has added
	}
	room = min(room, c.unused())
	if room <= 0 {
		e.Unlock() // a wake-up this call had goes to the next in line
		return 0, 0, e.refused.enqueue(ErrFull)
	}

	e.batchTrace = trace

	return room, now, nil
}

// claim waits for room for one task, and keeps it as if there were one.
func (e *Engine) claim(ctx context.Context) error {
	e.pmu.Lock()
	defer e.pmu.Unlock()
	if err := e.gate.turnsAway(); err != nil {
		return err
	}
	if !e.roomFor(1) {
		asked := e.clock.now()
		if err := e.waitRoom(ctx); err != nil {
			return err
		}
		if e.core.meters != nil {
			e.core.measureBlocked(max(e.clock.now()-asked, 0))
		}
	}
	e.core.in.admitted++
	e.callProducer()

	return nil
}

// AddLocked makes one task of a batch; the caller stores its payload.
func (e *Engine) AddLocked(now Instant) (Slot, TaskID) {
	i := e.core.mustAlloc()
	if e.batchTrace != "" {
		e.core.at(i).from(e.batchTrace)
	}

	return i, e.core.admit(i, now, 0)
}
