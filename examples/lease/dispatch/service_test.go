package dispatch_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/backpressurehttp"
	"github.com/tqgen/tqgen/runtime/tq"
)

// pressed is a queue with a monitor that begins at two tasks and ends at none.
func pressed(t *testing.T) (*leasequeue.Local, *backpressure.Monitor) {
	t.Helper()
	q := open(t, leasequeue.Options{High: 2, Low: tq.UntilEmpty, Cooldown: tq.NoCooldown})
	m, err := backpressure.New(q, backpressure.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})

	return q, m
}

// TestBackpressureWaits: enqueue waits for the queue to drain, and settling does
// not.
func TestBackpressureWaits(t *testing.T) {
	t.Parallel()
	q, m := pressed(t)
	url := serve(t, service(t, dispatch.Options{Queue: q, Backpressure: m})) + "/resourcelease/"
	enqueue(t, q, vm("i-1"))
	enqueue(t, q, vm("i-2"))
	got := waiting(t, url+"enqueue", `{"payload":`+vmJSON+`}`)
	for range 2 {
		if a := post(t, url+"complete", token(take(t, q))); a.Status != http.StatusOK {
			t.Errorf("complete: %+v", a.seen())
		}
	}
	if a := <-got; a.Status != http.StatusOK {
		t.Errorf("enqueue: %+v", a.seen())
	}
}

// TestThrottled: by option enqueue is told to come again, and by default after
// it has waited in vain.
func TestThrottled(t *testing.T) {
	t.Parallel()
	slow := rate.NewLimiter(rate.Every(time.Hour), 1)
	slow.Allow()
	for name, c := range map[string]struct {
		ingress backpressurehttp.Options
		status  int
	}{
		"refuse": {backpressurehttp.Options{Decide: func(*http.Request) backpressurehttp.Action {
			return backpressurehttp.Refuse
		}}, http.StatusTooManyRequests},
		"limit": {backpressurehttp.Options{Limiter: func() backpressure.Limiter {
			return backpressure.Rate(slow)
		}}, http.StatusTooManyRequests},
		"wait": {backpressurehttp.Options{MaxWait: time.Millisecond}, http.StatusServiceUnavailable},
	} {
		q, m := pressed(t)
		url := serve(t, service(t, dispatch.Options{Queue: q, Backpressure: m, Ingress: c.ingress}))
		enqueue(t, q, vm("i-1"))
		enqueue(t, q, vm("i-2"))
		a := post(t, url+"/resourcelease/enqueue", `{"payload":`+vmJSON+`}`)
		if a.Status != c.status || a.Code != dispatch.CodeThrottled || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %+v, Retry-After %q", name, a.seen(), a.header.Get("Retry-After"))
		}
		if s, err := client(t, url).Stats(t.Context()); err != nil || !s.Backpressure || s.PendingCount != 2 {
			t.Errorf("%s: stats %+v, %v", name, s, err)
		}
	}
}

// TestThrottledEnds: who waits for a queue to drain is told when that is another
// node's.
func TestThrottledEnds(t *testing.T) {
	t.Parallel()
	q, m := pressed(t)
	s := service(t, dispatch.Options{Queue: q, Backpressure: m})
	arrived := make(chan struct{})
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		s.ServeHTTP(w, r)
	}))
	enqueue(t, q, vm("i-1"))
	enqueue(t, q, vm("i-2"))
	got := waiting(t, url+"/resourcelease/enqueue", `{"payload":`+vmJSON+`}`)
	<-arrived
	s.Follow("http://other")
	if a := <-got; a.Status != http.StatusMisdirectedRequest || a.header.Get("Retry-After") != "" {
		t.Errorf("%+v, %v", a.seen(), a.header)
	}
}

// TestServeEnds: what is under way is answered before Serve returns, and who
// waits for a task does not hold it up.
func TestServeEnds(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	s := service(t, dispatch.Options{Queue: q})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- dispatch.Serve(ctx, l, s, dispatch.ServeOptions{}) }()
	got := waiting(t, "http://"+l.Addr().String()+"/resourcelease/lease", ``)
	awaitStats(t, q, oneConsumer)
	end()
	if a := <-got; a.Code != tq.CodeClosed {
		t.Errorf("lease: %+v", a.seen())
	}
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	if _, err := q.TryLease(t.Context()); !errors.Is(err, tq.ErrEmpty) {
		t.Errorf("the queue itself: %v", err)
	}
}

// TestCutOff: a body that ends early, or takes too long, and one that no
// connection survives.
func TestCutOff(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	for name, c := range map[string]struct {
		half    bool // of the connection is closed, so that no more can come
		timeout time.Duration
		status  int
		code    string
	}{
		"short": {true, time.Minute, http.StatusBadRequest, dispatch.CodeRequestInvalid},
		"slow":  {false, 20 * time.Millisecond, http.StatusRequestTimeout, dispatch.CodeSlow},
	} {
		url := serve(t, service(t, dispatch.Options{Queue: q, ReadTimeout: c.timeout}))
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "POST /resourcelease/enqueue HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
		if c.half {
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != c.status || !strings.Contains(string(text), c.code) {
			t.Errorf("%s: status %d, %s, %v", name, res.StatusCode, text, err)
		}
		if err := errors.Join(res.Body.Close(), conn.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestRun is a pool of workers elsewhere: every task is completed, failures come
// again, a panic is a failure, what is permanent is dead, and a handler that
// works for long keeps its lease.
func TestRun(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{Lease: time.Hour, Attempts: 2, Backoff: tq.NoBackoff})
	c := client(t, serve(t, service(t, dispatch.Options{Queue: q})))
	for _, id := range []string{"fine", "fails", "panics", "hopeless", "slow"} {
		if _, err := c.Enqueue(t.Context(), vm(id)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, end := context.WithCancel(t.Context())
	var handled sync.Map
	ran := make(chan error, 1)
	policy := tq.RunPolicy{Lease: time.Hour, Heartbeat: 10 * time.Millisecond}
	go func() {
		ran <- dispatch.Run(ctx, c, dispatch.WorkOptions{RunOptions: tq.RunOptions{Workers: 3}, Policy: policy},
			func(ctx context.Context, l *leasequeue.Lease) error {
				id := l.Payload.ResourceID
				handled.Store(fmt.Sprint(id, " ", l.Attempt), true)
				switch {
				case id == "hopeless":
					return tq.Permanent(errors.New("no such disk"))
				case id == "slow":
					for s := (tq.Stats{}); s.Heartbeats < 3; {
						s, _ = q.Stats(ctx)
						runtime.Gosched()
					}
				case l.Attempt == 2:
				case id == "fails":
					return &tq.TaskError{Message: "disk full", Code: "disk.full"}
				case id == "panics":
					panic("at the disk")
				}

				return ctx.Err()
			})
	}()
	awaitStats(t, q, func(s tq.Stats) bool { return s.Live() == 0 })
	end()
	if err := <-ran; err != nil {
		t.Errorf("run: %v", err)
	}
	for _, want := range []string{"fine 1", "fails 1", "fails 2", "panics 1", "panics 2", "hopeless 1", "slow 1"} {
		if _, ok := handled.LoadAndDelete(want); !ok {
			t.Errorf("%s was not handled", want)
		}
	}
	handled.Range(func(k, _ any) bool {
		t.Errorf("%v was handled", k)
		return true
	})
	s, err := q.Stats(t.Context())
	if err != nil || s.Completed != 4 || s.Dead != 1 || s.Expired != 0 {
		t.Errorf("stats %+v, %v", s, err)
	}
}

// TestRunGoesOn: a network that fails, a node that is no owner and a drained
// queue are waited out; a refusal is not.
func TestRunGoesOn(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	s := service(t, dispatch.Options{})
	var broken atomic.Int32
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := broken.Add(1); {
		case n == 1:
			panic(http.ErrAbortHandler)
		case n == 3:
			s.Own(q, nil)
		case strings.HasSuffix(r.URL.Path, "/complete") && n < 7: // twice: done, and not heard
			s.ServeHTTP(deaf{w}, r)
			return
		}
		s.ServeHTTP(w, r)
	}))
	var failed atomic.Int32
	c, err := dispatch.NewClient(dispatch.ClientOptions{
		Nodes: []string{url}, Failed: func(error, time.Duration) { failed.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	enqueue(t, q, vm("i-1"))
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ran := make(chan error, 1)
	go func() {
		ran <- dispatch.Run(ctx, c, dispatch.WorkOptions{}, func(context.Context, *leasequeue.Lease) error { return nil })
	}()
	awaitStats(t, q, func(s tq.Stats) bool { return s.Completed == 1 && s.WaitingConsumers == 1 })
	end()
	if err := <-ran; err != nil {
		t.Errorf("run: %v", err)
	}
	if n := failed.Load(); n < 3 {
		t.Errorf("told of %d failures", n)
	}

	refusing := serve(t, http.NotFoundHandler())
	err = dispatch.Run(t.Context(), client(t, refusing), dispatch.WorkOptions{}, nil)
	var e *dispatch.Error
	if !errors.As(err, &e) || e.Status != http.StatusNotFound {
		t.Errorf("run at a server that is none: %v", err)
	}
}

// BenchmarkTask is one task from enqueue to complete: three requests on a
// connection of its own for each of as many clients as there are processors.
func BenchmarkTask(b *testing.B) {
	q, err := leasequeue.New(leasequeue.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	s, err := dispatch.New(dispatch.Options{Queue: q})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(s)
	defer server.Close()
	defer s.Close()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c, err := dispatch.NewClient(dispatch.ClientOptions{Nodes: []string{server.URL}, Peer: "worker-7"})
		if err != nil {
			b.Error(err)
			return
		}
		for pb.Next() {
			_, err := c.Enqueue(b.Context(), vm("i-1"))
			if err != nil {
				b.Error(err)
				return
			}
			l, err := c.Lease(b.Context(), time.Second)
			if err == nil {
				err = l.Complete(b.Context())
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// TestDrainGivenUp: a drain that somebody gives up does not end that of another,
// nor what health says of it.
func TestDrainGivenUp(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	s := service(t, dispatch.Options{Queue: q})
	url := serve(t, s) + "/resourcelease/"
	enqueue(t, q, vm("i-1"))
	dead := take(t, q)
	if err := dead.DeadLetter(t.Context(), errors.New("no such vm")); err != nil {
		t.Fatal(err)
	}
	enqueue(t, q, vm("i-2"))
	held := take(t, q)
	drained := waiting(t, url+"drain", `{"graceSeconds":60}`)
	for {
		if _, err := q.TryLease(t.Context()); errors.Is(err, tq.ErrDrained) {
			break
		}
	}
	ctx, giveUp := context.WithCancel(t.Context())
	giveUp()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/resourcelease/drain", http.NoBody)
	s.ServeHTTP(httptest.NewRecorder(), r)
	health := func(want string) {
		t.Helper()
		if a := send(t, http.MethodGet, url+"health", "", nil); a.body != `{"status":"`+want+`"}`+"\n" {
			t.Errorf("health is %s, want %s", a.body, want)
		}
	}
	health("draining")
	if err := held.Complete(t.Context()); err != nil {
		t.Error(err)
	}
	a := <-drained
	health("draining")
	if a := post(t, url+"restore", a.body); a.body != `{"restoredCount":1}`+"\n" {
		t.Errorf("restore: %s", a.body)
	}
	health("serving")
}

// TestFailBounds: whatever a worker's error holds, its task fails at once, with as
// much of it as is kept.
func TestFailBounds(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{Attempts: 1})
	c := client(t, serve(t, service(t, dispatch.Options{Queue: q})))
	for name, cause := range map[string]*tq.TaskError{
		"code":       {Message: "x", Code: strings.Repeat("c", 129)},
		"message":    {Message: strings.Repeat("ä", 4096), Code: "c"},
		"entries":    {Message: "x", Metadata: plain(20, 1)},
		"long value": {Message: "x", Metadata: plain(3, 3000)},
	} {
		enqueue(t, q, vm(name))
		l, err := c.Lease(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Fail(t.Context(), cause); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	dead, err := q.DeadLetters(t.Context(), 0, 9)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, d := range dead {
		got[d.Payload.ResourceID] = len(d.LastError.Metadata)
	}
	want := map[string]int{"code": 0, "message": 0, "entries": 16, "long value": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries that are kept (-want +got):\n%s", diff)
	}
}

// plain is so many entries of a size each.
func plain(n, size int) map[string]tq.Plain {
	all := map[string]tq.Plain{}
	for i := range n {
		all[fmt.Sprintf("k%02d", i)] = tq.PlainString(strings.Repeat("v", size))
	}

	return all
}
