package lease_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/tq"
)

// A producer enqueues, a worker leases and completes.
func Example() {
	ctx := context.Background()
	q, err := leasequeue.New(leasequeue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()

	id, err := q.Enqueue(ctx, lease.ResourceLease{ResourceType: "vm", ResourceID: "i-1"})
	if err != nil {
		log.Fatal(err)
	}

	l, err := q.Lease(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Payload.ResourceID, "attempt", l.Attempt, l.Token.Task == id)

	if err := l.Complete(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(errors.Is(l.Complete(ctx), tq.ErrLeaseLost))
	// Output:
	// i-1 attempt 1 true
	// true
}

// Run leases, prolongs and settles; the handler only works.
func Example_run() {
	ctx, cancel := context.WithCancel(context.Background())
	q, err := leasequeue.New(leasequeue.Options{Attempts: 2, Backoff: tq.NoBackoff})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()

	for _, id := range []string{"i-1", "i-2", "last"} {
		if _, err := q.Enqueue(ctx, lease.ResourceLease{ResourceType: "vm", ResourceID: id}); err != nil {
			log.Fatal(err)
		}
	}

	err = leasequeue.Run(ctx, q, leasequeue.RunOptions{}, func(_ context.Context, l *leasequeue.Lease) error {
		fmt.Println(l.Payload.ResourceID, "attempt", l.Attempt)
		switch {
		case l.Payload.ResourceID == "last":
			cancel() // Run returns once this handler has
		case l.Payload.ResourceID == "i-2" && l.Attempt == 1:
			return errors.New("no answer") // the task comes back
		}

		return nil
	})
	fmt.Println("ended:", err)
	// Output:
	// i-1 attempt 1
	// i-2 attempt 1
	// last attempt 1
	// ended: <nil>
}

// A task that was given up is kept as a dead letter until it is redriven or
// purged.
func ExampleLocal_DeadLetters() {
	ctx := context.Background()
	q, err := leasequeue.New(leasequeue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()

	if _, err := q.Enqueue(ctx, lease.ResourceLease{ResourceType: "vm", ResourceID: "i-1"}); err != nil {
		log.Fatal(err)
	}
	l, err := q.Lease(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := l.DeadLetter(ctx, errors.New("no such vm")); err != nil {
		log.Fatal(err)
	}

	letters, err := q.DeadLetters(ctx, 0, 10)
	if err != nil {
		log.Fatal(err)
	}
	for _, letter := range letters {
		fmt.Println(letter.Payload.ResourceID, "died of:", letter.LastError)
		if err := q.Redrive(ctx, letter.ID); err != nil {
			log.Fatal(err)
		}
	}

	stats, err := q.Stats(ctx)
	fmt.Println(stats.Ready, "ready,", stats.Dead, "dead", err)
	// Output:
	// i-1 died of: no such vm
	// 1 ready, 0 dead <nil>
}

// What a queue holds can be carried to another process as JSON: with the
// identities of the tasks, their attempts, and their order.
func ExampleLocal_Drain() {
	ctx := context.Background()
	old, err := leasequeue.New(leasequeue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	id, err := old.Enqueue(ctx, lease.ResourceLease{ResourceType: "vm", ResourceID: "i-1"})
	if err != nil {
		log.Fatal(err)
	}

	snapshot, err := old.Drain(ctx, 0)
	if err != nil {
		log.Fatal(err)
	}
	document, err := json.Marshal(snapshot)
	if err != nil {
		log.Fatal(err)
	}
	old.Close()

	q, err := leasequeue.New(leasequeue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	var read leasequeue.Snapshot
	if err := json.Unmarshal(document, &read); err != nil {
		log.Fatal(err)
	}
	if err := q.Restore(ctx, read); err != nil {
		log.Fatal(err)
	}

	l, err := q.Lease(ctx)
	fmt.Println(l.Payload.ResourceID, l.Token.Task == id, err)
	// Output: i-1 true <nil>
}

// Every change of the queue's state is an event, in order.
func ExampleLocal_Watch() {
	ctx := context.Background()
	q, err := leasequeue.New(leasequeue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	events, err := q.Watch(0)
	if err != nil {
		log.Fatal(err)
	}
	defer events.Close()

	if _, err := q.Enqueue(ctx, lease.ResourceLease{ResourceType: "vm", ResourceID: "i-1"}); err != nil {
		log.Fatal(err)
	}
	l, err := q.Lease(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := l.Complete(ctx); err != nil {
		log.Fatal(err)
	}
	q.Close()

	for {
		e, err := events.Next(ctx)
		if errors.Is(err, tq.ErrClosed) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Sequence, e.Kind, e.Payload.ResourceID)
	}
	// Output:
	// 1 Enqueued i-1
	// 2 LeaseGranted i-1
	// 3 Completed i-1
}

// Logs show leases, events and dead letters without sensitive fields.
func ExampleLease_LogValue() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey || a.Key == "enqueuedAt" || a.Key == "token" {
				return slog.Attr{} // they differ from run to run
			}

			return a
		},
	}))
	l := leasequeue.NewLease(lease.ResourceLease{
		ResourceType: "vm",
		ResourceID:   "i-1",
		Body:         []byte("password"),
	}, tq.Grant{Token: tq.Token{Attempt: 1}})
	logger.Info("leased", "lease", l)
	// Output:
	// level=INFO msg=leased lease.attempt=1 lease.payload.resourceType=vm lease.payload.resourceId=i-1 lease.payload.partitionKey="" lease.payload.payloadEncoding="" lease.payload.attributes=map[] lease.payload.requestId=""
}

// An effect happens once for a task, whichever attempt gets to it: the owner of
// the resource is told in the first one, which then fails.
func Example_effect() {
	ctx, cancel := context.WithCancel(context.Background())
	q, err := leasequeue.New(leasequeue.Options{Backoff: tq.NoBackoff})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	// With effect.OpenFiles, or a table, outcomes outlive the process.
	effects, err := leasequeue.NewCoordinator(effect.Options{Store: new(effect.Memory)})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := q.Enqueue(ctx, lease.ResourceLease{ResourceType: "vm", ResourceID: "i-1"}); err != nil {
		log.Fatal(err)
	}

	notify := func(_ context.Context, l *leasequeue.Lease, call effect.Call) (lease.NotifyResult, error) {
		fmt.Println("told the owner of", l.Payload.ResourceID, "in doubt:", call.InDoubt)

		return lease.NotifyResult{MessageID: "m-" + call.Key[:4]}, nil // the provider gets the key
	}
	err = leasequeue.Run(ctx, q, leasequeue.RunOptions{}, func(ctx context.Context, l *leasequeue.Lease) error {
		told, err := effects.Notify(ctx, l, notify)
		if err != nil {
			return err
		}
		fmt.Println("attempt", l.Attempt, "has a message:", told.MessageID != "")
		if l.Attempt == 1 {
			return errors.New("no answer from the resource")
		}
		cancel()

		return nil
	})
	fmt.Println("ended:", err)
	// Output:
	// told the owner of i-1 in doubt: false
	// attempt 1 has a message: true
	// attempt 2 has a message: true
	// ended: <nil>
}
