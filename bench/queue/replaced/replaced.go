// Package replaced is the design that tqgen's queue replaces, ported as it was:
// a bounded channel of envelopes, a map of leases by random id, a periodic
// sweep over all of them, and listeners called one after another. It takes any
// payload; with an interface type as payload, every payload is boxed.
package replaced

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// ErrLost: the lease has expired or was settled.
var ErrLost = errors.New("replaced: lease lost")

// Kind says what has happened to a task.
type Kind int

// Kinds of events.
const (
	Enqueued Kind = iota
	Leased
	Completed
	Expired
)

// Event is what listeners get.
type Event struct {
	Kind     Kind
	Sequence uint64
	Lease    uuid.UUID
	Attempt  int
	At       time.Time
	Payload  any
}

// Options of a queue.
type Options struct {
	Capacity    int
	Lease       time.Duration
	Sweep       time.Duration // how often expired leases are looked for
	MaxAttempts int
	Listeners   []func(*Event)
	Dead        func(payload any)
}

// Queue leases payloads of type T.
type Queue[T any] struct {
	o        Options
	tasks    chan *envelope[T]
	leases   sync.Map // of *state[T], by uuid.UUID
	sequence atomic.Uint64
	pending  atomic.Int64
	leased   atomic.Int64
	stop     chan struct{}
	stopped  sync.WaitGroup
}

type envelope[T any] struct {
	sequence uint64
	payload  T
	attempt  int
	enqueued time.Time
}

type state[T any] struct {
	id       uuid.UUID
	task     *envelope[T]
	leasedAt time.Time
	expires  atomic.Int64 // Unix nanoseconds
	over     atomic.Bool
}

// New opens a queue.
func New[T any](o Options) *Queue[T] {
	q := &Queue[T]{o: o, tasks: make(chan *envelope[T], o.Capacity), stop: make(chan struct{})}
	q.stopped.Go(q.sweepAll)

	return q
}

// Close ends the sweeping.
func (q *Queue[T]) Close() {
	close(q.stop)
	q.stopped.Wait()
}

// Enqueue adds a payload and waits while the queue is full.
func (q *Queue[T]) Enqueue(ctx context.Context, payload T) error {
	return q.push(ctx, &envelope[T]{
		sequence: q.sequence.Add(1), payload: payload, attempt: 1, enqueued: time.Now(),
	})
}

func (q *Queue[T]) push(ctx context.Context, e *envelope[T]) error {
	select {
	case q.tasks <- e:
	case <-ctx.Done():
		return ctx.Err()
	}
	q.pending.Add(1)
	q.emit(Enqueued, e, uuid.UUID{}, e.enqueued)

	return nil
}

func (q *Queue[T]) emit(kind Kind, e *envelope[T], lease uuid.UUID, at time.Time) {
	if len(q.o.Listeners) == 0 {
		return
	}
	event := &Event{Kind: kind, Sequence: e.sequence, Lease: lease, Attempt: e.attempt, At: at, Payload: e.payload}
	for _, listen := range q.o.Listeners {
		listen(event)
	}
}

// Lease is a task that somebody works on.
type Lease[T any] struct {
	q *Queue[T]
	s *state[T]
}

// Lease waits for a task.
func (q *Queue[T]) Lease(ctx context.Context) (*Lease[T], error) {
	var e *envelope[T]
	select {
	case e = <-q.tasks:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	q.pending.Add(-1)
	now := time.Now()
	s := &state[T]{id: uuid.New(), task: e, leasedAt: now}
	s.expires.Store(now.Add(q.o.Lease).UnixNano())
	q.leases.Store(s.id, s)
	q.leased.Add(1)
	q.emit(Leased, e, s.id, now)

	return &Lease[T]{q, s}, nil
}

// Payload is what is to be worked on.
func (l *Lease[T]) Payload() T { return l.s.task.payload }

// Complete removes the task for good.
func (l *Lease[T]) Complete() error {
	if !l.s.over.CompareAndSwap(false, true) {
		return ErrLost
	}
	l.q.leases.Delete(l.s.id)
	l.q.leased.Add(-1)
	l.q.emit(Completed, l.s.task, l.s.id, time.Now())

	return nil
}

func (q *Queue[T]) sweepAll() {
	t := time.NewTicker(q.o.Sweep)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			q.Sweep()
		case <-q.stop:
			return
		}
	}
}

// Sweep looks at every lease and enqueues the tasks of those that have expired
// once more. It returns how many those were.
func (q *Queue[T]) Sweep() (expired int) {
	now := time.Now()
	q.leases.Range(func(_, v any) bool {
		s := v.(*state[T])
		if s.expires.Load() > now.UnixNano() || !s.over.CompareAndSwap(false, true) {
			return true
		}
		expired++
		q.leases.Delete(s.id)
		q.leased.Add(-1)
		q.emit(Expired, s.task, s.id, now)
		s.task.attempt++
		if s.task.attempt > q.o.MaxAttempts {
			if q.o.Dead != nil {
				q.o.Dead(s.task.payload)
			}

			return true
		}
		_ = q.push(context.Background(), s.task)

		return true
	})

	return expired
}
