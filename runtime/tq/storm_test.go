package tq_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

// storm is producers, workers, operators, drains and a close, all at once on
// one queue. Afterwards the log tells the model what happened, and in which
// order; the model must have done the same, and every answer that a caller got
// must be found in it.
type storm struct {
	q      *queue
	opened time.Time
	reader *tq.Cursor
	fake   bool // time is a bubble's

	producing, working context.Context
	stopWorking        context.CancelFunc

	mu      sync.Mutex
	moments atomic.Int64 // that began and ended, see span

	accepted map[tq.TaskID]string // by an Enqueue that returned nil
	refused  map[string]bool      // bodies of an Enqueue that did not
	settled  map[tq.Kind]map[tq.Token]int
	spans    map[act]span // of calls that succeeded
	looks    []look       // of those who read
	events   []event
	wrong    []error
	watches  []*watched
}

// span is from when until when a call lasted, in a count of all moments at which
// some call began or ended. Two calls are one after the other if one began
// after the other had ended.
type span struct{ began, ended int64 }

func (s *storm) begin() span { return span{began: s.moments.Add(1)} }

func (s *storm) end(c span) span {
	c.ended = s.moments.Add(1)

	return c
}

// act is what a call did, as its event says it. Heartbeats of a lease are
// numbered, since but for their deadline they are alike.
type act struct {
	kind  tq.Kind
	task  tq.TaskID
	epoch tq.Epoch
	n     int
}

// look is a call that saw all up to a sequence, and nothing after it.
type look struct {
	span
	seq tq.Sequence
}

func (s *storm) saw(c span, seq tq.Sequence) {
	c = s.end(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks = append(s.looks, look{c, seq})
}

func (s *storm) failf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, fmt.Errorf(format, args...))
}

// pause lets others run. In a bubble it passes time, mostly in steps so coarse
// that much happens at the same moment.
func (s *storm) pause(r *rand.Rand, most time.Duration) {
	switch {
	case s.fake && r.IntN(4) == 0:
		time.Sleep(time.Duration(r.Int64N(int64(most))))
	case s.fake:
		time.Sleep(time.Duration(r.IntN(5)) * most / 4)
	default:
		for range r.IntN(20) {
			runtime.Gosched()
		}
	}
}

// impatient is a context that may end soon.
func (s *storm) impatient(r *rand.Rand, ctx context.Context) (context.Context, context.CancelFunc) {
	switch {
	case r.IntN(2) == 0:
		return ctx, func() {}
	case s.fake:
		return context.WithTimeout(ctx, time.Duration(1+r.Int64N(int64(time.Second))))
	default:
		return context.WithTimeout(ctx, time.Duration(1+r.Int64N(int64(100*time.Microsecond))))
	}
}

func (s *storm) produce(r *rand.Rand, name string, tasks int) {
	for n := 0; n < tasks; {
		ctx, cancel := s.impatient(r, s.producing)
		var bodies [][]byte
		for range 1 + r.IntN(3) {
			bodies = append(bodies, fmt.Appendf(nil, "%s %d", name, n))
			n++
		}
		var ids []tq.TaskID
		var err error
		one := func(id tq.TaskID, e error) {
			bodies, err = bodies[:1], e
			if e == nil {
				ids = []tq.TaskID{id}
			}
		}
		call := s.begin()
		switch r.IntN(5) {
		case 0:
			one(s.q.tryEnqueue(bodies[0]))
		case 1:
			one(s.q.enqueueAt(ctx, bodies[0], time.Now().Add(time.Duration(r.IntN(int(s.q.opts.Lease))))))
		case 2:
			ids, err = s.q.enqueueBatch(ctx, bodies)
		default:
			one(s.q.enqueue(ctx, bodies[0]))
		}
		cancel()
		s.produced(call, bodies, ids, err)
		if errors.Is(err, tq.ErrClosed) {
			return
		}
		s.pause(r, s.q.opts.Lease/2)
	}
}

func (s *storm) produced(call span, bodies [][]byte, ids []tq.TaskID, err error) {
	call = s.end(call)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, id := range ids {
		s.accepted[id] = string(bodies[i])
		s.spans[act{kind: tq.Enqueued, task: id}] = call
	}
	for _, b := range bodies[len(ids):] {
		s.refused[string(b)] = true
	}
	if (err == nil) != (len(ids) == len(bodies)) {
		s.wrong = append(s.wrong, fmt.Errorf("%d of %d accepted, error %v", len(ids), len(bodies), err))
	}
}

// work leases and settles. Some leases it forgets, so that they expire.
func (s *storm) work(r *rand.Rand, owner string) {
	var l lease // present one
	for s.working.Err() == nil {
		ctx, cancel := s.impatient(r, s.working)
		var err error
		call := s.begin()
		switch held := l.Token != (tq.Token{}); {
		case held && r.IntN(2) == 0:
			outcome := tq.Outcome{Verb: verbs[r.IntN(len(verbs))], Cause: errBoom}
			g, settled, e := s.q.SettleTake(ctx, l.Held, l.Token, outcome, owner)
			old := l.Token
			l, err = s.q.keep(g, e)
			if outcome.Verb != tq.Nothing {
				s.answered(s.end(call), outcome.Verb, old, settled)
			}
		case r.IntN(4) == 0:
			l, err = s.q.keep(s.q.TryTake(owner))
		default:
			l, err = s.q.keep(s.q.Take(ctx, owner))
		}
		cancel()
		if err == nil {
			s.granted(s.end(call), l.Token)
			l = s.handle(r, l)
		} else {
			s.pause(r, s.q.opts.Lease/4)
			if l = (lease{}); errors.Is(err, tq.ErrClosed) {
				return
			}
		}
	}
}

// handle takes its time and settles l, more than once maybe. A lease it
// returns is still to be settled.
func (s *storm) handle(r *rand.Rand, l lease) lease {
	if got, err := s.q.resume(l.Token); err == nil && (got.Token != l.Token || string(got.Body) != string(l.Body)) {
		s.failf("resumed %v for %v", got.Token, l.Token)
	}
	for r.IntN(3) == 0 {
		s.pause(r, s.q.opts.Lease*2/3)
		s.settle(tq.Nothing, l.Token, func() error {
			asked := time.Now()
			until, err := l.beat()
			if err == nil && !s.q.opts.CoarseClock && until.Before(asked.Add(s.q.opts.Lease-tick)) {
				s.failf("heartbeat at %v gave %v", asked, until)
			}

			return err
		})
	}
	switch s.pause(r, s.q.opts.Lease/3); r.IntN(10) {
	case 0: // let it expire
	case 1:
		s.pause(r, 2*s.q.opts.Lease)
		s.settle(tq.Complete, l.Token, l.complete)
	case 2:
		s.settle(tq.Fail, l.Token, l.fail)
	case 3:
		s.settle(tq.Release, l.Token, l.release)
	case 4:
		s.settle(tq.MoveToDead, l.Token, l.bury)
	case 5:
		var racers sync.WaitGroup
		for range 2 {
			racers.Go(func() { s.settle(tq.Complete, l.Token, l.complete) })
		}
		racers.Wait()
	case 6:
		s.settle(tq.Complete, l.Token, func() error { _, err := completeAll(l); return err })
	case 7, 8:
		return l
	default:
		s.settle(tq.Complete, l.Token, l.complete)
		if err := l.fail(); !errors.Is(err, tq.ErrLeaseLost) {
			s.failf("failing a lease after completing it: %v", err)
		}
	}

	return lease{}
}

func (s *storm) granted(call span, token tq.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spans[act{kind: tq.LeaseGranted, task: token.Task, epoch: token.Epoch}] = call
}

// settle settles a lease, or prolongs it if verb is Nothing.
func (s *storm) settle(verb tq.Verb, token tq.Token, do func() error) {
	call := s.begin()
	err := do()
	s.answered(s.end(call), verb, token, err)
}

// answered notes how a lease was settled, by the event that must be in the log.
func (s *storm) answered(call span, verb tq.Verb, token tq.Token, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := act{task: token.Task, epoch: token.Epoch, kind: map[tq.Verb]tq.Kind{
		tq.Complete: tq.Completed, tq.Fail: tq.Failed, tq.Release: tq.Released, tq.MoveToDead: tq.Failed,
		tq.Nothing: tq.Heartbeat,
	}[verb]}
	kind := a.kind
	switch {
	case err != nil && !errors.Is(err, tq.ErrLeaseLost):
		s.wrong = append(s.wrong, fmt.Errorf("settling %v with %v: %w", token, verb, err))
	case err == nil:
		if s.settled[kind] == nil {
			s.settled[kind] = map[tq.Token]int{}
		}
		a.n = s.settled[kind][token]
		s.spans[a] = call
		s.settled[kind][token]++
	}
}

// operate drains, restores, redrives and purges.
func (s *storm) operate(r *rand.Rand) {
	for s.working.Err() == nil {
		s.pause(r, 4*s.q.opts.Lease)
		switch r.IntN(7) {
		case 0, 1: // and on to the drain, while those woken have not looked yet
			for _, d := range s.q.deadLetters() {
				if r.IntN(2) == 0 {
					_ = s.q.Redrive(d.ID)
				} else {
					_ = s.q.Purge(d.ID)
				}
			}
			if r.IntN(2) == 0 {
				s.drainAndRestore(r)
			}
		case 2:
			s.drainAndRestore(r)
			if r.IntN(2) == 0 {
				s.drainAndRestore(r)
			}
		case 3:
			ctx, cancel := s.impatient(r, s.working)
			after := uint64(0)
			for {
				ref, err := s.q.NextDead(ctx, after)
				if err == nil {
					s.q.Unlock()
				} else if !errors.Is(err, tq.ErrGap) {
					break
				}
				if ref.Number <= after {
					s.failf("dead letter %d after %d", ref.Number, after)
					break
				}
				after = ref.Number
				if ctx.Err() != nil {
					break
				}
			}
			cancel()
		case 4:
			call := s.begin()
			state, c := s.q.watchNow()
			s.saw(call, state.Sequence)
			_ = c.Close()
		default:
			call := s.begin()
			stats := s.q.Stats()
			s.saw(call, stats.Sequence)
			if err := balance(stats); err != nil {
				s.failf("%w", err)
			}
		}
	}
}

func (s *storm) drainAndRestore(r *rand.Rand) {
	ctx, cancel := s.impatient(r, s.working)
	defer cancel()
	call := s.begin()
	snap, err := s.q.drain(ctx, time.Duration(r.Int64N(int64(s.q.opts.Lease))))
	if err != nil {
		return
	}
	s.saw(call, snap.Sequence)
	s.pause(r, s.q.opts.Lease)
	for range 1 + r.IntN(2) { // once or twice is the same
		if err := s.q.restore(snap); err != nil && !errors.Is(err, tq.ErrClosed) && !errors.Is(err, tq.ErrDrained) {
			s.failf("restoring: %w", err)
		}
	}
}

// follow collects all events.
func (s *storm) follow() {
	for {
		call := s.begin()
		records, err := s.reader.Next(context.Background(), 16)
		if err != nil {
			if !errors.Is(err, tq.ErrClosed) {
				s.failf("reading: %w", err)
			}

			return
		}
		s.mu.Lock()
		for _, rec := range records {
			s.events = append(s.events, event{rec, *s.q.shelf.at(rec.Slot)})
		}
		s.mu.Unlock()
		last := records[len(records)-1].Sequence
		s.reader.Unlock(len(records))
		if len(records) == 16 {
			call.began = 0 // there may be more
		}
		s.saw(call, last)
	}
}

// blow runs the storm to its end.
func blow(t *testing.T, with locks, seed uint64, fake bool) (err error) {
	r := rand.New(rand.NewPCG(seed, 1))
	o := policy()
	o.Capacity, o.Attempts, o.Dead = 1+r.IntN(8), 1+r.IntN(4), 1+r.IntN(6)
	o.LogEntries = 1 << 18
	tasks := 24
	if !fake {
		o.Lease, o.Heartbeat, tasks = tq.MinLease, tq.MinLease/4, 2000
		o.Capacity *= 8
		o.CoarseClock = seed%2 == 1
	}
	o.Backoff = []tq.Backoff{tq.NoBackoff, tq.ConstBackoff(o.Lease / 4)}[r.IntN(2)]
	s := &storm{
		opened: time.Now(), q: with.open(t, o), fake: fake,
		accepted: map[tq.TaskID]string{}, refused: map[string]bool{}, settled: map[tq.Kind]map[tq.Token]int{},
		spans: map[act]span{},
	}
	if s.reader, err = s.q.Watch(0); err != nil {
		return err
	}
	s.watches = watchAll(s.q)
	var stopProducing context.CancelFunc
	s.producing, stopProducing = context.WithCancel(t.Context())
	s.working, s.stopWorking = context.WithCancel(t.Context())
	stuck := time.AfterFunc(time.Hour, func() { // nobody waits for so long but by mistake
		s.failf("stuck: %+v", s.q.Stats())
		stopProducing()
		s.stopWorking()
	})
	defer stuck.Stop()

	spawn := func(wg *sync.WaitGroup, n int, f func(*rand.Rand, string)) {
		for i := range n {
			own := rand.New(rand.NewPCG(r.Uint64(), 2))
			wg.Go(func() { f(own, fmt.Sprint(i)) })
		}
	}
	var producers, workers, reader sync.WaitGroup
	spawn(&reader, 1, func(*rand.Rand, string) { s.follow() })
	spawn(&producers, 1+r.IntN(3), func(r *rand.Rand, name string) { s.produce(r, name, tasks) })
	spawn(&workers, 1+r.IntN(4), s.work)
	spawn(&workers, 1, func(r *rand.Rand, _ string) { s.operate(r) })
	if r.IntN(3) == 0 {
		spawn(&workers, 1, func(r *rand.Rand, _ string) {
			s.pause(r, 10*o.Lease)
			if body := []byte("last"); r.IntN(2) == 0 { // and close before whom it wakes has looked
				call := s.begin()
				id, err := s.q.tryEnqueue(body)
				s.produced(call, [][]byte{body}, []tq.TaskID{id}[:1-b2i(err != nil)], err)
			}
			_ = s.q.Close()
		})
	}
	if fake {
		spawn(&workers, 1, s.watchOver)
	}
	producers.Wait()
	if fake {
		time.Sleep(time.Duration(r.IntN(int(10 * o.Lease))))
	}
	s.stopWorking()
	workers.Wait()
	stopProducing()

	return s.judge(r, &reader)
}

// watchOver looks whenever nothing moves: nobody may wait for what is there.
func (s *storm) watchOver(r *rand.Rand, _ string) {
	for s.working.Err() == nil {
		s.pause(r, s.q.opts.Lease)
		synctest.Wait()
		s.q.Stats() // may end a lease ahead of the timer, for which a drain waits
		synctest.Wait()
		st := s.q.Stats()
		// While leases are out, a drain may be waiting for them. A timer is late by less than a tick.
		if st.WaitingConsumers > 0 && st.OldestReady > 0 && st.Leased == 0 {
			s.failf("work waits: %+v", st)
		}
		if st.WaitingProducers > 0 && st.Live() < st.Capacity && st.Leased == 0 {
			s.failf("room waits: %+v", st)
		}
		if err := balance(st); err != nil {
			s.failf("%w", err)
		}
	}
}

// judge compares what happened with what callers were told and with the model.
func (s *storm) judge(r *rand.Rand, reader *sync.WaitGroup) error {
	if r.IntN(2) == 0 {
		if _, err := s.q.drain(context.Background(), 0); err != nil {
			return err
		}
	}
	_ = s.q.Close()
	reader.Wait()
	left, stats, err := s.ended()
	if err != nil {
		return err
	}
	if len(s.wrong) > 0 {
		return errors.Join(s.wrong...)
	}
	m, err := s.replay()
	if err != nil {
		return err
	}
	if err := errors.Join(balance(stats), compareWatches(s.watches, stats)); err != nil {
		return err
	}
	if stats.Counters != m.count {
		return fmt.Errorf("counters (-want +got):\n%s", cmp.Diff(m.count, stats.Counters))
	}
	p := player{opened: s.opened, bodies: s.accepted}
	if diff := p.diff(left, m.state(s.sinceOpen(left))); diff != "" {
		return errors.New(diff)
	}

	return s.compareAnswers()
}

// ended is what is left at the end of the log. Leases are settled after a close,
// too: those that fall due while one looks are ended by the look.
func (s *storm) ended() (left snapshot, stats tq.Stats, err error) {
	for {
		left, stats = s.q.look(), s.q.Stats()
		rest, err := s.q.read(s.reader)
		if err != nil {
			return left, stats, err
		}
		s.events = append(s.events, rest...)
		if end := tq.Sequence(len(s.events)); left.Sequence == end && stats.Sequence == end {
			return left, stats, nil
		}
	}
}

// sinceOpen is when a snapshot was taken, near enough to tell due from delayed.
func (s *storm) sinceOpen(left snapshot) time.Duration {
	now := time.Since(s.opened)
	for _, t := range left.Tasks {
		if t.State == tq.Delayed {
			now = min(now, t.AvailableAt.Sub(s.opened)-1)
		}
	}

	return now
}

// compareAnswers finds each answer in the log, and nothing else.
func (s *storm) compareAnswers() error {
	entered := map[tq.TaskID]string{}
	settled := map[tq.Kind]map[tq.Token]int{}
	for _, e := range s.events {
		switch e.Kind {
		case tq.Enqueued:
			entered[e.Task] = string(e.Body)
			if s.refused[string(e.Body)] {
				return fmt.Errorf("%v was refused and is in the log", e.Task)
			}
		case tq.Completed, tq.Failed, tq.Released, tq.Heartbeat:
			if settled[e.Kind] == nil {
				settled[e.Kind] = map[tq.Token]int{}
			}
			settled[e.Kind][e.Token]++
		}
		if want := s.accepted[e.Task]; string(e.Body) != want {
			return fmt.Errorf("event %d of %v shows %q, want %q", e.Sequence, e.Task, e.Body, want)
		}
	}
	if diff := cmp.Diff(s.accepted, entered); diff != "" {
		return fmt.Errorf("accepted (-answers +log):\n%s", diff)
	}
	if diff := cmp.Diff(s.settled, settled); diff != "" {
		return fmt.Errorf("settled (-answers +log):\n%s", diff)
	}

	return s.compareOrder()
}

// compareOrder looks for two calls, one after the other, that the log has the
// other way round.
func (s *storm) compareOrder() error {
	const aLook = "a look"
	type place struct {
		look
		what string
	}
	var places []place
	beats := map[act]int{}
	for _, e := range s.events {
		a := act{kind: e.Kind, task: e.Task, epoch: e.Token.Epoch}
		if a.kind == tq.Heartbeat {
			beats[a]++
			a.n = beats[a] - 1
		}
		if c, ok := s.spans[a]; ok {
			places = append(places, place{look{c, e.Sequence}, fmt.Sprint(e.Kind, " of ", e.Task)})
		}
	}
	for _, l := range s.looks {
		places = append(places, place{l, aLook})
	}
	slices.SortFunc(places, func(a, b place) int { // of those at one place, looks come last, in any order
		for _, d := range []int{int(a.seq) - int(b.seq), b2i(a.what == aLook) - b2i(b.what == aLook)} {
			if d != 0 {
				return d
			}
		}

		return b2i(a.began > b.began) - b2i(a.began < b.began)
	})
	latest := place{look: look{span: span{began: math.MinInt64}}}
	for _, p := range places {
		if p.ended < latest.began {
			return fmt.Errorf("%s, at %d, had returned when %s, at %d, began", p.what, p.seq, latest.what, latest.seq)
		}
		if p.began > latest.began {
			latest = p
		}
	}

	return nil
}

// replay has the model do what the log says, at the times the log says.
func (s *storm) replay() (*model, error) {
	o := s.q.opts
	delay := map[bool]time.Duration{false: 0, true: o.Lease / 4}[o.Backoff != tq.NoBackoff]
	p := player{opened: s.opened, m: &model{
		capacity: o.Capacity, attempts: o.Attempts, dead: o.Dead, lease: o.Lease, origin: o.Incarnation,
		backoff: func(int) time.Duration { return delay }, restored: map[string]bool{},
	}}
	out := map[tq.TaskID]mTask{} // drained
	for len(s.events) > p.read {
		e := s.events[p.read]
		at := p.since(e.At)
		if p.read > 0 && e.At.Before(s.events[p.read-1].At) {
			return p.m, fmt.Errorf("event %d is earlier than the one before", e.Sequence)
		}
		var err error
		switch e.Kind {
		case tq.Enqueued:
			_, err = p.m.enqueue(at, p.since(e.AvailableAt))
		case tq.LeaseGranted:
			_, err = p.m.grant(at, e.Owner, e.Token.Epoch)
		case tq.Heartbeat:
			err = p.m.settle(at, e.Token, tq.Nothing, "")
		case tq.Completed:
			err = p.m.settle(at, e.Token, tq.Complete, "")
		case tq.Failed:
			verb := map[tq.Flags]tq.Verb{0: tq.Fail, tq.DeadLetter: tq.MoveToDead}[e.Flags]
			err = p.m.settle(at, e.Token, verb, message(e.Err))
		case tq.Released:
			err = p.m.settle(at, e.Token, tq.Release, "")
		case tq.LeaseExpired:
			if p.m.expire(at, 1) == 0 {
				err = errors.New("nothing is due")
			}
		case tq.Redriven:
			err = p.m.redrive(at, e.Task)
		case tq.Purged:
			err = p.m.purge(at, e.Task)
		case tq.Drained:
			for _, t := range p.m.drain(at).tasks {
				out[t.id] = t
			}
			p.m.drained = false // that nobody came in meanwhile, the answers say
		case tq.Restored:
			snap := mSnapshot{id: fmt.Sprint(e.Sequence)}
			for i := p.read; i == p.read || s.events[i-1].More; i++ {
				snap.tasks = append(snap.tasks, out[s.events[i].Task])
			}
			err = p.m.restore(at, snap)
		default:
			err = errors.New("out of place")
		}
		if err != nil {
			return p.m, fmt.Errorf("event %d, %v of %v: %w", e.Sequence, e.Kind, e.Task, err)
		}
		if err := s.compareUpTo(&p); err != nil {
			return p.m, err
		}
	}

	return p.m, nil
}

func (s *storm) compareUpTo(p *player) error {
	for ; p.read < len(p.m.events); p.read++ {
		if p.read >= len(s.events) {
			return fmt.Errorf("the log ends before %+v", p.m.events[p.read])
		}
		if got, want := p.plain(s.events[p.read].Record), p.m.events[p.read]; got != want {
			return fmt.Errorf("event %d (-want +got):\n%s", p.read+1, cmp.Diff(want, got))
		}
	}

	return nil
}

// TestStorm blows in bubbles, where time is exact and nothing is left to the
// machine's load but who runs first. -tq.seeds sets a tenth of their number. One
// of four is the reference's.
func TestStorm(t *testing.T) {
	for seed := range 10 * *seeds {
		with := locks(2 - b2i(seed%4 == 0))
		var err error
		synctest.Test(t, func(t *testing.T) { err = blow(t, with, seed, true) })
		if err != nil {
			t.Fatalf("seed %d, %d locks: %v", seed, with, err)
		}
	}
}

// TestSlotsGoRound has just as many slots as can be in use: those that consumers
// free must reach the producers in time, while all are at it.
func TestSlotsGoRound(t *testing.T) {
	o := unhurried()
	o.Capacity, o.Dead, o.LogEntries, o.MaxWaiting = 2, 1, 1, 3
	q := openQueue(t, o)
	const each = 5000
	var all sync.WaitGroup
	for range o.MaxWaiting {
		all.Go(func() {
			for i := range each {
				var err error
				if i%4 == 0 {
					_, err = q.enqueueBatch(background, [][]byte{[]byte("of a batch")})
				} else {
					_, err = q.enqueue(background, []byte("alone"))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			var l lease
			for range each {
				g, settled, err := q.SettleTake(background, l.Held, l.Token, tq.Outcome{Verb: tq.Complete * tq.Verb(b2i(l.Body != nil))}, "")
				if l, err = q.keep(g, err); err != nil || settled != nil || l.Body == nil {
					t.Errorf("settled %v, leased %q, %v", settled, l.Body, err)
				}
			}
			if err := l.complete(); err != nil {
				t.Error(err)
			}
		})
	}
	finished := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-finished:
				return
			default:
			}
			s := q.Stats()
			if err := balance(s); err != nil || s.Live() > o.Capacity {
				t.Errorf("%v: %+v", err, s)
			}
			runtime.Gosched()
		}
	})
	all.Wait()
	close(finished)
	watch.Wait()
	if s := q.gauges(t); s.Completed != uint64(o.MaxWaiting)*each || s.Live() != 0 || q.held() != 0 {
		t.Errorf("%d payloads are kept: %+v", q.held(), s)
	}
}

// TestRecordsStayWhileTheyAreRead has readers that are slower than a log that is
// shorter than what they read: what they hold must not change under their eyes,
// nor when somebody closes their cursor.
func TestRecordsStayWhileTheyAreRead(t *testing.T) {
	o := unhurried()
	o.LogEntries = 16
	q := openQueue(t, o)
	const tasks = 20000
	var work, readers sync.WaitGroup
	finished := make(chan struct{})
	for n := range 2 {
		readers.Go(func() {
			_, c := q.watchNow()
			for round := 0; ; round++ {
				records, err := c.Next(background, o.LogEntries)
				switch {
				case errors.Is(err, tq.ErrClosed) && q.isOver(finished):
					return
				case err != nil:
					_ = c.Close()
					_, c = q.watchNow()
					continue
				}
				var closing sync.WaitGroup
				if n == 1 && round%8 == 0 {
					closing.Go(func() { _ = c.Close() })
				}
				runtime.Gosched()
				for _, r := range records {
					body := string(*q.shelf.at(r.Slot))
					if runtime.Gosched(); body != fmt.Sprint(r.Task.Sequence) || string(*q.shelf.at(r.Slot)) != body {
						t.Errorf("event %d of %v shows %q", r.Sequence, r.Task, body)
					}
				}
				c.Unlock(len(records))
				closing.Wait()
			}
		})
	}
	work.Go(func() {
		for i := range tasks {
			if _, err := q.enqueue(background, fmt.Append(nil, i+1)); err != nil {
				t.Error(err)
			}
		}
	})
	work.Go(func() {
		for range tasks {
			l, err := q.lease(background)
			if err := errors.Join(err, l.complete()); err != nil {
				t.Error(err)
			}
		}
	})
	work.Wait()
	close(finished)
	_ = q.Close()
	readers.Wait()
}

func (q *queue) isOver(finished <-chan struct{}) bool {
	select {
	case <-finished:
		return true
	default:
		return false
	}
}

// TestStormReal blows in real time, where leases last as long as a scheduler's
// hiccup.
func TestStormReal(t *testing.T) {
	for seed := range uint64(8) {
		for with := range locks(2) {
			if err := blow(t, with+1, seed, false); err != nil {
				t.Fatalf("seed %d, %d locks: %v", seed, with+1, err)
			}
		}
	}
}
