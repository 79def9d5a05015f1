package backpressurehttp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/backpressurehttp"
	"github.com/tqgen/tqgen/runtime/tq"
)

// ingress is a queue behind a handler that enqueues a task a request.
type ingress struct {
	queue   *leasequeue.Local
	monitor *backpressure.Monitor
}

func open(t *testing.T, o tq.Options) *ingress {
	t.Helper()
	q, err := leasequeue.New(o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := backpressure.New(q, backpressure.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(); q.Close() })

	return &ingress{q, m}
}

func (i *ingress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := i.queue.TryEnqueue(r.Context(), lease.ResourceLease{}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (i *ingress) fill(n int) {
	for range n {
		_, _ = i.queue.TryEnqueue(context.Background(), lease.ResourceLease{})
	}
}

// work completes one task.
func (i *ingress) work(ctx context.Context) {
	if l, err := i.queue.Lease(ctx); err == nil {
		_ = l.Complete(ctx)
	}
}

// ask sends one request and gives status and Retry-After.
func ask(ctx context.Context, h http.Handler, target string) string {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, target, nil))

	return fmt.Sprint(w.Code, " ", w.Header().Get("Retry-After"))
}

// What becomes of a request, by what the queue has to do and what the options
// say.
func TestActions(t *testing.T) {
	t.Parallel()
	type options = backpressurehttp.Options
	none := func() backpressure.Limiter { return backpressure.Rate(rate.NewLimiter(0, 0)) }
	slow := func() backpressure.Limiter { // 2.5 s a token
		l := rate.NewLimiter(0.4, 1)
		l.Allow()

		return backpressure.Rate(l)
	}
	always := func(a backpressurehttp.Action) func(*http.Request) backpressurehttp.Action {
		return func(*http.Request) backpressurehttp.Action { return a }
	}
	for name, c := range map[string]struct {
		o           options
		calm, heavy string
	}{
		"wait, as long as the request may": {options{}, "202 ", "503 1"},
		"wait a second":                    {options{MaxWait: time.Second, RetryAfter: 90 * time.Second}, "202 ", "503 90"},
		"throttled":                        {options{Limiter: slow}, "429 3", "429 3"},
		"throttled, nobody knows how long": {options{Limiter: none, RetryAfter: 1100 * time.Millisecond}, "429 2", "429 2"},
		"pass":                             {options{Limiter: none, Decide: always(backpressurehttp.Pass)}, "202 ", "202 "},
		"wait instead":                     {options{Limiter: none, Decide: always(backpressurehttp.Wait)}, "202 ", "503 1"},
		"refuse":                           {options{Decide: always(backpressurehttp.Refuse)}, "202 ", "429 1"},
		"throttle without a limiter":       {options{Decide: always(backpressurehttp.Throttle)}, "202 ", "429 1"},
		"the default":                      {options{Decide: always(backpressurehttp.Default)}, "202 ", "503 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := open(t, tq.Options{Capacity: 16, High: 4, Low: 1})
				h := backpressurehttp.Middleware(i.monitor, c.o)(i)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if got := ask(ctx, h, "/"); got != c.calm {
					t.Errorf("without backpressure: %q, want %q", got, c.calm)
				}
				i.fill(4)
				begun := time.Now()
				if got := ask(ctx, h, "/"); got != c.heavy {
					t.Errorf("under backpressure: %q, want %q", got, c.heavy)
				}
				most := 10 * time.Second
				if c.o.MaxWait > 0 {
					most = c.o.MaxWait
				}
				if waited := time.Since(begun); waited > most {
					t.Errorf("waited %v", waited)
				}
			})
		})
	}
}

// The hook sees the request, and Refused writes the answer.
func TestHooks(t *testing.T) {
	t.Parallel()
	i := open(t, tq.Options{Capacity: 16, High: 4, Low: 1})
	i.fill(4)
	h := backpressurehttp.Middleware(i.monitor, backpressurehttp.Options{
		Decide: func(r *http.Request) backpressurehttp.Action {
			if r.URL.Path == "/urgent" {
				return backpressurehttp.Pass
			}

			return backpressurehttp.Refuse
		},
		Refused: func(w http.ResponseWriter, _ *http.Request, status int) { w.WriteHeader(status + 100) },
	})(i)
	got := []string{ask(t.Context(), h, "/urgent"), ask(t.Context(), h, "/other")}
	if diff := cmp.Diff([]string{"202 ", "529 1"}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// A request that waits is served when the queue has drained, and a place is
// given back whatever the handler does.
func TestServedAfterTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := open(t, tq.Options{Capacity: 16, High: 4, Low: 1})
		i.fill(4)
		h := backpressurehttp.Middleware(i.monitor, backpressurehttp.Options{})(i)
		got := make(chan string, 1)
		go func() { got <- ask(t.Context(), h, "/") }()
		for range 3 {
			time.Sleep(time.Second)
			if len(got) > 0 {
				t.Fatal("served too early")
			}
			i.work(t.Context())
		}
		if got := <-got; got != "202 " {
			t.Errorf("answer %q", got)
		}

		places, err := backpressure.NewConcurrency(1)
		if err != nil {
			t.Fatal(err)
		}
		panics := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		limited := backpressurehttp.Middleware(i.monitor, backpressurehttp.Options{
			Limiter: func() backpressure.Limiter { return places },
		})(panics)
		func() {
			defer func() { _ = recover() }()
			ask(t.Context(), limited, "/")
		}()
		if places.InUse() != 0 {
			t.Error("a handler that panicked keeps its place")
		}
	})
}

// pipes is a network of its own, so that its time is the bubble's.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestLoad has clients ask over HTTP for more than the workers can do. While
// more is pending than the watermark allows, what gets through is what the
// backpressure limiter lets through; afterwards it is what the clients ask for.
func TestLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const (
			clients   = 20
			asked     = 200.0 // requests a second, of all clients
			throttled = 10.0  // let through under backpressure
			high, low = 100, 20
		)
		i := open(t, tq.Options{Capacity: 1000, High: high, Low: low, Cooldown: 100 * time.Millisecond})
		limits := backpressure.NewLimiterSwitch(i.monitor,
			backpressure.Rate(rate.NewLimiter(rate.Inf, 1)), backpressure.Rate(rate.NewLimiter(throttled, 1)))
		defer limits.Close()
		server := &http.Server{ //nolint:gosec // its clients are here
			Handler: backpressurehttp.Middleware(i.monitor, backpressurehttp.Options{Limiter: limits.Selector()})(i),
		}
		network := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		served := make(chan error, 1)
		go func() { served <- server.Serve(network) }()

		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		var accepted, refused atomic.Int64
		transport := &http.Transport{DialContext: network.dial, MaxIdleConnsPerHost: clients}
		client := &http.Client{Transport: transport}
		for range clients {
			all.Go(func() {
				pace := time.NewTicker(time.Duration(clients / asked * float64(time.Second)))
				defer pace.Stop()
				for ctx.Err() == nil {
					post(t, ctx, client, &accepted, &refused)
					select {
					case <-pace.C:
					case <-ctx.Done():
					}
				}
			})
		}
		var pause atomic.Int64 // of a worker after each task
		pause.Store(int64(20 * time.Millisecond))
		all.Go(func() {
			for ctx.Err() == nil {
				i.work(ctx)
				time.Sleep(time.Duration(pause.Load()))
			}
		})

		through := func(d time.Duration) float64 {
			before := accepted.Load()
			time.Sleep(d)

			return float64(accepted.Load()-before) / d.Seconds()
		}
		within := func(what string, got, least, most float64) {
			t.Helper()
			if got < least || got > most {
				t.Errorf("%s: %.1f requests a second, want %v to %v", what, got, least, most)
			}
		}
		// All clients ask at once, every tenth of a second: count from between.
		time.Sleep(50 * time.Millisecond)
		// 150 a second more come than go, so the watermark is reached at 0.7 s.
		within("at first", through(500*time.Millisecond), 0.9*asked, 1.1*asked)
		pause.Store(int64(time.Second)) // the workers are stuck
		time.Sleep(1500 * time.Millisecond)
		if pending := i.pending(); pending < high || !i.monitor.Active() {
			t.Errorf("%d pending, active %t", pending, i.monitor.Active())
		}
		within("under backpressure", through(10*time.Second), 0.9*throttled, 1.1*throttled)
		if pending := i.pending(); pending < high {
			t.Errorf("%d pending, want the watermark or more", pending)
		}
		if refused.Load() == 0 {
			t.Error("nobody was told to come back later")
		}
		pause.Store(int64(2 * time.Millisecond)) // 500 a second
		time.Sleep(3 * time.Second)
		within("recovered", through(5*time.Second), 0.9*asked, 1.1*asked)

		stop()
		all.Wait()
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

func (i *ingress) pending() int {
	s, _ := i.queue.Stats(context.Background())

	return s.Pending()
}

// post sends one request and counts its answer.
func post(t *testing.T, ctx context.Context, client *http.Client, accepted, refused *atomic.Int64) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://queue/", nil)
	if err != nil {
		t.Error(err)
		return
	}
	resp, err := client.Do(r)
	if err != nil {
		if ctx.Err() == nil {
			t.Error(err)
		}

		return
	}
	_ = resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusAccepted:
		accepted.Add(1)
	case http.StatusTooManyRequests:
		refused.Add(1)
		if resp.Header.Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
	default:
		t.Errorf("status %d", resp.StatusCode)
	}
}
