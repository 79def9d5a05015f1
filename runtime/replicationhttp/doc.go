// Package replicationhttp carries the events and the state of a queue over
// HTTP: a [Handler] on the side of the owner, a [Client] on that of those who
// follow. What they carry holds payloads whole, sensitive fields included: use
// TLS, and an Authorize that knows who asks.
//
// # Protocol
//
// GET events?after=N&incarnation=I answers a stream of JSON lines, the events
// after N. An empty line is a heartbeat. The trailer Tqgen-End has the code of
// what ended the stream, if the sender knows. GET snapshot answers the state.
// A refusal has a JSON body with message and code: 410 and
// error.taskqueue.gap if the events are not held, 409 and
// error.taskqueue.foreign if N is a position in another life of the queue, 409
// and error.taskqueue.deposed if the owner has been succeeded.
//
// # Promises
//
// Nobody who reads holds up the queue or another reader. Both sides bound how
// long a line and a snapshot may be, and how long they wait for each other; the
// handler bounds how many it serves at once. A client keeps a line at a time,
// or one snapshot.
package replicationhttp
