package replication

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// SinkRun is one run of a sink, for the generated code that feeds it: it stores
// each event at the slot that Slot gives, and calls Apply. Its methods are for
// the goroutine that feeds.
type SinkRun struct {
	s     *Sink
	apply func(ctx context.Context, slot int) error

	caller context.Context // of those who apply
	ctx    context.Context // done when the run stops
	done   <-chan struct{} // of ctx
	stop   context.CancelCauseFunc

	from    *SourceProbe // of the source that feeds it; nil where that is not known
	headers []*Header    // by slot; those that wait for their lane
	free    chan int     // slots; nil where events are applied one after another
	peer    string       // of the event being applied, if it was not taken before
	lanes   []chan int   // slots of the tasks of one lane, in order
	workers sync.WaitGroup
	moved   chan struct{} // holds a token when the window has moved

	timer *time.Timer // saves what is not saved for long; guarded by s.mu
	armed bool        // guarded by s.mu
	late  sync.WaitGroup
}

// depth is how many events may wait in line for each that is applied.
const depth = 8

// errFeed stops a run whose feed panicked.
var errFeed = errors.New("replication: what feeds the sink panicked")

// Run makes a run: feed gives it events, apply applies the one at a slot. When
// feed returns, what was taken is applied, if nothing stops it, and a last
// checkpoint is saved. The error is feed's, or what stopped the run before:
// ctx's, an *ApplyError, a *GapError, or what went wrong with a checkpoint;
// ErrRunning if the stream has a run.
func (s *Sink) Run(
	ctx context.Context, apply func(ctx context.Context, slot int) error, feed func(*SinkRun) error,
) (err error) {
	release, err := s.begin(ctx)
	if err != nil {
		return err
	}
	r := &SinkRun{s: s, apply: apply, caller: ctx, moved: make(chan struct{}, 1)}
	r.ctx, r.stop = context.WithCancelCause(ctx)
	r.done = r.ctx.Done()
	r.headers = make([]*Header, 1)
	if n := s.o.Parallel; n > 1 {
		r.open(n)
	}
	fed := errFeed
	defer func() {
		if fed == errFeed { //nolint:errorlint // the very one
			r.stop(errFeed)
		}
		err = r.end(fed)
		s.finish(release)
	}()
	fed = feed(r)

	return nil
}

// open starts n workers.
func (r *SinkRun) open(n int) {
	slots := n * depth
	r.headers, r.free = make([]*Header, slots), make(chan int, slots)
	for i := range slots {
		r.free <- i
	}
	r.lanes = make([]chan int, n)
	for i := range r.lanes {
		lane := make(chan int, slots)
		r.lanes[i] = lane
		r.workers.Go(func() { r.work(lane) })
	}
}

// From says that a source feeds the run, which then knows how far behind that
// source's queue it is; nil says that this is not known. It is called before
// the first event.
func (r *SinkRun) From(p *SourceProbe) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.from, r.s.known = p, 0
}

// Context is done when the run stops: what feeds it may stop waiting.
func (r *SinkRun) Context() context.Context { return r.ctx }

// Slots is above every slot.
func (r *SinkRun) Slots() int { return len(r.headers) }

// Slot waits for a free slot. The error is why the run stops.
func (r *SinkRun) Slot() (int, error) {
	if r.free == nil {
		select {
		case <-r.done:
			return 0, context.Cause(r.ctx)
		default:
			return 0, nil
		}
	}
	select {
	case slot := <-r.free:
		return slot, nil
	case <-r.done:
		return 0, context.Cause(r.ctx)
	}
}

// Apply applies the event at slot, or has it applied, unless it was before. h
// is its header, at a place that lasts until the slot is free. The error is why
// the run stops.
func (r *SinkRun) Apply(slot int, h *Header) error {
	peer := r.s.peer(h)
	if r.free == nil && r.s.p.follows(h, peer) {
		r.peer = peer
		return r.do(slot, h)
	}
	todo, err := r.take(h, peer)
	if err != nil {
		return err
	}
	if r.free == nil {
		if !todo {
			return nil
		}

		return r.do(slot, h)
	}
	if !todo {
		r.free <- slot
		return nil
	}
	if err := r.await(h.Sequence); err != nil {
		return err
	}
	r.headers[slot] = h
	r.lanes[(h.Task.Sequence+uint64(h.Task.Origin))%uint64(len(r.lanes))] <- slot

	return nil
}

// take says whether the event is to be applied.
func (r *SinkRun) take(h *Header, peer string) (bool, error) {
	s := r.s
	for {
		s.mu.Lock()
		v, err := s.p.take(h, peer)
		switch {
		case err != nil:
			s.stats.Gaps++
			s.probe.peers.of(peer).Gaps++
		case v == skipIt:
			s.stats.Duplicates++
			s.probe.peers.of(peer).Duplicates++
		}
		s.mu.Unlock()
		if v != settleFirst {
			return v == applyIt, err
		}
		select {
		case <-r.moved:
		case <-r.ctx.Done():
			return false, context.Cause(r.ctx)
		}
	}
}

// await waits until the event s is within the window.
func (r *SinkRun) await(s tq.Sequence) error {
	for {
		r.s.mu.Lock()
		within := s-r.s.p.done <= tq.Sequence(r.s.o.Window)
		r.s.mu.Unlock()
		if within {
			return nil
		}
		select {
		case <-r.moved:
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		}
	}
}

// work applies the events of a lane, until the run stops.
func (r *SinkRun) work(lane <-chan int) {
	ended := false
	defer func() {
		if !ended { // nobody is left who would take what is in the lane
			r.stop(&PanicError{What: "apply", Value: "runtime.Goexit was called"})
		}
	}()
	for slot := range lane {
		if r.ctx.Err() != nil {
			continue
		}
		if err := r.do(slot, r.headers[slot]); err != nil {
			r.stop(err)
			continue
		}
		r.free <- slot
	}
	ended = true
}

// do applies one event, anew after an error, and saves a checkpoint if one is due.
func (r *SinkRun) do(slot int, h *Header) error {
	for attempt := 1; ; attempt++ {
		err := r.try(slot)
		if err == nil {
			break
		}
		if r.caller.Err() != nil {
			return context.Cause(r.caller)
		}
		if tq.IsPermanent(err) || attempt > r.s.o.Retries {
			return &ApplyError{Event: *h, Attempts: attempt, Err: err}
		}
		r.s.mu.Lock()
		r.s.stats.Retries++
		r.s.mu.Unlock()
		if !pause(r.ctx, r.s.o.Backoff.Delay(h.Task, attempt)) {
			return context.Cause(r.ctx)
		}
	}

	return r.applied(h)
}

// try applies one event once. A panic is an error.
func (r *SinkRun) try(slot int) (err error) {
	defer caught("apply", &err)

	return r.apply(r.caller, slot)
}

// applied takes note of an event that was applied.
func (r *SinkRun) applied(h *Header) error {
	s := r.s
	s.mu.Lock()
	peer := r.peer
	if h.Sequence > s.p.top { // Apply has left it to this lock
		s.p.settle(h, peer)
	} else {
		peer = s.p.mark(h.Sequence).peer
		r.finish(h.Sequence)
	}
	s.stats.Applied++
	s.unsaved++
	s.probe.count(h, peer)
	if r.from != nil {
		s.known = r.from.Head()
	}
	unsaved, global, behind := s.unsaved, s.p.at, max(s.p.top, s.known)-s.p.at.Sequence
	if !r.armed && unsaved < s.o.Batch {
		r.arm()
	}
	s.mu.Unlock()
	if s.o.Applied != nil || s.probe.taps.load() != nil {
		if err := s.tell(Lag{Event: h, Peer: peer, Global: global, Behind: behind, Unsaved: unsaved}); err != nil {
			return err
		}
	}
	if unsaved >= s.o.Batch {
		return r.save(r.caller)
	}

	return nil
}

// finish says that an event that was taken was applied; s.mu is held.
func (r *SinkRun) finish(seq tq.Sequence) {
	if !r.s.p.finish(seq) || r.free == nil {
		return
	}
	select {
	case r.moved <- struct{}{}:
	default:
	}
}

// tell notes the event for those who tap, and calls the hook. A panic is an
// error.
func (s *Sink) tell(l Lag) (err error) {
	defer caught("Applied", &err)
	l.Delay = l.Event.age(s.o.Clock())
	s.probe.give(l.Event, l.Peer, l.Delay, l.Behind)
	if s.o.Applied != nil {
		s.o.Applied(l)
	}

	return nil
}

// arm has a checkpoint saved within the interval; s.mu is held.
func (r *SinkRun) arm() {
	r.armed = true
	if r.timer == nil {
		r.timer = time.AfterFunc(r.s.o.Interval, r.fire)
	} else {
		r.timer.Reset(r.s.o.Interval)
	}
	r.late.Add(1)
}

// disarm takes back what arm did; s.mu is held.
func (r *SinkRun) disarm() {
	if r.armed && r.timer.Stop() {
		r.armed = false
		r.late.Done()
	}
}

// fire is what the timer does.
func (r *SinkRun) fire() {
	defer r.late.Done()
	r.s.mu.Lock()
	r.armed = false
	r.s.mu.Unlock()
	if err := r.s.save(r.caller); err != nil {
		r.stop(err)
	}
}

// save saves a checkpoint because the batch is full.
func (r *SinkRun) save(ctx context.Context) error {
	r.s.mu.Lock()
	r.disarm()
	r.s.mu.Unlock()

	return r.s.save(ctx)
}

// goodbye is how long the last checkpoint of a run may take once its context is
// done.
const goodbye = 10 * time.Second

// end ends the run: what was taken is applied if nothing stops it, and a last
// checkpoint is saved. It returns err, or what stopped the run before.
func (r *SinkRun) end(err error) error {
	for _, lane := range r.lanes {
		close(lane)
	}
	r.workers.Wait()
	if stopped := context.Cause(r.ctx); stopped != nil && (err == nil || r.caller.Err() == nil) {
		err = stopped
	}
	r.s.mu.Lock()
	r.disarm()
	r.s.mu.Unlock()
	r.late.Wait()
	if stopped := context.Cause(r.ctx); err == nil {
		err = stopped // what the timer found
	}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.caller), goodbye)
	defer cancel()
	switch saved := r.s.save(ctx); {
	case err == nil:
		err = saved
	case saved != nil && !errors.Is(err, ErrConflict):
		err = errors.Join(err, saved)
	}
	r.stop(nil)

	return err
}
