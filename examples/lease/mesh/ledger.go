package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// ledger is what the mesh has promised, as those heard it to whom it was
// promised: clients, workers, who reads a stream. Beside it stands what has
// happened, as followers told of it before they acknowledged it, and what the
// gateway and the store of effects have. Its methods are safe for concurrent
// use.
type ledger struct {
	mu sync.Mutex

	// What was promised. Guarded by mu, as is all below.
	accepted  map[tq.TaskID]string // a client was told that this task is accepted: its resource
	uncertain int                  // clients that were not told what became of a task
	refused   map[string]int       // clients that were told no, by code
	completed map[grant]int        // a worker was told that it has completed this
	late      int                  // a worker that was too late was told so

	// What somebody tried who must not succeed.
	stale     int      // tries with a token that was not good any more
	staleDone []string // those that were accepted

	// What has happened.
	events    map[place]event
	reached   map[tq.Incarnation]tq.Sequence // how far followers have acknowledged
	owned     map[place]event                // events as owners saw them, acknowledged or not
	outcomes  map[tq.TaskID]map[string]bool  // messages that workers found recorded for a task
	mails     []mail
	streams   []stream
	dead      map[tq.TaskID]string // found among the dead letters: its code
	remaining int                  // tasks that were in the queue at the end
}

// place is where an event is in the log.
type place struct {
	life tq.Incarnation
	seq  tq.Sequence
}

// event is what the ledger knows of one.
type event struct {
	kind  tq.Kind
	task  tq.TaskID
	epoch tq.Epoch
}

// grant is a lease.
type grant struct {
	task  tq.TaskID
	epoch tq.Epoch
}

// stream is what a reader of a stream has seen.
type stream struct {
	seen, missed int // events; those that a gap told of
	gaps         int
	unannounced  []string // what was missing and not told of
}

func newLedger() *ledger {
	return &ledger{
		accepted: map[tq.TaskID]string{}, refused: map[string]int{}, completed: map[grant]int{},
		events: map[place]event{}, owned: map[place]event{}, reached: map[tq.Incarnation]tq.Sequence{},
		outcomes: map[tq.TaskID]map[string]bool{}, dead: map[tq.TaskID]string{},
	}
}

// with does something to the ledger.
func (l *ledger) with(f func(*ledger)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l)
}

// read gives what f reads from the ledger.
func (l *ledger) read(f func(*ledger) int) int {
	l.mu.Lock()
	defer l.mu.Unlock()

	return f(l)
}

// accept notes that a client was told that its task is accepted.
func (l *ledger) accept(id tq.TaskID, resource string) {
	l.with(func(l *ledger) { l.accepted[id] = resource })
}

// hear notes what a process tells. It says what it cannot read.
func (l *ledger) hear(line string) error {
	f := strings.Fields(line)
	if len(f) == 0 {
		return nil
	}
	switch f[0] {
	case "event", "owned":
		at, e, err := readEvent(f[1:])
		if err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
		l.with(func(l *ledger) { l.note(f[0], at, e) })
	case "snapshot":
		life, err := tq.ParseIncarnation(f[1])
		seq, err2 := strconv.ParseUint(f[2], 10, 64)
		if err := cmp.Or(err, err2); err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
		l.with(func(l *ledger) { l.reached[life] = max(l.reached[life], tq.Sequence(seq)) })
	case "completed", "sent":
		token, err := tq.ParseToken(f[1])
		if err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
		l.with(func(l *ledger) { l.work(f, token) })
	case "late":
		l.with(func(l *ledger) { l.late++ })
	}

	return nil
}

func readEvent(f []string) (at place, e event, err error) {
	if len(f) != 5 {
		return at, e, fmt.Errorf("want 5 fields, not %d", len(f))
	}
	var errs [4]error
	var seq, epoch uint64
	var known bool
	at.life, errs[0] = tq.ParseIncarnation(f[0])
	seq, errs[1] = strconv.ParseUint(f[1], 10, 64)
	e.kind, known = tq.ParseKind(f[2])
	e.task, errs[2] = tq.ParseTaskID(f[3])
	epoch, errs[3] = strconv.ParseUint(f[4], 10, 64)
	at.seq, e.epoch = tq.Sequence(seq), tq.Epoch(epoch)
	if !known {
		return at, e, fmt.Errorf("kind %q", f[2])
	}

	return at, e, cmp.Or(errs[0], errs[1], errs[2], errs[3])
}

// note needs mu.
func (l *ledger) note(word string, at place, e event) {
	if word == "owned" {
		l.owned[at] = e
		return
	}
	l.events[at] = e
	l.reached[at.life] = max(l.reached[at.life], at.seq)
}

// work needs mu.
func (l *ledger) work(f []string, token tq.Token) {
	switch {
	case f[0] == "completed":
		l.completed[grant{token.Task, token.Epoch}]++
	case l.outcomes[token.Task] == nil:
		l.outcomes[token.Task] = map[string]bool{f[2]: true}
	default:
		l.outcomes[token.Task][f[2]] = true
	}
}

// lineage are the events that count, in order: those of each life of the queue
// that followers have acknowledged, and of the last one all. What an owner did
// that nobody acknowledged before it was gone has been promised to nobody.
func (l *ledger) lineage(lives []tq.Incarnation) []event {
	all := maps.Clone(l.events)
	for at, e := range l.owned {
		if at.seq <= l.reached[at.life] || len(lives) > 0 && at.life == lives[len(lives)-1] {
			all[at] = e
		}
	}
	order := map[tq.Incarnation]int{}
	for i, life := range lives {
		order[life] = i + 1
	}
	places := slices.SortedFunc(maps.Keys(all), func(a, b place) int {
		return cmp.Or(cmp.Compare(order[a.life], order[b.life]), cmp.Compare(a.seq, b.seq))
	})
	events := make([]event, len(places))
	for i, at := range places {
		events[i] = all[at]
	}

	return events
}

// lives are those of the queue, in the order of their terms.
func lives(claims []replication.Claim) []tq.Incarnation {
	var lives []tq.Incarnation
	for _, c := range claims {
		if !slices.Contains(lives, c.Incarnation) {
			lives = append(lives, c.Incarnation)
		}
	}

	return lives
}

// balance is what came of the promises. Each list is to be empty.
type balance struct {
	acknowledged, completed, dead int
	calls, again                  int // of the gateway; those after the first with their key, in doubt
	stale, late                   int
	streamed, gaps                int
	uncertain                     int

	lost, doubled, settled, unannounced []string
}

// add adds a fault to those of a kind.
func add(faults *[]string, format string, args ...any) {
	*faults = append(*faults, fmt.Sprintf(format, args...))
}

// broken says whether a promise was.
func (b *balance) broken() bool {
	return len(b.lost)+len(b.doubled)+len(b.settled)+len(b.unannounced) > 0
}

// close holds what has happened to what was promised.
func (l *ledger) close(lives []tq.Incarnation) *balance {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := &balance{
		acknowledged: len(l.accepted), stale: l.stale, late: l.late, uncertain: l.uncertain,
		settled: slices.Clone(l.staleDone),
	}
	h := replay(l.lineage(lives))
	b.settled = append(b.settled, h.settled...)
	l.tasks(b, h)
	l.effects(b, h)
	for _, s := range l.streams {
		b.streamed += s.seen
		b.gaps += s.gaps
		b.unannounced = append(b.unannounced, s.unannounced...)
	}

	return b
}

// history is what events say of tasks.
type history struct {
	held    map[tq.TaskID]tq.Epoch // the lease there is
	done    map[tq.TaskID]tq.Epoch // the one that completed it
	seen    map[tq.TaskID]bool
	settled []string // faults
}

// replay goes through events in order. A lease that settles or is prolonged must
// be the last one that was granted, and not over.
func replay(events []event) *history {
	h := &history{
		held: map[tq.TaskID]tq.Epoch{}, done: map[tq.TaskID]tq.Epoch{}, seen: map[tq.TaskID]bool{},
	}
	for _, e := range events {
		h.seen[e.task] = true
		switch e.kind {
		case tq.LeaseGranted:
			h.held[e.task] = e.epoch
		case tq.Completed, tq.Failed, tq.Heartbeat, tq.Released:
			h.settle(e)
		case tq.LeaseExpired, tq.Drained, tq.Restored:
			h.held[e.task] = 0
		}
	}

	return h
}

// settle looks at an event of whoever holds a lease.
func (h *history) settle(e event) {
	if held, known := h.held[e.task]; known && held != e.epoch {
		add(&h.settled, "%v of %v by lease %d, %d is the one that holds", e.kind, e.task, e.epoch, held)
	}
	if before, twice := h.done[e.task]; twice {
		add(&h.settled, "%v of %v by lease %d, after %d completed it", e.kind, e.task, e.epoch, before)
	}
	if e.kind == tq.Heartbeat {
		return
	}
	h.held[e.task] = 0
	if e.kind == tq.Completed {
		h.done[e.task] = e.epoch
	}
}

// tasks accounts for those that were acknowledged; mu is held.
func (l *ledger) tasks(b *balance, h *history) {
	for _, id := range sorted(l.accepted) {
		_, done := h.done[id]
		_, dead := l.dead[id]
		switch {
		case done:
			b.completed++
		case dead:
			b.dead++
		default:
			add(&b.lost, "%v (%s): seen %v, completed never, and not in the queue", id, l.accepted[id], h.seen[id])
		}
	}
	for g := range l.completed {
		if done := h.done[g.task]; done != g.epoch {
			add(&b.settled, "%v: a worker was told that lease %d completed it, the log has %d", g.task, g.epoch, done)
		}
	}
	if l.remaining > 0 {
		add(&b.lost, "%d tasks were still in the queue at the end", l.remaining)
	}
}

// effects accounts for those; mu is held.
func (l *ledger) effects(b *balance, h *history) {
	keys, sent := map[string]int{}, map[string]string{}
	for _, m := range l.mails {
		b.calls += m.Calls
		b.again += m.Calls - 1
		keys[m.Task]++
		sent[m.Task] = m.MessageID
		if m.Sure > 1 || m.Mixed > 0 {
			add(&b.doubled, "%s: %d calls that were not in doubt, %d for another resource", m.Resource, m.Sure, m.Mixed)
		}
	}
	for _, task := range slices.Sorted(maps.Keys(keys)) {
		if keys[task] > 1 {
			add(&b.doubled, "%s: called with %d keys", task, keys[task])
		}
	}
	for _, id := range sorted(l.outcomes) {
		recorded := l.outcomes[id]
		if len(recorded) > 1 || !recorded[sent[id.String()]] {
			add(&b.doubled, "%v: recorded %v, the gateway sent %s",
				id, slices.Sorted(maps.Keys(recorded)), sent[id.String()])
		}
	}
	for _, id := range sorted(h.done) {
		if l.accepted[id] != "" && keys[id.String()] == 0 {
			add(&b.lost, "%v: completed without its effect", id)
		}
	}
}

// sorted are the keys of m, so that what is told is told in the same order.
func sorted[V any](m map[tq.TaskID]V) []tq.TaskID {
	return slices.SortedFunc(maps.Keys(m), func(a, b tq.TaskID) int {
		return cmp.Or(cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Sequence, b.Sequence))
	})
}
