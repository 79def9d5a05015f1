package backpressure_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/tq"
)

// queue is a generated queue of small capacity.
type queue struct {
	*leasequeue.Local
	tb testing.TB
}

func open(tb testing.TB, o tq.Options) *queue {
	tb.Helper()
	if o.Capacity == 0 {
		o.Capacity = 64
	}
	q, err := leasequeue.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { q.Close() })

	return &queue{q, tb}
}

// add enqueues n tasks at once.
func (q *queue) add(n int) {
	q.tb.Helper()
	for range n {
		if _, err := q.TryEnqueue(context.Background(), lease.ResourceLease{}); err != nil {
			q.tb.Fatal(err)
		}
	}
}

// work leases and completes n tasks that are there.
func (q *queue) work(n int) {
	q.tb.Helper()
	for range n {
		l, err := q.TryLease(context.Background())
		if err == nil {
			err = l.Complete(context.Background())
		}
		if err != nil {
			q.tb.Fatal(err)
		}
	}
}

func (q *queue) pending() int {
	s, _ := q.Stats(context.Background())

	return s.Pending()
}

func monitor(tb testing.TB, q backpressure.Queue, o backpressure.Options) *backpressure.Monitor {
	tb.Helper()
	m, err := backpressure.New(q, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Close() })

	return m
}

// tape keeps what a listener was told.
type tape struct {
	mu      sync.Mutex
	signals []backpressure.Signal
}

func (p *tape) listen(_ context.Context, s backpressure.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signals = append(p.signals, s)

	return nil
}

func (p *tape) all() []backpressure.Signal {
	p.mu.Lock()
	defer p.mu.Unlock()

	return slices.Clone(p.signals)
}

// states are the signals in short.
func (p *tape) states() []bool {
	var states []bool
	for _, s := range p.all() {
		states = append(states, s.Active)
	}

	return states
}

const second = time.Second
