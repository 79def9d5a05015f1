package diagnostics

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Types of events.
const (
	TypeBackpressure = "taskqueue.backpressure" // a [backpressure.Signal]
	TypeStats        = "taskqueue.stats"        // a [QueueStats]
	TypeDeadLetter   = "taskqueue.deadletter"   // a [DeadLetter]
	TypeReplication  = "taskqueue.replication"  // a [Replicated]
	TypeReplicas     = "taskqueue.replicas"     // a [Replicas]
	TypeSnapshot     = "taskqueue.snapshot"     // a [Snapshot]
	TypeGap          = "taskqueue.gap"          // a [Gap]
	TypeBye          = "taskqueue.bye"          // a [Bye]
)

// Event is one event as it was published.
type Event struct {
	ID    string          `json:"id"` // epoch and sequence
	Type  string          `json:"type"`
	Queue string          `json:"queue,omitempty"`
	Data  json.RawMessage `json:"data"`

	sequence uint64
	frame    []byte // as clients get it
	of       string // of a gap that is published: the type of what it speaks of
}

// Gap says which events a client does not get. One with the reason "rate" is
// itself an event of the stream, with an id, and speaks of what was not
// published of a queue: From and To are sequence numbers there, or numbers of
// dead letters.
type Gap struct {
	From    uint64 `json:"from"` // the first and the last of them
	To      uint64 `json:"to"`
	Dropped uint64 `json:"dropped"`
	// Reason is "overrun": too slow; "unknown": the id is not of this host; "rate":
	// more passed a source or sink than Options.ReplicationRate, or more tasks died
	// at once than the queue keeps dead letters.
	Reason string `json:"reason"`

	Queue  string `json:"queue,omitempty"` // these three are of the reason "rate" alone
	Role   string `json:"role,omitempty"`  // RoleSource, RoleSink or RoleDeadLetters
	Stream string `json:"stream,omitempty"`
}

// Bye is the last event of a stream.
type Bye struct {
	Reason string `json:"reason"`
}

// kinds are the types of events that are published, each with a lane in the ring.
var kinds = [...]string{
	TypeBackpressure, TypeStats, TypeDeadLetter, TypeReplication, TypeReplicas, TypeGap,
}

// ring keeps the latest events, so many of each type: what is frequent does not
// push out what is rare. Readers are places in it.
type ring struct {
	epoch string // of this host, in ids
	size  int    // of a lane

	mu    sync.Mutex
	lanes [len(kinds)]lane // in the order of kinds
	last  uint64           // sequence of the latest event
	// signals are the latest of each queue with a monitor, whatever the signals of
	// others push out.
	signals map[string]Event
	more    chan struct{} // closed with the next one; nil: nobody waits
}

// lane is the latest events of one type. They are numbered from 0 on, the oldest
// first.
type lane struct {
	kept   []Event
	oldest int    // where in kept they begin
	gone   uint64 // sequence of the latest one that is no longer kept; 0 if all are
}

func newRing(size int) *ring {
	return &ring{epoch: fmt.Sprintf("%x", time.Now().UnixNano()), size: size, signals: map[string]Event{}}
}

// publish numbers an event and keeps it. It never waits.
func (r *ring) publish(kind, queue string, data json.RawMessage) {
	r.keep(Event{Type: kind, Queue: queue, Data: data})
}

// publishGap is publish of a gap in the events of a type.
func (r *ring) publishGap(of string, g Gap) {
	r.keep(Event{Type: TypeGap, Queue: g.Queue, Data: encode(g), of: of})
}

func (r *ring) keep(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	e.ID, e.sequence = r.id(r.last), r.last
	e.frame = frame(e.ID, e.Type, e.Data)
	end := len(e.frame) - len("\n\n")
	e.Data = e.frame[end-len(e.Data) : end : end]
	r.lanes[slices.Index(kinds[:], e.Type)].keep(e, r.size)
	if e.Type == TypeBackpressure {
		r.signals[e.Queue] = e
	}
	if r.more != nil {
		close(r.more)
		r.more = nil
	}
}

func (l *lane) keep(e Event, size int) {
	if len(l.kept) < size {
		l.kept = append(l.kept, e)
		return
	}
	l.gone = l.at(0).sequence
	*l.at(0) = e
	l.oldest = (l.oldest + 1) % size
}

func (l *lane) at(i int) *Event { return &l.kept[(l.oldest+i)%len(l.kept)] }

// after is the number of the first event behind a sequence, which may be none.
func (l *lane) after(sequence uint64) int {
	return sort.Search(len(l.kept), func(i int) bool { return l.at(i).sequence > sequence })
}

// position is the sequence of the latest event.
func (r *ring) position() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.last
}

// after appends up to limit events behind a sequence to dst, those of the types
// that are wanted. to is how far it has looked. If there is nothing, more is
// closed when there is anything.
//
// If some that are wanted are no longer kept, missed is how many of all are not.
func (r *ring) after(
	sequence uint64, limit int, f *Filter, dst []Event,
) (events []Event, to, missed uint64, more <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var next [len(kinds)]int
	gone, kept := false, uint64(0)
	for i := range r.lanes {
		l := &r.lanes[i]
		next[i] = l.after(sequence)
		kept += uint64(len(l.kept) - next[i])
		if f.wantsType(kinds[i]) {
			gone = gone || l.gone > sequence
		} else {
			next[i] = len(l.kept)
		}
	}
	if gone {
		missed = r.last - sequence - kept
	}
	events, to = r.merge(&next, limit, dst)
	if len(events) > 0 || missed > 0 {
		return events, to, missed, nil
	}
	if r.more == nil {
		r.more = make(chan struct{})
	}

	return events, to, 0, r.more
}

// merge appends up to limit events to dst, in their order, from those numbered
// next in each lane. to is the last one's sequence, or the latest one's if those
// are all. mu is held.
func (r *ring) merge(next *[len(kinds)]int, limit int, dst []Event) (events []Event, to uint64) {
	for len(dst) < limit {
		oldest := -1
		for i := range r.lanes {
			if next[i] < len(r.lanes[i].kept) && (oldest < 0 || r.next(next, i).sequence < r.next(next, oldest).sequence) {
				oldest = i
			}
		}
		if oldest < 0 {
			return dst, r.last
		}
		dst = append(dst, *r.next(next, oldest))
		next[oldest]++
	}

	return dst, dst[len(dst)-1].sequence
}

func (r *ring) next(next *[len(kinds)]int, i int) *Event { return r.lanes[i].at(next[i]) }

// latest is the latest event that is wanted; false if none is kept. The latest
// signal of a queue always is.
func (r *ring) latest(f *Filter) (Event, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var newest Event
	for i := range r.lanes {
		if kinds[i] == TypeGap || !f.wantsType(kinds[i]) {
			continue
		}
		l := &r.lanes[i]
		for n := len(l.kept) - 1; n >= 0 && l.at(n).sequence > newest.sequence; n-- {
			if f.wants(l.at(n)) {
				newest = *l.at(n)
			}
		}
	}
	for _, e := range r.signals {
		if e.sequence > newest.sequence && f.wants(&e) {
			newest = e
		}
	}

	return newest, newest.sequence > 0
}

// id is a sequence as clients see it.
func (r *ring) id(sequence uint64) string { return r.epoch + "." + strconv.FormatUint(sequence, 10) }

// parse is the sequence of an id of this ring.
func (r *ring) parse(id string) (uint64, bool) {
	epoch, seq, ok := strings.Cut(id, ".")
	n, err := strconv.ParseUint(seq, 10, 64)

	return n, ok && err == nil && epoch == r.epoch
}

// frame is an event as the stream has it. JSON has no line breaks in it.
func frame(id, kind string, data []byte) []byte {
	f := make([]byte, 0, len(id)+len(kind)+len(data)+32)
	if id != "" {
		f = append(append(append(f, "id: "...), id...), '\n')
	}
	f = append(append(append(f, "event: "...), kind...), '\n')
	f = append(append(append(f, "data: "...), data...), '\n', '\n')

	return slices.Clip(f)
}
