// Package backpressuregrpc holds gRPC calls back while a queue has too much to do.
// By default a call waits until the queue has drained, as long as its own context
// lets it; with a limiter it is served at the limiter's rate or told to come back
// later.
//
//	server := grpc.NewServer(
//		grpc.ChainUnaryInterceptor(backpressuregrpc.Unary(monitor, backpressuregrpc.Options{})),
//		grpc.ChainStreamInterceptor(backpressuregrpc.Stream(monitor, backpressuregrpc.Options{})),
//	)
package backpressuregrpc

import (
	"cmp"
	"context"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tqgen/tqgen/runtime/backpressure"
)

// Action is what becomes of a call.
type Action uint8

const (
	Default  Action = iota // Throttle if there is a limiter, else Wait
	Pass                   // serve it whatever the queue has to do
	Wait                   // serve it once there is no backpressure
	Throttle               // serve it if the limiter lets it through, else RESOURCE_EXHAUSTED; without one as Refuse
	Refuse                 // RESOURCE_EXHAUSTED while there is backpressure
)

// Options are how calls are held back. With the zero Options they wait.
type Options struct {
	// Limiter gives the limiter for the next call, such as the Selector of a
	// backpressure.LimiterSwitch. It is asked also while there is no backpressure.
	// What it let through is over with the call, or with the stream. nil means that
	// calls wait.
	Limiter func() backpressure.Limiter
	// Decide, if set, says for each call what becomes of it: by its method,
	// /package.Service/Method, and by what is in its context.
	Decide func(ctx context.Context, method string) Action
	// MaxWait bounds waiting; 0 means that the call's context alone does.
	MaxWait time.Duration
	// RetryAfter is what callers are told where the limiter does not know better;
	// 0 means one second.
	RetryAfter time.Duration
	// Refused, if set, gives the error for a call that is not served, from the
	// status it would get: RESOURCE_EXHAUSTED, or UNAVAILABLE for one that has
	// waited in vain, with a RetryInfo; DEADLINE_EXCEEDED or CANCELLED where the
	// call's own context has ended. nil is that status.
	Refused func(ctx context.Context, method string, s *status.Status) error
}

// Unary holds back calls while source says that there is backpressure.
func Unary(source backpressure.Source, o Options) grpc.UnaryServerInterceptor {
	g := &gate{source, o}

	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		release, refused := g.admit(ctx, info.FullMethod)
		if refused != nil {
			return nil, refused
		}
		defer release()

		return next(ctx, request)
	}
}

// Stream is Unary for streams, which are held back as they begin.
func Stream(source backpressure.Source, o Options) grpc.StreamServerInterceptor {
	g := &gate{source, o}

	return func(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		release, refused := g.admit(stream.Context(), info.FullMethod)
		if refused != nil {
			return refused
		}
		defer release()

		return next(service, stream)
	}
}

type gate struct {
	source backpressure.Source
	o      Options
}

// admit lets a call through, and is told by release when it is over; or it says
// why not.
func (g *gate) admit(ctx context.Context, method string) (release func(), refused error) {
	release = func() {}
	var s *status.Status
	switch g.action(ctx, method) {
	case Pass:
	case Throttle:
		release, s = g.throttle()
	case Refuse:
		s = g.refuseIfActive()
	default:
		s = g.wait(ctx)
	}
	if s == nil {
		return release, nil
	}
	if g.o.Refused != nil {
		if err := g.o.Refused(ctx, method, s); err != nil {
			return nil, err
		}
	}

	return nil, s.Err()
}

func (g *gate) action(ctx context.Context, method string) Action {
	a := Default
	if g.o.Decide != nil {
		a = g.o.Decide(ctx, method)
	}
	switch {
	case a == Default && g.o.Limiter != nil:
		return Throttle
	case a == Throttle && g.o.Limiter == nil:
		return Refuse
	default:
		return a
	}
}

func (g *gate) wait(ctx context.Context) *status.Status {
	patient := ctx
	if g.o.MaxWait > 0 {
		var cancel context.CancelFunc
		patient, cancel = context.WithTimeout(ctx, g.o.MaxWait)
		defer cancel()
	}
	switch err := g.source.WaitForDraining(patient); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return status.FromContextError(ctx.Err())
	default:
		return g.refusal(codes.Unavailable, 0)
	}
}

func (g *gate) throttle() (release func(), refused *status.Status) {
	release, retryAfter, ok := g.o.Limiter().TryAcquire()
	if !ok {
		return nil, g.refusal(codes.ResourceExhausted, retryAfter)
	}

	return release, nil
}

func (g *gate) refuseIfActive() *status.Status {
	if g.source.State().Active {
		return g.refusal(codes.ResourceExhausted, 0)
	}

	return nil
}

// refusal says when to try again.
func (g *gate) refusal(code codes.Code, retryAfter time.Duration) *status.Status {
	retryAfter = cmp.Or(max(retryAfter, 0), max(g.o.RetryAfter, 0), time.Second)
	s := status.New(code, "the queue has too much to do")
	detailed, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)})
	if err != nil { // it has a wire form
		return s
	}

	return detailed
}
