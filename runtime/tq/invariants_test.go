package tq_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

var manyLeases = flag.Int("tq.leases", 50_000, "leases that expire at once")

var background = context.Background()

// bubble runs f where time is fake and passes only when all wait.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t) })
}

func (q *queue) mustEnqueue(t *testing.T, n int) (ids []tq.TaskID) {
	t.Helper()
	for i := range n {
		id, err := q.tryEnqueue(fmt.Append(nil, i))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}

	return ids
}

func (q *queue) mustLease(t *testing.T) lease {
	t.Helper()
	l, err := q.tryLease()
	if err != nil {
		t.Fatal(err)
	}

	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// refused wants one error from all verbs.
func refused(t *testing.T, l lease, why error) {
	t.Helper()
	_, beat := l.beat()
	for verb, err := range map[string]error{
		"complete": l.complete(), "fail": l.fail(), "release": l.release(), "dead-letter": l.bury(), "heartbeat": beat,
	} {
		if !errors.Is(err, why) {
			t.Errorf("%s of %v: %v, want %v", verb, l.Token, err, why)
		}
	}
	if got := l.Held.Deadline(l.Token); !got.IsZero() {
		t.Errorf("deadline of %v: %v, want none", l.Token, got)
	}
}

// gauges wants the figures of Stats to be those of the tasks there are.
func (q *queue) gauges(t *testing.T) tq.Stats {
	t.Helper()
	count := map[tq.State]int{}
	for _, e := range q.look().Tasks {
		count[e.State]++
	}
	s := q.Stats()
	want(t, "ready", s.Ready, count[tq.Ready]+count[tq.ReadyFirst])
	want(t, "delayed", s.Delayed, count[tq.Delayed])
	want(t, "leased", s.Leased, count[tq.Leased])
	want(t, "dead", s.Dead, count[tq.Dead])
	if err := balance(s); err != nil {
		t.Errorf("%v: %+v", err, s)
	}

	return s
}

// Every verb once; after each, everything accepted is somewhere.
func TestInvariant01Conservation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := policy()
		o.Dead, o.Attempts = 2, 1
		q := openQueue(t, o)
		step := func(err error) {
			t.Helper()
			must(t, err)
			q.gauges(t)
		}
		q.mustEnqueue(t, 7)
		_, err := q.enqueueAt(background, nil, time.Now().Add(time.Hour))
		step(err)
		l := q.mustLease(t)
		step(l.complete())
		for range 3 { // one more than the bound
			l = q.mustLease(t)
			step(l.fail())
		}
		want(t, "purged by the bound", q.Stats().Purged, 1)
		l = q.mustLease(t)
		step(l.release())
		q.mustLease(t)
		time.Sleep(o.Lease) // expires, and pushes out another
		synctest.Wait()
		step(nil)
		step(q.Redrive(q.deadLetters()[0].ID))
		step(q.Purge(q.deadLetters()[0].ID))
		l = q.mustLease(t)
		snap, err := q.drain(background, 0)
		step(err)
		step(q.restore(snap))
		s := q.gauges(t)
		want(t, "enqueued", s.Enqueued, 8)
		want(t, "completed", s.Completed, 1)
		want(t, "purged", s.Purged, 3)
		want(t, "drained", s.Drained, 4)
		want(t, "restored", s.Restored, 4)
	})
}

// Producers and workers race; the log must not show it.
func TestInvariant02EventsOfATaskInOrder(t *testing.T) {
	o := unhurried()
	o.LogEntries = 1 << 16
	q := openQueue(t, o)
	reader, err := q.Watch(0)
	must(t, err)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for range 500 {
				if _, err := q.enqueue(background, nil); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for i := range 500 {
				l, err := q.lease(background)
				if err == nil && i%5 == 0 {
					err = l.release()
					l, _ = q.lease(background)
				}
				if err := errors.Join(err, l.complete()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	events, err := q.read(reader)
	must(t, err)
	next := map[tq.TaskID][]tq.Kind{}
	for _, e := range events {
		allowed, known := next[e.Task]
		if known == (e.Kind == tq.Enqueued) || known && !slices.Contains(allowed, e.Kind) {
			t.Fatalf("event %d: %v of %v", e.Sequence, e.Kind, e.Task)
		}
		next[e.Task] = map[tq.Kind][]tq.Kind{
			tq.Enqueued: {tq.LeaseGranted}, tq.Released: {tq.LeaseGranted},
			tq.LeaseGranted: {tq.Released, tq.Completed}, tq.Completed: {},
		}[e.Kind]
	}
	want(t, "tasks", len(next), 1500)
}

// A producer has returned; what anybody does then comes after it in the log, and
// whoever looks sees it.
func TestInvariant02LogIsInRealTime(t *testing.T) {
	ctx := background
	type setting struct {
		*queue
		reader *tq.Cursor
		lease  lease
		dead   tq.TaskID
		old    snapshot // of another queue
	}
	settleTake := func(v tq.Verb) func(s *setting) error {
		return func(s *setting) error {
			g, settled, err := s.SettleTake(ctx, s.lease.Held, s.lease.Token, tq.Outcome{Verb: v}, "")
			_, err = s.keep(g, err)

			return errors.Join(settled, err)
		}
	}
	for name, op := range map[string]func(s *setting) error{
		"take":            func(s *setting) error { _, err := s.queue.lease(ctx); return err },
		"try to take":     func(s *setting) error { _, err := s.tryLease(); return err },
		"complete":        func(s *setting) error { return s.lease.complete() },
		"complete all":    func(s *setting) error { _, err := completeAll(s.lease); return err },
		"fail":            func(s *setting) error { return s.lease.fail() },
		"release":         func(s *setting) error { return s.lease.release() },
		"dead-letter":     func(s *setting) error { return s.lease.bury() },
		"heartbeat":       func(s *setting) error { _, err := s.lease.beat(); return err },
		"complete, take":  settleTake(tq.Complete),
		"fail, take":      settleTake(tq.Fail),
		"release, take":   settleTake(tq.Release),
		"dead, take":      settleTake(tq.MoveToDead),
		"take for nobody": settleTake(tq.Nothing),
		"expire":          func(s *setting) error { time.Sleep(s.opts.Lease); synctest.Wait(); return nil },
		"redrive":         func(s *setting) error { return s.Redrive(s.dead) },
		"purge":           func(s *setting) error { return s.Purge(s.dead) },
		"drain":           func(s *setting) error { _, err := s.drain(ctx, 0); return err },
		"restore":         func(s *setting) error { return s.restore(s.old) },
		"batch":           func(s *setting) error { _, err := s.enqueueBatch(ctx, make([][]byte, 2)); return err },
		"enqueue":         func(s *setting) error { _, err := s.enqueue(ctx, nil); return err },

		"stats":    func(s *setting) error { return sees(s.Stats().Sequence) },
		"snapshot": func(s *setting) error { return sees(s.look().Sequence) },
		"lag":      func(s *setting) error { return sees(lookBack + s.reader.Lag()) },
		"watch":    func(s *setting) error { c, err := s.Watch(lookBack + 1); return errors.Join(err, c.Close()) },
		"read": func(s *setting) error {
			_, err := s.lease.beat() // so that there is something to read already
			s.mustEnqueue(t, 1)
			records, err2 := s.reader.Next(ctx, 9)
			s.reader.Unlock(0)

			return errors.Join(err, err2, sees(lookBack+tq.Sequence(len(records))-2))
		},
		"dead list": func(s *setting) error { s.deadLetters(); return sees(s.Stats().Sequence) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				o := policy()
				o.Incarnation = 8
				other := openQueue(t, o)
				other.mustEnqueue(t, 1)
				q := openQueue(t, policy())
				s := setting{queue: q}
				var err error
				s.old, err = other.drain(ctx, 0)
				must(t, err)
				q.mustEnqueue(t, 3)
				l := q.mustLease(t)
				must(t, l.bury())
				s.dead = l.Token.Task
				s.lease = q.mustLease(t)
				s.reader, err = q.Watch(q.Stats().Sequence)
				must(t, err)
				want(t, "sequence", q.Stats().Sequence, lookBack)

				late, err := q.tryEnqueue(nil)
				must(t, err)
				must(t, op(&s))
				events, err := q.read(s.reader)
				must(t, err)
				if len(events) > 0 && events[0].Task != late {
					t.Errorf("%v of %v, then %v was enqueued, by a call that had returned", events[0].Kind,
						events[0].Task, late)
				}
			})
		})
	}
}

// lookBack is the sequence before the events that TestInvariant02LogIsInRealTime is about.
const lookBack = tq.Sequence(7)

func sees(upTo tq.Sequence) error {
	if upTo != lookBack+1 {
		return fmt.Errorf("saw what comes up to %d, want %d", upTo, lookBack+1)
	}

	return nil
}

// One place, one worker that always fails, a producer that waits.
func TestInvariant03FailNeverWaits(t *testing.T) {
	backoffs := map[string]tq.Backoff{"at once": tq.NoBackoff, "delayed": tq.ConstBackoff(time.Minute)}
	for name, backoff := range backoffs {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				o := policy()
				o.Capacity, o.Attempts, o.Backoff = 1, 3, backoff
				q := openQueue(t, o)
				var producer sync.WaitGroup
				producer.Go(func() {
					for range 5 {
						if _, err := q.enqueue(background, nil); err != nil {
							t.Error(err)
						}
					}
				})
				for range 15 {
					l, err := q.lease(background)
					must(t, err)
					begun := time.Now()
					must(t, l.fail())
					want(t, "time taken to fail", time.Since(begun), 0)
				}
				producer.Wait()
				want(t, "dead-lettered", q.Stats().DeadLettered, 5)
			})
		})
	}
	t.Run("many", func(t *testing.T) { // hopeless unless failing is cheap however many wait
		bubble(t, func(t *testing.T) {
			o := policy()
			o.Capacity, o.Backoff = *manyLeases, tq.ExpBackoff(time.Second, time.Hour, 100)
			q := openQueue(t, o)
			q.mustEnqueue(t, o.Capacity)
			begun := time.Now()
			for range o.Capacity {
				l := q.mustLease(t)
				must(t, l.fail())
			}
			want(t, "time taken", time.Since(begun), 0)
			want(t, "delayed", q.Stats().Delayed, o.Capacity)
		})
	})
}

func TestInvariant04DelayIsAState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := policy()
		o.Backoff = tq.ConstBackoff(10 * time.Second)
		q := openQueue(t, o)
		ids := q.mustEnqueue(t, 3)
		failed, expiring := q.mustLease(t), q.mustLease(t)
		begun := time.Now()
		must(t, failed.fail())
		want(t, "time taken to fail", time.Since(begun), 0)
		want(t, "delayed", q.gauges(t).Delayed, 1)
		want(t, "next", q.mustLease(t).Token.Task, ids[2])

		time.Sleep(o.Lease) // two leases expire; one delay does not hold up the other
		synctest.Wait()
		s := q.gauges(t)
		want(t, "expired", s.Expired, 2)
		want(t, "delayed", s.Delayed, 3)
		_, err := q.tryLease()
		want(t, "leasing", err, tq.ErrEmpty)

		for i, id := range []tq.TaskID{failed.Token.Task, expiring.Token.Task, ids[2]} {
			l, err := q.lease(background)
			must(t, err)
			want(t, "granted", l.Token.Task, id)
			due := 10 * time.Second
			if i > 0 {
				due += o.Lease
			}
			want(t, "granted at", time.Since(begun), due)
		}
	})
}

func TestInvariant05ExpiryIsPunctual(t *testing.T) {
	for _, n := range []int{1, *manyLeases} {
		t.Run(fmt.Sprint("leases=", n), func(t *testing.T) { bubble(t, func(t *testing.T) { expiries(t, n) }) })
	}
}

// expiries has n leases expire, in ten groups. Those of one are extended once.
func expiries(t *testing.T, n int) {
	o := policy()
	o.Capacity, o.Dead, o.Attempts, o.LogEntries = n, n, 1, 8*n
	q := openQueue(t, o)
	for range n {
		_, err := q.tryEnqueue(nil)
		must(t, err)
	}
	deadline := map[tq.Token]time.Time{}
	var extended []lease
	const groups = 10
	for group := range groups {
		for range (n + group) / groups {
			l := q.mustLease(t)
			deadline[l.Token] = l.Held.Deadline(l.Token)
			if group == 3 {
				extended = append(extended, l)
			}
		}
		time.Sleep(o.Lease / groups / 2)
	}
	for _, l := range extended {
		until, err := l.beat()
		must(t, err)
		deadline[l.Token] = until
	}
	reader, err := q.Watch(q.Stats().Sequence)
	must(t, err)
	time.Sleep(2 * o.Lease)
	synctest.Wait()
	events, err := q.read(reader)
	must(t, err)
	expired := 0
	for _, e := range events {
		if e.Kind != tq.LeaseExpired {
			continue
		}
		expired++
		if want := deadline[e.Token]; !e.At.Equal(want) {
			t.Fatalf("%v expired at %v, %v after its deadline", e.Token, e.At, e.At.Sub(want))
		}
	}
	want(t, "expired", expired, n)
	want(t, "dead", q.gauges(t).Dead, n)
}

func TestInvariant06AfterTheDeadline(t *testing.T) {
	for _, closed := range []bool{false, true} { // a closed queue has no timer: nobody took the lease away
		for _, late := range []time.Duration{0, 1, time.Minute} {
			t.Run(fmt.Sprintf("closed=%v/late=%v", closed, late), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					q := openQueue(t, policy())
					q.mustEnqueue(t, 2)
					l := q.mustLease(t)
					time.Sleep(policy().Lease - 1)
					_, err := l.beat()
					must(t, err)
					if closed {
						must(t, q.Close())
					}
					time.Sleep(policy().Lease + late)
					refused(t, l, tq.ErrLeaseLost)
					if _, err := q.resume(l.Token); !errors.Is(err, tq.ErrLeaseLost) {
						t.Errorf("resume: %v", err)
					}
					want(t, "completed", q.gauges(t).Completed, 0)
				})
			})
		}
	}
}

func TestInvariant07HeartbeatAndIdentity(t *testing.T) {
	t.Run("the deadline holds", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			q := openQueue(t, policy())
			q.mustEnqueue(t, 2)
			other := q.mustLease(t)
			l := q.mustLease(t)
			r := rand.New(rand.NewPCG(1, 1))
			for range 100 {
				until, err := l.beat()
				must(t, err)
				want(t, "deadline", l.Held.Deadline(l.Token), until)
				want(t, "extends", !until.Before(time.Now().Add(policy().Lease-100)), true)
				time.Sleep(time.Duration(r.Int64N(int64(time.Until(until)))))
			}
			until, err := l.beat()
			must(t, err)
			time.Sleep(time.Until(until) - 1)
			want(t, "deadline", l.Held.Deadline(l.Token), until)
			must(t, l.complete())
			refused(t, other, tq.ErrLeaseLost)
		})
	})
	t.Run("the interval", func(t *testing.T) {
		for _, bad := range []time.Duration{time.Second / 2, time.Second, -1} {
			o := policy()
			o.Heartbeat = bad
			if new(queue).Open(o, &shelf{}) == nil {
				t.Errorf("heartbeat %v of lease %v was accepted", bad, o.Lease)
			}
		}
		o := policy()
		o.Heartbeat = o.Lease/2 - 1
		openQueue(t, o)
	})
	t.Run("identity and term", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			q := openQueue(t, policy())
			ids := q.mustEnqueue(t, 3)
			seen := q.mustLease(t)
			snap, err := q.drain(background, 0)
			must(t, err)
			o := policy()
			o.Incarnation = 8
			for range 3 { // on and on, from engine to engine
				next := openQueue(t, o)
				must(t, next.restore(snap))
				for i := range ids {
					l := next.mustLease(t)
					want(t, "identity", l.Token.Task, ids[i])
					want(t, "body", string(l.Body), fmt.Sprint(i))
					if l.Token.Epoch <= seen.Token.Epoch || l.Token.Epoch.Term() <= snap.HighestEpoch.Term() {
						t.Fatalf("epoch %x after %x", l.Token.Epoch, seen.Token.Epoch)
					}
					seen = l
				}
				snap, err = next.drain(background, 0)
				must(t, err)
				o.Incarnation++
			}
		})
	})
}

func TestInvariant08EpochsRise(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := openQueue(t, policy())
		q.mustEnqueue(t, 6)
		last := tq.Epoch(0)
		granted := func() lease {
			l := q.mustLease(t)
			if l.Token.Epoch <= last {
				t.Fatalf("epoch %d after %d", l.Token.Epoch, last)
			}
			last = l.Token.Epoch

			return l
		}
		for range 50 {
			l := granted()
			must(t, l.release()) // the attempt comes again, the epoch does not
		}
		l := granted()
		must(t, l.fail())
		granted()
		time.Sleep(policy().Lease)
		synctest.Wait()
		l = granted()
		must(t, l.bury())
		must(t, q.Redrive(l.Token.Task))
		granted()
		for range 3 {
			snap, err := q.drain(background, 0)
			must(t, err)
			want(t, "highest epoch", snap.HighestEpoch, last)
			must(t, q.restore(snap))
			granted()
		}
	})
}

func TestInvariant09StaleTokens(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := policy()
		o.Attempts = 10
		q := openQueue(t, o)
		q.mustEnqueue(t, 3)
		var stale []lease
		check := func(after string) {
			t.Helper()
			state, stats := q.look(), q.Stats()
			for _, l := range stale {
				refused(t, l, tq.ErrLeaseLost)
				if _, err := q.resume(l.Token); !errors.Is(err, tq.ErrLeaseLost) {
					t.Errorf("resume: %v", err)
				}
				g, settled, err := q.SettleTake(done, l.Held, l.Token, tq.Outcome{Verb: tq.Complete}, "")
				if err == nil { // another lease is no change to this one; give it back
					q.Unlock()
					l := lease{Grant: g}
					must(t, l.release())
				}
				if !errors.Is(settled, tq.ErrLeaseLost) {
					t.Errorf("settle and take: %v", settled)
				}
			}
			if diff := cmp.Diff(tokensOf(state), tokensOf(q.look())); diff != "" {
				t.Errorf("after %s, stale tokens changed (-before +after):\n%s", after, diff)
			}
			now := q.Stats()
			want(t, "completed after "+after, now.Completed, stats.Completed)
			want(t, "failed after "+after, now.Failed, stats.Failed)
			want(t, "heartbeats after "+after, now.Heartbeats, stats.Heartbeats)
		}
		lost := func() lease {
			l := q.mustLease(t)
			stale = append(stale, l)

			return l
		}
		l := lost()
		must(t, l.release())
		check("release")
		l = lost()
		must(t, l.fail())
		check("fail")
		lost()
		time.Sleep(o.Lease)
		synctest.Wait()
		check("expiry")
		l = lost()
		must(t, l.bury())
		check("dead-letter")
		must(t, q.Redrive(l.Token.Task))
		check("redrive")
		l = lost()
		must(t, l.complete())
		q.mustEnqueue(t, 1) // into the same slot
		q.mustLease(t)      // and leased by somebody else
		check("complete")
		for l, err := q.tryLease(); err == nil; l, err = q.tryLease() {
			stale = append(stale, l)
		}
		snap, err := q.drain(background, 0)
		must(t, err)
		check("drain")
		must(t, q.restore(snap))
		check("restore")
		q.mustLease(t)
		check("a grant after restore")
	})
}

// tokensOf is what of a state a stale token could change. The tasks it could
// be granted while it is given back are the same before and after.
func tokensOf(s snapshot) map[tq.TaskID]string {
	m := map[tq.TaskID]string{}
	for _, t := range s.Tasks {
		state := t.State
		if state == tq.ReadyFirst {
			state = tq.Ready
		}
		m[t.ID] = fmt.Sprint(state, t.Attempt, t.Deadline, t.LastError)
	}

	return m
}

// rude is a worker whose handler panics.
type rude struct {
	q *queue
	l lease
}

func (w *rude) Next(ctx context.Context, o tq.Outcome) (settled, err error) {
	g, settled, err := w.q.SettleTake(ctx, w.l.Held, w.l.Token, o, "rude")
	w.l, err = w.q.keep(g, err)

	return settled, err
}

func (w *rude) Handle(context.Context) error { panic("rude") }
func (w *rude) Lease() (tq.Held, tq.Token)   { return w.l.Held, w.l.Token }

// rudeError panics when asked what it is.
type rudeError struct{}

func (rudeError) Error() string { panic("rude") }

func TestInvariant10RudeCallbacks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const tasks, attempts = 500, 2 // 1,000 panics
		o := policy()
		o.Capacity, o.Dead, o.Attempts, o.LogEntries = tasks, tasks, attempts, 1<<16
		q := openQueue(t, o)
		reader, err := q.Watch(0)
		must(t, err)
		q.mustEnqueue(t, tasks)
		ctx, cancel := context.WithCancel(background)
		var all sync.WaitGroup
		all.Go(func() {
			err := tq.Run(ctx, tq.RunOptions{Workers: 4}, tq.RunPolicy{Lease: o.Lease, Heartbeat: o.Heartbeat},
				func() tq.Worker { return &rude{q: q} })
			if err != nil {
				t.Error(err)
			}
		})
		letters := 0
		all.Go(func() { // a handler of dead letters that panics at each
			for after := uint64(0); ; {
				ref, err := q.NextDead(ctx, after)
				if err != nil {
					return
				}
				q.Unlock()
				after = ref.Number
				func() {
					defer func() { _ = recover() }()
					letters++
					panic("rude")
				}()
			}
		})
		synctest.Wait()
		cancel()
		all.Wait()
		want(t, "dead letters seen", letters, tasks)
		s := q.gauges(t)
		want(t, "dead", s.Dead, tasks)
		want(t, "failed", s.Failed, tasks*attempts)
		want(t, "requeued", s.Requeued, tasks*(attempts-1))
		events, err := q.read(reader)
		must(t, err)
		want(t, "events", len(events), tasks*(1+attempts+2*attempts))

		must(t, q.Redrive(q.deadLetters()[0].ID))
		l := q.mustLease(t)
		for range 1000 { // an error that panics, in the caller's face
			func() {
				defer func() { _ = recover() }()
				_ = l.Held.Fail(background, l.Token, rudeError{})
				t.Error("the panic went missing")
			}()
		}
		want(t, "leased", q.gauges(t).Leased, 1)
		time.Sleep(o.Lease)
		synctest.Wait()
		want(t, "expired: the timer lives", q.gauges(t).Expired, 1)
	})
}

func TestInvariant11DeadLettersWithoutHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := policy()
		o.Dead, o.LogEntries = 3, 100
		q := openQueue(t, o)
		reader, err := q.Watch(0)
		must(t, err)
		ids := q.mustEnqueue(t, 5)
		for i := range ids {
			l := q.mustLease(t)
			must(t, l.bury())
			want(t, "dead", q.gauges(t).Dead, min(i+1, o.Dead))
		}
		var kept []tq.TaskID
		for _, d := range q.deadLetters() {
			kept = append(kept, d.ID)
			want(t, "error", message(d.LastError), "boom")
			want(t, "attempt", d.Attempt, 1)
			want(t, "body", string(d.Body), fmt.Sprint(d.ID.Sequence-1))
		}
		if diff := cmp.Diff(ids[2:], kept); diff != "" {
			t.Errorf("kept (-want +got):\n%s", diff)
		}
		want(t, "purged", q.Stats().Purged, 2)
		var purged []tq.TaskID
		events, err := q.read(reader)
		must(t, err)
		for _, e := range events {
			if e.Kind == tq.Purged {
				purged = append(purged, e.Task)
			}
		}
		if diff := cmp.Diff(ids[:2], purged); diff != "" {
			t.Errorf("purged (-want +got):\n%s", diff)
		}
		must(t, q.Redrive(ids[4]))
		l := q.mustLease(t)
		want(t, "redriven", l.Token.Task, ids[4])
		want(t, "attempt", l.Token.Attempt, 1)
	})
}

// mixed has a ready, a delayed, a leased and a dead task, in this order, and
// one that was released.
func mixed(t *testing.T, o tq.Options) (q *queue, held lease) {
	t.Helper()
	q = openQueue(t, o)
	q.mustEnqueue(t, 2)
	l := q.mustLease(t)
	must(t, l.bury())
	held = q.mustLease(t)
	q.mustEnqueue(t, 2)
	_, err := q.enqueueAt(background, []byte("later"), time.Now().Add(time.Hour))
	must(t, err)
	l = q.mustLease(t)
	must(t, l.release())

	return q, held
}

func states(s snapshot) (states []tq.State) {
	for _, t := range s.Tasks {
		states = append(states, t.State)
	}

	return states
}

func TestInvariant12DrainTakesAll(t *testing.T) {
	t.Run("at once", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			q, held := mixed(t, policy())
			snap, err := q.drain(background, 0)
			must(t, err)
			// the leased one comes out released
			all := []tq.State{tq.ReadyFirst, tq.ReadyFirst, tq.Ready, tq.Delayed, tq.Dead}
			if diff := cmp.Diff(all, states(snap)); diff != "" {
				t.Errorf("drained (-want +got):\n%s", diff)
			}
			refused(t, held, tq.ErrLeaseLost)
			want(t, "last token", snap.Tasks[0].LastToken, held.Token)
			_, err = q.tryEnqueue(nil)
			want(t, "enqueue", err, tq.ErrDrained)
			_, err = q.tryLease()
			want(t, "lease", err, tq.ErrDrained)
			again, err := q.drain(background, time.Hour)
			must(t, err)
			want(t, "drained again", len(again.Tasks), 0)
			want(t, "drained", q.gauges(t).Drained, 5)
			want(t, "payloads kept", q.held(), 0)
		})
	})
	t.Run("after grace", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			q, held := mixed(t, policy())
			time.AfterFunc(time.Second/2, func() { _ = held.complete() })
			begun := time.Now()
			snap, err := q.drain(background, time.Minute)
			must(t, err)
			want(t, "waited", time.Since(begun), time.Second/2)
			want(t, "drained", len(snap.Tasks), 4)
		})
	})
	t.Run("cancelled", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			q, held := mixed(t, policy())
			ctx, cancel := context.WithTimeout(background, time.Second/2)
			defer cancel()
			before := q.look()
			var granted lease
			var all sync.WaitGroup
			all.Go(func() {
				time.Sleep(time.Second / 4)
				granted, _ = q.lease(background) // has to wait for the drain
			})
			begun := time.Now()
			_, err := q.drain(ctx, time.Minute)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("drain: %v", err)
			}
			all.Wait()
			want(t, "granted after", time.Since(begun), time.Second/2)
			want(t, "granted", granted.Token.Task, before.Tasks[0].ID)
			must(t, granted.release())
			after := q.look()
			if diff := cmp.Diff(states(before), states(after)); diff != "" {
				t.Errorf("tasks (-before +after):\n%s", diff)
			}
			want(t, "drained", q.gauges(t).Drained, 0)
			must(t, held.complete())
		})
	})
	t.Run("cancelled before", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			q, held := mixed(t, policy())
			if _, err := q.drain(done, 0); !errors.Is(err, context.Canceled) {
				t.Errorf("drain: %v", err)
			}
			want(t, "live", q.gauges(t).Live(), 4)
			must(t, held.complete())
			q.mustEnqueue(t, 1)
		})
	})
	t.Run("those who wait", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			o := policy()
			o.Capacity = 1
			q := openQueue(t, o)
			answers := make(chan error, 2)
			go func() { _, err := q.lease(background); answers <- err }()
			synctest.Wait()
			_, err := q.drain(background, 0)
			must(t, err)
			want(t, "worker", <-answers, tq.ErrDrained)
			must(t, q.Reopen())
			q.mustEnqueue(t, 1)
			go func() { _, err := q.enqueue(background, nil); answers <- err }()
			synctest.Wait()
			_, err = q.drain(background, 0)
			must(t, err)
			want(t, "producer", <-answers, tq.ErrDrained)
		})
	})
}

func TestInvariant13RestoreUndoesDrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := policy()
		o.LogEntries = 1000
		q, held := mixed(t, o)
		must(t, held.release()) // so that the drain changes nothing but the place
		l := q.mustLease(t)
		must(t, l.fail()) // one with a last error, others with none
		before := q.look()
		snap, err := q.drain(background, 0)
		must(t, err)
		reader, err := q.Watch(q.Stats().Sequence)
		must(t, err)
		for range 2 {
			must(t, q.restore(snap))
		}
		events, err := q.read(reader)
		must(t, err)
		want(t, "events", len(events), len(before.Tasks))
		for i, e := range events {
			want(t, "event", e.Kind, tq.Restored)
			want(t, "restored", e.Task, before.Tasks[i].ID)
			want(t, "more", e.More, i < len(events)-1)
		}
		want(t, "restored", q.gauges(t).Restored, uint64(len(before.Tasks)))
		plain := func(s snapshot) []entry {
			for i := range s.Tasks {
				s.Tasks[i].Slot, s.Tasks[i].Number = 0, 0
			}

			return s.Tasks
		}
		if diff := cmp.Diff(plain(before), plain(q.look())); diff != "" {
			t.Errorf("tasks (-before +after):\n%s", diff)
		}
		renamed := snap
		renamed.ID = "the same by another name" // its tasks are here: known by identity
		must(t, q.restore(renamed))
		want(t, "restored", q.gauges(t).Restored, uint64(len(before.Tasks)))

		// Back in place, the delayed one is due when it was, and the first is first.
		want(t, "first", q.mustLease(t).Token.Task, before.Tasks[0].ID)
	})
}

func TestInvariant14ShutdownCountsNoAttempt(t *testing.T) {
	o := policy()
	o.Attempts = 2
	lastAttempt := func(t *testing.T) (*queue, lease) {
		q := openQueue(t, o)
		q.mustEnqueue(t, 1)
		l := q.mustLease(t)
		must(t, l.fail())

		return q, q.mustLease(t)
	}
	unchanged := func(t *testing.T, s snapshot, stats tq.Stats) {
		t.Helper()
		want(t, "tasks", len(s.Tasks), 1)
		want(t, "state", s.Tasks[0].State, tq.ReadyFirst)
		want(t, "attempt", s.Tasks[0].Attempt, 1)
		want(t, "dead-lettered", stats.DeadLettered, 0)
		want(t, "failed", stats.Failed, 1)
	}
	t.Run("drain", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			q, _ := lastAttempt(t)
			snap, err := q.drain(background, 0)
			must(t, err)
			unchanged(t, snap, q.Stats())
		})
	})
	t.Run("close", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			q, _ := lastAttempt(t)
			must(t, q.Close())
			want(t, "attempt", q.look().Tasks[0].Attempt, 2) // still leased, still going on
			snap, err := q.drain(background, 0)
			must(t, err)
			unchanged(t, snap, q.Stats())
		})
	})
	t.Run("run", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			q, l := lastAttempt(t)
			must(t, l.release())
			ctx, cancel := context.WithCancel(background)
			time.AfterFunc(time.Second/2, cancel)
			w := &patient{rude{q: q}}
			must(t, tq.Run(ctx, tq.RunOptions{Grace: time.Second}, tq.RunPolicy{Lease: o.Lease, Heartbeat: o.Heartbeat},
				func() tq.Worker { return w }))
			unchanged(t, q.look(), q.Stats())
		})
	})
}

// patient is a worker whose handler goes on until it must not.
type patient struct{ rude }

func (w *patient) Handle(ctx context.Context) error {
	<-ctx.Done()

	return context.Cause(ctx)
}

func TestInvariant15Gauges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q, held := mixed(t, policy())
		s := q.gauges(t)
		want(t, "gauges", fmt.Sprint(s.Ready, s.Delayed, s.Leased, s.Dead), "2 1 1 1")
		want(t, "sums", fmt.Sprint(s.Pending(), s.Active(), s.Live()), "3 1 4")
		time.Sleep(time.Hour) // one lease expires, one delay ends
		synctest.Wait()
		s = q.gauges(t)
		want(t, "gauges later", fmt.Sprint(s.Ready, s.Delayed, s.Leased, s.Dead), "4 0 0 1")
		refused(t, held, tq.ErrLeaseLost)
		held = q.mustLease(t)
		must(t, q.Close())
		s = q.gauges(t)
		want(t, "gauges closed", fmt.Sprint(s.Ready, s.Delayed, s.Leased, s.Dead), "3 0 1 1")
		must(t, held.complete())
		s = q.gauges(t)
		want(t, "gauges settled", fmt.Sprint(s.Ready, s.Delayed, s.Leased, s.Dead), "3 0 0 1")
		_, err := q.drain(background, 0)
		must(t, err)
		s = q.gauges(t)
		want(t, "gauges drained", fmt.Sprint(s.Ready, s.Delayed, s.Leased, s.Dead, s.WaitingConsumers), "0 0 0 0 0")
		want(t, "oldest", s.OldestReady, 0)
	})
}

// inLine starts n callers that wait, one after the other, and gives the order
// in which they got what they waited for.
func inLine(n int, wait func(i int) error) (order func() []int, all *sync.WaitGroup) {
	var mu sync.Mutex
	var got []int
	all = new(sync.WaitGroup)
	for i := range n {
		all.Go(func() {
			if wait(i) == nil {
				mu.Lock()
				got = append(got, i)
				mu.Unlock()
			}
		})
		synctest.Wait()
	}

	return func() []int {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()

		return slices.Clone(got)
	}, all
}

func sequence(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}

	return s
}

func TestInvariant16Waiters(t *testing.T) {
	const n = 20
	t.Run("workers in order", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			o := policy()
			o.Capacity = n
			q := openQueue(t, o)
			order, all := inLine(n, func(int) error { _, err := q.lease(background); return err })
			want(t, "waiting", q.Stats().WaitingConsumers, n)
			for range n {
				q.mustEnqueue(t, 1)
				order() // let whom it woke look
			}
			if diff := cmp.Diff(sequence(n), order()); diff != "" {
				t.Errorf("order (-want +got):\n%s", diff)
			}
			all.Wait()
		})
	})
	t.Run("producers in order", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			o := policy()
			o.Capacity = 1
			q := openQueue(t, o)
			q.mustEnqueue(t, 1)
			order, all := inLine(n, func(i int) error { _, err := q.enqueue(background, fmt.Append(nil, i)); return err })
			want(t, "waiting", q.Stats().WaitingProducers, n)
			for i := range n {
				l := q.mustLease(t)
				must(t, l.complete())
				if diff := cmp.Diff(sequence(i+1), order()); diff != "" {
					t.Fatalf("order (-want +got):\n%s", diff)
				}
			}
			all.Wait()
		})
	})
	t.Run("all at once", func(t *testing.T) { // one wake-up must lead to the next
		bubble(t, func(t *testing.T) {
			o := policy()
			o.Capacity = n
			q := openQueue(t, o)
			order, all := inLine(n, func(int) error { _, err := q.lease(background); return err })
			_, err := q.enqueueBatch(background, make([][]byte, n))
			must(t, err)
			if diff := cmp.Diff(sequence(n), order()); diff != "" {
				t.Errorf("workers (-want +got):\n%s", diff)
			}
			all.Wait()
			order, all = inLine(n, func(int) error { _, err := q.enqueue(background, nil); return err })
			_, err = q.drain(background, 0)
			must(t, err)
			must(t, q.Reopen())
			if got := order(); len(got) > 0 {
				t.Errorf("%v entered a drained queue", got)
			}
			all.Wait()
		})
	})
	t.Run("overtaken", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			q := openQueue(t, policy())
			order, all := inLine(3, func(int) error { _, err := q.lease(background); return err })
			overtaken := 0
			for len(order()) == 0 {
				q.mustEnqueue(t, 1) // wakes the first
				l, err := q.tryLease()
				if errors.Is(err, tq.ErrEmpty) {
					continue // it is its turn
				}
				must(t, err)
				must(t, l.complete())
				if overtaken++; overtaken > 100 {
					t.Fatal("the first in line starves")
				}
			}
			q.mustEnqueue(t, 2)
			if diff := cmp.Diff(sequence(3), order()); diff != "" {
				t.Errorf("order after %d overtakings (-want +got):\n%s", overtaken, diff)
			}
			all.Wait()
		})
	})
	t.Run("cancelled", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			q := openQueue(t, policy())
			var cancels []context.CancelFunc
			order, all := inLine(5, func(i int) error {
				ctx, cancel := context.WithCancel(background)
				cancels = append(cancels, cancel)
				_, err := q.lease(ctx)

				return err
			})
			cancels[1]()
			synctest.Wait()
			q.mustEnqueue(t, 2) // wakes 0, which is cancelled before or after it looks
			cancels[0]()
			got := order()
			s := q.gauges(t)
			want(t, "leased", s.Leased, len(got))
			want(t, "leased", s.Leased, 2) // nobody waits while there is work
			want(t, "waiting", s.WaitingConsumers, 5-1-2-b2i(!slices.Contains(got, 0)))
			for _, cancel := range cancels {
				cancel()
			}
			all.Wait()
		})
	})
	t.Run("closed", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			q := openQueue(t, policy())
			answers := make(chan error, 3)
			for range cap(answers) {
				go func() { _, err := q.lease(background); answers <- err }()
			}
			synctest.Wait()
			q.mustEnqueue(t, 1) // one is woken and finds the queue closed
			must(t, q.Close())
			closed := 0
			for range cap(answers) {
				if err := <-answers; errors.Is(err, tq.ErrClosed) {
					closed++
				}
			}
			want(t, "closed", closed, 3-int(q.Stats().Granted))
		})
	})
}

// A reader that now and then falls behind sees all there is, or says so.
func TestInvariant17NoSilentGaps(t *testing.T) {
	gaps := 0
	for seed := range uint64(50) {
		bubble(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			o := policy()
			o.LogEntries = 8
			q := openQueue(t, o)
			reader, err := q.Watch(0)
			must(t, err)
			var all sync.WaitGroup
			for range 2 {
				own := rand.New(rand.NewPCG(seed, r.Uint64()))
				all.Go(func() {
					for range 40 {
						if _, err := q.tryEnqueue(nil); err == nil {
							l, err := q.tryLease()
							if err == nil {
								_ = l.complete()
							}
						}
						time.Sleep(time.Duration(own.IntN(3)))
					}
				})
			}
			all.Go(func() {
				all := tq.Sequence(0)
				for {
					records, err := reader.Next(background, 1+r.IntN(6))
					switch {
					case errors.Is(err, tq.ErrGap):
						gaps++
						var snap snapshot
						_ = reader.Close()
						snap, reader = q.watchNow()
						if snap.Sequence <= all {
							t.Errorf("gap after %d, but the state is of %d", all, snap.Sequence)
						}
						all = snap.Sequence
						continue
					case err != nil:
						return
					}
					for _, rec := range records {
						if all++; rec.Sequence != all {
							t.Errorf("event %d after %d", rec.Sequence, all-1)
							all = rec.Sequence
						}
					}
					reader.Unlock(len(records))
					time.Sleep(time.Duration(r.IntN(5)))
				}
			})
			time.Sleep(time.Second)
			must(t, q.Close())
			all.Wait()
		})
	}
	want(t, "gaps", gaps > 0, true)
	t.Run("resumed too late", func(t *testing.T) {
		o := policy()
		o.LogEntries = 4
		q := openQueue(t, o)
		holder, err := q.Watch(0)
		must(t, err)
		q.mustEnqueue(t, 6)
		_, err = q.Watch(1)
		want(t, "too early", errors.Is(err, tq.ErrGap), true)
		want(t, "too early", err.Error(),
			"tq: events are no longer held: those after 1 were asked for, and only 3 to 6 are")
		_, err = q.Watch(7)
		want(t, "from the future", errors.Is(err, tq.ErrGap), true)
		_, err = q.Watch(2)
		must(t, err)
		_, err = holder.Next(background, 1)
		want(t, "fell behind", errors.Is(err, tq.ErrGap), true)
	})
}

func TestInvariant18ReadersDoNotShare(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := policy()
		o.LogEntries = 1 << 10
		q := openQueue(t, o)
		const readers = 4
		seen := make([][]tq.Sequence, readers)
		var all sync.WaitGroup
		for i := range readers {
			reader, err := q.Watch(0)
			must(t, err)
			all.Go(func() {
				for {
					records, err := reader.Next(background, 1+3*i)
					if err != nil {
						return
					}
					for _, r := range records {
						seen[i] = append(seen[i], r.Sequence)
					}
					reader.Unlock(len(records))
					time.Sleep(time.Duration(i))
				}
			})
		}
		for range 100 {
			q.mustEnqueue(t, 1)
			l := q.mustLease(t)
			must(t, l.complete())
			time.Sleep(time.Nanosecond)
		}
		time.Sleep(time.Second)
		must(t, q.Close())
		all.Wait()
		for i := range readers {
			want(t, "events seen", len(seen[i]), 300)
			want(t, "in order", slices.IsSorted(seen[i]), true)
			want(t, "none twice", len(slices.Compact(seen[i])), 300)
		}
	})
}

// big is a shelf whose payloads count for a megabyte each.
type big struct{ shelf }

func (b *big) Size(tq.Slot) int { return 1 << 20 }

func TestInvariant19IdleReader(t *testing.T) {
	t.Run("bytes", func(t *testing.T) {
		q, s := new(queue), new(big)
		held := func() int {
			_, _ = q.DeadLetters(0, 0) // for its lock
			defer q.Unlock()

			return s.held()
		}
		o := unhurried()
		o.LogBytes, o.LogEntries = 16<<20, 1<<16
		must(t, q.Open(o, s))
		s.open(q.MaxSlot())
		idle, err := q.Watch(0)
		must(t, err)
		for range 2000 {
			i, at, err := q.Put(context.Background())
			must(t, err)
			*s.at(i) = []byte{1}
			_, err = q.TryEnqueue(t.Context(), i, at)
			must(t, err)
			g, err := q.TryTake("")
			must(t, err)
			q.Unlock()
			must(t, g.Held.Complete(background, g.Token))
			stats := q.Stats()
			if held := held(); held > 16 || stats.LogBytes > o.LogBytes {
				t.Fatalf("%d payloads and %d bytes are held", held, stats.LogBytes)
			}
		}
		want(t, "held", held(), 16) // what fits is held, not dropped
		want(t, "lag", idle.Lag(), 6000)
		want(t, "slowest lag", q.Stats().SlowestLag, 6000)
		_, err = idle.Next(background, 1)
		want(t, "reading on", errors.Is(err, tq.ErrGap), true)
		must(t, idle.Close())
		want(t, "held without a reader", held(), 0)
	})
	t.Run("entries", func(t *testing.T) {
		o := unhurried()
		o.LogEntries = 100
		q := openQueue(t, o)
		idle, err := q.Watch(0)
		must(t, err)
		for range 1000 {
			q.mustEnqueue(t, 1)
			l := q.mustLease(t)
			must(t, l.complete())
		}
		s := q.Stats()
		want(t, "entries", s.LogEntries, 100)
		want(t, "readers", s.Readers, 1)
		want(t, "lag", idle.Lag(), 3000)
		if held := q.held(); held > 34 { // three events a task
			t.Errorf("%d payloads are held", held)
		}
	})
}
