package diagnostics

import (
	"encoding/json"
	"fmt"
	"slices"
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
}

// Gap says which events a client does not get. One with the reason "rate" is
// itself an event of the stream, with an id, and speaks of the events of a
// queue: From and To are sequence numbers there.
type Gap struct {
	From    uint64 `json:"from"` // the first and the last of them
	To      uint64 `json:"to"`
	Dropped uint64 `json:"dropped"`
	// Reason is "overrun": too slow; "unknown": the id is not of this host; "rate":
	// more passed a source or sink than Options.ReplicationRate.
	Reason string `json:"reason"`

	Queue  string `json:"queue,omitempty"` // these three are of the reason "rate" alone
	Role   string `json:"role,omitempty"`
	Stream string `json:"stream,omitempty"`
}

// Bye is the last event of a stream.
type Bye struct {
	Reason string `json:"reason"`
}

// ring keeps the latest events. Readers are places in it.
type ring struct {
	epoch string // of this host, in ids

	mu     sync.Mutex
	events []Event
	last   uint64 // sequence of the latest event
	// signals are the latest of each queue with a monitor: they are far between,
	// and what is frequent must not have the last one forgotten.
	signals map[string]Event
	more    chan struct{} // closed with the next one; nil: nobody waits
}

func newRing(size int) *ring {
	return &ring{epoch: fmt.Sprintf("%x", time.Now().UnixNano()), events: make([]Event, size), signals: map[string]Event{}}
}

// publish numbers an event and keeps it. It never waits.
func (r *ring) publish(kind, queue string, data json.RawMessage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	id := r.id(r.last)
	e := Event{id, kind, queue, data, r.last, frame(id, kind, data)}
	*r.at(r.last) = e
	if kind == TypeBackpressure {
		r.signals[queue] = e
	}
	if r.more != nil {
		close(r.more)
		r.more = nil
	}
}

func (r *ring) at(sequence uint64) *Event { return &r.events[sequence%uint64(len(r.events))] }

// first is the sequence of the oldest event that is kept; mu is held.
func (r *ring) first() uint64 {
	if size := uint64(len(r.events)); r.last >= size {
		return r.last - size + 1
	}

	return 1
}

// position is the sequence of the latest event.
func (r *ring) position() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.last
}

// after appends up to limit events behind a sequence to dst. missed is how many
// of those are no longer kept. If there is nothing, more is closed when there is.
func (r *ring) after(
	sequence uint64, limit int, dst []Event,
) (events []Event, missed uint64, more <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first := r.first(); sequence+1 < first {
		missed = first - sequence - 1
		sequence = first - 1
	}
	for sequence < r.last && len(dst) < limit {
		sequence++
		dst = append(dst, *r.at(sequence))
	}
	if len(dst) > 0 || missed > 0 {
		return dst, missed, nil
	}
	if r.more == nil {
		r.more = make(chan struct{})
	}

	return dst, 0, r.more
}

// latest is the latest event that fits; false if none is kept. The latest signal
// of a queue always is.
func (r *ring) latest(fits func(*Event) bool) (Event, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for seq := r.last; seq >= r.first() && seq > 0; seq-- {
		if e := r.at(seq); fits(e) {
			return *e, true
		}
	}
	newest := Event{}
	for _, e := range r.signals {
		if e.sequence > newest.sequence && fits(&e) {
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
