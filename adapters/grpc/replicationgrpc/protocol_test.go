package replicationgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tqgen/tqgen/adapters/grpc/internal/leaks"
	replicationpb "github.com/tqgen/tqgen/adapters/grpc/proto/tqgen/replication/v1"
	"github.com/tqgen/tqgen/adapters/grpc/replicationgrpc"
	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

func TestMain(m *testing.M) { leaks.Main(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dial serves what register says, and connects to it.
func dial(t *testing.T, register func(*grpc.Server)) *grpc.ClientConn {
	t.Helper()
	in := bufconn.Listen(1 << 16)
	server := grpc.NewServer(grpc.WaitForHandlers(true))
	register(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(in) }()
	conn, err := grpc.NewClient("passthrough:///queue", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return in.DialContext(ctx) }))
	must(t, err)
	t.Cleanup(func() {
		must(t, conn.Close())
		server.Stop()
		must(t, <-done)
	})

	return conn
}

func open(t *testing.T, o leasequeue.Options) *leasequeue.Local {
	t.Helper()
	q, err := leasequeue.New(o)
	must(t, err)
	t.Cleanup(func() { must(t, q.Close()) })

	return q
}

func handler(t *testing.T, q *leasequeue.Local, o replicationgrpc.HandlerOptions) *replicationgrpc.Handler {
	t.Helper()
	h, err := replicationgrpc.NewHandler(q.Feed(), o)
	must(t, err)

	return h
}

func begin(b *replicationpb.Begin) *replicationpb.EventsRequest {
	return &replicationpb.EventsRequest{Request: &replicationpb.EventsRequest_Begin{Begin: b}}
}

func acknowledge(seq uint64) *replicationpb.EventsRequest {
	return &replicationpb.EventsRequest{
		Request: &replicationpb.EventsRequest_Acknowledge{Acknowledge: &replicationpb.Acknowledge{Sequence: seq}},
	}
}

const life = "0000000000000005"

// ask sends requests, reads one answer with lines for each that wants them, and
// gives the code that the stream ends with.
func ask(t *testing.T, conn *grpc.ClientConn, lines int, requests ...*replicationpb.EventsRequest) codes.Code {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rpc, err := replicationpb.NewReplicationClient(conn).Events(ctx)
	must(t, err)
	for i, r := range requests {
		if err := rpc.Send(r); err != nil {
			break // receiving says why
		}
		if i == 0 && lines > 0 {
			for range lines {
				_, err := rpc.Recv()
				must(t, err)
			}
		}
	}
	must(t, rpc.CloseSend())
	for {
		if _, err := rpc.Recv(); err != nil {
			return status.Code(err)
		}
	}
}

// TestProtocol: what a follower says that cannot be is refused, and confirms
// nothing (27).
func TestProtocol(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{Incarnation: 5})
	h := handler(t, q, replicationgrpc.HandlerOptions{Synchronous: &tq.SyncOptions{}})
	plain := open(t, leasequeue.Options{Incarnation: 5, Name: "plain"})
	conn := dial(t, func(s *grpc.Server) {
		must(t, replicationgrpc.Register(s, h, handler(t, plain, replicationgrpc.HandlerOptions{})))
	})
	const name = "resource-lease"
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error, 1)
	go func() {
		_, err := q.Enqueue(ctx, lease.ResourceLease{})
		waiting <- err
	}()
	join := begin(&replicationpb.Begin{Queue: name, Incarnation: life, Acknowledge: true})
	for _, c := range []struct {
		name     string
		lines    int
		requests []*replicationpb.EventsRequest
		want     codes.Code
	}{
		{"nothing", 0, nil, codes.InvalidArgument},
		{"an acknowledgement at first", 0, []*replicationpb.EventsRequest{acknowledge(1)}, codes.InvalidArgument},
		{"an empty request", 0, []*replicationpb.EventsRequest{{}}, codes.InvalidArgument},
		{"no queue where there are two", 0, []*replicationpb.EventsRequest{begin(&replicationpb.Begin{})}, codes.NotFound},
		{"no such queue", 0, []*replicationpb.EventsRequest{begin(&replicationpb.Begin{Queue: "x"})}, codes.NotFound},
		{"no incarnation", 0, []*replicationpb.EventsRequest{begin(&replicationpb.Begin{Queue: name, Incarnation: "5"})}, codes.InvalidArgument},
		{"another life", 0, []*replicationpb.EventsRequest{begin(&replicationpb.Begin{Queue: name, Incarnation: "0000000000000006"})}, codes.FailedPrecondition},
		{"acknowledging where nothing waits", 0, []*replicationpb.EventsRequest{begin(&replicationpb.Begin{Queue: "plain", Acknowledge: true})}, codes.InvalidArgument},
		{"having events of any life", 0, []*replicationpb.EventsRequest{begin(&replicationpb.Begin{Queue: name, After: 1, Acknowledge: true})}, codes.InvalidArgument},
		{"having what is to come", 0, []*replicationpb.EventsRequest{begin(&replicationpb.Begin{Queue: name, After: uint64(tq.Latest), Incarnation: life, Acknowledge: true})}, codes.InvalidArgument},
		{"an event that was not sent", 2, []*replicationpb.EventsRequest{join, acknowledge(2)}, codes.FailedPrecondition},
		{"the last number there is", 2, []*replicationpb.EventsRequest{join, acknowledge(uint64(tq.Latest))}, codes.FailedPrecondition},
		{"no acknowledgement", 2, []*replicationpb.EventsRequest{join, join}, codes.InvalidArgument},
		{"no more of them", 2, []*replicationpb.EventsRequest{join}, codes.Canceled},
	} {
		if got := ask(t, conn, c.lines, c.requests...); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	select {
	case err := <-waiting:
		t.Errorf("something of that has confirmed an event: %v", err)
	default:
	}
	if got := ask(t, conn, 2, join, acknowledge(1), acknowledge(0)); got != codes.FailedPrecondition { // too late
		t.Errorf("backwards: %v", got)
	}
	must(t, <-waiting)
	cancel()
	must(t, h.Close())
}

// silent never says anything; it answers the first request if it has begun.
type silent struct {
	replicationpb.UnimplementedReplicationServer
	answers func(replicationpb.Replication_EventsServer) error
}

func (s *silent) Events(rpc replicationpb.Replication_EventsServer) error { return s.answers(rpc) }

func (s *silent) Snapshot(_ *replicationpb.SnapshotRequest, rpc replicationpb.Replication_SnapshotServer) error {
	for {
		if err := rpc.Send(&replicationpb.SnapshotResponse{Size: 1, Part: make([]byte, 1<<10)}); err != nil {
			return err
		}
	}
}

func lines(text string) *replicationpb.EventsResponse {
	return &replicationpb.EventsResponse{Response: &replicationpb.EventsResponse_Lines{Lines: []byte(text)}}
}

func begun() *replicationpb.EventsResponse {
	return &replicationpb.EventsResponse{Response: &replicationpb.EventsResponse_Begun{Begun: &replicationpb.Begun{}}}
}

// TestHostileSource: whatever a source sends, the client ends with an error, in
// bounded memory, and in the time it has for it, to the moment.
func TestHostileSource(t *testing.T) {
	t.Parallel()
	const limit = 1 << 16
	wait := func(rpc replicationpb.Replication_EventsServer) error {
		<-rpc.Context().Done()
		return rpc.Context().Err()
	}
	send := func(rpc replicationpb.Replication_EventsServer, all ...*replicationpb.EventsResponse) {
		for _, m := range all {
			_ = rpc.Send(m) // to who may be gone
		}
	}
	for _, c := range []struct {
		name    string
		answers func(rpc replicationpb.Replication_EventsServer) error
		want    error // nil: for good
		takes   time.Duration
	}{
		{"no answer", wait, replication.ErrUnavailable, 7 * time.Second},
		{"silence", func(rpc replicationpb.Replication_EventsServer) error {
			send(rpc, begun())
			return wait(rpc)
		}, replication.ErrUnavailable, 5 * time.Second},
		{"silence within a line", func(rpc replicationpb.Replication_EventsServer) error {
			send(rpc, begun(), lines("1\n2"))
			return wait(rpc)
		}, replication.ErrUnavailable, 5 * time.Second},
		{"a byte now and then", func(rpc replicationpb.Replication_EventsServer) error {
			send(rpc, begun())
			for range time.Tick(time.Second) {
				if err := rpc.Send(lines("x")); err != nil {
					return err
				}
			}
			return nil
		}, replication.ErrUnavailable, 5 * time.Second},
		{"messages of nothing", func(rpc replicationpb.Replication_EventsServer) error {
			send(rpc, begun())
			for range time.Tick(time.Second) {
				if err := rpc.Send(lines("")); err != nil {
					return err
				}
			}
			return nil
		}, replication.ErrUnavailable, 5 * time.Second},
		{"an endless line", func(rpc replicationpb.Replication_EventsServer) error {
			send(rpc, begun())
			for {
				if err := rpc.Send(lines(fmt.Sprintf("%1000d", 1))); err != nil {
					return err
				}
			}
		}, replication.ErrTooLarge, 0},
		{"a message too large", func(rpc replicationpb.Replication_EventsServer) error {
			send(rpc, begun(), lines(fmt.Sprintf("%2000000d\n", 1)))
			return wait(rpc)
		}, replication.ErrUnavailable, 0},
		{"lines before it has begun", func(rpc replicationpb.Replication_EventsServer) error {
			send(rpc, lines("1\n"))
			return wait(rpc)
		}, replication.ErrUnavailable, 0},
		{"an end at once", func(replicationpb.Replication_EventsServer) error { return nil }, replication.ErrUnavailable, 0},
		{"an end", func(rpc replicationpb.Replication_EventsServer) error {
			send(rpc, begun(), lines("1\n"))
			return nil
		}, replication.ErrUnavailable, 0},
		{"an end within a line", func(rpc replicationpb.Replication_EventsServer) error {
			send(rpc, begun(), lines("1\n2"))
			return nil
		}, replication.ErrUnavailable, 0},
		{"a code it made up", func(replicationpb.Replication_EventsServer) error {
			s, err := status.New(codes.Code(99), "?").WithDetails(&replicationpb.Fault{Code: "error.taskqueue.gap?"})
			return errors.Join(err, s.Err())
		}, replication.ErrUnavailable, 0},
		{"a refusal", func(replicationpb.Replication_EventsServer) error {
			return status.Error(codes.Unimplemented, "?")
		}, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				conn := dial(t, func(s *grpc.Server) { replicationpb.RegisterReplicationServer(s, &silent{answers: c.answers}) })
				client, err := replicationgrpc.NewClient(conn, replicationgrpc.ClientOptions{
					MaxLine: limit, MaxSnapshot: limit, Silence: 5 * time.Second, Timeout: 7 * time.Second,
				})
				must(t, err)
				asked := time.Now()
				err = client.Events(t.Context(), tq.Position{}, func([]byte) error { return nil })
				if err == nil || c.want != nil && !errors.Is(err, c.want) || c.want == nil && errors.Is(err, replication.ErrUnavailable) ||
					errors.Is(err, tq.ErrGap) {
					t.Errorf("events: %v", err)
				}
				if took := time.Since(asked); took != c.takes {
					t.Errorf("it took %v, want %v", took, c.takes)
				}
				if doc, err := client.Snapshot(t.Context()); !errors.Is(err, replication.ErrTooLarge) {
					t.Errorf("an endless snapshot: %d bytes, %v", len(doc), err)
				}
			})
		})
	}
}

// TestHeartbeats: who follows hears from a queue with nothing to say as often as
// Heartbeat says; and who has not said where to begin is not waited for.
func TestHeartbeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, leasequeue.Options{Incarnation: 5})
		h := handler(t, q, replicationgrpc.HandlerOptions{Heartbeat: 3 * time.Second, WriteTimeout: 4 * time.Second})
		conn := dial(t, func(s *grpc.Server) { must(t, replicationgrpc.Register(s, h)) })
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		rpc, err := replicationpb.NewReplicationClient(conn).Events(ctx)
		must(t, err)
		must(t, rpc.Send(begin(&replicationpb.Begin{})))
		first, err := rpc.Recv()
		must(t, err)
		if b := first.GetBegun(); b.GetQueue() != "resource-lease" || b.GetIncarnation() != life {
			t.Errorf("it begins with %v", first)
		}
		for range 3 {
			asked := time.Now()
			m, err := rpc.Recv()
			must(t, err)
			if took := time.Since(asked); string(m.GetLines()) != "\n" || took != 3*time.Second {
				t.Errorf("%v after %v, want an empty line after 3 s", m, took)
			}
		}
		mute, err := replicationpb.NewReplicationClient(conn).Events(ctx)
		must(t, err)
		asked := time.Now()
		if _, err := mute.Recv(); status.Code(err) != codes.DeadlineExceeded || time.Since(asked) != 4*time.Second {
			t.Errorf("%v after %v", err, time.Since(asked))
		}
	})
}

// TestReconnect: a source that comes back after long is found with the next tries of
// who follows, whatever the connection would have waited.
func TestReconnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, leasequeue.Options{})
		h := handler(t, q, replicationgrpc.HandlerOptions{})
		in, up := bufconn.Listen(1<<16), time.Now().Add(time.Hour)
		server := grpc.NewServer(grpc.WaitForHandlers(true))
		must(t, replicationgrpc.Register(server, h))
		served := make(chan error, 1)
		go func() { served <- server.Serve(in) }()
		conn, err := grpc.NewClient("passthrough:///queue", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				if time.Now().Before(up) {
					return nil, errors.New("nobody is there")
				}

				return in.DialContext(ctx)
			}))
		must(t, err)
		client, err := replicationgrpc.NewClient(conn, replicationgrpc.ClientOptions{})
		must(t, err)
		r, err := leasequeue.NewReplica(leasequeue.Options{})
		must(t, err)
		f := &counted{Replica: r, applied: make(chan struct{}, 1)}
		_, err = q.TryEnqueue(t.Context(), lease.ResourceLease{}) // kept by nobody, so it comes in a snapshot
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		followed := make(chan error, 1)
		o := replication.FollowOptions{MinBackoff: time.Second, MaxBackoff: time.Second}
		go func() { followed <- leasequeue.Follow(ctx, client, f, o) }()
		<-f.applied
		if late := time.Since(up); late > 3*time.Second {
			t.Errorf("it is found after %v", late)
		}
		cancel()
		<-followed
		must(t, conn.Close())
		server.Stop()
		must(t, <-served)
	})
}

// TestGracefulStop: a server that is to end by itself does once the queue is closed,
// when followers have all there was.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, err := leasequeue.New(leasequeue.Options{})
		must(t, err)
		keep, err := q.Watch(0)
		must(t, err)
		var server *grpc.Server
		conn := dial(t, func(s *grpc.Server) {
			server = s
			must(t, replicationgrpc.Register(s, handler(t, q, replicationgrpc.HandlerOptions{})))
		})
		client, err := replicationgrpc.NewClient(conn, replicationgrpc.ClientOptions{})
		must(t, err)
		got, ended := 0, make(chan error, 1)
		go func() {
			ended <- client.Events(t.Context(), tq.Position{}, func([]byte) error {
				got++
				return nil
			})
		}()
		synctest.Wait()
		for range 100 {
			_, err := q.TryEnqueue(t.Context(), lease.ResourceLease{})
			must(t, err)
		}
		must(t, q.Close())
		server.GracefulStop()
		if err := <-ended; !errors.Is(err, replication.ErrUnavailable) || got != 100 {
			t.Errorf("the follower has %d events and ends with %v", got, err)
		}
		must(t, keep.Close())
	})
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []replicationgrpc.ClientOptions{{MaxLine: -1}, {MaxSnapshot: -1}, {Silence: -1}, {Timeout: -1}} {
		if _, err := replicationgrpc.NewClient(nil, o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	q := open(t, leasequeue.Options{})
	for _, o := range []replicationgrpc.HandlerOptions{
		{MaxLine: -1}, {MaxSnapshot: -1}, {MaxStreams: -1}, {MaxSnapshots: -1}, {Heartbeat: -1}, {WriteTimeout: -1},
		{Synchronous: &tq.SyncOptions{Timeout: -1}},
	} {
		if _, err := replicationgrpc.NewHandler(q.Feed(), o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	h := handler(t, q, replicationgrpc.HandlerOptions{})
	if replicationgrpc.Register(grpc.NewServer()) == nil || replicationgrpc.Register(grpc.NewServer(), h, h) == nil {
		t.Error("no queue, or two of a name, are registered")
	}
}
