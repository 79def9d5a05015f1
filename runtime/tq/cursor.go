package tq

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Cursor is one reader's place in the log. Readers do not share: each sees
// every event, and none slows a producer or another reader, unless it is made
// Synchronous. A Cursor is for one goroutine at a time, but for Close, Lag,
// Place, Acknowledge and Fail.
type Cursor struct {
	e      *Engine
	next   atomic.Uint64 // the first sequence not taken yet; the reader's own to change
	wake   chan struct{}
	parked bool // guarded by e.mu
	closed bool // guarded by e.mu
	buf    []Record
	sync   attachment
	head   Sequence // the last event there was at the last Next; the reader's own

	// reading is held from Next to Unlock, instead of the engine's lock: then
	// records from pinned on, and their slots, stay as they are. It is taken
	// with e.mu held, and nothing is taken with it held.
	reading sync.Mutex
	pinned  Sequence // guarded by e.mu
}

// Latest stands for the last event there is, where a reader is attached: it
// gets what comes from then on.
const Latest Sequence = 1<<64 - 1

// Watch attaches a reader to what comes after the given sequence. ErrGap if
// that is no longer held, or never was: records are kept only while a reader
// is attached.
func (e *Engine) Watch(after Sequence) (*Cursor, error) {
	e.lockAll()
	defer e.Unlock()
	l := &e.core.log
	if after == Latest {
		after = l.seq
	}
	if after > l.seq || after != l.seq && (!l.on() || after+1 < l.first) {
		return nil, l.gap(after)
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

// Snapshot gives the state and moves the reader to what comes after it, in one
// step, wherever it was: the way on after ErrGap. It returns with the lock held;
// the caller copies the payloads and calls Unlock of the engine. A closed reader
// stays closed.
func (c *Cursor) Snapshot() (SnapshotHeader, []TaskRef) {
	now := c.e.lockUpToDate()
	c.next.Store(uint64(c.e.core.log.seq + 1))

	return c.e.core.header(), c.e.core.tasks(now)
}

func (e *Engine) attach(after Sequence) *Cursor {
	e.core.startLog()
	c := &Cursor{e: e, wake: make(chan struct{}, 1), pinned: noSequence}
	c.next.Store(uint64(after + 1))
	e.core.log.unpin = e.unpin
	e.cursors = append(e.cursors, c)

	return c
}

// at is the sequence that is read next.
func (c *Cursor) at() Sequence { return Sequence(c.next.Load()) }

// Next waits for the next records and returns up to limit of them with a lock
// held that is the cursor's own; records and payloads stay what they are until
// Unlock, which follows soon: the queue waits for it rather than drop records
// that are being read. ErrGap if the reader fell behind the bounds of the log:
// its place is lost, go on from a snapshot. ErrClosed if the cursor was closed,
// or the queue was and there is nothing more for now: leases that settle
// afterwards and a Drain still add records, which a further call gives.
// ErrDeposed if there is nothing more and another owner has taken over. On an
// error the lock is not held.
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
		case c.at() < l.first:
			err := l.gap(c.at() - 1)
			e.mu.Unlock()
			c.Fail(err)
			return nil, err
		case c.at() <= l.seq:
			return c.read(limit), nil
		case e.gate.still():
			defer e.mu.Unlock()
			return nil, e.gate.turnsAway()
		}
		if e.takeOver(true) {
			continue // it came just now
		}
		if err := c.park(ctx); err != nil {
			return nil, err
		}
	}
}

// read pins what is there, gives back the engine's lock and copies.
func (c *Cursor) read(limit int) []Record {
	e := c.e
	l := &e.core.log
	ring, from, n := l.ring, c.at(), min(max(limit, 1), int(l.seq+1-c.at()))
	c.head = l.seq
	c.pinned, l.pinned = from, min(l.pinned, from)
	c.reading.Lock()
	e.mu.Unlock()

	c.buf = slices.Grow(c.buf[:0], n)[:n]
	for i := range c.buf {
		seq := from + Sequence(i)
		e.core.export(inRing(ring, seq), seq, &c.buf[i])
	}

	return c.buf
}

// unpin waits for those who read the record of a sequence, and says which is
// the first that is still read, or might be. mu is held.
func (e *Engine) unpin(seq Sequence) Sequence {
	pinned := noSequence
	for _, c := range e.cursors {
		if c.pinned <= seq {
			c.await()
		}
		pinned = min(pinned, c.pinned)
	}

	return pinned
}

// await waits for the end of a bracket; e.mu is held, so no other begins.
func (c *Cursor) await() {
	c.reading.Lock()
	c.pinned = noSequence
	c.reading.Unlock() //nolint:staticcheck // it was held, that is all
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
	if n > 0 {
		c.goOn(c.buf[n-1].Sequence)
	}
	c.reading.Unlock()
}

// goOn makes the event behind seq the next one, unless the reader is further.
func (c *Cursor) goOn(seq Sequence) {
	for n := c.next.Load(); n <= uint64(seq) && !c.next.CompareAndSwap(n, uint64(seq)+1); {
		n = c.next.Load()
	}
}

// Head is the last event that there was when Next returned. It is for the
// reader's goroutine.
func (c *Cursor) Head() Sequence { return c.head }

// Lag is how many events the reader has not taken yet.
func (c *Cursor) Lag() Sequence {
	taken, last := c.Place()

	return last - taken
}

// Place is the last event that the reader has taken, and the last one there is.
// It may be called from any goroutine.
func (c *Cursor) Place() (taken, last Sequence) {
	c.e.lockAll()
	defer c.e.Unlock()

	return c.at() - 1, c.e.core.log.seq
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
	c.await()
	c.desynchroniseLocked(errReaderClosed)
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
		if e.gate.still() || c.at() <= e.core.log.seq {
			c.unpark()
		}
	}
}
