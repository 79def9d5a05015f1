package tq

// A slot is where a task lives in the core, from the moment its payload is put
// until nothing refers to it any more. It is two cache lines, of which a task
// that is merely done needs the first: a slot goes from one processor to
// another and back, and that is what costs most.
type slot struct {
	until    Instant // leased: deadline; delayed: due; ready: since when
	enqueued Instant
	id       TaskID
	epoch    Epoch       // of the last grant; 0 if there was none
	granter  Incarnation // of the last grant
	next     Slot
	prev     Slot
	granted  int32 // attempt of the last grant; above attempt once released
	attempt  int16 // grants that count
	phase    phase
	more     bool // err, trace or owner may be set

	err   *TaskError // why the last attempt failed
	trace string     // of whoever enqueued it; stays as long as the task does
	owner string     // of the last grant

	// figure belongs to the phase: leased, it is the Instant of the grant
	// numbered leasedBy, if that was measured; dead, the number of the dead
	// letter; held, the payload's bytes.
	figure   int64
	leasedBy Epoch

	_ [8]byte // so that no two slots share a line
}

// fault notes why an attempt failed.
func (s *slot) fault(err *TaskError) { s.err, s.more = err, true }

// from notes the trace a task was enqueued in.
func (s *slot) from(trace string) { s.trace, s.more = trace, true }

// number is that of a dead letter.
func (s *slot) number() uint64 { return uint64(s.figure) }

// phase is the state of a slot. Those of tasks come first, in the order of State.
type phase uint8

const (
	phaseFree    = phase(0)
	phaseReady   = phase(Ready)
	phaseFirst   = phase(ReadyFirst)
	phaseDelayed = phase(Delayed)
	phaseLeased  = phase(Leased)
	phaseDead    = phase(Dead)
	phaseHeld    = phaseDead + 1 // gone, but the log still shows it
)

func (s *slot) token() Token {
	if s.epoch == 0 {
		return Token{}
	}

	return Token{Task: s.id, Attempt: int(s.granted), Incarnation: s.granter, Epoch: s.epoch}
}

const (
	chunkBits = 8
	chunkSize = 1 << chunkBits
)

// slots is the storage: chunks under a directory of fixed size, so that a slot
// never moves.
type slots struct {
	dir []*[chunkSize]slot // changed under both locks
	max Slot
}

func (t *slots) init(limit int) {
	t.dir = make([]*[chunkSize]slot, (limit+chunkSize-1)>>chunkBits)
	t.max = Slot(limit)
}

func (t *slots) at(i Slot) *slot { return &t.dir[uint32(i)>>chunkBits][uint32(i)&(chunkSize-1)] }

// find is at for a slot that came from outside.
func (t *slots) find(i Slot) *slot {
	if n := uint32(i) >> chunkBits; int(n) < len(t.dir) && t.dir[n] != nil { // a negative one is beyond all
		return &t.dir[n][uint32(i)&(chunkSize-1)]
	}

	return nil
}

// list is a doubly linked list through next and prev. What the head's prev says
// has no meaning, so taking the head out touches no other slot.
type list struct {
	head, tail Slot
	n          int
}

var emptyList = list{head: noSlot, tail: noSlot}

func (t *slots) push(l *list, i Slot, s *slot) {
	s.next, s.prev = noSlot, l.tail
	if l.tail >= 0 {
		t.at(l.tail).next = i
	} else {
		l.head = i
	}
	l.tail = i
	l.n++
}

// shift takes the head out, which is noSlot if the list is empty.
func (t *slots) shift(l *list) Slot {
	i := l.head
	if i < 0 {
		return i
	}
	l.n--
	l.head = t.at(i).next
	if l.n == 0 {
		l.tail = noSlot
	}

	return i
}

func (t *slots) unlink(l *list, i Slot, s *slot) {
	l.n--
	switch {
	case l.n == 0:
		l.head, l.tail = noSlot, noSlot
	case i == l.head:
		l.head = s.next
	case i == l.tail:
		l.tail = s.prev
		t.at(s.prev).next = noSlot
	default:
		t.at(s.prev).next = s.next
		t.at(s.next).prev = s.prev
	}
}
