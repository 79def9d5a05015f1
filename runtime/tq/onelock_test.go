package tq

import (
	"context"
	"time"
)

// OneLock is an Engine with one lock in effect, the reference for the one with
// two: a producer holds both from beginning to end, so what it does is in the
// core, and in the log, before anybody else does anything, and nothing is ever
// found in the intake. Consumers' methods are the Engine's. No queue may have
// producers of both kinds.
type OneLock struct{ *Engine }

// Lock and Unlock are for waiting in line.
func (o OneLock) Lock() { o.lockAll() }

func (o OneLock) Put(ctx context.Context) (Slot, Instant, error) {
	trace := o.traceOf(ctx)
	now := o.clock.now()
	o.lockAll()
	i, err := o.put()
	if err != nil {
		o.Unlock()
		return i, now, err
	}
	o.core.at(i).from(trace)

	return i, now, nil
}

func (o OneLock) put() (Slot, error) {
	if err := o.gate.turnsAway(); err != nil {
		return noSlot, err
	}
	if o.producers.n >= o.core.opt.MaxWaiting {
		return noSlot, ErrFull
	}
	if i, ok := o.core.alloc(); ok {
		return i, nil
	}
	if !o.core.provide() {
		return noSlot, ErrFull
	}

	return o.core.mustAlloc(), nil
}

func (o OneLock) Enqueue(ctx context.Context, i Slot, now Instant) (TaskID, error) {
	return o.enqueue(ctx, i, now, 0)
}

func (o OneLock) EnqueueAt(ctx context.Context, i Slot, now Instant, when time.Time) (TaskID, error) {
	return o.enqueue(ctx, i, now, o.core.instant(when))
}

func (o OneLock) enqueue(ctx context.Context, i Slot, now, due Instant) (TaskID, error) {
	defer o.finish()
	if !o.roomFor(1) {
		if err := o.waitRoom(ctx); err != nil {
			o.core.takeBack(i)
			return TaskID{}, err
		}
		now = o.clock.now()
	}

	return o.core.admit(i, now, due), nil
}

func (o OneLock) TryEnqueue(_ context.Context, i Slot, now Instant) (TaskID, error) {
	defer o.finish()
	err := o.gate.err()
	if err == nil && !o.roomFor(1) {
		err = ErrFull
	}
	if err != nil {
		o.core.takeBack(i)
		return TaskID{}, err
	}

	return o.core.admit(i, now, 0), nil
}

func (o OneLock) PutBatch(ctx context.Context, want int) (room int, now Instant, err error) {
	trace := o.traceOf(ctx)
	o.lockAll()
	if err = o.gate.turnsAway(); err == nil && !o.roomFor(1) {
		err = o.waitRoom(ctx)
	}
	in := &o.core.in
	if err == nil && !o.core.room(want) {
		want = o.core.opt.Capacity - int(in.admitted-in.seen)
	}
	room = min(want, o.core.unused())
	if err == nil && room <= 0 {
		err = ErrFull
	}
	if err != nil {
		o.finish()
		return 0, 0, err
	}
	o.callProducer()
	o.batchTrace = trace

	return room, o.clock.now(), nil
}

// finish ends a bracket and calls who is next in line.
func (o OneLock) finish() {
	o.callProducer()
	o.Unlock()
}

// waitRoom returns with room for one task. The locks are held, also on an
// error.
func (o OneLock) waitRoom(ctx context.Context) error {
	if o.producers.n >= o.core.opt.MaxWaiting {
		return ErrFull
	}
	w := o.producers.waiter()
	defer o.producers.done(w)
	for {
		if err := o.gate.turnsAway(); err != nil {
			return err
		}
		o.producers.join(w)
		o.callProducer()
		if err := o.producers.await(ctx, o, w); err != nil {
			return err
		}
		if o.gate.open() && o.core.room(1) {
			return nil
		}
		o.producers.overtake(w)
	}
}
