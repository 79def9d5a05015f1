// Package replication is the payload-free half of a queue's event stream: what
// a generated Event holds besides its payload, and the form it has on the wire.
//
// # Promises
//
// An event read from what was written is equal to it. A reader takes members
// in any order, skips those it does not know, keeps kinds it does not know,
// and takes kinds and flags by name as well as by number. It refuses an event
// without sequenceNumber, queueName, kind, occurredAt, taskSequenceId or
// attempt.
//
// The order of events is that of the state changes. (incarnation, sequence)
// names an event of a source for ever.
package replication
