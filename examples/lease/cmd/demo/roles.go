package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/tq"
)

// What befalls a task, written into its payload as the resource's type.
const (
	steady  = "steady"
	flaky   = "flaky"   // its first attempt fails
	panicky = "panicky" // its first attempt panics
	doomed  = "doomed"  // every attempt fails, until an operator has mended it
	refused = "refused" // its first attempt fails for good, until mended likewise
	slow    = "slow"    // takes longer than the lease, which heartbeats keep
)

var (
	errBusy    = errors.New("resource is busy")
	errNoQuota = errors.New("no quota for the resource")
	errGone    = errors.New("resource does not exist")
)

// fate draws what befalls a task.
func fate(r *rand.Rand) string {
	switch n := r.IntN(1000); {
	case n < 20:
		return flaky
	case n < 22:
		return panicky
	case n < 24:
		return doomed
	case n < 26:
		return refused
	default:
		return steady
	}
}

// random gives member i its own numbers, the same ones for the same seed.
func (d *demo) random(i int) *rand.Rand { return rand.New(rand.NewPCG(d.seed, uint64(i))) }

// payload makes the next one, and its number.
func (d *demo) payload(fate string) (lease.ResourceLease, uint64) {
	number := d.numbers.Add(1)

	return lease.ResourceLease{
		ResourceType:    fate,
		ResourceID:      strconv.FormatUint(number, 10),
		PartitionKey:    "eu",
		PayloadEncoding: "raw",
		RequestID:       "demo",
	}, number
}

// number is that of the payload p; 0, which the books notice, if p is not one
// of ours.
func number(p *lease.ResourceLease) uint64 {
	n, _ := strconv.ParseUint(p.ResourceID, 10, 64)
	return n
}

// produce sends bursts of tasks, one at a time or in batches, with breaks in
// which workers catch up.
func (d *demo) produce(ctx context.Context, q *leasequeue.Local, r *rand.Rand) error {
	for {
		size, send := r.IntN(capacity/2), d.single
		if r.IntN(2) == 0 {
			send = d.batch
		}
		for size > 0 {
			n, err := send(ctx, q, r)
			if err != nil {
				return err
			}
			size -= n
		}
		if err := pause(ctx, time.Duration(r.Int64N(int64(d.lease/10)))); err != nil {
			return err
		}
	}
}

// single sends one task.
func (d *demo) single(ctx context.Context, q *leasequeue.Local, r *rand.Rand) (int, error) {
	p, n := d.payload(fate(r))
	id, err := q.Enqueue(ctx, p)
	if err != nil {
		return 0, err
	}
	d.books.accepted(id, n)

	return 1, nil
}

// batch sends several tasks in one call. Those accepted before an error count.
func (d *demo) batch(ctx context.Context, q *leasequeue.Local, r *rand.Rand) (int, error) {
	var (
		payloads [64]lease.ResourceLease
		numbers  [64]uint64
		ids      [64]tq.TaskID
	)
	for i := range payloads {
		payloads[i], numbers[i] = d.payload(fate(r))
	}
	n, err := q.EnqueueBatch(ctx, payloads[:], ids[:])
	for i := range n {
		d.books.accepted(ids[i], numbers[i])
	}

	return n, err
}

// trickle sends slow tasks, each a little in the future.
func (d *demo) trickle(ctx context.Context, q *leasequeue.Local) error {
	for {
		p, n := d.payload(slow)
		id, err := q.EnqueueAt(ctx, p, time.Now().Add(d.lease/4))
		if err != nil {
			return err
		}
		d.books.accepted(id, n)
		if err := pause(ctx, d.lease/2); err != nil {
			return err
		}
	}
}

// handle is the handler of the worker pool.
func (d *demo) handle(ctx context.Context, l *leasequeue.Lease) error {
	kind, mended := l.Payload.ResourceType, d.mended.has(l.Token.Task)
	if l.Attempt == 1 && kind != slow && !mended {
		d.waits.add(time.Since(l.EnqueuedAt))
	}
	switch {
	case kind == flaky && l.Attempt == 1:
		return errBusy
	case kind == panicky && l.Attempt == 1:
		panic("a handler's bug")
	case kind == doomed && !mended:
		return errNoQuota
	case kind == refused && !mended:
		return tq.Permanent(errGone)
	case kind == slow:
		if err := pause(ctx, 2*d.lease); err != nil {
			return err
		}
	}

	return d.complete(ctx, l)
}

// complete completes the task and books it. A handler that returns nil has its
// task completed for it; the books want the answer.
func (d *demo) complete(ctx context.Context, l *leasequeue.Lease) error {
	err := l.Complete(ctx)
	if errors.Is(err, tq.ErrLeaseLost) {
		d.tooLate.Add(1)
		return nil
	}
	if err == nil {
		d.books.completed(l.Token.Task, number(&l.Payload))
	}

	return err
}

// stall is a consumer that leases by hand, sends no heartbeat, wakes up when
// its lease has run out, and completes the task as if nothing were amiss.
func (d *demo) stall(ctx context.Context, q *leasequeue.Local, owner string) error {
	for {
		l, err := q.LeaseAs(ctx, owner)
		if err != nil {
			return err
		}
		if err := pause(ctx, time.Until(l.Deadline())+d.lease/20); err != nil {
			return errors.Join(err, l.Release(context.WithoutCancel(ctx)))
		}
		if err := d.complete(ctx, &l); err != nil {
			return err
		}
		if err := pause(ctx, d.lease/2); err != nil {
			return err
		}
	}
}

// operate looks through the dead letters now and then: most tasks are mended
// and redriven, some are purged, some stay.
func (d *demo) operate(ctx context.Context, q *leasequeue.Local) error {
	for {
		if err := pause(ctx, d.lease/2); err != nil {
			return err
		}
		if err := d.lookThrough(ctx, q); err != nil {
			return err
		}
	}
}

// keep is how many dead letters stay at most, far below the queue's own bound:
// what that purges no call would tell the books.
const keep = 1000

// lookThrough decides every dead letter there is, page by page.
func (d *demo) lookThrough(ctx context.Context, q *leasequeue.Local) error {
	kept := 0
	for after := uint64(0); ; {
		page, err := q.DeadLetters(ctx, after, 64)
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			letter := &page[i]
			after = letter.Number
			// The tenth that stays is told by its number, so that looking again
			// comes to the same.
			switch n := number(&letter.Payload); {
			case n%10 == 0 && kept < keep:
				kept++
			case n%10 < 4:
				err = d.purge(ctx, q, letter)
			default:
				err = d.redrive(ctx, q, letter)
			}
			if err != nil {
				return err
			}
		}
	}
}

func (d *demo) purge(ctx context.Context, q *leasequeue.Local, l *leasequeue.DeadLetter) error {
	err := q.Purge(ctx, l.ID)
	if err == nil {
		d.books.purged(l.ID, number(&l.Payload))
	}

	return err
}

func (d *demo) redrive(ctx context.Context, q *leasequeue.Local, l *leasequeue.DeadLetter) error {
	d.mended.add(l.ID) // first, or a worker might be quicker
	err := q.Redrive(ctx, l.ID)
	if errors.Is(err, tq.ErrFull) {
		return nil // another time
	}
	if err == nil {
		d.books.redriven()
	}

	return err
}

// mended are the tasks whose cause of failure an operator has removed.
type mended struct {
	mu  sync.Mutex
	ids map[tq.TaskID]bool
}

func (m *mended) add(id tq.TaskID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ids == nil {
		m.ids = make(map[tq.TaskID]bool)
	}
	m.ids[id] = true
}

func (m *mended) has(id tq.TaskID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()

	return m.ids[id]
}
