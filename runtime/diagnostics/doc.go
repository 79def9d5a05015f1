// Package diagnostics shows generated queues to operators and tools: a stream of
// events over HTTP and a page that follows it, what there is now, what there was
// lately, health, leases, and dead letters with what can be done about them.
//
//	host := diagnostics.New(diagnostics.Options{})
//	defer host.Close()
//	err := host.AttachQueue(q)
//	…
//	mux.Handle("/", host)
//
// # Promises
//
// The stream: events are numbered, and every client sees the same bytes in the
// same order. A client that comes back says which one it saw last and goes on
// behind it. Where events it has not seen are no longer kept it is told which,
// in a gap event, and what there is now. So each client can account for every
// number.
//
// Slowness: a client is a place in one bounded ring and nothing more. Publishing
// an event never waits, neither for clients nor for queues, and no queue waits
// for it.
//
// Payloads are never shown.
//
// Reading is open and changing is closed unless Options say otherwise.
// A long backlog, or too many leases, make a service not ready at most, never
// dead; backpressure alone changes nothing.
package diagnostics
