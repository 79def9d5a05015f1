package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/tq"
)

// A dispatcher, a producer and a worker, which would be processes of their own.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	// The dispatcher.
	q, err := leasequeue.New(leasequeue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	service, err := dispatch.New(dispatch.Options{
		Queue: q,
		Validate: func(p *lease.ResourceLease) error {
			if p.ResourceType != "vm" {
				return errors.New("only machines are leased here")
			}

			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- dispatch.Serve(ctx, listener, service, dispatch.ServeOptions{}) }()
	node := "http://" + listener.Addr().String()

	// A producer.
	producer, err := dispatch.NewClient(dispatch.ClientOptions{Nodes: []string{node}})
	if err != nil {
		log.Fatal(err)
	}
	p := lease.ResourceLease{ResourceType: "disk", ResourceID: "d-1", PartitionKey: "eu", PayloadEncoding: "raw"}
	_, err = producer.Enqueue(ctx, p)
	fmt.Println(err)
	p.ResourceType, p.ResourceID = "vm", "i-1"
	if _, err := producer.Enqueue(ctx, p); err != nil {
		log.Fatal(err)
	}

	// A worker: its leases are leasequeue's, whatever is between.
	worker, err := dispatch.NewClient(dispatch.ClientOptions{Nodes: []string{node}, Peer: "worker-7"})
	if err != nil {
		log.Fatal(err)
	}
	l, err := worker.Lease(ctx, 10*time.Second)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Payload.ResourceID, l.Attempt)
	fmt.Println(l.Complete(ctx))
	fmt.Println(errors.Is(l.Complete(ctx), tq.ErrLeaseLost))

	cancel()
	fmt.Println(<-served)

	// Output:
	// only machines are leased here (resourcelease.payload.invalid, status 400)
	// i-1 1
	// <nil>
	// true
	// <nil>
}
