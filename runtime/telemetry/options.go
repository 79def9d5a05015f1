package telemetry

import (
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/tqgen/tqgen/internal/instrument"
)

// Option is one setting of New.
type Option func(*config)

type config struct {
	provider   metric.MeterProvider
	tracers    trace.TracerProvider
	level      SpanLevel
	budget     *Budget
	service    string
	shard      string
	attributes []attribute.KeyValue
	tags       func(queue string) []attribute.KeyValue
	groups     Groups
	hugoUnits  bool
	omni       bool
	buckets    map[instrument.Name][]float64
}

// WithMeterProvider has instruments made by p. Without it nothing is measured.
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(c *config) { c.provider = p }
}

// WithTracerProvider has spans made by p. Without it there are none.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(c *config) { c.tracers = p }
}

// WithSpanLevel says which spans there are at the beginning; without it
// [SpansProcess].
func WithSpanLevel(l SpanLevel) Option { return func(c *config) { c.level = l } }

// WithBudget bounds the spans by b, which others may spend from, too. Without
// it the registration has one of [DefaultBudget] for itself.
func WithBudget(b *Budget) Option { return func(c *config) { c.budget = b } }

// WithServiceName sets the attribute service.name.
func WithServiceName(name string) Option { return func(c *config) { c.service = name } }

// WithShard sets the attribute taskqueue.shard of what names none itself.
func WithShard(shard string) Option { return func(c *config) { c.shard = shard } }

// WithAttributes sets attributes of everything, spans included.
func WithAttributes(kv ...attribute.KeyValue) Option {
	return func(c *config) { c.attributes = append(c.attributes, kv...) }
}

// WithTags sets attributes by queue. tags is called once when a queue, a monitor
// or a source is attached, once with the first event of a sink, which may be in
// any goroutine, and once for its spans, its effects and each instrument. It does
// not call the registration. If it panics for a sink, that has no tags.
func WithTags(tags func(queue string) []attribute.KeyValue) Option {
	return func(c *config) { c.tags = tags }
}

// WithGroups says which instruments report at the beginning; without it all do.
func WithGroups(g Groups) Option { return func(c *config) { c.groups = g } }

// WithHugoUnits gives units as they were before: items, not {item}.
func WithHugoUnits() Option { return func(c *config) { c.hugoUnits = true } }

// WithOmniRelayNames also reports under the names omnirelay.resourcelease.*.
func WithOmniRelayNames() Option { return func(c *config) { c.omni = true } }

// WithBuckets sets the bounds of one histogram, in its unit and rising.
func WithBuckets(histogram string, bounds ...float64) Option {
	return func(c *config) { c.buckets[instrument.Name(histogram)] = bounds }
}

func (c *config) check() error {
	for n, bounds := range c.buckets {
		at := slices.IndexFunc(instrument.Table, func(s instrument.Spec) bool { return s.Name == n })
		if at < 0 || instrument.Table[at].Kind != instrument.Histogram {
			return fmt.Errorf("telemetry: WithBuckets: there is no histogram %q", string(n))
		}
		rising := slices.IsSorted(bounds) && len(slices.Compact(slices.Clone(bounds))) == len(bounds)
		if len(bounds) == 0 || !rising {
			return fmt.Errorf("telemetry: WithBuckets: the bounds of %s are not rising: %v", string(n), bounds)
		}
	}

	return nil
}

// setLate is set where nobody is there to see tags panic.
func (c config) setLate(queue, shard string) (kv []attribute.KeyValue) {
	defer func() {
		if recover() != nil {
			c.tags = nil
			kv = c.set(queue, shard)
		}
	}()

	return c.set(queue, shard)
}

// set is the attributes of a queue's measurements, or of a host's, which has
// no queue.
func (c *config) set(queue, shard string) []attribute.KeyValue {
	var kv []attribute.KeyValue
	if queue != "" {
		kv = append(kv, keyName.String(queue))
	}
	if c.service != "" {
		kv = append(kv, keyService.String(c.service))
	}
	if shard == "" {
		shard = c.shard
	}
	if shard != "" {
		kv = append(kv, keyShard.String(shard))
	}
	kv = append(kv, c.attributes...)
	if c.tags != nil && queue != "" {
		kv = append(kv, c.tags(queue)...)
	}

	return kv
}
