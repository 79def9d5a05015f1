package diagnosticsgrpc

import (
	"cmp"
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tqgen/tqgen/adapters/grpc/internal/send"
	diagnosticspb "github.com/tqgen/tqgen/adapters/grpc/proto/tqgen/diagnostics/v1"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Options are how a host is shown. The zero Options are of use; those of the host
// hold, too, but for its Authorize, which is about HTTP.
type Options struct {
	// Authorize says why a call may not read; its error is the answer, with
	// PERMISSION_DENIED. What is known of the call is in its context. nil lets all
	// read.
	Authorize func(context.Context) error
	// WriteTimeout is how long a client may take to accept an event. 10 s.
	WriteTimeout time.Duration
}

// Register has a server serve the stream of a host. The error says which option
// is out of range. It is called once for a server, before it serves.
func Register(server grpc.ServiceRegistrar, host *diagnostics.Host, o Options) error {
	if o.WriteTimeout < 0 {
		return errors.New("diagnosticsgrpc: WriteTimeout is negative")
	}
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 10*time.Second)
	diagnosticspb.RegisterDiagnosticsServer(server, &service{host: host, o: o})

	return nil
}

type service struct {
	diagnosticspb.UnimplementedDiagnosticsServer
	host *diagnostics.Host
	o    Options
}

// Watch implements the service.
func (s *service) Watch(r *diagnosticspb.WatchRequest, rpc diagnosticspb.Diagnostics_WatchServer) error {
	ctx := rpc.Context()
	if s.o.Authorize != nil {
		if err := s.o.Authorize(ctx); err != nil {
			return status.Error(codes.PermissionDenied, err.Error())
		}
	}
	watch, err := s.host.Watch(r.GetAfter(), diagnostics.Filter{Types: r.GetTypes(), Queues: r.GetQueues()})
	if err != nil {
		return refuse(err)
	}
	defer watch.Close()
	if err := rpc.SendHeader(nil); err != nil { // it is accepted, whenever something comes
		return err
	}
	out := send.New(ctx, s.o.WriteTimeout)
	defer out.Close()
	for {
		events, err := watch.Next(ctx)
		if err == nil {
			err = give(out, rpc, events)
		}
		switch {
		case errors.Is(err, tq.ErrClosed): // it was told in a bye
			return nil
		case err != nil:
			return err
		}
	}
}

// give sends events, or a sign of life.
func give(out *send.Sender, rpc diagnosticspb.Diagnostics_WatchServer, events []diagnostics.Event) error {
	if len(events) == 0 {
		return out.Send(func() error { return rpc.Send(&diagnosticspb.WatchResponse{}) })
	}
	for i := range events {
		e := &events[i]
		m := &diagnosticspb.WatchResponse{Id: e.ID, Type: e.Type, Queue: e.Queue, Data: e.Data}
		if err := out.Send(func() error { return rpc.Send(m) }); err != nil {
			return err
		}
	}

	return nil
}

// refuse is why there is no stream.
func refuse(err error) error {
	code := codes.Unavailable
	if errors.Is(err, diagnostics.ErrBusy) {
		code = codes.ResourceExhausted
	}
	s := status.New(code, err.Error())
	if detailed, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(5 * time.Second)}); err == nil {
		s = detailed
	}

	return s.Err()
}
