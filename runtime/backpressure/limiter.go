package backpressure

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Limiter lets calls through, so many at a time or in a time. Its methods are
// safe for concurrent use.
type Limiter interface {
	// Acquire waits until the caller may go on, or returns ctx's error.
	// release, which is not nil then, is called once the call is over.
	Acquire(ctx context.Context) (release func(), err error)
	// TryAcquire is Acquire that does not wait: ok says whether the caller may
	// go on, otherwise retryAfter when to try again, 0 if that is not known.
	TryAcquire() (release func(), retryAfter time.Duration, ok bool)
}

// Rate makes a Limiter of l: each call takes a token.
func Rate(l *rate.Limiter) Limiter { return rateLimiter{l} }

type rateLimiter struct{ limiter *rate.Limiter }

func released() {}

func (l rateLimiter) Acquire(ctx context.Context) (func(), error) {
	if err := l.limiter.Wait(ctx); err != nil {
		return nil, err
	}

	return released, nil
}

func (l rateLimiter) TryAcquire() (func(), time.Duration, bool) {
	now := time.Now()
	if l.limiter.AllowN(now, 1) {
		return released, 0, true
	}

	return nil, l.wait(now), false
}

// wait is how long it takes until there is a token, if nobody else takes it. A
// reservation that is given back would say so, too, but can cost the others a
// token.
func (l rateLimiter) wait(now time.Time) time.Duration {
	perSecond := float64(l.limiter.Limit())
	if perSecond <= 0 || l.limiter.Burst() < 1 {
		return 0
	}
	missing := 1 - l.limiter.TokensAt(now)

	return time.Duration(max(missing, 0) / perSecond * float64(time.Second))
}

// Concurrency lets a number of calls through at a time. Make one with
// NewConcurrency.
type Concurrency struct {
	places  chan struct{}
	release func() // made once, so that acquiring allocates nothing
}

// NewConcurrency makes a limiter of n calls at a time. The error says that n is
// not above 0.
func NewConcurrency(n int) (*Concurrency, error) {
	if n < 1 {
		return nil, fmt.Errorf("backpressure: %d calls at a time let none through", n)
	}
	places := make(chan struct{}, n)

	return &Concurrency{places, func() { <-places }}, nil
}

// InUse is how many calls are under way.
func (c *Concurrency) InUse() int { return len(c.places) }

// Acquire waits for a call to end if as many as may are under way.
func (c *Concurrency) Acquire(ctx context.Context) (func(), error) {
	select {
	case c.places <- struct{}{}:
		return c.release, nil
	default:
	}
	select {
	case c.places <- struct{}{}:
		return c.release, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TryAcquire does not know when a call ends, so retryAfter is 0.
func (c *Concurrency) TryAcquire() (release func(), retryAfter time.Duration, ok bool) {
	select {
	case c.places <- struct{}{}:
		return c.release, 0, true
	default:
		return nil, 0, false
	}
}

// LimiterSwitch is one limiter while there is no backpressure and another one
// while there is. It follows signals, so the cooldown keeps it from flapping.
// Make one with NewLimiterSwitch.
type LimiterSwitch struct {
	limiters [2]Limiter
	active   atomic.Bool
	sub      Subscription
}

// NewLimiterSwitch makes a switch that follows source until it is closed.
func NewLimiterSwitch(source Source, normal, backpressure Limiter) *LimiterSwitch {
	s := &LimiterSwitch{limiters: [2]Limiter{normal, backpressure}}
	s.active.Store(source.State().Active)
	s.sub = source.Subscribe(func(_ context.Context, signal Signal) error {
		s.active.Store(signal.Active)

		return nil
	})

	return s
}

// Selected is the limiter of now.
func (s *LimiterSwitch) Selected() Limiter {
	if s.active.Load() {
		return s.limiters[1]
	}

	return s.limiters[0]
}

// Selector gives Selected as a function, for those who choose a limiter for
// each call.
func (s *LimiterSwitch) Selector() func() Limiter { return s.Selected }

// Acquire is that of the limiter of now. A caller who waits in it stays there
// when the switch is thrown.
func (s *LimiterSwitch) Acquire(ctx context.Context) (release func(), err error) {
	return s.Selected().Acquire(ctx)
}

// TryAcquire is that of the limiter of now.
func (s *LimiterSwitch) TryAcquire() (release func(), retryAfter time.Duration, ok bool) {
	return s.Selected().TryAcquire()
}

// Close leaves the switch as it is. Closing twice is no error.
func (s *LimiterSwitch) Close() error { return s.sub.Close() }
