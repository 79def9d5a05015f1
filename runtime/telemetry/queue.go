package telemetry

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/tqgen/tqgen/internal/instrument"
	"github.com/tqgen/tqgen/runtime/tq"
)

const (
	// interval is how long samples wait in the queue at most, so that many are
	// recorded at once.
	interval = 10 * time.Millisecond
	// buffered samples are kept in the queue meanwhile.
	buffered = 4096
	// SamplesPerSecond is how many values of a queue's histograms are recorded in
	// a second; a task makes three to five.
	SamplesPerSecond = buffered * int(time.Second/interval)
)

// queue is an attached queue.
type queue struct {
	r         *Registration
	probe     *tq.Probe
	labels    labels
	series    []labels  // of measurements of tasks; nil if payloads have no labels
	rejected  [6]labels // in the order of errorTypes
	stale     [6]labels // in the order of operations
	callbacks metric.Registration

	mu      sync.Mutex
	meter   *tq.Meter // nil while no group needs it
	samples []tq.Sample
	lost    uint64
	wake    chan struct{} // holds one wake-up
	stop    chan struct{}
	done    chan struct{}
}

// Values of error.type that are no codes of tq.
const (
	canceled = "canceled"
	exceeded = "deadline_exceeded"
)

var (
	errorTypes = [6]string{tq.CodeFull, tq.CodeClosed, tq.CodeDrained, tq.CodeDeposed, canceled, exceeded}
	operations = [6]string{"complete", "heartbeat", "fail", "release", "dead-letter", "resume"}
)

// newQueue is called with r.mu held.
func newQueue(r *Registration, probe *tq.Probe) (*queue, error) {
	name := probe.Options().Name
	for _, a := range r.attached {
		if other, ok := a.(*queue); ok && other.probe.Options().Name == name {
			return nil, fmt.Errorf("another queue named %q is attached: give one a registration with another shard",
				name)
		}
	}
	kv := r.config.set(name, "")
	q := &queue{
		r: r, probe: probe, labels: newLabels(kv),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	if l := probe.Labels(); len(l) > 0 {
		q.series = newSeries(kv, l)
	}
	for i, t := range errorTypes {
		q.rejected[i] = newLabels(kv, keyError.String(t))
	}
	for i, op := range operations {
		q.stale[i] = newLabels(kv, keyOperation.String(op))
	}
	callbacks, err := r.observe(q.observe)
	if err != nil {
		return nil, err
	}
	q.callbacks = callbacks
	q.regroup(Groups(r.groups.Load()))
	go q.run()

	return q, nil
}

// regroup has the queue measure if somebody wants to know.
func (q *queue) regroup(g Groups) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch wanted := g&(Depth|Throughput) != 0; {
	case wanted && q.meter == nil:
		q.meter = q.probe.Measure(buffered, q.call)
	case !wanted && q.meter != nil:
		_ = q.meter.Close() // it never fails
		q.meter = nil
	}
}

// call is called under a lock of the queue.
func (q *queue) call() {
	select {
	case q.wake <- struct{}{}:
	default: // it is awake
	}
}

func (q *queue) run() {
	defer close(q.done)
	pause := time.NewTimer(interval)
	defer pause.Stop()
	for {
		select {
		case <-q.wake:
		case <-q.stop:
			return
		}
		pause.Reset(interval)
		select {
		case <-pause.C:
		case <-q.stop:
			return
		}
		q.record()
	}
}

// record records what the queue has measured since the last time.
func (q *queue) record() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.meter == nil {
		return
	}
	samples, lost := q.meter.Take(q.samples[:0])
	q.samples = samples
	q.lost += lost
	depth, throughput := q.r.on(Depth), q.r.on(Throughput)
	for _, s := range samples {
		switch {
		case s.Measure == tq.PendingDepth || s.Measure == tq.ActiveDepth:
			if depth {
				q.recordDepth(s)
			}
		case throughput:
			q.recordThroughput(s)
		}
	}
}

func (q *queue) recordDepth(s tq.Sample) {
	usual, omni := instrument.PendingDepth, instrument.OmniPending
	if s.Measure == tq.ActiveDepth {
		usual, omni = instrument.ActiveDepth, instrument.OmniActive
	}
	q.r.recordInt(usual, s.Value, &q.labels)
	if q.r.config.omni {
		q.r.recordInt(omni, s.Value, &q.labels)
	}
}

func (q *queue) recordThroughput(s tq.Sample) {
	l := &q.labels
	if q.series != nil && s.Measure != tq.BlockedDuration {
		l = &q.series[s.Series]
	}
	switch s.Measure {
	case tq.WaitDuration:
		q.r.recordDuration(instrument.WaitDuration, s.Value, 1e9, l)
	case tq.LeaseDuration:
		q.r.recordDuration(instrument.LeaseDuration, s.Value, 1e6, l)
	case tq.HeartbeatExtension:
		q.r.recordDuration(instrument.HeartbeatExtension, s.Value, 1e6, l)
	case tq.BlockedDuration:
		q.r.recordDuration(instrument.BlockedDuration, s.Value, 1e9, l)
	case tq.DeliveryAttempts:
		q.r.recordInt(instrument.DeliveryAttempts, s.Value, l)
	}
}

// observe is called when instruments are collected. It records first, so that
// histograms are up to date, too.
func (q *queue) observe(_ context.Context, out metric.Observer) error {
	q.record()
	o := observer{q.r, out}
	stats := q.probe.Stats()
	if q.r.on(Depth) {
		q.observeDepth(o, &stats)
	}
	if q.r.on(Throughput) {
		q.observeThroughput(o, &stats)
	}

	return nil
}

func (q *queue) observeDepth(o observer, s *tq.Stats) {
	l := &q.labels
	o.int(instrument.Pending, int64(s.Pending()), l)
	o.int(instrument.Active, int64(s.Active()), l)
	o.int(instrument.PendingLimit, int64(s.Capacity), l)
	o.int(instrument.DeadPending, int64(s.Dead), l)
	o.o.ObserveFloat64(q.r.floats[instrument.OldestAge], s.OldestReady.Seconds(), l.observe...)
}

func (q *queue) observeThroughput(o observer, s *tq.Stats) {
	l := &q.labels
	o.count(instrument.Enqueued, s.Enqueued, l)
	o.count(instrument.Requeued, s.Requeued, l)
	o.count(instrument.Deadlettered, s.DeadLettered, l)
	o.count(instrument.Leased, s.Granted, l)
	o.count(instrument.Completed, s.Completed, l)
	o.count(instrument.Failed, s.Failed, l)
	o.count(instrument.Expired, s.Expired, l)
	o.count(instrument.Heartbeats, s.Heartbeats, l)
	o.count(instrument.Released, s.Released, l)
	o.count(instrument.Drained, s.Drained, l)
	o.count(instrument.Restored, s.Restored, l)
	o.count(instrument.Redriven, s.Redriven, l)
	o.count(instrument.Purged, s.Purged, l)
	q.mu.Lock()
	missed := q.lost
	q.mu.Unlock()
	o.count(instrument.TelemetryLost, missed, l)
	refused := q.probe.Refusals()
	for i, n := range [...]uint64{
		refused.Full, refused.Closed, refused.Drained, refused.Deposed, refused.Cancelled, refused.TimedOut,
	} {
		o.count(instrument.Rejected, n, &q.rejected[i])
	}
	for i, n := range [...]uint64{
		refused.Complete, refused.Heartbeat, refused.Fail, refused.Release, refused.DeadLetter, refused.Resume,
	} {
		o.count(instrument.Stale, n, &q.stale[i])
	}
}

func (q *queue) close() error {
	q.record()
	close(q.stop)
	<-q.done
	q.regroup(0)

	return q.callbacks.Unregister()
}
