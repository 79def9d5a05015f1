// Package effect runs what a service does to the outside world once per
// identity, and replays the recorded outcome to whoever asks again: another
// goroutine, another process, the same work after a crash or a failover.
//
//   - Of concurrent calls with one identity, one runs in this process and the
//     others wait for what comes of it. Of several processes each may run it;
//     the outcome that is recorded first is everybody's.
//   - What is recorded stays: a success, or a failure marked with [Final]. A
//     failure that is not marked, and cancellation whatever it is marked with,
//     are not recorded, so the next call tries again.
//   - An intent is recorded before the effect runs. Whoever finds one without
//     an outcome runs the effect again, with the same idempotency key and told
//     that it is in doubt: it may have taken effect already, or may be about to
//     in another process. Nobody waits for a process that may be dead, and
//     there are no locks to break.
//
// So an outside effect may happen more than once, unless the outside keeps
// idempotency keys too; its recorded outcome is exactly one.
//
// A version gate on the same store records which version of a behaviour a piece
// of work was started with: see [Recorder.Require] and [Recorder.Execute].
//
// Everything is safe for concurrent use. No store, codec or effect is called
// with a lock held.
package effect
