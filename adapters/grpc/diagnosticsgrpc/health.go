package diagnosticsgrpc

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tqgen/tqgen/runtime/diagnostics"
)

// Health is the standard health service of a host: the service "" is SERVING
// unless a queue is unhealthy, as /readyz has it, and a queue's name is the service
// that is about this queue alone. Backpressure alone changes nothing. Its methods
// are safe for concurrent use.
type Health struct {
	*health.Server
	host *diagnostics.Host
	stop context.CancelFunc
	done chan struct{}
}

// RegisterHealth has a server serve the health of a host. Who asks gets what is so
// now; who watches is told within the host's Interval. It takes one of the host's
// streams until it is closed; the error is that of [diagnostics.Host.Watch]. It is
// called once for a server, before it serves.
func RegisterHealth(server grpc.ServiceRegistrar, host *diagnostics.Host) (*Health, error) {
	watch, err := host.Watch("", diagnostics.Filter{})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	h := &Health{Server: health.NewServer(), host: host, stop: stop, done: make(chan struct{})}
	healthpb.RegisterHealthServer(server, h)
	h.look()
	go h.run(ctx, watch)

	return h, nil
}

// run looks whenever the host publishes something, which its figures are at each
// Interval.
func (h *Health) run(ctx context.Context, watch *diagnostics.Watch) {
	defer close(h.done)
	defer h.Shutdown() // NOT_SERVING from then on
	defer watch.Close()
	for {
		if _, err := watch.Next(ctx); err != nil {
			return
		}
		h.look()
	}
}

func (h *Health) look() {
	now := h.host.Health()
	h.SetServingStatus("", serving(now.Status))
	for _, q := range now.Queues {
		h.SetServingStatus(q.Queue, serving(q.Status))
	}
}

func serving(status string) healthpb.HealthCheckResponse_ServingStatus {
	if status == "unhealthy" {
		return healthpb.HealthCheckResponse_NOT_SERVING
	}

	return healthpb.HealthCheckResponse_SERVING
}

// Check implements the service.
func (h *Health) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	h.look()

	return h.Server.Check(ctx, r)
}

// List implements the service.
func (h *Health) List(ctx context.Context, r *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	h.look()

	return h.Server.List(ctx, r)
}

// Watch implements the service.
func (h *Health) Watch(r *healthpb.HealthCheckRequest, rpc healthpb.Health_WatchServer) error {
	h.look()

	return h.Server.Watch(r, rpc)
}

// Close says NOT_SERVING for everything, now and to who asks later, as the end of
// the host does. Closing twice is no error.
func (h *Health) Close() error {
	h.stop()
	<-h.done

	return nil
}
