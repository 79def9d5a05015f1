package backpressure

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/tqgen/tqgen/runtime/tq"
)

// kept is how many signals a listener may be behind before it is spared some.
const kept = 64

// board has the latest signals for listeners to read, each at its own pace.
// Posting one never waits for them.
type board struct {
	mu     sync.Mutex // taken with a lock of the queue held, so the queue is never called under it
	closed bool
	told   Signal // the last one; before the first one the state at the beginning
	posted uint64
	ring   [kept]Signal
	subs   []*subscription
}

// post is called with mu held.
func (b *board) post(s Signal) {
	b.told = s
	b.ring[b.posted%kept] = s
	b.posted++
	for _, sub := range b.subs {
		sub.call()
	}
}

// end is called with mu held.
func (b *board) end() {
	b.closed = true
	for _, s := range b.subs {
		s.cancel()
	}
	b.subs = nil
}

func (b *board) subscribe(l Listener) *subscription {
	ctx, cancel := context.WithCancel(context.Background())
	s := &subscription{
		board: b, listen: l, cancel: cancel, wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		cancel()
		s.err = tq.ErrClosed
		close(s.done)

		return s
	}
	s.next, s.begin, s.first = b.posted, b.told, true
	b.subs = append(b.subs, s)
	go s.run(ctx)

	return s
}

// Subscription is a listener that is being told. It ends with Close, or with
// the source it listens to.
type Subscription interface {
	// Close ends the subscription. A call of the listener that is under way sees
	// its context end and is not waited for. Closing twice is no error.
	Close() error
	// Done is closed when the listener has returned from its last call.
	Done() <-chan struct{}
	// Err is the latest error of the listener; nil if there was none. A panic is
	// a *[tq.PanicError], and runtime.Goexit ends the subscription. It is
	// tq.ErrClosed if there was nothing to subscribe to any more.
	Err() error
}

// subscription is a listener of a board.
type subscription struct {
	board  *board
	listen Listener
	cancel context.CancelFunc
	wake   chan struct{} // holds one wake-up
	done   chan struct{}

	begin Signal // what was told last when the subscription began; guarded by board.mu
	first bool   // begin was not told yet; guarded by board.mu
	told  bool   // Active, as told last; guarded by board.mu
	next  uint64 // number of the next signal on the board; guarded by board.mu
	err   error  // guarded by board.mu
}

func (s *subscription) Close() error {
	s.cancel()
	s.leave()

	return nil
}

func (s *subscription) Done() <-chan struct{} { return s.done }

func (s *subscription) Err() error {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()

	return s.err
}

func (s *subscription) leave() {
	b := s.board
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs = slices.DeleteFunc(b.subs, func(o *subscription) bool { return o == s })
}

func (s *subscription) call() {
	select {
	case s.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func (s *subscription) run(ctx context.Context) {
	defer close(s.done)
	defer s.leave() // where the listener ends the goroutine
	for ctx.Err() == nil {
		if signal, ok := s.take(); ok {
			s.tell(ctx, signal)
			continue
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
		}
	}
}

// take is the next signal that says something new.
func (s *subscription) take() (Signal, bool) {
	b := s.board
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.first {
		s.first, s.told = false, s.begin.Active

		return s.begin, true
	}
	if b.posted > kept {
		s.next = max(s.next, b.posted-kept)
	}
	for s.next < b.posted {
		signal := b.ring[s.next%kept]
		s.next++
		if signal.Active != s.told {
			s.told = signal.Active

			return signal, true
		}
	}

	return Signal{}, false
}

func (s *subscription) tell(ctx context.Context, signal Signal) {
	returned := false
	defer func() {
		if v := recover(); v != nil {
			s.fail(&tq.PanicError{Value: v, Stack: debug.Stack()})
		} else if !returned {
			s.fail(errGoexit)
		}
	}()
	err := s.listen(ctx, signal)
	returned = true
	if err != nil {
		s.fail(err)
	}
}

// errGoexit is the error of a listener that can be called no more.
var errGoexit = errors.New("backpressure: listener called runtime.Goexit")

func (s *subscription) fail(err error) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	s.err = err
}
