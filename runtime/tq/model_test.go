package tq_test

import (
	"cmp"
	"slices"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// model is the operation table of the queue, written the slow and obvious way:
// one slice of tasks, searched and sorted whenever something is asked of it.
// It shares no code with the package under test, only its plain values. Every
// verb takes the time since the queue opened and says what the queue must
// answer; events collects what the log must hold.
type model struct {
	capacity, attempts, dead int
	lease                    time.Duration
	backoff                  func(attempt int) time.Duration
	origin                   tq.Incarnation

	tasks           []*mTask
	turns           int      // how often a task was placed
	accepted        uint64   // sequence of the last identity given
	epoch           tq.Epoch // every grant exceeds this one
	drained, closed bool
	paused          bool
	restored        map[string]bool // ids of snapshots
	trace           string          // that producers are in

	events []mEvent
	count  tq.Counters
}

// mTask is a task and, in state, until and turn, its place in its line.
type mTask struct {
	id       tq.TaskID
	state    tq.State
	until    time.Duration // leased: deadline; delayed: due; otherwise: since when
	turn     int           // breaks ties of until
	attempt  int           // grants that count
	enqueued time.Duration
	owner    string
	err      string // message of the last error
	last     tq.Token
	trace    string // it was enqueued in
}

// mEvent is a record; its place in the events is its sequence.
type mEvent struct {
	Kind                              tq.Kind
	Flags                             tq.Flags
	More                              bool
	Task                              tq.TaskID
	Attempt                           int
	At, Enqueued, Available, Deadline time.Duration
	Token                             tq.Token
	Owner, Err, Trace                 string
}

// mFields says what the events of a kind carry: the upcoming attempt's number
// instead of the last one's (+), the deadline (d), since or from when the task
// is ready (a), token and owner of the grant (t), the error (e).
var mFields = map[tq.Kind]string{
	tq.Enqueued: "+a", tq.LeaseGranted: "dt", tq.Heartbeat: "dt", tq.Completed: "t", tq.Failed: "te",
	tq.Requeued: "+ae", tq.DeadLettered: "te", tq.LeaseExpired: "te", tq.Drained: "+te", tq.Released: "t",
	tq.Restored: "+ate", tq.Redriven: "+e", tq.Purged: "", tq.PassedOver: "",
}

// mSnapshot is what a drain took out, in the order in which it must come out.
type mSnapshot struct {
	id    string
	epoch tq.Epoch
	tasks []mTask
}

// in lists the tasks in one of the states, next first. Due tasks are ready.
func (m *model) in(now time.Duration, states ...tq.State) []*mTask {
	var in []*mTask
	for _, t := range m.tasks {
		if slices.Contains(states, t.stateAt(now)) {
			in = append(in, t)
		}
	}
	slices.SortFunc(in, func(a, b *mTask) int {
		first, also := a.state == tq.ReadyFirst, b.state == tq.ReadyFirst
		if first && also {
			return cmp.Or(cmp.Compare(a.id.Sequence, b.id.Sequence), cmp.Compare(a.id.Origin, b.id.Origin))
		}

		return cmp.Or(-cmp.Compare(b2i(first), b2i(also)), cmp.Compare(a.until, b.until),
			-cmp.Compare(b2i(a.state == tq.Delayed), b2i(b.state == tq.Delayed)), cmp.Compare(a.turn, b.turn))
	})

	return in
}

func b2i(b bool) int { return map[bool]int{true: 1}[b] }

func (t *mTask) stateAt(now time.Duration) tq.State {
	if t.state == tq.Delayed && t.until <= now {
		return tq.Ready
	}

	return t.state
}

// deadLetters lists the dead, first to die first.
func (m *model) deadLetters() []*mTask {
	dead := m.in(0, tq.Dead)
	slices.SortFunc(dead, func(a, b *mTask) int { return cmp.Compare(a.turn, b.turn) })

	return dead
}

func (m *model) live(now time.Duration) int { return len(m.tasks) - len(m.in(now, tq.Dead)) }

func (m *model) find(id tq.TaskID) *mTask {
	if i := slices.IndexFunc(m.tasks, func(t *mTask) bool { return t.id == id }); i >= 0 {
		return m.tasks[i]
	}

	return nil
}

func (m *model) remove(t *mTask) {
	m.tasks = slices.DeleteFunc(m.tasks, func(o *mTask) bool { return o == t })
}

// place puts t in the line of a state.
func (m *model) place(t *mTask, state tq.State, until time.Duration) {
	m.turns++
	t.state, t.until, t.turn = state, until, m.turns
}

// wait makes t delayed, or ready now unless due is still to come.
func (m *model) wait(t *mTask, now, due time.Duration) {
	if due > now {
		m.place(t, tq.Delayed, due)
	} else {
		m.place(t, tq.Ready, now)
	}
}

// emit counts and appends an event.
func (m *model) emit(now time.Duration, count *uint64, kind tq.Kind, flags tq.Flags, t *mTask, more bool) {
	*count++
	e := mEvent{
		Kind: kind, Flags: flags, More: more, Task: t.id, Attempt: t.attempt, At: now, Enqueued: t.enqueued,
		Trace: t.trace,
	}
	for _, field := range mFields[kind] {
		switch {
		case field == '+':
			e.Attempt++
		case field == 'd':
			e.Deadline = t.until
		case field == 'a' && (t.state == tq.Delayed || kind == tq.Restored && t.state != tq.Dead):
			e.Available = t.until
		case field == 't':
			e.Token, e.Owner = t.last, t.owner
		case field == 'e':
			e.Err = t.err
		}
	}
	m.events = append(m.events, e)
}

// shut is what producers and workers are told, if not nil.
func (m *model) shut() error {
	switch {
	case m.closed:
		return tq.ErrClosed
	case m.drained:
		return tq.ErrDrained
	}

	return nil
}

func (m *model) enqueue(now, due time.Duration) (tq.TaskID, error) {
	switch {
	case m.shut() != nil:
		return tq.TaskID{}, m.shut()
	case m.live(now) >= m.capacity:
		return tq.TaskID{}, tq.ErrFull
	}
	m.accepted++
	t := &mTask{id: tq.TaskID{Origin: m.origin, Sequence: m.accepted}, enqueued: now, trace: m.trace}
	m.tasks = append(m.tasks, t)
	m.wait(t, now, due)
	m.emit(now, &m.count.Enqueued, tq.Enqueued, 0, t, false)

	return t.id, nil
}

// grant leases the next task. The epoch is the queue's to choose, if it rises.
func (m *model) grant(now time.Duration, owner string, epoch tq.Epoch) (*mTask, error) {
	ready := m.in(now, tq.Ready, tq.ReadyFirst)
	switch {
	case m.shut() != nil:
		return nil, m.shut()
	case m.paused || len(ready) == 0:
		return nil, tq.ErrEmpty
	}
	t := ready[0]
	m.place(t, tq.Leased, now+m.lease)
	t.attempt++
	m.epoch = max(epoch, m.epoch+1)
	t.owner, t.last = owner, tq.Token{Task: t.id, Attempt: t.attempt, Incarnation: m.origin, Epoch: m.epoch}
	m.emit(now, &m.count.Granted, tq.LeaseGranted, 0, t, false)

	return t, nil
}

// holds finds the task whose lease the token is.
func (m *model) holds(now time.Duration, token tq.Token) *mTask {
	if t := m.find(token.Task); t != nil && t.state == tq.Leased && t.last == token && now < t.until {
		return t
	}

	return nil
}

// settle ends a lease as the verb says. Nothing is a heartbeat.
func (m *model) settle(now time.Duration, token tq.Token, verb tq.Verb, message string) error {
	t := m.holds(now, token)
	if t == nil {
		return tq.ErrLeaseLost
	}
	switch verb {
	case tq.Complete:
		m.remove(t)
		m.emit(now, &m.count.Completed, tq.Completed, 0, t, false)
	case tq.Release:
		m.emit(now, &m.count.Released, tq.Released, 0, t, false)
		m.place(t, tq.ReadyFirst, now)
		t.attempt--
	case tq.Fail, tq.MoveToDead:
		m.end(now, t, &m.count.Failed, tq.Failed, 0, message, verb == tq.MoveToDead)
	default:
		if until := now + m.lease; until > t.until { // else it keeps its place
			m.place(t, tq.Leased, until)
		}
		m.emit(now, &m.count.Heartbeats, tq.Heartbeat, 0, t, false)
	}

	return nil
}

// expire ends the leases whose deadline has passed, earliest first, up to limit.
func (m *model) expire(now time.Duration, limit int) (n int) {
	for _, t := range m.in(now, tq.Leased) {
		if t.until <= now && n < limit {
			m.end(now, t, &m.count.Expired, tq.LeaseExpired, tq.FromExpiration, "Lease expired without heartbeat.", false)
			n++
		}
	}

	return n
}

// end is what failing and expiring have in common.
func (m *model) end(
	now time.Duration, t *mTask, count *uint64, kind tq.Kind, flags tq.Flags, why string, forGood bool,
) {
	t.err = why
	if !forGood && t.attempt < m.attempts {
		m.emit(now, count, kind, flags, t, true)
		m.wait(t, now, now+m.backoff(t.attempt))
		m.emit(now, &m.count.Requeued, tq.Requeued, flags, t, false)

		return
	}
	m.emit(now, count, kind, flags|tq.DeadLetter, t, true)
	m.place(t, tq.Dead, now)
	dead := m.deadLetters()
	old := dead[:max(0, len(dead)-m.dead)]
	m.emit(now, &m.count.DeadLettered, tq.DeadLettered, flags|tq.DeadLetter, t, len(old) > 0)
	for i, o := range old {
		m.remove(o)
		m.emit(now, &m.count.Purged, tq.Purged, 0, o, i < len(old)-1)
	}
}

func (m *model) redrive(now time.Duration, id tq.TaskID) error {
	t := m.find(id)
	switch {
	case m.shut() != nil:
		return m.shut()
	case t == nil || t.state != tq.Dead:
		return tq.ErrUnknownTask
	case m.live(now) >= m.capacity:
		return tq.ErrFull
	}
	m.place(t, tq.Ready, now)
	t.attempt = 0
	m.emit(now, &m.count.Redriven, tq.Redriven, 0, t, false)

	return nil
}

func (m *model) purge(now time.Duration, id tq.TaskID) error {
	t := m.find(id)
	if t == nil || t.state != tq.Dead {
		return tq.ErrUnknownTask
	}
	m.remove(t)
	m.emit(now, &m.count.Purged, tq.Purged, 0, t, false)

	return nil
}

// state lists everything that is in the queue, as a snapshot shows it.
func (m *model) state(now time.Duration) (all []mTask) {
	waiting := m.in(1<<63-1, tq.Ready) // the delayed ones among them
	for _, t := range slices.Concat(m.in(now, tq.ReadyFirst), waiting, m.in(now, tq.Leased), m.deadLetters()) {
		shown := *t
		shown.state = t.stateAt(now)
		all = append(all, shown)
	}

	return all
}

func (m *model) drain(now time.Duration) mSnapshot {
	m.expire(now, len(m.tasks))
	for _, t := range m.in(now, tq.Leased) {
		m.place(t, tq.ReadyFirst, now)
		t.attempt--
	}
	s := mSnapshot{epoch: m.epoch, tasks: m.state(now)}
	for i := range s.tasks {
		flags := tq.FromDrain | map[tq.State]tq.Flags{tq.Dead: tq.DeadLetter}[s.tasks[i].state]
		m.emit(now, &m.count.Drained, tq.Drained, flags, &s.tasks[i], i < len(s.tasks)-1)
	}
	m.tasks, m.drained = nil, true

	return s
}

func (m *model) reopen() error {
	if m.closed {
		return tq.ErrClosed
	}
	m.drained = false

	return nil
}

func (m *model) restore(now time.Duration, s mSnapshot) error {
	if err := m.reopen(); err != nil || m.restored[s.id] {
		return err
	}
	absent := slices.DeleteFunc(slices.Clone(s.tasks), func(t mTask) bool { return m.find(t.id) != nil })
	if len(s.tasks) > 0 { // one that says nothing may have the id of one that does
		m.restored[s.id] = true
		if len(absent) == 0 {
			m.emit(now, new(uint64), tq.PassedOver, 0, m.find(s.tasks[0].id), false)
		}
	}
	for i, t := range absent {
		m.epoch = max(m.epoch, s.epoch)
		t.owner = ""
		switch t.state {
		case tq.Leased: // it comes back released
			t.state, t.until = tq.ReadyFirst, now
			t.attempt--
		case tq.Ready: // in line as one that was delayed until it became ready
			t.state, t.until = tq.Delayed, min(t.until, now)
		}
		m.tasks = append(m.tasks, &t)
		m.place(&t, t.state, t.until)
		flags := map[tq.State]tq.Flags{tq.ReadyFirst: tq.AtHead, tq.Dead: tq.DeadLetter}[t.state]
		m.emit(now, &m.count.Restored, tq.Restored, flags, &t, i < len(absent)-1)
	}

	return nil
}
