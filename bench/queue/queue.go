// Package queue measures queues: ours, Go's channels, and others'.
//
// A cycle is one task from being enqueued to being completed. It is measured in
// one goroutine, alone, and with as many producers as consumers apart.
package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/util/workqueue"

	"github.com/tqgen/tqgen/bench/measure"
	"github.com/tqgen/tqgen/bench/payload"
	"github.com/tqgen/tqgen/bench/payload/leasequeue"
	"github.com/tqgen/tqgen/bench/queue/replaced"
)

// capacity of every queue that is bounded.
const capacity = 4096

// loads are the ways in which cycles are measured; each is the number of
// producers and of consumers, 0 for one goroutine that is both.
var loads = []struct {
	name string
	each int
}{{"alone", 0}, {"1+1", 1}, {"4+4", 4}}

// cycler is a queue with its payload at hand.
type cycler interface {
	enqueue(ctx context.Context) error
	worker() worker // for one goroutine
	close()
}

// worker takes the next task and completes it: at once, or with the next one.
// finish completes what is left.
type worker interface {
	handle(ctx context.Context) error
	finish(ctx context.Context) error
}

// atOnce is for workers that leave nothing.
type atOnce struct{}

func (atOnce) finish(context.Context) error { return nil }

// Rows are all rows of queues: queue/<what>/<load>.
func Rows() []measure.Row {
	p := request()

	var rows []measure.Row
	for _, k := range []struct {
		name   string
		ratios bool
		open   func() (cycler, error)
	}{
		{"channel", false, func() (cycler, error) { return channel{tasks: make(chan envelope, capacity), p: p}, nil }},
		{"channel in select", true, func() (cycler, error) { return selected{tasks: make(chan envelope, capacity), p: p}, nil }},
		{"client-go workqueue", false, func() (cycler, error) {
			return &keyed{q: workqueue.NewTyped[uint64]()}, nil
		}},
		{"replaced design", true, func() (cycler, error) { return openReplaced(*p), nil }},
		{"replaced design boxed", false, func() (cycler, error) { return formerBoxed{former: openReplaced[any](*p), p: p}, nil }},
		{"tqgen's engine, generic", false, func() (cycler, error) { return openGeneric(p) }},
		{"tqgen's engine, boxed", false, func() (cycler, error) { return openBoxed(p) }},
		{"tqgen", true, func() (cycler, error) { return openOurs(p, leasequeue.Options{}) }},
		{"tqgen coarse clock", true, func() (cycler, error) { return openOurs(p, leasequeue.Options{CoarseClock: true}) }},
		{"tqgen with reader", true, func() (cycler, error) { return openRead(p) }},
		{"tqgen instrumented", true, func() (cycler, error) { return openInstrumented(p) }},
		{"tqgen fused", true, func() (cycler, error) { return openFused(p, leasequeue.Options{}) }},
		{"tqgen fused coarse clock", false, func() (cycler, error) {
			return openFused(p, leasequeue.Options{CoarseClock: true})
		}},
	} {
		for _, load := range loads {
			rows = append(rows, measure.Row{
				Name: "queue/" + k.name + "/" + load.name, Ratios: k.ratios,
				Measure: cycles(load.each, k.open),
			})
		}
	}

	return append(rows, append(runRows(p), heldRows(p)...)...)
}

// cycles measures a queue under a load.
func cycles(each int, open func() (cycler, error)) func(time.Duration) (measure.Sample, error) {
	return measure.Loop(func() (func(int) error, func(), error) {
		ctx, cancel := context.WithCancel(context.Background())
		c, err := open()
		if err != nil {
			cancel()
			return nil, nil, err
		}
		done := func() { c.close(); cancel() }
		if each == 0 {
			return func(n int) error { return alone(ctx, c, n) }, done, nil
		}

		return func(n int) error { return apart(ctx, c, each, n) }, done, nil
	})
}

func alone(ctx context.Context, c cycler, n int) error {
	w := c.worker()
	for range n {
		if err := c.enqueue(ctx); err != nil {
			return err
		}
		if err := w.handle(ctx); err != nil {
			return err
		}
	}

	return w.finish(ctx)
}

func apart(ctx context.Context, c cycler, each, n int) (err error) {
	var all sync.WaitGroup
	errs := make(chan error, 2*each)
	repeat := func(n int, f func(context.Context) error) error {
		for range n {
			if err := f(ctx); err != nil {
				return err
			}
		}

		return nil
	}
	for i := range each {
		share := (n + i) / each
		all.Go(func() { errs <- repeat(share, c.enqueue) })
		all.Go(func() {
			w := c.worker()
			errs <- errors.Join(repeat(share, w.handle), w.finish(ctx))
		})
	}
	all.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}

	return err
}

// request is the payload, 176 bytes of which a queue copies.
func request() *payload.Lease {
	return &payload.Lease{
		ResourceType: "compute.instance", ResourceID: "urn:res:1234567890", PartitionKey: "tenant-4711",
		PayloadEncoding: "application/octet-stream",
		Attributes:      map[string]string{"region": "eu-central-1"},
		Body:            []byte("a body"), Priority: 7, Timeout: 90 * time.Second,
		RequestedBy: &payload.Peer{ID: "worker-17", Zone: "eu-central-1a", Weight: 0.75},
		Tags:        []string{"blue", "canary"}, State: 2,
	}
}

// envelope is what a queue without leases would keep of a task.
type envelope struct {
	sequence uint64
	payload  payload.Lease
	attempt  int
	enqueued time.Time
}

// channel is a Go channel and nothing else.
type channel struct {
	atOnce
	tasks chan envelope
	p     *payload.Lease
}

func (c channel) enqueue(context.Context) error {
	c.tasks <- envelope{payload: *c.p, attempt: 1}
	return nil
}

func (c channel) handle(context.Context) error {
	e := <-c.tasks
	if e.attempt != 1 {
		return fmt.Errorf("task %d, attempt %d, of %v", e.sequence, e.attempt, e.enqueued)
	}

	return nil
}

func (c channel) worker() worker { return c }

func (channel) close() {}

// selected is a channel whose users can give up: the yardstick.
type selected channel

func (c selected) enqueue(ctx context.Context) error {
	select {
	case c.tasks <- envelope{payload: *c.p, attempt: 1}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c selected) handle(ctx context.Context) error {
	select {
	case e := <-c.tasks:
		if e.attempt != 1 {
			return fmt.Errorf("task %d, attempt %d, of %v", e.sequence, e.attempt, e.enqueued)
		}

		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c selected) worker() worker { return c }

func (selected) close() {}

// keyed is client-go's queue. It holds keys, each at most once, so every task
// has its own; the payloads would be elsewhere.
type keyed struct {
	atOnce
	q    workqueue.TypedInterface[uint64]
	next atomic.Uint64
}

func (k *keyed) enqueue(context.Context) error {
	k.q.Add(k.next.Add(1))
	return nil
}

func (k *keyed) handle(context.Context) error {
	key, down := k.q.Get()
	if down {
		return fmt.Errorf("the queue is shut down")
	}
	k.q.Done(key)

	return nil
}

func (k *keyed) worker() worker { return k }

func (k *keyed) close() { k.q.ShutDown() }

// former is the design that was replaced.
type former[T any] struct {
	atOnce
	q *replaced.Queue[T]
	p T
}

func openReplaced[T any](p T) *former[T] {
	return &former[T]{p: p, q: replaced.New[T](replaced.Options{
		Capacity: capacity, Lease: 30 * time.Second, Sweep: time.Second, MaxAttempts: 5,
	})}
}

func (f *former[T]) enqueue(ctx context.Context) error { return f.q.Enqueue(ctx, f.p) }

func (f *former[T]) handle(ctx context.Context) error {
	l, err := f.q.Lease(ctx)
	if err != nil {
		return err
	}

	return l.Complete()
}

func (f *former[T]) worker() worker { return f }

func (f *former[T]) close() { f.q.Close() }

// formerBoxed is the same with one queue type for all payloads: each is boxed
// when it is enqueued.
type formerBoxed struct {
	*former[any]
	p *payload.Lease
}

func (f formerBoxed) enqueue(ctx context.Context) error { return f.q.Enqueue(ctx, *f.p) }

func (f formerBoxed) handle(ctx context.Context) error {
	l, err := f.q.Lease(ctx)
	if err != nil {
		return err
	}
	if err := unbox(l.Payload()); err != nil {
		return err
	}

	return l.Complete()
}

func (f formerBoxed) worker() worker { return f }

// ours is a generated queue.
type ours struct {
	atOnce
	q *leasequeue.Local
	p *payload.Lease
}

func openOurs(p *payload.Lease, o leasequeue.Options) (ours, error) {
	o.Capacity = capacity
	q, err := leasequeue.New(o)

	return ours{q: q, p: p}, err
}

func (o ours) enqueue(ctx context.Context) error {
	_, err := o.q.Enqueue(ctx, *o.p)
	return err
}

func (o ours) handle(ctx context.Context) error {
	l, err := o.q.Lease(ctx)
	if err != nil {
		return err
	}

	return l.Complete(ctx)
}

func (o ours) worker() worker { return o }

func (o ours) close() { _ = o.q.Close() }
