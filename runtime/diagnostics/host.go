package diagnostics

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Action is what a request wants to do.
type Action uint8

// Actions.
const (
	Read   Action = iota
	Mutate        // redrive or purge a dead letter, pause or resume a queue
)

// NoReplication as ReplicationRate: what sources and sinks pass is shown in their
// figures alone.
const NoReplication = -1

// Options are how a host shows what is attached. The zero Options are of use.
type Options struct {
	Ring           int           // events kept of each type; 0 means 4096
	Interval       time.Duration // between two taskqueue.stats of a queue; 0 means a second
	Heartbeat      time.Duration // between two signs of life on a quiet stream; 0 means 15 seconds
	WriteTimeout   time.Duration // for what is written to a client at a time; 0 means 10 seconds
	MaxSubscribers int           // streams at a time; beyond it the answer is 503; 0 means 256

	// ReplicationRate is how many events of each source and sink are published in a
	// second. A gap event says how many more there were. 0 means 100, and
	// NoReplication none, and no gap events: the figures are exact all the same.
	ReplicationRate int

	// Authorize says why a request may not do what it wants; its error is the
	// answer, with status 403. nil lets all read.
	Authorize func(*http.Request, Action) error
	// Mutations opens redrive, purge, pause and resume, to those whom Authorize
	// lets.
	Mutations bool
	// Thresholds say when a queue is degraded or unhealthy.
	Thresholds Thresholds
}

// Thresholds are numbers of tasks from which on a queue is degraded, or
// unhealthy. Zero fields mean the defaults.
type Thresholds struct {
	PendingDegraded, PendingUnhealthy int // 1024, 2048
	ActiveDegraded, ActiveUnhealthy   int // 64, 128
}

func (o Options) withDefaults() Options {
	o.Ring = cmp.Or(o.Ring, 4096)
	o.Interval = cmp.Or(o.Interval, time.Second)
	o.Heartbeat = cmp.Or(o.Heartbeat, 15*time.Second)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 10*time.Second)
	o.MaxSubscribers = cmp.Or(o.MaxSubscribers, 256)
	o.ReplicationRate = cmp.Or(o.ReplicationRate, 100)
	t := &o.Thresholds
	t.PendingDegraded, t.PendingUnhealthy = cmp.Or(t.PendingDegraded, 1024), cmp.Or(t.PendingUnhealthy, 2048)
	t.ActiveDegraded, t.ActiveUnhealthy = cmp.Or(t.ActiveDegraded, 64), cmp.Or(t.ActiveUnhealthy, 128)

	return o
}

func (o Options) check() error {
	if o.Ring < 1 || o.Interval < 0 || o.Heartbeat < 0 || o.WriteTimeout < 0 || o.MaxSubscribers < 0 ||
		o.ReplicationRate < NoReplication {
		return errors.New("diagnostics: Ring, Interval, Heartbeat, WriteTimeout, MaxSubscribers and ReplicationRate " +
			"are not below zero, but for NoReplication")
	}

	return nil
}

// Host is an http.Handler that shows what is attached to it. Make one with New.
// Its methods are safe for concurrent use.
type Host struct {
	o      Options
	ring   *ring
	routes http.Handler
	closed chan struct{}
	tasks  sync.WaitGroup // goroutines of the host

	mu       sync.Mutex
	over     bool
	queues   []*queue
	monitors []*monitor
	replicas []*replica
	streams  int

	gaps atomic.Uint64
}

// New makes a host with nothing attached. The error says which option is out of
// range. Close ends its goroutine.
func New(o Options) (*Host, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	h := &Host{o: o, ring: newRing(o.Ring), closed: make(chan struct{})}
	h.routes = h.mux()
	h.tasks.Go(h.tick)

	return h, nil
}

// ServeHTTP answers below the paths that docs/diagnostics.md lists.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.routes.ServeHTTP(w, r) }

// Subscribers is how many streams are open.
func (h *Host) Subscribers() int {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.streams
}

// Gaps is how often a stream has gone on behind events it did not get.
func (h *Host) Gaps() uint64 { return h.gaps.Load() }

// Queue is what can be attached: every generated Local.
type Queue interface {
	Probe() *tq.Probe
}

// AttachQueue shows q until it is detached or the host is closed. Names are
// unique: the error says that there is a queue of this name, or matches
// tq.ErrClosed.
func (h *Host) AttachQueue(q Queue) error {
	probe := q.Probe()
	ctx, cancel := context.WithCancel(context.Background())
	a := &queue{
		name: probe.Options().Name, probe: probe, cancel: cancel,
		waits: probe.Measure(samples, func() {}, tq.WaitDuration),
		ends:  probe.Measure(samples, func() {}, tq.DeliveryAttempts),
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	err := error(nil)
	switch {
	case h.over:
		err = tq.ErrClosed
	case h.find(a.name) != nil:
		err = fmt.Errorf("diagnostics: a queue named %q is attached already", a.name)
	}
	if err != nil {
		cancel()
		return errors.Join(err, a.close())
	}
	a.look(time.Now()) // rates count from here
	h.queues = append(h.queues, a)
	last := a.lastDead()
	a.done = make(chan struct{})
	h.tasks.Go(func() {
		defer close(a.done)
		h.followDead(ctx, a, last)
	})

	return nil
}

// DetachQueue shows q no longer, so that another one of its name can take its
// place. Streams are not told: who watches has its last figures until then, or
// until it comes back. It is no error if q is not attached.
func (h *Host) DetachQueue(q Queue) error {
	h.mu.Lock()
	i := slices.IndexFunc(h.queues, func(a *queue) bool { return a.probe == q.Probe() })
	if i < 0 {
		h.mu.Unlock()
		return nil
	}
	a := h.queues[i]
	h.queues = slices.Delete(slices.Clone(h.queues), i, i+1)
	h.mu.Unlock()
	a.cancel()
	<-a.done

	return a.close()
}

// find is the queue of that name; nil if there is none. mu is held.
func (h *Host) find(name string) *queue {
	i := slices.IndexFunc(h.queues, func(q *queue) bool { return q.name == name })
	if i < 0 {
		return nil
	}

	return h.queues[i]
}

func (h *Host) queue(name string) *queue {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.find(name)
}

// monitor is an attached monitor.
type monitor struct {
	source    backpressure.Source
	listening backpressure.Subscription
}

// AttachMonitor shows the signals of m until it is detached or the host is closed.
// It is an error to attach it twice; the error matches tq.ErrClosed after Close.
func (h *Host) AttachMonitor(m backpressure.Source) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.over:
		return tq.ErrClosed
	case slices.ContainsFunc(h.monitors, func(a *monitor) bool { return a.source == m }):
		return fmt.Errorf("diagnostics: this monitor of queue %q is attached already", m.State().Queue)
	}
	h.monitors = append(h.monitors, &monitor{m, m.Subscribe(func(_ context.Context, s backpressure.Signal) error {
		h.publish(TypeBackpressure, s.Queue, s)

		return nil
	})})

	return nil
}

// DetachMonitor shows the signals of m no longer. It is no error if m is not
// attached.
func (h *Host) DetachMonitor(m backpressure.Source) error {
	h.mu.Lock()
	i := slices.IndexFunc(h.monitors, func(a *monitor) bool { return a.source == m })
	if i < 0 {
		h.mu.Unlock()
		return nil
	}
	a := h.monitors[i]
	h.monitors = slices.Delete(slices.Clone(h.monitors), i, i+1)
	h.mu.Unlock()

	return a.listening.Close()
}

// publish makes an event of data. It never waits for anybody.
func (h *Host) publish(kind, queue string, data any) { h.ring.publish(kind, queue, encode(data)) }

// encode is for types of our own, which all have a JSON form.
func encode(data any) json.RawMessage {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) //nolint:forbidigo // a type of this package without a JSON form
	}

	return text
}

// followDead publishes dead letters as they come, behind the one numbered after,
// and which of them were gone before it could.
func (h *Host) followDead(ctx context.Context, q *queue, after uint64) {
	for {
		ref, err := q.probe.NextDead(ctx, after)
		switch {
		case err == nil:
			h.publish(TypeDeadLetter, q.name, letter(q.name, ref))
		case errors.Is(err, tq.ErrGap):
			h.ring.publishGap(TypeDeadLetter, Gap{
				From: after + 1, To: ref.Number, Dropped: ref.Number - after,
				Reason: "rate", Queue: q.name, Role: RoleDeadLetters,
			})
		default:
			return
		}
		after = ref.Number
	}
}

// tick publishes the figures of all queues, again and again.
func (h *Host) tick() {
	t := time.NewTicker(h.o.Interval)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			h.publishStats(now)
		case <-h.closed:
			return
		}
	}
}

// publishStats publishes the figures of everything.
func (h *Host) publishStats(now time.Time) {
	h.mu.Lock()
	queues, replicas := slices.Clone(h.queues), slices.Clone(h.replicas)
	h.mu.Unlock()
	all := make([]Replication, 0, len(replicas))
	for _, r := range replicas {
		all = append(all, r.look(now))
	}
	for _, q := range queues {
		s := q.look(now)
		s.Replication = of(q.name, all)
		h.publish(TypeStats, q.name, s)
	}
	h.publishReplicas(now, queues, all)
}

// publishQueue publishes the figures of a queue between two times.
func (h *Host) publishQueue(q *queue, now time.Time) {
	s := q.show(now)
	s.Replication = of(q.name, h.replication())
	h.publish(TypeStats, q.name, s)
}

// Close says bye to all streams and lets go of what is attached. Closing twice
// is no error. It does not wait for requests that are being answered.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.over {
		h.mu.Unlock()
		return nil
	}
	h.over = true
	queues, monitors, replicas := h.queues, h.monitors, h.replicas
	h.mu.Unlock()
	close(h.closed)
	var errs []error
	for _, q := range queues {
		q.cancel()
		errs = append(errs, q.close())
	}
	for _, m := range monitors {
		errs = append(errs, m.listening.Close())
	}
	for _, r := range replicas {
		r.cancel()
		errs = append(errs, r.untap())
	}
	h.tasks.Wait()

	return errors.Join(errs...)
}
