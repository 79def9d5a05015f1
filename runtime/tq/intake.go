package tq

import "sync/atomic"

// crossing is what producers and consumers tell each other without the other's
// lock.
type crossing struct {
	// unseen says that there are tasks in left. It is kept only while logging,
	// for consumers to look without the producers' lock.
	unseen atomic.Bool
	// attend asks the producer who leaves the next task to serve those on the
	// other side who wait for it. Consumers set it while they hold both locks
	// and left is empty; the producer clears it. So while it is set there is
	// nothing to take over.
	attend atomic.Bool
	_      apart
	// gone counts tasks that are not live any more. It is added to under mu and
	// after the fact, so admitted-gone, wherever it is read under pmu, is never
	// less than the live tasks: capacity is not exceeded.
	gone atomic.Int64
}

// apart keeps what one side writes out of the cache lines of the other.
type apart [64]byte

// intake is the producers' side of the core: free slots to fill, and tasks
// that were admitted and not taken over yet. The producers' lock guards it.
// What admits a task is here, what becomes of it is in the core; takeOver,
// under both locks, is the only way across.
type intake struct {
	free  Slot // head of the list of free slots, through next
	spare int  // their number
	used  Slot // slots below were handed out at least once
	grown Slot // slots below have storage; changed under both locks

	left     list    // admitted and not taken over, in that order
	later    bool    // some of them are delayed
	last     Instant // latest time seen on this side
	accepted uint64  // tasks, the sequence of the last one's identity
	admitted int64   // tasks that ever became live
	seen     int64   // what gone was when it was last read
	logging  bool    // the log is on; changed under both locks
}

func (in *intake) init() {
	in.free, in.left = noSlot, emptyList
}

// alloc takes a slot for a payload. It does not count against capacity yet.
func (c *core) alloc() (Slot, bool) {
	in := &c.in
	i := in.free
	switch {
	case i >= 0:
		in.free = c.at(i).next
		in.spare--
	case in.used < in.grown:
		i = in.used
		in.used++
	default:
		return noSlot, false
	}

	return i, true
}

// takeBack frees a slot that alloc gave and that was not admitted.
func (c *core) takeBack(i Slot) {
	c.store.Clear(i)
	if s := c.at(i); s.more {
		s.trace, s.more = "", false
	}
	c.at(i).next = c.in.free
	c.in.free = i
	c.in.spare++
}

// unused is how many slots are free, storage or not. It needs both locks.
func (c *core) unused() int { return c.in.spare + c.free.n + int(c.max-c.in.used) }

// few is with how many free slots producers get storage for more.
const few = chunkSize / 4

// provide makes alloc succeed, unless all slots are in use. It needs both
// locks, and what takeOver did.
func (c *core) provide() bool {
	in := &c.in
	if in.spare < few && in.grown < c.max {
		c.dir[in.grown>>chunkBits] = new([chunkSize]slot)
		for end := min(c.max, in.grown+chunkSize); in.grown < end; in.grown++ {
			c.store.Grow(in.grown)
		}
	}

	return in.spare > 0 || in.used < in.grown
}

// mustAlloc is alloc where unused has said that there is a slot. It needs both
// locks.
func (c *core) mustAlloc() Slot {
	i, ok := c.alloc()
	if !ok && c.provide() {
		i, ok = c.alloc()
	}
	if !ok {
		panic("tq: a slot was promised and there is none")
	}

	return i
}

// room says whether n more live tasks are within capacity.
func (c *core) room(n int) bool {
	in := &c.in
	if in.admitted-in.seen+int64(n) <= int64(c.opt.Capacity) {
		return true
	}
	in.seen = c.cross.gone.Load()

	return in.admitted-in.seen+int64(n) <= int64(c.opt.Capacity)
}

// admit makes the filled slot a task that is ready at due, or at once.
func (c *core) admit(i Slot, now, due Instant) TaskID {
	in := &c.in
	now = max(now, in.last)
	in.last = now
	in.accepted++
	in.admitted++
	s := c.at(i)
	s.id = TaskID{c.opt.Incarnation, in.accepted}
	s.enqueued, s.until, s.phase = now, now, phaseReady
	if due > now {
		s.until, s.phase = due, phaseDelayed
		in.later = true
	}
	if in.logging && in.left.n == 0 {
		c.cross.unseen.Store(true)
	}
	c.push(&in.left, i, s)
	c.depth(1, 1)

	return s.id
}

// takeOver brings what producers have left into the core, and free slots the
// other way. It needs both locks, and says whether anything was left.
func (c *core) takeOver() bool {
	taken := c.takeLeft()
	c.giveFree() // last: what was left may have pushed others out of the log

	return taken
}

// giveFree gives producers the slots that are free.
func (c *core) giveFree() {
	in := &c.in
	if c.free.n == 0 {
		return
	}
	c.at(c.free.tail).next = in.free
	in.free = c.free.head
	in.spare += c.free.n
	c.free = emptyList
}

func (c *core) takeLeft() bool {
	in := &c.in
	l := in.left
	if l.n == 0 {
		return false
	}
	in.left = emptyList
	if in.logging {
		c.cross.unseen.Store(false)
	}
	if in.logging || in.later || c.index != nil || c.ready.n > 0 && c.at(l.head).until < c.at(c.ready.tail).until {
		c.enterEach(l)
	} else {
		c.enterAll(l)
	}
	in.later = false
	in.last = c.last
	if c.meters != nil {
		c.measure(PendingDepth, noSlot, int64(c.waiting()))
		c.measure(ActiveDepth, noSlot, int64(c.leased.n))
	}

	return true
}

// enterAll makes a whole list ready at once. Nobody looks at its tasks before
// they are granted, and they are behind all that are ready.
func (c *core) enterAll(l list) {
	if c.ready.n > 0 {
		c.at(c.ready.tail).next = l.head
		c.at(l.head).prev = c.ready.tail
		l.head = c.ready.head
	}
	entered := l.n
	l.n += c.ready.n
	c.ready = l
	c.last = max(c.last, c.in.last)
	c.count.Enqueued += uint64(entered)
	c.log.seq += Sequence(entered)
}

func (c *core) enterEach(l list) {
	for i := l.head; i >= 0; {
		s := c.at(i)
		next := s.next
		now := c.clock(s.enqueued)
		s.enqueued = now
		if c.index != nil {
			c.index[s.id] = i
		}
		c.count.Enqueued++
		c.wait(i, s, now, s.until)
		c.record(Enqueued, 0, i, now, false)
		i = next
	}
}
