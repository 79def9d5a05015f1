package telemetry

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/tqgen/tqgen/internal/instrument"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Counter makes a counter of a service's own that is told apart by the labels
// of payloads. NewInstrument of the generated package gives it a typed face:
//
//	c, err := r.Counter(leasequeue.Metrics(), "leases.bytes", metric.WithUnit("By"))
//	…
//	bytes := leasequeue.NewInstrument(c)
//	bytes.Record(ctx, &l.Payload, float64(len(l.Payload.Body)))
//
// It has the attributes of the queue's measurements and is in no group. After
// Close it records nothing. With no provider it is nil, which NewInstrument
// takes. The errors are the provider's, and tq.ErrClosed.
func (r *Registration) Counter(m tq.Metrics, name string, o ...metric.Float64CounterOption) (tq.Instrument, error) {
	if r.meter == nil {
		return nil, nil
	}
	c, err := r.meter.Float64Counter(name, o...)
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	add := func(ctx context.Context, v float64, l *labels) { c.Add(ctx, v, l.add...) }

	return r.own(m, add)
}

// Histogram is [Registration.Counter] for a histogram.
func (r *Registration) Histogram(m tq.Metrics, name string, o ...metric.Float64HistogramOption) (tq.Instrument, error) {
	if r.meter == nil {
		return nil, nil
	}
	h, err := r.meter.Float64Histogram(name, o...)
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	record := func(ctx context.Context, v float64, l *labels) { h.Record(ctx, v, l.record...) }

	return r.own(m, record)
}

func (r *Registration) own(m tq.Metrics, record func(context.Context, float64, *labels)) (tq.Instrument, error) {
	if r.over.Load() {
		return nil, tq.ErrClosed
	}

	return &own{r, newSeries(r.config.set(m.Queue, ""), m.Labels), record}, nil
}

// own is an instrument of a service's own.
type own struct {
	r      *Registration
	series []labels
	record func(context.Context, float64, *labels)
}

func (i *own) Record(ctx context.Context, series int, value float64) {
	if i.r.over.Load() {
		return
	}
	if series < 0 || series >= len(i.series) { // of a payload that Metrics are not about
		series = len(i.series) - 1
	}
	i.record(ctx, value, &i.series[series])
}

// newSeries prepares attributes for each series, with kv among them.
func newSeries(kv []attribute.KeyValue, l tq.Labels) []labels {
	list := make([]labels, l.Series())
	for series := range list {
		list[series] = newLabels(kv, labelAttributes(l, series)...)
	}

	return list
}

// labelAttributes are what tells one series from the others.
func labelAttributes(l tq.Labels, series int) []attribute.KeyValue {
	kv := make([]attribute.KeyValue, len(l))
	for i := range l {
		kv[i] = attribute.String(instrument.KeyLabel+l[i].Name, l.Value(i, series))
	}

	return kv
}
