package diagnosticsgrpc

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

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
	over context.Context // until it is told that nothing serves

	mu    sync.Mutex      // one looks at a time
	known map[string]bool // queues that are, or were, attached; guarded by mu
}

// RegisterHealth has a server serve the health of a host. Who asks gets what is so
// now; who watches is told within the host's Interval. A queue that was detached
// is NOT_SERVING. It takes one of the host's streams until it is closed; the error
// is that of [diagnostics.Host.Watch]. It is called once for a server, before it
// serves.
func RegisterHealth(server grpc.ServiceRegistrar, host *diagnostics.Host) (*Health, error) {
	watch, err := host.Watch("", diagnostics.Filter{})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	over, end := context.WithCancel(context.Background())
	h := &Health{Server: health.NewServer(), host: host, stop: stop, over: over, known: map[string]bool{}}
	healthpb.RegisterHealthServer(server, h)
	h.look()
	go func() {
		defer end()
		h.run(ctx, watch)
	}()

	return h, nil
}

// run looks whenever the host publishes something, which its figures are at each
// Interval.
func (h *Health) run(ctx context.Context, watch *diagnostics.Watch) {
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
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.host.Health()
	h.SetServingStatus("", serving(now.Status))
	for name := range h.known {
		h.known[name] = false
	}
	for _, q := range now.Queues {
		h.known[q.Queue] = true
		h.SetServingStatus(q.Queue, serving(q.Status))
	}
	for name, attached := range h.known {
		if !attached {
			h.SetServingStatus(name, healthpb.HealthCheckResponse_NOT_SERVING)
		}
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
	ctx, stop := context.WithCancel(rpc.Context())
	defer stop()
	defer context.AfterFunc(h.over, stop)()
	w := &watching{Health_WatchServer: rpc, ctx: ctx}
	err := h.Server.Watch(r, w)
	if h.over.Err() == nil || rpc.Context().Err() != nil {
		return err
	}
	if w.told == healthpb.HealthCheckResponse_SERVING {
		said := &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_NOT_SERVING}
		if err := rpc.Send(said); err != nil {
			return err
		}
	}

	return status.Error(codes.Unavailable, "nothing is served any more")
}

// watching is the stream of one who watches, which ends with ctx, too.
type watching struct {
	healthpb.Health_WatchServer
	ctx  context.Context
	told healthpb.HealthCheckResponse_ServingStatus // what they were told last
}

func (w *watching) Context() context.Context { return w.ctx }

func (w *watching) Send(r *healthpb.HealthCheckResponse) error {
	w.told = r.GetStatus()

	return w.Health_WatchServer.Send(r)
}

// Close says NOT_SERVING for everything, now and to who asks later, as the end of
// the host does, and ends the streams of those who watch, with UNAVAILABLE: a
// server that is stopped gracefully would wait for them. Closing twice is no error.
func (h *Health) Close() error {
	h.stop()
	<-h.over.Done()

	return nil
}
