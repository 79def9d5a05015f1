package replicationgrpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tqgen/tqgen/adapters/grpc/internal/send"
	replicationpb "github.com/tqgen/tqgen/adapters/grpc/proto/tqgen/replication/v1"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// service is the queues of one server.
type service struct {
	replicationpb.UnimplementedReplicationServer
	handlers map[string]*Handler // by name of the queue
}

// enter finds the queue that a call is for, and takes a place there that is to be
// given back.
func (s *service) enter(
	ctx context.Context, queue string, places func(*Handler) chan struct{},
) (h *Handler, leave func(), err error) {
	if h = s.find(queue); h == nil {
		return nil, nil, refuse(codes.NotFound, "", fmt.Sprintf("no queue named %q", queue))
	}
	if h.o.Authorize != nil && h.o.Authorize(ctx) != nil {
		return nil, nil, refuse(codes.PermissionDenied, "", "forbidden")
	}
	select {
	case places(h) <- struct{}{}:
		return h, func() { <-places(h) }, nil
	default:
		return nil, nil, refuse(codes.ResourceExhausted, "", "as many are served as may be",
			&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
	}
}

func (s *service) find(queue string) *Handler {
	if queue == "" && len(s.handlers) == 1 {
		for _, h := range s.handlers {
			return h
		}
	}

	return s.handlers[queue]
}

// refuse is a status with what the error is.
func refuse(code codes.Code, fault, message string, more ...protoadapt.MessageV1) error {
	if fault == "" {
		fault = tq.CodeFailed
	}
	details := append([]protoadapt.MessageV1{&replicationpb.Fault{Code: fault}}, more...)
	s := status.New(code, message)
	if detailed, err := s.WithDetails(details...); err == nil { // it is but for a detail that cannot be encoded
		s = detailed
	}

	return s.Err()
}

// refuseFor is what the feed says, or what has ended a stream.
func refuseFor(err error) error {
	if _, is := status.FromError(err); is { // of the transport
		return err
	}
	code := codes.Internal
	switch {
	case errors.Is(err, tq.ErrGap):
		code = codes.OutOfRange
	case errors.Is(err, tq.ErrForeign), errors.Is(err, tq.ErrDeposed), errors.Is(err, replication.ErrAcknowledgement):
		code = codes.FailedPrecondition
	case errors.Is(err, tq.ErrClosed):
		code = codes.Unavailable
	case errors.Is(err, replication.ErrTooLarge):
		code = codes.ResourceExhausted
	case errors.Is(err, context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	}

	return refuse(code, tq.ErrorCode(err), err.Error())
}

// Events implements the service.
func (s *service) Events(rpc replicationpb.Replication_EventsServer) error {
	ctx, stop := context.WithCancelCause(rpc.Context())
	defer stop(nil)
	f := &follower{rpc: rpc, stop: stop, begin: make(chan *replicationpb.Begin, 1), joined: make(chan struct{})}
	defer f.join(nil, nil)
	go f.receive()
	begin, err := f.begins(ctx, s)
	if err != nil {
		return err
	}
	h, leave, err := s.enter(ctx, begin.GetQueue(), func(h *Handler) chan struct{} { return h.streams })
	if err != nil {
		return err
	}
	defer leave()

	return h.events(ctx, f, begin)
}

// events serves a stream.
func (h *Handler) events(ctx context.Context, f *follower, begin *replicationpb.Begin) error {
	after, err := position(begin)
	if err == nil && begin.GetAcknowledge() {
		err = h.gate.MayJoin(after)
	}
	if err != nil {
		return refuse(codes.InvalidArgument, "", err.Error())
	}
	lines, err := replication.Open(h.feed, after)
	if err != nil {
		return refuseFor(err)
	}
	defer func() { _ = lines.Close() }() // nothing it says helps anybody
	if begin.GetAcknowledge() {
		gated, err := h.gate.Join(lines, after.Sequence)
		if err != nil {
			return refuseFor(err)
		}
		defer h.gate.Leave(gated)
		f.join(h.gate, gated)
		lines = gated
	}
	out := send.New(ctx, h.o.WriteTimeout)
	defer out.Close()
	err = h.begun(out, f.rpc)
	if err == nil {
		err = replication.Send(ctx, lines, h.o.Heartbeat, h.o.MaxLine, func(lines []byte) error {
			return sendLines(out, f.rpc, lines)
		})
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}

	return refuseFor(err)
}

func (h *Handler) begun(out *send.Sender, rpc replicationpb.Replication_EventsServer) error {
	queue, life := h.feed.Queue()
	begun := &replicationpb.Begun{Queue: queue, Incarnation: life.String()}

	return out.Send(func() error {
		return rpc.Send(&replicationpb.EventsResponse{Response: &replicationpb.EventsResponse_Begun{Begun: begun}})
	})
}

// sendLines sends a copy, since the transport may look at a message after it was
// sent.
func sendLines(out *send.Sender, rpc replicationpb.Replication_EventsServer, lines []byte) error {
	for len(lines) > 0 {
		n := min(maxPart, len(lines))
		part := &replicationpb.EventsResponse_Lines{Lines: bytes.Clone(lines[:n])}
		err := out.Send(func() error { return rpc.Send(&replicationpb.EventsResponse{Response: part}) })
		if err != nil {
			return err
		}
		lines = lines[n:]
	}

	return nil
}

// position reads where a stream begins.
func position(b *replicationpb.Begin) (at tq.Position, err error) {
	at.Sequence = tq.Sequence(b.GetAfter())
	if text := b.GetIncarnation(); text != "" {
		at.Incarnation, err = tq.ParseIncarnation(text)
	}

	return at, err
}

// follower is what comes from one who follows.
type follower struct {
	rpc   replicationpb.Replication_EventsServer
	stop  context.CancelCauseFunc // ends the stream
	begin chan *replicationpb.Begin

	joined chan struct{} // closed once gate and gated are known
	gate   *replication.Gate
	gated  *replication.Gated
}

// begins waits for the first request, which is to say where the stream begins. It
// takes the patience of the handler that has the least, as the queue is not known.
func (f *follower) begins(ctx context.Context, s *service) (*replicationpb.Begin, error) {
	patience := time.Duration(0)
	for _, h := range s.handlers {
		if patience == 0 || h.o.WriteTimeout < patience {
			patience = h.o.WriteTimeout
		}
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case begin := <-f.begin:
		if begin == nil {
			return nil, refuse(codes.InvalidArgument, "", "the first request says where to begin")
		}

		return begin, nil
	case <-late.C:
		return nil, send.ErrSlow
	case <-ctx.Done():
		return nil, refuseFor(context.Cause(ctx))
	}
}

// join says whose acknowledgements they are; nobody's if it is nil. It counts once.
func (f *follower) join(g *replication.Gate, gated *replication.Gated) {
	select {
	case <-f.joined:
	default:
		f.gate, f.gated = g, gated
		close(f.joined)
	}
}

// receive takes what the follower sends until the stream is over. Its goroutine
// ends with the call, or just after.
func (f *follower) receive() {
	first, err := f.rpc.Recv()
	if err != nil && err != io.EOF {
		f.stop(err)
		return
	}
	begin := first.GetBegin()
	f.begin <- begin
	if !begin.GetAcknowledge() {
		return // nothing is to come, and nothing is taken
	}
	<-f.joined
	if f.gate == nil {
		return // it is over
	}
	for {
		if err := f.acknowledged(); err != nil {
			f.stop(err)
			return
		}
	}
}

// acknowledged waits for an acknowledgement and takes it.
func (f *follower) acknowledged() error {
	request, err := f.rpc.Recv()
	if err != nil { // it acknowledges no more
		return fmt.Errorf("%w: %w", context.Canceled, err)
	}
	said := request.GetAcknowledge()
	if said == nil {
		return refuse(codes.InvalidArgument, "", "want an acknowledgement")
	}

	return f.gate.Acknowledge(f.gated, tq.Sequence(said.GetSequence()))
}

// Snapshot implements the service.
func (s *service) Snapshot(r *replicationpb.SnapshotRequest, rpc replicationpb.Replication_SnapshotServer) error {
	ctx := rpc.Context()
	h, leave, err := s.enter(ctx, r.GetQueue(), func(h *Handler) chan struct{} { return h.snapshots })
	if err != nil {
		return err
	}
	defer leave()
	doc, err := h.feed.AppendSnapshot(nil)
	if err == nil && len(doc) > h.o.MaxSnapshot {
		err = fmt.Errorf("%w: the snapshot has %d bytes, at most %d are sent: raise MaxSnapshot of the handler",
			replication.ErrTooLarge, len(doc), h.o.MaxSnapshot)
	}
	if err != nil {
		return refuseFor(err)
	}
	out := send.New(ctx, h.o.WriteTimeout)
	defer out.Close()
	for size := uint64(len(doc)); len(doc) > 0; {
		n := min(maxPart, len(doc))
		part := &replicationpb.SnapshotResponse{Size: size, Part: doc[:n]}
		if err := out.Send(func() error { return rpc.Send(part) }); err != nil {
			return refuseFor(err)
		}
		doc = doc[n:]
	}

	return nil
}
