// Package send sends messages to readers who have so long to accept each.
package send

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ErrSlow is a status: the reader took too long.
var ErrSlow = status.Error(codes.DeadlineExceeded, "the reader took too long")

// Sender sends the messages of one call. Make one with [New].
type Sender struct {
	ctx     context.Context // of the call
	timeout time.Duration
	late    *time.Timer
	sends   chan func() error
	sent    chan error // one for each of sends
}

// New sends by a goroutine of its own, since nothing but the end of the call ends
// a send. It is to be closed.
func New(ctx context.Context, timeout time.Duration) *Sender {
	s := &Sender{
		ctx: ctx, timeout: timeout, late: time.NewTimer(timeout),
		sends: make(chan func() error), sent: make(chan error, 1),
	}
	go func() {
		for send := range s.sends {
			s.sent <- send()
		}
	}()

	return s
}

// Close lets the goroutine end, at the latest with the call.
func (s *Sender) Close() {
	s.late.Stop()
	close(s.sends)
}

// Send calls send, and waits for it: the error is that of send, ErrSlow, or why the
// call is over. It is called again only where it has returned nil. What send uses is
// not touched any more afterwards.
func (s *Sender) Send(send func() error) error {
	s.late.Reset(s.timeout)
	s.sends <- send
	select {
	case err := <-s.sent:
		return err
	case <-s.late.C:
		return ErrSlow
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}
