package tq

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// RunOptions say how [Run] works. The zero value is one worker.
type RunOptions struct {
	// Workers is how many tasks are handled at a time, each in a goroutine of
	// its own. 0 means 1.
	Workers int
	// Owner names the workers in events. Generated code passes it on with
	// every lease.
	Owner string
	// Grace is how long handlers may go on once Run is to end. 0 means the
	// queue's lease time, [NoGrace] not at all.
	Grace time.Duration
	// Wrap, if not nil, gives what Run calls instead of a worker: one that does
	// more, such as spans, and calls that. It is called once for each worker.
	Wrap func(Worker) Worker
}

// NoGrace as RunOptions.Grace cancels handlers as soon as Run is to end.
const NoGrace = time.Duration(-1)

// RunPolicy is what [Run] has to know of the queue's policy.
type RunPolicy struct {
	Lease     time.Duration // how long a grant holds
	Heartbeat time.Duration // interval of heartbeats, below Lease/2
}

// Worker is the typed half of one of Run's goroutines: generated code, round a
// lease with its payload. Run makes one call at a time, and none after a
// handler that it no longer waits for.
type Worker interface {
	// Next settles the present lease as o says, waits for the next one and
	// makes that the present one, in one step. It is called with a Verb other
	// than Nothing only if there is a present lease. The errors are apart:
	// settled is that of settling, err that of leasing, with which there is no
	// present lease any more. It ends with an error of ctx's when ctx ends.
	Next(ctx context.Context, o Outcome) (settled, err error)
	// Handle calls the user's handler with the present lease.
	Handle(ctx context.Context) error
	// Lease is the present lease. It stays the same until Next.
	Lease() (Held, Token)
}

// Run leases tasks and handles them, in o.Workers goroutines with a worker
// each, until ctx ends or the queue answers with an error. newWorker is called
// before the first task is leased, once for each.
//
// # Results
//
// A handler that returns nil completes its task, an error fails it, an error
// with [Permanent] anywhere in its tree makes the task dead. A panic fails it
// with a [*PanicError], and so does runtime.Goexit. A lease that is over by
// then, because the handler settled it or lost it, is left alone.
//
// # Contexts
//
// A handler's context has the values of ctx but not its end. It is cancelled
// when the handler has returned; before that, when the lease is lost, with the
// cause [ErrLeaseLost], and when grace is over, with the cause for which Run
// ends: ctx's, or the queue's error.
//
// While a handler runs its lease is prolonged every p.Heartbeat. The lease is
// lost when that is refused with ErrLeaseLost, which it also is once the
// handler has settled the lease. Any other error is tried again until the
// deadline has passed; then too the lease is lost.
//
// # The end
//
// Once ctx has ended, or the queue has answered one worker with an error, no
// handler is started any more. Those that run may go on for o.Grace, their
// leases prolonged and their results settled as ever. After that their
// contexts are cancelled and their leases released at once, so that the tasks
// go to other workers, no attempt counted; what they still return is dropped.
//
// Run then waits one second for them to return. A handler that ignores its
// context for longer keeps its goroutine after Run has returned: it holds no
// lease that could do harm, and a process that is to end should not hang on
// it. But for those, no goroutine of Run's is left when it returns.
//
// Run returns nil if it ended with ctx. Otherwise it returns the first error
// of the queue's: what leasing answered, such as [ErrClosed] or [ErrDrained],
// or what settling answered other than ErrLeaseLost, such as [ErrUncertain].
func Run(ctx context.Context, o RunOptions, p RunPolicy, newWorker func() Worker) error {
	o, err := o.resolve(p)
	if err != nil {
		return err
	}

	pool := &runPool{
		RunPolicy: p, values: context.WithoutCancel(ctx), done: make(chan struct{}),
	}
	pool.leasing, pool.stop = context.WithCancelCause(ctx)
	defer pool.stop(nil)
	pool.settling, pool.giveUp = context.WithCancel(pool.values)
	defer pool.giveUp()

	for range o.Workers {
		typed := newWorker()
		if o.Wrap != nil {
			typed = o.Wrap(typed)
		}
		pool.workers = append(pool.workers, &runWorker{pool: pool, typed: typed})
	}
	pool.active.Store(int64(o.Workers))
	for _, w := range pool.workers {
		go w.work(Outcome{})
	}
	<-pool.leasing.Done()
	pool.shutDown(o.Grace)

	return pool.err
}

// resolve is o with its defaults, checked.
func (o RunOptions) resolve(p RunPolicy) (RunOptions, error) {
	switch {
	case o.Workers < 0:
		return o, fmt.Errorf("tq: RunOptions: Workers %d is negative", o.Workers)
	case o.Grace < 0 && o.Grace != NoGrace:
		return o, fmt.Errorf("tq: RunOptions: Grace %v is negative", o.Grace)
	case p.Lease < MinLease || p.Lease > MaxLease:
		return o, fmt.Errorf("tq: RunPolicy: Lease %v is not in %v…%v", p.Lease, MinLease, MaxLease)
	case p.Heartbeat <= 0 || p.Heartbeat >= p.Lease/2:
		return o, fmt.Errorf("tq: RunPolicy: Heartbeat %v must be less than half of Lease %v", p.Heartbeat, p.Lease)
	}
	o.Workers = orInt(o.Workers, 1)
	if o.Grace == 0 {
		o.Grace = p.Lease
	}

	return o, nil
}

// linger is how long Run waits for handlers after it has cancelled their
// contexts: long for one that heeds its context, short for a process that ends.
const linger = time.Second

// runPool is one call of Run.
type runPool struct {
	RunPolicy
	workers []*runWorker

	values   context.Context // what handlers' contexts have of the caller's
	leasing  context.Context // ends when no more tasks are to be leased
	stop     context.CancelCauseFunc
	settling context.Context // ends when nothing is waited for any longer
	giveUp   context.CancelFunc

	active atomic.Int64  // workers that are waited for
	done   chan struct{} // closed when there are none
	beats  sync.WaitGroup

	once sync.Once
	err  error // the first of the queue's; set by once, read after done
}

// fail ends the pool with an error of the queue's; a lost lease is none.
func (p *runPool) fail(err error) {
	if err == nil || errors.Is(err, ErrLeaseLost) {
		return
	}
	p.once.Do(func() { p.err = err })
	p.stop(err)
}

// leave says that one worker is no longer waited for.
func (p *runPool) leave() {
	if p.active.Add(-1) == 0 {
		close(p.done)
	}
}

// shutDown sees all workers off. Nothing is leased any more.
func (p *runPool) shutDown(grace time.Duration) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		defer time.AfterFunc(linger, p.giveUp).Stop()
		p.revoke()
		select {
		case <-p.done:
		case <-p.settling.Done():
			p.abandon()
		}
	}
	<-p.done
	p.beats.Wait()
}

// revoke takes their leases from all handlers that still run. All are told
// before the first lease is released, since that may take a while.
func (p *runPool) revoke() {
	var late []*runWorker
	for _, w := range p.workers {
		if cancel := w.revoke(); cancel != nil {
			cancel(context.Cause(p.leasing))
			late = append(late, w)
		}
	}
	for _, w := range late {
		p.fail(w.held.Release(p.settling, w.token))
	}
}

// abandon leaves handlers that do not return to themselves.
func (p *runPool) abandon() {
	for _, w := range p.workers {
		w.mu.Lock()
		if w.cancel != nil {
			w.abandoned = true
			p.leave()
		}
		w.mu.Unlock()
	}
}

// runWorker is one worker of a pool. Its methods are those of its goroutine
// unless they say otherwise.
type runWorker struct {
	pool  *runPool
	typed Worker
	held  Held // the present lease; not written any more once revoked
	token Token

	mu        sync.Mutex              // guards what follows
	cancel    context.CancelCauseFunc // of the handler's context; nil while none runs
	revoked   bool                    // no handler may start, and the result of one that runs does not count
	abandoned bool                    // the pool does not wait for this worker
	beating   context.Context         // the handler's; nil while there is no lease to prolong
	timer     *time.Timer             // calls beat; nil until first used
	armed     bool                    // the timer runs, or beat does
}

// work handles one task after another; o is how to leave the present lease.
func (w *runWorker) work(o Outcome) {
	handling := false
	defer func() {
		if handling { // nothing stops runtime.Goexit, so another goroutine takes over
			go w.work(o)
		}
	}()

	for w.next(o) {
		handling = true
		w.handle(&o)
		handling = false
	}
	w.leave()
}

// next settles the present lease as o says and gets the next one. It is false
// when the worker is to end; it holds nothing then.
func (w *runWorker) next(o Outcome) bool {
	p := w.pool
	if p.leasing.Err() != nil {
		p.fail(w.settle(o))
		return false
	}

	settled, err := w.typed.Next(p.leasing, o)
	if !p.over(settled) {
		p.fail(settled)
	}
	if err != nil {
		if !p.over(err) {
			p.fail(err)
		}

		return false
	}
	w.held, w.token = w.typed.Lease()
	if p.leasing.Err() != nil {
		p.fail(w.settle(Outcome{Verb: Release}))
		return false
	}

	return true
}

// over reports whether err only says that nothing is to be leased any more.
func (p *runPool) over(err error) bool {
	ended := p.leasing.Err()

	return ended != nil && (errors.Is(err, ended) || errors.Is(err, context.Cause(p.leasing)))
}

// settle leaves the present lease without taking another.
func (w *runWorker) settle(o Outcome) error {
	ctx := w.pool.settling
	switch o.Verb {
	case Complete:
		return w.held.Complete(ctx, w.token)
	case Fail:
		return w.held.Fail(ctx, w.token, o.Cause)
	case Release:
		return w.held.Release(ctx, w.token)
	case MoveToDead:
		return w.held.DeadLetter(ctx, w.token, o.Cause)
	default:
		return nil
	}
}

// handle runs the handler. It sets how to leave the lease even if it does not
// return, because the handler ended the goroutine.
func (w *runWorker) handle(o *Outcome) {
	ctx, cancel := context.WithCancelCause(w.pool.values)
	if !w.begin(ctx, cancel) {
		cancel(nil)
		*o = Outcome{Verb: Release}
		return
	}

	returned := false
	defer func() {
		if !returned {
			v := recover()
			if v == nil {
				v = errGoexit
			}
			*o = Outcome{Fail, &PanicError{Value: v, Stack: debug.Stack()}}
		}
		if !w.end() {
			*o = Outcome{}
		}
	}()
	*o = outcome(w.typed.Handle(ctx))
	returned = true
}

// outcome is how a result settles a lease. It calls methods of the user's
// error, so they may panic here, and nowhere after.
func outcome(err error) Outcome {
	switch {
	case err == nil:
		return Outcome{Verb: Complete}
	case IsPermanent(err):
		return Outcome{MoveToDead, newTaskError(err)}
	default:
		return Outcome{Fail, newTaskError(err)}
	}
}

// begin gives the present lease to a handler, unless grace is over.
func (w *runWorker) begin(ctx context.Context, cancel context.CancelCauseFunc) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.revoked {
		return false
	}
	w.cancel, w.beating = cancel, ctx
	if !w.armed {
		w.arm()
	}

	return true
}

// end takes the lease back from a handler that has returned. It is false if the
// pool has taken it before.
func (w *runWorker) end() bool {
	w.mu.Lock()
	cancel, mine := w.cancel, !w.revoked
	w.cancel, w.beating = nil, nil
	w.mu.Unlock()
	cancel(nil)

	return mine
}

// revoke takes the lease from the handler that runs, and returns what cancels
// its context. It is the pool's.
func (w *runWorker) revoke() context.CancelCauseFunc {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revoked, w.beating = true, nil
	w.disarm()

	return w.cancel
}

// leave is the end of the worker.
func (w *runWorker) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disarm()
	if !w.abandoned {
		w.pool.leave()
	}
}

// arm starts the timer for the first time it is due. It needs mu.
//
// The timer is lazy. It goes on running when the handler returns, since most
// return long before they need a heartbeat and the next one starts at once;
// beat finds out what it is wanted for.
func (w *runWorker) arm() {
	w.armed = true
	w.pool.beats.Add(1)
	if w.timer == nil {
		w.timer = time.AfterFunc(w.pool.Heartbeat, w.beat)
	} else {
		w.timer.Reset(w.pool.Heartbeat)
	}
}

// disarm stops the timer; if beat runs already, that stops by itself. It needs mu.
func (w *runWorker) disarm() {
	if w.armed && w.timer.Stop() {
		w.armed = false
		w.pool.beats.Done()
	}
}

// beat is the timer's. It prolongs the lease of the handler that runs, if that
// is due, and starts the timer again if there is one.
func (w *runWorker) beat() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var next time.Duration
	if ctx := w.beating; ctx != nil {
		held, token, cancel := w.held, w.token, w.cancel
		begun := time.Now()
		w.mu.Unlock()
		wait, ok := w.pool.prolong(ctx, held, token)
		if !ok {
			cancel(ErrLeaseLost)
		}
		w.mu.Lock()
		switch {
		case w.beating != ctx: // another handler's turn, whose lease is younger, or nobody's
			next = w.pool.Heartbeat - time.Since(begun)
		case ok:
			next = wait
		default:
			w.beating = nil
		}
	}

	if w.beating == nil {
		w.armed = false
		w.pool.beats.Done()
		return
	}
	w.timer.Reset(next)
}

// prolong sends a heartbeat if it is due and says how long it is until the next
// one, or that the lease is lost. When it is due the deadline says, so that
// nobody has to read a clock when a handler begins. A deadline that is not of the
// policy's lease time says nothing: it is due whenever it is looked at then.
func (p *runPool) prolong(ctx context.Context, held Held, token Token) (next time.Duration, ok bool) {
	begun := time.Now()
	deadline := held.Deadline(token)
	if !begun.Before(deadline) {
		return 0, false
	}
	if next = deadline.Sub(begun) - p.Lease + p.Heartbeat; 0 < next && next <= p.Heartbeat {
		return next, true
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()

	_, err := held.Heartbeat(ctx, token)
	switch {
	case err == nil:
		return p.Heartbeat - time.Since(begun), true
	case errors.Is(err, ErrLeaseLost):
		return 0, false
	default:
		return min(p.Heartbeat/4, time.Until(deadline)), true
	}
}

// Permanent marks err as one that no further attempt can mend: [Run] makes the
// task dead whatever attempts are left. It says what err says. Permanent of
// nil is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}

	return &permanentError{err}
}

// IsPermanent reports whether [Permanent] marked an error in err's tree.
func IsPermanent(err error) bool {
	var p *permanentError

	return errors.As(err, &p)
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// PanicError is what [Run] fails a task with whose handler panicked.
type PanicError struct {
	Value any    // what recover gave; an error that says so if the handler called runtime.Goexit
	Stack []byte // of the handler's goroutine; never part of the message
}

var errGoexit = errors.New("handler called runtime.Goexit")

// Error is the value without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Code is [CodePanic].
func (e *PanicError) Code() string { return CodePanic }
