package tq_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

// primary is a queue with a follower that has seen everything so far.
func primary(t *testing.T) (*queue, *follower, *tq.Cursor) {
	t.Helper()
	q := openQueue(t, policy())
	s, c := q.watchNow()
	f := openFollower(t, policy())
	if err := f.applySnapshot(s); err != nil {
		t.Fatal(err)
	}

	return q, f, c
}

// see applies what the primary has done since.
func (f *follower) see(t *testing.T, q *queue, c *tq.Cursor) {
	t.Helper()
	events, err := q.read(c)
	for _, e := range events {
		err = errors.Join(err, f.apply(e, q.opts.Name, q.opts.Incarnation))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func mustEnqueue(t *testing.T, q *queue, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		if _, err := q.tryEnqueue([]byte(b)); err != nil {
			t.Fatal(err)
		}
	}
}

func mustLease(t *testing.T, q *queue) lease {
	t.Helper()
	l, err := q.tryLease()
	if err != nil {
		t.Fatal(err)
	}

	return l
}

// TestPromoteKeeps: the token of the dead owner is honoured until its deadline
// and the clock skew are over, and refused afterwards; epochs are above all of
// the owner's, those it granted unseen included (invariants 7, 8 and 9).
func TestPromoteKeeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, f, c := primary(t)
		mustEnqueue(t, q, "a", "b", "c", "d")
		kept, lost := mustLease(t, q), mustLease(t, q)
		f.see(t, q, c)
		unseen := mustLease(t, q) // never replicated
		_ = q.Close()
		_ = c.Close()

		time.Sleep(900 * time.Millisecond)
		p, err := f.promote(policy(), tq.Takeover{Term: 2, ClockSkew: 200 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.Close() }()
		if got := p.Stats(); got.Leased != 2 || got.Ready != 2 || got.Sequence != 6 || balance(got) != nil {
			t.Errorf("promoted: %+v", got)
		}
		l, err := p.resume(kept.Token)
		if err != nil || string(l.Body) != "a" {
			t.Fatalf("resume of a kept lease: %q, %v", l.Body, err)
		}
		if want := kept.EnqueuedAt.Add(1200 * time.Millisecond); !l.Held.Deadline(l.Token).Equal(want) {
			t.Errorf("kept until %v, want %v", l.Held.Deadline(l.Token), want)
		}
		if _, err := p.resume(unseen.Token); !errors.Is(err, tq.ErrLeaseLost) {
			t.Errorf("a token never seen: %v", err)
		}
		next := mustLease(t, p)
		if string(next.Body) != "c" || next.Token.Epoch <= unseen.Token.Epoch || next.Token.Task != unseen.Token.Task {
			t.Errorf("granted %q with %v, and the owner with %v", next.Body, next.Token, unseen.Token)
		}
		if _, err := l.beat(); err != nil {
			t.Errorf("heartbeat of a kept lease: %v", err)
		}
		time.Sleep(350 * time.Millisecond) // beyond the skew
		synctest.Wait()
		if _, err := p.resume(lost.Token); !errors.Is(err, tq.ErrLeaseLost) {
			t.Errorf("a token whose time is over: %v", err)
		}
		if got := p.Stats(); got.Expired != 1 || got.Leased != 2 {
			t.Errorf("after the skew: %+v", got)
		}
		if err := l.complete(); err != nil {
			t.Errorf("complete a kept lease: %v", err)
		}
		if err := l.complete(); !errors.Is(err, tq.ErrLeaseLost) {
			t.Errorf("complete it twice: %v", err)
		}
	})
}

// TestKeptLeaseIsNotShortened: a heartbeat extends (7). One of a lease that was
// kept, and that the clock skew lets last longer than a lease does here, leaves
// its deadline, and its place among those that end with it, which a follower of
// the new owner sees likewise; once less than that is left it extends as ever.
func TestKeptLeaseIsNotShortened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, f, c := primary(t)
		mustEnqueue(t, q, "a", "b")
		first, second := mustLease(t, q), mustLease(t, q)
		f.see(t, q, c)
		_ = q.Close()
		p, err := f.promote(policy(), tq.Takeover{Term: 2, ClockSkew: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.Close() }()
		kept, err := p.resume(first.Token)
		if err != nil {
			t.Fatal(err)
		}
		begun, events := p.watchNow()
		next := openFollower(t, policy())
		if err := next.applySnapshot(begun); err != nil {
			t.Fatal(err)
		}
		before := kept.Held.Deadline(kept.Token)
		if until, err := kept.beat(); err != nil || !until.Equal(before) {
			t.Errorf("heartbeat: until %v, %v; it held until %v before", until, err, before)
		}
		next.see(t, p, events)
		if a, b := like(p.look(), false), like(next.state(), false); !same(a, b) {
			t.Errorf("state (-owner +replica):\n%s", gocmp.Diff(a, b))
		}
		time.Sleep(5500 * time.Millisecond)
		if until, err := kept.beat(); err != nil || !until.Equal(before.Add(500*time.Millisecond)) {
			t.Errorf("a late heartbeat: until %v, %v; it held until %v before", until, err, before)
		}
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		if got := p.Stats(); got.Expired != 1 || got.Leased != 1 {
			t.Errorf("after the other's deadline: %+v", got)
		}
		if _, err := p.resume(second.Token); !errors.Is(err, tq.ErrLeaseLost) {
			t.Errorf("resume of the other: %v", err)
		}
		if err := kept.complete(); err != nil {
			t.Error(err)
		}
	})
}

// TestPromoteRevokes: no token of the dead owner changes anything (9).
func TestPromoteRevokes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, f, c := primary(t)
		mustEnqueue(t, q, "a", "b", "c")
		old := []lease{mustLease(t, q), mustLease(t, q)}
		f.see(t, q, c)
		_ = q.Close()
		p, err := f.promote(policy(), tq.Takeover{Term: 2, Revoke: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.Close() }()
		before := p.look()
		for _, l := range old {
			if _, err := p.resume(l.Token); !errors.Is(err, tq.ErrLeaseLost) {
				t.Errorf("resume: %v", err)
			}
			for slot := range tq.Slot(5) {
				held := tq.NewHeld(&p.Engine, slot)
				for _, err := range []error{
					held.Complete(t.Context(), l.Token), held.Fail(t.Context(), l.Token, errBoom),
					held.Release(t.Context(), l.Token), held.DeadLetter(t.Context(), l.Token, errBoom),
				} {
					if !errors.Is(err, tq.ErrLeaseLost) {
						t.Errorf("settled: %v", err)
					}
				}
			}
		}
		if diff := gocmp.Diff(like(before, true), like(p.look(), true)); diff != "" {
			t.Errorf("changed (-before +after):\n%s", diff)
		}
		for _, want := range []string{"a", "b", "c"} {
			if l := mustLease(t, p); string(l.Body) != want || l.Token.Attempt != 1 {
				t.Errorf("leased %q, attempt %d, want %q, attempt 1", l.Body, l.Token.Attempt, want)
			}
		}
	})
}

// TestPromoteAfterAnything promotes replicas of queues in random states: the
// promoted queue has the state, and goes on as a queue does (1, 16, 25).
func TestPromoteAfterAnything(t *testing.T) {
	t.Parallel()
	for seed := range max(*seeds/2, 1) {
		rng := rand.New(rand.NewPCG(seed, 7))
		synctest.Test(t, func(t *testing.T) {
			w := newTwins(t, rng)
			w.kinds = map[tq.Kind]bool{}
			for n := range 60 {
				if err := w.operate(rng, n); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
			f, want := w.first, w.q.look()
			if seed%2 == 0 {
				f = w.later
			}
			_ = w.q.Close()
			p, err := f.promote(w.q.opts, tq.Takeover{Term: want.HighestEpoch.Term() + 1})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			defer func() { _ = p.Close() }()
			got := p.look()
			if got.HighestEpoch <= want.HighestEpoch || got.Sequence != want.Sequence || got.Incarnation == want.Incarnation {
				t.Fatalf("seed %d: %+v after %+v", seed, got.SnapshotHeader, want.SnapshotHeader)
			}
			got.SnapshotHeader = want.SnapshotHeader
			if a, b := byTies(like(want, false)), byTies(like(got, false)); !same(a, b) {
				t.Fatalf("seed %d: (-primary +promoted)\n%s", seed, gocmp.Diff(a, b))
			}
			empties(t, p, len(want.Tasks))
		})
	}
}

// empties works a queue off: each task is completed or dies, once.
func empties(t *testing.T, p *queue, tasks int) {
	t.Helper()
	before := p.Stats()
	for range 1000 {
		s := p.Stats()
		if err := balance(s); err != nil {
			t.Fatal(err)
		}
		for _, d := range p.deadLetters() {
			if err := p.Purge(d.ID); err != nil {
				t.Fatal(err)
			}
		}
		l, err := p.tryLease()
		switch {
		case err == nil:
			if err := l.complete(); err != nil {
				t.Fatal(err)
			}
		case s.Live()+s.Dead == 0:
			if ended := int(s.Completed - before.Completed + s.Purged - before.Purged); ended != tasks {
				t.Fatalf("%d tasks ended, there were %d", ended, tasks)
			}

			return
		default:
			time.Sleep(time.Second)
			synctest.Wait()
		}
	}
	t.Fatalf("never empty: %+v", p.Stats())
}

// TestPromoteRefuses: nothing has changed, and the replica follows on.
func TestPromoteRefuses(t *testing.T) {
	t.Parallel()
	q, f, c := primary(t)
	mustEnqueue(t, q, "a", "b", "c")
	f.see(t, q, c)
	small := policy()
	small.Capacity, small.Dead, small.LogEntries, small.MaxWaiting = 1, 1, 1, 1
	tiny := small
	tiny.Name = "other"
	for _, c := range []struct {
		name string
		o    tq.Options
		how  tq.Takeover
		want error
	}{
		{"an old term", policy(), tq.Takeover{Term: 1}, tq.ErrDeposed},
		{"beyond all terms", policy(), tq.Takeover{Term: 1 << 16}, tq.ErrExhausted},
		{"a clock out of its mind", policy(), tq.Takeover{Term: 2, ClockSkew: 25 * time.Hour}, nil},
		{"another queue", tiny, tq.Takeover{Term: 2}, tq.ErrForeign},
	} {
		if _, err := f.promote(c.o, c.how); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	mustEnqueue(t, q, "d", "e", "f", "g")
	f.see(t, q, c)
	if _, err := f.promote(small, tq.Takeover{Term: 2}); !errors.Is(err, tq.ErrFull) {
		t.Errorf("too small: %v", err)
	}
	if _, err := f.promote(policy(), tq.Takeover{Term: 2}); err != nil {
		t.Errorf("promote: %v", err)
	}
	if _, err := f.promote(policy(), tq.Takeover{Term: 3}); !errors.Is(err, tq.ErrClosed) {
		t.Errorf("promote twice: %v", err)
	}
	if err := f.apply(record(8, tq.Enqueued, nil), "test", 7); !errors.Is(err, tq.ErrClosed) {
		t.Errorf("apply after that: %v", err)
	}
}

// TestDeposed: an owner that learns of a higher term answers ErrDeposed to
// everybody, those who wait included, and no lease of its settles (9).
func TestDeposed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := policy()
		o.Capacity = 3
		full, empty := openQueue(t, o), openQueue(t, o)
		reader, err := full.Watch(0)
		if err != nil {
			t.Fatal(err)
		}
		mustEnqueue(t, full, "a", "b", "c")
		l := mustLease(t, full)
		waits := map[string]func(context.Context) error{
			"enqueue":      func(ctx context.Context) error { _, err := full.enqueue(ctx, nil); return err },
			"enqueueBatch": func(ctx context.Context) error { _, err := full.enqueueBatch(ctx, [][]byte{nil}); return err },
			"drain":        func(ctx context.Context) error { _, err := full.drain(ctx, time.Hour); return err },
			"lease":        func(ctx context.Context) error { _, err := empty.lease(ctx); return err },
			"nextDead":     func(ctx context.Context) error { _, err := full.NextDead(ctx, 0); return err },
		}
		answers := make(map[string]chan error)
		for name, wait := range waits {
			ch := make(chan error, 1)
			answers[name] = ch
			go func() { ch <- wait(context.Background()) }()
		}
		synctest.Wait()
		for _, q := range []*queue{full, empty} {
			if err := q.Depose(1); err == nil {
				t.Error("deposed by its own term")
			}
			if err := errors.Join(q.Depose(2), q.Depose(3)); err != nil {
				t.Error(err)
			}
		}
		for name, ch := range answers {
			if err := <-ch; !errors.Is(err, tq.ErrDeposed) {
				t.Errorf("%s, which waited: %v", name, err)
			}
		}
		before := full.look()
		for name, err := range answersOf(full, l) {
			if !errors.Is(err, tq.ErrDeposed) || errors.Is(err, tq.ErrLeaseLost) != slices.Contains(verbsOfLease, name) {
				t.Errorf("%s: %v", name, err)
			}
			if code := tq.ErrorCode(err); code != tq.CodeDeposed {
				t.Errorf("%s: code %s", name, code)
			}
		}
		time.Sleep(time.Hour) // and time does nothing to it
		synctest.Wait()
		if diff := gocmp.Diff(like(before, true), like(full.look(), true)); diff != "" || len(before.Tasks) != 3 {
			t.Errorf("%d tasks, changed (-before +after):\n%s", len(before.Tasks), diff)
		}
		events, err := full.read(reader)
		if n := len(events); err != nil || events[n-1].Kind != tq.Released {
			t.Errorf("events %v, %v", events, err)
		}
		if _, err := reader.Next(t.Context(), 1); !errors.Is(err, tq.ErrDeposed) {
			t.Errorf("a reader at the end: %v", err)
		}
		if s := full.Stats(); s.Leased != 0 || balance(s) != nil {
			t.Errorf("%+v", s)
		}
		_, _ = full.Close(), empty.Close()
		if _, err := full.tryLease(); !errors.Is(err, tq.ErrDeposed) {
			t.Errorf("closed as well: %v", err)
		}
	})
}

var verbsOfLease = []string{"complete", "fail", "release", "bury", "beat", "resume", "settleTake"}

// answersOf is what each operation answers.
func answersOf(q *queue, l lease) map[string]error {
	ctx := context.Background()
	got := map[string]error{"complete": l.complete(), "fail": l.fail(), "release": l.release(), "bury": l.bury()}
	_, got["beat"] = l.beat()
	_, got["resume"] = q.resume(l.Token)
	_, got["enqueue"] = q.enqueue(ctx, nil)
	_, got["tryEnqueue"] = q.tryEnqueue(nil)
	_, got["enqueueAt"] = q.enqueueAt(ctx, nil, time.Now())
	_, got["enqueueBatch"] = q.enqueueBatch(ctx, [][]byte{nil})
	_, got["lease"] = q.lease(ctx)
	_, got["tryLease"] = q.tryLease()
	var err error
	_, got["settleTake"], err = q.SettleTake(ctx, l.Held, l.Token, tq.Outcome{Verb: tq.Complete}, "")
	got["settleTake, next"] = err
	_, got["drain"] = q.drain(ctx, 0)
	got["restore"] = q.restore(snapshot{SnapshotHeader: tq.SnapshotHeader{Version: 1}})
	got["reopen"] = q.Reopen()
	_, got["deadLetters"] = q.DeadLetters(0, 1)
	_, got["nextDead"] = q.NextDead(ctx, 0)
	got["redrive"] = q.Redrive(l.Token.Task)
	got["purge"] = q.Purge(l.Token.Task)
	got["own"] = q.Own(9, nil)

	return got
}

// TestInvariant13AfterPromotion: what was restored before a promotion is not
// restored again after it, whether the replica has it from the log or from a
// snapshot; nor is what brought nothing, since all its tasks were there.
func TestInvariant13AfterPromotion(t *testing.T) {
	t.Parallel()
	old := openQueue(t, unhurried())
	mustEnqueue(t, old, "a", "b")
	drained, err := old.drain(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	o := unhurried()
	o.Incarnation++
	q := openQueue(t, o)
	_, c := q.watchNow()
	byLog, bySnapshot := openFollower(t, unhurried()), openFollower(t, unhurried())
	if err := q.restore(drained); err != nil {
		t.Fatal(err)
	}
	here := q.look() // brings nothing now, and would once its tasks are completed
	if err := q.restore(here); err != nil {
		t.Fatal(err)
	}
	if l := mustLease(t, q); l.complete() != nil {
		t.Fatal("not completed")
	}
	if err := bySnapshot.applySnapshot(q.look()); err != nil {
		t.Fatal(err)
	}
	byLog.see(t, q, c)
	for name, f := range map[string]*follower{"log": byLog, "snapshot": bySnapshot} {
		p, err := f.promote(unhurried(), tq.Takeover{Term: 9})
		if err != nil {
			t.Fatal(err)
		}
		before := p.Stats()
		for _, s := range []snapshot{drained, here} {
			if err := p.restore(s); err != nil {
				t.Fatal(err)
			}
		}
		if after := p.Stats(); after.Counters != before.Counters || after.Sequence != before.Sequence {
			t.Errorf("by the %s: restored twice (-before +after):\n%s", name, gocmp.Diff(before.Counters, after.Counters))
		}
		other := drained
		other.ID = "another"
		if err := p.restore(other); err != nil || p.Stats().Ready != 2 {
			t.Errorf("by the %s: another snapshot is passed over: %v", name, err)
		}
	}
}

// TestOwnedRestore: a queue whose terms are claimed outside claims those that a
// snapshot makes it need before it uses them.
func TestOwnedRestore(t *testing.T) {
	t.Parallel()
	q := openQueue(t, policy())
	var claimed []uint64
	answer := error(nil)
	claim := func(_ context.Context, term uint64) error {
		claimed = append(claimed, term)
		return answer
	}
	if err := q.Own(3, claim); err != nil || q.Term() != 3 {
		t.Fatalf("term %d, %v", q.Term(), err)
	}
	s := snapshot{SnapshotHeader: tq.SnapshotHeader{Version: 1, HighestEpoch: 2<<48 + 7}, Tasks: []entry{
		{TaskRef: tq.TaskRef{TaskState: tq.TaskState{ID: tq.TaskID{Origin: 9, Sequence: 1}, State: tq.Ready}}},
	}}
	if err := q.restore(s); err != nil || len(claimed) != 0 || q.Term() != 3 {
		t.Errorf("an earlier term: claimed %v, term %d, %v", claimed, q.Term(), err)
	}
	s.HighestEpoch, s.Tasks[0].ID.Sequence = 5<<48+1, 2
	answer = errBoom
	if err := q.restore(s); !errors.Is(err, errBoom) || q.Term() != 3 || q.Stats().Ready != 1 {
		t.Errorf("claim refused: term %d, %v", q.Term(), err)
	}
	answer = nil
	if err := q.restore(s); err != nil || !slices.Equal(claimed, []uint64{6, 6}) || q.Term() != 6 {
		t.Errorf("claimed %v, term %d, %v", claimed, q.Term(), err)
	}
}

// TestPromoteKeepsCount: a watch that is there before the queue takes over
// follows its depth, and dead letters that were gone before are a gap.
func TestPromoteKeepsCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, f, c := primary(t)
		mustEnqueue(t, q, "a", "b", "c", "d")
		for range 2 {
			l := mustLease(t, q)
			must(t, l.bury())
		}
		must(t, q.Purge(q.deadLetters()[0].ID))
		mustLease(t, q)
		f.see(t, q, c)
		open := func() *queue {
			o := policy()
			o.Incarnation = f.Heir()
			p := &queue{opts: o}
			must(t, p.Open(o, &p.shelf))
			p.shelf.open(p.MaxSlot())

			return p
		}
		closed := open()
		_ = closed.Close()
		_, _, err := closed.Adopt(&f.Replica, tq.Takeover{Term: 2})
		want(t, "not adopted by a closed queue", errors.Is(err, tq.ErrClosed), true)

		p := open()
		w, live := watch(p, 9, 0, false), watch(p, 9, 0, true)
		_, _, err = p.Adopt(&f.Replica, tq.Takeover{Term: 2})
		must(t, err)
		p.Unlock()
		want(t, "pending", w.State().Depth, 1)
		want(t, "live", live.State().Depth, 2)
		_, err = p.NextDead(t.Context(), 0)
		want(t, "a gap", errors.Is(err, tq.ErrGap), true)
		ref, err := p.NextDead(t.Context(), 1)
		must(t, err)
		p.Unlock()
		want(t, "the letter that is left", ref.Number, 2)
		_ = p.Close()
	})
}
