package conformance

import (
	"context"
	"net"
	"sync"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// connections can be cut.
type connections struct {
	net.Listener

	mu   sync.Mutex
	open []net.Conn // guarded by mu
}

func (c *connections) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.open = append(c.open, conn)
	}

	return conn, err
}

func (c *connections) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		_ = conn.Close()
	}
	c.open = nil
}

// shelf is a feed whose events are lines that a test puts there. Its lines end
// with an error that the test gives.
type shelf struct {
	mu    sync.Mutex
	grown chan struct{}
	held  []string    // guarded by mu
	first tq.Sequence // of held[0]; guarded by mu
	end   error       // after the last; guarded by mu
	doc   string
	open  sync.WaitGroup // readers
}

const life tq.Incarnation = 0xabc

func newShelf(lines ...string) *shelf {
	return &shelf{grown: make(chan struct{}), held: lines, first: 1}
}

// put adds lines, and an error after them.
func (s *shelf) put(end error, lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.end = append(s.held, lines...), end
	close(s.grown)
	s.grown = make(chan struct{})
}

func (s *shelf) Queue() (string, tq.Incarnation) { return "dispatch", life }

func (s *shelf) Lines(after tq.Sequence) (replication.Lines, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if after+1 < s.first {
		return nil, tq.ErrGap
	}
	s.open.Add(1)

	return &reader{s: s, next: int(after + 1 - s.first)}, nil
}

func (s *shelf) AppendSnapshot(dst []byte) ([]byte, error) { return append(dst, s.doc...), nil }

type reader struct {
	s    *shelf
	next int
}

func (r *reader) Lag() tq.Sequence                 { return 0 }
func (r *reader) Synchronous(tq.SyncOptions) error { return nil }
func (r *reader) Acknowledge(tq.Sequence)          {}
func (r *reader) Fail(error)                       {}

func (r *reader) Append(ctx context.Context, dst []byte) ([]byte, error) {
	for {
		r.s.mu.Lock()
		held, end, grown := r.s.held, r.s.end, r.s.grown
		r.s.mu.Unlock()
		switch {
		case r.next < len(held):
			dst = append(append(dst, held[r.next]...), '\n')
			r.next++

			return dst, nil
		case end != nil:
			return dst, end
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return dst, ctx.Err()
		}
	}
}

func (r *reader) Close() error {
	r.s.open.Done()

	return nil
}
