package telemetry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/tqgen/tqgen/internal/instrument"
	"github.com/tqgen/tqgen/runtime/backpressure"
)

// monitor is an attached monitor.
type monitor struct {
	r         *Registration
	monitor   *backpressure.Monitor
	queue     string
	shard     string
	labels    labels
	states    [2]labels // inactive, active
	callbacks metric.Registration
	listening backpressure.Subscription
	since     time.Time // of the state that was told last; of the listener
}

// newMonitor is called with r.mu held.
func newMonitor(r *Registration, m *backpressure.Monitor) (*monitor, error) {
	s := m.State()
	for _, a := range r.attached {
		other, ok := a.(*monitor)
		if ok && other.queue == s.Queue && other.shard == s.Shard {
			return nil, fmt.Errorf("another monitor of queue %q and shard %q is attached: give one another Options.Shard",
				s.Queue, s.Shard)
		}
	}
	kv := r.config.set(s.Queue, s.Shard)
	a := &monitor{
		r: r, monitor: m, queue: s.Queue, shard: s.Shard, labels: newLabels(kv),
		states: [2]labels{newLabels(kv, keyState.String("inactive")), newLabels(kv, keyState.String("active"))},
	}
	callbacks, err := r.observe(a.observe)
	if err != nil {
		return nil, err
	}
	a.callbacks = callbacks
	a.listening = m.Subscribe(a.listen)

	return a, nil
}

func (m *monitor) regroup(Groups) {}

func (m *monitor) observe(_ context.Context, out metric.Observer) error {
	if !m.r.on(Backpressure) {
		return nil
	}
	o, s, l := observer{m.r, out}, m.monitor.State(), &m.labels
	raised := int64(0)
	if s.Active {
		raised = 1
	}
	o.int(instrument.BackpressureActive, raised, l)
	o.count(instrument.BackpressureTransitions, s.Generation, l)
	o.int(instrument.HighWatermark, int64(s.High), l)
	o.int(instrument.LowWatermark, int64(s.Low), l)

	return nil
}

// listen records signals; the first call tells the state and is none.
func (m *monitor) listen(ctx context.Context, s backpressure.Signal) error {
	before := m.since
	m.since = s.ObservedAt
	if before.IsZero() || !m.r.on(Backpressure) {
		return nil
	}
	m.r.recordInt(instrument.BackpressurePending, int64(s.Pending), &m.labels)
	m.r.recordDuration(instrument.BackpressureDuration, int64(s.ObservedAt.Sub(before)), 1e6, &m.labels)
	if m.r.states != nil {
		state := &m.states[0]
		if s.Active {
			state = &m.states[1]
		}
		m.r.states.Add(ctx, 1, state.add...)
	}

	return nil
}

// close waits for the listener, which only records.
func (m *monitor) close() error {
	err := m.listening.Close()
	<-m.listening.Done()

	return errors.Join(err, m.callbacks.Unregister())
}
