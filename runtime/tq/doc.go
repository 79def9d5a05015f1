// Package tq is the payload-free half of every generated task queue: it
// decides who gets the next task, who holds it, until when and with which
// token. Generated packages keep the payloads and give the whole a typed face.
//
// # Promises
//
// Conservation: at every moment, accepted plus restored tasks are those that
// are ready, delayed, leased, dead, completed, purged or drained. A task
// leaves only by one of the last three.
//
// Order: tasks are granted in the order in which they became ready. Released
// ones, and those drained while leased, come first, by the sequence of their
// identity. The order of the event log is the order of the state changes, and
// an operation that began after another returned comes after it.
//
// Delivery: at least once. A task is granted again only after its lease was
// failed, released or lost. From the deadline on, its token settles nothing,
// even if nobody else holds the task yet.
//
// Fencing: epochs rise strictly with every grant. A stale token never changes
// anything, whichever verb it comes with.
//
// Waiting: producers and consumers wait in line and are woken one at a time. A
// caller who need not wait may overtake a woken one, who then is first in line
// again. A wait that is cancelled neither loses nor takes a wake-up.
//
// Closing: Close wakes every waiter with [ErrClosed]. Leases granted before
// can still be settled until their deadline, and Drain still hands out what is
// left.
//
// No method calls code of the user's with a lock held, none starts a
// goroutine of its own but [Run], and nothing polls: one timer a queue is
// armed for the earliest deadline.
package tq
