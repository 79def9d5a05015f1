package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/tqgen/tqgen/bench/payload"
	"github.com/tqgen/tqgen/runtime/tq"
)

// shell is what a queue would be without a generator: the same engine, and
// payloads of a type parameter. With an interface as that type they are boxed.
type shell[T any] struct {
	engine   tq.Engine
	payloads []*[shellChunk]T // by slot
}

const shellChunk = 256

// shellLease is what it leases.
type shellLease[T any] struct {
	payload    T
	token      tq.Token
	enqueuedAt time.Time
	lastError  *tq.TaskError
	held       tq.Held
}

func openShell[T any]() (*shell[T], error) {
	q := new(shell[T])
	err := q.engine.Open(tq.Options{
		Name: "shell", Capacity: capacity, Lease: 30 * time.Second, Heartbeat: 10 * time.Second, Attempts: 5, Dead: capacity,
	}, q)
	q.payloads = make([]*[shellChunk]T, q.engine.MaxSlot()/shellChunk+1)

	return q, err
}

func (q *shell[T]) at(slot tq.Slot) *T { return &q.payloads[slot/shellChunk][slot%shellChunk] }

// Grow, Clear and Size are for the engine.
func (q *shell[T]) Grow(slot tq.Slot) {
	if chunk := &q.payloads[slot/shellChunk]; *chunk == nil {
		*chunk = new([shellChunk]T)
	}
}

func (q *shell[T]) Clear(slot tq.Slot) {
	var zero T
	*q.at(slot) = zero
}

func (q *shell[T]) Size(tq.Slot) int { return 176 } // without a reader nobody asks

func (q *shell[T]) put(ctx context.Context, p T) error {
	slot, at, err := q.engine.Put(ctx)
	if err != nil {
		return err
	}
	*q.at(slot) = p
	_, err = q.engine.Enqueue(ctx, slot, at)

	return err
}

func (q *shell[T]) take(ctx context.Context) (l shellLease[T], err error) {
	var g tq.Grant
	if err := q.engine.Take(ctx, "", &g); err != nil {
		return l, err
	}
	l = shellLease[T]{*q.at(g.Slot), g.Token, g.EnqueuedAt, g.LastError, g.Held}
	q.engine.Unlock()

	return l, nil
}

func (l *shellLease[T]) complete(ctx context.Context) error { return l.held.Complete(ctx, l.token) }

// generic is a shell of payloads by value.
type generic struct {
	atOnce
	*shell[payload.Lease]
	p *payload.Lease
}

func openGeneric(p *payload.Lease) (generic, error) {
	q, err := openShell[payload.Lease]()

	return generic{shell: q, p: p}, err
}

func (g generic) enqueue(ctx context.Context) error { return g.put(ctx, *g.p) }

func (g generic) handle(ctx context.Context) error {
	l, err := g.take(ctx)
	if err != nil {
		return err
	}

	return l.complete(ctx)
}

func (g generic) worker() worker { return g }

func (g generic) close() { _ = g.engine.Close() }

// boxed is a shell of payloads in interfaces: one queue type for all payloads,
// whose workers find out what they got.
type boxed struct {
	atOnce
	*shell[any]
	p *payload.Lease
}

func openBoxed(p *payload.Lease) (boxed, error) {
	q, err := openShell[any]()

	return boxed{shell: q, p: p}, err
}

func (b boxed) enqueue(ctx context.Context) error { return b.put(ctx, *b.p) }

func (b boxed) handle(ctx context.Context) error {
	l, err := b.take(ctx)
	if err != nil {
		return err
	}
	if err := unbox(l.payload); err != nil {
		return err
	}

	return l.complete(ctx)
}

func (b boxed) worker() worker { return b }

func (b boxed) close() { _ = b.engine.Close() }

// unbox looks into a box, as whoever works on the payload has to.
func unbox(p any) error {
	if p, ok := p.(payload.Lease); !ok || p.Priority == 0 {
		return fmt.Errorf("a %T came out", p)
	}

	return nil
}
