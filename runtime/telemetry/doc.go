// Package telemetry reports generated queues and their backpressure to
// OpenTelemetry: what they hold, what goes through them, how long it takes.
//
//	r, err := telemetry.New(telemetry.WithMeterProvider(provider))
//	…
//	defer r.Close()
//	err = r.AttachQueue(q)
//
// # Promises
//
// Counters and gauges are numbers the queue keeps anyway, read when they are
// collected: they are exact and cost nothing in between.
//
// Histograms are recorded outside of the queue's locks, by a goroutine of each
// attached queue that sleeps while nothing happens. What the queue measures waits
// for it in a bounded buffer; the queue never waits and allocates nothing. Up to
// [SamplesPerSecond] every value is recorded. Beyond, some are left out, and
// taskqueue.telemetry.lost counts them.
//
// Nothing global is read or written, so registrations do not see each other.
// After Close nothing is observed any more and no goroutine is left; values that
// a provider has summed up are its own.
package telemetry
