package replication

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Gate keeps a queue's operations waiting until one of the followers of a
// transport has acknowledged their events; which one does not matter. It outlives
// streams, so that a follower may come back. Its methods are safe for concurrent
// use. A nil *Gate is that of a transport that is not synchronous: nobody MayJoin
// it, and Join, Leave and Acknowledge are not for it.
type Gate struct {
	lines Lines // read by nobody: it stands for all followers, and keeps the log for one that comes back
	o     tq.SyncOptions

	mu      sync.Mutex
	streams map[*Gated]struct{} // those that acknowledge; guarded by mu
}

// Gated are the events that go to one follower who acknowledges them. [Send]
// counts what the follower may have.
type Gated struct {
	Lines
	taken atomic.Uint64 // the last event that was read from the queue
	sent  atomic.Uint64 // the last one the follower may have

	acked    tq.Sequence // guarded by Gate.mu
	goal     tq.Sequence // what there was at the acknowledgement before; guarded by Gate.mu
	caughtUp bool        // acked has reached a goal; guarded by Gate.mu
}

var errNoFollower = errors.New("replication: no follower is connected that acknowledges")

// NewGate makes operations wait, at once unless they are to do without followers
// that are not there (Detach). The error is that of o, or of a feed that cannot be
// synchronous.
func NewGate(feed Feed, o tq.SyncOptions) (*Gate, error) {
	if o.Timeout < 0 {
		return nil, errors.New("replication: the Timeout of Synchronous is negative")
	}
	lines, err := feed.Lines(tq.Latest)
	if err == nil && !o.Detach {
		err = lines.Synchronous(o)
	}
	if err != nil {
		return nil, fmt.Errorf("replication: make the queue synchronous: %w", err)
	}

	return &Gate{lines: lines, o: o, streams: map[*Gated]struct{}{}}, nil
}

// Close ends it: the queue's operations wait for nobody any more. Those that wait
// get a *tq.UncertainError. Streams go on. Closing twice is no error.
func (g *Gate) Close() error {
	if g == nil {
		return nil
	}

	return g.lines.Close()
}

// Followers is how many followers are connected that acknowledge.
func (g *Gate) Followers() int {
	if g == nil {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()

	return len(g.streams)
}

// MayJoin says why a follower cannot acknowledge that says it has everything up
// to a position.
func (g *Gate) MayJoin(after tq.Position) error {
	switch {
	case g == nil:
		return errors.New("the queue is not synchronous: there is nothing to acknowledge")
	case after.Sequence == tq.Latest, after.Sequence > 0 && after.Incarnation == 0:
		return errors.New("a follower that acknowledges must say which events it has, and of which incarnation")
	default:
		return nil
	}
}

// Join makes a stream of what a follower is to get, and takes its word for what
// it has. The stream is to Leave.
func (g *Gate) Join(lines Lines, after tq.Sequence) (*Gated, error) {
	s := &Gated{Lines: lines, acked: after}
	s.taken.Store(uint64(after))
	s.sent.Store(uint64(after))
	s.goal = s.last()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.confirm(s); err != nil {
		return nil, err
	}
	g.streams[s] = struct{}{}

	return s, nil
}

// Leave ends a stream. Once nobody is left who has caught up, a gate that
// detaches does.
func (g *Gate) Leave(s *Gated) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.streams, s)
	for other := range g.streams {
		if other.caughtUp {
			return
		}
	}
	if g.o.Detach {
		g.lines.Fail(errNoFollower)
	}
}

// Acknowledge takes the word of a follower for what it has. The error matches
// ErrAcknowledgement if that cannot be, ErrUnavailable if the stream has ended;
// any other one is the feed's.
func (g *Gate) Acknowledge(s *Gated, seq tq.Sequence) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, joined := g.streams[s]
	switch {
	case !joined:
		return fmt.Errorf("%w: there is no such stream, or it has ended", ErrUnavailable)
	case seq > tq.Sequence(s.sent.Load()):
		return fmt.Errorf("%w: event %d was not sent, %d was the last", ErrAcknowledgement, seq, s.sent.Load())
	case seq < s.acked:
		return fmt.Errorf("%w: event %d is acknowledged, %d comes too late", ErrAcknowledgement, s.acked, seq)
	}
	s.acked = seq

	return g.confirm(s)
}

// confirm lets operations go whose events a stream has acknowledged. Where they
// do not wait they are made to again once the follower keeps up; g.mu is held.
func (g *Gate) confirm(s *Gated) error {
	if s.acked >= s.goal {
		s.caughtUp = true
		if g.o.Detach {
			if err := g.lines.Synchronous(g.o); err != nil {
				return err
			}
		}
	}
	s.goal = s.last()
	g.lines.Acknowledge(s.acked)

	return nil
}

// last is the last event of the queue, or one of those before it while some are
// being read.
func (s *Gated) last() tq.Sequence { return tq.Sequence(s.taken.Load()) + s.Lag() }

// Append implements [Lines].
func (s *Gated) Append(ctx context.Context, dst []byte) ([]byte, error) {
	grown, err := s.Lines.Append(ctx, dst)
	if err == nil {
		s.taken.Add(uint64(bytes.Count(grown[len(dst):], newline)))
	}

	return grown, err
}

var newline = []byte{'\n'}

// offer says that the follower is going to get lines, which may be a heartbeat.
func (s *Gated) offer(lines []byte) {
	if len(lines) > 1 {
		s.sent.Add(uint64(bytes.Count(lines, newline)))
	}
}
