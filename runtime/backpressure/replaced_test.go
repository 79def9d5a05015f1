package backpressure_test

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tqgen/tqgen/runtime/backpressure"
)

// replaced is the monitor that Monitor replaces, ported as it was. Whoever has
// changed the depth reports it afterwards, so reports can come in another order.
// The cooldown swallows a notification for good, and what State says is what
// was notified last. Listeners are called one after another.
type replaced struct {
	queue     string
	high, low int
	cooldown  time.Duration

	raised   atomic.Bool
	notified atomic.Int64 // when, in nanoseconds; 0: never
	signals  chan backpressure.Signal
	stop     chan struct{}
	changes  atomic.Uint64
	busy     atomic.Int64

	mu        sync.Mutex
	current   backpressure.Signal
	listeners map[*replacedSubscription]backpressure.Listener
	drained   chan struct{}
}

// replacedSubscription ends like that of the replaced monitor: a call that is
// under way, or the next one, may still come.
type replacedSubscription struct {
	m    *replaced
	done chan struct{}
}

func (s *replacedSubscription) Done() <-chan struct{} { return s.done }
func (s *replacedSubscription) Err() error            { return nil }

func (s *replacedSubscription) Close() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if _, ok := s.m.listeners[s]; ok {
		delete(s.m.listeners, s)
		close(s.done)
	}

	return nil
}

func newReplaced(queue string, high, low int, cooldown time.Duration) *replaced {
	m := &replaced{
		queue: queue, high: high, low: low, cooldown: cooldown,
		signals: make(chan backpressure.Signal, 1<<16), stop: make(chan struct{}),
		listeners: map[*replacedSubscription]backpressure.Listener{},
	}
	if low <= 0 || low >= high {
		m.low = max(1, high/2)
	}
	m.current = m.signal(false, 0)
	go m.pump()

	return m
}

func (m *replaced) signal(active bool, depth int) backpressure.Signal {
	return backpressure.Signal{
		Queue: m.queue, Active: active, Pending: depth, High: m.high, Low: m.low, ObservedAt: time.Now(),
	}
}

// observe is called with the depth after each change of it.
func (m *replaced) observe(depth int) {
	begun := time.Now()
	m.changes.Add(1)
	raised := m.raised.Load()
	switch {
	case !raised && depth >= m.high:
		if m.raised.CompareAndSwap(false, true) && m.mayNotify(begun) {
			m.signals <- m.signal(true, depth)
		}
	case raised && depth <= m.low:
		if m.raised.CompareAndSwap(true, false) && m.mayNotify(begun) {
			m.signals <- m.signal(false, depth)
		}
	}
	m.busy.Add(int64(time.Since(begun)))
}

func (m *replaced) mayNotify(now time.Time) bool {
	for {
		last := m.notified.Load()
		if last != 0 && now.UnixNano()-last < int64(m.cooldown) {
			return false
		}
		if m.notified.CompareAndSwap(last, now.UnixNano()) {
			return true
		}
	}
}

func (m *replaced) pump() {
	for {
		select {
		case s := <-m.signals:
			m.dispatch(s)
		case <-m.stop:
			return
		}
	}
}

func (m *replaced) dispatch(s backpressure.Signal) {
	m.mu.Lock()
	s.Generation = m.current.Generation + 1
	m.current = s
	if !s.Active && m.drained != nil {
		close(m.drained)
		m.drained = nil
	}
	var all []backpressure.Listener
	for _, l := range m.listeners {
		all = append(all, l)
	}
	m.mu.Unlock()
	for _, l := range all {
		_ = l(context.Background(), s)
	}
}

func (m *replaced) State() backpressure.Signal {
	m.mu.Lock()
	defer m.mu.Unlock()

	return m.current
}

func (m *replaced) Subscribe(l backpressure.Listener) backpressure.Subscription {
	m.mu.Lock()
	current := m.current
	s := &replacedSubscription{m, make(chan struct{})}
	m.listeners[s] = l
	m.mu.Unlock()
	_ = l(context.Background(), current)

	return s
}

func (m *replaced) WaitForDraining(ctx context.Context) error {
	m.mu.Lock()
	if !m.current.Active {
		m.mu.Unlock()
		return nil
	}
	if m.drained == nil {
		m.drained = make(chan struct{})
	}
	drained := m.drained
	m.mu.Unlock()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *replaced) Cost() backpressure.Cost {
	return backpressure.Cost{Evaluations: m.changes.Load(), Busy: time.Duration(m.busy.Load())}
}

func (m *replaced) close() { close(m.stop) }
