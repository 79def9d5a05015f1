package backpressure

import (
	"context"
	"time"
)

// Signal is the backpressure of one queue at one time.
type Signal struct {
	Queue      string    `json:"queue"`
	Shard      string    `json:"shard,omitempty"`
	Active     bool      `json:"isActive"`
	Pending    int       `json:"pendingCount"` // the depth: pending tasks, or live ones if those are watched
	High       int       `json:"highWatermark"`
	Low        int       `json:"lowWatermark"`
	ObservedAt time.Time `json:"observedAt"`
	Generation uint64    `json:"generation"` // how often Active has changed, so odd while active
}

// Source is what says whether there is backpressure: a *[Monitor] or a
// *[Canary].
type Source interface {
	// State is the state now.
	State() Signal
	// Subscribe has l told of the state, and of each change from then on.
	Subscribe(l Listener) Subscription
	// WaitForDraining returns nil once there is no backpressure, ctx's error if
	// ctx ends first, or tq.ErrClosed if it will not be known any more.
	WaitForDraining(ctx context.Context) error
}

// Listener is told of signals, one at a time. ctx ends with the subscription.
// An error, and a panic, is kept for [Subscription.Err]; the next signal comes
// all the same.
type Listener func(ctx context.Context, s Signal) error
