package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/replicationhttp"
	"github.com/tqgen/tqgen/runtime/telemetry"
	"github.com/tqgen/tqgen/runtime/tq"
)

// ownership is what a node has while it owns the queue.
type ownership struct {
	n       *node
	q       *leasequeue.Local
	closing []func() error // the last one first
}

// own owns the queue until ctx ends or somebody else has succeeded this node.
func (n *node) own(ctx context.Context, q *leasequeue.Local) (err error) {
	o := &ownership{n: n, q: q}
	o.later(q.Close)
	defer func() { err = errors.Join(err, o.close()) }()
	s, err := o.open(ctx)
	if err != nil {
		return err
	}
	n.now.Store(s)
	defer n.now.Store(new(stint)) // before what it serves is closed
	defer n.calls.Follow("")
	n.log.Info("owns the queue", "term", q.Term())
	n.out.say("owner", n.s.name, q.Term(), q.Probe().Options().Incarnation)
	err = q.Guard(ctx, n.terms, look, func(err error) { n.log.Warn("looked for a successor", "error", err) })
	if errors.Is(err, tq.ErrDeposed) || ctx.Err() != nil {
		return nil
	}

	return err
}

func (o *ownership) later(f func() error) { o.closing = append(o.closing, f) }

func (o *ownership) close() error {
	var errs []error
	for i := len(o.closing) - 1; i >= 0; i-- {
		errs = append(errs, o.closing[i]())
	}

	return errors.Join(errs...)
}

// open makes what shows the queue, to clients, followers, and people.
func (o *ownership) open(ctx context.Context) (*stint, error) {
	n, q := o.n, o.q
	monitor, err := backpressure.New(q, backpressure.Options{Live: true})
	if err != nil {
		return nil, err
	}
	o.later(monitor.Close)
	host, err := o.diagnostics(monitor)
	if err != nil {
		return nil, err
	}
	if err := o.measure(monitor, host); err != nil {
		return nil, err
	}
	events, err := o.replication()
	if err != nil {
		return nil, err
	}
	o.attend(ctx, o.followPeers)
	if n.s.journal {
		_, reader := q.WatchNow()
		o.later(reader.Close)
		o.attend(ctx, func(ctx context.Context) { o.tell(ctx, reader) })
	}
	n.calls.Own(q, o.pressure(monitor))

	return &stint{replication: events, pages: host, status: o.status}, nil
}

// pressure is what holds clients back.
func (o *ownership) pressure(m *backpressure.Monitor) backpressure.Source {
	if o.n.s.ingress == ingressOff {
		return nil
	}

	return m
}

func (o *ownership) diagnostics(m *backpressure.Monitor) (*diagnostics.Host, error) {
	host, err := diagnostics.New(o.n.s.diagnostics())
	if err != nil {
		return nil, err
	}
	o.later(host.Close)

	return host, errors.Join(host.AttachQueue(o.q), host.AttachMonitor(m))
}

// measure reports the queue to Prometheus.
func (o *ownership) measure(m *backpressure.Monitor, h *diagnostics.Host) error {
	if o.n.meters == nil {
		return nil
	}
	r, err := telemetry.New(telemetry.WithMeterProvider(o.n.meters), telemetry.WithServiceName(o.n.s.name))
	if err != nil {
		return err
	}
	o.later(r.Close)
	trackers, err := o.n.peers.Instrument(o.n.meters.Meter("mesh"))
	if err != nil {
		return err
	}
	o.later(trackers.Unregister)

	return errors.Join(r.AttachQueue(o.q), r.AttachMonitor(m), r.AttachHost(h))
}

// replication shows the queue to its followers, and has its operations wait for
// one of them.
func (o *ownership) replication() (http.Handler, error) {
	options := replicationhttp.HandlerOptions{Heartbeat: heartbeat}
	if o.n.s.synchronous {
		options.Synchronous = new(tq.SyncOptions) // without a follower nothing is acknowledged
	}
	h, err := replicationhttp.NewHandler(o.q.Feed(), options)
	if err != nil {
		return nil, err
	}
	o.later(h.Close)

	return h, nil
}

// attend does something beside the queue, for as long as this node owns it.
func (o *ownership) attend(ctx context.Context, do func(context.Context)) {
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	o.later(func() error {
		cancel()
		<-over

		return nil
	})
	go func() {
		defer close(over)
		do(ctx)
	}()
}

// followPeers has the tracker see what becomes of leases.
func (o *ownership) followPeers(ctx context.Context) {
	if err := o.n.peers.Follow(ctx, o.q); err != nil && !errors.Is(err, tq.ErrDeposed) {
		o.n.log.Error("the health of peers", "error", err)
	}
}

// tell tells of each event, whatever becomes of it.
func (o *ownership) tell(ctx context.Context, events *leasequeue.Reader) {
	for {
		e, err := events.Next(ctx)
		if err != nil {
			return
		}
		tellEvent(o.n.out, "owned", &e.Header)
	}
}

func (o *ownership) status() status {
	s, p := o.q.Probe().Stats(), o.q.Probe().Options()

	return status{
		Node: o.n.s.name, Role: "owner", Owner: o.n.s.name, Term: o.q.Term(), Life: p.Incarnation.String(),
		Sequence: uint64(s.Sequence), Pending: s.Pending(), Active: s.Active(), Dead: s.Dead, Readers: s.Readers,
	}
}
