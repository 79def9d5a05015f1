package tq

import (
	"context"
	"slices"
)

// Cursor is one reader's place in the log. Readers do not share: each sees
// every event, and none slows a producer or another reader. A Cursor is for
// one goroutine at a time, but for Close and Lag.
type Cursor struct {
	e      *Engine
	next   Sequence // guarded by e.mu
	wake   chan struct{}
	parked bool // guarded by e.mu
	closed bool // guarded by e.mu
	buf    []Record
}

// Watch attaches a reader to what comes after the given sequence. ErrGap if
// that is no longer held, or never was: records are kept only while a reader
// is attached.
func (e *Engine) Watch(after Sequence) (*Cursor, error) {
	e.lockAll()
	defer e.Unlock()
	l := &e.core.log
	if after > l.seq || after != l.seq && (!l.on() || after+1 < l.first) {
		return nil, ErrGap
	}

	return e.attach(after), nil
}

// WatchNow gives the state and attaches a reader to what comes after it, in
// one step. It returns with the lock held; the caller copies the payloads and
// calls Unlock.
func (e *Engine) WatchNow() (SnapshotHeader, []TaskRef, *Cursor) {
	now := e.lockUpToDate()

	return e.core.header(), e.core.tasks(now), e.attach(e.core.log.seq)
}

func (e *Engine) attach(after Sequence) *Cursor {
	e.core.startLog()
	c := &Cursor{e: e, next: after + 1, wake: make(chan struct{}, 1)}
	e.cursors = append(e.cursors, c)

	return c
}

// Next waits for the next records and returns up to limit of them with the
// lock held; they are valid until Unlock. ErrGap if the reader fell behind the
// bounds of the log: its place is lost, go on from a snapshot. ErrClosed if the
// cursor was closed, or the queue was and there is nothing more for now: leases
// that settle afterwards and a Drain still add records, which a further call
// gives. On an error the lock is not held.
func (c *Cursor) Next(ctx context.Context, limit int) ([]Record, error) {
	e := c.e
	e.mu.Lock()
	for {
		e.catchUp()
		l := &e.core.log
		switch {
		case c.closed:
			e.mu.Unlock()
			return nil, ErrClosed
		case c.next < l.first:
			e.mu.Unlock()
			return nil, ErrGap
		case c.next <= l.seq:
			return c.read(limit), nil
		case e.gate.closed:
			e.mu.Unlock()
			return nil, ErrClosed
		}
		if e.takeOver(true) {
			continue // it came just now
		}
		if err := c.park(ctx); err != nil {
			return nil, err
		}
	}
}

// read copies what is there; the lock is held.
func (c *Cursor) read(limit int) []Record {
	n := min(max(limit, 1), int(c.e.core.log.seq+1-c.next))
	c.buf = slices.Grow(c.buf[:0], n)
	for i := range n {
		c.buf = append(c.buf, c.e.core.export(c.next+Sequence(i)))
	}

	return c.buf
}

// park waits without the lock, and returns with it unless there is an error.
func (c *Cursor) park(ctx context.Context) error {
	e := c.e
	c.parked = true
	e.parked++
	e.mu.Unlock()
	select {
	case <-c.wake:
		e.mu.Lock()

		return nil
	case <-ctx.Done():
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.parked {
		c.parked = false
		e.parked--
	} else {
		<-c.wake
	}

	return ctx.Err()
}

// Unlock says that n of the records were taken, and gives the lock back.
func (c *Cursor) Unlock(n int) {
	c.next += Sequence(n)
	clear(c.buf)
	c.e.mu.Unlock()
}

// Lag is how many events the reader has not taken yet.
func (c *Cursor) Lag() Sequence {
	c.e.lockAll()
	defer c.e.Unlock()

	return c.e.core.log.seq + 1 - c.next
}

// Close detaches the reader and ends a Next that waits, with ErrClosed. With
// the last reader the records go. Closing twice is no error.
func (c *Cursor) Close() error {
	e := c.e
	e.lockAll()
	defer e.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	e.cursors = slices.DeleteFunc(e.cursors, func(o *Cursor) bool { return o == c })
	c.unpark()
	if len(e.cursors) == 0 {
		e.core.stopLog()
	}

	return nil
}

func (c *Cursor) unpark() {
	if c.parked {
		c.parked = false
		c.e.parked--
		c.wake <- struct{}{}
	}
}

// wakeCursors wakes readers for which there is something.
func (e *Engine) wakeCursors() {
	for _, c := range e.cursors {
		if e.gate.closed || c.next <= e.core.log.seq {
			c.unpark()
		}
	}
}
