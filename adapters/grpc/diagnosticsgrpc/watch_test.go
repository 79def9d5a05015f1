package diagnosticsgrpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tqgen/tqgen/adapters/grpc/diagnosticsgrpc"
	"github.com/tqgen/tqgen/adapters/grpc/internal/leaks"
	diagnosticspb "github.com/tqgen/tqgen/adapters/grpc/proto/tqgen/diagnostics/v1"
	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/diagnostics/client"
	"github.com/tqgen/tqgen/runtime/tq"
)

func TestMain(m *testing.M) { leaks.Main(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shown is a host with one queue, as gRPC shows it.
type shown struct {
	host   *diagnostics.Host
	queue  *leasequeue.Local
	conn   *grpc.ClientConn
	health *diagnosticsgrpc.Health
	rpc    diagnosticspb.DiagnosticsClient
}

func show(t *testing.T, ho diagnostics.Options, o diagnosticsgrpc.Options) *shown {
	t.Helper()
	host, err := diagnostics.New(ho)
	must(t, err)
	q, err := leasequeue.New(leasequeue.Options{Capacity: 16, Attempts: 1})
	must(t, err)
	must(t, host.AttachQueue(q))
	in := bufconn.Listen(1 << 16)
	server := grpc.NewServer(grpc.WaitForHandlers(true))
	must(t, diagnosticsgrpc.Register(server, host, o))
	health, err := diagnosticsgrpc.RegisterHealth(server, host)
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- server.Serve(in) }()
	conn, err := grpc.NewClient("passthrough:///host", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return in.DialContext(ctx) }))
	must(t, err)
	t.Cleanup(func() {
		must(t, conn.Close())
		server.Stop()
		must(t, <-done)
		must(t, errors.Join(health.Close(), host.Close(), q.Close()))
	})

	return &shown{host, q, conn, health, diagnosticspb.NewDiagnosticsClient(conn)}
}

func (s *shown) watch(t *testing.T, r *diagnosticspb.WatchRequest) diagnosticspb.Diagnostics_WatchClient {
	t.Helper()
	rpc, err := s.rpc.Watch(t.Context(), r)
	must(t, err)

	return rpc
}

func next(t *testing.T, rpc diagnosticspb.Diagnostics_WatchClient) *diagnosticspb.WatchResponse {
	t.Helper()
	e, err := rpc.Recv()
	must(t, err)

	return e
}

// die makes a dead letter.
func die(t *testing.T, q *leasequeue.Local) {
	t.Helper()
	_, err := q.TryEnqueue(t.Context(), lease.ResourceLease{ResourceID: "secret"})
	must(t, err)
	l, err := q.TryLease(t.Context())
	must(t, err)
	must(t, l.Fail(t.Context(), errors.New("no such host")))
}

// TestWatch: one who watches gets a snapshot, the events that are wanted, a sign of
// life in between, and a bye; it goes on behind the event it saw last.
func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := show(t, diagnostics.Options{Heartbeat: 3 * time.Second}, diagnosticsgrpc.Options{})
		letters := []string{diagnostics.TypeDeadLetter}
		rpc := s.watch(t, &diagnosticspb.WatchRequest{Types: letters, Queues: []string{"resource-lease"}})
		if e := next(t, rpc); e.GetType() != diagnostics.TypeSnapshot || e.GetId() == "" || !json.Valid(e.GetData()) {
			t.Errorf("at first comes %v", e)
		}
		asked := time.Now()
		if e := next(t, rpc); e.GetType() != "" || time.Since(asked) != 3*time.Second {
			t.Errorf("%v after %v, want a sign of life after 3 s", e, time.Since(asked))
		}
		die(t, s.queue)
		first := next(t, rpc)
		die(t, s.queue)
		second := next(t, rpc)
		var letter diagnostics.DeadLetter
		must(t, json.Unmarshal(second.GetData(), &letter))
		if second.GetType() != diagnostics.TypeDeadLetter || second.GetQueue() != "resource-lease" || letter.Number != 2 {
			t.Errorf("then comes %v", second)
		}
		again := next(t, s.watch(t, &diagnosticspb.WatchRequest{After: first.GetId(), Types: letters}))
		if again.GetId() != second.GetId() || string(again.GetData()) != string(second.GetData()) {
			t.Errorf("behind %s comes %v, want %v", first.GetId(), again, second)
		}
		must(t, s.host.Close())
		if e := next(t, rpc); e.GetType() != diagnostics.TypeBye {
			t.Errorf("at the end comes %v", e)
		}
		if _, err := rpc.Recv(); err != io.EOF {
			t.Errorf("behind the end comes %v", err)
		}
		if _, err := s.watch(t, &diagnosticspb.WatchRequest{}).Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("of a host that is closed: %v", err)
		}
	})
}

// TestGap: one who comes back too late, or from elsewhere, is told what is missing,
// and what there is now (38).
func TestGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := show(t, diagnostics.Options{Ring: 4, Interval: time.Hour}, diagnosticsgrpc.Options{})
		rpc := s.watch(t, &diagnosticspb.WatchRequest{})
		next(t, rpc)
		die(t, s.queue)
		seen := next(t, rpc)
		for range 6 {
			die(t, s.queue)
			next(t, rpc)
		}
		for id, want := range map[string]diagnostics.Gap{
			seen.GetId(): {From: 2, To: 7, Dropped: 6, Reason: "overrun"},
			"other.7":    {Reason: "unknown"},
		} {
			back := s.watch(t, &diagnosticspb.WatchRequest{After: id})
			e, gap := next(t, back), diagnostics.Gap{}
			must(t, json.Unmarshal(e.GetData(), &gap))
			if diff := cmp.Diff(want, gap); e.GetType() != diagnostics.TypeGap || diff != "" {
				t.Errorf("behind %s comes %s (-want +got):\n%s", id, e.GetType(), diff)
			}
			if e := next(t, back); e.GetType() != diagnostics.TypeSnapshot {
				t.Errorf("behind the gap comes %v", e)
			}
		}
	})
}

// TestSameAsHTTP: both transports show the same events, field by field, and count
// who watches together (38, 39).
func TestSameAsHTTP(t *testing.T) {
	t.Parallel()
	s := show(t, diagnostics.Options{Interval: time.Hour, MaxSubscribers: 3}, diagnosticsgrpc.Options{})
	web := httptest.NewServer(s.host)
	defer web.Close()
	defer web.CloseClientConnections()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rpc, err := s.rpc.Watch(ctx, &diagnosticspb.WatchRequest{})
	must(t, err)
	next(t, rpc)
	byHTTP := (&client.Client{URL: web.URL + "/diagnostics/taskqueue", HTTP: web.Client()}).Events(ctx)
	n := 0
	for want, err := range byHTTP {
		must(t, err)
		if n++; n == 1 { // with the health service there are three now
			full, err := s.rpc.Watch(ctx, &diagnosticspb.WatchRequest{})
			must(t, err)
			_, err = full.Recv()
			if code, details := status.Code(err), status.Convert(err).Details(); code != codes.ResourceExhausted || len(details) != 1 {
				t.Errorf("one too many: %v, %v", err, details)
			} else if _, ok := details[0].(*errdetails.RetryInfo); !ok {
				t.Errorf("one too many is told %v", details)
			}
			die(t, s.queue)
			continue
		}
		got := next(t, rpc)
		if diff := cmp.Diff([]string{want.ID, want.Type, string(want.Data)}, []string{got.GetId(), got.GetType(), string(got.GetData())}); diff != "" {
			t.Errorf("(-http +grpc):\n%s", diff)
		}
		if n == 4 {
			break
		}
		die(t, s.queue)
	}
}

// TestSlowWatcher: who does not read is cut off.
func TestSlowWatcher(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := show(t, diagnostics.Options{Interval: 10 * time.Millisecond, MaxSubscribers: 2},
			diagnosticsgrpc.Options{WriteTimeout: 4 * time.Second})
		slow := s.watch(t, &diagnosticspb.WatchRequest{})
		next(t, slow)
		<-time.After(time.Minute)
		fresh := s.watch(t, &diagnosticspb.WatchRequest{})
		next(t, fresh) // in its place
		for {
			if _, err := slow.Recv(); err != nil {
				if status.Code(err) != codes.DeadlineExceeded {
					t.Errorf("it ends with %v", err)
				}

				return
			}
		}
	})
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	s := show(t, diagnostics.Options{}, diagnosticsgrpc.Options{Authorize: func(ctx context.Context) error {
		if got := metadata.ValueFromIncomingContext(ctx, "authorization"); len(got) != 1 || got[0] != "good" {
			return errors.New("want a token")
		}

		return nil
	}})
	if _, err := s.watch(t, &diagnosticspb.WatchRequest{}).Recv(); status.Code(err) != codes.PermissionDenied {
		t.Errorf("without a token: %v", err)
	}
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "authorization", "good"))
	defer cancel()
	rpc, err := s.rpc.Watch(ctx, &diagnosticspb.WatchRequest{})
	must(t, err)
	next(t, rpc)
	if err := diagnosticsgrpc.Register(grpc.NewServer(), s.host, diagnosticsgrpc.Options{WriteTimeout: -1}); err == nil {
		t.Error("a negative WriteTimeout is accepted")
	}
}

// TestHealth: who asks gets the health of now, who watches is told of each change;
// a host that is closed serves nothing.
func TestHealth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := show(t, diagnostics.Options{Thresholds: diagnostics.Thresholds{PendingDegraded: 1, PendingUnhealthy: 2}}, diagnosticsgrpc.Options{})
		ask := healthpb.NewHealthClient(s.conn)
		check := func(service string, want healthpb.HealthCheckResponse_ServingStatus) {
			t.Helper()
			got, err := ask.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
			must(t, err)
			if got.GetStatus() != want {
				t.Errorf("%q is %v, want %v", service, got.GetStatus(), want)
			}
		}
		watched, err := ask.Watch(t.Context(), &healthpb.HealthCheckRequest{Service: "resource-lease"})
		must(t, err)
		told := func(want healthpb.HealthCheckResponse_ServingStatus) {
			t.Helper()
			got, err := watched.Recv()
			must(t, err)
			if got.GetStatus() != want {
				t.Errorf("it is told %v, want %v", got.GetStatus(), want)
			}
		}
		told(healthpb.HealthCheckResponse_SERVING)
		enqueue := func() {
			_, err := s.queue.TryEnqueue(t.Context(), lease.ResourceLease{})
			must(t, err)
		}
		enqueue()
		check("", healthpb.HealthCheckResponse_SERVING) // degraded
		enqueue()
		asked := time.Now()
		told(healthpb.HealthCheckResponse_NOT_SERVING)
		if took := time.Since(asked); took > time.Second {
			t.Errorf("it is told after %v", took)
		}
		_, err = s.queue.TryLease(t.Context())
		must(t, err)
		check("", healthpb.HealthCheckResponse_SERVING)
		check("resource-lease", healthpb.HealthCheckResponse_SERVING)
		told(healthpb.HealthCheckResponse_SERVING)
		all, err := ask.List(t.Context(), &healthpb.HealthListRequest{})
		must(t, err)
		if len(all.GetStatuses()) != 2 {
			t.Errorf("listed are %v", all)
		}
		if _, err := ask.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "x"}); status.Code(err) != codes.NotFound {
			t.Errorf("no such service: %v", err)
		}
		must(t, s.host.Close())
		told(healthpb.HealthCheckResponse_NOT_SERVING)
		check("", healthpb.HealthCheckResponse_NOT_SERVING)
		if _, err := diagnosticsgrpc.RegisterHealth(grpc.NewServer(), s.host); !errors.Is(err, tq.ErrClosed) {
			t.Errorf("of a host that is closed: %v", err)
		}
	})
}
