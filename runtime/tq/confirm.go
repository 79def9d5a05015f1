package tq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// SyncOptions say what becomes of operations that a synchronous reader keeps
// waiting.
type SyncOptions struct {
	// Timeout is how long an operation waits for the reader at most. 0 means as
	// long as its context lets it.
	Timeout time.Duration
	// Detach makes the reader an ordinary one once it has failed, or has kept an
	// operation waiting for Timeout: later operations do without it. Else they
	// go on waiting, and failing, until it acknowledges again or is closed.
	Detach bool
}

// UncertainError is an operation that has changed the queue, and nobody knows
// whether a synchronous reader has its events. It matches ErrUncertain, and
// what ended the wait.
type UncertainError struct {
	Queue    string
	Sequence Sequence // the last event that was to be acknowledged
	Err      error    // ctx's error, or the reader's
}

func (e *UncertainError) Error() string {
	return fmt.Sprintf("tq: queue %s has changed, but event %d is not acknowledged: %v", e.Queue, e.Sequence, e.Err)
}

// Unwrap gives ErrUncertain and the cause.
func (e *UncertainError) Unwrap() []error { return []error{ErrUncertain, e.Err} }

var (
	errReaderSlow   = errors.New("the synchronous reader did not acknowledge in time")
	errReaderClosed = errors.New("the synchronous reader was closed")
)

// confirmations are operations that wait for synchronous readers. Its lock
// comes after the engine's two, and is never held while waiting.
type confirmations struct {
	mu      sync.Mutex
	readers []*Cursor // guarded by mu, and changed under the engine's locks, too
	waiting []*unconfirmed
	deposed bool // nobody is going to acknowledge what has not been; guarded by mu
}

// unconfirmed is one operation that waits.
type unconfirmed struct {
	seq   Sequence
	since time.Time
	over  bool          // guarded by confirmations.mu
	err   error         // why it is over; nil: all have acknowledged
	done  chan struct{} // closed when it is over
}

// attachment is what a cursor has to do with confirmations, whose lock guards it.
type attachment struct {
	on     bool
	opt    SyncOptions
	acked  Sequence
	failed error // until it acknowledges again
}

// met says whether every synchronous reader has acknowledged seq; c.mu is held.
func (c *confirmations) met(seq Sequence) bool {
	return !slices.ContainsFunc(c.readers, func(r *Cursor) bool { return r.sync.acked < seq })
}

// failure is why seq, which is not acknowledged, will not be, as things are;
// c.mu is held.
func (c *confirmations) failure(seq Sequence) error {
	if c.deposed {
		return ErrDeposed
	}
	for _, r := range c.readers {
		if r.sync.failed != nil && r.sync.acked < seq {
			return r.sync.failed
		}
	}

	return nil
}

// review ends the waits that are over; c.mu is held.
func (c *confirmations) review() {
	c.waiting = slices.DeleteFunc(c.waiting, func(w *unconfirmed) bool {
		if !c.met(w.seq) {
			if w.err = c.failure(w.seq); w.err == nil {
				return false
			}
		}
		w.over = true
		close(w.done)

		return true
	})
}

// depose ends all waits: whoever has taken over knows what it knows.
func (c *confirmations) depose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deposed = true
	c.review()
}

// abandon ends the waits that r keeps, with an error; c.mu is held.
func (c *confirmations) abandon(r *Cursor, err error) {
	c.waiting = slices.DeleteFunc(c.waiting, func(w *unconfirmed) bool {
		if r.sync.acked >= w.seq {
			return false
		}
		w.over, w.err = true, err
		close(w.done)

		return true
	})
}

// confirm waits until every synchronous reader has acknowledged seq. No lock
// of the engine is held.
func (e *Engine) confirm(ctx context.Context, seq Sequence) error {
	c := &e.confirms
	c.mu.Lock()
	if c.met(seq) {
		c.mu.Unlock()
		return nil
	}
	if err := c.failure(seq); err != nil {
		c.mu.Unlock()
		return e.uncertain(seq, err)
	}
	w := &unconfirmed{seq: seq, since: time.Now(), done: make(chan struct{})}
	c.waiting = append(c.waiting, w)
	c.mu.Unlock()

	return e.outcome(w, c.wait(ctx, w))
}

// wait ends when w is over, or with the error that is to end it: that of ctx, or
// that a reader has had its time.
func (c *confirmations) wait(ctx context.Context, w *unconfirmed) error {
	for {
		left, limited := c.patience(w)
		if limited && left <= 0 {
			return errReaderSlow
		}
		var over <-chan time.Time
		if limited {
			over = time.After(left)
		}
		select {
		case <-w.done:
			return nil
		case <-over: // for a reader that may have acknowledged meanwhile
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// patience is how much longer w may wait for those who have not acknowledged.
func (c *confirmations) patience(w *unconfirmed) (left time.Duration, limited bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.readers {
		if t := r.sync.opt.Timeout; t > 0 && r.sync.acked < w.seq && (!limited || t < left) {
			left, limited = t, true
		}
	}

	return left - time.Since(w.since), limited
}

// slow says whether a is the reader that has kept w waiting for too long.
func (a *attachment) slow(w *unconfirmed) bool {
	return a.opt.Timeout > 0 && a.acked < w.seq && time.Since(w.since) >= a.opt.Timeout
}

// outcome is how the wait of w ended; err is what ended it, if nothing else did.
func (e *Engine) outcome(w *unconfirmed, err error) error {
	c := &e.confirms
	c.mu.Lock()
	var slow []*Cursor
	if !w.over {
		w.err = err
		c.waiting = slices.DeleteFunc(c.waiting, func(o *unconfirmed) bool { return o == w })
		for _, r := range c.readers {
			if err == errReaderSlow && r.sync.opt.Detach && r.sync.slow(w) { //nolint:errorlint // the very one
				slow = append(slow, r)
			}
		}
	}
	c.mu.Unlock()
	for _, r := range slow {
		r.desynchronise(errReaderSlow)
	}
	if w.err != nil {
		return e.uncertain(w.seq, w.err)
	}

	return nil
}

func (e *Engine) uncertain(seq Sequence, err error) error {
	return &UncertainError{Queue: e.core.opt.Name, Sequence: seq, Err: err}
}

// Finish is Unlock at the end of an operation that has made events: it returns
// once every synchronous reader has them. After an *UncertainError the operation
// has taken place all the same.
func (e *Engine) Finish(ctx context.Context) error {
	if !e.confirming {
		e.Unlock()
		return nil
	}
	if e.whole {
		e.core.takeOver()
	}
	seq := e.core.log.seq
	e.Unlock()

	return e.confirm(ctx, seq)
}

// GiveBack releases a lease whose grant could not be confirmed. It waits for
// nobody.
func (e *Engine) GiveBack(h Held, t Token) {
	now := e.clock.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.takeOver(false)
	if e.core.release(h.slot, &t, now) == nil { // else whoever has it now keeps it
		e.settle(e.core.last)
	}
}

// Synchronous makes the queue's operations wait for this reader: from now on
// each returns once the reader has acknowledged its events, and with them all
// before, those of the timer included. Where that fails the operation answers
// with an *UncertainError: it has taken place, but for a grant, which is
// released. The reader must not be kept waiting by such an operation itself.
//
// It ends with Close, or as o says. ErrClosed if the reader is closed.
func (c *Cursor) Synchronous(o SyncOptions) error {
	e := c.e
	e.lockAll()
	defer e.Unlock()
	if c.closed {
		return ErrClosed
	}
	s := &e.confirms
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.sync.on {
		s.readers = append(s.readers, c)
		c.sync.acked = c.at() - 1
	}
	c.sync.on, c.sync.opt = true, o
	e.confirming = true

	return nil
}

// Acknowledge says that the reader has all events up to seq for good, and is
// well. It may be called from any goroutine. An ordinary reader need not.
func (c *Cursor) Acknowledge(seq Sequence) {
	s := &c.e.confirms
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.sync.on {
		return
	}
	c.sync.failed = nil
	c.goOn(seq) // it need not read what it has by another way
	if seq > c.sync.acked {
		c.sync.acked = seq
		s.review()
	}
}

// Fail says that the reader cannot take what it was given. Operations that wait
// for it get err, and so do later ones, until it acknowledges again; or it is an
// ordinary reader from then on, if its options say Detach.
func (c *Cursor) Fail(err error) {
	s := &c.e.confirms
	s.mu.Lock()
	on, detach := c.sync.on, c.sync.opt.Detach
	if on && !detach {
		c.sync.failed = err
		s.review()
	}
	s.mu.Unlock()
	if on && detach {
		c.desynchronise(err)
	}
}

// desynchronise makes it an ordinary reader. What waits for it gets err.
func (c *Cursor) desynchronise(err error) {
	c.e.lockAll()
	defer c.e.Unlock()
	c.desynchroniseLocked(err)
}

func (c *Cursor) desynchroniseLocked(err error) {
	s := &c.e.confirms
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.sync.on {
		return
	}
	c.sync.on = false
	s.readers = slices.DeleteFunc(s.readers, func(o *Cursor) bool { return o == c })
	c.e.confirming = len(s.readers) > 0
	s.abandon(c, err)
	s.review()
}
