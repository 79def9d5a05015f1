package backpressuregrpc_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tqgen/tqgen/adapters/grpc/backpressuregrpc"
	"github.com/tqgen/tqgen/adapters/grpc/internal/leaks"
	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/tq"
)

func TestMain(m *testing.M) { leaks.Main(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// guarded is a service behind the interceptors: the one for health, which has a
// call and a stream.
type guarded struct {
	queue   *leasequeue.Local
	monitor *backpressure.Monitor
	rpc     healthpb.HealthClient
}

const unary, streaming = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"

func guard(t *testing.T, o func(*backpressure.Monitor) backpressuregrpc.Options) *guarded {
	t.Helper()
	q, err := leasequeue.New(leasequeue.Options{Capacity: 16, High: 2, Low: 1, Cooldown: tq.NoCooldown})
	must(t, err)
	m, err := backpressure.New(q, backpressure.Options{})
	must(t, err)
	in := bufconn.Listen(1 << 16)
	server := grpc.NewServer(
		grpc.WaitForHandlers(true),
		grpc.ChainUnaryInterceptor(backpressuregrpc.Unary(m, o(m))), grpc.ChainStreamInterceptor(backpressuregrpc.Stream(m, o(m))),
	)
	healthpb.RegisterHealthServer(server, health.NewServer())
	done := make(chan error, 1)
	go func() { done <- server.Serve(in) }()
	conn, err := grpc.NewClient("passthrough:///guarded", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return in.DialContext(ctx) }))
	must(t, err)
	t.Cleanup(func() {
		must(t, conn.Close())
		server.Stop()
		must(t, <-done)
		must(t, errors.Join(m.Close(), q.Close()))
	})

	return &guarded{q, m, healthpb.NewHealthClient(conn)}
}

// fill causes backpressure; what it returns ends it.
func (g *guarded) fill(t *testing.T) (drain func()) {
	t.Helper()
	for range 2 {
		_, err := g.queue.TryEnqueue(t.Context(), lease.ResourceLease{})
		must(t, err)
	}

	return func() {
		for range 2 {
			l, err := g.queue.TryLease(context.Background())
			must(t, err)
			must(t, l.Complete(context.Background()))
		}
	}
}

func (g *guarded) check(ctx context.Context) error {
	_, err := g.rpc.Check(ctx, &healthpb.HealthCheckRequest{})

	return err
}

// watch opens a stream and gets its first message.
func (g *guarded) watch(ctx context.Context) error {
	s, err := g.rpc.Watch(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		return err
	}
	_, err = s.Recv()

	return err
}

// both are a call and a stream.
func (g *guarded) both() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{"unary": g.check, "stream": g.watch}
}

// retry is what an error says of when to try again.
func retry(err error) time.Duration {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}

	return 0
}

func options(o backpressuregrpc.Options) func(*backpressure.Monitor) backpressuregrpc.Options {
	return func(*backpressure.Monitor) backpressuregrpc.Options { return o }
}

// TestWait: by default a call waits for the queue to drain, as long as its own
// deadline lets it, and not a moment longer (36).
func TestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := guard(t, options(backpressuregrpc.Options{}))
		for name, call := range g.both() {
			ctx, cancel := context.WithCancel(t.Context())
			must(t, call(ctx))
			drain := g.fill(t)
			soon, give := context.WithTimeout(t.Context(), 3*time.Second)
			begun := time.Now()
			if err := call(soon); status.Code(err) != codes.DeadlineExceeded || time.Since(begun) != 3*time.Second {
				t.Errorf("%s: %v after %v", name, err, time.Since(begun))
			}
			give()
			done := make(chan error, 1)
			begun = time.Now()
			go func() { done <- call(ctx) }()
			over := time.AfterFunc(time.Minute, drain)
			must(t, <-done)
			if took := time.Since(begun); took != time.Minute {
				t.Errorf("%s: served after %v, want a minute", name, took)
			}
			over.Stop()
			cancel()
		}
	})
}

// TestMaxWait: who has waited for so long is told to come back.
func TestMaxWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := guard(t, options(backpressuregrpc.Options{MaxWait: 2 * time.Second, RetryAfter: 7 * time.Second}))
		g.fill(t)
		for name, call := range g.both() {
			begun := time.Now()
			err := call(t.Context())
			if status.Code(err) != codes.Unavailable || retry(err) != 7*time.Second || time.Since(begun) != 2*time.Second {
				t.Errorf("%s: %v, again after %v, told after %v", name, err, retry(err), time.Since(begun))
			}
		}
	})
}

// TestRefuse: by option a call is refused while there is backpressure, with when to
// come back, and one call can be decided upon otherwise.
func TestRefuse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := guard(t, options(backpressuregrpc.Options{Decide: func(ctx context.Context, method string) backpressuregrpc.Action {
			if method != unary && method != streaming {
				t.Errorf("method %q", method)
			}
			if len(metadata.ValueFromIncomingContext(ctx, "urgent")) > 0 {
				return backpressuregrpc.Pass
			}

			return backpressuregrpc.Throttle // without a limiter
		}}))
		drain := g.fill(t)
		urgent, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "urgent", "yes"))
		defer cancel()
		for name, call := range g.both() {
			err := call(t.Context())
			if status.Code(err) != codes.ResourceExhausted || retry(err) != time.Second {
				t.Errorf("%s: %v, again after %v", name, err, retry(err))
			}
			must(t, call(urgent))
		}
		drain()
		synctest.Wait()
		must(t, g.check(t.Context()))
	})
}

// slots is a limiter that counts, and knows when to come back.
type slots struct {
	*backpressure.Concurrency
	again time.Duration
}

func (s slots) TryAcquire() (func(), time.Duration, bool) {
	release, _, ok := s.Concurrency.TryAcquire()

	return release, s.again, ok
}

// TestLimiter: with a limiter it decides, whatever the queue has to do; a stream
// keeps its place until it is over.
func TestLimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one, err := backpressure.NewConcurrency(1)
		must(t, err)
		refused := errors.New("refused")
		g := guard(t, options(backpressuregrpc.Options{
			Limiter: func() backpressure.Limiter { return slots{one, 9 * time.Second} },
			Refused: func(_ context.Context, method string, s *status.Status) error {
				if method == streaming {
					return status.Error(codes.Aborted, refused.Error())
				}

				return nil
			},
		}))
		ctx, cancel := context.WithCancel(t.Context())
		must(t, g.check(ctx))
		must(t, g.watch(ctx))
		if err := g.check(ctx); status.Code(err) != codes.ResourceExhausted || retry(err) != 9*time.Second {
			t.Errorf("a second call: %v, again after %v", err, retry(err))
		}
		if err := g.watch(ctx); status.Code(err) != codes.Aborted {
			t.Errorf("a second stream: %v", err)
		}
		cancel()
		synctest.Wait()
		if one.InUse() != 0 {
			t.Errorf("%d places are taken when the stream is over", one.InUse())
		}
		must(t, g.check(t.Context()))
	})
}

// TestMonitorCloses: who waits when the state is known no more is told to come back.
func TestMonitorCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := guard(t, options(backpressuregrpc.Options{}))
		g.fill(t)
		done := make(chan error, 1)
		go func() { done <- g.check(t.Context()) }()
		synctest.Wait()
		must(t, g.monitor.Close())
		if err := <-done; status.Code(err) != codes.Unavailable || retry(err) != time.Second {
			t.Errorf("%v, again after %v", err, retry(err))
		}
	})
}
