package dispatch

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/tq"
)

// remote is the engine behind a lease that a service has granted.
type remote struct {
	c     *Client
	owner string
	until atomic.Pointer[time.Time] // the deadline; the zero time once it is lost
}

var _ tq.Settler = (*remote)(nil)

func newRemote(c *Client, owner string, until time.Time) *remote {
	r := &remote{c: c, owner: owner}
	r.until.Store(&until)

	return r
}

func (r *remote) Complete(ctx context.Context, _ tq.Slot, t tq.Token) error {
	return r.tell(ctx, func(ctx context.Context) error { return r.c.Complete(ctx, t) })
}

func (r *remote) Release(ctx context.Context, _ tq.Slot, t tq.Token) error {
	return r.tell(ctx, func(ctx context.Context) error { return r.c.Release(ctx, t) })
}

func (r *remote) Fail(ctx context.Context, _ tq.Slot, t tq.Token, cause error) error {
	return r.tell(ctx, func(ctx context.Context) error { return r.c.Fail(ctx, t, cause, true) })
}

func (r *remote) DeadLetter(ctx context.Context, _ tq.Slot, t tq.Token, cause error) error {
	return r.tell(ctx, func(ctx context.Context) error { return r.c.Fail(ctx, t, cause, false) })
}

// tell settles the lease, again and again until that was heard, the lease is
// over or ctx has ended. If it was heard and the answer lost, the next one is
// that the lease is lost.
func (r *remote) tell(ctx context.Context, settle func(context.Context) error) error {
	until := *r.until.Load()
	if until.IsZero() {
		return &tq.LeaseError{Op: "settle", Err: tq.ErrLeaseLost}
	}
	within, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	for pause := minPause; ; {
		err := settle(within)
		if err == nil || errors.Is(err, tq.ErrLeaseLost) {
			r.until.Store(new(time.Time))
			return err
		}
		switch {
		case ctx.Err() != nil || !passing(err):
			return err
		case r.c.pause(within, err, &pause) != nil:
			return &tq.LeaseError{Op: "settle", Err: tq.ErrLeaseLost} // its time is over
		}
	}
}

func (r *remote) Heartbeat(ctx context.Context, _ tq.Slot, t tq.Token) (time.Time, error) {
	until, err := r.c.Heartbeat(ctx, t)
	if err == nil {
		r.until.Store(&until)
	} else if errors.Is(err, tq.ErrLeaseLost) {
		r.until.Store(new(time.Time))
	}

	return until, err
}

// Deadline follows from what the service has said last.
func (r *remote) Deadline(tq.Slot, tq.Token) time.Time { return *r.until.Load() }

// Owner is whom the service has named.
func (r *remote) Owner(tq.Slot, tq.Token) string {
	if r.until.Load().IsZero() {
		return ""
	}

	return r.owner
}

// WorkOptions say how Run works. A zero field means what its comment says.
type WorkOptions struct {
	tq.RunOptions
	// Policy is the queue's. That of its directive.
	Policy tq.RunPolicy
}

// Run leases tasks from the services that c asks and calls handler for each,
// until ctx ends or the services refuse what no repetition mends. It is
// leasequeue.Run for a queue elsewhere: heartbeats, results, panics and the end
// are as there. What may pass, such as a network that fails, a queue that is
// drained or a node that is no owner any more, it waits out, with pauses from 50
// ms to 2 s; a result is told until it was heard or its lease is over.
func Run(
	ctx context.Context, c *Client, o WorkOptions, handler func(context.Context, *leasequeue.Lease) error,
) error {
	if o.Policy == (tq.RunPolicy{}) {
		o.Policy = tq.RunPolicy{Lease: 30 * time.Second, Heartbeat: 5 * time.Second}
	}

	return tq.Run(ctx, o.RunOptions, o.Policy, func() tq.Worker {
		return &worker{c: c, handler: handler}
	})
}

// worker is one of Run's.
type worker struct {
	c       *Client
	handler func(context.Context, *leasequeue.Lease) error
	lease   leasequeue.Lease
	held    tq.Held
}

func (w *worker) Handle(ctx context.Context) error { return w.handler(ctx, &w.lease) }

func (w *worker) Lease() (tq.Held, tq.Token) { return w.held, w.lease.Token }

// pollTime is how long a worker waits at a service at a time.
const pollTime = 20 * time.Second

func (w *worker) Next(ctx context.Context, o tq.Outcome) (settled, err error) {
	settled = w.settle(context.WithoutCancel(ctx), o)
	w.lease, w.held = leasequeue.Lease{}, tq.Held{}
	for pause := minPause; ; {
		begun := time.Now()
		w.lease, w.held, err = w.c.lease(ctx, pollTime)
		switch {
		case err == nil:
			return settled, nil
		case ctx.Err() != nil:
			return settled, ctx.Err()
		case errors.Is(err, tq.ErrEmpty) && time.Since(begun) >= minPause:
			pause = minPause
			continue
		case errors.Is(err, tq.ErrEmpty): // by a service that does not wait
		case !passing(err):
			return settled, err
		}
		if err := w.c.pause(ctx, err, &pause); err != nil {
			return settled, err
		}
	}
}

func (w *worker) settle(ctx context.Context, o tq.Outcome) error {
	switch t := w.lease.Token; o.Verb {
	case tq.Complete:
		return w.held.Complete(ctx, t)
	case tq.Fail:
		return w.held.Fail(ctx, t, o.Cause)
	case tq.MoveToDead:
		return w.held.DeadLetter(ctx, t, o.Cause)
	case tq.Release:
		return w.held.Release(ctx, t)
	default:
		return nil
	}
}

// Pauses before a service is asked again.
const (
	minPause = 50 * time.Millisecond
	maxPause = 2 * time.Second
)

// pause waits before the next request, longer each time.
func (c *Client) pause(ctx context.Context, err error, pause *time.Duration) error {
	wait := *pause
	*pause = min(2*wait, maxPause)
	if c.o.Failed != nil {
		c.o.Failed(err, wait)
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// passing says whether asking again may help: after what was no answer at all,
// and after answers that say so by their status.
func passing(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return !errors.Is(err, tq.ErrLeaseLost)
	}
	switch e.Status {
	case http.StatusMisdirectedRequest, http.StatusTooManyRequests, http.StatusRequestTimeout:
		return true
	default:
		return e.Status >= http.StatusInternalServerError
	}
}
