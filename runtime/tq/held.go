package tq

import (
	"context"
	"time"
)

// Settler is the engine behind a lease. All methods are safe for concurrent
// use; errors match [ErrLeaseLost] where the token no longer holds.
type Settler interface {
	Complete(ctx context.Context, s Slot, t Token) error
	Heartbeat(ctx context.Context, s Slot, t Token) (until time.Time, err error)
	Fail(ctx context.Context, s Slot, t Token, cause error) error
	Release(ctx context.Context, s Slot, t Token) error
	DeadLetter(ctx context.Context, s Slot, t Token, cause error) error
	// Deadline is the zero time once the lease is lost.
	Deadline(s Slot, t Token) time.Time
	// Owner is whom the lease was granted to; empty if nobody was named, and
	// once the lease is lost.
	Owner(s Slot, t Token) string
}

// Held is the payload-free half of a lease: who settles it, and the place that
// saves looking it up. The zero Held answers [ErrLeaseLost] to everything.
type Held struct {
	by   Settler
	slot Slot
}

// NewHeld is for engines.
func NewHeld(by Settler, s Slot) Held { return Held{by, s} }

// Complete removes the task for good.
func (h Held) Complete(ctx context.Context, t Token) error {
	if h.by == nil {
		return lost("complete", t)
	}

	return h.by.Complete(ctx, h.slot, t)
}

// Heartbeat extends the lease and returns the deadline that now holds.
func (h Held) Heartbeat(ctx context.Context, t Token) (time.Time, error) {
	if h.by == nil {
		return time.Time{}, lost("heartbeat", t)
	}

	return h.by.Heartbeat(ctx, h.slot, t)
}

// Fail gives the task back after the backoff, or makes it dead after the last attempt.
func (h Held) Fail(ctx context.Context, t Token, cause error) error {
	if h.by == nil {
		return lost("fail", t)
	}

	return h.by.Fail(ctx, h.slot, t, cause)
}

// Release gives the task back at once; the attempt does not count.
func (h Held) Release(ctx context.Context, t Token) error {
	if h.by == nil {
		return lost("release", t)
	}

	return h.by.Release(ctx, h.slot, t)
}

// DeadLetter makes the task dead whatever attempts are left.
func (h Held) DeadLetter(ctx context.Context, t Token, cause error) error {
	if h.by == nil {
		return lost("dead-letter", t)
	}

	return h.by.DeadLetter(ctx, h.slot, t, cause)
}

// Deadline is until when the lease holds, the zero time once it is lost.
func (h Held) Deadline(t Token) time.Time {
	if h.by == nil {
		return time.Time{}
	}

	return h.by.Deadline(h.slot, t)
}

// Owner is whom the lease was granted to; empty if nobody was named, and once
// the lease is lost.
func (h Held) Owner(t Token) string {
	if h.by == nil {
		return ""
	}

	return h.by.Owner(h.slot, t)
}

// A Tracer is a [Settler] that knows in which trace the task of a lease was
// enqueued.
type Tracer interface {
	// TraceParent is empty once the lease is lost.
	TraceParent(s Slot, t Token) string
}

// TraceParent is the W3C trace context of whoever enqueued the task of the
// lease: see Options.TraceParent. It is empty if there was none, once the lease
// is lost, and if the engine is no [Tracer].
func (h Held) TraceParent(t Token) string {
	by, ok := h.by.(Tracer)
	if !ok {
		return ""
	}

	return by.TraceParent(h.slot, t)
}

func lost(op string, t Token) error { return &LeaseError{Op: op, Token: t, Err: ErrLeaseLost} }
