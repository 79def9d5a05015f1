package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/metric"

	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/examples/lease/peers"
	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// queueName is the directive's.
const queueName = "resource-lease"

// Paths of a node.
const (
	pathCalls       = "/resourcelease/"
	pathReplication = "/replication/"
	pathStatus      = "/mesh/status"
	pathVote        = "/mesh/vote"
	pathMetrics     = "/metrics"
)

// How soon things are noticed.
const (
	heartbeat   = 100 * time.Millisecond // of the stream of events, when there are none
	patience    = 700 * time.Millisecond // an owner that has been silent for longer may be dead
	campaigning = 500 * time.Millisecond // whoever asks for votes claims the term within this, or not
	look        = 50 * time.Millisecond  // between two looks at the store, or at who is silent
	skew        = 50 * time.Millisecond  // of the nodes' clocks, at most
)

// status is what a node says of itself.
type status struct {
	Node     string `json:"node"`
	Role     string `json:"role"` // "owner", "follower" or "" while it is neither
	Owner    string `json:"owner"`
	Term     uint64 `json:"term"`
	Life     string `json:"incarnation"`
	Sequence uint64 `json:"sequence"` // of the last event it has
	Pending  int    `json:"pending"`
	Active   int    `json:"active"`
	Dead     int    `json:"dead"`
	Readers  int    `json:"readers"`
}

// node is one of those that can own the queue. One does at a time; the others
// follow it.
type node struct {
	s      settings
	out    *said
	log    *slog.Logger
	terms  *replication.Terms
	calls  *dispatch.Service
	peers  *peers.Tracker
	meters *sdk.MeterProvider // nil without telemetry

	now      atomic.Pointer[stint]
	election election
}

// stint is what a node is for a time, and what it serves meanwhile.
type stint struct {
	replication, pages http.Handler // nil: not now
	status             func() status
}

// runNode is the process.
func runNode(ctx context.Context, s settings, out *said, stderr io.Writer) error {
	store, err := effect.OpenFiles(filepath.Join(s.state, "terms"))
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: s.level()}))
	n := &node{
		s: s, out: out, log: log.With("node", s.name),
		terms: &replication.Terms{Store: store, Queue: queueName, Peer: s.name},
	}
	metrics := http.NotFoundHandler()
	if s.telemetry {
		if metrics, err = n.measure(); err != nil {
			return err
		}
		defer func() { _ = n.meters.Shutdown(context.WithoutCancel(ctx)) }() // nothing is exported from here
	}
	if n.peers, err = peers.New(peers.Options{Grace: 2 * s.lease}); err != nil {
		return err
	}
	options := n.s.dispatch()
	options.Peers = n.peers
	if n.calls, err = dispatch.New(options); err != nil {
		return err
	}
	defer func() { _ = n.calls.Close() }() // nobody asks any more
	n.now.Store(new(stint))
	listener, err := listen(ctx, s.listen) // before a term is claimed: who cannot be reached must not own
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	lives := make(chan struct{})
	go func() {
		defer close(lives)
		cancel(n.live(ctx))
	}()
	err = serve(ctx, listener, s.buffer, n.handler(metrics), out.ready)
	cancel(err)
	<-lives
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}

	return err
}

// measure makes the provider of instruments, and what shows them to Prometheus.
func (n *node) measure() (http.Handler, error) {
	registry := prometheus.NewRegistry()
	exporter, err := promexporter.New(promexporter.WithRegisterer(registry))
	if err != nil {
		return nil, err
	}
	n.meters = sdk.NewMeterProvider(sdk.WithReader(exporter))

	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), nil
}

func (n *node) handler(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(pathCalls, n.calls)
	events := n.present(func(s *stint) http.Handler { return s.replication })
	mux.Handle(pathReplication, http.StripPrefix("/replication", events))
	mux.Handle("/", n.present(func(s *stint) http.Handler { return s.pages }))
	mux.Handle("GET "+pathMetrics, metrics)
	mux.HandleFunc("GET "+pathStatus, func(w http.ResponseWriter, _ *http.Request) { answer(w, n.status()) })
	mux.HandleFunc("POST "+pathVote, n.vote)

	return mux
}

// present serves by what the node is now.
func (n *node) present(which func(*stint) http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := which(n.now.Load()); h != nil {
			h.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Retry-After", "1")
		http.Error(w, "this node does not serve that now", http.StatusServiceUnavailable)
	})
}

func (n *node) status() status {
	if now := n.now.Load(); now.status != nil {
		return now.status()
	}

	return status{Node: n.s.name}
}

// live is what a node does until ctx ends: it owns the queue if that is its to
// own, and follows whoever does otherwise.
func (n *node) live(ctx context.Context) error {
	replica, err := leasequeue.NewReplica(n.s.policy())
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		claim, err := n.latest(ctx, 0)
		if err != nil {
			return err
		}
		var q *leasequeue.Local
		switch {
		case claim.Term > 0:
			q, err = n.follow(ctx, replica, claim)
		case n.s.first:
			q, err = n.begin(ctx, 0)
		default:
			_ = pause(ctx, look)
		}
		if errors.Is(err, tq.ErrDeposed) {
			continue // somebody else was first
		}
		if err != nil {
			return err
		}
		if q != nil {
			if err := n.own(ctx, q); err != nil {
				return err
			}
			if replica, err = leasequeue.NewReplica(n.s.policy()); err != nil { // what it had is the queue's
				return err
			}
		}
	}

	return nil
}

// latest is the last claim of a term in the store, from a term on that is known
// to be claimed. It is zero if there is none.
func (n *node) latest(ctx context.Context, from uint64) (last replication.Claim, err error) {
	for term := max(from, 1); ; term++ {
		c, found, err := n.terms.Get(ctx, term)
		if ctx.Err() != nil {
			return last, nil
		}
		if err != nil || !found {
			return last, err
		}
		last = c
	}
}

// begin opens an empty queue, in the term after the one given.
func (n *node) begin(ctx context.Context, after uint64) (*leasequeue.Local, error) {
	q, err := leasequeue.New(n.s.policy())
	if err != nil {
		return nil, err
	}
	if err := q.Own(ctx, n.terms, after); err != nil {
		return nil, errors.Join(err, q.Close())
	}

	return q, nil
}

// serve serves until ctx ends, and then sees requests to their end for a while. A
// buffer above 0 is how many bytes a connection that is not read from takes.
func serve(ctx context.Context, listener net.Listener, buffer int, h http.Handler, ready func(address string)) error {
	if buffer > 0 {
		listener = small{listener, buffer}
	}
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	ready(listener.Addr().String())
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	soon, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if server.Shutdown(soon) != nil {
		return server.Close() // streams
	}

	return nil
}

// listen listens on an address as soon as it is free: the process before may
// still be going.
func listen(ctx context.Context, address string) (net.Listener, error) {
	for tries := 0; ; tries++ {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err == nil {
			return l, nil
		}
		if tries == 100 || pause(ctx, 20*time.Millisecond) != nil {
			return nil, fmt.Errorf("listen on %s: %w", address, err)
		}
	}
}

// small is a listener whose connections buffer little.
type small struct {
	net.Listener
	bytes int
}

func (l small) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		err = errors.Join(err, tcp.SetWriteBuffer(l.bytes))
	}

	return c, err
}
