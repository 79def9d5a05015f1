package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

func open(t *testing.T, o leasequeue.Options) *leasequeue.Local {
	t.Helper()
	q, err := leasequeue.New(o)
	must(t, err)
	t.Cleanup(func() { must(t, q.Close()) })

	return q
}

// work makes n tasks and has some of them leased and settled.
func work(t *testing.T, q *leasequeue.Local, n int) {
	t.Helper()
	for i := range n {
		_, err := q.TryEnqueue(t.Context(), lease.ResourceLease{ResourceID: fmt.Sprint("i-", i)})
		must(t, err)
		l, err := q.TryLease(t.Context())
		must(t, err)
		switch i % 3 {
		case 0:
			must(t, l.Complete(t.Context()))
		case 1:
			must(t, l.Fail(t.Context(), errors.New("no such host")))
		}
	}
}

// mirror is a replica that tells how far it is.
type mirror struct {
	*leasequeue.Replica
	moved     chan struct{} // holds one: look again
	snapshots int
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	r, err := leasequeue.NewReplica(leasequeue.Options{})
	must(t, err)

	return &mirror{Replica: r, moved: make(chan struct{}, 1)}
}

func (m *mirror) tell() {
	select {
	case m.moved <- struct{}{}:
	default:
	}
}

func (m *mirror) Apply(e *leasequeue.Event) error {
	defer m.tell()

	return m.Replica.Apply(e)
}

func (m *mirror) ApplySnapshot(s *leasequeue.Snapshot) error {
	defer m.tell()
	m.snapshots++

	return m.Replica.ApplySnapshot(s)
}

// meets waits until the mirror is where q is, and compares.
func (m *mirror) meets(t *testing.T, q *leasequeue.Local) {
	t.Helper()
	want, reader := q.WatchNow()
	must(t, reader.Close())
	for m.Position() != (tq.Position{Incarnation: want.Incarnation, Sequence: want.Sequence}) {
		select {
		case <-m.moved:
		case <-t.Context().Done():
			t.Fatal("never there")
		}
	}
	if diff := cmp.Diff(ripe(want), ripe(m.State())); diff != "" {
		t.Errorf("the replica (-want +got):\n%s", diff)
	}
}

// ripe is a snapshot as it is once no task is delayed any more: what was at one
// look may be ready at the next.
func ripe(s leasequeue.Snapshot) leasequeue.Snapshot {
	for i := range s.Tasks {
		if s.Tasks[i].State == tq.Delayed {
			s.Tasks[i].State = tq.Ready
		}
	}

	return s
}

var soon = replication.FollowOptions{MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond}

// follow has f follow c until the function it returns is called, or the test is
// over.
func follow(t *testing.T, c replication.Client, f leasequeue.Follower) (stop func()) {
	t.Helper()

	return followAs(t, c, f, soon)
}

func followAs(t *testing.T, c replication.Client, f leasequeue.Follower, o replication.FollowOptions) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- leasequeue.Follow(ctx, c, f, o) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow ends with %v", err)
		}
	})
	t.Cleanup(stop)

	return stop
}

// TestFollow: the generated Follow keeps a replica equal to the queue, through
// connections that are cut, gaps that it was too late for, and another life of the
// queue (17, 20).
func TestFollow(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		q := open(t, leasequeue.Options{LogEntries: 64})
		with := serve(q.Feed(), bounds{heartbeat: 10 * time.Millisecond})
		m := newMirror(t)
		c := with.client(t, asking{})
		stop := follow(t, c, m)
		for range 5 {
			work(t, q, 10)
			m.meets(t, q)
			with.cut()
		}
		stop()
		seen := m.snapshots
		keep, err := q.Watch(tq.Latest) // so that records are kept, but not as many
		must(t, err)
		work(t, q, 200)
		stop = follow(t, c, m)
		m.meets(t, q)
		if m.snapshots == seen {
			t.Error("a gap without a snapshot")
		}
		stop()
		must(t, keep.Close())

		next := open(t, leasequeue.Options{Incarnation: 77})
		work(t, next, 5)
		seen = m.snapshots
		follow(t, serve(next.Feed(), bounds{}).client(t, asking{}), m)
		m.meets(t, next)
		if m.snapshots != seen+1 {
			t.Errorf("%d snapshots for another life, want 1", m.snapshots-seen)
		}
	})
}

// busy is a source whose queue goes on while the first snapshot is on its way.
type busy struct {
	replication.Client
	q     *leasequeue.Local
	moved chan error // holds one, and then is nil
}

func (b *busy) Snapshot(ctx context.Context) ([]byte, error) {
	doc, err := b.Client.Snapshot(ctx)
	if b.moved != nil {
		_, moved := b.q.TryEnqueue(ctx, lease.ResourceLease{})
		b.moved <- moved
		b.moved = nil
	}

	return doc, err
}

// TestFollowBusyQueue: one snapshot is enough though the queue goes on and nobody
// else reads its events, and none is needed after a connection was cut.
func TestFollowBusyQueue(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		q := open(t, leasequeue.Options{})
		work(t, q, 2)
		var missed []string
		o := soon
		o.Missed = func(err error) { missed = append(missed, err.Error()) }
		with, m := serve(q.Feed(), bounds{}), newMirror(t)
		moved := make(chan error, 1)
		stop := followAs(t, &busy{with.client(t, asking{}), q, moved}, m, o)
		must(t, <-moved)
		m.meets(t, q)
		for range 3 {
			with.cut()
			work(t, q, 2)
			m.meets(t, q)
		}
		stop()
		const words = "tq: events are no longer held: those after 0 were asked for, and of 7 none is"
		if len(missed) != 1 || !strings.HasSuffix(missed[0], ": "+words) || strings.Count(missed[0], "no longer held") != 1 {
			t.Errorf("missed %q, want one that ends in %q", missed, words)
		}
	})
}

// TestDeposed: a follower learns that the owner has been succeeded, while it
// follows and when it comes back.
func TestDeposed(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		q := open(t, leasequeue.Options{})
		c := serve(q.Feed(), bounds{}).client(t, asking{})
		m := newMirror(t)
		done := make(chan error, 1)
		go func() { done <- leasequeue.Follow(t.Context(), c, m, soon) }()
		work(t, q, 3)
		m.meets(t, q)
		must(t, q.Depose(q.Term()+1))
		if err := <-done; !errors.Is(err, tq.ErrDeposed) {
			t.Errorf("Follow ends with %v", err)
		}
		if err := leasequeue.Follow(t.Context(), c, m, soon); !errors.Is(err, tq.ErrDeposed) {
			t.Errorf("Follow again ends with %v", err)
		}
	})
}

// tampered is a feed whose lines are not those of the queue.
type tampered struct {
	replication.Feed
	tamper func(lines [][]byte) [][]byte
}

func (f tampered) Lines(after tq.Sequence) (replication.Lines, error) {
	lines, err := f.Feed.Lines(after)

	return &tamperedLines{Lines: lines, f: f}, err
}

type tamperedLines struct {
	replication.Lines
	f tampered
}

func (l *tamperedLines) Append(ctx context.Context, dst []byte) ([]byte, error) {
	grown, err := l.Lines.Append(ctx, nil)
	if err != nil {
		return dst, err
	}
	for _, line := range l.f.tamper(bytes.SplitAfter(bytes.TrimSuffix(grown, []byte("\n")), []byte("\n"))) {
		dst = append(append(dst, bytes.TrimSuffix(line, []byte("\n"))...), '\n')
	}

	return dst, nil
}

// TestHostileFeed: events that come twice, in another order, cut, too large or as
// something else end Follow, or have it take a snapshot; the replica has the state
// of a moment of the queue, each time the same over each transport.
func TestHostileFeed(t *testing.T) {
	for _, c := range []struct {
		name      string
		tamper    func(lines [][]byte) [][]byte
		want      error // nil: it takes a snapshot
		syntactic bool  // the error is of what reads the event
		at        tq.Sequence
	}{
		{"doubled", func(l [][]byte) [][]byte { return append([][]byte{l[0], l[0]}, l[1:]...) }, tq.ErrDiverged, false, 1},
		{"reordered", func(l [][]byte) [][]byte { return append([][]byte{l[1], l[0]}, l[2:]...) }, nil, false, 9},
		{"missing", func(l [][]byte) [][]byte { return l[1:] }, nil, false, 9},
		{"cut", func(l [][]byte) [][]byte { return append([][]byte{l[0], l[1][:len(l[1])/2]}, l[2:]...) }, nil, true, 1},
		{"no JSON", func([][]byte) [][]byte { return [][]byte{[]byte("no JSON")} }, nil, true, 0},
		{"of many levels", func([][]byte) [][]byte { return [][]byte{bytes.Repeat([]byte("["), 1<<20)} }, nil, true, 0},
		{"huge", func(l [][]byte) [][]byte {
			return [][]byte{l[0], []byte(`{"queueName":"` + strings.Repeat("x", 2<<20) + `"}`)}
		}, replication.ErrTooLarge, false, 1},
		{"of another life", func(l [][]byte) [][]byte {
			return [][]byte{l[0], bytes.ReplaceAll(l[1], []byte(`"incarnation":"0000000000000abc"`), []byte(`"incarnation":"0000000000000abd"`))}
		}, nil, false, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
				q := open(t, leasequeue.Options{Incarnation: life})
				keep, err := q.Watch(0)
				must(t, err)
				defer keep.Close()
				work(t, q, 3)
				m := newMirror(t)
				m.snapshots = 0
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				o := soon
				o.Failed = func(error, time.Duration) {
					if m.snapshots > 0 { // it goes on from there, and is cheated again
						cancel()
					}
				}
				client := serve(tampered{q.Feed(), c.tamper}, bounds{}).client(t, asking{maxLine: 1 << 20})
				f := &ends{mirror: m, cancel: cancel}
				err = leasequeue.Follow(ctx, client, f, o)
				switch {
				case c.syntactic:
					if err == nil || errors.Is(err, replication.ErrUnavailable) || errors.Is(err, context.Canceled) || m.snapshots > 0 {
						t.Errorf("ended with %v and %d snapshots", err, m.snapshots)
					}
				case c.want != nil:
					if !errors.Is(err, c.want) {
						t.Errorf("ended with %v, want %v", err, c.want)
					}
				case !errors.Is(err, context.Canceled) || m.snapshots != 1:
					t.Errorf("ended with %v and %d snapshots", err, m.snapshots)
				}
				if c.want != nil || c.syntactic {
					if got := m.Position().Sequence; got != c.at {
						t.Errorf("at %d, want %d", got, c.at)
					}

					return
				}
				m.meets(t, q)
			})
		})
	}
}

// ends ends the test with the first snapshot.
type ends struct {
	*mirror
	cancel func()
}

func (e *ends) ApplySnapshot(s *leasequeue.Snapshot) error {
	defer e.cancel()

	return e.mirror.ApplySnapshot(s)
}

// TestAcknowledged: an operation returns once a follower has applied its event,
// and not before that; one that waits learns that the gate was closed (27).
func TestAcknowledged(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		q := open(t, leasequeue.Options{})
		with := serve(q.Feed(), bounds{synchronous: &tq.SyncOptions{}, heartbeat: 10 * time.Millisecond})
		enqueue := func() chan error { return enqueueApart(t, q) }
		look := with.client(t, asking{})
		waits := func(done chan error) bool { return stillWaits(t, look, done) }
		done := enqueue()
		if !waits(done) {
			t.Fatalf("without a follower an operation returns %v", <-done)
		}
		h := newHeld(t)
		stop := follow(t, with.client(t, asking{acknowledge: true}), h)
		for n := range 3 {
			if n > 0 {
				done = enqueue()
			}
			if at := <-h.came; at != tq.Sequence(n+1) || !waits(done) {
				t.Fatalf("event %d is acknowledged before it is applied", at)
			}
			h.proceed <- struct{}{}
			must(t, <-done)
		}
		if with.followers() != 1 {
			t.Errorf("%d followers", with.followers())
		}

		done = enqueue()
		<-h.came
		with.cut() // it has the event, and nobody hears of it
		h.proceed <- struct{}{}
		must(t, <-done) // but when it comes back
		stop()
		done = enqueue()
		if !waits(done) {
			t.Fatalf("without a follower any more an operation returns %v", <-done)
		}
		must(t, with.release())
		if err := <-done; !errors.Is(err, tq.ErrUncertain) {
			t.Errorf("one that waits gets %v", err)
		}
		must(t, <-enqueue())
	})
}

// TestDetach: where operations are to do without followers that are not there, one
// that waits is let go with the last follower, and later ones wait for nobody (27).
func TestDetach(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		q := open(t, leasequeue.Options{})
		with := serve(q.Feed(), bounds{synchronous: &tq.SyncOptions{Detach: true}})
		must(t, <-enqueueApart(t, q))
		h := newHeld(t)
		stop := follow(t, with.client(t, asking{acknowledge: true}), h)
		<-h.came
		h.proceed <- struct{}{}
		look := with.client(t, asking{})
		for { // it is waited for as soon as it is known to have caught up
			done := enqueueApart(t, q)
			<-h.came
			waited := stillWaits(t, look, done)
			if waited {
				go stop()
				if err := <-done; !errors.Is(err, tq.ErrUncertain) {
					t.Errorf("one that waits gets %v", err)
				}
			}
			h.proceed <- struct{}{}
			if waited {
				break
			}
			must(t, <-done)
		}
		stop()
		must(t, <-enqueueApart(t, q))
		if with.followers() != 0 {
			t.Errorf("%d followers", with.followers())
		}
	})
}

func enqueueApart(t *testing.T, q *leasequeue.Local) chan error {
	done := make(chan error, 1)
	go func() {
		_, err := q.Enqueue(t.Context(), lease.ResourceLease{ResourceID: "a"})
		done <- err
	}()

	return done
}

// stillWaits says whether an operation does not return for some rounds over the
// network.
func stillWaits(t *testing.T, look replication.Client, done chan error) bool {
	t.Helper()
	for range 20 {
		_, err := look.Snapshot(t.Context())
		must(t, err)
		select {
		case err := <-done:
			done <- err
			return false
		default:
		}
	}

	return true
}

func newHeld(t *testing.T) *held {
	return &held{mirror: newMirror(t), came: make(chan tq.Sequence), proceed: make(chan struct{}), over: t.Context().Done()}
}

// held is a mirror that a test holds up.
type held struct {
	*mirror
	came    chan tq.Sequence // an event is there, and not applied
	proceed chan struct{}
	over    <-chan struct{}
}

func (h *held) Apply(e *leasequeue.Event) error {
	select {
	case h.came <- e.Sequence:
	case <-h.over:
	}
	select {
	case <-h.proceed:
	case <-h.over:
	}

	return h.mirror.Apply(e)
}

// TestNotSynchronous: a client that is to acknowledge says so if it cannot.
func TestNotSynchronous(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		with := serve(newShelf("1"), bounds{})
		_, err := collect(t, with.client(t, asking{acknowledge: true}), tq.Position{}, "")
		if err == nil || errors.Is(err, replication.ErrUnavailable) {
			t.Errorf("a source that is not synchronous: %v", err)
		}
		if with.followers() != 0 || with.release() != nil {
			t.Error("a handler that is not synchronous has followers, or cannot be closed")
		}
	})
}

// TestCutAllTheTime: what an operation has acknowledged is in the replica at that
// moment, with connections that are cut whenever the replica has come on (27).
func TestCutAllTheTime(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		q := open(t, leasequeue.Options{})
		with := serve(q.Feed(), bounds{synchronous: &tq.SyncOptions{}})
		m := newMirror(t)
		follow(t, with.client(t, asking{acknowledge: true}), m)
		var cutting sync.WaitGroup
		over := make(chan struct{})
		cutting.Go(func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for cut := (tq.Position{}); ; {
				select {
				case <-tick.C:
					if at := m.Position(); at != cut { // else nobody might ever get through
						cut = at
						with.cut()
					}
				case <-over:
					return
				}
			}
		})
		for range 100 {
			id, err := q.Enqueue(t.Context(), lease.ResourceLease{})
			must(t, err)
			if at := m.Position().Sequence; tq.Sequence(id.Sequence) > at {
				t.Errorf("task %d is accepted with %d events applied", id.Sequence, at)
			}
		}
		close(over)
		cutting.Wait()
		m.meets(t, q)
	})
}
