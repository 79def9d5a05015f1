package tq_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

var seeds = flag.Uint64("tq.seeds", 200/fewer, "random scripts per test, and a tenth of the storms")

// player plays one script, a string of bytes, on a queue and on the model and
// compares them after every step. Three bytes are a step: what to do, and two
// numbers it may use. Everything is a step, so any bytes are a script.
type player struct {
	q      *queue
	m      *model
	reader *tq.Cursor
	opened time.Time

	bodies    map[tq.TaskID]string
	leases    []lease // all there ever were
	ids       []tq.TaskID
	snapshots []snapshot
	drained   []mSnapshot // what the snapshots must be
	read      int         // events compared
	said      string      // what the step was
	watches   []*watched
	trace     int // what producers say of theirs: see traces
}

const stepBytes = 3

// play returns what first went wrong, and how much of the script it took.
func play(t *testing.T, with locks, script []byte) (steps int, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		p := newPlayer(t, with, next(&script, 5))
		defer func() { _ = p.q.Close() }()
		for len(script) > 0 && err == nil {
			step := next(&script, stepBytes)
			steps++
			if err = p.step(step[0], int(step[1]), int(step[2])); err == nil {
				err = p.compare()
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", p.said, err)
			}
		}
		if err == nil {
			err = p.finish()
		}
	})

	return steps, err
}

// next cuts n bytes off the script, zeros where it has ended.
func next(script *[]byte, n int) []byte {
	head := make([]byte, n)
	*script = (*script)[copy(head, *script):]

	return head
}

func newPlayer(t *testing.T, with locks, b []byte) *player {
	o := policy()
	o.Capacity = 1 + int(b[0]%6)
	o.Attempts = 1 + int(b[1]%4)
	o.Dead = 1 + int(b[2]%4)
	o.LogEntries = []int{1 << 10, 48}[b[4]%2] // a step seldom makes more than 48, but for drains
	backoff := func(int) time.Duration { return 0 }
	switch b[3] % 4 {
	case 1:
		o.Backoff = tq.ConstBackoff(300 * time.Millisecond)
		backoff = func(int) time.Duration { return 300 * time.Millisecond }
	case 2:
		o.Backoff = tq.ConstBackoff(time.Second) // as long as a lease
		backoff = func(int) time.Duration { return time.Second }
	case 3:
		o.Backoff = tq.ExpBackoff(100*time.Millisecond, 250*time.Millisecond, 0)
		backoff = func(attempt int) time.Duration {
			return []time.Duration{100, 200, 250, 250}[attempt-1] * time.Millisecond
		}
	}
	p := new(player)
	o.TraceParent = func(context.Context) string { return p.traced() }
	*p = player{
		q: with.open(t, o), opened: time.Now(), bodies: map[tq.TaskID]string{},
		m: &model{
			capacity: o.Capacity, attempts: o.Attempts, dead: o.Dead, lease: o.Lease, backoff: backoff,
			origin: o.Incarnation, restored: map[string]bool{},
		},
	}
	if p.reader, _ = p.q.Watch(0); p.reader == nil {
		t.Fatal("no reader")
	}
	p.watches = watchAll(p.q)

	return p
}

func (p *player) now() time.Duration { return time.Since(p.opened).Truncate(tick) }

// steps says how often each kind of step comes.
var steps = []struct {
	weight int
	name   string
	do     func(p *player, a, b int) error
}{
	{14, "enqueue", (*player).enqueue},
	{6, "enqueueAt", (*player).enqueueAt},
	{4, "enqueueBatch", (*player).enqueueBatch},
	{18, "take", (*player).take},
	{4, "takeBatch", (*player).takeBatch},
	{22, "settle", (*player).settle},
	{6, "settleTake", (*player).settleTake},
	{4, "completeAll", (*player).completeAll},
	{6, "stale", (*player).stale},
	{6, "resume", (*player).resume},
	{22, "sleep", (*player).sleep},
	{6, "redrive", (*player).redrive},
	{4, "purge", (*player).purge},
	{2, "page", (*player).page},
	{3, "drain", (*player).drain},
	{5, "restore", (*player).restore},
	{2, "watchNow", (*player).watchNow},
	{2, "reopen", (*player).reopen},
	{2, "attach", (*player).attach},
	{3, "pause", (*player).pause},
	{1, "close", (*player).close},
}

func (p *player) step(kind byte, a, b int) error {
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	n := int(kind) % total
	for _, s := range steps {
		if n -= s.weight; n < 0 {
			p.said = fmt.Sprintf("%s(%d, %d)", s.name, a, b)
			return s.do(p, a, b)
		}
	}

	return nil
}

// agree says whether the queue answered what the model did.
func agree(got, want error) error {
	if want == nil && got != nil || want != nil && !errors.Is(got, want) {
		return fmt.Errorf("answered %v, want %v", got, want)
	}

	return nil
}

// done is a context that has ended: what would have to wait, fails.
var done = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()

	return ctx
}()

// orDone is what a waiting call with done for its context answers instead.
func orDone(err error) error {
	if err == tq.ErrFull || err == tq.ErrEmpty {
		return context.Canceled
	}

	return err
}

func (p *player) body() string { return fmt.Sprint("body ", len(p.ids)) }

// traces are what producers may say they are in, with what tasks keep of it.
var traces = []struct{ said, kept string }{
	{},
	{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
	{"00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-00", "00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-00"},
	{"no traceparent", ""},
	{"panic", ""},
}

// produce sets which of traces the producers to come are in.
func (p *player) produce(b int) {
	p.trace = b % len(traces)
	p.m.trace = traces[p.trace].kept
}

// traced is the queue's Options.TraceParent.
func (p *player) traced() string {
	said := traces[p.trace].said
	if said == "panic" {
		panic(said)
	}

	return said
}

// entered compares the identity of a new task and remembers it.
func (p *player) entered(id tq.TaskID, err error, wantID tq.TaskID, want error) error {
	if err := agree(err, want); err != nil || want != nil {
		return err
	}
	if id != wantID {
		return fmt.Errorf("gave identity %v, want %v", id, wantID)
	}
	p.bodies[id] = p.body()
	p.ids = append(p.ids, id)

	return nil
}

func (p *player) enqueue(a, b int) error {
	p.produce(b)
	wantID, want := p.m.enqueue(p.now(), 0)
	if a%2 == 0 {
		id, err := p.q.tryEnqueue([]byte(p.body()))

		return p.entered(id, err, wantID, want)
	}
	id, err := p.q.enqueue(done, []byte(p.body()))

	return p.entered(id, err, wantID, orDone(want))
}

func (p *player) enqueueAt(a, b int) error {
	due := p.now() + time.Duration(a%16-4)*100*time.Millisecond
	p.produce(b)
	wantID, want := p.m.enqueue(p.now(), due)
	id, err := p.q.enqueueAt(done, []byte(p.body()), p.opened.Add(due))

	return p.entered(id, err, wantID, orDone(want))
}

func (p *player) enqueueBatch(a, b int) error {
	p.produce(b)
	room, at, err := p.q.in.PutBatch(done, 1+a%4)
	if err != nil {
		_, want := p.m.enqueue(p.now(), 0)

		return agree(err, orDone(want))
	}
	defer p.q.Unlock()
	if want := min(1+a%4, p.m.capacity-p.m.live(p.now())); room != want {
		return fmt.Errorf("room for %d, want %d", room, want)
	}
	for range room {
		slot, id := p.q.AddLocked(at)
		*p.q.shelf.at(slot) = []byte(p.body())
		wantID, want := p.m.enqueue(p.now(), 0)
		if err := p.entered(id, nil, wantID, want); err != nil {
			return err
		}
	}

	return nil
}

// granted compares a grant and remembers it.
func (p *player) granted(l lease, err error, owner string, wait bool) error {
	t, want := p.m.grant(p.now(), owner, l.Token.Epoch)
	if wait {
		want = orDone(want)
	}
	if err := agree(err, want); err != nil || want != nil {
		return err
	}
	p.leases = append(p.leases, l)

	return p.shown(l, t)
}

// shown compares a lease with its task.
func (p *player) shown(l lease, t *mTask) error {
	got := fmt.Sprint(l.Token, l.EnqueuedAt.Sub(p.opened), message(l.LastError), string(l.Body))
	want := fmt.Sprint(t.last, t.enqueued, t.err, p.bodies[t.id])
	if got != want {
		return fmt.Errorf("granted %s, want %s", got, want)
	}

	return nil
}

func message(err *tq.TaskError) string {
	if err == nil {
		return ""
	}

	return err.Message
}

func (p *player) take(a, b int) error {
	owner := []string{"", "anne", "bob"}[b%3]
	if a%2 == 0 {
		l, err := p.q.keep(p.q.TryTake(owner))

		return p.granted(l, err, owner, false)
	}
	l, err := p.q.keep(p.q.Take(done, owner))

	return p.granted(l, err, owner, true)
}

func (p *player) takeBatch(a, _ int) error {
	g, err := p.q.TryTake("batch")
	if err != nil {
		return p.granted(lease{}, err, "batch", false)
	}
	defer p.q.Unlock()
	for range 1 + a%4 {
		if err := p.granted(lease{g, *p.q.shelf.at(g.Slot)}, nil, "batch", false); err != nil {
			return err
		}
		more := false
		if g, more = p.q.TakeMore("batch"); !more {
			return p.granted(lease{}, tq.ErrEmpty, "batch", false)
		}
	}

	return p.granted(lease{g, *p.q.shelf.at(g.Slot)}, nil, "batch", false)
}

// pick is one of the leases there were, mostly a late one.
func (p *player) pick(b int) lease {
	switch n := len(p.leases); {
	case n == 0:
		return lease{}
	case b < 200:
		return p.leases[max(0, n-1-b%8)]
	default:
		return p.leases[b%n]
	}
}

var verbs = []tq.Verb{tq.Complete, tq.Fail, tq.Fail, tq.Release, tq.MoveToDead, tq.Nothing}

func (p *player) settle(a, b int) error {
	if len(p.leases) == 0 {
		return nil
	}
	l := p.pick(b)

	return p.settleAs(l, l.Token, a%len(verbs))
}

// settleAs plays one of the verbs, the heartbeat in the place of Nothing.
func (p *player) settleAs(l lease, token tq.Token, verb int) error {
	want := p.m.settle(p.now(), token, verbs[verb], "boom")
	ctx := done // settling does not care
	switch verbs[verb] {
	case tq.Complete:
		return agree(l.Held.Complete(ctx, token), want)
	case tq.Fail:
		return agree(l.Held.Fail(ctx, token, errBoom), want)
	case tq.Release:
		return agree(l.Held.Release(ctx, token), want)
	case tq.MoveToDead:
		return agree(l.Held.DeadLetter(ctx, token, errBoom), want)
	}
	until, err := l.Held.Heartbeat(ctx, token)
	if want == nil && p.since(until) != p.m.find(token.Task).until {
		return fmt.Errorf("heartbeat until %v, want %v", p.since(until), p.m.find(token.Task).until)
	}
	trace := ""
	if t := p.m.holds(p.now(), token); t != nil {
		trace = t.trace
	}
	if got := l.Held.TraceParent(token); got != trace {
		return fmt.Errorf("the trace is %q, want %q", got, trace)
	}
	if got := l.Held.Deadline(token); !got.Equal(until) {
		return fmt.Errorf("the deadline is %v, want %v", got, until)
	}

	return agree(err, want)
}

func (p *player) settleTake(a, b int) error {
	l := p.pick(b)
	verb := verbs[a%len(verbs)]
	outcome := tq.Outcome{Verb: verb}
	if verb == tq.Fail || verb == tq.MoveToDead {
		outcome.Cause = errBoom
	}
	var want error
	if verb != tq.Nothing {
		want = p.m.settle(p.now(), l.Token, verb, "boom")
	}
	g, settled, err := p.q.SettleTake(done, l.Held, l.Token, outcome, "run")
	if err == nil {
		defer p.q.Unlock()
		l = lease{g, *p.q.shelf.at(g.Slot)}
	}
	if err := agree(settled, want); err != nil {
		return fmt.Errorf("settling: %w", err)
	}

	return p.granted(l, err, "run", true)
}

// completeAll completes some leases, lost ones and the same one twice among them.
func (p *player) completeAll(a, b int) error {
	var leases []lease
	done, lost := 0, error(nil)
	for i := range a % 5 {
		l := p.pick(b + i*a/5)
		leases = append(leases, l)
		if p.m.settle(p.now(), l.Token, tq.Complete, "") == nil {
			done++
		} else {
			lost = tq.ErrLeaseLost
		}
	}
	n, err := completeAll(leases...)
	if n != done {
		return fmt.Errorf("completed %d, want %d", n, done)
	}

	return agree(err, lost)
}

// stale presents a token that never was: one that differs in one field.
func (p *player) stale(a, b int) error {
	if len(p.leases) == 0 {
		return nil
	}
	l := p.pick(b)
	token := l.Token
	switch a % 6 {
	case 0:
		token.Epoch++
	case 1:
		token.Epoch--
	case 2:
		token.Attempt++
	case 3:
		token.Incarnation++
	case 4:
		token.Task.Sequence++
	case 5:
		token.Task.Origin++
	}

	return p.settleAs(l, token, b%len(verbs))
}

func (p *player) resume(_, b int) error {
	token := p.pick(b).Token
	l, err := p.q.resume(token)
	t := p.m.holds(p.now(), token)
	switch {
	case t == nil:
		return agree(err, tq.ErrLeaseLost)
	case err != nil:
		return agree(err, nil)
	}

	return p.shown(l, t)
}

// sleep passes time: a little, a lot, or exactly until something happens. The
// queue's timer does what is due; the model is told.
func (p *player) sleep(a, b int) error {
	d := time.Duration(b) * 7 * time.Millisecond
	if a%4 == 0 {
		d = time.Duration(b) * 100
	}
	if a%4 == 1 {
		for _, t := range p.m.tasks {
			if left := t.until - p.now(); t.state != tq.Dead && left > 0 && (d > left || b%2 == 0) {
				d = left
			}
		}
	}
	to := p.now() + d
	for leased := p.m.in(to, tq.Leased); !p.m.closed && len(leased) > 0 && leased[0].until <= to; {
		p.m.expire(leased[0].until, 1)
		leased = p.m.in(to, tq.Leased)
	}
	if p.m.closed { // no timer: the next look at the queue ends what is over
		p.m.expire(to, len(p.m.tasks))
	}
	time.Sleep(d)
	synctest.Wait()

	return nil
}

// someone is a task to do something to as an operator.
func (p *player) someone(b int) tq.TaskID {
	if dead := p.m.deadLetters(); len(dead) > 0 && b < 200 {
		return dead[b%len(dead)].id
	}
	if len(p.ids) == 0 {
		return tq.TaskID{}
	}

	return p.ids[b%len(p.ids)]
}

func (p *player) redrive(_, b int) error {
	id := p.someone(b)

	return agree(p.q.Redrive(id), p.m.redrive(p.now(), id))
}

func (p *player) purge(_, b int) error {
	id := p.someone(b)

	return agree(p.q.Purge(id), p.m.purge(p.now(), id))
}

// page reads the dead letters a few at a time.
func (p *player) page(a, _ int) error {
	var got, want []tq.TaskID
	after := uint64(0)
	for {
		refs, err := p.q.DeadLetters(after, 1+a%3)
		if err != nil {
			return err
		}
		p.q.Unlock()
		if len(refs) == 0 {
			break
		}
		for _, r := range refs {
			got = append(got, r.ID)
			after = r.Number
		}
	}
	for _, t := range p.m.deadLetters() {
		want = append(want, t.id)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("dead letters %v, want %v", got, want)
	}

	return nil
}

func (p *player) drain(a, _ int) error {
	if a%8 == 0 {
		_, err := p.q.drain(done, time.Second)

		return agree(err, context.Canceled)
	}
	s, err := p.q.drain(context.Background(), 0)
	if err != nil {
		return err
	}

	return p.took(s, p.m.drain(p.now()))
}

func (p *player) watchNow(_, _ int) error {
	return p.took(p.q.look(), mSnapshot{epoch: p.m.epoch, tasks: p.m.state(p.now())})
}

// took compares a snapshot and remembers it, and it as if another queue had
// taken it.
func (p *player) took(s snapshot, want mSnapshot) error {
	want.id = s.ID
	p.snapshots = append(p.snapshots, s)
	p.drained = append(p.drained, want)
	if diff := p.diff(s, want.tasks); diff != "" {
		return errors.New(diff)
	}
	if s.HighestEpoch < want.epoch {
		return fmt.Errorf("highest epoch %v, want %v", s.HighestEpoch, want.epoch)
	}
	foreign := func(o tq.Incarnation) tq.Incarnation { return o*1009 + tq.Incarnation(len(p.snapshots)) }
	s.ID, s.Incarnation = fmt.Sprint("foreign ", len(p.snapshots)), foreign(s.Incarnation)
	s.Tasks = slices.Clone(s.Tasks)
	s.HighestEpoch += 3 << 48
	want.id, want.epoch, want.tasks = s.ID, s.HighestEpoch, slices.Clone(want.tasks)
	for i := range s.Tasks {
		t, w := &s.Tasks[i], &want.tasks[i]
		body := p.bodies[t.ID]
		t.ID.Origin = foreign(t.ID.Origin)
		w.id = t.ID
		p.bodies[t.ID] = body
		p.ids = append(p.ids, t.ID)
		if t.LastToken != (tq.Token{}) {
			t.LastToken.Task, t.LastToken.Incarnation = t.ID, foreign(t.LastToken.Incarnation)
			w.last = t.LastToken
		}
	}
	p.snapshots = append(p.snapshots, s)
	p.drained = append(p.drained, want)

	return nil
}

func (p *player) restore(_, b int) error {
	n := len(p.snapshots)
	if n == 0 || len(p.m.tasks) > 30 {
		return nil
	}
	i := max(0, n-1-b%3)
	if b >= 200 {
		i = b % n
	}

	return agree(p.q.restore(p.snapshots[i]), p.m.restore(p.now(), p.drained[i]))
}

func (p *player) reopen(_, _ int) error { return agree(p.q.Reopen(), p.m.reopen()) }

// attach starts or stops reading; without a reader the queue keeps no events.
func (p *player) attach(_, _ int) (err error) {
	if p.reader != nil {
		err = p.reader.Close()
		p.reader = nil

		return err
	}
	p.read = len(p.m.events)
	p.reader, err = p.q.Watch(tq.Sequence(p.read))

	return err
}

// pause pauses the queue, or ends that. A pause mostly ends with the step, in
// which somebody asks for a task in vain.
func (p *player) pause(a, b int) error {
	p.m.paused = !p.m.paused
	p.q.Probe().Pause(p.m.paused)
	if !p.m.paused || a%4 == 0 {
		return nil
	}
	if err := errors.Join(p.take(a, b), p.takeBatch(a, b), p.enqueue(a, b)); err != nil {
		return err
	}
	p.m.paused = false
	p.q.Probe().Pause(false)

	return nil
}

func (p *player) close(a, b int) error {
	if a%64 != 0 {
		return p.sleep(a, b)
	}
	p.m.closed = true

	return p.q.Close()
}

// compare looks at everything there is to see.
func (p *player) compare() error {
	if diff := p.diff(p.q.look(), p.m.state(p.now())); diff != "" {
		return errors.New(diff)
	}
	got, want := p.q.Stats(), p.m
	now := p.now()
	counts := []int{got.Ready, got.Delayed, got.Leased, got.Dead}
	wantCounts := []int{
		len(want.in(now, tq.Ready, tq.ReadyFirst)), len(want.in(now, tq.Delayed)),
		len(want.in(now, tq.Leased)), len(want.in(now, tq.Dead)),
	}
	if ready := want.in(now, tq.Ready, tq.ReadyFirst); len(ready) > 0 {
		since := ready[0].until
		for _, t := range ready {
			since = min(since, t.until)
		}
		if oldest := now - since; got.OldestReady != oldest {
			return fmt.Errorf("the oldest is ready for %v, want %v", got.OldestReady, oldest)
		}
	}
	if got.Paused != want.paused {
		return fmt.Errorf("paused: %v, want %v", got.Paused, want.paused)
	}
	if !slices.Equal(counts, wantCounts) {
		return fmt.Errorf("ready, delayed, leased, dead: %v, want %v", counts, wantCounts)
	}
	if got.Counters != want.count {
		return fmt.Errorf("counters (-want +got):\n%s", cmp.Diff(want.count, got.Counters))
	}
	if err := balance(got); err != nil {
		return err
	}
	if err := compareWatches(p.watches, got); err != nil {
		return err
	}

	return p.compareEvents()
}

func (p *player) compareEvents() error {
	if p.reader == nil {
		if got := p.q.held(); got != len(p.m.tasks) {
			return fmt.Errorf("%d payloads are kept for %d tasks", got, len(p.m.tasks))
		}

		return nil
	}
	events, err := p.q.read(p.reader)
	if missed := len(p.m.events) - p.read; errors.Is(err, tq.ErrGap) && missed > p.q.opts.LogEntries {
		p.read = len(p.m.events)
		_, _ = p.reader.Snapshot()
		p.q.Unlock()

		return nil
	}
	if err != nil {
		return fmt.Errorf("reading events: %w", err)
	}
	for _, e := range events {
		if int(e.Sequence) != p.read+1 || p.read >= len(p.m.events) {
			return fmt.Errorf("event %d %v of %v after %d, want %d events", e.Sequence, e.Kind, e.Task, p.read,
				len(p.m.events))
		}
		if got, want := p.plain(e.Record), p.m.events[p.read]; got != want {
			return fmt.Errorf("event %d (-want +got):\n%s", e.Sequence, cmp.Diff(want, got))
		}
		if want := p.bodies[e.Task]; string(e.Body) != want {
			return fmt.Errorf("event %d of %v shows %q, want %q", e.Sequence, e.Task, e.Body, want)
		}
		p.read++
	}
	if p.read != len(p.m.events) {
		return fmt.Errorf("%d events, want %d: %+v", p.read, len(p.m.events), p.m.events[p.read:])
	}

	return nil
}

// plain is a record as the model writes it.
func (p *player) plain(r tq.Record) mEvent {
	return mEvent{
		Kind: r.Kind, Flags: r.Flags, More: r.More, Task: r.Task, Attempt: r.Attempt, At: p.since(r.At),
		Enqueued: p.since(r.EnqueuedAt), Available: p.since(r.AvailableAt), Deadline: p.since(r.Deadline),
		Token: r.Token, Owner: r.Owner, Err: message(r.Err), Trace: r.TraceParent,
	}
}

func (p *player) since(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}

	return t.Sub(p.opened)
}

// diff compares tasks as snapshots show them.
func (p *player) diff(s snapshot, tasks []mTask) string {
	type shown struct {
		mTask
		body string
	}
	got, want := make([]shown, len(s.Tasks)), make([]shown, len(tasks))
	for i, t := range s.Tasks {
		got[i] = shown{mTask{
			id: t.ID, state: t.State, attempt: t.Attempt, enqueued: p.since(t.EnqueuedAt), owner: t.Owner,
			until: p.since(t.AvailableAt) + p.since(t.Deadline), err: message(t.LastError), last: t.LastToken,
			trace: t.TraceParent,
		}, string(t.Body)}
	}
	for i, t := range tasks {
		want[i] = shown{t, p.bodies[t.id]}
		want[i].turn = 0
		if t.state != tq.Leased {
			want[i].owner = ""
		}
		if t.state == tq.Dead {
			want[i].until = 0
		}
	}
	if slices.Equal(got, want) {
		return ""
	}

	return fmt.Sprintf("tasks (-want +got):\n%s", cmp.Diff(lines(want), lines(got)))
}

func lines[T any](s []T) []string {
	var lines []string
	for _, v := range s {
		lines = append(lines, fmt.Sprintf("%+v", v))
	}

	return lines
}

// finish looks for payloads nobody refers to any more.
func (p *player) finish() error {
	if p.reader != nil {
		_ = p.attach(0, 0)
	}

	return p.compareEvents()
}

// shorten leaves out of a failing script what it fails without.
func shorten(t *testing.T, with locks, script []byte) []byte {
	fails := func(s []byte) bool { _, err := play(t, with, s); return err != nil }
	for size := len(script) / 2 / stepBytes; size > 0; size /= 2 {
		for at := 5; at+size*stepBytes <= len(script); {
			shorter := slices.Delete(slices.Clone(script), at, at+size*stepBytes)
			if fails(shorter) {
				script = shorter
			} else {
				at += size * stepBytes
			}
		}
	}

	return script
}

// explain lists the steps of a script.
func explain(t *testing.T, with locks, script []byte) string {
	var b strings.Builder
	synctest.Test(t, func(t *testing.T) {
		defer func() { _ = recover() }()
		p := newPlayer(t, with, next(&script, 5))
		defer func() { _ = p.q.Close() }()
		fmt.Fprintf(&b, "%+v\n", p.q.opts)
		for len(script) > 0 {
			step := next(&script, stepBytes)
			err := p.step(step[0], int(step[1]), int(step[2]))
			fmt.Fprintf(&b, "%v: %s: %v\n", p.now(), p.said, err)
		}
	})

	return b.String()
}

func report(t *testing.T, with locks, script []byte) {
	t.Helper()
	steps, err := play(t, with, script)
	if err == nil {
		return
	}
	t.Logf("step %d: %v", steps, err)
	short := shorten(t, with, script[:min(len(script), 5+steps*stepBytes)])
	steps, err = play(t, with, short)
	if with == 2 {
		_, alone := play(t, 1, short)
		t.Logf("the same with one lock: %v", alone)
	}
	t.Fatalf("shortened to %d steps, %q:\n%s%v", steps, short, explain(t, with, short), err)
}

func randomScript(seed uint64, steps int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	script := make([]byte, 5+steps*stepBytes)
	for i := range script {
		script[i] = byte(r.Uint32())
	}

	return script
}

// TestModel plays random scripts. -tq.seeds sets their number; one of four the
// reference plays, too.
func TestModel(t *testing.T) {
	for part := range uint64(2) {
		t.Run(fmt.Sprint("part=", part), func(t *testing.T) {
			t.Parallel()
			for seed := part; seed < *seeds; seed += 2 {
				script := randomScript(seed, 2000)
				for with := 2; with > 0 && (with == 2 || seed/2%4 == 0); with-- {
					if _, err := play(t, locks(with), script); err != nil {
						t.Errorf("seed %d, %d locks", seed, with)
						report(t, locks(with), script)
					}
				}
			}
		})
	}
}

// FuzzModel plays any script. Its seeds are short stories that matter.
func FuzzModel(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(randomScript(seed, 60))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 5+2000*stepBytes {
			return
		}
		report(t, 1, script)
		report(t, 2, script)
	})
}
