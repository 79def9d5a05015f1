package backpressure

import (
	"context"
	"fmt"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Queue is what can be monitored: every generated Local.
type Queue interface {
	Probe() *tq.Probe
}

// Options of a monitor. The zero Options are those of the queue's directive.
type Options struct {
	// High is the depth at which backpressure begins, 1 to the queue's
	// capacity; 0 means the queue's own.
	High int
	// Low is the depth at which it ends, below High. 0 means half of High, or
	// the queue's own where High is; tq.UntilEmpty means zero.
	Low int
	// Cooldown is the least time between two signals. 0 means the queue's own,
	// tq.NoCooldown none.
	Cooldown time.Duration
	// Live makes leased tasks count, too: what the capacity bounds. Otherwise
	// the depth is the pending tasks, ready and delayed ones.
	Live bool
	// Shard is named in signals.
	Shard string
	// Measure makes Cost say something. Every change of the depth then costs an
	// atomic counter more.
	Measure bool
}

// Monitor says whether one queue has too much to do. Make one with New.
type Monitor struct {
	queue    string
	shard    string
	high     int
	low      int
	cooldown time.Duration
	probe    *tq.Probe
	watch    *tq.DepthWatch

	board                  // its mu guards what follows
	toldAt   time.Time     // when listeners were told last; zero: never
	timer    *time.Timer   // ends the cooldown; nil until first needed
	armed    bool          // the timer runs
	drained  chan struct{} // closed when backpressure ends; nil: nobody waits
	awaiting uint64        // crossings when drained was made
}

// New attaches a monitor to q. Its first state is that of the depth at this
// moment. The error says which option is out of range.
func New(q Queue, o Options) (*Monitor, error) {
	probe := q.Probe()
	policy := probe.Options()
	o = o.or(policy)
	if err := o.check(policy); err != nil {
		return nil, err
	}
	m := &Monitor{
		queue: policy.Name, shard: o.Shard, high: o.High, low: max(o.Low, 0), cooldown: max(o.Cooldown, 0),
		probe: probe,
	}
	m.watch = tq.NewDepthWatch(m.high, m.low, o.Live, m.crossed)
	if o.Measure {
		m.watch.Measure()
	}
	m.told = m.signal(tq.DepthState{})
	probe.Attach(m.watch)

	return m, nil
}

// or gives o with what is not set taken from the queue's policy.
func (o Options) or(policy tq.Options) Options {
	if o.Low == 0 && o.High == 0 {
		o.Low = policy.Low
	}
	if o.High == 0 {
		o.High = policy.High
	}
	if o.Low == 0 {
		o.Low = o.High / 2
	}
	if o.Low == 0 {
		o.Low = tq.UntilEmpty
	}
	if o.Cooldown == 0 {
		o.Cooldown = policy.Cooldown
	}

	return o
}

func (o Options) check(policy tq.Options) error {
	switch {
	case o.High < 1 || o.High > policy.Capacity:
		return fmt.Errorf("backpressure: queue %q: High %d is not in 1…%d, its capacity",
			policy.Name, o.High, policy.Capacity)
	case o.Low != tq.UntilEmpty && (o.Low < 1 || o.Low >= o.High):
		return fmt.Errorf("backpressure: queue %q: Low %d must be at least 1 and less than High, %d, or tq.UntilEmpty",
			policy.Name, o.Low, o.High)
	case o.Cooldown != tq.NoCooldown && (o.Cooldown < 0 || o.Cooldown > tq.MaxCooldown):
		return fmt.Errorf("backpressure: queue %q: Cooldown %v is not in 0…%v, nor tq.NoCooldown",
			policy.Name, o.Cooldown, tq.MaxCooldown)
	default:
		return nil
	}
}

// State is the state now, by one atomic load: the cooldown does not delay it.
// After Close it is the state there was then.
func (m *Monitor) State() Signal { return m.signal(m.watch.State()) }

// Active is State().Active, and cheaper.
func (m *Monitor) Active() bool { return m.watch.Raised() }

func (m *Monitor) signal(s tq.DepthState) Signal {
	return Signal{
		Queue: m.queue, Shard: m.shard, Active: s.Raised, Pending: s.Depth, High: m.high, Low: m.low,
		ObservedAt: time.Now(), Generation: s.Crossings,
	}
}

// Subscribe has l called in a goroutine of its own: first with what listeners
// were told last, then with each signal.
func (m *Monitor) Subscribe(l Listener) Subscription { return m.subscribe(l) }

// Cost is what a Source has cost those who enqueue and lease.
type Cost struct {
	Evaluations uint64        // changes of the depth it has looked at
	Busy        time.Duration // how long that took in all
}

// Cost is zero unless Options.Measure was set. Busy is estimated from one
// change in 64.
func (m *Monitor) Cost() Cost {
	changes, busy := m.watch.Cost()

	return Cost{changes, busy}
}

// WaitForDraining returns nil once the monitor is not active: at once, or as
// soon as the depth reaches the low watermark. It returns ctx's error if ctx
// ends first, and tq.ErrClosed if monitor or queue are closed, or the
// queue is deposed, while active.
func (m *Monitor) WaitForDraining(ctx context.Context) error {
	if !m.watch.Raised() {
		return nil
	}
	drained, err := m.join()
	if drained == nil {
		return err
	}
	select {
	case <-drained:
		return m.ended()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join gives what is closed when backpressure ends; nil if nobody needs to wait
// for it, or with an error if nobody can.
func (m *Monitor) join() (<-chan struct{}, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.watch.State()
	m.release(s)
	switch {
	case !s.Raised:
		return nil, nil
	case m.closed || m.watch.QueueClosed():
		return nil, tq.ErrClosed
	}
	if m.drained == nil {
		m.drained, m.awaiting = make(chan struct{}), s.Crossings
	}

	return m.drained, nil
}

// ended is what a waiter is told whom release has let go.
func (m *Monitor) ended() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.watch.QueueClosed() && m.watch.Raised() {
		return tq.ErrClosed
	}

	return nil
}

// crossed is called by the queue, under its lock.
func (m *Monitor) crossed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.look()
}

// look lets waiters go if backpressure has ended, and tells listeners what is
// new or has the timer do so when the cooldown ends. It reads the state itself:
// two crossings may come by in either order. mu is held.
func (m *Monitor) look() {
	if m.closed {
		return
	}
	s := m.watch.State()
	m.release(s)
	rest := time.Duration(0)
	if !m.toldAt.IsZero() {
		rest = m.cooldown - time.Since(m.toldAt)
	}
	switch {
	case s.Raised == m.told.Active:
		m.disarm()
	case rest > 0:
		m.arm(rest)
	default:
		m.disarm()
		m.toldAt = time.Now()
		m.post(m.signal(s))
	}
}

// release lets those go who wait for the end of what has ended. mu is held.
func (m *Monitor) release(s tq.DepthState) {
	if m.drained != nil && (s.Crossings != m.awaiting || m.watch.QueueClosed()) {
		close(m.drained)
		m.drained = nil
	}
}

func (m *Monitor) arm(rest time.Duration) {
	switch {
	case m.armed:
		return
	case m.timer == nil:
		m.timer = time.AfterFunc(rest, m.cooled)
	default:
		m.timer.Reset(rest)
	}
	m.armed = true
}

func (m *Monitor) disarm() {
	if m.armed {
		m.timer.Stop()
		m.armed = false
	}
}

func (m *Monitor) cooled() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.armed = false
	m.look()
}

// Close lets go of the queue, ends all subscriptions and gives waiters
// tq.ErrClosed. Closing twice is no error.
func (m *Monitor) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.disarm()
	m.end()
	if m.drained != nil {
		close(m.drained)
		m.drained = nil
	}
	m.mu.Unlock()
	m.probe.Detach(m.watch)

	return nil
}
