package replication

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Passage is one event that a source has read or a sink has applied, without
// its payload.
type Passage struct {
	Queue       string
	Shard       string
	Peer        string // as PeerStats name it
	Owner       string // who holds the lease; "" if nobody does
	Incarnation tq.Incarnation
	Sequence    tq.Sequence
	SourceEvent tq.Sequence
	Kind        tq.Kind
	Flags       tq.Flags
	Task        tq.TaskID
	Attempt     int
	OccurredAt  time.Time
	RecordedAt  time.Time
	Delay       time.Duration // how long ago it was recorded, as Lag.Delay
	Behind      tq.Sequence   // how many events are known that were not read, or not applied
}

// Tap notes the events that go through a source or sink, for whoever comes by
// to take them away. It holds a bounded number: while it is full, further ones
// are counted and not kept, so that nobody waits for it and nothing can fail.
type Tap struct {
	limit int
	wake  chan struct{} // holds a token while there is something
	list  *taps

	mu     sync.Mutex
	passed []Passage // guarded by mu
	lost   Lost      // guarded by mu
}

// Lost says which events a tap has not kept, those since the last Take.
type Lost struct {
	Events   uint64
	From, To tq.Sequence // the first and the last of them
}

// Wake has a token once there is something to take.
func (t *Tap) Wake() <-chan struct{} { return t.wake }

// Take gives what was noted since the last time, and keeps dst, which is empty
// or what Take has given before, to note more. What was lost came after it.
func (t *Tap) Take(dst []Passage) ([]Passage, Lost) {
	clear(dst)
	t.mu.Lock()
	defer t.mu.Unlock()
	passed, lost := t.passed, t.lost
	t.passed, t.lost = dst[:0], Lost{}

	return passed, lost
}

// Close ends it. What was not taken is gone. Closing twice is no error.
func (t *Tap) Close() error {
	t.list.mu.Lock()
	defer t.list.mu.Unlock()
	t.list.store(slices.DeleteFunc(slices.Clone(t.list.load()), func(o *Tap) bool { return o == t }))

	return nil
}

// note adds p, if there is room.
func (t *Tap) note(p *Passage) {
	t.mu.Lock()
	if len(t.passed) < t.limit {
		t.passed = append(t.passed, *p)
	} else {
		t.lost.Events++
		t.lost.From, t.lost.To = cmp.Or(t.lost.From, p.Sequence), p.Sequence
	}
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// taps are those of one source or sink.
type taps struct {
	mu  sync.Mutex // held to change all
	all atomic.Pointer[[]*Tap]
}

func (l *taps) load() []*Tap {
	if all := l.all.Load(); all != nil {
		return *all
	}

	return nil
}

// store needs mu.
func (l *taps) store(all []*Tap) {
	if len(all) == 0 {
		l.all.Store(nil)
		return
	}
	l.all.Store(&all)
}

func (l *taps) open(limit int) *Tap {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &Tap{limit: max(limit, 1), wake: make(chan struct{}, 1), list: l}
	l.store(append(slices.Clone(l.load()), t))

	return t
}

// give notes one event in each tap.
func give(all []*Tap, h *Header, peer string, delay time.Duration, behind tq.Sequence) {
	p := Passage{
		Queue: h.Queue, Shard: h.Shard, Peer: peer, Owner: h.OwnerPeer, Incarnation: h.Incarnation, Sequence: h.Sequence,
		SourceEvent: h.SourceEvent,
		Kind:        h.Kind, Flags: h.Flags, Task: h.Task, Attempt: h.Attempt, OccurredAt: h.OccurredAt, RecordedAt: h.RecordedAt,
		Delay: delay, Behind: behind,
	}
	for _, t := range all {
		t.note(&p)
	}
}

// isGap says whether err is that events are missing.
func isGap(err error) bool { return errors.Is(err, tq.ErrGap) || errors.Is(err, tq.ErrForeign) }
