// Package telemetry reports generated queues and their backpressure to
// OpenTelemetry: what they hold, what goes through them, how long it takes. And
// it traces what is done with them.
//
//	r, err := telemetry.New(telemetry.WithMeterProvider(provider))
//	…
//	defer r.Close()
//	err = r.AttachQueue(q)
//	…
//	o := leasequeue.RunOptions{Wrap: r.Spans(q).Wrap}
//
// Where q was opened with Options.TraceParent set to [TraceParent], the span of
// each lease links to the one its task was enqueued in, also when the task has
// been restored or replicated meanwhile.
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
// Payloads are known by their labels alone, closed sets that their directives
// list; so are effects by their names. Everything else is "other".
//
// Spans follow the decision of their parent. Where there is none, no more begin
// within any second than a [Budget] allows. Without a provider they cost nothing.
//
// Nothing global is read or written, so registrations do not see each other.
// After Close nothing is observed any more, no span begins and no goroutine is
// left; values that a provider has summed up are its own.
package telemetry
