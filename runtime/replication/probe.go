package replication

import (
	"cmp"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

const (
	// MaxPeers is how many peers a probe tells apart. What comes from further
	// ones is counted as that of OtherPeers.
	MaxPeers = 64
	// OtherPeers stands for the peers beyond MaxPeers.
	OtherPeers = "other"
	// DefaultPeer stands for the peer of events that name none.
	DefaultPeer = "default"
)

// kinds are those that are counted apart.
var kinds = [...]tq.Kind{
	tq.Enqueued, tq.LeaseGranted, tq.Heartbeat, tq.Completed, tq.Failed, tq.Requeued, tq.DeadLettered, tq.LeaseExpired,
	tq.Drained, tq.Released, tq.Restored, tq.Redriven, tq.Purged, tq.PassedOver,
}

// KindCounts count events by kind.
type KindCounts [len(kinds) + 1]uint64

// add counts one event. Kinds from 100 on follow those up to Drained.
func (c *KindCounts) add(k tq.Kind) {
	i := int(k)
	if k >= tq.Released {
		i -= int(tq.Released - tq.Drained - 1)
	} else if k > tq.Drained {
		i = len(kinds)
	}
	c[min(i, len(kinds))]++
}

// Total is the sum.
func (c *KindCounts) Total() (n uint64) {
	for _, v := range c {
		n += v
	}

	return n
}

// All gives the name of each kind and its count, those of no events included.
// The last is "other", of kinds that this version does not know.
func (c *KindCounts) All() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i, k := range kinds {
			if !yield(k.String(), c[i]) {
				return
			}
		}
		yield("other", c[len(kinds)])
	}
}

// PeerStats count the events of one peer since the source or sink was made.
type PeerStats struct {
	Peer     string
	Position tq.Sequence // the newest event that was handed on, or applied
	Events   KindCounts  // handed on, or applied

	// Of a sink alone: events passed over because they were applied before,
	// streams refused because events were missing, and events applied since the
	// last checkpoint.
	Duplicates, Gaps, Unsaved uint64

	// Delay is how old the last event was that was measured: see Tap.
	Delay time.Duration

	applied       uint64 // the total of Events
	saving, saved uint64 // of applied, those in the checkpoint under way, and in the last one
}

// peers are the counts of a source or sink, guarded by its lock.
type peers struct {
	all         []*PeerStats
	byName      map[string]*PeerStats
	last        *PeerStats // that of name, which need not be its own
	name        string
	incarnation tq.Incarnation
}

// of is where the events of a peer are counted.
func (p *peers) of(peer string) *PeerStats {
	if p.last != nil && p.name == peer {
		return p.last
	}
	name := cmp.Or(peer, DefaultPeer)
	found := p.byName[name]
	if found == nil && len(p.all) >= MaxPeers {
		name = OtherPeers
		found = p.byName[name]
	}
	if found == nil {
		if p.byName == nil {
			p.byName = map[string]*PeerStats{}
		}
		found = &PeerStats{Peer: name}
		p.byName[name] = found
		p.all = append(p.all, found)
	}
	p.last, p.name = found, peer

	return found
}

// passed counts an event that was handed on or applied.
func (p *peers) passed(h *Header, peer string) {
	if h.Incarnation != p.incarnation {
		p.incarnation = h.Incarnation
		for _, s := range p.all {
			s.Position = 0
		}
	}
	s := p.of(peer)
	s.Events.add(h.Kind)
	s.applied++
	s.Position = max(s.Position, h.Sequence)
}

// saving says that a checkpoint is being written, saved that it was.
func (p *peers) saving() {
	for _, s := range p.all {
		s.saving = s.applied
	}
}

func (p *peers) saved() {
	for _, s := range p.all {
		s.saved = s.saving
	}
}

// stats are the counts by name of the peer. Nothing is unsaved where there are no
// checkpoints.
func (p *peers) stats(checkpoints bool) []PeerStats {
	out := make([]PeerStats, 0, len(p.all))
	for _, s := range p.all {
		one := *s
		if checkpoints {
			one.Unsaved = s.applied - s.saved
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b PeerStats) int { return cmp.Compare(a.Peer, b.Peer) })

	return out
}

// ProbeStats are one reading of a source or sink.
type ProbeStats struct {
	Queue  string // "" before the first event of a sink
	Shard  string
	Stream string // of a sink
	// Position is the last event a source has read, up to 15 of which may be
	// still to be given, or the global position of a sink.
	Position Position
	// Known is the last event of the queue that is known of: for a source what
	// its log has, for a sink what it has taken, or the source that it follows
	// has seen.
	Known tq.Sequence
	// Unsaved is how many events a sink has applied since its last checkpoint.
	Unsaved int
	Peers   []PeerStats // by name
}

// Behind is how many events that are known of are above the position.
func (s *ProbeStats) Behind() tq.Sequence { return s.Known - min(s.Known, s.Position.Sequence) }

// SourceProbe is how telemetry and diagnostics see a source. Stats and Tap are
// safe for concurrent use; the other methods are for the generated source.
type SourceProbe struct {
	queue  string
	stamp  *Stamp
	cursor *tq.Cursor
	head   atomic.Uint64 // the last event of the log when it was read last
	taps   taps

	mu     sync.Mutex
	peers  peers     // guarded by mu
	tapped []*Tap    // in a bracket; guarded by mu
	now    time.Time // in a bracket that is tapped; guarded by mu
}

// Open is called once, before the other methods: with the queue's name, what
// the source stamps on events, and its place.
func (p *SourceProbe) Open(queue string, stamp *Stamp, cursor *tq.Cursor) {
	p.queue, p.stamp, p.cursor = queue, stamp, cursor
}

// Begin opens a bracket in which each event that was read is told to Count. It
// ends with End.
func (p *SourceProbe) Begin() {
	head := p.cursor.Head()
	p.head.Store(uint64(head))
	p.mu.Lock()
	if p.tapped = p.taps.load(); p.tapped != nil {
		p.now = time.Now()
	}
}

// Count takes note of an event that the source has read.
func (p *SourceProbe) Count(h *Header) {
	peer := peerOf(h)
	p.peers.passed(h, peer)
	if p.tapped != nil {
		delay := h.age(p.now)
		s := p.peers.of(peer)
		s.Delay = delay
		give(p.tapped, h, s.Peer, delay, tq.Sequence(p.head.Load())-h.Sequence)
	}
}

// End closes the bracket.
func (p *SourceProbe) End() { p.mu.Unlock() }

// Head is the last event of the queue when the source read last.
func (p *SourceProbe) Head() tq.Sequence { return tq.Sequence(p.head.Load()) }

// Stats is one reading.
func (p *SourceProbe) Stats() ProbeStats {
	read, last := p.cursor.Place()
	p.mu.Lock()
	defer p.mu.Unlock()

	return ProbeStats{
		Queue: p.queue, Shard: p.stamp.Shard, Position: Position{Incarnation: p.peers.incarnation, Sequence: read},
		Known: last, Peers: p.peers.stats(false),
	}
}

// Tap has every event that the source reads from now on noted: see [Tap].
func (p *SourceProbe) Tap(limit int) *Tap { return p.taps.open(limit) }

// SinkProbe is how telemetry and diagnostics see a sink, or what follows a
// queue by itself. Stats and Tap are safe for concurrent use.
type SinkProbe struct {
	stream string
	mu     *sync.Mutex       // of the sink
	fill   func(*ProbeStats) // what the sink knows by itself; nil where there is none
	taps   taps

	peers    peers    // guarded by mu
	queue    string   // guarded by mu
	shard    string   // guarded by mu
	position Position // guarded by mu; of a probe without a sink
}

// NewSinkProbe makes a probe for what is no Sink: see FollowOptions.
func NewSinkProbe(stream string) *SinkProbe { return &SinkProbe{stream: stream, mu: new(sync.Mutex)} }

// Probe is p itself.
func (p *SinkProbe) Probe() *SinkProbe { return p }

// Stats is one reading.
func (p *SinkProbe) Stats() ProbeStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := ProbeStats{
		Queue: p.queue, Shard: p.shard, Stream: p.stream, Position: p.position, Known: p.position.Sequence,
		Peers: p.peers.stats(p.fill != nil),
	}
	if p.fill != nil {
		p.fill(&s)
	}

	return s
}

// Tap has every event that is applied from now on noted: see [Tap].
func (p *SinkProbe) Tap(limit int) *Tap { return p.taps.open(limit) }

// Applied tells the probe what came of an event: err, which it gives back. It
// does nothing where p is nil.
func (p *SinkProbe) Applied(h *Header, err error) error {
	if p == nil {
		return err
	}
	peer := peerOf(h)
	p.mu.Lock()
	switch {
	case err == nil:
		p.count(h, peer)
		p.position = Position{Incarnation: h.Incarnation, Sequence: h.Sequence}
	case isGap(err):
		p.peers.of(peer).Gaps++
	}
	p.mu.Unlock()
	if err == nil && p.taps.load() != nil {
		p.give(h, peer, h.age(time.Now()), 0)
	}

	return err
}

// MovedTo tells the probe that everything up to a position is there, by way of
// a snapshot. It does nothing where p is nil.
func (p *SinkProbe) MovedTo(to Position) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.position = to
}

// missing says that the source does not have what comes next. It does nothing
// where p is nil.
func (p *SinkProbe) missing() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.peers.of("").Gaps++
}

// count takes note of an event that was applied; mu is held.
func (p *SinkProbe) count(h *Header, peer string) {
	if p.queue == "" || h.Incarnation != p.peers.incarnation {
		p.queue, p.shard = h.Queue, h.Shard
	}
	p.peers.passed(h, peer)
}

// give notes an event for those who tap; mu is not held.
func (p *SinkProbe) give(h *Header, peer string, delay time.Duration, behind tq.Sequence) {
	p.mu.Lock()
	s := p.peers.of(peer)
	s.Delay = delay
	p.mu.Unlock()
	give(p.taps.load(), h, s.Peer, delay, behind)
}
