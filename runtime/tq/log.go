package tq

import (
	"fmt"
	"time"
)

// log keeps the latest records for readers, in a ring. Sequences count whether
// or not anybody reads; records are kept only while somebody does.
type log struct {
	ring    []record // empty while nobody reads; its length is a power of two
	first   Sequence // oldest record kept; seq+1 if there is none; of no meaning while the log is off
	seq     Sequence // last one appended
	limit   int      // records kept
	held    int      // slots of tasks that are gone and still shown
	bytes   int64    // payload bytes of tasks that are gone and still shown
	maxByte int64
	whole   int // events of the drain or restore under way, which stay together

	// What is being read stays as it is: nobody reads records below pinned, and
	// unpin waits until nobody reads the record of a sequence any more.
	pinned Sequence
	unpin  func(Sequence) (pinned Sequence)
}

// record is an event in terms of the core: it refers to the slot, which
// outlives it, for everything that is the same in all events of a task.
type record struct {
	at      Instant
	until   Instant // deadline of a lease, or when a task is ready; never: not said
	epoch   Epoch
	granter Incarnation
	owner   string // of the lease; on Restored and PassedOver, the id of the snapshot
	err     *TaskError
	slot    Slot
	attempt int16  // as events number it
	granted int16  // of the token
	term    uint16 // on Restored
	kind    Kind
	flags   Flags
	more    bool
	last    bool // of its task, whose slot goes with it
}

func (l *log) init(entries int, bytes int64) {
	l.limit, l.maxByte = entries, bytes
	l.pinned = noSequence
}

// noSequence is above all there will be.
const noSequence = Sequence(1<<64 - 1)

func (l *log) on() bool { return len(l.ring) > 0 }

func (l *log) len() int { return int(l.seq + 1 - l.first) }

func (l *log) at(s Sequence) *record { return inRing(l.ring, s) }

func inRing(ring []record, s Sequence) *record { return &ring[uint64(s)&uint64(len(ring)-1)] }

// resize makes the ring take n records, which are no fewer than it has.
func (l *log) resize(n int) {
	size := 1
	for size < n {
		size *= 2
	}
	old := *l
	l.ring = make([]record, size)
	for s := old.first; s <= old.seq; s++ {
		*l.at(s) = *old.at(s)
	}
}

// startLog keeps records from now on. It needs both locks, as does stopLog.
func (c *core) startLog() {
	if !c.log.on() {
		c.log.first = c.log.seq + 1
		c.log.resize(min(c.log.limit, 64))
		c.in.logging = true
	}
}

// stopLog drops all records and frees the slots that only they held.
func (c *core) stopLog() {
	for c.log.len() > 0 {
		c.evict()
	}
	c.log.ring = nil
	c.in.logging = false
}

// gap is ErrGap with what was asked for and what there is.
func (l *log) gap(after Sequence) error {
	switch {
	case after > l.seq:
		return fmt.Errorf("%w: those after %d were asked for, and the last one is %d", ErrGap, after, l.seq)
	case !l.on() || l.len() == 0:
		return fmt.Errorf("%w: those after %d were asked for, and of %d none is", ErrGap, after, l.seq)
	default:
		return fmt.Errorf("%w: those after %d were asked for, and only %d to %d are", ErrGap, after, l.first, l.seq)
	}
}

// evict drops the oldest record, and the slot it was the last to show.
func (c *core) evict() {
	seq := c.log.first
	if seq >= c.log.pinned {
		c.log.pinned = c.log.unpin(seq)
	}
	r := c.log.at(seq)
	r.err, r.owner = nil, ""
	c.log.first++
	if r.last {
		s := c.at(r.slot)
		c.log.held--
		c.log.bytes -= s.figure
		c.discard(r.slot, s)
	}
}

// trimBytes keeps payloads that only the log holds within the bound.
func (c *core) trimBytes() {
	for c.log.bytes > c.log.maxByte && c.log.len() > 0 {
		c.evict()
	}
}

// makeRoom frees the place of the next record. The events of one drain or
// restore do not push each other out.
func (c *core) makeRoom() {
	for limit := max(c.log.limit, c.log.whole); c.log.len() >= limit; {
		c.evict()
	}
	switch {
	case c.log.len() == len(c.log.ring):
		c.log.resize(2 * len(c.log.ring))
	case c.log.whole == 0 && len(c.log.ring) > 4*c.log.limit:
		c.log.resize(c.log.limit + 1) // a drain had made it that long
	}
}

// record appends one event about the task in slot i, or counts it if nobody
// reads.
func (c *core) record(k Kind, f Flags, i Slot, now Instant, more bool) {
	if c.log.on() {
		c.append(k, f, i, now, more)
	} else {
		c.log.seq++
	}
}

func (c *core) append(k Kind, f Flags, i Slot, now Instant, more bool) {
	c.makeRoom()
	s := c.at(i)
	c.log.seq++
	r := c.log.at(c.log.seq)
	*r = record{} // and then one by one: a literal would be made elsewhere and copied
	r.at, r.until, r.slot, r.attempt = now, never, i, s.attempt
	r.kind, r.flags, r.more = k, f, more
	switch k {
	case LeaseGranted, Heartbeat:
		r.until = s.until
		r.grantOf(s)
	case Completed:
		r.grantOf(s)
	case Released:
		r.attempt = int16(s.granted)
		r.grantOf(s)
	case Failed, LeaseExpired, DeadLettered:
		r.err = s.err
		r.grantOf(s)
	case Drained, Restored:
		r.attempt++
		r.term = uint16(c.epoch.Term())
		r.err = s.err
		r.grantOf(s)
		if s.phase == phaseReady || s.phase == phaseFirst || s.phase == phaseDelayed {
			r.until = s.until
		}
		if k == Restored {
			r.owner = c.bringing
		}
	case PassedOver:
		r.owner = c.bringing
	case Enqueued, Requeued, Redriven:
		r.attempt++
		r.err = s.err
		if s.phase == phaseDelayed {
			r.until = s.until
		}
	}
}

func (r *record) grantOf(s *slot) {
	r.epoch, r.granter, r.owner, r.granted = s.epoch, s.granter, s.owner, int16(s.granted)
}

// export gives a record in terms of the outside, in place: it is large. It
// needs no lock while the record is pinned: of its slot it reads what no task
// changes.
func (c *core) export(r *record, seq Sequence, out *Record) {
	s := c.at(r.slot)
	out.Sequence, out.Kind, out.Flags, out.More = seq, r.kind, r.flags, r.more
	out.Slot, out.Task, out.Attempt = r.slot, s.id, int(r.attempt)
	out.At, out.EnqueuedAt = c.time(r.at), c.time(s.enqueued)
	out.Owner, out.Err, out.TraceParent = r.owner, r.err, s.trace
	out.Token, out.Deadline, out.AvailableAt = Token{}, time.Time{}, time.Time{}
	if r.epoch != 0 {
		out.Token.Task, out.Token.Attempt = s.id, int(r.granted)
		out.Token.Incarnation, out.Token.Epoch = r.granter, r.epoch
	}
	switch r.kind {
	case LeaseGranted, Heartbeat:
		out.Deadline = c.time(r.until)
	case Enqueued, Requeued, Restored:
		if r.until != never {
			out.AvailableAt = c.time(r.until)
		}
	}
	out.Term, out.Snapshot = 0, ""
	if r.kind == Restored || r.kind == PassedOver {
		out.Term, out.Snapshot, out.Owner = uint64(r.term), r.owner, ""
	}
}
