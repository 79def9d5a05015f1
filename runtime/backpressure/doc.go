// Package backpressure tells the producers of a generated queue to slow down
// while too many tasks wait in it, and no longer than that.
//
//	m, err := backpressure.New(q, backpressure.Options{})
//	…
//	err = m.WaitForDraining(ctx) // before the next Enqueue
//
// # Promises
//
// State: a [Monitor] is active from the moment the depth of its queue reaches
// the high watermark until it reaches the low one. It changes in the same step
// as the depth, under the queue's own lock, so no schedule of producers and
// consumers leaves it wrong. Reading it is an atomic load.
//
// Signals: what listeners are told alternates between active and not, and
// generations rise. A cooldown delays signals, never the state: when it ends,
// listeners are told the state of that moment unless it is what they know. So
// once all is quiet, what was told last is the state.
//
// Listeners: each has a goroutine of its own, from Subscribe to Close. A slow,
// failing or panicking one affects neither the queue nor other listeners. One
// that falls far behind is spared pairs of signals that cancel each other, which
// it can tell by the generations.
//
// Waiters: WaitForDraining returns when backpressure ends, whatever listeners
// and cooldown do.
//
// Monitors do not know of each other; a queue may have any number of them. All
// types are safe for concurrent use.
//
// The HTTP side is in package backpressurehttp.
package backpressure
