package dispatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/backpressurehttp"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Options are how a Service works. A zero field means what its comment says.
type Options struct {
	// Queue is what is leased. Nil is none yet: see [Service.Own].
	Queue leasequeue.Queue
	// Backpressure holds enqueue back while it is active. Nil is never.
	Backpressure backpressure.Source
	// Ingress says how enqueue is held back. By default a request waits for the
	// queue to drain, for up to MaxWait, and then is told to come again. What is
	// told is the service's: Refused is not called.
	Ingress backpressurehttp.Options
	// Namespace is the path that procedures are below, without slashes round
	// it. "resourcelease".
	Namespace string

	// Authorize says who asks, and why this procedure is not for them. claimed is
	// who they say they are, in the header Rpc-Caller or as peerId, "" if they do
	// not; where it is not who they are they are refused. An *Error is answered
	// as it is, any other error with 403 and not shown. The peer is the owner of
	// leases in events and logs. Nil is [Claimed]; there are [Permitted] and
	// [Certified].
	Authorize func(r *http.Request, procedure, claimed string) (peer string, err error)
	// SettleByOwner has a lease settled and prolonged by nobody but the peer it was
	// granted to; who else comes with its token is refused with 403. Tokens can be
	// guessed from one another, so set it where Authorize knows who asks and not
	// everybody is trusted. False has everybody settle who has the token.
	SettleByOwner bool
	// Peers is told who waits for a task, says who may have one, and answers the
	// procedure peers: a *peers.Tracker. Nil lets all have tasks.
	Peers Peers
	// Validate is called with each payload before it is accepted, by enqueue and
	// by restore, after what every payload must have was checked. It does not
	// change the payload. An *Error is answered as it is, any other error as
	// CodePayloadInvalid. Nil refuses nothing.
	Validate func(*lease.ResourceLease) error

	// MaxWait bounds how long lease waits for a task and enqueue for room. 30 s.
	MaxWait time.Duration
	// MaxBody is how many bytes a request may have. 1 MiB.
	MaxBody int64
	// MaxRestore is how many bytes that of restore may have. 256 MiB.
	MaxRestore int64
	// ReadTimeout is how long a body may take to arrive, and WriteTimeout an
	// answer to be taken. 10 s each; for restore and drain six times that.
	ReadTimeout, WriteTimeout time.Duration

	// Logger is told of requests that were refused, without payloads. Nil is
	// silence.
	Logger *slog.Logger
}

// Peers knows how peers are.
type Peers interface {
	// Enter says that a peer asks for a lease, and returns whether it may have
	// one. If so leave is called when it no longer waits; lost says that its
	// connection has ended.
	Enter(peer string) (leave func(lost bool), ok bool)
	// ServeHTTP shows them.
	http.Handler
}

func (o Options) withDefaults() Options {
	o.Namespace = cmp.Or(o.Namespace, "resourcelease")
	o.MaxWait = cmp.Or(o.MaxWait, 30*time.Second)
	o.MaxBody = cmp.Or(o.MaxBody, 1<<20)
	o.MaxRestore = cmp.Or(o.MaxRestore, 256<<20)
	o.ReadTimeout = cmp.Or(o.ReadTimeout, 10*time.Second)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 10*time.Second)
	o.Ingress.MaxWait = cmp.Or(o.Ingress.MaxWait, o.MaxWait)
	if o.Authorize == nil {
		o.Authorize = Claimed
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}

	return o
}

var namespaces = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)*$`)

func (o *Options) check() error {
	switch {
	case !namespaces.MatchString(o.Namespace):
		return fmt.Errorf("dispatch: Namespace %q is not letters, digits, . _ - and inner slashes", o.Namespace)
	case min(o.MaxBody, o.MaxRestore) < 0 || min(o.MaxWait, o.ReadTimeout, o.WriteTimeout) < 0:
		return errors.New("dispatch: a bound is negative")
	default:
		return nil
	}
}

// Service is an http.Handler that leases the tasks of one queue. Make one with
// New. Its methods are safe for concurrent use.
type Service struct {
	o      Options
	prefix string // of paths
	open   context.Context
	close  context.CancelCauseFunc

	changing sync.Mutex // role is set by one at a time
	role     atomic.Pointer[role]
}

// New makes a service. The error says which option is out of range.
func New(o Options) (*Service, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Service{o: o, prefix: "/" + o.Namespace + "/"}
	s.open, s.close = context.WithCancelCause(context.Background())
	if o.Queue == nil {
		s.Follow("")
	} else {
		s.Own(o.Queue, o.Backpressure)
	}

	return s, nil
}

// role is what this node is at present. It ends when it is another.
type role struct {
	context.Context
	end context.CancelCauseFunc

	queue    leasequeue.Queue // nil if another node owns it
	owner    string           // that node's address, "" if unknown
	pressure backpressure.Source
	enqueue  http.Handler

	mu      sync.Mutex           // restores, and takes out of a drain
	drained *leasequeue.Snapshot // what the last drain took out, until it is restored; guarded by mu
	ending  atomic.Int32         // drains that are under way
	stopped atomic.Bool          // the queue was drained, and not restored since
}

// errMoved ends waiting at a queue that is not this node's any more.
var errMoved = errors.New("dispatch: the node's role has changed")

// Own has the service lease the tasks of q from now on, such as after a
// promotion, held back by pressure unless that is nil. Who waits at another
// queue is answered as who asks anew.
func (s *Service) Own(q leasequeue.Queue, pressure backpressure.Source) {
	r := &role{queue: q, pressure: pressure}
	r.enqueue = http.HandlerFunc(s.admit)
	if pressure != nil {
		o := s.o.Ingress
		o.Refused = s.throttled
		r.enqueue = backpressurehttp.Middleware(pressure, o)(r.enqueue)
	}
	s.become(r)
}

// Follow has the service lease nothing from now on, since another node owns the
// queue. Clients are told the owner's address, a URL, unless that is "".
func (s *Service) Follow(owner string) { s.become(&role{owner: owner}) }

func (s *Service) become(r *role) {
	s.changing.Lock()
	defer s.changing.Unlock()
	r.Context, r.end = context.WithCancelCause(s.open)
	if before := s.role.Swap(r); before != nil {
		before.end(errMoved)
	}
}

// Close ends leasing: enqueue and lease are answered 503 from now on, those
// that wait too. Leases can still be settled, and drain takes out what is left;
// the queue itself is not closed. Closing twice is no error.
func (s *Service) Close() error {
	s.close(tq.ErrClosed)

	return nil
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, s.prefix)
	p, known := procedures[name]
	if !ok || !known {
		name, p = "", procedure{}
	}
	s.serve(w, r, name, p)
}

// serve answers a request for p.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, name string, p procedure) {
	c := &call{s: s, w: w, r: r, procedure: name, status: http.StatusOK}
	// A body that nobody reads is not waited for either.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.o.ReadTimeout))
	err := c.begin(p)
	if err == nil {
		err = p.serve(c)
	}
	if err != nil {
		c.refuse(err)
	}
}

// begin says why a request is not served at all.
func (c *call) begin(p procedure) (err error) {
	switch {
	case p.serve == nil:
		return unknown("no such procedure")
	case !p.takes(c.r.Method):
		c.w.Header().Set("Allow", p.allowed())
		return &Error{Status: http.StatusMethodNotAllowed, Code: CodeMethod, Message: "want " + p.allowed()}
	}
	claimed := c.r.Header.Get(PeerHeader)
	if p.claims != nil {
		if claimed, err = p.claims(c, claimed); err != nil {
			return err
		}
	}
	if err := c.authorize(claimed); err != nil {
		return err
	}
	c.role = c.s.role.Load()
	if c.role.queue == nil && !p.anywhere {
		return notOwner(c.role.owner)
	}

	return nil
}

// notOwner is what a node answers that does not own the queue.
func notOwner(owner string) *Error {
	e := &Error{
		Status: http.StatusServiceUnavailable, Code: CodeNotOwner, Owner: owner,
		Message: "this node does not own the queue, and who does is not known here", RetryAfter: time.Second,
	}
	if owner != "" {
		e.Status, e.RetryAfter = http.StatusMisdirectedRequest, 0
		e.Message = "this node does not own the queue: " + owner + " does"
	}

	return e
}
