package diagnosticsgrpc_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tqgen/tqgen/adapters/grpc/diagnosticsgrpc"
	"github.com/tqgen/tqgen/runtime/diagnostics"
)

// TestHealthEnds: who watches is told that nothing serves, then their stream ends,
// so that a server that is stopped gracefully does not wait for them.
func TestHealthEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		host, err := diagnostics.New(diagnostics.Options{})
		must(t, err)
		in := bufconn.Listen(1 << 16)
		server := grpc.NewServer()
		health, err := diagnosticsgrpc.RegisterHealth(server, host)
		must(t, err)
		served := make(chan error, 1)
		go func() { served <- server.Serve(in) }()
		conn, err := grpc.NewClient("passthrough:///host", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return in.DialContext(ctx) }))
		must(t, err)
		ask := healthpb.NewHealthClient(conn)
		watch := func(service string, want ...healthpb.HealthCheckResponse_ServingStatus) healthpb.Health_WatchClient {
			t.Helper()
			w, err := ask.Watch(t.Context(), &healthpb.HealthCheckRequest{Service: service})
			must(t, err)
			hears(t, w, want...)

			return w
		}
		known := watch("", healthpb.HealthCheckResponse_SERVING)
		unknown := watch("x", healthpb.HealthCheckResponse_SERVICE_UNKNOWN)
		closed := time.Now()
		must(t, host.Close())
		hears(t, known, healthpb.HealthCheckResponse_NOT_SERVING)
		late := watch("", healthpb.HealthCheckResponse_NOT_SERVING)
		for _, w := range []healthpb.Health_WatchClient{known, unknown, late} {
			if r, err := w.Recv(); status.Code(err) != codes.Unavailable {
				t.Errorf("the stream goes on with %v, %v", r, err)
			}
		}
		server.GracefulStop()
		if took := time.Since(closed); took > time.Second {
			t.Errorf("streams and server end after %v", took)
		}
		must(t, <-served)
		must(t, health.Close())
		must(t, conn.Close())
	})
}

func hears(t *testing.T, w healthpb.Health_WatchClient, want ...healthpb.HealthCheckResponse_ServingStatus) {
	t.Helper()
	for _, want := range want {
		got, err := w.Recv()
		must(t, err)
		if got.GetStatus() != want {
			t.Errorf("it is told %v, want %v", got.GetStatus(), want)
		}
	}
}

// TestHealthDetached: a queue that is not here any more does not serve, until it
// comes back.
func TestHealthDetached(t *testing.T) {
	t.Parallel()
	s := show(t, diagnostics.Options{}, diagnosticsgrpc.Options{})
	ask := healthpb.NewHealthClient(s.conn)
	check := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		got, err := ask.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "resource-lease"})
		must(t, err)
		if got.GetStatus() != want {
			t.Errorf("the queue is %v, want %v", got.GetStatus(), want)
		}
	}
	check(healthpb.HealthCheckResponse_SERVING)
	must(t, s.host.DetachQueue(s.queue))
	check(healthpb.HealthCheckResponse_NOT_SERVING)
	must(t, s.host.AttachQueue(s.queue))
	check(healthpb.HealthCheckResponse_SERVING)
}
