package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/tqgen/tqgen/internal/instrument"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/tq"
)

// scope is the name of the meter.
const scope = "github.com/tqgen/tqgen/runtime/telemetry"

// Registration reports what is attached to it, until it is closed. Make one with
// New. Its methods are safe for concurrent use.
type Registration struct {
	config config
	meter  metric.Meter // nil: nothing is measured
	groups atomic.Uint32
	tracer trace.Tracer  // nil: there are no spans
	level  atomic.Uint32 // a SpanLevel

	ints   map[instrument.Name]metric.Int64Observable
	floats map[instrument.Name]metric.Float64Observable
	intHs  map[instrument.Name]metric.Int64Histogram
	timeHs map[instrument.Name]metric.Float64Histogram
	states metric.Int64Counter // nil unless OmniRelay's names are wanted

	effects metric.Int64Counter
	over    atomic.Bool // closed, for what records without a lock

	mu       sync.Mutex
	closed   bool
	attached map[any]attachment // by what is attached
}

// attachment is one queue or monitor.
type attachment interface {
	// regroup is called after the groups have changed.
	regroup(Groups)
	close() error
}

// New makes a registration that reports nothing yet. The error says which
// option is wrong, or is the provider's.
func New(options ...Option) (*Registration, error) {
	r := &Registration{
		config:   config{groups: AllGroups, buckets: map[instrument.Name][]float64{}, level: SpansProcess},
		attached: map[any]attachment{},
	}
	for _, o := range options {
		o(&r.config)
	}
	if err := r.config.check(); err != nil {
		return nil, err
	}
	r.groups.Store(uint32(r.config.groups))
	r.openSpans()
	if r.config.provider == nil {
		return r, nil
	}
	r.meter = r.config.provider.Meter(scope)
	if err := r.instruments(); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}

	return r, nil
}

// instruments makes all of them.
func (r *Registration) instruments() error {
	r.ints, r.floats = map[instrument.Name]metric.Int64Observable{}, map[instrument.Name]metric.Float64Observable{}
	r.intHs, r.timeHs = map[instrument.Name]metric.Int64Histogram{}, map[instrument.Name]metric.Float64Histogram{}
	var errs []error
	for _, s := range instrument.Table {
		if s.Omni && !r.config.omni {
			continue
		}
		if b := r.config.buckets[s.Name]; b != nil {
			s.Bounds = b
		}
		if r.config.hugoUnits || s.Omni {
			s.Unit = instrument.Plain(s.Unit)
		}
		errs = append(errs, r.instrument(s))
	}

	return errors.Join(errs...)
}

func (r *Registration) instrument(s instrument.Spec) (err error) {
	n, unit, text := string(s.Name), metric.WithUnit(s.Unit), metric.WithDescription(s.Text)
	switch {
	case s.Name == instrument.OmniTransitions:
		r.states, err = r.meter.Int64Counter(n, unit, text)
	case s.Name == instrument.Effects:
		r.effects, err = r.meter.Int64Counter(n, unit, text)
	case s.Kind == instrument.Histogram && (s.Unit == "s" || s.Unit == "ms"):
		r.timeHs[s.Name], err = r.meter.Float64Histogram(n, unit, text, metric.WithExplicitBucketBoundaries(s.Bounds...))
	case s.Kind == instrument.Histogram:
		r.intHs[s.Name], err = r.meter.Int64Histogram(n, unit, text, metric.WithExplicitBucketBoundaries(s.Bounds...))
	case s.Unit == "s":
		r.floats[s.Name], err = r.meter.Float64ObservableGauge(n, unit, text)
	case s.Kind == instrument.Counter:
		r.ints[s.Name], err = r.meter.Int64ObservableCounter(n, unit, text)
	case s.Kind == instrument.UpDown:
		r.ints[s.Name], err = r.meter.Int64ObservableUpDownCounter(n, unit, text)
	default:
		r.ints[s.Name], err = r.meter.Int64ObservableGauge(n, unit, text)
	}

	return err
}

// observe has f called when the instruments are collected.
func (r *Registration) observe(f metric.Callback) (metric.Registration, error) {
	var all []metric.Observable
	for _, o := range r.ints {
		all = append(all, o)
	}
	for _, o := range r.floats {
		all = append(all, o)
	}

	return r.meter.RegisterCallback(f, all...)
}

func (r *Registration) on(g Groups) bool { return Groups(r.groups.Load())&g != 0 }

// SetGroups says which instruments report from now on.
func (r *Registration) SetGroups(g Groups) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.groups.Store(uint32(g))
	for _, a := range r.attached {
		a.regroup(g)
	}
}

// Queue is what can be attached: every generated Local.
type Queue interface {
	Probe() *tq.Probe
}

// AttachQueue reports q until Detach or Close. It is an error to attach it
// twice, or with another queue of its name, which would be added up with it, and
// tq.ErrClosed after Close. Shards have a registration each, with [WithShard].
func (r *Registration) AttachQueue(q Queue) error {
	probe := q.Probe()

	return r.attach(probe, func() (attachment, error) {
		return newQueue(r, probe)
	})
}

// DetachQueue reports q no longer. It is no error if it is not attached.
func (r *Registration) DetachQueue(q Queue) error { return r.detach(q.Probe()) }

// AttachMonitor reports m until Detach or Close. Several monitors of one queue
// need different shards to be told from each other. The errors are like those of
// AttachQueue.
func (r *Registration) AttachMonitor(m *backpressure.Monitor) error {
	return r.attach(m, func() (attachment, error) { return newMonitor(r, m) })
}

// DetachMonitor reports m no longer. It is no error if it is not attached.
func (r *Registration) DetachMonitor(m *backpressure.Monitor) error { return r.detach(m) }

func (r *Registration) attach(key any, open func() (attachment, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return tq.ErrClosed
	case r.attached[key] != nil:
		return errors.New("telemetry: attached already")
	case r.meter == nil:
		return nil
	}
	a, err := open()
	if err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	r.attached[key] = a

	return nil
}

func (r *Registration) detach(key any) error {
	r.mu.Lock()
	a := r.attached[key]
	delete(r.attached, key)
	r.mu.Unlock()
	if a == nil {
		return nil
	}

	return a.close()
}

// Close detaches everything and starts no more spans; those that have begun
// end when they end. Closing twice is no error.
func (r *Registration) Close() error {
	r.mu.Lock()
	attached := r.attached
	r.attached, r.closed = nil, true
	r.over.Store(true)
	r.level.Store(uint32(SpansOff))
	r.mu.Unlock()
	var errs []error
	for _, a := range attached {
		errs = append(errs, a.close())
	}

	return errors.Join(errs...)
}

// labels are prepared attributes, for instruments that observe and for those
// that record.
type labels struct {
	observe []metric.ObserveOption
	record  []metric.RecordOption
	add     []metric.AddOption
}

func newLabels(kv []attribute.KeyValue, more ...attribute.KeyValue) labels {
	set := metric.WithAttributeSet(attribute.NewSet(append(append([]attribute.KeyValue(nil), kv...), more...)...))

	return labels{[]metric.ObserveOption{set}, []metric.RecordOption{set}, []metric.AddOption{set}}
}

// observer writes the numbers of one callback.
type observer struct {
	r *Registration
	o metric.Observer
}

func (o observer) int(n instrument.Name, v int64, l *labels) {
	o.o.ObserveInt64(o.r.ints[n], v, l.observe...)
}

func (o observer) count(n instrument.Name, v uint64, l *labels) { o.int(n, int64(v), l) }

// recordDuration records nanoseconds in the unit of the instrument.
func (r *Registration) recordDuration(n instrument.Name, nanoseconds int64, perUnit float64, l *labels) {
	r.timeHs[n].Record(context.Background(), float64(nanoseconds)/perUnit, l.record...)
}

func (r *Registration) recordInt(n instrument.Name, v int64, l *labels) {
	r.intHs[n].Record(context.Background(), v, l.record...)
}
