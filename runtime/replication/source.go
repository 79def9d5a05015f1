package replication

import (
	"context"
	"sync"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Stamp is what a source puts on the events of its queue. Everything else an
// event says was fixed when it was appended to the log. The zero Stamp changes
// nothing.
type Stamp struct {
	Peer  string           // SourcePeer
	Owner string           // OwnerPeer of events that have none
	Shard string           // Shard
	Clock func() time.Time // RecordedAt; nil leaves the time of the log

	// Panicked is told, in the goroutine that reads, which event a resolver
	// panicked for and with what. The event goes out without what the resolver
	// would have said. May be nil.
	Panicked func(h Header, value any)
}

// Owner is what the owner resolver of a source says of an event.
type Owner struct {
	Peer     string            // OwnerPeer; "" leaves what it is
	Metadata map[string]string // at most MaxMetadata entries; nil for none
}

// Put puts the stamp on an event of the log.
func (s *Stamp) Put(h *Header) {
	h.SourcePeer, h.Shard = s.Peer, s.Shard
	if h.OwnerPeer == "" {
		h.OwnerPeer = s.Owner
	}
	if s.Clock != nil {
		h.RecordedAt = s.Clock()
	}
}

// SetOwner puts on an event what a resolver has said of it.
func (h *Header) SetOwner(o Owner) {
	if o.Peer != "" {
		h.OwnerPeer = o.Peer
	}
	if o.Metadata != nil {
		h.Metadata = o.Metadata
	}
}

// Recover is to be deferred where a resolver is called for the event h.
func (s *Stamp) Recover(h *Header) {
	value := recover()
	if value == nil || s.Panicked == nil {
		return
	}
	defer func() { _ = recover() }() // the event goes out, whatever those say who hear of it
	s.Panicked(*h, value)
}

// HasPayload says whether events of kind k carry the payload where a directive
// says payload=enqueued: those after which the task is new to the queue.
func HasPayload(k tq.Kind) bool { return k == tq.Enqueued || k == tq.Restored }

// Attachment is what follows a queue by itself: an observer, or a sink of a
// fanout. It has a goroutine of its own, which nobody waits for. Its methods
// are safe for concurrent use.
type Attachment struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	closed bool  // guarded by mu
	err    error // guarded by mu
}

// Attach runs run in a goroutine of its own until it returns. Close, or the end
// of ctx, ends the context that run gets. A panic of run is its error.
func Attach(ctx context.Context, run func(context.Context) error) *Attachment {
	ctx, cancel := context.WithCancel(ctx)
	a := &Attachment{cancel: cancel, done: make(chan struct{})}
	go a.run(ctx, run)

	return a
}

func (a *Attachment) run(ctx context.Context, run func(context.Context) error) {
	err := error(&PanicError{What: "what was attached", Value: "runtime.Goexit was called"})
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{What: "what was attached", Value: value}
		}
		a.cancel()
		a.mu.Lock()
		if !a.closed {
			a.err = err
		}
		a.mu.Unlock()
		close(a.done)
	}()
	err = run(ctx)
}

// Close detaches it. It does not wait: what runs at the moment may go on until
// Done is closed. Closing twice is no error.
func (a *Attachment) Close() error {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.cancel()

	return nil
}

// Done is closed when nothing runs any more.
func (a *Attachment) Done() <-chan struct{} { return a.done }

// Err is what ended it, once Done is closed: the error of what was attached,
// tq.ErrGap if it fell behind, tq.ErrClosed if the queue was closed. It is nil
// before, and where Close has ended it.
func (a *Attachment) Err() error {
	a.mu.Lock()
	defer a.mu.Unlock()

	return a.err
}
