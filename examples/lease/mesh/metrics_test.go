package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/metric"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/telemetry"
)

// What Prometheus sees of a queue at /metrics.
func Example_prometheus() {
	ctx := context.Background()
	q, err := leasequeue.New(leasequeue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	m, err := backpressure.New(q, backpressure.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	mux := http.NewServeMux()
	end, err := measured(mux, q, m)
	if err != nil {
		log.Fatal(err)
	}
	defer end()

	_, _ = q.Enqueue(ctx, lease.ResourceLease{ResourceID: "i-1"})
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		name, value := line[:strings.IndexByte(line, '{')+1], line[strings.LastIndexByte(line, ' ')+1:]
		switch name {
		case "taskqueue_pending{", "taskqueue_enqueued_total{", "hugo_taskqueue_backpressure_active{":
			fmt.Print(name, "…} ", value)
		}
	}
	// Unordered output:
	// hugo_taskqueue_backpressure_active{…} 0
	// taskqueue_enqueued_total{…} 1
	// taskqueue_pending{…} 1
}

// measured serves the figures of a queue to Prometheus until end is called.
func measured(mux *http.ServeMux, q *leasequeue.Local, m *backpressure.Monitor) (end func() error, err error) {
	registry := prometheus.NewRegistry()
	exporter, err := promexporter.New(promexporter.WithRegisterer(registry))
	if err != nil {
		return nil, err
	}
	provider := sdk.NewMeterProvider(sdk.WithReader(exporter))
	r, err := telemetry.New(telemetry.WithMeterProvider(provider), telemetry.WithServiceName("leases"))
	if err != nil {
		return nil, err
	}
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))

	return r.Close, errors.Join(r.AttachQueue(q), r.AttachMonitor(m))
}
