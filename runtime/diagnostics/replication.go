package diagnostics

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

const (
	// tapped bounds the events of a source or sink that wait to be published.
	tapped = 4096
	// gather is how long events are gathered before they are published.
	gather = 50 * time.Millisecond
)

// Roles of what replicates, and of what else a [Gap] may speak of.
const (
	RoleSource      = "source"
	RoleSink        = "sink"
	RoleDeadLetters = "deadletters"
)

// Source is what can be attached: every generated Source.
type Source interface {
	Probe() *replication.SourceProbe
}

// Sink is what can be attached: every generated Sink, and a
// [replication.SinkProbe] by itself.
type Sink interface {
	Probe() *replication.SinkProbe
}

// Replicated is one event that a source has read or a sink has applied.
type Replicated struct {
	Queue         string    `json:"queue"`
	Shard         string    `json:"shard"`
	Role          string    `json:"role"`   // RoleSource or RoleSink
	Stream        string    `json:"stream"` // of a sink
	Peer          string    `json:"peer"`   // under which its position is kept
	Owner         string    `json:"owner"`
	Incarnation   string    `json:"incarnation"`
	Sequence      uint64    `json:"sequenceNumber"`
	SourceEvent   uint64    `json:"sourceEventId"` // Sequence unless relayed
	Kind          string    `json:"kind"`
	Flags         int       `json:"flags"`
	Task          string    `json:"task"`
	Attempt       int       `json:"attempt"`
	OccurredAt    time.Time `json:"occurredAt"`
	RecordedAt    time.Time `json:"recordedAt"`
	LagSeconds    float64   `json:"lagSeconds"`    // how old it was when it was read or applied
	Behind        uint64    `json:"behind"`        // events that were known then and still to come
	SequenceDelta uint64    `json:"sequenceDelta"` // how far it is above the one that passed before; 1 if none is missing
}

// Replication is one source or sink at one time.
type Replication struct {
	Queue       string  `json:"queue"` // "" before the first event of a sink
	Shard       string  `json:"shard"`
	Role        string  `json:"role"`
	Stream      string  `json:"stream"`
	Incarnation string  `json:"incarnation"`
	Position    uint64  `json:"position"`           // the last event read, or below which all are applied
	Known       uint64  `json:"known"`              // the last event of the queue that is known of
	Behind      uint64  `json:"behind"`             // how many those are
	Distance    int     `json:"checkpointDistance"` // events applied since the last checkpoint
	PerSec      float64 `json:"perSecond"`          // events since the time before

	Peers []ReplicationPeer `json:"peers"` // at most 65
}

// ReplicationPeer is what has come from one peer since the source or sink was
// made.
type ReplicationPeer struct {
	Peer       string  `json:"peer"`
	Position   uint64  `json:"position"` // the newest event read or applied
	Distance   uint64  `json:"checkpointDistance"`
	LagSeconds float64 `json:"lagSeconds"` // how old the last event was when it was read or applied
	Events     uint64  `json:"events"`
	Duplicates uint64  `json:"duplicates"`
	Gaps       uint64  `json:"gaps"`
}

// Replicas are the sources and sinks of a queue that is not attached itself.
type Replicas struct {
	Queue       string        `json:"queue"`
	ObservedAt  time.Time     `json:"observedAt"`
	Replication []Replication `json:"replication"`
}

// replica is an attached source or sink.
type replica struct {
	key    any
	role   string
	stats  func() replication.ProbeStats
	tap    *replication.Tap // nil if no events of it are published
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	looked time.Time // guarded by mu
	events uint64    // at that time; guarded by mu
	perSec float64   // guarded by mu
	passed []replication.Passage

	second   time.Time            // the one that allowed and left are of; of the goroutine
	allowed  int                  // events that may still be published in it
	left     Gap                  // what was not published in it
	previous replication.Position // of the event that passed last
}

// AttachSource shows s until it is detached or the host is closed: its figures,
// and the events that it reads. It is an error to attach it twice; the error
// matches tq.ErrClosed after Close.
func (h *Host) AttachSource(s Source) error {
	p := s.Probe()

	return h.attach(&replica{key: p, role: RoleSource, stats: p.Stats}, p.Tap)
}

// DetachSource shows s no longer. It is no error if it is not attached.
func (h *Host) DetachSource(s Source) error { return h.detach(s.Probe()) }

// AttachSink shows s, from its first event on, until it is detached or the host
// is closed: its figures, and the events that it applies. The errors are those
// of AttachSource.
func (h *Host) AttachSink(s Sink) error {
	p := s.Probe()

	return h.attach(&replica{key: p, role: RoleSink, stats: p.Stats}, p.Tap)
}

// DetachSink shows s no longer. It is no error if it is not attached.
func (h *Host) DetachSink(s Sink) error { return h.detach(s.Probe()) }

func (h *Host) attach(r *replica, tap func(limit int) *replication.Tap) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.over:
		return tq.ErrClosed
	case slices.ContainsFunc(h.replicas, func(o *replica) bool { return o.key == r.key }):
		return errors.New("diagnostics: the " + r.role + " is attached already")
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.done = cancel, make(chan struct{})
	r.look(time.Now()) // rates count from here
	h.replicas = append(h.replicas, r)
	if h.o.ReplicationRate == NoReplication {
		close(r.done)

		return nil
	}
	r.tap = tap(tapped)
	h.tasks.Go(func() {
		defer close(r.done)
		h.followReplica(ctx, r)
	})

	return nil
}

func (h *Host) detach(key any) error {
	h.mu.Lock()
	i := slices.IndexFunc(h.replicas, func(o *replica) bool { return o.key == key })
	if i < 0 {
		h.mu.Unlock()
		return nil
	}
	r := h.replicas[i]
	h.replicas = slices.Delete(slices.Clone(h.replicas), i, i+1)
	h.mu.Unlock()
	err := r.untap()
	r.cancel()
	<-r.done
	h.farewell(r.stats().Queue)

	return err
}

// untap ends what waits to be published.
func (r *replica) untap() error {
	if r.tap == nil {
		return nil
	}

	return r.tap.Close()
}

// farewell publishes what is left for a queue that is not attached itself, after
// something was detached.
func (h *Host) farewell(queue string) {
	if queue == "" || h.queue(queue) != nil {
		return
	}
	h.publish(TypeReplicas, queue, Replicas{Queue: queue, ObservedAt: time.Now(), Replication: of(queue, h.replication())})
}

// replication is every source and sink now.
func (h *Host) replication() []Replication {
	h.mu.Lock()
	replicas := slices.Clone(h.replicas)
	h.mu.Unlock()
	all := make([]Replication, 0, len(replicas))
	for _, r := range replicas {
		all = append(all, r.show())
	}

	return all
}

// followReplica publishes the events of a source or sink as they come, a few at
// a time, and once a second what was left out.
func (h *Host) followReplica(ctx context.Context, r *replica) {
	pause := time.NewTimer(gather)
	defer pause.Stop()
	for ctx.Err() == nil {
		var over <-chan time.Time
		if r.left.Dropped > 0 {
			pause.Reset(time.Until(r.second.Add(time.Second)))
			over = pause.C
		}
		select {
		case <-r.tap.Wake():
		case <-over:
		case <-ctx.Done():
		}
		pause.Reset(gather)
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
		h.publishReplica(r, time.Now())
	}
	h.publishLeft(r)
}

// publishReplica publishes what has passed since the time before. What is beyond
// the rate, or had no room meanwhile, is in the gap event of the second.
func (h *Host) publishReplica(r *replica, now time.Time) {
	if now.Sub(r.second) >= time.Second {
		h.publishLeft(r)
		r.second, r.allowed = now, h.o.ReplicationRate
	}
	passed, lost := r.tap.Take(r.passed)
	r.passed = passed
	stream := r.stats().Stream
	for i := range passed {
		p := &passed[i]
		r.left.Queue, r.left.Stream = p.Queue, stream
		delta := r.delta(p)
		if r.allowed <= 0 {
			r.left.add(uint64(p.Sequence), uint64(p.Sequence), 1)
			continue
		}
		r.allowed--
		e := replicated(p, r.role, stream)
		e.SequenceDelta = delta
		h.publish(TypeReplication, p.Queue, e)
	}
	if lost.Events > 0 {
		r.left.add(uint64(lost.From), uint64(lost.To), lost.Events)
	}
}

// publishLeft publishes what was left out, if anything was.
func (h *Host) publishLeft(r *replica) {
	if r.left.Dropped > 0 {
		r.left.Reason, r.left.Role = "rate", r.role
		h.ring.publishGap(TypeReplication, r.left)
	}
	r.left = Gap{}
}

// delta is how far p is above the event that passed before: 0 if it is below.
func (r *replica) delta(p *replication.Passage) uint64 {
	before := r.previous
	if p.Incarnation != before.Incarnation {
		before.Sequence = p.Sequence - 1 // nothing is known of what came before
	}
	r.previous = replication.Position{Incarnation: p.Incarnation, Sequence: p.Sequence}

	return uint64(max(p.Sequence, before.Sequence) - before.Sequence)
}

// add counts n events that are left out.
func (g *Gap) add(from, to, n uint64) {
	if g.Dropped == 0 || from < g.From {
		g.From = from
	}
	g.To = max(g.To, to)
	g.Dropped += n
}

func replicated(p *replication.Passage, role, stream string) Replicated {
	return Replicated{
		Queue: p.Queue, Shard: p.Shard, Role: role, Stream: stream, Peer: p.Peer, Owner: p.Owner,
		Incarnation: p.Incarnation.String(), Sequence: uint64(p.Sequence),
		SourceEvent: uint64(p.SourceEvent), Kind: p.Kind.String(), Flags: int(p.Flags),
		Task: p.Task.String(), Attempt: p.Attempt, OccurredAt: p.OccurredAt, RecordedAt: p.RecordedAt,
		LagSeconds: p.Delay.Seconds(), Behind: uint64(p.Behind),
	}
}

// look reads the source or sink and compares with the last time.
func (r *replica) look(now time.Time) Replication {
	out, events := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if elapsed := now.Sub(r.looked).Seconds(); !r.looked.IsZero() && elapsed > 0 {
		r.perSec = float64(events-r.events) / elapsed
	}
	r.looked, r.events = now, events
	out.PerSec = r.perSec

	return out
}

// show is the source or sink now, with the rate of the last look.
func (r *replica) show() Replication {
	out, _ := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	out.PerSec = r.perSec

	return out
}

// now reads the source or sink.
func (r *replica) now() (out Replication, events uint64) {
	s := r.stats()
	out = Replication{
		Queue: s.Queue, Shard: s.Shard, Role: r.role, Stream: s.Stream, Incarnation: s.Position.Incarnation.String(),
		Position: uint64(s.Position.Sequence), Known: uint64(s.Known), Behind: uint64(s.Behind()), Distance: s.Unsaved,
		Peers: []ReplicationPeer{},
	}
	for i := range s.Peers {
		p := &s.Peers[i]
		n := p.Events.Total()
		events += n
		out.Peers = append(out.Peers, ReplicationPeer{
			Peer: p.Peer, Position: uint64(p.Position), Distance: p.Unsaved, LagSeconds: p.Delay.Seconds(), Events: n,
			Duplicates: p.Duplicates, Gaps: p.Gaps,
		})
	}

	return out, events
}

// of are those of a queue.
func of(queue string, all []Replication) []Replication {
	found := []Replication{}
	for _, r := range all {
		if r.Queue == queue {
			found = append(found, r)
		}
	}

	return found
}

// publishReplicas publishes the figures of what has no queue here.
func (h *Host) publishReplicas(now time.Time, queues []*queue, all []Replication) {
	done := map[string]bool{"": true}
	for _, q := range queues {
		done[q.name] = true
	}
	for _, r := range all {
		if !done[r.Queue] {
			done[r.Queue] = true
			h.publish(TypeReplicas, r.Queue, Replicas{Queue: r.Queue, ObservedAt: now, Replication: of(r.Queue, all)})
		}
	}
}
