package otelsdk_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/tqgen/tqgen/adapters/otelsdk"
	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/telemetry"
)

// A service shows its queue over HTTP, measures it, and traces its leases and
// its own requests out of one budget.
func Example() {
	sampler := otelsdk.NewSampler(nil)
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler)) // and an exporter
	meters := sdkmetric.NewMeterProvider()                               // and a reader
	budget := telemetry.NewBudget(100)
	limit := sampler.Limit(budget)
	defer limit.Close()

	r, err := telemetry.New(telemetry.WithMeterProvider(meters), telemetry.WithTracerProvider(tracers),
		telemetry.WithBudget(budget), telemetry.WithServiceName("orders"))
	host, err2 := diagnostics.New(diagnostics.Options{})
	q, err3 := leasequeue.New(leasequeue.Options{})
	if err := errors.Join(err, err2, err3); err != nil {
		panic(err)
	}
	defer func() { _ = errors.Join(q.Close(), host.Close(), r.Close()) }()
	if err := errors.Join(r.AttachQueue(q), r.AttachHost(host), host.AttachQueue(q)); err != nil {
		panic(err)
	}
	http.Handle("/diagnostics/", host)

	ctx, cancel := context.WithCancel(context.Background())
	_, _ = q.Enqueue(ctx, lease.ResourceLease{ResourceID: "disk-1"})
	o := leasequeue.RunOptions{Wrap: r.Spans(q).Wrap}
	err = leasequeue.Run(ctx, q, o, func(_ context.Context, l *leasequeue.Lease) error {
		fmt.Println(l.Payload.ResourceID)
		cancel()

		return nil
	})
	fmt.Println(err)
	// Output:
	// disk-1
	// <nil>
}
