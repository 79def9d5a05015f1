package replicationgrpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	replicationpb "github.com/tqgen/tqgen/adapters/grpc/proto/tqgen/replication/v1"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// ClientOptions say how a [Client] asks and what it accepts. A zero field means
// what its comment says.
type ClientOptions struct {
	// Queue is the name of the queue. Empty is the only one that is served.
	Queue string
	// Call are options of each call, such as grpc.PerRPCCredentials for what the
	// handler's Authorize looks for.
	Call []grpc.CallOption
	// Silence is how long the source may take for the next line, heartbeats
	// included; it should be several of those. 20 s.
	Silence time.Duration
	// Timeout is how long the source may take to answer, and to send a snapshot
	// after it did. 1 min.
	Timeout time.Duration
	// Acknowledge tells the source of each event for which line has returned
	// nil: of many at once where they come fast. The source must be synchronous.
	Acknowledge bool
	// MaxLine is how many bytes an event may have. 16 MiB.
	MaxLine int
	// MaxSnapshot is how many bytes a snapshot may have. 1 GiB.
	MaxSnapshot int
}

// Client is a [replication.Client] of a [Handler]. Its methods are safe for
// concurrent use.
type Client struct {
	conn grpc.ClientConnInterface
	rpc  replicationpb.ReplicationClient
	o    ClientOptions
}

var _ replication.Client = (*Client)(nil)

// NewClient asks over a connection, such as a *grpc.ClientConn, which the caller
// closes. The error says which option is out of range.
func NewClient(conn grpc.ClientConnInterface, o ClientOptions) (*Client, error) {
	o.MaxLine = cmp.Or(o.MaxLine, maxLine)
	o.MaxSnapshot = cmp.Or(o.MaxSnapshot, maxSnapshot)
	o.Silence = cmp.Or(o.Silence, 4*heartbeat)
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	if min(o.MaxLine, o.MaxSnapshot) < 0 || min(o.Silence, o.Timeout) < 0 {
		return nil, errors.New("replicationgrpc: a bound is negative")
	}
	o.Call = append(slices.Clone(o.Call), grpc.MaxCallRecvMsgSize(maxPart+1<<10))

	return &Client{conn, replicationpb.NewReplicationClient(conn), o}, nil
}

var (
	errSilent = errors.New("the source was silent for too long")
	errSlow   = errors.New("the source took too long")
)

// Events implements [replication.Client].
func (c *Client) Events(ctx context.Context, after tq.Position, line func([]byte) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var acks acknowledger
	defer acks.wait()
	defer cancel(nil)
	rpc, err := c.begin(ctx, cancel, after)
	if err != nil {
		return sourceError(ctx, err)
	}
	taken := func() {}
	if c.o.Acknowledge {
		acks.begin(ctx, rpc, uint64(after.Sequence))
		taken = acks.taken
	}
	silent := func() { cancel(errSilent) }
	err = replication.Receive(&lines{ctx: ctx, rpc: rpc}, c.o.MaxLine, c.o.Silence, silent, func(text []byte) error {
		err := line(text)
		if err == nil {
			taken()
		}

		return err
	})
	if err == io.EOF {
		return fmt.Errorf("%w: the stream has ended", replication.ErrUnavailable)
	}

	return err
}

// begin opens a stream and waits for its first message.
func (c *Client) begin(
	ctx context.Context, cancel context.CancelCauseFunc, after tq.Position,
) (replicationpb.Replication_EventsClient, error) {
	late := time.AfterFunc(c.o.Timeout, func() { cancel(errSilent) })
	defer late.Stop()
	c.connect()
	rpc, err := c.rpc.Events(ctx, c.o.Call...)
	if err != nil {
		return nil, err
	}
	begin := &replicationpb.Begin{Queue: c.o.Queue, After: uint64(after.Sequence), Acknowledge: c.o.Acknowledge}
	if after.Incarnation != 0 {
		begin.Incarnation = after.Incarnation.String()
	}
	err = rpc.Send(&replicationpb.EventsRequest{Request: &replicationpb.EventsRequest_Begin{Begin: begin}})
	if err == nil && !c.o.Acknowledge {
		err = rpc.CloseSend()
	}
	if err != nil && err != io.EOF { // of that, receiving says why
		return nil, err
	}
	first, err := rpc.Recv()
	switch {
	case err == io.EOF:
		return nil, errUnsaid
	case err == nil && first.GetBegun() == nil:
		return nil, errUnsaid
	}

	return rpc, err
}

var errUnsaid = errors.New("the source does not say what its stream is of")

// connect has a connection that was lost made again now: the waits between tries
// are those of who follows.
func (c *Client) connect() {
	if conn, ok := c.conn.(interface{ ResetConnectBackoff() }); ok {
		conn.ResetConnectBackoff()
	}
}

// lines reads what the source sends, as long as it does.
type lines struct {
	ctx  context.Context // of the call
	rpc  replicationpb.Replication_EventsClient
	rest []byte // of the last message
}

func (l *lines) Read(p []byte) (int, error) {
	for len(l.rest) == 0 {
		m, err := l.rpc.Recv()
		switch {
		case err == io.EOF:
			return 0, io.EOF
		case err != nil:
			return 0, sourceError(l.ctx, err)
		}
		l.rest = m.GetLines()
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]

	return n, nil
}

// Snapshot implements [replication.Client].
func (c *Client) Snapshot(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*c.o.Timeout, errSlow)
	defer cancel()
	c.connect()
	rpc, err := c.rpc.Snapshot(ctx, &replicationpb.SnapshotRequest{Queue: c.o.Queue}, c.o.Call...)
	if err != nil {
		return nil, sourceError(ctx, err)
	}
	var doc []byte
	size := uint64(0)
	for {
		m, err := rpc.Recv()
		switch {
		case err == io.EOF && uint64(len(doc)) == size:
			return doc, nil
		case err == io.EOF:
			return nil, fmt.Errorf("%w: %d bytes of a snapshot of %d", replication.ErrUnavailable, len(doc), size)
		case err != nil:
			return nil, sourceError(ctx, err)
		case m.GetSize() > uint64(c.o.MaxSnapshot), len(doc)+len(m.GetPart()) > c.o.MaxSnapshot:
			return nil, fmt.Errorf("%w: a snapshot of %d bytes, at most %d are read: raise MaxSnapshot of the client",
				replication.ErrTooLarge, max(m.GetSize(), uint64(len(doc)+len(m.GetPart()))), c.o.MaxSnapshot)
		}
		size, doc = m.GetSize(), append(doc, m.GetPart()...)
	}
}

// sourceError is what a call has ended with: the caller's own, what the source
// says, or that it cannot be reached.
func sourceError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, errSilent) || errors.Is(cause, errSlow) {
			return fmt.Errorf("%w: %w", replication.ErrUnavailable, cause)
		}

		return cause
	}
	said := status.Convert(err)
	for _, detail := range said.Details() {
		if fault, ok := detail.(*replicationpb.Fault); ok {
			if known := replication.Said(fault.GetCode(), said.Message()); known != nil {
				return fmt.Errorf("replicationgrpc: %w", known)
			}
		}
	}
	err = fmt.Errorf("replicationgrpc: %w", err)
	switch said.Code() {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.FailedPrecondition,
		codes.OutOfRange, codes.Unimplemented, codes.Unauthenticated:
		return err
	}

	return fmt.Errorf("%w: %w", replication.ErrUnavailable, err)
}
