package replicationgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tqgen/tqgen/adapters/grpc/backpressuregrpc"
	"github.com/tqgen/tqgen/adapters/grpc/diagnosticsgrpc"
	"github.com/tqgen/tqgen/adapters/grpc/replicationgrpc"
	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/replication"
)

// newServer serves a queue: replication, diagnostics and health, beside the
// service's own calls, which wait while there is backpressure.
func newServer(
	q *leasequeue.Local, m *backpressure.Monitor, host *diagnostics.Host, creds credentials.TransportCredentials,
) (*grpc.Server, error) {
	ownOnly := func(_ context.Context, method string) backpressuregrpc.Action {
		if strings.HasPrefix(method, "/tqgen.") || strings.HasPrefix(method, "/grpc.") {
			return backpressuregrpc.Pass
		}

		return backpressuregrpc.Default
	}
	ingress := backpressuregrpc.Options{Decide: ownOnly}
	server := grpc.NewServer(
		grpc.Creds(creds),
		grpc.ChainUnaryInterceptor(backpressuregrpc.Unary(m, ingress)),
		grpc.ChainStreamInterceptor(backpressuregrpc.Stream(m, ingress)),
	)
	feed, err := replicationgrpc.NewHandler(q.Feed(), replicationgrpc.HandlerOptions{Authorize: mayFollow})
	if err != nil {
		return nil, err
	}
	_, err = diagnosticsgrpc.RegisterHealth(server, host) // until the host is closed

	return server, errors.Join(err,
		replicationgrpc.Register(server, feed),
		diagnosticsgrpc.Register(server, host, diagnosticsgrpc.Options{}))
}

// follow keeps a replica up to date until ctx ends.
func follow(ctx context.Context, conn *grpc.ClientConn, r leasequeue.Follower) error {
	client, err := replicationgrpc.NewClient(conn, replicationgrpc.ClientOptions{})
	if err != nil {
		return err
	}

	return leasequeue.Follow(ctx, client, r, replication.FollowOptions{})
}

// mayFollow would look at the certificate or the token of a caller: see
// peer.FromContext and metadata.ValueFromIncomingContext.
func mayFollow(context.Context) error { return nil }

// An owner shows its queue over gRPC, and a replica follows it.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q, err := leasequeue.New(leasequeue.Options{})
	fatal(err)
	defer q.Close()
	m, err := backpressure.New(q, backpressure.Options{})
	fatal(err)
	defer m.Close()
	host, err := diagnostics.New(diagnostics.Options{})
	fatal(err)
	defer host.Close()
	fatal(host.AttachQueue(q))
	server, err := newServer(q, m, host, insecure.NewCredentials()) // credentials.NewTLS, elsewhere
	fatal(err)
	defer server.Stop()
	in, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(err)
	go func() { fatal(server.Serve(in)) }()

	// On another node.
	conn, err := grpc.NewClient(in.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	fatal(err)
	defer conn.Close()
	r, err := leasequeue.NewReplica(leasequeue.Options{})
	fatal(err)
	f := &counted{Replica: r, applied: make(chan struct{}, 1)}
	followed := make(chan error, 1)
	go func() { followed <- follow(ctx, conn, f) }()

	_, err = q.Enqueue(ctx, lease.ResourceLease{ResourceType: "vm", ResourceID: "i-1"})
	fatal(err)
	<-f.applied
	fmt.Println(len(r.State().Tasks), r.State().Tasks[0].Payload.ResourceID)
	cancel()
	fmt.Println(<-followed)
	// Output:
	// 1 i-1
	// context canceled
}

// counted tells when it has applied something.
type counted struct {
	*leasequeue.Replica
	applied chan struct{}
}

func (c *counted) Apply(e *leasequeue.Event) error {
	defer func() { c.applied <- struct{}{} }()

	return c.Replica.Apply(e)
}

func (c *counted) ApplySnapshot(s *leasequeue.Snapshot) error {
	defer func() { c.applied <- struct{}{} }()

	return c.Replica.ApplySnapshot(s)
}

func fatal(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
