package tq

import (
	"context"
	"errors"
)

// Completions completes leases one after another: those that follow each other
// and are of one engine with one reading of the clock and one hold of its lock.
// The zero Completions is ready. End must follow at once, and nothing else may
// be done with the queues before.
type Completions struct {
	engine *Engine         // whose lock is held; nil: none is
	ctx    context.Context // of the call that took it
	now    Instant
	left   int // for how many more to hold it
	gone   int // completed since it is held
	done   int
	errs   []error
}

// Complete is [Held.Complete] of one lease. What comes of it, End says.
func (c *Completions) Complete(ctx context.Context, h *Held, t *Token) {
	e, ok := h.by.(*Engine)
	if !ok {
		c.unlock()
		c.note(h.Complete(ctx, *t))
		return
	}
	if e != c.engine || c.left == 0 {
		c.unlock()
		c.lock(ctx, e)
	}
	c.left--
	if err := e.core.complete(h.slot, t, c.now); err != nil {
		c.note(e.refuse("complete", *t, err))
		return
	}
	c.gone++
}

// End says how many leases were completed; the error joins what the others were
// refused for.
func (c *Completions) End() (done int, err error) {
	c.unlock()

	return c.done, errors.Join(c.errs...)
}

func (c *Completions) note(err error) {
	if err != nil {
		c.errs = append(c.errs, err)
		return
	}
	c.done++
}

func (c *Completions) lock(ctx context.Context, e *Engine) {
	c.engine, c.ctx, c.now, c.left, c.gone = e, ctx, e.clock.now(), batch, 0
	e.mu.Lock()
	e.catchUp()
}

func (c *Completions) unlock() {
	if e := c.engine; e != nil {
		c.engine = nil
		if c.gone == 0 {
			e.Unlock()
			return
		}
		e.completed(c.gone)
		if err := e.Finish(c.ctx); err != nil {
			c.errs = append(c.errs, err) // none of them is known to be
			return
		}
		c.done += c.gone
	}
}
