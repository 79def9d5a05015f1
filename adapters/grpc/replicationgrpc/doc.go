// Package replicationgrpc carries the events and the state of queues over gRPC: a
// [Handler] for each queue on the side of the owner, a [Client] on that of those who
// follow. It promises what runtime/replicationhttp does, by the same code where it
// is not about the transport. What is carried holds payloads whole, sensitive fields
// included: use TLS, and an Authorize that knows who asks.
//
// # Protocol
//
// The service is tqgen.replication.v1.Replication; replication.proto describes it.
// What a stream of events carries are the bytes that the HTTP one has: events as
// JSON lines, as many in a message as the queue had ready, and an empty line for a
// heartbeat. So an event is written once, in the form that files and HTTP have, and
// the adapter knows nothing of payloads. Messages stay below 1 MiB, whatever the
// size of an event, as each side of gRPC bounds what it takes.
//
// Heartbeats are in the stream, not only the pings of the connection: they come
// through what stands between, and they are from the handler.
//
// # Promises
//
// Nobody who reads holds up the queue or another reader, unless the handler is
// synchronous, and then nobody but by not acknowledging. Both sides bound how long a
// line and a snapshot may be, and how long they wait for each other; the handler
// bounds how many it serves at once. A client keeps a message and a line at a time,
// or one snapshot.
//
// The queue holds its events for three minutes behind a snapshot and behind a stream
// that has ended, within the bounds of its log: see [replication.Kept].
package replicationgrpc
