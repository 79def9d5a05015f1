package templates

import "strconv"

// emitQueue prints the interface every engine has, and the engine in memory.
func emitQueue(f *file) {
	emitQueueInterface(f)
	emitLocal(f)
	emitEnqueue(f)
	emitTake(f)
	emitDeadLetters(f)
	emitDrain(f)
	emitStore(f)
}

// emitQueueInterface prints the sealed interface: golden/accept/minimal.
func emitQueueInterface(f *file) {
	f.declare(`
$Queue is what producers and workers need of a queue, whatever engine is behind
it. Its methods are safe for concurrent use. Those that wait return ctx's error
when ctx ends first, and have changed nothing then.

Besides the errors named below every method may answer tq.ErrClosed, after
Close, and tq.ErrDrained, after Drain and until the queue is restored. While a
reader is synchronous those that change something, and the verbs of a lease, may
answer tq.ErrUncertain: they have, and the reader may not know.

The interface is sealed: engines come from the generator.`, `
type $Queue interface {
	// Enqueue adds p and waits for room while the queue is full. The id stays
	// the task's own through restore and failover. The error is tq.ErrFull if
	// too many producers wait already.
	Enqueue(ctx context.Context, p $Payload) (tq.TaskID, error)

	// TryEnqueue is Enqueue without waiting: tq.ErrFull at once.
	TryEnqueue(ctx context.Context, p $Payload) (tq.TaskID, error)

	// EnqueueAt is Enqueue of a task that is not leased before when.
	EnqueueAt(ctx context.Context, p $Payload, when time.Time) (tq.TaskID, error)

	// EnqueueBatch adds ps in order and waits for room as often as it must. It
	// says how many were accepted, also with an error: ps[:n] are in the queue,
	// the others are not. ids, if not nil, receives the ids of those.
	EnqueueBatch(ctx context.Context, ps []$Payload, ids []tq.TaskID) (n int, err error)

	// Lease takes the next ready task and waits for one if there is none.
	Lease(ctx context.Context) ($Lease, error)

	// LeaseAs is Lease and names the peer that owns the lease, for events.
	LeaseAs(ctx context.Context, owner string) ($Lease, error)

	// TryLease is Lease without waiting: tq.ErrEmpty at once.
	TryLease(ctx context.Context) ($Lease, error)

	// LeaseBatch waits for one task and takes with it what else is ready, up to
	// len(dst). dst[:n] are leased.
	LeaseBatch(ctx context.Context, dst []$Lease) (n int, err error)

	// Leases gives one lease after another. It ends with the first error, which
	// comes with a zero $Lease.
	Leases(ctx context.Context) iter.Seq2[$Lease, error]

	// Resume gives the lease behind a token that came back over a wire, with
	// the deadline it has. The error matches tq.ErrLeaseLost if the token is
	// not that of a present lease.
	Resume(ctx context.Context, token tq.Token) ($Lease, error)

	// DeadLetters gives up to limit dead letters in the order in which they
	// died, beginning behind the one numbered after: 0 for the first page, the
	// last number of a page for the next one.
	DeadLetters(ctx context.Context, after uint64, limit int) ([]$DeadLetter, error)

	// Redrive makes a dead letter ready again, with no attempt behind it. The
	// error is tq.ErrFull if there is no room, tq.ErrUnknownTask if there is no
	// such dead letter.
	Redrive(ctx context.Context, id tq.TaskID) error

	// Purge removes a dead letter for good. The error is tq.ErrUnknownTask if
	// there is no such dead letter.
	Purge(ctx context.Context, id tq.TaskID) error

	// Drain stops the queue, waits up to grace for leases to settle, and takes
	// out everything that is left: ready, delayed, leased and dead. If ctx ends
	// first the queue goes on as if nothing had been. Draining a drained queue
	// gives an empty snapshot.
	Drain(ctx context.Context, grace time.Duration) ($Snapshot, error)

	// Restore puts the tasks of a snapshot in, with their identities and
	// attempts, and reopens a drained queue. It ignores a snapshot it has
	// restored before, and tasks that are here already. It never waits: the
	// error is tq.ErrFull if there is no room for all, and nothing has changed.
	Restore(ctx context.Context, s $Snapshot) error

	// Stats reads the queue's counts and counters.
	Stats(ctx context.Context) (tq.Stats, error)

	// Close wakes everybody who waits with tq.ErrClosed and admits and leases
	// nothing more. Leases can still settle, and Drain takes out what is left.
	Close() error

	// settleLease settles l as o says, if it holds a task, and makes it the next
	// lease, in one step.
	settleLease(ctx context.Context, l *$Lease, o tq.Outcome, owner string) (settled, err error)

	// runPolicy is what $Run has to know of the options.
	runPolicy() tq.RunPolicy
}`)
	f.declare("", `
var _ $Queue = (*$Local)(nil)`)
}

// emitLocal prints the engine in memory and its constructor: golden/accept/minimal.
func emitLocal(f *file) {
	f.declare(`
$Local is a $Queue in the memory of this process. Make one with $New.

The order of its events is the order of its state changes.`, `
type $Local struct {
	engine   tq.Engine // who is ready, delayed, leased or dead, by slot
	payloads []*[$chunkSize]$Payload // by slot; touched between the engine's brackets alone
}`)
	f.declare(`
$New opens an empty queue. The zero $Options is the policy of the directive. The
error says which option is out of range.`, `
func $New(o $Options) (*$Local, error) {
	q := new($Local)
	if err := q.engine.Open(o.Or($directive()), (*$store)(q)); err != nil {
		return nil, err
	}
	q.payloads = make([]*[$chunkSize]$Payload, q.engine.MaxSlot()>>$chunkBits+1)

	return q, nil
}`)
}

// emitEnqueue prints the producers' methods: golden/accept/minimal.
func emitEnqueue(f *file) {
	f.declare(`
Enqueue adds p and waits for room while the queue is full: see [$Queue].`, `
func (q *$Local) Enqueue(ctx context.Context, p $Payload) (tq.TaskID, error) {
	slot, at, err := q.engine.Put(ctx)
	if err != nil {
		return tq.TaskID{}, err
	}
	*q.at(slot) = p

	return q.engine.Enqueue(ctx, slot, at)
}`)
	f.declare(`
TryEnqueue adds p, or answers tq.ErrFull at once.`, `
func (q *$Local) TryEnqueue(ctx context.Context, p $Payload) (tq.TaskID, error) {
	slot, at, err := q.engine.Put(ctx)
	if err != nil {
		return tq.TaskID{}, err
	}
	*q.at(slot) = p

	return q.engine.TryEnqueue(ctx, slot, at)
}`)
	f.declare(`
EnqueueAt adds p, to be leased at when or later, and waits for room while the
queue is full.`, `
func (q *$Local) EnqueueAt(ctx context.Context, p $Payload, when time.Time) (tq.TaskID, error) {
	slot, at, err := q.engine.Put(ctx)
	if err != nil {
		return tq.TaskID{}, err
	}
	*q.at(slot) = p

	return q.engine.EnqueueAt(ctx, slot, at, when)
}`)
	f.declare(`
EnqueueBatch adds ps in order, waiting for room as often as it must. The first n
are in the queue, also with an error, and ids, if not nil, has theirs.`, `
func (q *$Local) EnqueueBatch(
	ctx context.Context, ps []$Payload, ids []tq.TaskID,
) (n int, err error) {
	for n < len(ps) {
		room, at, err := q.engine.PutBatch(ctx, len(ps)-n)
		if err != nil {
			return n, err
		}

		for range room {
			slot, id := q.engine.AddLocked(at)
			*q.at(slot) = ps[n]
			if n < len(ids) {
				ids[n] = id
			}
			n++
		}
		if err := q.engine.Finish(ctx); err != nil {
			return n, err
		}
	}

	return n, nil
}`)
}

// emitTake prints the workers' methods: golden/accept/minimal.
func emitTake(f *file) {
	f.declare(`
Lease takes the next ready task and waits for one if there is none.`, `
func (q *$Local) Lease(ctx context.Context) (l $Lease, err error) {
	err = q.take(ctx, &l, "")

	return l, err
}`)
	f.declare(`
LeaseAs is Lease and names the peer that owns the lease.`, `
func (q *$Local) LeaseAs(ctx context.Context, owner string) (l $Lease, err error) {
	err = q.take(ctx, &l, owner)

	return l, err
}`)
	f.declare("", `
func (q *$Local) take(ctx context.Context, l *$Lease, owner string) error {
	var grant tq.Grant
	if err := q.engine.Take(ctx, owner, &grant); err != nil {
		return err
	}
	l.fill(q.at(grant.Slot), &grant)

	return q.granted(ctx, l)
}`)
	f.declare(`
granted ends a grant. One that a synchronous reader does not acknowledge is given
back.`, `
func (q *$Local) granted(ctx context.Context, l *$Lease) error {
	err := q.engine.Finish(ctx)
	if err != nil {
		q.engine.GiveBack(l.held, l.Token)
		*l = $Lease{}
	}

	return err
}`)
	f.declare(`
TryLease takes the next ready task, or answers tq.ErrEmpty at once.`, `
func (q *$Local) TryLease(ctx context.Context) (l $Lease, err error) {
	var grant tq.Grant
	if err := q.engine.TryTake("", &grant); err != nil {
		return l, err
	}
	l.fill(q.at(grant.Slot), &grant)
	err = q.granted(ctx, &l)

	return l, err
}`)
	f.declare(`
LeaseBatch waits for one task and takes with it what else is ready, up to
len(dst).`, `
func (q *$Local) LeaseBatch(ctx context.Context, dst []$Lease) (n int, err error) {
	if len(dst) == 0 {
		return 0, nil
	}

	var grant tq.Grant
	if err := q.engine.Take(ctx, "", &grant); err != nil {
		return 0, err
	}
	for more := true; more; more = n < len(dst) && q.engine.TakeMore("", &grant) {
		dst[n].fill(q.at(grant.Slot), &grant)
		n++
	}
	if err := q.engine.Finish(ctx); err != nil {
		for i := range n {
			q.engine.GiveBack(dst[i].held, dst[i].Token)
			dst[i] = $Lease{}
		}

		return 0, err
	}

	return n, nil
}`)
	f.declare(`
Leases gives one lease after another, until the first error.`, `
func (q *$Local) Leases(ctx context.Context) iter.Seq2[$Lease, error] {
	return func(yield func($Lease, error) bool) {
		for {
			l, err := q.Lease(ctx)
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}`)
	f.declare(`
Resume gives the lease behind token, or an error that matches tq.ErrLeaseLost.`, `
func (q *$Local) Resume(_ context.Context, token tq.Token) (l $Lease, err error) {
	var grant tq.Grant
	if err := q.engine.Resume(token, &grant); err != nil {
		return l, err
	}
	l.fill(q.at(grant.Slot), &grant)
	q.engine.Unlock()

	return l, nil
}`)
	f.declare("", `
func (q *$Local) settleLease(
	ctx context.Context, l *$Lease, o tq.Outcome, owner string,
) (settled, err error) {
	var grant tq.Grant
	settled, err = q.engine.SettleTake(ctx, l.held, l.Token, o, owner, &grant)
	if err != nil {
		*l = $Lease{}
		return settled, err
	}
	l.fill(q.at(grant.Slot), &grant)

	return settled, q.granted(ctx, l)
}`)
	f.declare("", `
func (q *$Local) runPolicy() tq.RunPolicy {
	o := q.engine.Options()

	return tq.RunPolicy{Lease: o.Lease, Heartbeat: o.Heartbeat}
}`)
}

// emitDeadLetters prints what becomes of tasks that were given up: golden/accept/minimal.
func emitDeadLetters(f *file) {
	f.declare(`
DeadLetters gives up to limit dead letters behind the one numbered after, 0 for
the first page. It works on a closed queue, too.`, `
func (q *$Local) DeadLetters(_ context.Context, after uint64, limit int) ([]$DeadLetter, error) {
	refs, err := q.engine.DeadLetters(after, limit)
	if err != nil {
		return nil, err
	}
	letters := make([]$DeadLetter, len(refs))
	for i := range refs {
		letters[i] = $DeadLetter{$Task: q.task(refs[i]), Number: refs[i].Number}
	}
	q.engine.Unlock()

	return letters, nil
}`)
	f.declare(`
DeadLettered gives dead letters as they come, beginning behind the one numbered
after: those that are there, then new ones. It runs in the goroutine that ranges
over it, and nobody waits for that.

If letters were purged before they could be given it says so with tq.ErrGap and
the number of the last of these, and goes on. Any other error ends it: ctx's, or
tq.ErrClosed once a closed queue has given all.`, `
func (q *$Local) DeadLettered(ctx context.Context, after uint64) iter.Seq2[$DeadLetter, error] {
	return func(yield func($DeadLetter, error) bool) {
		for {
			letter, err := q.nextDead(ctx, after)
			if !yield(letter, err) || err != nil && !errors.Is(err, tq.ErrGap) {
				return
			}
			after = letter.Number
		}
	}
}`)
	f.declare("", `
func (q *$Local) nextDead(ctx context.Context, after uint64) ($DeadLetter, error) {
	ref, err := q.engine.NextDead(ctx, after)
	if err != nil {
		return $DeadLetter{Number: ref.Number}, err
	}
	letter := $DeadLetter{$Task: q.task(ref), Number: ref.Number}
	q.engine.Unlock()

	return letter, nil
}`)
	f.declare(`
Redrive makes a dead letter ready again, with no attempt behind it.`, `
func (q *$Local) Redrive(ctx context.Context, id tq.TaskID) error {
	return q.engine.Redrive(ctx, id)
}`)
	f.declare(`
Purge removes a dead letter for good.`, `
func (q *$Local) Purge(ctx context.Context, id tq.TaskID) error { return q.engine.Purge(ctx, id) }`)
}

// emitDrain prints the methods for the queue as a whole: golden/accept/minimal.
func emitDrain(f *file) {
	f.declare(`
Drain stops the queue, waits up to grace for leases to settle, and takes out what
is left, leased tasks and dead letters included.`, `
func (q *$Local) Drain(ctx context.Context, grace time.Duration) ($Snapshot, error) {
	header, refs, err := q.engine.Drain(ctx, grace)
	if err != nil {
		return $Snapshot{}, err
	}
	s := $Snapshot{SnapshotHeader: header, Tasks: q.tasks(refs)}

	return s, q.engine.Drained(ctx)
}`)
	f.declare(`
Restore puts the tasks of a snapshot in and reopens a drained queue: see
[$Queue].`, `
func (q *$Local) Restore(ctx context.Context, s $Snapshot) error {
	slots, err := q.engine.Restore(ctx, s.SnapshotHeader, len(s.Tasks), func(i int) *tq.TaskState {
		return &s.Tasks[i].TaskState
	})
	if err != nil {
		return err
	}

	for i, slot := range slots {
		if slot >= 0 {
			*q.at(slot) = s.Tasks[i].Payload
		}
	}

	return q.engine.Finish(ctx)
}`)
	f.declare(`
Reopen ends a drain: the queue, empty now, admits and leases again.`, `
func (q *$Local) Reopen() error { return q.engine.Reopen() }`)
	f.declare(`
Stats reads the queue's counts and counters, all of one moment.`, `
func (q *$Local) Stats(context.Context) (tq.Stats, error) { return q.engine.Stats(), nil }`)
	f.declare(`
Probe is where backpressure monitors, instruments and diagnostics attach.`, `
func (q *$Local) Probe() *tq.Probe { return q.engine.Probe() }`)
	f.declare(`
Close wakes everybody who waits with tq.ErrClosed. Leases can still settle, and
Drain takes out what is left. Closing a closed queue does nothing.`, `
func (q *$Local) Close() error { return q.engine.Close() }`)
}

// emitStore prints where payloads are kept, by slot: golden/accept/wide.
func emitStore(f *file) {
	bits := f.queue.Payload.ChunkBits
	f.declare(`
Payloads are kept in chunks, so that they never move. There are as many chunks
as the most tasks so far have needed.`, `
const (
	$chunkBits = `+strconv.Itoa(bits)+`
	$chunkSize = 1 << $chunkBits // payloads
)`)
	f.declare("", `
func (q *$Local) at(slot tq.Slot) *$Payload {
	return &q.payloads[slot>>$chunkBits][slot&($chunkSize-1)]
}`)
	f.declare("", `
func (q *$Local) task(ref tq.TaskRef) $Task {
	return $Task{TaskState: ref.TaskState, Payload: *q.at(ref.Slot)}
}`)
	f.declare("", `
func (q *$Local) tasks(refs []tq.TaskRef) []$Task {
	tasks := make([]$Task, len(refs))
	for i := range refs {
		tasks[i] = q.task(refs[i])
	}

	return tasks
}`)
	f.declare(`
$store is how the engine reaches the payloads of a $Local: with its lock held.`, `
type $store $Local`)
	f.declare("", `
func (s *$store) Grow(slot tq.Slot) {
	if chunk := &s.payloads[slot>>$chunkBits]; *chunk == nil {
		*chunk = new([$chunkSize]$Payload)
	}
}`)
	f.declare("", `
func (s *$store) Clear(slot tq.Slot) { *(*$Local)(s).at(slot) = $zero }`)
	f.declare("", `
func (s *$store) Size(slot tq.Slot) int { return $payloadSize((*$Local)(s).at(slot)) }`)
}
