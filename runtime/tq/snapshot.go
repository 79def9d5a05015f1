package tq

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/tqgen/tqgen/runtime/jsonwire"
)

// tasks lists what is in the core at now, in the order in which restore has to
// add it: those that come first, the ready and delayed ones as they will be
// granted, the leased ones by deadline, the dead ones as they died.
func (c *core) tasks(now Instant) []TaskRef {
	refs := make([]TaskRef, 0, len(c.first)+c.ready.n+len(c.due)+len(c.delayed)+c.leased.n+c.dead.n)
	for _, e := range sorted(c.first) {
		refs = append(refs, c.ref(e.slot, now))
	}
	refs = c.appendWaiting(refs, now)
	refs = c.appendLeased(refs, now)
	for i := c.dead.head; i >= 0; i = c.at(i).next {
		refs = append(refs, c.ref(i, now))
	}

	return refs
}

func sorted(h heap) heap {
	h = slices.Clone(h)
	slices.SortFunc(h, func(a, b heapEntry) int {
		return cmp.Or(cmp.Compare(a.key1, b.key1), cmp.Compare(a.key2, b.key2))
	})

	return h
}

// appendWaiting merges those that were delayed with those that never were, as
// next does.
func (c *core) appendWaiting(refs []TaskRef, now Instant) []TaskRef {
	for c.ripen(now, batch) == batch {
		continue
	}
	i := c.ready.head
	for _, e := range append(sorted(c.due), sorted(c.delayed)...) {
		for ; i >= 0 && c.at(i).until < Instant(e.key1); i = c.at(i).next {
			refs = append(refs, c.ref(i, now))
		}
		refs = append(refs, c.ref(e.slot, now))
	}
	for ; i >= 0; i = c.at(i).next {
		refs = append(refs, c.ref(i, now))
	}

	return refs
}

// appendLeased merges those that were leased here with those kept.
func (c *core) appendLeased(refs []TaskRef, now Instant) []TaskRef {
	i := c.leased.head
	for k := c.kept.head; k >= 0; k = c.at(k).next {
		for ; i >= 0 && c.at(i).until < c.at(k).until; i = c.at(i).next {
			refs = append(refs, c.ref(i, now))
		}
		refs = append(refs, c.ref(k, now))
	}
	for ; i >= 0; i = c.at(i).next {
		refs = append(refs, c.ref(i, now))
	}

	return refs
}

// ref shows the task in slot i at now.
func (c *core) ref(i Slot, now Instant) TaskRef {
	s := c.at(i)
	r := TaskRef{Slot: i, TaskState: TaskState{
		ID: s.id, State: State(s.phase), Attempt: int(s.attempt),
		EnqueuedAt: c.time(s.enqueued), LastError: s.err, LastToken: s.token(), TraceParent: s.trace,
	}}
	switch s.phase {
	case phaseDelayed:
		if s.until <= now {
			r.State = Ready
		}
		r.AvailableAt = c.time(s.until)
	case phaseReady, phaseFirst:
		r.AvailableAt = c.time(s.until)
	case phaseDead:
		r.Number = s.number()
	case phaseLeased:
		r.Deadline, r.Owner = c.time(s.until), s.owner
	}

	return r
}

func (c *core) header() SnapshotHeader {
	return snapshotHeader(c.opt.Name, Position{c.opt.Incarnation, c.log.seq}, c.epoch, &c.restored)
}

func snapshotHeader(queue string, at Position, highest Epoch, restored *restoredIDs) SnapshotHeader {
	return SnapshotHeader{
		Version: SnapshotVersion, Queue: queue, Incarnation: at.Incarnation, Sequence: at.Sequence,
		HighestEpoch: highest, ID: fmt.Sprintf("%v-%d", at.Incarnation, at.Sequence), Restored: restored.list(),
	}
}

// drain takes every task out; leased ones come out released. Their payloads
// stay where they are until drained is called.
func (c *core) drain(now Instant) (SnapshotHeader, []TaskRef) {
	now = c.clock(now)
	waiting, leased := c.waiting(), c.leased.n
	for i := c.nextLease(); i >= 0; i = c.nextLease() {
		s := c.at(i)
		c.unlease(i, s, now)
		s.attempt--
		c.waitFirst(i, s, now)
	}
	refs := c.tasks(now)
	c.log.whole = len(refs)
	for n, r := range refs {
		flags := FromDrain
		if r.State == Dead {
			flags |= DeadLetter
		}
		c.record(Drained, flags, r.Slot, now, n < len(refs)-1)
	}
	c.count.Drained += uint64(len(refs))
	c.cross.gone.Add(int64(len(refs) - c.dead.n))
	c.first, c.due, c.delayed = c.first[:0], c.due[:0], c.delayed[:0]
	c.ready, c.dead = emptyList, emptyList
	c.leaving = refs
	c.depth(-waiting, -waiting-leased)

	return c.header(), refs
}

// drained lets go of the payloads that drain left in place.
func (c *core) drained() {
	maxByte := c.log.maxByte
	c.log.maxByte = 1<<63 - 1 // its own events stay whole
	before := c.log.seq - Sequence(len(c.leaving))
	for n, r := range c.leaving {
		c.gone(r.Slot, c.at(r.Slot), before+Sequence(n+1))
	}
	c.log.maxByte = maxByte
	c.log.whole = 0
	c.leaving = nil
}

// restore puts the tasks of a snapshot back as they were and gives each one's
// slot, or noSlot where the task is here already. All or nothing.
func (c *core) restore(h SnapshotHeader, n int, state func(int) *TaskState, now Instant) ([]Slot, error) {
	now = c.clock(now)
	if h.Version != SnapshotVersion {
		return nil, &VersionError{Version: h.Version}
	}
	places := make([]Slot, n)
	for i := range places {
		places[i] = noSlot
	}
	if c.restored.has(h.ID) {
		return places, nil
	}
	missing, err := c.missing(h, n, state)
	switch {
	case err != nil:
		return nil, err
	case missing.n > c.unused()+c.log.held:
		return nil, fmt.Errorf("%w: a snapshot of %d tasks does not fit", ErrFull, missing.n)
	}
	if missing.n > 0 && h.HighestEpoch.Term() >= c.epoch.Term() {
		if h.HighestEpoch.Term() == MaxTerm {
			return nil, ErrExhausted
		}
		c.epoch = firstOfTerm(h.HighestEpoch.Term() + 1)
	}
	remembered := n > 0 && c.restored.add(h.ID) // a second drain in a row has the id of the first, and nothing in it
	for missing.n > c.unused() {
		c.evict() // slots that only the log holds
	}
	c.takeOver() // they are free for producers, and so for putBack
	c.bringing = h.ID
	c.putBack(missing, places, state, now)
	if remembered && missing.n == 0 {
		c.record(PassedOver, 0, missing.known[state(0).ID], now, false)
	}
	c.bringing = ""

	return places, nil
}

// maxSequence leaves room for as many tasks again as anybody will ever enqueue.
const maxSequence = 1<<63 - 1

// absent says which tasks of a snapshot are not here.
type absent struct {
	known map[TaskID]Slot // tasks that are here, of the snapshot or not
	here  []bool          // by task of the snapshot
	n     int             // how many are not
}

func (c *core) missing(h SnapshotHeader, n int, state func(int) *TaskState) (absent, error) {
	here := c.tasks(c.last)
	a := absent{known: make(map[TaskID]Slot, len(here)), here: make([]bool, n)}
	for _, r := range here {
		a.known[r.ID] = r.Slot
	}
	seen := make(map[TaskID]bool, n)
	for i := range n {
		s := state(i)
		if err := checkState(h, s); err != nil {
			return a, fmt.Errorf("tq: snapshot: task %d: %w", i, err)
		}
		if seen[s.ID] {
			return a, fmt.Errorf("tq: snapshot: task %d: %w: %v stands in it twice", i, ErrDuplicate, s.ID)
		}
		seen[s.ID] = true
		_, a.here[i] = a.known[s.ID]
		if !a.here[i] {
			a.n++
		}
	}

	return a, nil
}

// checkState says what is wrong with a task of a snapshot. What it lets pass
// cannot make an identity or an epoch come twice.
func checkState(h SnapshotHeader, s *TaskState) error {
	switch {
	case s.ID.Origin == 0 || s.ID.Sequence == 0 || s.ID.Sequence > maxSequence:
		return fmt.Errorf("identity %v is not a task's", s.ID)
	case s.State < Ready || s.State > Dead:
		return fmt.Errorf("state %d is unknown", s.State)
	case s.Attempt < 0 || s.Attempt > MaxAttempts:
		return fmt.Errorf("attempt %d is not in 0…%d", s.Attempt, MaxAttempts)
	case s.State == Leased && s.Attempt == 0:
		return fmt.Errorf("leased, but not one attempt")
	case s.Attempt == MaxAttempts && s.State < Leased:
		return fmt.Errorf("%v after %d attempts, which is all there may be", s.State, s.Attempt)
	case s.State == Delayed && s.AvailableAt.IsZero():
		return fmt.Errorf("delayed, but not until when")
	case s.LastToken != Token{} && s.LastToken.Task != s.ID:
		return fmt.Errorf("last token is of task %v", s.LastToken.Task)
	case s.LastToken.Attempt < 0 || s.LastToken.Attempt > MaxAttempts:
		return fmt.Errorf("attempt %d of the last token is not in 0…%d", s.LastToken.Attempt, MaxAttempts)
	case s.LastToken.Epoch > h.HighestEpoch:
		return fmt.Errorf("epoch %d of the last token is above the snapshot's highest, %d", s.LastToken.Epoch, h.HighestEpoch)
	}

	return nil
}

func (c *core) putBack(m absent, places []Slot, state func(int) *TaskState, now Instant) {
	c.log.whole = m.n
	left := m.n
	for i := range places {
		if m.here[i] {
			continue
		}
		place := c.mustAlloc() // the room was checked
		left--
		c.putBackOne(place, state(i), now, left > 0)
		places[i] = place
	}
	c.log.whole = 0
}

// putBackOne adds one task of a snapshot. One that was leased is released.
func (c *core) putBackOne(i Slot, t *TaskState, now Instant, more bool) {
	s := c.at(i)
	c.inherit(s, t)
	if c.index != nil {
		c.index[s.id] = i
	}
	if t.ID.Origin == c.opt.Incarnation {
		c.in.accepted = max(c.in.accepted, t.ID.Sequence)
	}
	var flags Flags
	switch t.State {
	case Leased:
		s.attempt--
		flags = AtHead
		c.waitFirst(i, s, now)
	case ReadyFirst:
		flags = AtHead
		c.waitFirst(i, s, c.since(t, now))
	case Ready:
		s.phase = phaseReady
		c.waitUntil(&c.due, i, s, c.since(t, now))
	case Delayed:
		s.phase = phaseDelayed
		c.waitUntil(&c.delayed, i, s, c.wallCapped(t.AvailableAt))
	case Dead:
		flags = DeadLetter
		c.bury(i, s)
	}
	if t.State != Dead {
		c.in.admitted++
		c.depth(1, 1)
	}
	c.count.Restored++
	c.record(Restored, flags, i, now, more)
}

// since is when a task of a snapshot became ready, which is not in the future.
func (c *core) since(t *TaskState, now Instant) Instant {
	if t.AvailableAt.IsZero() {
		return now
	}

	return min(c.wall(t.AvailableAt), now)
}

// restoredIDs remembers which snapshots were restored, the latest 4,096 of
// them, so that restoring one again changes nothing.
type restoredIDs struct {
	known map[string]bool
	order []string
}

const restoredKept = 4096

func (r *restoredIDs) has(id string) bool { return r.known[id] }

// add says whether it is remembered from now on, and was not before.
func (r *restoredIDs) add(id string) bool {
	if id == "" || len(id) > MaxSnapshotID || r.known[id] {
		return false
	}
	if r.known == nil {
		r.known = make(map[string]bool)
	}
	if len(r.order) == restoredKept {
		delete(r.known, r.order[0])
		r.order = r.order[1:]
	}
	r.known[id] = true
	r.order = append(r.order, id)

	return true
}

// list gives the ids, the latest one last.
func (r *restoredIDs) list() SnapshotIDs { return listOf(r.order) }

func listOf(ids []string) SnapshotIDs {
	var text []byte
	for _, id := range ids {
		text = append(jsonwire.AppendString(text, id), ',')
	}

	return SnapshotIDs(bytes.TrimSuffix(text, []byte(",")))
}

// set makes ids those of a list.
func (r *restoredIDs) set(ids SnapshotIDs) {
	*r = restoredIDs{}
	for _, id := range ids.All() {
		r.add(id)
	}
}

// MaxSnapshotID is how many bytes the id of a snapshot may have to be
// remembered.
const MaxSnapshotID = 256

// SnapshotIDs are ids of snapshots, in a form that can be compared: the elements
// of a JSON array. The zero value is none.
type SnapshotIDs string

// All gives the ids one by one.
func (s SnapshotIDs) All() []string {
	r := jsonwire.NewReader([]byte("[" + s + "]"))
	ids, _ := readIDs(&r, 0)

	return ids
}

// readIDs reads an array of ids.
func readIDs(r *jsonwire.Reader, i int) (ids []string, end int) {
	a := r.Array(i)
	for a.Next() {
		var id string
		a.Pos = r.String(a.Pos, &id)
		ids = append(ids, id)
	}

	return ids, a.Pos
}
