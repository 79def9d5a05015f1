package backpressure

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Pick names one of the two sources of a [Canary].
type Pick uint8

// The two sources.
const (
	PickOld Pick = iota
	PickNew
)

func (p Pick) String() string {
	if p == PickNew {
		return "new"
	}

	return "old"
}

// Mode is whether a [Canary] compares.
type Mode uint8

const (
	Off    Mode = iota // the old source alone; the new one does not exist
	Shadow             // both, side by side; the selected one decides
)

func (m Mode) String() string {
	if m == Shadow {
		return "shadow"
	}

	return "off"
}

// CanaryOptions are how a canary comes by its sources.
type CanaryOptions struct {
	// Old is what decides today. The canary does not close it.
	Old Source
	// New opens the new source when shadow begins. When shadow ends, or the
	// canary, it is closed if it has a method Close() error.
	New func() (Source, error)
	// Select says which one decides in shadow; nil means the old one. It is
	// asked at each signal and each call, with the canary locked: it is quick,
	// and does not call the canary. After it has changed its mind, Reselect
	// makes that hold at once.
	Select func() Pick
}

// Canary runs a new source of backpressure beside an old one, on the same
// queue. The selected one alone decides what State, WaitForDraining and
// listeners say; Report compares the two. It begins with mode Off. Make one with
// NewCanary.
type Canary struct {
	open   func() (Source, error)
	choose func() Pick
	modes  sync.Mutex // held by SetMode and Close, which call open

	board    // its mu guards what follows
	mode     Mode
	picked   Pick
	sides    [2]*side        // by Pick; the new one is nil in mode Off
	term     context.Context // ends when another one is picked
	endTerm  context.CancelFunc
	compared comparison
}

// side is one source and what it has said.
type side struct {
	source      Source
	sub         Subscription
	last        Signal
	seen        bool // it has said something
	transitions uint64
	unmatched   uint64
	latency     Distribution
	costBefore  Cost
}

// comparison is what has been seen since shadow began.
type comparison struct {
	since    time.Time
	apart    bool // they disagree now
	apartBy  Pick // who changed
	apartAt  time.Time
	times    uint64
	duration time.Duration
	skew     Distribution
}

// NewCanary makes a canary around o.Old, which stays the caller's.
func NewCanary(o CanaryOptions) *Canary {
	c := &Canary{open: o.New, choose: o.Select}
	c.told = o.Old.State()
	c.told.Generation = 0
	if c.told.Active {
		c.told.Generation = 1
	}
	c.term, c.endTerm = context.WithCancel(context.Background())
	c.follow(PickOld, o.Old)

	return c
}

// follow makes source one of the two.
func (c *Canary) follow(p Pick, source Source) {
	s := &side{source: source}
	c.mu.Lock()
	c.sides[p] = s
	c.mu.Unlock()
	sub := source.Subscribe(func(_ context.Context, signal Signal) error {
		c.hear(p, s, signal)

		return nil
	})
	c.mu.Lock()
	s.sub = sub
	c.mu.Unlock()
}

func (c *Canary) hear(p Pick, s *side, signal Signal) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.sides[p] != s {
		return // of a shadow that has ended
	}
	if s.seen && signal.Active != s.last.Active {
		s.transitions++
		s.latency.add(now.Sub(signal.ObservedAt))
	}
	s.last, s.seen = signal, true
	if other := c.sides[1-p]; other != nil && other.seen {
		c.compare(p, s, other)
	}
	c.decide()
}

// compare notes that s, which is p, has said something.
func (c *Canary) compare(p Pick, s, other *side) {
	d := &c.compared
	at := s.last.ObservedAt
	switch differ := s.last.Active != other.last.Active; {
	case differ && !d.apart:
		d.apart, d.apartBy, d.apartAt = true, p, at
		d.times++
	case !differ && d.apart:
		d.apart = false
		d.duration += at.Sub(d.apartAt).Abs()
		if d.apartBy == p {
			s.unmatched++ // it has taken it back before the other one followed
			break
		}
		skew := at.Sub(d.apartAt)
		if p == PickOld {
			skew = -skew
		}
		d.skew.add(skew)
	}
}

// decide has the selected source decide. mu is held.
func (c *Canary) decide() {
	p := PickOld
	if c.sides[PickNew] != nil && c.mode == Shadow && c.choose != nil && c.choose() == PickNew {
		p = PickNew
	}
	if p != c.picked {
		c.picked = p
		c.endTerm()
		c.term, c.endTerm = context.WithCancel(context.Background())
	}
	if s := c.sides[p]; s.seen && s.last.Active != c.told.Active {
		signal := s.last
		signal.Generation = c.told.Generation + 1
		c.post(signal)
	}
}

// Reselect asks Select again and has the answer hold.
func (c *Canary) Reselect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.decide()
	}
}

// SetMode begins or ends shadow. The error is that of opening the new source,
// or of closing it, or tq.ErrClosed. A shadow that begins counts from zero.
func (c *Canary) SetMode(m Mode) error {
	c.modes.Lock()
	defer c.modes.Unlock()
	c.mu.Lock()
	closed, same := c.closed, c.mode == m
	c.mu.Unlock()
	switch {
	case closed:
		return tq.ErrClosed
	case same:
		return nil
	case m == Shadow:
		return c.beginShadow()
	default:
		return c.endShadow()
	}
}

func (c *Canary) beginShadow() error {
	if c.open == nil {
		return errors.New("backpressure: the canary has no new source")
	}
	source, err := c.open()
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.mode = Shadow
	c.compared = comparison{since: time.Now()}
	old := c.sides[PickOld]
	old.transitions, old.unmatched, old.latency, old.costBefore = 0, 0, Distribution{}, costOf(old.source)
	c.mu.Unlock()
	c.follow(PickNew, source)

	return nil
}

// endShadow has the old source decide before the new one is closed.
func (c *Canary) endShadow() error {
	c.mu.Lock()
	s := c.sides[PickNew]
	if s == nil {
		c.mu.Unlock()
		return nil
	}
	c.mode = Off
	if !c.closed {
		c.decide()
	}
	c.sides[PickNew] = nil
	c.mu.Unlock()

	err := s.sub.Close()
	if closer, ok := s.source.(io.Closer); ok {
		err = errors.Join(err, closer.Close())
	}

	return err
}

// State is that of the selected source.
func (c *Canary) State() Signal {
	source, _, told := c.selected()
	s := source.State()
	s.Generation = told.Generation
	if s.Active != told.Active {
		s.Generation++ // listeners will be told so
	}

	return s
}

func (c *Canary) selected() (Source, context.Context, Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.decide()
	}

	return c.sides[c.picked].source, c.term, c.told
}

// Subscribe has l told what the selected source says.
func (c *Canary) Subscribe(l Listener) Subscription { return c.subscribe(l) }

var errReselected = errors.New("backpressure: another source was selected")

// WaitForDraining is that of the selected source. When another one is selected
// meanwhile, the wait goes on with that.
func (c *Canary) WaitForDraining(ctx context.Context) error {
	for {
		source, term, _ := c.selected()
		if err := c.over(); err != nil {
			return err
		}
		own, cancel := context.WithCancelCause(ctx)
		stop := context.AfterFunc(term, func() { cancel(errReselected) })
		err := source.WaitForDraining(own)
		moved := errors.Is(context.Cause(own), errReselected)
		stop()
		cancel(nil)
		if err == nil || !moved {
			return err
		}
	}
}

func (c *Canary) over() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return tq.ErrClosed
	}

	return nil
}

// Close ends shadow and all subscriptions, and gives waiters tq.ErrClosed. The
// old source goes on. Closing twice is no error.
func (c *Canary) Close() error {
	c.modes.Lock()
	defer c.modes.Unlock()
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.end()
	c.picked = PickOld
	c.endTerm()
	sub := c.sides[PickOld].sub
	c.mu.Unlock()

	return errors.Join(sub.Close(), c.endShadow())
}
