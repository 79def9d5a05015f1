// Package backpressurehttp holds HTTP requests back while a queue has too much
// to do. By default a request waits until the queue has drained, as long as its
// own context lets it; with a limiter it is served at the limiter's rate or
// told to come back later.
//
//	gate := backpressurehttp.Middleware(monitor, backpressurehttp.Options{})
//	http.Handle("POST /orders", gate(orders))
package backpressurehttp

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/tqgen/tqgen/runtime/backpressure"
)

// Action is what becomes of a request.
type Action uint8

const (
	Default  Action = iota // Throttle if there is a limiter, else Wait
	Pass                   // serve it whatever the queue has to do
	Wait                   // serve it once there is no backpressure
	Throttle               // serve it if the limiter lets it through, else 429; without one as Refuse
	Refuse                 // 429 while there is backpressure
)

// Options are how requests are held back. With the zero Options they wait.
type Options struct {
	// Limiter gives the limiter for the next request, such as the Selector of a
	// backpressure.LimiterSwitch. It is asked also while there is no
	// backpressure. nil means that requests wait.
	Limiter func() backpressure.Limiter
	// Decide, if set, says for each request what becomes of it.
	Decide func(*http.Request) Action
	// MaxWait bounds waiting; 0 means that the request's context alone does.
	MaxWait time.Duration
	// RetryAfter is what clients are told where the limiter does not know
	// better. It is rounded up to seconds; 0 means one second.
	RetryAfter time.Duration
	// Refused, if set, writes the answer to a request that is not served; the
	// header Retry-After is set. Otherwise it is the status and its text. status
	// is 429, or 503 for one that has waited in vain.
	Refused func(w http.ResponseWriter, r *http.Request, status int)
}

// Middleware makes what holds back the requests of a handler while source says
// that there is backpressure.
func Middleware(source backpressure.Source, o Options) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return &gate{source, o, next}
	}
}

type gate struct {
	source backpressure.Source
	o      Options
	next   http.Handler
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch g.action(r) {
	case Pass:
		g.next.ServeHTTP(w, r)
	case Throttle:
		g.throttle(w, r)
	case Refuse:
		g.refuseIfActive(w, r)
	default:
		g.wait(w, r)
	}
}

func (g *gate) action(r *http.Request) Action {
	a := Default
	if g.o.Decide != nil {
		a = g.o.Decide(r)
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

func (g *gate) wait(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	if g.o.MaxWait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, g.o.MaxWait)
		defer cancel()
	}
	if err := g.source.WaitForDraining(ctx); err != nil {
		g.refuse(w, r, http.StatusServiceUnavailable, 0)
		return
	}
	g.next.ServeHTTP(w, r)
}

func (g *gate) throttle(w http.ResponseWriter, r *http.Request) {
	release, retryAfter, ok := g.o.Limiter().TryAcquire()
	if !ok {
		g.refuse(w, r, http.StatusTooManyRequests, retryAfter)
		return
	}
	defer release()
	g.next.ServeHTTP(w, r)
}

func (g *gate) refuseIfActive(w http.ResponseWriter, r *http.Request) {
	if g.source.State().Active {
		g.refuse(w, r, http.StatusTooManyRequests, 0)
		return
	}
	g.next.ServeHTTP(w, r)
}

func (g *gate) refuse(w http.ResponseWriter, r *http.Request, status int, retryAfter time.Duration) {
	if retryAfter <= 0 {
		retryAfter = g.o.RetryAfter
	}
	seconds := max(1, int(math.Ceil(retryAfter.Seconds())))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	if g.o.Refused != nil {
		g.o.Refused(w, r, status)
		return
	}
	http.Error(w, http.StatusText(status), status)
}
