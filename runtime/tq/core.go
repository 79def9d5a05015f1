package tq

import "time"

// core is the lease state machine over slots: pure, time an argument, no lock
// of its own. Every method that changes something takes the time of the change
// and appends the events of the operation to the log. An earlier time than the
// latest seen is read as the latest.
//
// The consumers' lock guards it, but for the intake. Methods that add live
// tasks, show them all or take slots need both locks, and nothing left in the
// intake. A slot is guarded by the lock of the side it is on; its epoch is
// never written on the producers' side, so that a stale token is told from a
// good one by it, wherever the slot is now.
type core struct {
	slots
	opt      Options
	store    Store
	labelled Labelled  // the store, if its payloads have labels
	base     time.Time // wall clock and monotonic reading of Instant 0
	// watches follow the depth; nil if there are none. The slice is changed
	// under both locks, and told of tasks under that of the side they are on.
	watches []*DepthWatch
	meters  []*Meter // nil if nobody measures; changed under both locks
	cross   crossing
	_       apart
	in      intake
	_       apart

	free list    // free slots that producers have not got yet, through next
	last Instant // latest time seen

	count Counters
	epoch Epoch // of the last grant

	first    heap // ready before all others, by sequence
	ready    list // in the order of until, the time they became ready
	due      heap // were delayed and are ready, as delayed
	delayed  heap // by until, then by the order they were delayed
	delays   uint64
	leased   list   // in the order of until, the deadline; n counts kept, too
	kept     list   // leases of an earlier owner, in the order of until; n does not count
	dead     list   // in the order they died
	deaths   uint64 // number of the last dead letter
	purgedTo uint64 // number of the last one that had to make room
	lately   struct {
		at   Instant
		time time.Time
	}
	overdue []*TaskError // see expired; by attempt

	log      log
	index    map[TaskID]Slot // nil until Resume needs it
	restored restoredIDs
	bringing string    // id of the snapshot that is being restored
	leaving  []TaskRef // drained, payloads not copied yet
}

func (c *core) init(o Options, base time.Time, s Store) {
	c.opt, c.base, c.store = o, base, s
	c.labelled, _ = s.(Labelled)
	c.epoch = firstOfTerm(1)
	c.ready, c.leased, c.kept, c.dead = emptyList, emptyList, emptyList, emptyList
	c.slots.init(o.slots())
	c.free = emptyList
	c.lately.time = base
	c.in.init()
	c.log.init(o.LogEntries, o.LogBytes)
}

func (c *core) clock(now Instant) Instant {
	c.last = max(c.last, now)

	return c.last
}

func (c *core) time(i Instant) time.Time { return c.base.Add(i.duration()) }

// enqueuedAt is time of when a task was enqueued: often the same as that of the
// one before.
func (c *core) enqueuedAt(s *slot) time.Time {
	if s.enqueued != c.lately.at {
		c.lately.at, c.lately.time = s.enqueued, c.time(s.enqueued)
	}

	return c.lately.time
}

// wall is the instant of a time that came from elsewhere. It leaves monotonic
// readings out, since the clocks of two queues do not tick together by them.
func (c *core) wall(t time.Time) Instant { return Instant(t.Round(0).Sub(c.base.Round(0))) }

// instant is the earliest tick that is not before t, and before never.
func (c *core) instant(t time.Time) Instant {
	i := min(Instant(t.Sub(c.base)), never/tick*tick-tick) // Sub saturates

	return i + (tick-i%tick)%tick
}

// discard frees a slot whose task is gone and no longer shown by the log.
func (c *core) discard(i Slot, s *slot) {
	s.epoch, s.attempt, s.granted, s.phase = 0, 0, 0, phaseFree
	if s.more {
		s.err, s.trace, s.owner, s.more = nil, "", "", false
	}
	c.store.Clear(i)
	s.next = c.free.head
	if c.free.n == 0 {
		c.free.tail = i
	}
	c.free.head = i
	c.free.n++
}

// leave counts live tasks out that were leased.
func (c *core) leave(n int) {
	c.cross.gone.Add(int64(n))
	c.depth(0, -n)
}

// wait puts a live task in line: delayed until due, or ready now.
func (c *core) wait(i Slot, s *slot, now, due Instant) {
	if due > now {
		s.phase = phaseDelayed
		c.waitUntil(&c.delayed, i, s, due)
		return
	}
	s.phase, s.until = phaseReady, now
	c.push(&c.ready, i, s)
}

// waitUntil puts a task into delayed or due, as of the time it is ready at.
func (c *core) waitUntil(h *heap, i Slot, s *slot, at Instant) {
	s.until = at
	c.delays++
	h.push(heapEntry{int64(at), c.delays, i})
}

// waitFirst puts a live task before all that are merely ready.
func (c *core) waitFirst(i Slot, s *slot, since Instant) {
	s.phase, s.until = phaseFirst, since
	c.first.push(heapEntry{int64(s.id.Sequence), uint64(s.id.Origin), i})
}

// grantable says whether a task is ready at now.
func (c *core) grantable(now Instant) bool {
	return len(c.first) > 0 || c.ready.n > 0 || c.ripe(now) != nil
}

// ripe is the heap whose top has been ready longest of those that were
// delayed, nil if none is ready at now. It need not have been moved to due: a
// task is ready from its due time.
func (c *core) ripe(now Instant) *heap {
	h := &c.due
	if len(c.delayed) > 0 && Instant(c.delayed[0].key1) <= now && (len(c.due) == 0 || c.delayed[0].before(c.due[0])) {
		h = &c.delayed
	}
	if len(*h) == 0 {
		return nil
	}

	return h
}

// next takes the task that is next out of its line; noSlot if none is ready.
func (c *core) next(now Instant) Slot {
	if len(c.first)+len(c.due)+len(c.delayed) == 0 {
		return c.shift(&c.ready)
	}

	return c.nextOfAll(now)
}

func (c *core) nextOfAll(now Instant) Slot {
	if len(c.first) > 0 {
		return c.first.pop()
	}
	i, ripe := c.ready.head, c.ripe(now)
	if ripe != nil && (i < 0 || Instant((*ripe)[0].key1) <= c.at(i).until) {
		return ripe.pop()
	}

	return c.shift(&c.ready)
}

// ripen moves up to limit delayed tasks whose time has come to the ready ones,
// and says how many it moved.
func (c *core) ripen(now Instant, limit int) (n int) {
	for ; n < limit && len(c.delayed) > 0 && Instant(c.delayed[0].key1) <= now; n++ {
		e := c.delayed[0]
		c.delayed.pop()
		c.at(e.slot).phase = phaseReady
		c.due.push(e)
	}

	return n
}

// grant leases the task that is next; noSlot if none is ready.
func (c *core) grant(now Instant, owner string) (Slot, error) {
	now = c.clock(now)
	if c.epoch&grantMask == grantMask && c.grantable(now) {
		return noSlot, ErrExhausted
	}
	i := c.next(now)
	if i < 0 {
		return noSlot, ErrEmpty
	}
	s := c.at(i)
	c.epoch++
	if c.meters != nil {
		c.measureGrant(i, s, now)
	}
	s.epoch, s.granter = c.epoch, c.opt.Incarnation
	if s.more || owner != "" {
		s.owner, s.more = owner, true
	}
	s.attempt++
	s.granted = int32(s.attempt)
	s.phase, s.until = phaseLeased, now+Instant(c.opt.Lease)
	c.push(&c.leased, i, s)
	c.depth(-1, 0)
	c.count.Granted++
	c.record(LeaseGranted, 0, i, now, false)

	return i, nil
}

// holder is the slot of a token that still holds at now, else nil.
func (c *core) holder(i Slot, t *Token, now Instant) *slot {
	s := c.find(i)
	if s == nil || s.epoch != t.Epoch || t.Epoch == 0 || s.phase != phaseLeased || now >= s.until ||
		s.id != t.Task || int(s.granted) != t.Attempt || s.granter != t.Incarnation {
		return nil
	}

	return s
}

// complete ends a task; leave follows.
func (c *core) complete(i Slot, t *Token, now Instant) error {
	now = c.clock(now)
	s := c.holder(i, t, now)
	if s == nil {
		return ErrLeaseLost
	}
	c.unlease(i, s, now)
	c.count.Completed++
	if c.meters != nil {
		c.measure(DeliveryAttempts, i, int64(s.attempt))
	}
	c.record(Completed, 0, i, now, false)
	c.gone(i, s, c.log.seq)

	return nil
}

func (c *core) heartbeat(i Slot, t *Token, now Instant) (Instant, error) {
	now = c.clock(now)
	s := c.holder(i, t, now)
	if s == nil {
		return 0, ErrLeaseLost
	}
	until := max(now+Instant(c.opt.Lease), s.until) // one of an earlier owner may have more than that left
	if c.meters != nil {
		c.measure(HeartbeatExtension, i, int64(until-s.until))
	}
	if until > s.until {
		s.until = until
		if c.leased.tail != i {
			c.endLease(i, s)
			c.push(&c.leased, i, s)
		}
	}
	c.count.Heartbeats++
	c.record(Heartbeat, 0, i, now, false)

	return s.until, nil
}

func (c *core) fail(i Slot, t *Token, cause *TaskError, now Instant) error {
	now = c.clock(now)
	s := c.holder(i, t, now)
	if s == nil {
		return ErrLeaseLost
	}
	s.fault(cause)
	c.count.Failed++
	c.unlease(i, s, now)
	c.retry(Failed, 0, i, s, now)

	return nil
}

func (c *core) deadLetter(i Slot, t *Token, cause *TaskError, now Instant) error {
	now = c.clock(now)
	s := c.holder(i, t, now)
	if s == nil {
		return ErrLeaseLost
	}
	s.fault(cause)
	c.count.Failed++
	c.unlease(i, s, now)
	c.die(Failed, 0, i, s, now)

	return nil
}

// endLease takes a lease out of its list.
func (c *core) endLease(i Slot, s *slot) {
	switch {
	case s.prev >= 0:
		c.at(s.prev).next = s.next
	case c.leased.head == i:
		c.leased.head = s.next
	default:
		c.kept.head = s.next
	}
	switch {
	case s.next >= 0:
		c.at(s.next).prev = s.prev
	case c.leased.tail == i:
		c.leased.tail = s.prev
	default:
		c.kept.tail = s.prev
	}
	c.leased.n--
}

// nextLease is the lease that ends next; noSlot if there is none.
func (c *core) nextLease() Slot {
	i, k := c.leased.head, c.kept.head
	if k >= 0 && (i < 0 || c.at(k).until <= c.at(i).until) {
		return k
	}

	return i
}

// release gives the task back as if it had not been granted, but for its epoch.
func (c *core) release(i Slot, t *Token, now Instant) error {
	now = c.clock(now)
	s := c.holder(i, t, now)
	if s == nil {
		return ErrLeaseLost
	}
	c.unlease(i, s, now)
	s.attempt--
	c.count.Released++
	c.waitFirst(i, s, now)
	c.depth(1, 0)
	c.record(Released, 0, i, now, false)

	return nil
}

// expire ends up to limit leases whose deadline has passed and says how many.
func (c *core) expire(now Instant, limit int) (n int) {
	now = c.clock(now)
	for ; n < limit && c.leased.n > 0; n++ {
		i := c.nextLease()
		s := c.at(i)
		if s.until > now {
			break
		}
		s.fault(c.expired(int(s.attempt)))
		c.count.Expired++
		c.unlease(i, s, now)
		c.retry(LeaseExpired, FromExpiration, i, s, now)
	}

	return n
}

// retry ends an attempt that kind says: back in line after the backoff, or
// dead after the last one.
func (c *core) retry(kind Kind, flags Flags, i Slot, s *slot, now Instant) {
	if int(s.attempt) >= c.opt.Attempts {
		c.die(kind, flags, i, s, now)
		return
	}
	c.record(kind, flags, i, now, true)
	c.count.Requeued++
	c.wait(i, s, now, now+c.opt.Backoff.delay(s.id, int(s.attempt)))
	c.depth(1, 0)
	c.record(Requeued, flags, i, now, false)
}

func (c *core) die(kind Kind, flags Flags, i Slot, s *slot, now Instant) {
	flags |= DeadLetter
	c.record(kind, flags, i, now, true)
	c.leave(1)
	c.count.DeadLettered++
	if c.meters != nil {
		c.measure(DeliveryAttempts, i, int64(s.attempt))
	}
	c.bury(i, s)
	c.record(DeadLettered, flags, i, now, c.dead.n > c.opt.Dead)
	for c.dead.n > c.opt.Dead {
		c.purgedTo = c.at(c.dead.head).number()
		c.purge(c.dead.head, now, c.dead.n > c.opt.Dead+1)
	}
}

// bury makes the task in slot i the latest dead letter.
func (c *core) bury(i Slot, s *slot) {
	c.deaths++
	s.phase, s.figure = phaseDead, int64(c.deaths)
	c.push(&c.dead, i, s)
}

func (c *core) purge(i Slot, now Instant, more bool) {
	s := c.at(i)
	c.unlink(&c.dead, i, s)
	c.count.Purged++
	c.record(Purged, 0, i, now, more)
	c.gone(i, s, c.log.seq)
}

// redrive makes a dead task ready again, with all its attempts.
func (c *core) redrive(id TaskID, now Instant) error {
	now = c.clock(now)
	i := c.deadSlot(id)
	switch {
	case i < 0:
		return ErrUnknownTask
	case !c.room(1):
		return ErrFull
	}
	s := c.at(i)
	c.unlink(&c.dead, i, s)
	c.in.admitted++
	c.count.Redriven++
	s.attempt = 0
	c.wait(i, s, now, now)
	c.depth(1, 1)
	c.record(Redriven, 0, i, now, false)

	return nil
}

// deadSlot walks the dead letters, of which there is a bounded number; looking
// one up is an operator's act.
func (c *core) deadSlot(id TaskID) Slot {
	for i := c.dead.head; i >= 0; i = c.at(i).next {
		if c.at(i).id == id {
			return i
		}
	}

	return noSlot
}

// deadAfter is the oldest dead letter whose number is above after. Readers stand
// near the newest, so it looks from there.
func (c *core) deadAfter(after uint64) Slot {
	if i := c.dead.head; i < 0 || c.at(i).number() > after {
		return i
	}
	found := noSlot
	for i := c.dead.tail; i >= 0 && c.at(i).number() > after; i = c.at(i).prev {
		found = i
	}

	return found
}

// gone ends a task, whose last event has the number last. Its slot stays as
// long as the log shows that.
func (c *core) gone(i Slot, s *slot, last Sequence) {
	if c.index != nil {
		delete(c.index, s.id)
	}
	if !c.log.on() {
		c.discard(i, s)
		return
	}
	c.log.at(last).last = true
	s.phase = phaseHeld
	s.figure = int64(c.store.Size(i))
	c.log.held++
	c.log.bytes += s.figure
	c.trimBytes()
}

// buildIndex is what lookup needs, once. It needs both locks.
func (c *core) buildIndex() {
	c.index = make(map[TaskID]Slot)
	for i := range c.in.used {
		if p := c.at(i).phase; p >= phaseReady && p <= phaseDead {
			c.index[c.at(i).id] = i
		}
	}
}

// lookup is the slot of a live task.
func (c *core) lookup(id TaskID) Slot {
	if i, ok := c.index[id]; ok {
		return i
	}

	return noSlot
}

// whyLost says what ended the lease of a token that holds no more. i is where
// its task is, noSlot if it is nowhere.
func (c *core) whyLost(i Slot, t *Token) error {
	s := c.find(i)
	switch {
	case s == nil:
		return errTaskUnknown
	case s.phase == phaseDead:
		return errDeadLetter
	case s.epoch != t.Epoch || t.Epoch == 0 || int(s.granted) != t.Attempt || s.granter != t.Incarnation:
		return ErrLeaseLost // somebody else was granted the task
	case s.phase == phaseFirst:
		return ErrLeaseLost // it was released
	case s.phase == phaseLeased, s.more && s.err != nil && s.err.Code == CodeLeaseExpired:
		return errExpired
	default:
		return ErrLeaseLost // it was settled
	}
}

// wake is when the core next has something to do by itself; never if it has not.
func (c *core) wake() Instant {
	at := never
	if c.leased.n > 0 {
		at = c.at(c.nextLease()).until
	}
	if len(c.delayed) > 0 {
		at = min(at, Instant(c.delayed[0].key1))
	}

	return at
}

const never = Instant(1<<63 - 1)

// oldest is since when a task has been ready, for the one that has been longest.
func (c *core) oldest(now Instant) (Instant, bool) {
	at := never
	for _, e := range c.first { // they are in another order
		at = min(at, c.at(e.slot).until)
	}
	if c.ready.n > 0 {
		at = min(at, c.at(c.ready.head).until)
	}
	if h := c.ripe(now); h != nil {
		at = min(at, Instant((*h)[0].key1))
	}

	return at, at != never
}

// expired is why an attempt failed whose lease expired: the same for all tasks.
func (c *core) expired(attempt int) *TaskError {
	for len(c.overdue) < attempt {
		c.overdue = append(c.overdue, &TaskError{
			Message:  "Lease expired without heartbeat.",
			Code:     CodeLeaseExpired,
			Metadata: map[string]Plain{"attempt": PlainInt(int64(len(c.overdue) + 1))},
		})
	}

	return c.overdue[attempt-1]
}
