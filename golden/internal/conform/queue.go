package conform

import (
	"context"
	"reflect"
	"time"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
	"github.com/tqgen/tqgen/runtime/tqtest"
)

// queue is a generated queue as tqtest wants it.
type queue[
	I any, P any, L any, PL lease[L], D any, S any, PS snapshot[S], E any, R reader[E], Q local[P, L, D, S, R],
] struct {
	tqtest.Plain
	queue   Q
	run     func(context.Context, I, tq.RunOptions, func(context.Context, PL) error) error
	payload func(n int) P
	numbers map[string]int // of payloads by their JSON form
	fixed   P
	leased  L // of Cycle; here, so that it needs no allocation
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) Enqueue(ctx context.Context, n int) (tq.TaskID, error) {
	return q.queue.Enqueue(ctx, q.payload(n))
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) TryEnqueue(ctx context.Context, n int) (tq.TaskID, error) {
	return q.queue.TryEnqueue(ctx, q.payload(n))
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) EnqueueAt(
	ctx context.Context, n int, when time.Time,
) (tq.TaskID, error) {
	return q.queue.EnqueueAt(ctx, q.payload(n), when)
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) EnqueueBatch(
	ctx context.Context, ns []int, ids []tq.TaskID,
) (int, error) {
	ps := make([]P, len(ns))
	for i, n := range ns {
		ps[i] = q.payload(n)
	}

	return q.queue.EnqueueBatch(ctx, ps, ids)
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) Lease(ctx context.Context) (tqtest.Grant, error) {
	l, err := q.queue.Lease(ctx)

	return q.grant(&l), err
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) TryLease(ctx context.Context) (tqtest.Grant, error) {
	l, err := q.queue.TryLease(ctx)

	return q.grant(&l), err
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) LeaseBatch(ctx context.Context, limit int) ([]tqtest.Grant, error) {
	leases := make([]L, limit)
	n, err := q.queue.LeaseBatch(ctx, leases)
	grants := make([]tqtest.Grant, n)
	for i := range grants {
		grants[i] = q.grant(&leases[i])
	}

	return grants, err
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) Resume(ctx context.Context, token tq.Token) (tqtest.Grant, error) {
	l, err := q.queue.Resume(ctx, token)

	return q.grant(&l), err
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) DeadLetters(
	ctx context.Context, after uint64, limit int,
) ([]tqtest.DeadLetter, error) {
	letters, err := q.queue.DeadLetters(ctx, after, limit)
	numbered := make([]tqtest.DeadLetter, len(letters))
	for i := range letters {
		v := reflect.ValueOf(&letters[i]).Elem()
		numbered[i] = tqtest.DeadLetter{Task: q.task(v.Field(0)), Place: field[uint64](v, "Number")}
	}

	return numbered, err
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) Drain(ctx context.Context, grace time.Duration) ([]byte, error) {
	s, err := q.queue.Drain(ctx, grace)
	if err != nil {
		return nil, err
	}

	return PS(&s).AppendJSON(nil)
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) Restore(ctx context.Context, snapshot []byte) error {
	var s S
	if err := PS(&s).UnmarshalJSON(snapshot); err != nil {
		return err
	}

	return q.queue.Restore(ctx, s)
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) Watch(after tq.Sequence) (tqtest.Reader, error) {
	r, err := q.queue.Watch(after)

	return events[E, R]{r, q.number}, err
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) WatchNow() (tq.SnapshotHeader, []tqtest.Task, tqtest.Reader) {
	s, r := q.queue.WatchNow()
	v := reflect.ValueOf(&s).Elem()
	tasks := make([]tqtest.Task, v.FieldByName("Tasks").Len())
	for i := range tasks {
		tasks[i] = q.task(v.FieldByName("Tasks").Index(i))
	}

	return field[tq.SnapshotHeader](v, "SnapshotHeader"), tasks, events[E, R]{r, q.number}
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) Run(
	ctx context.Context, o tq.RunOptions, handler func(context.Context, tqtest.Grant) error,
) error {
	return q.run(ctx, any(q.queue).(I), o, func(ctx context.Context, l PL) error {
		return handler(ctx, q.grant(l))
	})
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) Cycle(ctx context.Context) (err error) {
	if _, err = q.queue.Enqueue(ctx, q.fixed); err != nil {
		return err
	}
	if q.leased, err = q.queue.Lease(ctx); err != nil {
		return err
	}

	return PL(&q.leased).Complete(ctx)
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) EnqueueBytes(ctx context.Context, size int) (bool, error) {
	var p P
	b := body(reflect.ValueOf(&p).Elem())
	if !b.IsValid() {
		return false, nil
	}
	b.SetBytes(make([]byte, size))
	_, err := q.queue.Enqueue(ctx, p)

	return true, err
}

// body is the first field of a payload that is a []byte, the zero Value if
// there is none.
func body(payload reflect.Value) reflect.Value {
	for i := range payload.NumField() {
		if f := payload.Field(i); payload.Type().Field(i).IsExported() && f.Type() == reflect.TypeFor[[]byte]() {
			return f
		}
	}

	return reflect.Value{}
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) grant(l PL) tqtest.Grant {
	v := reflect.ValueOf(l).Elem()

	return tqtest.Grant{
		Lease:      l,
		Number:     q.number(v),
		Token:      field[tq.Token](v, "Token"),
		Attempt:    field[int](v, "Attempt"),
		EnqueuedAt: field[time.Time](v, "EnqueuedAt"),
		LastError:  field[*tq.TaskError](v, "LastError"),
	}
}

func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) task(v reflect.Value) tqtest.Task {
	return tqtest.Task{TaskState: field[tq.TaskState](v, "TaskState"), Number: q.number(v)}
}

// number is that of the payload in a generated struct, -1 if it is none.
func (q *queue[I, P, L, PL, D, S, PS, E, R, Q]) number(v reflect.Value) int {
	if b := body(v.FieldByName("Payload")); b.IsValid() && b.Len() > 0 {
		return -1 // from EnqueueBytes; its JSON form would cost more than the check
	}
	text, err := form(v.FieldByName("Payload").Interface())
	if n, known := q.numbers[text]; known && err == nil {
		return n
	}

	return -1
}

// events is a generated reader.
type events[E any, R reader[E]] struct {
	reader R
	number func(reflect.Value) int
}

func (r events[E, R]) Next(ctx context.Context) (tqtest.Event, error) {
	e, err := r.reader.Next(ctx)
	v := reflect.ValueOf(&e).Elem()

	return tqtest.Event{Header: field[replication.Header](v, "Header"), Number: r.number(v)}, err
}

func (r events[E, R]) Close() error { return r.reader.Close() }

// field is a field of a generated struct.
func field[T any](v reflect.Value, name string) T {
	return v.FieldByName(name).Interface().(T)
}
