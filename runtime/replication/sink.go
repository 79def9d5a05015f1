package replication

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// SinkOptions say how a sink applies a stream of events, and where it remembers
// how far it came. Only Stream is required.
type SinkOptions struct {
	// Stream names what is applied, in the store and in errors: 1 to 128 bytes.
	// Several queues, or shards of one, are several streams.
	Stream string
	// Store keeps checkpoints. nil keeps them in the sink.
	Store CheckpointStore

	// Parallel is how many events may be applied at the same time, 1 to 1024:
	// those of different tasks. Events of one task are always applied one after
	// another, in order. 0 means 1: all in order.
	Parallel int
	// Window is how far the newest event taken may be ahead of the oldest one
	// that was not applied. 0 means 1024.
	Window int
	// Peer gives the key under which positions above the global one are kept.
	// nil is the owner peer, and where there is none the source peer. It must
	// not change for a stream that has a checkpoint.
	Peer func(h *Header) string

	// Batch is after how many applied events a checkpoint is saved. 0 means 256.
	Batch int
	// Interval is how long after an event was applied a checkpoint is saved,
	// whether the batch is full or not. 0 means 1s.
	Interval time.Duration
	// Flush, if set, is called before a checkpoint is saved. When it returns
	// nil, what was applied so far must be as durable as the checkpoint.
	Flush func(ctx context.Context) error

	// Retries is how often an event is applied anew after an error, and a
	// checkpoint saved anew. 0 means 5, a negative number none. An error marked
	// by tq.Permanent is not tried again.
	Retries int
	// Backoff is the wait before. Unset it is exp(100ms,10s,20%).
	Backoff tq.Backoff

	// Clock is the time of checkpoints and lags; nil is time.Now.
	Clock func() time.Time
	// Applied, if set, is told of every event that was applied, in the
	// goroutine that did: from Parallel of them at a time.
	Applied func(Lag)
}

// Lag says how far behind a sink was when it had applied an event.
type Lag struct {
	Event *Header // valid until the call returns
	Peer  string
	// Global is the sink's global position: with a synchronous reader, what to
	// acknowledge.
	Global Position
	// Delay is how long ago the event was recorded at its source, or occurred where
	// it does not say when it was recorded; 0 where clocks make it less.
	Delay time.Duration
	// Behind is how many events that the sink knows of are above its global
	// position: those that it has taken and, where it follows a source, those
	// that the source's queue had when it was read last.
	Behind tq.Sequence
	// Unsaved is how many events were applied since the last checkpoint.
	Unsaved int
}

// SinkStats are the counts of a sink since it was made, and where it is.
type SinkStats struct {
	Position   Position    // global: everything at or below it was applied
	Newest     tq.Sequence // the last event taken
	Unsaved    int         // events applied since the last checkpoint
	Applied    uint64
	Duplicates uint64 // events passed over because they were applied before
	Retries    uint64 // of events
	Gaps       uint64 // streams refused because events were missing
	Saves      uint64 // checkpoints written
}

// or is o with nothing left open; the error says what is out of range.
func (o SinkOptions) or() (SinkOptions, error) {
	o.Parallel = cmp.Or(o.Parallel, 1)
	o.Window = cmp.Or(o.Window, 1024)
	o.Batch = cmp.Or(o.Batch, 256)
	o.Interval = cmp.Or(o.Interval, time.Second)
	o.Retries = max(0, cmp.Or(o.Retries, 5))
	o.Backoff = cmp.Or(o.Backoff, tq.ExpBackoff(100*time.Millisecond, 10*time.Second, 20))
	if o.Store == nil {
		o.Store = new(MemoryCheckpoints)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}

	return o, o.check()
}

func (o *SinkOptions) check() error {
	if o.Stream == "" || len(o.Stream) > 128 {
		return fmt.Errorf("replication: Stream %q is not 1…128 bytes", o.Stream)
	}
	for _, f := range [...]struct {
		name  string
		value int
		max   int
	}{
		{"Parallel", o.Parallel, 1024}, {"Window", o.Window, 1 << 20}, {"Batch", o.Batch, 1 << 30},
	} {
		if f.value < 1 || f.value > f.max {
			return fmt.Errorf("replication: stream %q: %s %d is not in 1…%d", o.Stream, f.name, f.value, f.max)
		}
	}
	if o.Interval < 0 {
		return fmt.Errorf("replication: stream %q: Interval %v is negative", o.Stream, o.Interval)
	}
	if err := o.Backoff.Check(); err != nil {
		return fmt.Errorf("replication: stream %q: Backoff: %w", o.Stream, err)
	}

	return nil
}

func peerOf(h *Header) string { return cmp.Or(h.OwnerPeer, h.SourcePeer) }

// Sink is the payload-free half of a generated Sink: it decides which events
// are applied, when, and how often, and keeps checkpoints. Its exported methods
// are safe for concurrent use.
type Sink struct {
	o SinkOptions

	mu      sync.Mutex
	active  bool // a run or a move is under way; guarded by mu
	loaded  bool // p is what the store has; guarded by mu
	p       progress
	known   tq.Sequence // the last event of the source that is followed; guarded by mu
	unsaved int         // guarded by mu
	stats   SinkStats   // guarded by mu
	probe   SinkProbe   // counts by peer, guarded by mu

	saving sync.Mutex // held to save
	saved  Checkpoint // the last one; guarded by saving
}

// NewSink makes a sink. The error says which option is out of range.
func NewSink(o SinkOptions) (*Sink, error) {
	o, err := o.or()
	if err != nil {
		return nil, err
	}

	s := &Sink{o: o}
	s.probe.stream, s.probe.mu, s.probe.fill = o.Stream, &s.mu, s.fill

	return s, nil
}

// Probe is how telemetry and diagnostics see the sink.
func (s *Sink) Probe() *SinkProbe { return &s.probe }

// fill adds to a reading of the probe; mu is held.
func (s *Sink) fill(out *ProbeStats) {
	out.Position, out.Known, out.Unsaved = s.p.at, max(s.p.top, s.known), s.unsaved
}

// Stats is one consistent reading.
func (s *Sink) Stats() SinkStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Position, stats.Newest, stats.Unsaved = s.p.at, s.p.top, s.unsaved

	return stats
}

// Position is where the stream goes on: the event after it comes next. It reads
// the store unless a run has.
func (s *Sink) Position(ctx context.Context) (Position, error) {
	s.mu.Lock()
	loaded, at := s.loaded, s.p.at
	s.mu.Unlock()
	if loaded {
		return at, nil
	}
	c, err := s.stored(ctx)

	return Position{Incarnation: c.Incarnation, Sequence: c.Position}, err
}

// MoveTo says that everything up to a position is applied, by way of a snapshot
// for one, and saves that. ErrRunning while a run is under way; ErrBackwards if
// the sink is further in that incarnation, or has left it.
func (s *Sink) MoveTo(ctx context.Context, to Position) error {
	release, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer s.finish(release)

	if err := s.move(to); err != nil {
		return err
	}

	return s.save(ctx)
}

func (s *Sink) move(to Position) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.p.reaches(to); err != nil {
		return fmt.Errorf("%w: stream %q is at %d of %v", err, s.o.Stream, s.p.at.Sequence, s.p.at.Incarnation)
	}
	s.p.move(to)
	s.known = 0
	s.unsaved++

	return nil
}

// begin makes this the one run of the stream, and goes on from what the store has.
func (s *Sink) begin(ctx context.Context) (release func(), err error) {
	s.mu.Lock()
	if s.active {
		s.mu.Unlock()
		return nil, fmt.Errorf("%w: %q", ErrRunning, s.o.Stream)
	}
	s.active = true
	s.mu.Unlock()

	release, err = s.claim()
	if err == nil {
		err = s.load(ctx)
	}
	if err != nil {
		s.finish(release)
		return nil, err
	}

	return release, nil
}

// claim claims the stream, if the store knows who applies it. With an error there
// is nothing to release. A panic is one.
func (s *Sink) claim() (release func(), err error) {
	release = func() {}
	c, ok := s.o.Store.(Claimer)
	if !ok {
		return release, nil
	}
	defer caught("Claim", &err)
	claimed, err := c.Claim(s.o.Stream)
	if err == nil {
		release = claimed
	}

	return release, err
}

// finish lets the next run begin, also where the store's release panics.
func (s *Sink) finish(release func()) {
	defer func() {
		s.mu.Lock()
		s.p.end()
		s.active = false
		s.mu.Unlock()
	}()
	release()
}

// load reads the checkpoint, unless the sink is that far or further by itself.
func (s *Sink) load(ctx context.Context) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	c, err := s.stored(ctx)
	if err != nil {
		return fmt.Errorf("replication: load checkpoint of %q: %w", s.o.Stream, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.loaded || c.Revision != s.saved.Revision {
		s.p.restore(&c)
		s.saved, s.loaded, s.unsaved = c, true, 0
		s.probe.peers.saving()
		s.probe.peers.saved()
	}

	return nil
}

// stored is what the store has. A panic is an error.
func (s *Sink) stored(ctx context.Context) (c Checkpoint, err error) {
	defer caught("Load", &err)

	return s.o.Store.Load(ctx, s.o.Stream)
}

// save writes a checkpoint if anything was applied since the last one.
func (s *Sink) save(ctx context.Context) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	now := s.o.Clock().UTC()
	s.mu.Lock()
	n := s.unsaved
	if n == 0 {
		s.mu.Unlock()
		return nil
	}
	c := s.p.checkpoint(s.o.Stream, now, s.saved.Revision+1)
	s.unsaved = 0
	s.probe.peers.saving()
	s.mu.Unlock()

	err := s.write(ctx, &c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.unsaved += n
		return fmt.Errorf("replication: save checkpoint of %q: %w", s.o.Stream, err)
	}
	s.saved = c
	s.stats.Saves++
	s.probe.peers.saved()

	return nil
}

// write flushes and saves, anew after an error. A store that gave an error may
// have saved all the same, and then says that there is a conflict.
func (s *Sink) write(ctx context.Context, c *Checkpoint) error {
	for attempt := 1; ; attempt++ {
		err := s.tryWrite(ctx, c)
		switch {
		case err == nil || attempt > 1 && errors.Is(err, ErrConflict) && s.has(ctx, c):
			return nil
		case errors.Is(err, ErrConflict) || tq.IsPermanent(err) || attempt > s.o.Retries:
			return err
		}
		if !pause(ctx, s.o.Backoff.Delay(tq.TaskID{Sequence: c.Revision}, attempt)) {
			return err
		}
	}
}

// tryWrite flushes and saves once. A panic is an error.
func (s *Sink) tryWrite(ctx context.Context, c *Checkpoint) (err error) {
	defer caught("Flush or Save", &err)
	if s.o.Flush != nil {
		if err := s.o.Flush(ctx); err != nil {
			return err
		}
	}

	return s.o.Store.Save(ctx, *c, s.saved.Revision)
}

// peer is the key of h's positions.
func (s *Sink) peer(h *Header) (peer string) {
	peer = peerOf(h)
	if s.o.Peer == nil {
		return peer
	}
	defer func() { _ = recover() }() // the event has the key that it has without

	return s.o.Peer(h)
}

// has says whether the store has c and no other.
func (s *Sink) has(ctx context.Context, c *Checkpoint) bool {
	got, err := s.stored(ctx)

	return err == nil && got.Revision == c.Revision && got.Position == c.Position &&
		got.Incarnation == c.Incarnation && got.UpdatedAt.Equal(c.UpdatedAt)
}

// pause waits, and reports whether ctx let it.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
