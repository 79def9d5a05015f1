package replicationgrpc

import (
	"cmp"
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"

	replicationpb "github.com/tqgen/tqgen/adapters/grpc/proto/tqgen/replication/v1"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// HandlerOptions bound what a [Handler] does. A zero field means what its
// comment says.
type HandlerOptions struct {
	// Authorize says whether a call may have payloads and all. What is known of it
	// is in its context: the peer, the metadata, grpc.Method. An error is answered
	// with PERMISSION_DENIED and not shown. Nil lets everybody in.
	Authorize func(context.Context) error
	// Heartbeat is how often a stream with nothing to say says so. 5 s.
	Heartbeat time.Duration
	// WriteTimeout is how long a reader may take to accept a piece of what it is
	// sent, or to say what it wants; then it is cut off. 30 s.
	WriteTimeout time.Duration
	// MaxStreams is how many streams are served at once. 64.
	MaxStreams int
	// MaxSnapshots is how many snapshots are served at once. 2.
	MaxSnapshots int
	// MaxLine is how many bytes an event may have; a stream ends before one that
	// has more. 16 MiB.
	MaxLine int
	// MaxSnapshot is how many bytes a snapshot may have. 1 GiB.
	MaxSnapshot int
	// Synchronous makes the queue's operations wait until one follower that
	// acknowledges has all events up to their own: applied, not only received.
	// Which one that is does not matter, so of several the one that is furthest
	// is to be promoted. Nil makes none wait.
	//
	// Where no follower acknowledges an operation waits for one to come (back),
	// as long as its context and Timeout let it, and then answers a
	// *tq.UncertainError. With Detach the queue does without: those who wait when
	// the last follower goes, or for Timeout, get a *tq.UncertainError, and later
	// operations wait for nobody until a follower has caught up. Set a Timeout
	// then: a follower whose network is cut off looks alive for long.
	Synchronous *tq.SyncOptions
}

func (o HandlerOptions) orDefaults() (HandlerOptions, error) {
	o.Heartbeat = cmp.Or(o.Heartbeat, heartbeat)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 30*time.Second)
	o.MaxStreams = cmp.Or(o.MaxStreams, 64)
	o.MaxSnapshots = cmp.Or(o.MaxSnapshots, 2)
	o.MaxLine = cmp.Or(o.MaxLine, maxLine)
	o.MaxSnapshot = cmp.Or(o.MaxSnapshot, maxSnapshot)
	if min(o.MaxStreams, o.MaxSnapshots, o.MaxLine, o.MaxSnapshot) < 0 || min(o.Heartbeat, o.WriteTimeout) < 0 {
		return o, errors.New("replicationgrpc: a bound is negative")
	}

	return o, nil
}

const (
	maxLine     = 16 << 20
	maxSnapshot = 1 << 30
	maxPart     = 1 << 20 // bytes of lines, or of a snapshot, in a message
	heartbeat   = 5 * time.Second
)

// Handler serves the events and the state of one queue. Make one with
// [NewHandler]. It is safe for concurrent use.
type Handler struct {
	feed      replication.Feed
	o         HandlerOptions
	streams   chan struct{} // one for each that is served
	snapshots chan struct{}
	gate      *replication.Gate // nil unless it is synchronous
}

// NewHandler makes what [Register] takes. The error says which option is out of
// range, or is the feed's if it cannot be synchronous.
func NewHandler(feed replication.Feed, o HandlerOptions) (*Handler, error) {
	o, err := o.orDefaults()
	if err != nil {
		return nil, err
	}
	h := &Handler{
		feed: replication.Kept(feed), o: o,
		streams: make(chan struct{}, o.MaxStreams), snapshots: make(chan struct{}, o.MaxSnapshots),
	}
	if o.Synchronous != nil {
		h.gate, err = replication.NewGate(feed, *o.Synchronous)
	}

	return h, err
}

// Close ends Synchronous: the queue's operations wait for nobody any more. Those
// that wait get a *tq.UncertainError. Streams go on. Closing twice is no error, and
// nor is it where the handler is not synchronous.
func (h *Handler) Close() error { return h.gate.Close() }

// Followers is how many followers are connected that acknowledge.
func (h *Handler) Followers() int { return h.gate.Followers() }

// Register has a server serve the queues of handlers. The error says that there are
// none, or two of a name. It is called once for a server, before it serves.
func Register(server grpc.ServiceRegistrar, handlers ...*Handler) error {
	if len(handlers) == 0 {
		return errors.New("replicationgrpc: no queue to serve")
	}
	s := &service{handlers: map[string]*Handler{}}
	for _, h := range handlers {
		name, _ := h.feed.Queue()
		if s.handlers[name] != nil {
			return errors.New("replicationgrpc: two queues are named " + name)
		}
		s.handlers[name] = h
	}
	replicationpb.RegisterReplicationServer(server, s)

	return nil
}
