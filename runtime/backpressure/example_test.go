package backpressure_test

import (
	"context"
	"fmt"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
)

// A producer asks before it enqueues, and goes on as soon as the workers have
// caught up.
func Example() {
	ctx := context.Background()
	q, err := leasequeue.New(leasequeue.Options{Capacity: 8, High: 4, Low: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer q.Close()
	m, err := backpressure.New(q, backpressure.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	for !m.Active() {
		if _, err := q.Enqueue(ctx, lease.ResourceLease{}); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("pending", m.State().Pending)

	go func() { // a worker
		for l, err := range q.Leases(ctx) {
			if err != nil {
				return
			}
			_ = l.Complete(ctx)
		}
	}()
	fmt.Println("draining:", m.WaitForDraining(ctx))
	// Output:
	// pending 4
	// draining: <nil>
}
