package replication

import (
	"maps"
	"slices"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// progress says which events of a stream were applied. It knows nothing of
// goroutines and stores; the sink's lock guards it. Where events are applied
// one after another only the goroutine that does writes, and needs no lock to
// read.
//
// Everything at or below at.Sequence was applied, and an operation ends there.
// So was everything at or below done. What is between at.Sequence and top is in
// the window; of what is above top, that much is known from the checkpoint it
// began with.
type progress struct {
	at   Position
	done tq.Sequence
	top  tq.Sequence // the newest event ever taken
	next tq.Sequence // of this run; 0 before its first event

	window []mark // by sequence; its length is a power of two
	peers  map[string]tq.Sequence
	extra  []tq.Sequence
	before []Position // earlier incarnations
}

// mark is what is known of one event in the window.
type mark struct {
	peer  string
	state markState
	more  bool // further events of its operation follow
}

type markState uint8

const (
	waiting markState = iota // taken by a run that ended before it was applied
	running
	applied
)

// restore begins with a checkpoint.
func (p *progress) restore(c *Checkpoint) {
	*p = progress{
		at: Position{Incarnation: c.Incarnation, Sequence: c.Position}, done: c.Position, top: c.Position,
		peers: maps.Clone(c.Peers), extra: slices.Clone(c.Applied), before: slices.Clone(c.Earlier),
	}
}

func (p *progress) mark(s tq.Sequence) *mark { return &p.window[uint64(s)&uint64(len(p.window)-1)] }

// verdict is what becomes of an event.
type verdict uint8

const (
	applyIt     verdict = iota
	skipIt              // it was applied, or is being
	settleFirst         // a new incarnation: ask again when nothing is running any more
)

// take says what becomes of the event h of peer, and remembers it if it is to
// be applied. The error is a *GapError.
func (p *progress) take(h *Header, peer string) (verdict, error) {
	if h.Incarnation != p.at.Incarnation {
		if v, err := p.cross(h); v != applyIt || err != nil {
			return v, err
		}
	}
	if h.Sequence > p.expected() || h.Sequence == 0 {
		return applyIt, p.gap(h)
	}
	p.next = max(p.next, h.Sequence+1)
	if h.Sequence <= p.done {
		return skipIt, nil
	}
	if h.Sequence <= p.top {
		m := p.mark(h.Sequence)
		if m.state != waiting {
			return skipIt, nil
		}
		m.state = running

		return applyIt, nil
	}
	known := p.knows(h.Sequence, peer) // before the window takes it
	p.push(mark{peer: peer, state: running, more: h.More})
	if known {
		p.finish(h.Sequence)
		return skipIt, nil
	}

	return applyIt, nil
}

// follows says whether the event h of peer is the one after all that were ever
// taken, which were applied: then it is to be applied, as take will say.
func (p *progress) follows(h *Header, peer string) bool {
	return h.Incarnation == p.at.Incarnation && p.top == p.done && h.Sequence == p.done+1 &&
		!p.knows(h.Sequence, peer)
}

// settle says that the event h of peer was applied, of which follows has said
// that it may be and which was not taken.
func (p *progress) settle(h *Header, peer string) {
	if h.More || p.at.Sequence < p.done {
		_, _ = p.take(h, peer) // to be applied
		p.finish(h.Sequence)
		return
	}
	p.top = h.Sequence
	p.done, p.at.Sequence = p.top, p.top // an operation by itself needs no mark
	p.next = max(p.next, p.top+1)
}

// cross goes over to the incarnation of h, if it begins there.
func (p *progress) cross(h *Header) (verdict, error) {
	for _, old := range p.before {
		if old.Incarnation == h.Incarnation && h.Sequence <= old.Sequence {
			return skipIt, nil
		}
		if old.Incarnation == h.Incarnation {
			return applyIt, p.gap(h)
		}
	}
	if h.Sequence != 1 {
		return applyIt, p.gap(h)
	}
	if p.busy() {
		return settleFirst, nil
	}
	p.move(Position{Incarnation: h.Incarnation})

	return applyIt, nil
}

// expected is the newest event that leaves none out: the one after those of this
// run, or after those that were applied.
func (p *progress) expected() tq.Sequence { return max(p.next, p.done+1) }

// gap says that h is not what comes next.
func (p *progress) gap(h *Header) error {
	want := Position{Incarnation: p.at.Incarnation, Sequence: p.expected()}

	return &GapError{Want: want, Got: Position{Incarnation: h.Incarnation, Sequence: h.Sequence}}
}

// move goes to a position that everything up to is known to be applied.
func (p *progress) move(to Position) {
	before := p.before
	if p.at.Incarnation != to.Incarnation && p.at.Incarnation != 0 {
		before = append(before, Position{Incarnation: p.at.Incarnation, Sequence: p.done})
		before = before[max(0, len(before)-MaxEarlier):]
	}
	*p = progress{at: to, done: to.Sequence, top: to.Sequence, window: p.window, before: before}
}

// knows says whether the checkpoint that it began with has the event.
func (p *progress) knows(s tq.Sequence, peer string) bool {
	if len(p.peers) > 0 && s <= p.peers[peer] {
		return true
	}
	if len(p.extra) == 0 {
		return false
	}
	_, found := slices.BinarySearch(p.extra, s)

	return found
}

// push puts the event after top into the window.
func (p *progress) push(m mark) {
	if n := int(p.top - p.at.Sequence); n == len(p.window) {
		old := *p
		p.window = make([]mark, max(64, 2*n))
		for s := old.at.Sequence + 1; s <= old.top; s++ {
			*p.mark(s) = *old.mark(s)
		}
	}
	p.top++
	*p.mark(p.top) = m
}

// finish says that the event s was applied, and reports whether there is more
// room in the window by it.
func (p *progress) finish(s tq.Sequence) (moved bool) {
	p.mark(s).state = applied
	for p.done < p.top && p.mark(p.done+1).state == applied {
		p.done++
		moved = true
		if !p.mark(p.done).more {
			p.at.Sequence = p.done
		}
	}

	return moved
}

// busy says whether an event is being applied.
func (p *progress) busy() bool {
	for s := p.done + 1; s <= p.top; s++ {
		if p.mark(s).state == running {
			return true
		}
	}

	return false
}

// end says that no event is being applied any more: those that were not are to
// come again.
func (p *progress) end() {
	for s := p.done + 1; s <= p.top; s++ {
		if m := p.mark(s); m.state == running {
			m.state = waiting
		}
	}
	p.next = 0
}

// checkpoint is what to save.
func (p *progress) checkpoint(stream string, now time.Time, revision uint64) Checkpoint {
	c := Checkpoint{
		Stream: stream, Position: p.at.Sequence, UpdatedAt: now, Incarnation: p.at.Incarnation, Revision: revision,
		Earlier: slices.Clone(p.before), Peers: map[string]tq.Sequence{},
	}
	behind := map[string]bool{} // peers with an event that was not applied
	for s := p.at.Sequence + 1; s <= p.top; s++ {
		switch m := p.mark(s); {
		case m.state != applied:
			behind[m.peer] = true
		case behind[m.peer]:
			c.Applied = append(c.Applied, s)
		default:
			c.Peers[m.peer] = s
		}
	}
	for peer, s := range p.peers {
		if s > p.top {
			c.Peers[peer] = s
		}
	}
	for _, s := range p.extra {
		if s > p.top {
			c.Applied = append(c.Applied, s)
		}
	}

	return c
}

// reaches says whether it may be moved to a position.
func (p *progress) reaches(to Position) error {
	if to.Incarnation == p.at.Incarnation && to.Sequence < p.done {
		return ErrBackwards
	}
	if slices.ContainsFunc(p.before, func(b Position) bool { return b.Incarnation == to.Incarnation }) {
		return ErrBackwards
	}

	return nil
}
