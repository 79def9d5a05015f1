package peers

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// maxLabels is how many peers have measurements of their own; all others are
// other together.
const maxLabels = 64

const other = "other"

// counts only grow.
type counts struct {
	assignments, heartbeats, expired, lost atomic.Uint64

	peer          metric.MeasurementOption
	byExpiration  metric.MeasurementOption
	byDisconnects metric.MeasurementOption
}

func (c *counts) disconnects(reason string) *atomic.Uint64 {
	if reason == ReasonExpired {
		return &c.expired
	}

	return &c.lost
}

// label gives the counts of a peer. They outlive it: it may come again. mu is
// held.
func (t *Tracker) label(name string) *counts {
	if c := t.labels[name]; c != nil {
		return c
	}
	if len(t.labels) >= maxLabels {
		name = other
		if c := t.labels[name]; c != nil {
			return c
		}
	}
	peer, reason := attribute.String("rpc.peer", name), attribute.Key("lease.disconnect.reason")
	set := func(kv ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(kv...))
	}
	c := &counts{
		peer: set(peer), byExpiration: set(peer, reason.String(ReasonExpired)),
		byDisconnects: set(peer, reason.String(ReasonLost)),
	}
	t.labels[name] = c

	return c
}

// instruments of a tracker.
type instruments struct {
	healthy, unhealthy, pending          metric.Int64ObservableGauge
	assignments, heartbeats, disconnects metric.Int64ObservableCounter
}

// Instrument reports to m, until the registration that it returns ends:
// omnirelay.peer.lease.healthy, .unhealthy and .pending_reassignments, and by
// peer omnirelay.peer.lease_assignments, .lease_heartbeats and
// .lease_disconnects. The first 64 peers have measurements of their own.
func (t *Tracker) Instrument(m metric.Meter) (metric.Registration, error) {
	i, err := newInstruments(m)
	if err != nil {
		return nil, err
	}

	return m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		healthy, unhealthy, pending := t.summary()
		o.ObserveInt64(i.healthy, healthy)
		o.ObserveInt64(i.unhealthy, unhealthy)
		o.ObserveInt64(i.pending, pending)
		for _, c := range t.allCounts() {
			o.ObserveInt64(i.assignments, int64(c.assignments.Load()), c.peer)
			o.ObserveInt64(i.heartbeats, int64(c.heartbeats.Load()), c.peer)
			o.ObserveInt64(i.disconnects, int64(c.expired.Load()), c.byExpiration)
			o.ObserveInt64(i.disconnects, int64(c.lost.Load()), c.byDisconnects)
		}

		return nil
	}, i.healthy, i.unhealthy, i.pending, i.assignments, i.heartbeats, i.disconnects)
}

func newInstruments(m metric.Meter) (i instruments, err error) {
	const prefix = "omnirelay.peer."
	gauge := func(p *metric.Int64ObservableGauge, name, unit, text string) {
		if err == nil {
			*p, err = m.Int64ObservableGauge(prefix+name, metric.WithUnit(unit), metric.WithDescription(text))
		}
	}
	counter := func(p *metric.Int64ObservableCounter, name, unit, text string) {
		if err == nil {
			*p, err = m.Int64ObservableCounter(prefix+name, metric.WithUnit(unit), metric.WithDescription(text))
		}
	}
	gauge(&i.healthy, "lease.healthy", "{peer}", "Peers that are healthy.")
	gauge(&i.unhealthy, "lease.unhealthy", "{peer}", "Peers that are silent, disconnected or barred.")
	gauge(&i.pending, "lease.pending_reassignments", "{lease}", "Tasks a peer had, waiting for another.")
	counter(&i.assignments, "lease_assignments", "{lease}", "Leases granted.")
	counter(&i.heartbeats, "lease_heartbeats", "{signal}", "Leases prolonged.")
	counter(&i.disconnects, "lease_disconnects", "{signal}", "Leases expired and connections lost.")

	return i, err
}

func (t *Tracker) allCounts() []*counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*counts, 0, len(t.labels))
	for _, c := range t.labels {
		all = append(all, c)
	}

	return all
}
