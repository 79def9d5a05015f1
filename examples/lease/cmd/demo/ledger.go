package main

import (
	"maps"
	"sync"

	"github.com/tqgen/tqgen/runtime/tq"
)

// ledger holds the demo's own books: what producers were told is accepted
// against what workers and operator were told is done with. It never asks the
// queue, so the two can be compared. Its methods are safe for concurrent use.
type ledger struct {
	mu   sync.Mutex
	open map[tq.TaskID]entry
	sums sums
}

// entry is a task whose two sides differ. A worker may be done with a task
// before its producer has heard that it is accepted: then balance is below 0
// for a moment.
type entry struct {
	number  uint64 // of the payload, so that a task with another's payload is noticed
	balance int    // times accepted less times done with
}

// sums counts over the whole run.
type sums struct {
	accepted, completed, purged, redriven int
	mixed                                 int // tasks whose payload was another's
}

func newLedger() *ledger { return &ledger{open: make(map[tq.TaskID]entry)} }

// accepted notes that a producer was given id for payload number.
func (l *ledger) accepted(id tq.TaskID, number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sums.accepted++
	l.book(id, number, 1)
}

// completed notes that a worker was told that the task is completed.
func (l *ledger) completed(id tq.TaskID, number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sums.completed++
	l.book(id, number, -1)
}

// purged notes that the operator was told that the task is purged.
func (l *ledger) purged(id tq.TaskID, number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sums.purged++
	l.book(id, number, -1)
}

// redriven notes that the operator was told that the task is ready again.
func (l *ledger) redriven() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sums.redriven++
}

// book needs mu.
func (l *ledger) book(id tq.TaskID, number uint64, n int) {
	e, known := l.open[id]
	if known && e.number != number {
		l.sums.mixed++
	}
	e.number = number
	e.balance += n
	if e.balance == 0 {
		delete(l.open, id)
		return
	}
	l.open[id] = e
}

// totals is a reading of the counts.
func (l *ledger) totals() sums {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.sums
}

// left is a task that is still in the queue.
type left struct {
	id     tq.TaskID
	number uint64
}

// close balances the books with what the queue still holds: lost were accepted
// and are nowhere, twice were done with more often than accepted.
func (l *ledger) close(holds []left) (lost, twice int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range holds {
		l.book(h.id, h.number, -1)
	}
	for e := range maps.Values(l.open) {
		lost += max(e.balance, 0)
		twice += max(-e.balance, 0)
	}

	return lost, twice
}
