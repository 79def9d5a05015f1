package lease_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/replicationhttp"
	"github.com/tqgen/tqgen/runtime/tq"
)

// An owner shows its queue over HTTP, and a replica follows it. When the owner
// is gone the replica takes its place; a lease that was out is still good.
func Example_failover() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	store := new(effect.Memory) // one that all nodes share, such as effect.OpenFiles

	// On the node of the owner.
	q, err := leasequeue.New(leasequeue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	terms := &replication.Terms{Store: store, Queue: "resource-lease", Peer: "node-a"}
	if err := q.Own(ctx, terms, 0); err != nil { // *replication.TermError: somebody else does, follow them
		log.Fatal(err)
	}
	go func() { _ = q.Guard(ctx, terms, time.Second, nil) }() // deposes q once it is succeeded
	reader, err := q.Watch(0)                                 // keeps events from the first one on, for who comes later
	if err != nil {
		log.Fatal(err)
	}
	defer reader.Close()
	h, err := replicationhttp.NewHandler(q.Feed(), replicationhttp.HandlerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/queues/lease/", http.StripPrefix("/queues/lease", h))
	server := httptest.NewServer(mux)

	// On another node.
	r, err := leasequeue.NewReplica(leasequeue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	client, err := replicationhttp.NewClient(server.URL+"/queues/lease", replicationhttp.ClientOptions{})
	if err != nil {
		log.Fatal(err)
	}
	followed := make(chan error, 1)
	follow, stop := context.WithCancel(ctx)
	f := &notified{Replica: r, leased: make(chan struct{})}
	go func() { followed <- leasequeue.Follow(follow, client, f, replication.FollowOptions{}) }()

	if _, err := q.Enqueue(ctx, lease.ResourceLease{ResourceType: "vm", ResourceID: "i-1"}); err != nil {
		log.Fatal(err)
	}
	l, err := q.Lease(ctx)
	if err != nil {
		log.Fatal(err)
	}
	<-f.leased

	// The owner is gone.
	stop()
	<-followed
	server.Close()
	heir := &replication.Terms{Store: store, Queue: "resource-lease", Peer: "node-b"}
	p, err := r.Promote(ctx, leasequeue.Options{}, replication.Promotion{Terms: heir, ClockSkew: time.Second})
	if err != nil { // *replication.TermError: another follower was first, follow it
		log.Fatal(err)
	}
	defer p.Close()
	resumed, err := p.Resume(ctx, l.Token)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resumed.Payload.ResourceID, "term", p.Term(), resumed.Complete(ctx))

	// The owner was not gone, only slow. Now it looks.
	err = q.Guard(ctx, terms, time.Second, nil)
	fmt.Println(errors.Is(err, tq.ErrDeposed), errors.Is(l.Complete(ctx), tq.ErrDeposed))
	// Output:
	// i-1 term 2 <nil>
	// true true
}

// notified tells when it has seen a lease.
type notified struct {
	*leasequeue.Replica
	leased chan struct{}
}

func (n *notified) Apply(e *leasequeue.Event) error {
	err := n.Replica.Apply(e)
	if e.Kind == tq.LeaseGranted {
		close(n.leased)
	}

	return err
}

// What was recorded of a queue makes it again, at any event: for an audit, or
// to find out how it came to be as it is.
func Example_replay() {
	ctx := context.Background()
	q, err := leasequeue.New(leasequeue.Options{Attempts: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	reader, err := q.Watch(0)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := q.Enqueue(ctx, lease.ResourceLease{ResourceID: "i-1"}); err != nil {
		log.Fatal(err)
	}
	l, err := q.Lease(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := l.Fail(ctx, errors.New("no such host")); err != nil {
		log.Fatal(err)
	}

	r, err := leasequeue.NewReplica(leasequeue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for r.Position().Sequence < 4 {
		e, err := reader.Next(ctx) // or from a file, or with leasequeue.Pull from elsewhere
		if err != nil {
			log.Fatal(err)
		}
		if err := r.Apply(&e); err != nil {
			log.Fatal(err)
		}
		if t := r.State().Tasks[0]; r.Position().Sequence == e.Sequence { // an operation is whole
			fmt.Println(e.Kind, t.State, t.LastError != nil)
		}
	}
	// Output:
	// Enqueued ready false
	// LeaseGranted leased false
	// DeadLettered dead true
}
