package lease_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
	"github.com/tqgen/tqgen/runtime/tqtest"
)

func TestConformance(t *testing.T) {
	open := func(t testing.TB, o tq.Options) tqtest.Queue {
		q, err := leasequeue.New(o)
		if err != nil {
			t.Fatal(err)
		}

		return numbered{q, request(0)}
	}
	tqtest.Run(t, open)
	tqtest.RunReplicas(t, open, func(t testing.TB, o tq.Options) tqtest.Replica {
		r, err := leasequeue.NewReplica(o)
		if err != nil {
			t.Fatal(err)
		}

		return replica{r}
	})
}

// replica is one by way of JSON.
type replica struct{ *leasequeue.Replica }

func (r replica) Apply(event []byte) error {
	var e leasequeue.Event
	if err := e.UnmarshalJSON(event); err != nil {
		return err
	}

	return r.Replica.Apply(&e)
}

func (r replica) ApplySnapshot(snapshot []byte) error {
	var s leasequeue.Snapshot
	if err := s.UnmarshalJSON(snapshot); err != nil {
		return err
	}

	return r.Replica.ApplySnapshot(&s)
}

func (r replica) State() ([]byte, error) { return r.Replica.State().MarshalJSON() }

func (r replica) Promote(ctx context.Context, o tq.Options) (tqtest.Queue, error) {
	q, err := r.Replica.Promote(ctx, o, replication.Promotion{})

	return numbered{q, request(0)}, err
}

// numbered is a queue whose payloads have numbers for ids.
type numbered struct {
	*leasequeue.Local
	fixed lease.ResourceLease
}

func request(n int) lease.ResourceLease {
	return lease.ResourceLease{ResourceType: "vm", ResourceID: strconv.Itoa(n), Attributes: map[string]string{"n": "<&>"}}
}

func number(p *lease.ResourceLease) int {
	n, err := strconv.Atoi(p.ResourceID)
	if err != nil {
		return -1
	}

	return n
}

func grant(l *leasequeue.Lease) tqtest.Grant {
	return tqtest.Grant{
		Lease: l, Number: number(&l.Payload),
		Token: l.Token, Attempt: l.Attempt, EnqueuedAt: l.EnqueuedAt, LastError: l.LastError,
	}
}

func (q numbered) Enqueue(ctx context.Context, n int) (tq.TaskID, error) {
	return q.Local.Enqueue(ctx, request(n))
}

func (q numbered) TryEnqueue(ctx context.Context, n int) (tq.TaskID, error) {
	return q.Local.TryEnqueue(ctx, request(n))
}

func (q numbered) EnqueueAt(ctx context.Context, n int, when time.Time) (tq.TaskID, error) {
	return q.Local.EnqueueAt(ctx, request(n), when)
}

func (q numbered) EnqueueBatch(ctx context.Context, ns []int, ids []tq.TaskID) (int, error) {
	ps := make([]lease.ResourceLease, len(ns))
	for i, n := range ns {
		ps[i] = request(n)
	}

	return q.Local.EnqueueBatch(ctx, ps, ids)
}

func (q numbered) Lease(ctx context.Context) (tqtest.Grant, error) {
	l, err := q.Local.Lease(ctx)

	return grant(&l), err
}

func (q numbered) TryLease(ctx context.Context) (tqtest.Grant, error) {
	l, err := q.Local.TryLease(ctx)

	return grant(&l), err
}

func (q numbered) LeaseBatch(ctx context.Context, limit int) ([]tqtest.Grant, error) {
	leases := make([]leasequeue.Lease, limit)
	n, err := q.Local.LeaseBatch(ctx, leases)
	grants := make([]tqtest.Grant, n)
	for i := range grants {
		grants[i] = grant(&leases[i])
	}

	return grants, err
}

func (q numbered) Resume(ctx context.Context, token tq.Token) (tqtest.Grant, error) {
	l, err := q.Local.Resume(ctx, token)

	return grant(&l), err
}

func (q numbered) DeadLetters(ctx context.Context, after uint64, limit int) ([]tqtest.DeadLetter, error) {
	letters, err := q.Local.DeadLetters(ctx, after, limit)
	numbered := make([]tqtest.DeadLetter, len(letters))
	for i := range letters {
		numbered[i] = tqtest.DeadLetter{Task: task(&letters[i].Task), Place: letters[i].Number}
	}

	return numbered, err
}

func task(t *leasequeue.Task) tqtest.Task {
	return tqtest.Task{TaskState: t.TaskState, Number: number(&t.Payload)}
}

func (q numbered) Drain(ctx context.Context, grace time.Duration) ([]byte, error) {
	s, err := q.Local.Drain(ctx, grace)
	if err != nil {
		return nil, err
	}

	return s.AppendJSON(nil)
}

func (q numbered) Restore(ctx context.Context, snapshot []byte) error {
	var s leasequeue.Snapshot
	if err := s.UnmarshalJSON(snapshot); err != nil {
		return err
	}

	return q.Local.Restore(ctx, s)
}

func (q numbered) Watch(after tq.Sequence) (tqtest.Reader, error) {
	r, err := q.Local.Watch(after)

	return reader{r}, err
}

func (q numbered) WatchNow() (tq.SnapshotHeader, []tqtest.Task, tqtest.Reader) {
	s, r := q.Local.WatchNow()
	tasks := make([]tqtest.Task, len(s.Tasks))
	for i := range tasks {
		tasks[i] = task(&s.Tasks[i])
	}

	return s.SnapshotHeader, tasks, reader{r}
}

// reader gives events whose payloads have numbers.
type reader struct{ *leasequeue.Reader }

func (r reader) Next(ctx context.Context) (tqtest.Event, error) {
	e, err := r.Reader.Next(ctx)

	return tqtest.Event{Header: e.Header, Number: number(&e.Payload)}, err
}

func (q numbered) Run(
	ctx context.Context, o tq.RunOptions, handler func(context.Context, tqtest.Grant) error,
) error {
	return leasequeue.Run(ctx, q.Local, o, func(ctx context.Context, l *leasequeue.Lease) error {
		return handler(ctx, grant(l))
	})
}

func (q numbered) Cycle(ctx context.Context) error {
	if _, err := q.Local.Enqueue(ctx, q.fixed); err != nil {
		return err
	}
	l, err := q.Local.Lease(ctx)
	if err != nil {
		return err
	}

	return l.Complete(ctx)
}

func (q numbered) EnqueueBytes(ctx context.Context, size int) (possible bool, err error) {
	_, err = q.Local.Enqueue(ctx, lease.ResourceLease{Body: make([]byte, size)})

	return true, err
}
