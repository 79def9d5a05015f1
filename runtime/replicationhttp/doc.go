// Package replicationhttp carries the events and the state of a queue over
// HTTP: a [Handler] on the side of the owner, a [Client] on that of those who
// follow. What they carry holds payloads whole, sensitive fields included: use
// TLS, and an Authorize that knows who asks.
//
// # Protocol
//
// GET events?after=N&incarnation=I answers a stream of JSON lines, the events
// after N. An empty line is a heartbeat. The trailer Tqgen-End has the code of
// what ended the stream, and Tqgen-Reason says it, percent-encoded, if the sender
// knows. GET snapshot answers the state.
// A refusal has a JSON body with message and code: 410 and
// error.taskqueue.gap if the events are not held, 409 and
// error.taskqueue.foreign if N is a position in another life of the queue, 409
// and error.taskqueue.deposed if the owner has been succeeded; 500 and
// error.taskqueue.too_large if the state has more bytes than the handler sends,
// which is also how a stream ends before such an event.
//
// GET events?acknowledge&after=N&incarnation=I says, too, that the follower has
// everything up to N for good; the header Tqgen-Stream of the answer is a name
// for the stream that nobody else knows. POST
// acknowledge?stream=S&after=N&incarnation=I says so of a later N while the
// stream lasts. It is answered with 204; or refused with 410 if there is no such
// stream, with 409 if the follower has not been sent N, or has said so of a
// later one, or if it is of another life. The handler takes these if it is
// synchronous: then the queue's operations wait for them.
//
// # Promises
//
// Nobody who reads holds up the queue or another reader, unless the handler is
// synchronous, and then nobody but by not acknowledging. Both sides bound how
// long a line and a snapshot may be, and how long they wait for each other; the
// handler bounds how many it serves at once. A client keeps a line at a time,
// or one snapshot.
//
// The queue holds its events for three minutes behind a snapshot and behind a
// stream that has ended, within the bounds of its log, whether or not anybody
// reads them: see [replication.Kept].
package replicationhttp
