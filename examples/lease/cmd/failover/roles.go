package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/replicationhttp"
	"github.com/tqgen/tqgen/runtime/tq"
)

// effectName is the one effect of a task.
const effectName = "notify"

// policy is that of both queues: leases are short, so that those of the dead
// owner are over soon.
func policy() leasequeue.Options {
	return leasequeue.Options{
		Capacity: 4096, Lease: time.Second, Heartbeat: 200 * time.Millisecond, Attempts: 1000,
		Backoff: tq.ConstBackoff(10 * time.Millisecond),
	}
}

// node is what both roles have: the shared store, the world outside, and a line
// to whoever started them.
type node struct {
	name    string
	store   *effect.Files
	effects *leasequeue.Coordinator
	outbox  *os.File // what effects did, a line each

	mu  sync.Mutex
	out io.Writer // guarded by mu
}

func newNode(s settings, out io.Writer) (*node, error) {
	store, err := effect.OpenFiles(filepath.Join(s.dir, "state"))
	if err != nil {
		return nil, err
	}
	effects, err := leasequeue.NewCoordinator(effect.Options{Store: store})
	if err != nil {
		return nil, err
	}
	outbox, err := os.OpenFile(filepath.Join(s.dir, "outbox"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}

	return &node{name: s.role, store: store, effects: effects, outbox: outbox, out: out}, nil
}

func (n *node) terms() *replication.Terms {
	return &replication.Terms{Store: n.store, Queue: "resource-lease", Peer: n.name}
}

// say tells one thing to whoever started this process: a word and what it is
// about. It returns once it is told.
func (n *node) say(word string, about any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintln(n.out, word, about)
}

// notify is the effect: something outside happens, whatever comes of it here.
// Within says what to do after that, and before it is recorded.
func (n *node) notify(ctx context.Context, l *leasequeue.Lease, within func()) error {
	return n.effects.DoTask(ctx, l, effectName, func(_ context.Context, l *leasequeue.Lease, call effect.Call) error {
		if _, err := fmt.Fprintf(n.outbox, "%s %s %v %s\n", l.Token.Task, call.Key, call.InDoubt, n.name); err != nil {
			return err
		}
		within()

		return nil
	})
}

// own is the owner: it runs until it is killed, or has been succeeded.
func own(ctx context.Context, s settings, out io.Writer) error {
	n, err := newNode(s, out)
	if err != nil {
		return err
	}
	q, err := leasequeue.New(policy())
	if err != nil {
		return err
	}
	defer q.Close()
	if err := q.Own(ctx, n.terms(), 0); errors.Is(err, tq.ErrDeposed) {
		n.say("deposed", err)
		return nil
	} else if err != nil {
		return err
	}
	if err := n.show(ctx, q, s.sync); err != nil {
		return err
	}
	if !s.sync { // else the first operation waits
		if err := awaitReader(ctx, q); err != nil {
			return err
		}
	}
	rng := rand.New(rand.NewPCG(s.seed, 1))
	go n.produce(ctx, q, rand.New(rand.NewPCG(s.seed, 2)))
	stuck := time.Duration(1+rng.IntN(40)) * time.Millisecond
	begun := time.Now()

	return leasequeue.Run(ctx, q, leasequeue.RunOptions{Workers: 4}, func(ctx context.Context, l *leasequeue.Lease) error {
		return n.notify(ctx, l, func() {
			if time.Since(begun) > stuck && l.Token.Task.Sequence%3 == 0 {
				n.say("within", l.Token.Task)
				select {} // until the process is killed
			}
		})
	})
}

// show serves the queue's events and state on loopback.
func (n *node) show(ctx context.Context, q *leasequeue.Local, synchronous bool) error {
	o := replicationhttp.HandlerOptions{Heartbeat: 100 * time.Millisecond}
	if synchronous {
		o.Synchronous = new(tq.SyncOptions) // without a follower nothing is acknowledged
	}
	h, err := replicationhttp.NewHandler(q.Feed(), o)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }() // until the process ends
	n.say("url", "http://"+listener.Addr().String())

	return nil
}

// awaitReader waits until somebody follows.
func awaitReader(ctx context.Context, q *leasequeue.Local) error {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		s, err := q.Stats(ctx)
		if err != nil || s.Readers > 0 {
			return err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// produce enqueues tasks in small bursts, and says of each that it was
// acknowledged.
func (n *node) produce(ctx context.Context, q *leasequeue.Local, rng *rand.Rand) {
	pause := time.NewTicker(200 * time.Microsecond)
	defer pause.Stop()
	for number := 1; ; {
		for range 1 + rng.IntN(8) {
			id, err := q.Enqueue(ctx, lease.ResourceLease{ResourceType: "vm", ResourceID: fmt.Sprint("i-", number)})
			if err != nil {
				return
			}
			n.say("acknowledged", id)
			number++
		}
		<-pause.C
	}
}

// follow is the follower: it follows until the owner is gone, then takes its
// place and works off what is left.
func follow(ctx context.Context, s settings, out io.Writer) error {
	n, err := newNode(s, out)
	if err != nil {
		return err
	}
	replica, err := leasequeue.NewReplica(policy())
	if err != nil {
		return err
	}
	if err := n.followOwner(ctx, s, replica); err != nil {
		return err
	}
	q, err := replica.Promote(ctx, leasequeue.Options{}, replication.Promotion{
		Terms: n.terms(), ClockSkew: 100 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	defer q.Close()
	stats, err := q.Stats(ctx)
	if err != nil {
		return err
	}
	n.say("promoted", fmt.Sprintf("term %d, %d tasks ready or delayed, %d leased", q.Term(), stats.Pending(), stats.Leased))

	return n.finish(ctx, q)
}

// watching is a replica that tells what it has seen.
type watching struct {
	*leasequeue.Replica
	n *node
}

// Apply tells after the event is in the replica, and before it is acknowledged:
// what is told is not lost.
func (w watching) Apply(e *leasequeue.Event) error {
	if err := w.Replica.Apply(e); err != nil {
		return err
	}
	w.n.tell(&e.Header)

	return nil
}

// tell tells of what matters to the account.
func (n *node) tell(h *replication.Header) {
	switch h.Kind {
	case tq.Enqueued:
		n.say("seen", h.Task)
	case tq.LeaseGranted:
		n.say("leased", h.Task)
	case tq.Completed:
		n.say("completed", h.Task)
	}
}

// patience is how often in a row the owner may fail to answer before it is held
// to be dead.
const patience = 3

// followOwner follows until the owner does not answer any more.
func (n *node) followOwner(ctx context.Context, s settings, replica *leasequeue.Replica) error {
	client, err := replicationhttp.NewClient(s.url, replicationhttp.ClientOptions{
		Silence: 500 * time.Millisecond, Acknowledge: s.sync,
	})
	if err != nil {
		return err
	}
	ctx, dead := context.WithCancelCause(ctx)
	defer dead(nil)
	errDead := errors.New("the owner is dead")
	failures, last := 0, tq.Position{}
	err = leasequeue.Follow(ctx, client, watching{replica, n}, replication.FollowOptions{
		MinBackoff: 20 * time.Millisecond,
		Failed: func(error, time.Duration) {
			if at := replica.Position(); at != last {
				failures, last = 0, at
			}
			if failures++; failures == patience {
				dead(errDead)
			}
		},
	})
	if errors.Is(context.Cause(ctx), errDead) {
		return nil
	}

	return err
}

// finish works until nothing is left.
func (n *node) finish(ctx context.Context, q *leasequeue.Local) error {
	state, reader := q.WatchNow()
	defer reader.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() {
		done <- leasequeue.Run(ctx, q, leasequeue.RunOptions{Workers: 4}, func(ctx context.Context, l *leasequeue.Lease) error {
			return n.notify(ctx, l, func() {})
		})
	}()
	for left := len(state.Tasks); left > 0; {
		e, err := reader.Next(ctx)
		if err != nil {
			return err
		}
		n.tell(&e.Header)
		if e.Kind == tq.Completed {
			left--
		}
	}
	stop()
	if err := <-done; err != nil {
		return err
	}
	n.say("finished", "")

	return nil
}
