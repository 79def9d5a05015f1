package dispatch

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/tq"
)

// ClientOptions say whom a Client asks. A zero field means what its comment
// says.
type ClientOptions struct {
	// Nodes are the URLs at which services may be, such as http://10.0.0.7:8080.
	// The owner of the queue may be any of them, or one that they name. At least
	// one.
	Nodes []string
	// Namespace is the services'. "resourcelease".
	Namespace string
	// Peer is who asks, in the header Rpc-Caller. "" is for services that look
	// at something else.
	Peer string
	// HTTP makes the requests: its transport has the certificates. Nil is one of
	// the client's own.
	HTTP *http.Client
	// Authorize adds to each request what the service's Authorize looks for. Nil
	// adds nothing.
	Authorize func(*http.Request) error
	// Timeout is how long a service may take to answer, beyond what it is asked
	// to wait. 1 min.
	Timeout time.Duration
	// MaxAnswer is how many bytes an answer may have. 1 GiB.
	MaxAnswer int64
	// Failed is told of each error after which Run, and the methods of leases, ask
	// again, and after how long. It is called by several goroutines. Nil is fine.
	Failed func(err error, pause time.Duration)
}

// Client asks services. Its methods are safe for concurrent use.
//
// A request goes to the node that answered last, or to another one if that has
// left a request without an answer since. If that does not own the queue, or there
// is no connection to it, the request goes on to the node that it names or to the
// next one, to each at most once: nothing has happened by then.
// Whatever else a node answers is an *Error, which unwraps to the sentinel of
// package tq that its code stands for.
type Client struct {
	o  ClientOptions
	at atomic.Pointer[string] // the node to begin with
}

// NewClient makes a client, and asks nobody yet. The error says which option is
// wrong.
func NewClient(o ClientOptions) (*Client, error) {
	if len(o.Nodes) == 0 {
		return nil, errors.New("dispatch: a client needs Nodes")
	}
	nodes := make([]string, len(o.Nodes))
	for i, n := range o.Nodes {
		if !isNode(n) {
			return nil, fmt.Errorf("dispatch: %q is no URL of a node", n)
		}
		nodes[i] = strings.TrimSuffix(n, "/")
	}
	o.Nodes = nodes
	o.Namespace = cmp.Or(o.Namespace, "resourcelease")
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	o.MaxAnswer = cmp.Or(o.MaxAnswer, 1<<30)
	if o.Timeout < 0 || o.MaxAnswer < 0 || !namespaces.MatchString(o.Namespace) {
		return nil, errors.New("dispatch: a client's bounds are not negative, and its Namespace is a path")
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute},
		}
	}
	c := &Client{o: o}
	c.at.Store(&o.Nodes[0])

	return c, nil
}

func isNode(s string) bool {
	u, err := url.Parse(s)

	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// Enqueue has p leased out. Where the answer is lost the error is none of
// *Error, and whether p was accepted is not known.
func (c *Client) Enqueue(ctx context.Context, p lease.ResourceLease) (tq.TaskID, error) {
	req := EnqueueRequest{Payload: &p}
	var res EnqueueResponse
	body, err := AppendEnqueueRequestJSON(nil, &req)
	if err == nil {
		err = c.ask(ctx, "enqueue", 0, body, func(b []byte) error { return DecodeEnqueueResponseJSON(b, &res) })
	}
	if err != nil {
		return tq.TaskID{}, err
	}

	return tq.ParseTaskID(res.ID)
}

// Lease takes a task and waits for one for up to wait; tq.ErrEmpty if none has
// come by then. The service may have a bound of its own. The lease's methods use
// this client; those that settle it go on until they are heard, the lease is over
// or their context ends.
func (c *Client) Lease(ctx context.Context, wait time.Duration) (leasequeue.Lease, error) {
	l, _, err := c.lease(ctx, wait)

	return l, err
}

func (c *Client) lease(
	ctx context.Context, wait time.Duration,
) (l leasequeue.Lease, held tq.Held, err error) {
	soon := wait.Seconds()
	req := LeaseRequest{WaitSeconds: &soon}
	var res LeaseResponse
	body, err := AppendLeaseRequestJSON(nil, &req)
	if err == nil {
		err = c.ask(ctx, "lease", wait, body, func(b []byte) error { return DecodeLeaseResponseJSON(b, &res) })
	}
	if err != nil {
		return l, held, err
	}
	held = tq.NewHeld(newRemote(c, res.OwnerPeerID, deadline(res.LeaseSeconds)), 0)

	return leasequeue.NewLease(res.Payload, tq.Grant{
		Held: held, Token: res.OwnershipToken, EnqueuedAt: res.EnqueuedAt, LastError: res.LastError,
	}), held, nil
}

// Complete removes a task for good. The error matches tq.ErrLeaseLost if the
// token is stale.
func (c *Client) Complete(ctx context.Context, token tq.Token) error {
	_, err := c.settle(ctx, "complete", SettleRequest{OwnershipToken: token})

	return err
}

// Heartbeat prolongs a lease and returns the deadline that now holds, by the clock
// of this process. The error matches tq.ErrLeaseLost if the token is stale.
func (c *Client) Heartbeat(ctx context.Context, token tq.Token) (until time.Time, err error) {
	a, err := c.settle(ctx, "heartbeat", SettleRequest{OwnershipToken: token})

	if err != nil {
		return time.Time{}, err
	}

	return deadline(a.LeaseSeconds), nil
}

// deadline is by the clock of this process, whatever that of the service says.
func deadline(left float64) time.Time { return time.Now().Add(seconds(max(left, 0))) }

// Release gives a task back at once; the attempt does not count. The error
// matches tq.ErrLeaseLost if the token is stale.
func (c *Client) Release(ctx context.Context, token tq.Token) error {
	_, err := c.settle(ctx, "release", SettleRequest{OwnershipToken: token})

	return err
}

// Fail ends the attempt: the task comes again after the queue's backoff, or is
// dead after its last attempt, or if requeue is false. cause is kept with it, as
// far as a service takes it: a longer message is cut, a longer code left out, and
// so is metadata beyond the bounds, in the order of its names. The error matches
// tq.ErrLeaseLost if the token is stale.
func (c *Client) Fail(ctx context.Context, token tq.Token, cause error, requeue bool) error {
	req := SettleRequest{OwnershipToken: token, Requeue: &requeue}
	if cause != nil {
		req.Reason, req.ErrorCode = cause.Error(), tq.ErrorCode(cause)
	}
	if len(req.Reason) > maxReason {
		req.Reason = strings.ToValidUTF8(req.Reason[:maxReason], "")
	}
	if len(req.ErrorCode) > maxErrorCode {
		req.ErrorCode = ""
	}
	var kept *tq.TaskError
	if errors.As(cause, &kept) && kept != nil {
		req.Metadata = bounded(kept.Metadata)
	}
	_, err := c.settle(ctx, "fail", req)

	return err
}

// bounded is as much of an error's metadata as a service takes.
func bounded(all map[string]tq.Plain) map[string]string {
	taken, size := map[string]string{}, 0
	for _, k := range slices.Sorted(maps.Keys(all)) {
		v := all[k].String()
		if size += len(k) + len(v); len(taken) == maxMetadata || size > maxReason {
			break
		}
		taken[k] = v
	}

	return taken
}

func (c *Client) settle(
	ctx context.Context, procedure string, req SettleRequest,
) (a Acknowledgement, err error) {
	body, err := AppendSettleRequestJSON(nil, &req)
	if err != nil {
		return a, err
	}
	err = c.ask(ctx, procedure, 0, body, func(b []byte) error { return DecodeAcknowledgementJSON(b, &a) })

	return a, err
}

// Drain stops the queue, gives leases up to grace to be settled, and takes out
// what is left. Where the answer was lost, draining again gives it again.
func (c *Client) Drain(ctx context.Context, grace time.Duration) (s leasequeue.Snapshot, err error) {
	req := DrainRequest{GraceSeconds: grace.Seconds()}
	body, err := AppendDrainRequestJSON(nil, &req)
	if err != nil {
		return s, err
	}
	err = c.ask(ctx, "drain", grace, body, s.UnmarshalJSON)

	return s, err
}

// Restore puts in what a drain took out, and says how many tasks that were not
// there. The queue leases again.
func (c *Client) Restore(ctx context.Context, s leasequeue.Snapshot) (n uint64, err error) {
	var res RestoreResponse
	body, err := s.AppendJSON(nil)
	if err != nil {
		return 0, err
	}
	err = c.ask(ctx, "restore", 0, body, func(b []byte) error { return DecodeRestoreResponseJSON(b, &res) })

	return res.RestoredCount, err
}

// Stats are the queue's numbers.
func (c *Client) Stats(ctx context.Context) (s Stats, err error) {
	err = c.ask(ctx, "stats", 0, nil, func(b []byte) error { return DecodeStatsJSON(b, &s) })

	return s, err
}

// Node is the URL of the node that is asked first.
func (c *Client) Node() string { return *c.at.Load() }

// ask asks one node after another until one answers for the queue. Together
// they may take as long as they are asked to wait, and the client's Timeout.
func (c *Client) ask(
	ctx context.Context, procedure string, wait time.Duration, body []byte, answer func([]byte) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, max(wait+c.o.Timeout, c.o.Timeout)) // a sum may overflow
	defer cancel()
	node := c.Node()
	asked := map[string]bool{}
	for {
		asked[node] = true
		err := c.askNode(ctx, node, procedure, body, answer)
		next := c.next(err, asked)
		if next == "" {
			c.avoid(node, err)
			return err
		}
		node = next
		c.at.Store(&next)
	}
}

// avoid has later requests begin at another node than one that has not answered:
// it may hang, and have been succeeded. If it was not, that one names it.
func (c *Client) avoid(node string, err error) {
	var e *Error
	if err == nil || errors.As(err, &e) || errors.Is(err, tq.ErrEmpty) {
		return
	}
	i := slices.Index(c.o.Nodes, node)
	c.at.Store(&c.o.Nodes[(i+1)%len(c.o.Nodes)])
}

// next is the node to go on to after an error, "" if there is none.
func (c *Client) next(err error, asked map[string]bool) string {
	if !elsewhere(err) {
		return ""
	}
	var e *Error
	if errors.As(err, &e) && e.Owner != "" {
		if owner := strings.TrimSuffix(e.Owner, "/"); isNode(owner) && !asked[owner] {
			return owner
		}
	}
	for _, n := range c.o.Nodes {
		if !asked[n] {
			return n
		}
	}

	return ""
}

// elsewhere says whether err means that nothing has happened, and that another
// node may know better.
func elsewhere(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return e.Code == CodeNotOwner || errors.Is(err, tq.ErrDeposed) || errors.Is(err, tq.ErrClosed)
	}
	var op *net.OpError

	return errors.As(err, &op) && op.Op == "dial"
}

func (c *Client) askNode(
	ctx context.Context, node, procedure string, body []byte, answer func([]byte) error,
) error {
	target := node + "/" + c.o.Namespace + "/" + procedure
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if c.o.Peer != "" {
		r.Header.Set(PeerHeader, c.o.Peer)
	}
	if c.o.Authorize != nil {
		if err := c.o.Authorize(r); err != nil {
			return err
		}
	}
	res, err := c.o.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	text, err := io.ReadAll(io.LimitReader(res.Body, c.o.MaxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("dispatch: %s: the answer is cut off: %w", procedure, err)
	case int64(len(text)) > c.o.MaxAnswer:
		return fmt.Errorf("dispatch: %s: the answer has more than %d bytes", procedure, c.o.MaxAnswer)
	case res.StatusCode == http.StatusNoContent:
		return tq.ErrEmpty
	case res.StatusCode != http.StatusOK:
		return refusal(res, text)
	}
	if err := answer(text); err != nil {
		return fmt.Errorf("dispatch: %s: the answer does not read: %w", procedure, err)
	}

	return nil
}

// refusal is what an answer other than 200 says.
func refusal(res *http.Response, text []byte) error {
	var said tq.TaskError
	if err := said.UnmarshalJSON(text); err != nil || said.Code == "" {
		said = tq.TaskError{Code: CodeInternal, Message: "the answer is none of the service's: " + res.Status}
	}
	e := &Error{
		Status: res.StatusCode, Code: said.Code, Message: said.Message, cause: sentinel(said.Code),
		Path: said.Metadata["path"].String(), Owner: said.Metadata["owner"].String(),
	}
	if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n > 0 {
		e.RetryAfter = time.Duration(min(n, 3600)) * time.Second
	}

	return e
}
