package tq_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// tick is the resolution of a queue's time.
const tick = 100 * time.Nanosecond

// shelf is the typed half of a queue, as small as it can be. The engine's lock
// guards it.
type shelf struct{ chunks []*[shelfChunk][]byte }

const shelfChunk = 64

func (s *shelf) open(limit tq.Slot) { s.chunks = make([]*[shelfChunk][]byte, limit/shelfChunk+1) }

func (s *shelf) at(i tq.Slot) *[]byte { return &s.chunks[i/shelfChunk][i%shelfChunk] }

func (s *shelf) Grow(i tq.Slot) {
	for int(i/shelfChunk) >= len(s.chunks) { // of one that was not opened
		s.chunks = append(s.chunks, nil)
	}
	if chunk := &s.chunks[i/shelfChunk]; *chunk == nil {
		*chunk = new([shelfChunk][]byte)
	}
}

func (s *shelf) Clear(i tq.Slot)    { *s.at(i) = nil }
func (s *shelf) Size(i tq.Slot) int { return len(*s.at(i)) }

// held counts the payloads that are kept.
func (s *shelf) held() int {
	n := 0
	for _, chunk := range s.chunks {
		for i := 0; chunk != nil && i < shelfChunk; i++ {
			n += b2i(chunk[i] != nil)
		}
	}

	return n
}

// queue is what a generated queue would be with []byte for its payload.
type queue struct {
	tq.Engine
	in    producers
	shelf shelf
	opts  tq.Options
}

// producers is the way in: the engine's own, or that of its reference.
type producers interface {
	Put(ctx context.Context) (tq.Slot, tq.Instant, error)
	Enqueue(ctx context.Context, i tq.Slot, now tq.Instant) (tq.TaskID, error)
	TryEnqueue(ctx context.Context, i tq.Slot, now tq.Instant) (tq.TaskID, error)
	EnqueueAt(ctx context.Context, i tq.Slot, now tq.Instant, when time.Time) (tq.TaskID, error)
	PutBatch(ctx context.Context, want int) (room int, now tq.Instant, err error)
}

// locks is how many locks a queue has: one is the reference's.
type locks int

func (l locks) open(tb testing.TB, o tq.Options) *queue {
	q := openQueue(tb, o)
	if l == 1 {
		q.in = tq.OneLock{Engine: &q.Engine}
	}

	return q
}

// lease is what a generated lease would be.
type lease struct {
	tq.Grant
	Body []byte
}

func (l *lease) complete() error { return l.Held.Complete(context.Background(), l.Token) }
func (l *lease) release() error  { return l.Held.Release(context.Background(), l.Token) }
func (l *lease) fail() error     { return l.Held.Fail(context.Background(), l.Token, errBoom) }
func (l *lease) bury() error     { return l.Held.DeadLetter(context.Background(), l.Token, errBoom) }
func (l *lease) beat() (time.Time, error) {
	return l.Held.Heartbeat(context.Background(), l.Token)
}

var errBoom = errors.New("boom")

// policy is what the tests start from where time is fake.
func policy() tq.Options {
	return tq.Options{
		Name: "test", Capacity: 8, Lease: time.Second, Heartbeat: time.Second / 4, Attempts: 3,
		Backoff: tq.NoBackoff, Dead: 4, Incarnation: 7,
	}
}

// unhurried is the policy of queues outside a bubble: no load of the machine makes
// a lease run out that a test holds.
func unhurried() tq.Options {
	o := policy()
	o.Lease, o.Heartbeat = 24*time.Hour, time.Hour

	return o
}

func openQueue(tb testing.TB, o tq.Options) *queue {
	tb.Helper()
	q := &queue{opts: o}
	q.in = &q.Engine
	if err := q.Open(o, &q.shelf); err != nil {
		tb.Fatal(err)
	}
	q.shelf.open(q.MaxSlot())

	return q
}

func (q *queue) enqueue(ctx context.Context, body []byte) (tq.TaskID, error) {
	i, at, err := q.in.Put(ctx)
	if err != nil {
		return tq.TaskID{}, err
	}
	*q.shelf.at(i) = body

	return q.in.Enqueue(ctx, i, at)
}

func (q *queue) tryEnqueue(body []byte) (tq.TaskID, error) {
	return q.tryEnqueueIn(context.Background(), body)
}

func (q *queue) tryEnqueueIn(ctx context.Context, body []byte) (tq.TaskID, error) {
	i, at, err := q.in.Put(ctx)
	if err != nil {
		return tq.TaskID{}, err
	}
	*q.shelf.at(i) = body

	return q.in.TryEnqueue(ctx, i, at)
}

func (q *queue) enqueueAt(ctx context.Context, body []byte, when time.Time) (tq.TaskID, error) {
	i, at, err := q.in.Put(ctx)
	if err != nil {
		return tq.TaskID{}, err
	}
	*q.shelf.at(i) = body

	return q.in.EnqueueAt(ctx, i, at, when)
}

func (q *queue) enqueueBatch(ctx context.Context, bodies [][]byte) (ids []tq.TaskID, err error) {
	for len(bodies) > 0 {
		room, at, err := q.in.PutBatch(ctx, len(bodies))
		if err != nil {
			return ids, err
		}
		for _, body := range bodies[:room] {
			i, id := q.AddLocked(at)
			*q.shelf.at(i) = body
			ids = append(ids, id)
		}
		q.Unlock()
		bodies = bodies[room:]
	}

	return ids, nil
}

// The engine's methods with a grant for their result, which is how it reads best.

func (q *queue) Take(ctx context.Context, owner string) (g tq.Grant, err error) {
	err = q.Engine.Take(ctx, owner, &g)

	return g, err
}

func (q *queue) TryTake(owner string) (g tq.Grant, err error) {
	err = q.Engine.TryTake(owner, &g)

	return g, err
}

func (q *queue) TakeMore(owner string) (g tq.Grant, ready bool) {
	ready = q.Engine.TakeMore(owner, &g)

	return g, ready
}

func (q *queue) SettleTake(
	ctx context.Context, h tq.Held, t tq.Token, o tq.Outcome, owner string,
) (g tq.Grant, settled, err error) {
	settled, err = q.Engine.SettleTake(ctx, h, t, o, owner, &g)

	return g, settled, err
}

func (q *queue) Resume(t tq.Token) (g tq.Grant, err error) {
	err = q.Engine.Resume(t, &g)

	return g, err
}

// keep ends the bracket of a grant.
func (q *queue) keep(g tq.Grant, err error) (lease, error) {
	if err != nil {
		return lease{}, err
	}
	defer q.Unlock()

	return lease{g, *q.shelf.at(g.Slot)}, nil
}

func (q *queue) lease(ctx context.Context) (lease, error) { return q.keep(q.Take(ctx, "")) }
func (q *queue) tryLease() (lease, error)                 { return q.keep(q.TryTake("")) }
func (q *queue) resume(t tq.Token) (lease, error)         { return q.keep(q.Resume(t)) }

// entry is a task of a snapshot with its payload.
type entry struct {
	tq.TaskRef
	Body []byte
}

type snapshot struct {
	tq.SnapshotHeader
	Tasks []entry
}

func (q *queue) copy(refs []tq.TaskRef) []entry {
	entries := make([]entry, len(refs))
	for i, r := range refs {
		entries[i] = entry{r, *q.shelf.at(r.Slot)}
	}

	return entries
}

func (q *queue) drain(ctx context.Context, grace time.Duration) (snapshot, error) {
	h, refs, err := q.Drain(ctx, grace)
	if err != nil {
		return snapshot{}, err
	}
	s := snapshot{h, q.copy(refs)}

	return s, q.Drained(ctx)
}

// Redrive and Purge are the engine's, for tests without a synchronous reader.
func (q *queue) Redrive(id tq.TaskID) error { return q.Engine.Redrive(context.Background(), id) }
func (q *queue) Purge(id tq.TaskID) error   { return q.Engine.Purge(context.Background(), id) }

func (q *queue) restore(s snapshot) error {
	state := func(i int) *tq.TaskState { return &s.Tasks[i].TaskState }
	slots, err := q.Restore(context.Background(), s.SnapshotHeader, len(s.Tasks), state)
	if err != nil {
		return err
	}
	for i, slot := range slots {
		if slot >= 0 {
			*q.shelf.at(slot) = s.Tasks[i].Body
		}
	}
	q.Unlock()

	return nil
}

// look is the state of everything now.
func (q *queue) look() snapshot {
	s, c := q.watchNow()
	_ = c.Close()

	return s
}

func (q *queue) watchNow() (snapshot, *tq.Cursor) {
	h, refs, c := q.WatchNow()
	defer q.Unlock()

	return snapshot{h, q.copy(refs)}, c
}

func (q *queue) deadLetters() []entry {
	refs, err := q.DeadLetters(0, 1<<30)
	if err != nil {
		return nil
	}
	defer q.Unlock()

	return q.copy(refs)
}

// held counts the payloads that are kept.
func (q *queue) held() int {
	_, _ = q.DeadLetters(0, 0) // for its lock
	defer q.Unlock()

	return q.shelf.held()
}

// event is a record with its payload.
type event struct {
	tq.Record
	Body []byte
}

// read gives the next events without waiting for more than is there.
func (q *queue) read(c *tq.Cursor) ([]event, error) {
	var events []event
	for c.Lag() > 0 {
		records, err := c.Next(context.Background(), 64)
		if err != nil {
			return events, err
		}
		for _, r := range records {
			events = append(events, event{r, *q.shelf.at(r.Slot)})
		}
		c.Unlock(len(records))
	}

	return events, nil
}

// balance says how invariant 1 is broken, nil if it holds.
func balance(s tq.Stats) error {
	in := s.Enqueued + s.Restored
	out := uint64(s.Ready+s.Delayed+s.Leased+s.Dead) + s.Completed + s.Purged + s.Drained
	if in != out {
		return errors.New("accepted + restored differ from what is there or gone")
	}

	return nil
}
