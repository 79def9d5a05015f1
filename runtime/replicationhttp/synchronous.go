package replicationhttp

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// gate keeps the queue's operations waiting for whichever follower acknowledges
// their events first. It outlives streams, so that a follower may come back.
type gate struct {
	lines replication.Lines // read by nobody: it stands for all followers, and keeps the log for one that comes back
	o     tq.SyncOptions

	mu      sync.Mutex
	streams map[string]*stream // those that acknowledge, by id; guarded by mu
}

// stream is the events that go to one follower who acknowledges them.
type stream struct {
	replication.Lines
	id    string        // known to this follower alone
	taken atomic.Uint64 // the last event that was read from the queue
	sent  atomic.Uint64 // the last one the follower may have

	acked    tq.Sequence // guarded by gate.mu
	goal     tq.Sequence // what there was at the acknowledgement before; guarded by gate.mu
	caughtUp bool        // acked has reached a goal; guarded by gate.mu
}

var errNoFollower = errors.New("replicationhttp: no follower is connected that acknowledges")

// newGate makes operations wait, at once unless they are to do without followers
// that are not there.
func newGate(feed replication.Feed, o tq.SyncOptions) (*gate, error) {
	lines, err := feed.Lines(tq.Latest)
	if err == nil && !o.Detach {
		err = lines.Synchronous(o)
	}
	if err != nil {
		return nil, fmt.Errorf("replicationhttp: make the queue synchronous: %w", err)
	}

	return &gate{lines: lines, o: o, streams: map[string]*stream{}}, nil
}

// Close ends Synchronous: the queue's operations wait for nobody any more. Those
// that wait get a *tq.UncertainError. Streams go on. Closing twice is no error, and
// nor is it where the handler is not synchronous.
func (h *Handler) Close() error {
	if h.gate == nil {
		return nil
	}

	return h.gate.lines.Close()
}

// Followers is how many followers are connected that acknowledge.
func (h *Handler) Followers() int {
	if h.gate == nil {
		return 0
	}
	h.gate.mu.Lock()
	defer h.gate.mu.Unlock()

	return len(h.gate.streams)
}

// mayAcknowledge says whether a follower that has everything up to a position
// can say so.
func (h *Handler) mayAcknowledge(after tq.Position) error {
	switch {
	case h.gate == nil:
		return errors.New("the queue is not synchronous: there is nothing to acknowledge")
	case after.Sequence == tq.Latest, after.Sequence > 0 && after.Incarnation == 0:
		return errors.New("a follower that acknowledges must say which events it has, and of which incarnation")
	default:
		return nil
	}
}

// acknowledge takes what a follower says it has.
func (h *Handler) acknowledge(w http.ResponseWriter, r *http.Request) {
	at, err := position(r.URL.Query())
	if err == nil {
		err = h.mayAcknowledge(at)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "", err.Error())
		return
	}
	if _, life := h.feed.Queue(); at.Incarnation != life {
		refuseFor(w, fmt.Errorf("%w: the acknowledgement is of incarnation %v, this is %v", tq.ErrForeign, at.Incarnation, life))
		return
	}
	if status, err := h.gate.acknowledge(r.URL.Query().Get("stream"), at.Sequence); err != nil {
		refuse(w, status, "", err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// join makes a stream of what a follower is to get, and takes its word for what
// it has.
func (g *gate) join(lines replication.Lines, after tq.Sequence) (*stream, error) {
	s := &stream{Lines: lines, id: rand.Text(), acked: after}
	s.taken.Store(uint64(after))
	s.sent.Store(uint64(after))
	s.goal = s.last()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.confirm(s); err != nil {
		return nil, err
	}
	g.streams[s.id] = s

	return s, nil
}

// leave ends a stream. Once nobody is left who has caught up, a gate that
// detaches does.
func (g *gate) leave(s *stream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.streams, s.id)
	for _, other := range g.streams {
		if other.caughtUp {
			return
		}
	}
	if g.o.Detach {
		g.lines.Fail(errNoFollower)
	}
}

// acknowledge takes the word of a follower for what it has, if that is possible.
func (g *gate) acknowledge(id string, seq tq.Sequence) (status int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.streams[id]
	switch {
	case s == nil:
		return http.StatusGone, errors.New("there is no such stream, or it has ended")
	case seq > tq.Sequence(s.sent.Load()):
		return http.StatusConflict, fmt.Errorf("event %d was not sent, %d was the last", seq, s.sent.Load())
	case seq < s.acked:
		return http.StatusConflict, fmt.Errorf("event %d is acknowledged, %d comes too late", s.acked, seq)
	}
	s.acked = seq
	if err := g.confirm(s); err != nil {
		return http.StatusServiceUnavailable, err
	}

	return 0, nil
}

// confirm lets operations go whose events a stream has acknowledged. Where they
// do not wait they are made to again once the follower keeps up; g.mu is held.
func (g *gate) confirm(s *stream) error {
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
func (s *stream) last() tq.Sequence { return tq.Sequence(s.taken.Load()) + s.Lag() }

// Append implements [replication.Lines].
func (s *stream) Append(ctx context.Context, dst []byte) ([]byte, error) {
	grown, err := s.Lines.Append(ctx, dst)
	if err == nil {
		s.taken.Add(uint64(bytes.Count(grown[len(dst):], newline)))
	}

	return grown, err
}

var newline = []byte{'\n'}

// offer says that the follower is going to get lines, which may be a heartbeat.
func (s *stream) offer(lines []byte) {
	if len(lines) > 1 {
		s.sent.Add(uint64(bytes.Count(lines, newline)))
	}
}
