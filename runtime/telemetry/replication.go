package telemetry

import (
	"cmp"
	"context"
	"maps"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/tqgen/tqgen/internal/instrument"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
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

// AttachSource reports s until Detach or Close, with more attributes where it is
// to be told from other sources of its queue. The errors are those of
// AttachQueue.
func (r *Registration) AttachSource(s Source, more ...attribute.KeyValue) error {
	probe := s.Probe()

	return r.attach(probe, func() (attachment, error) {
		return newStream(r, &stream{r: r, source: true, stats: probe.Stats, open: probe.Tap, more: more})
	})
}

// DetachSource reports s no longer. It is no error if it is not attached.
func (r *Registration) DetachSource(s Source) error { return r.detach(s.Probe()) }

// AttachSink reports s, from its first event on, until Detach or Close. Several
// sinks for events of one queue need more attributes to be told from each
// other. The errors are those of AttachQueue.
func (r *Registration) AttachSink(s Sink, more ...attribute.KeyValue) error {
	probe := s.Probe()

	return r.attach(probe, func() (attachment, error) {
		return newStream(r, &stream{r: r, stats: probe.Stats, open: probe.Tap, more: more})
	})
}

// DetachSink reports s no longer. It is no error if it is not attached.
func (r *Registration) DetachSink(s Sink) error { return r.detach(s.Probe()) }

// stream is an attached source or sink.
type stream struct {
	r         *Registration
	source    bool
	stats     func() replication.ProbeStats
	open      func(limit int) *replication.Tap
	more      []attribute.KeyValue
	callbacks metric.Registration

	mu     sync.Mutex
	kv     []attribute.KeyValue // nil before the first event of a sink
	labels labels
	shard  string
	peers  map[string]*labels  // by peer
	kinds  map[string]*labels  // by kind
	omni   map[omniKey]*labels // by kind and peer
	tap    *replication.Tap    // nil while the group is off
	passed []replication.Passage
	lost   uint64
	done   chan struct{} // closed when nobody takes from tap any more
	stop   chan struct{}
}

type omniKey struct{ kind, peer string }

func newStream(r *Registration, s *stream) (*stream, error) {
	s.peers, s.kinds, s.omni = map[string]*labels{}, map[string]*labels{}, map[omniKey]*labels{}
	if stats := s.stats(); stats.Queue != "" {
		s.name(r.config.set(stats.Queue, stats.Shard), stats.Shard)
	}
	callbacks, err := r.observe(s.observe)
	if err != nil {
		return nil, err
	}
	s.callbacks = callbacks
	s.regroup(Groups(r.groups.Load()))

	return s, nil
}

// regroup has events noted if somebody wants to know of them.
func (s *stream) regroup(g Groups) {
	s.mu.Lock()
	wanted, tap := g&Replication != 0, s.tap
	switch {
	case wanted && tap == nil:
		s.tap = s.open(buffered)
		s.stop, s.done = make(chan struct{}), make(chan struct{})
		go s.run(s.tap, s.stop, s.done)
	case !wanted && tap != nil:
		s.tap = nil
		defer func() {
			_ = tap.Close() // it never fails
			close(s.stop)
			<-s.done
		}()
	}
	s.mu.Unlock()
}

// run records again and again, until stop.
func (s *stream) run(tap *replication.Tap, stop, done chan struct{}) {
	defer close(done)
	pause := time.NewTimer(interval)
	defer pause.Stop()
	for {
		select {
		case <-tap.Wake():
		case <-stop:
			return
		}
		pause.Reset(interval)
		select {
		case <-pause.C:
		case <-stop:
			return
		}
		s.record()
	}
}

// record records what was noted since the last time.
func (s *stream) record() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tap == nil {
		return
	}
	passed, lost := s.tap.Take(s.passed)
	s.passed = passed
	s.lost += lost.Events
	if !s.r.on(Replication) || len(passed) == 0 {
		return
	}
	s.learn(passed[0].Queue, passed[0].Shard)
	for i := range passed {
		p := &passed[i]
		s.r.recordInt(instrument.ReplicationLag, int64(p.Behind), &s.labels)
		if s.source {
			continue
		}
		s.r.recordDuration(instrument.ReplicationDelay, int64(p.Delay), 1e6, &s.labels)
		if s.r.config.omni {
			s.r.recordDuration(instrument.OmniReplicationDelay, int64(p.Delay), 1e6, s.omniLabels(kindOf(p.Kind), p.Peer))
		}
	}
}

// learn prepares the attributes with the first event of a sink, which names the
// queue; mu is held.
func (s *stream) learn(queue, shard string) {
	if s.kv == nil {
		s.name(s.r.config.setLate(queue, shard), shard)
	}
}

// name prepares the attributes; mu is held, or nobody else knows of s.
func (s *stream) name(kv []attribute.KeyValue, shard string) {
	s.kv = append(kv, s.more...)
	s.labels, s.shard = newLabels(s.kv), cmp.Or(shard, s.r.config.shard)
}

// labelsBy are those with one attribute more; mu is held.
func (s *stream) labelsBy(of map[string]*labels, key attribute.Key, value string) *labels {
	l := of[value]
	if l == nil {
		prepared := newLabels(s.kv, key.String(value))
		l = &prepared
		of[value] = l
	}

	return l
}

// kinds are the names of those that are counted apart.
var kinds = maps.Collect(new(replication.KindCounts).All())

// kindOf is the kind of an event as it is counted: what an event brings from
// elsewhere may be any number.
func kindOf(k tq.Kind) string {
	name := k.String()
	if _, known := kinds[name]; !known {
		return tq.OtherValue
	}

	return name
}

// omniKinds are kinds of events as OmniRelay calls them, where that differs.
var omniKinds = map[string]string{
	tq.Enqueued.String(): "Enqueue", tq.Drained.String(): "DrainSnapshot", tq.Restored.String(): "RestoreSnapshot",
}

// omniLabels are those of OmniRelay's instruments; mu is held.
func (s *stream) omniLabels(kind, peer string) *labels {
	key := omniKey{kind, peer}
	l := s.omni[key]
	if l == nil {
		kv := []attribute.KeyValue{keyOmniKind.String(cmp.Or(omniKinds[kind], kind)), keyOmniPeer.String(peer)}
		if s.shard != "" {
			kv = append(kv, keyOmniShard.String(s.shard))
		}
		prepared := newLabels(s.kv, kv...)
		l = &prepared
		s.omni[key] = l
	}

	return l
}

// observe is called when instruments are collected. It records first, so that
// histograms are up to date, too.
func (s *stream) observe(_ context.Context, out metric.Observer) error {
	s.record()
	stats := s.stats()
	if stats.Queue == "" || !s.r.on(Replication) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.learn(stats.Queue, stats.Shard)
	o := observer{s.r, out}
	if s.source {
		s.observeSource(o, &stats)
	} else {
		s.observeSink(o, &stats)
	}
	if s.r.on(Throughput) && s.lost > 0 {
		o.count(instrument.TelemetryLost, s.lost, &s.labels)
	}

	return nil
}

func (s *stream) observeSource(o observer, stats *replication.ProbeStats) {
	total := map[string]uint64{}
	for i := range stats.Peers {
		p := &stats.Peers[i]
		for kind, n := range p.Events.All() {
			total[kind] += n
			if s.r.config.omni && n > 0 {
				o.count(instrument.OmniReplicationEvents, n, s.omniLabels(kind, p.Peer))
			}
		}
	}
	for kind, n := range total {
		if n > 0 {
			o.count(instrument.ReplicationEvents, n, s.labelsBy(s.kinds, keyKind, kind))
		}
	}
}

func (s *stream) observeSink(o observer, stats *replication.ProbeStats) {
	for i := range stats.Peers {
		p := &stats.Peers[i]
		l := s.labelsBy(s.peers, keyPeer, p.Peer)
		o.int(instrument.CheckpointDistance, int64(p.Unsaved), l)
		o.count(instrument.ReplicationApplied, p.Events.Total(), l)
		o.count(instrument.ReplicationDuplicates, p.Duplicates, l)
		o.count(instrument.ReplicationGaps, p.Gaps, l)
	}
}

func (s *stream) close() error {
	s.record()
	s.regroup(0)

	return s.callbacks.Unregister()
}
