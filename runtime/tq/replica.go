package tq

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Replica is the payload-free half of a follower: the state of a queue as its
// events tell it. After every whole operation it equals the queue it follows.
// Where it began with a snapshot, tasks that are restored later may stand
// otherwise among those that are ready since the very same tick: a snapshot does
// not say which of these were delayed.
// Generated code stores payloads between its brackets, which hold its lock: a
// method that says so returns with it held, and Unlock gives it back.
//
// Nothing happens by itself: leases end and tasks die when events say so. It
// keeps no more tasks than a queue of the same options has slots.
//
// The zero Replica must be opened before use. All other methods are safe for
// concurrent use.
type Replica struct {
	mu       sync.Mutex
	opt      Options
	store    Store
	heir     Incarnation // of the queue it is promoted to
	over     bool        // it was promoted
	index    map[TaskID]Slot
	tasks    []replicaTask // by slot
	free     Slot          // head of the list of free slots, through next
	pending  []part        // of an operation that is not whole yet
	multi    bool          // an operation of several events is being applied
	undo     []replicaTask // what its events have changed
	gone     []Slot        // what it has removed
	restored restoredIDs
	progress
}

// progress is what changes with every operation besides its tasks.
type progress struct {
	at     Position
	epoch  Epoch  // of the last grant
	turns  uint64 // numbers what orders tasks of the same time
	deaths uint64 // number of the last dead letter
	count  Counters
}

// replicaTask is a task of a replica. Its order is not kept, only what it
// follows from. A waiting task is Delayed from a delay on until it is granted;
// whether it is ready is for the reader's time to say.
type replicaTask struct {
	TaskState        // State is 0 if there is no task
	turn      uint64 // breaks ties; of a dead letter, its number
	slot      Slot
	next      Slot // in the list of free slots
}

// part is an event of an operation that is not whole yet.
type part struct {
	Record
	slot Slot // reserved for the payload it brings, or noSlot
}

// Open makes the replica ready, for events of the queue that o names. The error
// says which option is out of range.
func (r *Replica) Open(o Options, s Store) error {
	o = o.Or(defaults)
	if err := o.check(); err != nil {
		return err
	}
	r.opt, r.store, r.heir = o, s, o.Incarnation
	if r.heir == 0 {
		r.heir = newIncarnation()
	}
	r.reset()

	return nil
}

func (r *Replica) reset() {
	r.index = make(map[TaskID]Slot)
	r.free = noSlot
	r.pending, r.gone, r.undo = nil, nil, nil
	r.restored = restoredIDs{}
	r.progress = progress{epoch: firstOfTerm(1)}
}

// Unlock ends a bracket.
func (r *Replica) Unlock() { r.mu.Unlock() }

// Options is what the replica was opened with, with nothing left open.
func (r *Replica) Options() Options { return r.opt }

// Position is that of the last whole operation: where to go on from.
func (r *Replica) Position() Position {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.at
}

// Counters are those of the queue it follows, counted since the replica began
// with its first event. After a snapshot they count the snapshot's tasks as
// restored.
func (r *Replica) Counters() Counters {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.count
}

// Apply takes the next event, of the named queue's life source, and returns
// with the lock held: the caller stores the event's payload at the slot, unless
// that is negative, and calls Unlock. Events that stand together take effect
// with the last of them. Where an operation was cut off, it may begin again.
//
// On an error nothing has changed but that an operation that was not whole is
// dropped, and the lock is not held: ErrGap if events are missing in between,
// ErrForeign if it is of another queue, or of another life of it than the one
// followed, ErrDiverged if it does not fit the state, ErrFull if there is no
// room, ErrClosed once the replica was promoted.
func (r *Replica) Apply(rec *Record, queue string, source Incarnation) (put Slot, err error) {
	r.mu.Lock()
	if err = r.expects(rec, queue, source); err == nil {
		put, err = r.take(rec)
	}
	if err != nil {
		r.drop()
		r.mu.Unlock()
		return noSlot, fmt.Errorf("tq: replica of %q at %d: event %d: %w", r.opt.Name, r.at.Sequence, rec.Sequence, err)
	}
	r.at.Incarnation = source

	return put, nil
}

// expects says whether an event is the one that comes next.
func (r *Replica) expects(rec *Record, queue string, source Incarnation) error {
	next := r.at.Sequence + 1
	switch {
	case r.over:
		return ErrClosed
	case queue != r.opt.Name:
		return fmt.Errorf("%w: it is of queue %q", ErrForeign, queue)
	case source == 0 || source != r.at.Incarnation && r.at.Incarnation != 0:
		return fmt.Errorf("%w: it is of incarnation %v, followed is %v", ErrForeign, source, r.at.Incarnation)
	case len(r.pending) > 0 && rec.Sequence == next:
		r.drop() // the operation begins again
	case rec.Sequence > next+Sequence(len(r.pending)):
		return fmt.Errorf("%w: %d is next", ErrGap, next+Sequence(len(r.pending)))
	case rec.Sequence < next+Sequence(len(r.pending)):
		return fmt.Errorf("%w: %d is next", ErrDiverged, next+Sequence(len(r.pending)))
	}

	return checkRecord(rec)
}

// checkRecord says what is wrong with an event whatever the state.
func checkRecord(rec *Record) error {
	switch {
	case rec.Task.Origin == 0 || rec.Task.Sequence == 0 || rec.Task.Sequence > maxSequence:
		return fmt.Errorf("%w: identity %v is not a task's", ErrDiverged, rec.Task)
	case rec.Attempt < 0 || rec.Attempt > MaxAttempts+1:
		return fmt.Errorf("%w: attempt %d is not in 0…%d", ErrDiverged, rec.Attempt, MaxAttempts+1)
	case rec.Token != Token{} && rec.Token.Task != rec.Task:
		return fmt.Errorf("%w: the token is of task %v", ErrDiverged, rec.Token.Task)
	case rec.Token.Attempt < 0 || rec.Token.Attempt > MaxAttempts:
		return fmt.Errorf("%w: attempt %d of the token is not in 0…%d", ErrDiverged, rec.Token.Attempt, MaxAttempts)
	case rec.Term > MaxTerm:
		return fmt.Errorf("%w: term %d is not in 0…%d", ErrDiverged, rec.Term, MaxTerm)
	case rec.At.IsZero():
		return fmt.Errorf("%w: it says no time", ErrDiverged)
	}

	return nil
}

// take applies an event, or keeps it until its operation is whole.
func (r *Replica) take(rec *Record) (put Slot, err error) {
	if !rec.More && len(r.pending) == 0 {
		put, err = r.apply(rec, noSlot)
		if err == nil {
			r.at.Sequence = rec.Sequence
			r.brought(rec)
		}

		return put, err
	}
	if len(r.pending) > r.opt.slots() {
		return noSlot, fmt.Errorf("%w: an operation of more than %d events", ErrFull, len(r.pending))
	}
	put = noSlot
	if brings(rec.Kind) {
		if put, err = r.reserve(); err != nil {
			return noSlot, err
		}
	}
	r.pending = append(r.pending, part{*rec, put})
	if rec.More {
		return put, nil
	}

	return put, r.applyAll()
}

// brings says whether events of a kind come with a payload that is new here.
func brings(k Kind) bool { return k == Enqueued || k == Restored }

// applyAll applies the operation that has just become whole, or nothing of it.
func (r *Replica) applyAll() error {
	before := r.progress
	r.multi = true
	defer func() { r.multi = false }()
	for i := range r.pending {
		p := &r.pending[i]
		if _, err := r.apply(&p.Record, p.slot); err != nil {
			r.takeBack(before)
			return err
		}
	}
	r.at.Sequence += Sequence(len(r.pending))
	r.brought(&r.pending[0].Record)
	for _, i := range r.gone {
		r.discard(i)
	}
	r.tidy()

	return nil
}

// brought notes the snapshot that an operation has restored, if it has.
func (r *Replica) brought(rec *Record) {
	if rec.Kind == Restored || rec.Kind == PassedOver {
		r.restored.add(rec.Snapshot)
	}
}

// takeBack undoes what the operation under way has changed so far.
func (r *Replica) takeBack(before progress) {
	r.progress = before
	for _, was := range slices.Backward(r.undo) {
		t := &r.tasks[was.slot]
		if was.State == 0 {
			delete(r.index, t.ID)
		} else {
			r.index[was.ID] = was.slot
		}
		*t = was
	}
	r.undo, r.gone = r.undo[:0], r.gone[:0]
}

// drop forgets an operation that is not whole.
func (r *Replica) drop() {
	if len(r.pending) == 0 {
		return
	}
	for i := range r.pending {
		if slot := r.pending[i].slot; slot >= 0 {
			r.discard(slot)
		}
	}
	r.tidy()
}

// keptEntries is how long lists may stay that only large operations need.
const keptEntries = 1 << 10

// tidy ends an operation of several events.
func (r *Replica) tidy() {
	if cap(r.pending) > keptEntries || cap(r.undo) > keptEntries {
		r.pending, r.undo, r.gone = nil, nil, nil
		return
	}
	clear(r.pending)
	clear(r.undo)
	r.pending, r.undo, r.gone = r.pending[:0], r.undo[:0], r.gone[:0]
}

// reserve gives a free slot.
func (r *Replica) reserve() (Slot, error) {
	if i := r.free; i >= 0 {
		r.free = r.tasks[i].next
		return i, nil
	}
	i := Slot(len(r.tasks))
	if int(i) >= r.opt.slots() {
		return noSlot, fmt.Errorf("%w: a queue of capacity %d has no more tasks", ErrFull, r.opt.Capacity)
	}
	r.tasks = append(r.tasks, replicaTask{slot: i})
	r.store.Grow(i)

	return i, nil
}

// discard frees a slot with its payload.
func (r *Replica) discard(i Slot) {
	r.store.Clear(i)
	r.tasks[i] = replicaTask{slot: i, next: r.free}
	r.free = i
}

// apply makes the change an event tells of, and gives the slot for the payload
// it brings: the one reserved, if there is one. On an error nothing changed.
func (r *Replica) apply(rec *Record, reserved Slot) (Slot, error) {
	if brings(rec.Kind) {
		return r.enter(rec, reserved)
	}
	i, known := r.index[rec.Task]
	if !known {
		return noSlot, fmt.Errorf("%w: task %v is not here", ErrDiverged, rec.Task)
	}
	t := &r.tasks[i]
	if !fits(t, rec) || rec.Kind == LeaseGranted && rec.Token.Epoch <= r.epoch {
		return noSlot, fmt.Errorf("%w: %v of task %v, which is %v", ErrDiverged, rec.Kind, rec.Task, t.State)
	}
	if r.multi {
		r.undo = append(r.undo, *t)
	}
	r.change(t, rec)

	return noSlot, nil
}

// fits says whether the state of a task lets an event of its be.
func fits(t *replicaTask, rec *Record) bool {
	switch rec.Kind {
	case LeaseGranted:
		return t.State < Leased && rec.Attempt == t.Attempt+1 && rec.Token.Attempt == rec.Attempt &&
			rec.Token.Epoch != 0 && !rec.Deadline.IsZero()
	case Heartbeat:
		return t.State == Leased && rec.Token == t.LastToken && !rec.Deadline.IsZero()
	case Completed, Released:
		return t.State == Leased && rec.Token == t.LastToken
	case Failed, LeaseExpired:
		return t.State == Leased && rec.Token == t.LastToken && rec.More
	case Requeued:
		return t.State == Leased && rec.Attempt == t.Attempt+1 && rec.Attempt <= MaxAttempts
	case DeadLettered:
		return t.State == Leased
	case Redriven, Purged:
		return t.State == Dead
	case Drained, PassedOver:
		return true
	}

	return false
}

// change makes the change to a task that fits.
func (r *Replica) change(t *replicaTask, rec *Record) {
	n := &r.count
	switch rec.Kind {
	case LeaseGranted:
		n.Granted++
		r.epoch = rec.Token.Epoch
		t.Attempt, t.LastToken = rec.Attempt, rec.Token
		r.lease(t, rec)
	case Heartbeat:
		n.Heartbeats++
		if !rec.Deadline.Equal(t.Deadline) { // else it has kept its place
			r.lease(t, rec)
		}
	case Completed:
		n.Completed++
		r.remove(t)
	case Failed:
		n.Failed++
		t.LastError = rec.Err
	case LeaseExpired:
		n.Expired++
		t.LastError = rec.Err
	case Requeued:
		n.Requeued++
		r.wait(t, rec)
	case DeadLettered:
		n.DeadLettered++
		r.bury(t)
	case Released:
		n.Released++
		t.Attempt--
		r.place(t, ReadyFirst, rec.At)
	case Redriven:
		n.Redriven++
		t.Attempt = 0
		r.place(t, Ready, rec.At)
	case Purged:
		n.Purged++
		r.remove(t)
	case Drained:
		n.Drained++
		r.remove(t)
	}
}

// enter adds the task that an event brings.
func (r *Replica) enter(rec *Record, slot Slot) (Slot, error) {
	if _, known := r.index[rec.Task]; known {
		return noSlot, fmt.Errorf("%w: %v of task %v, which is here", ErrDiverged, rec.Kind, rec.Task)
	}
	if rec.Attempt == 0 || rec.Attempt > MaxAttempts && rec.Flags&DeadLetter == 0 {
		return noSlot, fmt.Errorf("%w: attempt %d of a task that enters", ErrDiverged, rec.Attempt)
	}
	if slot < 0 {
		var err error
		if slot, err = r.reserve(); err != nil {
			return noSlot, err
		}
	}
	t := &r.tasks[slot]
	if r.multi {
		r.undo = append(r.undo, *t)
	}
	r.index[rec.Task] = slot
	t.ID, t.EnqueuedAt, t.Attempt = rec.Task, rec.EnqueuedAt, rec.Attempt-1
	t.TraceParent = traceParent(rec.TraceParent)
	if rec.Kind == Enqueued {
		r.count.Enqueued++
		r.wait(t, rec)

		return slot, nil
	}
	r.count.Restored++
	r.epoch = max(r.epoch, firstOfTerm(rec.Term), rec.Token.Epoch)
	t.LastError, t.LastToken = rec.Err, rec.Token
	switch {
	case rec.Flags&DeadLetter != 0:
		r.bury(t)
	case rec.Flags&AtHead != 0:
		r.place(t, ReadyFirst, rec.AvailableAt)
	default:
		r.place(t, Delayed, rec.AvailableAt)
	}

	return slot, nil
}

// place puts a task in line.
func (r *Replica) place(t *replicaTask, s State, since time.Time) {
	r.turns++
	t.State, t.turn, t.AvailableAt, t.Deadline, t.Owner = s, r.turns, since, time.Time{}, ""
}

// wait places a task by the time its event says, if it says one.
func (r *Replica) wait(t *replicaTask, rec *Record) {
	if rec.AvailableAt.IsZero() {
		r.place(t, Ready, rec.At)
	} else {
		r.place(t, Delayed, rec.AvailableAt)
	}
}

func (r *Replica) lease(t *replicaTask, rec *Record) {
	r.turns++
	t.State, t.turn, t.AvailableAt, t.Deadline, t.Owner = Leased, r.turns, time.Time{}, rec.Deadline, rec.Owner
}

func (r *Replica) bury(t *replicaTask) {
	r.deaths++
	t.State, t.turn, t.AvailableAt, t.Deadline, t.Owner = Dead, r.deaths, time.Time{}, time.Time{}, ""
}

func (r *Replica) remove(t *replicaTask) {
	delete(r.index, t.ID)
	if r.multi {
		t.State = 0
		r.gone = append(r.gone, t.slot)
		return
	}
	r.discard(t.slot)
}

// State is the state of the queue it follows, as of the last whole operation,
// told at now, with the tasks in the order in which the queue itself lists
// them. It returns with the lock held; the caller copies the payloads and calls
// Unlock.
func (r *Replica) State(now time.Time) (SnapshotHeader, []TaskRef) {
	r.mu.Lock()

	return r.header(), r.refs(now)
}

func (r *Replica) header() SnapshotHeader {
	return snapshotHeader(r.opt.Name, r.at, r.epoch, &r.restored)
}

func (r *Replica) refs(now time.Time) []TaskRef {
	refs := make([]TaskRef, 0, len(r.index))
	for _, i := range r.inOrder() {
		t := &r.tasks[i]
		ref := TaskRef{TaskState: t.TaskState, Slot: i}
		switch {
		case t.State == Dead:
			ref.Number = t.turn
		case t.State == Delayed && !t.AvailableAt.After(now):
			ref.State = Ready
		}
		refs = append(refs, ref)
	}

	return refs
}

// inOrder lists the slots of all tasks: released ones by sequence, others that
// wait by the time they are ready, those that were delayed first, leased ones
// by deadline, dead ones as they died.
func (r *Replica) inOrder() []Slot {
	slots := make([]Slot, 0, len(r.index))
	for i := range r.tasks {
		if r.tasks[i].State != 0 {
			slots = append(slots, Slot(i))
		}
	}
	slices.SortFunc(slots, func(i, j Slot) int {
		a, b := &r.tasks[i], &r.tasks[j]
		line := lines[a.State]
		if c := cmp.Compare(line, lines[b.State]); c != 0 {
			return c
		}
		switch line {
		case lines[ReadyFirst]:
			return cmp.Or(cmp.Compare(a.ID.Sequence, b.ID.Sequence), cmp.Compare(a.ID.Origin, b.ID.Origin))
		case lines[Ready]:
			return cmp.Or(a.AvailableAt.Compare(b.AvailableAt), cmp.Compare(b.State, a.State), cmp.Compare(a.turn, b.turn))
		case lines[Leased]:
			return cmp.Or(a.Deadline.Compare(b.Deadline), cmp.Compare(a.turn, b.turn))
		default:
			return cmp.Compare(a.turn, b.turn)
		}
	})

	return slots
}

// lines are the parts of the order, by state.
var lines = [...]int{ReadyFirst: 1, Ready: 2, Delayed: 2, Leased: 3, Dead: 4}

// ApplySnapshot makes a snapshot of n tasks the state, whatever it was, and
// returns with the lock held: the caller stores the payload of task i at slot
// i, and calls Unlock. It is how a replica goes on after ErrGap, and how it
// comes to follow another life of the queue.
//
// On an error nothing has changed and the lock is not held: ErrForeign if it is
// of another queue, ErrDeposed if its term is below the one followed,
// ErrDiverged if it is of the life followed and older than the state, or further
// than any queue, ErrFull if it has more tasks than there may be, ErrClosed once
// the replica was promoted, or what is wrong with the snapshot.
func (r *Replica) ApplySnapshot(h SnapshotHeader, n int, state func(i int) *TaskState) error {
	r.mu.Lock()
	err := r.mayBecome(h, n)
	var index map[TaskID]Slot
	if err == nil {
		index, err = indexOf(h, n, state)
	}
	if err != nil {
		r.mu.Unlock()
		return fmt.Errorf("tq: replica of %q: snapshot of %v at %d: %w", r.opt.Name, h.Incarnation, h.Sequence, err)
	}
	r.become(h, index, n, state)

	return nil
}

// mayBecome says whether the replica can go on from a snapshot.
func (r *Replica) mayBecome(h SnapshotHeader, n int) error {
	switch {
	case r.over:
		return ErrClosed
	case h.Version != SnapshotVersion:
		return &VersionError{Version: h.Version}
	case h.Queue != r.opt.Name:
		return fmt.Errorf("%w: it is of queue %q", ErrForeign, h.Queue)
	case h.Incarnation == 0:
		return fmt.Errorf("%w: it names no incarnation", ErrForeign)
	case h.Sequence > maxSequence:
		return fmt.Errorf("%w: no queue comes as far as event %d", ErrDiverged, h.Sequence)
	case h.HighestEpoch.Term() < r.epoch.Term():
		return fmt.Errorf("%w: it is of term %d, followed is %d", ErrDeposed, h.HighestEpoch.Term(), r.epoch.Term())
	case h.Incarnation == r.at.Incarnation && h.Sequence < r.at.Sequence:
		return fmt.Errorf("%w: it is older than %d", ErrDiverged, r.at.Sequence)
	case n > r.opt.slots():
		return fmt.Errorf("%w: it has %d tasks, a queue of capacity %d has no more than %d",
			ErrFull, n, r.opt.Capacity, r.opt.slots())
	}

	return nil
}

// indexOf checks the tasks of a snapshot and gives their places in it.
func indexOf(h SnapshotHeader, n int, state func(i int) *TaskState) (map[TaskID]Slot, error) {
	index := make(map[TaskID]Slot, n)
	for i := range n {
		t := state(i)
		err := checkState(h, t)
		if _, twice := index[t.ID]; err == nil && twice {
			err = fmt.Errorf("%w: %v stands in it twice", ErrDuplicate, t.ID)
		}
		if err == nil && t.State == Leased && (t.LastToken.Epoch == 0 || t.Deadline.IsZero()) {
			err = fmt.Errorf("leased, but not by which token or until when")
		}
		if err != nil {
			return nil, fmt.Errorf("task %d: %w", i, err)
		}
		index[t.ID] = Slot(i)
	}

	return index, nil
}

func (r *Replica) become(h SnapshotHeader, index map[TaskID]Slot, n int, state func(i int) *TaskState) {
	for i := range r.tasks {
		r.store.Clear(Slot(i))
	}
	grown := len(r.tasks)
	r.reset()
	r.index = index
	r.at, r.epoch = Position{h.Incarnation, h.Sequence}, max(r.epoch, h.HighestEpoch)
	r.count.Restored = uint64(n)
	r.restored.set(h.Restored)
	r.tasks = slices.Grow(r.tasks[:0], max(n, grown))[:max(n, grown)]
	for i := len(r.tasks) - 1; i >= 0; i-- {
		if i >= grown {
			r.store.Grow(Slot(i))
		}
		if i >= n {
			r.tasks[i] = replicaTask{slot: Slot(i), next: r.free}
			r.free = Slot(i)
		}
	}
	for i := range n {
		t := &r.tasks[i]
		r.turns++
		*t = replicaTask{TaskState: *state(i), turn: r.turns, slot: Slot(i)}
		t.TraceParent = traceParent(t.TraceParent)
		if t.State == Dead {
			r.deaths++
			t.turn = r.deaths
		}
	}
}
