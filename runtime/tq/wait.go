package tq

import (
	"context"
	"sync"
)

// waiter is a caller in line. It is reused by later callers.
type waiter struct {
	wake       chan struct{} // holds one wake-up
	next, prev *waiter
	inLine     bool
	err        error // why the wait is over for good; nil: look
	overtaken  int   // times it was woken and found nothing
}

// line is a first-in-first-out line of callers that wait for the same thing:
// room, or a ready task. At most one of them is woken at a time; until it has
// looked, nobody else is. Whoever need not wait may be faster than it; then it
// is first in line again, and after patience such times nobody may any more.
type line struct {
	head, tail *waiter
	n          int
	woken      bool    // one was woken and has not looked yet
	strict     bool    // it was overtaken too often: nobody passes
	spare      *waiter // waiters nobody uses, through next
}

// patience is how often a waiter may be overtaken in a row.
const patience = 8

// mayPass says whether a newcomer need not join the line.
func (l *line) mayPass() bool { return !l.strict }

func (l *line) waiter() *waiter {
	w := l.spare
	if w == nil {
		return &waiter{wake: make(chan struct{}, 1)}
	}
	l.spare = w.next
	w.next, w.overtaken, w.err = nil, 0, nil

	return w
}

func (l *line) done(w *waiter) {
	if w.overtaken >= patience {
		l.strict = false
	}
	w.next, l.spare = l.spare, w
}

func (l *line) push(w *waiter) {
	w.inLine = true
	w.next, w.prev = nil, l.tail
	if l.tail != nil {
		l.tail.next = w
	} else {
		l.head = w
	}
	l.tail = w
	l.n++
}

func (l *line) pushFirst(w *waiter) {
	w.inLine = true
	w.next, w.prev = l.head, nil
	if l.head != nil {
		l.head.prev = w
	} else {
		l.tail = w
	}
	l.head = w
	l.n++
}

func (l *line) remove(w *waiter) {
	w.inLine = false
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.head = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.tail = w.prev
	}
	w.next, w.prev = nil, nil
	l.n--
}

// wakeFirst wakes the first in line, unless one is awake already.
func (l *line) wakeFirst() {
	if w := l.head; w != nil && !l.woken {
		l.remove(w)
		l.woken = true
		w.wake <- struct{}{}
	}
}

// dismiss ends every wait with err: the queue was closed or drained.
func (l *line) dismiss(err error) {
	for w := l.head; w != nil; w = l.head {
		l.remove(w)
		w.err = err
		w.wake <- struct{}{}
	}
}

// overtake is called when w was woken and found nothing.
func (l *line) overtake(w *waiter) {
	w.overtaken++
	l.strict = w.overtaken >= patience
}

// join puts w at the end of the line, or at its head if it was there before.
func (l *line) join(w *waiter) {
	if w.overtaken == 0 {
		l.push(w)
	} else {
		l.pushFirst(w)
	}
}

// await waits in line until it is w's turn to look, until the queue dismisses
// it, or until ctx is done. The line's lock mu is held before and after, and
// not in between. On an error w has left the line, and the caller sees to it
// that a wake-up it may have got goes to the next.
func (l *line) await(ctx context.Context, mu sync.Locker, w *waiter) error {
	mu.Unlock()
	select {
	case <-w.wake:
		mu.Lock()
		if w.err == nil {
			l.woken = false
		}

		return w.err
	case <-ctx.Done():
	}
	mu.Lock()
	if w.inLine {
		l.remove(w)
		return ctx.Err()
	}
	<-w.wake
	if w.err == nil {
		l.woken = false
	}

	return ctx.Err()
}
