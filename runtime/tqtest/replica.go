package tqtest

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Replica is a generated Replica by way of JSON. Each method is the generated
// one of that name.
type Replica interface {
	// Apply and ApplySnapshot read the wire form of an event and of a snapshot.
	Apply(event []byte) error
	ApplySnapshot(snapshot []byte) error
	// State gives the wire form of the state.
	State() ([]byte, error)
	Position() tq.Position
	Counters() tq.Counters
	Promote(ctx context.Context, o tq.Options) (Queue, error)
}

// Follow makes an empty replica of the generated package, of queues that Open
// gives for the same options.
type Follow func(t testing.TB, o tq.Options) Replica

// replicaChecks are the promises of replicas.
var replicaChecks = []struct {
	name  string
	check func(*testing.T, Open, Follow)
}{
	{"a replica equals its queue after every operation", checkReplica},
	{"a replica takes the next event and no other", checkReplicaOrder},
	{"a replica takes whole operations", checkReplicaWhole},
	{"a replica goes on from a snapshot", checkReplicaSnapshot},
	{"a promoted replica goes on where the queue was", checkPromote},
}

// RunReplicas holds the replicas that follow makes, of the queues that open
// gives, to what every generated replica promises, each in a subtest.
func RunReplicas(t *testing.T, open Open, follow Follow) {
	for _, c := range replicaChecks {
		t.Run(c.name, func(t *testing.T) { c.check(t, open, follow) })
	}
}

// followed is a queue and its events in their wire form.
type followed struct {
	Queue
	next func() [][]byte // what has not been read yet
}

// openFollowed opens a queue whose events are read from the first one on.
func openFollowed(t *testing.T, open Open, o tq.Options) followed {
	t.Helper()
	q := opened(t, open, o)
	lines, err := q.Feed().Lines(0)
	no(t, err, "lines")
	t.Cleanup(func() { _ = lines.Close() })

	return followed{q, func() (events [][]byte) {
		t.Helper()
		for lines.Lag() > 0 {
			text, err := lines.Append(t.Context(), nil)
			no(t, err, "append")
			events = append(events, bytes.SplitAfter(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))...)
		}

		return events
	}}
}

// state is the queue's.
func (q followed) state(t *testing.T) []byte {
	t.Helper()
	doc, err := q.Feed().AppendSnapshot(nil)
	no(t, err, "snapshot")

	return doc
}

// equal compares a replica with the queue it follows.
func (q followed) equal(t *testing.T, r Replica, after string) {
	t.Helper()
	got, err := r.State()
	no(t, err, "state")
	if diff := cmp.Diff(byTask(q.state(t)), byTask(got)); diff != "" {
		t.Fatalf("state after %s (-queue +replica):\n%s", after, diff)
	}
}

// byTask has a line for each task of a snapshot.
func byTask(doc []byte) []string { return strings.SplitAfter(string(doc), "},{\"value\"") }

// apply has the replica take events, which it must.
func apply(t *testing.T, r Replica, events [][]byte) {
	t.Helper()
	for _, e := range events {
		if err := r.Apply(e); err != nil {
			t.Fatalf("apply %s: %v", e, err)
		}
	}
}

// operation changes a queue; leased are the leases taken so far.
type operation struct {
	name string
	do   func(t *testing.T, q Queue, leased *[]Grant) error
}

// operations make every kind of event.
func operations(t *testing.T) []operation {
	ctx := t.Context()
	settle := func(i int, verb func(Grant) error) func(*testing.T, Queue, *[]Grant) error {
		return func(_ *testing.T, _ Queue, leased *[]Grant) error { return verb((*leased)[i]) }
	}
	grant := operation{"lease", func(t *testing.T, q Queue, leased *[]Grant) error {
		*leased = append(*leased, take(t, q))
		return nil
	}}
	wait := func(d time.Duration) operation {
		return operation{"waiting " + d.String(), func(*testing.T, Queue, *[]Grant) error {
			time.Sleep(d)
			synctest.Wait()

			return nil
		}}
	}

	return []operation{
		{"enqueue", func(t *testing.T, q Queue, _ *[]Grant) error { enqueue(t, q, 1, 2, 3, 4); return nil }},
		{"enqueue at", func(_ *testing.T, q Queue, _ *[]Grant) error {
			_, err := q.EnqueueAt(ctx, 5, time.Now().Add(lease))
			return err
		}},
		{"enqueue a batch", func(_ *testing.T, q Queue, _ *[]Grant) error {
			_, err := q.EnqueueBatch(ctx, []int{6, 7}, nil)
			return err
		}},
		grant, grant, grant, grant,
		{"heartbeat", settle(0, func(g Grant) error { _, err := g.Heartbeat(ctx); return err })},
		{"complete", settle(0, func(g Grant) error { return g.Complete(ctx) })},
		{"fail", settle(1, func(g Grant) error { return g.Fail(ctx, errHandler) })},
		{"release", settle(2, func(g Grant) error { return g.Release(ctx) })},
		{"dead-letter", settle(3, func(g Grant) error { return g.DeadLetter(ctx, errHandler) })},
		{"redrive", func(_ *testing.T, q Queue, leased *[]Grant) error { return q.Redrive(ctx, (*leased)[3].Token.Task) }},
		grant, wait(2 * lease), // expiry, and the delayed task is due
		grant,
		{"dead-letter another", settle(5, func(g Grant) error { return g.DeadLetter(ctx, errHandler) })},
		{"purge", func(_ *testing.T, q Queue, leased *[]Grant) error { return q.Purge(ctx, (*leased)[5].Token.Task) }},
		grant,
		{"drain and restore", func(_ *testing.T, q Queue, _ *[]Grant) error {
			s, err := q.Drain(ctx, 0)
			if err != nil {
				return err
			}

			return q.Restore(ctx, s)
		}},
		grant,
	}
}

func checkReplica(t *testing.T, open Open, follow Follow) {
	synctest.Test(t, func(t *testing.T) {
		q, r := openFollowed(t, open, options()), follow(t, options())
		var leased []Grant
		for _, o := range operations(t) {
			no(t, o.do(t, q.Queue, &leased), o.name)
			apply(t, r, q.next())
			q.equal(t, r, o.name)
			stats, err := q.Stats(t.Context())
			no(t, err, "stats")
			if diff := cmp.Diff(stats.Counters, r.Counters()); diff != "" {
				t.Fatalf("counters after %s (-queue +replica):\n%s", o.name, diff)
			}
			if at := r.Position(); at.Sequence != stats.Sequence {
				t.Fatalf("after %s the replica is at %d, the queue at %d", o.name, at.Sequence, stats.Sequence)
			}
		}
	})
}

// refuses checks that the replica refuses an event or a snapshot for a reason,
// and stays as it was.
func refuses(t *testing.T, r Replica, do func() error, want error, what string) {
	t.Helper()
	before, err := r.State()
	no(t, err, "state")
	is(t, do(), want, what)
	after, err := r.State()
	no(t, err, "state")
	if diff := cmp.Diff(byTask(before), byTask(after)); diff != "" {
		t.Errorf("%s changed the state (-before +after):\n%s", what, diff)
	}
}

func checkReplicaOrder(t *testing.T, open Open, follow Follow) {
	q, r := openFollowed(t, open, options()), follow(t, options())
	enqueue(t, q, 1, 2, 3, 4)
	events := q.next()
	apply(t, r, events[:2])
	refuses(t, r, func() error { return r.Apply(events[3]) }, tq.ErrGap, "an event that leaves one out")
	refuses(t, r, func() error { return r.Apply(events[0]) }, tq.ErrDiverged, "an event that came before")
	refuses(t, r, func() error { return r.Apply(events[1]) }, tq.ErrDiverged, "the last event again")
	other := openFollowed(t, open, options())
	enqueue(t, other, 1, 2, 3)
	refuses(t, r, func() error { return r.Apply(other.next()[2]) }, tq.ErrForeign, "the event of another life")
	if r.Apply([]byte("{}")) == nil {
		t.Error("an event without members is applied")
	}
	apply(t, r, events[2:])
	q.equal(t, r, "what was refused")
}

// checkReplicaWhole applies the first of the two events of a failure.
func checkReplicaWhole(t *testing.T, open Open, follow Follow) {
	q, r := openFollowed(t, open, options()), follow(t, options())
	enqueue(t, q, 1)
	g := take(t, q)
	apply(t, r, q.next())
	before, err := r.State()
	no(t, err, "state")
	no(t, g.Fail(t.Context(), errHandler), "fail")
	events := q.next()
	if len(events) != 2 {
		t.Fatalf("a failure makes %d events, want 2", len(events))
	}
	apply(t, r, events[:1])
	if half, err := r.State(); err != nil || !bytes.Equal(before, half) {
		t.Errorf("half of an operation has an effect: %s, %v", half, err)
	}
	apply(t, r, events) // from its beginning
	q.equal(t, r, "an operation that was cut off and came again")
}

func checkReplicaSnapshot(t *testing.T, open Open, follow Follow) {
	synctest.Test(t, func(t *testing.T) {
		q, r := openFollowed(t, open, options()), follow(t, options())
		populate(t, q)
		early := q.state(t)
		no(t, take(t, q).Complete(t.Context()), "complete")
		enqueue(t, q, 6)
		late := q.state(t)
		q.next() // lost on the way
		no(t, r.ApplySnapshot(early), "snapshot")
		no(t, r.ApplySnapshot(late), "a later snapshot")
		q.equal(t, r, "a snapshot")
		refuses(t, r, func() error { return r.ApplySnapshot(early) }, tq.ErrDiverged, "an older snapshot")
		if r.ApplySnapshot([]byte(`{"version":99}`)) == nil {
			t.Error("a snapshot of an unknown version is applied")
		}

		no(t, take(t, q).Fail(t.Context(), errHandler), "fail")
		apply(t, r, q.next())
		q.equal(t, r, "events behind a snapshot")

		other := openFollowed(t, open, options())
		enqueue(t, other, 7)
		no(t, r.ApplySnapshot(other.state(t)), "the snapshot of another life")
		other.equal(t, r, "the snapshot of another life")
	})
}

func checkPromote(t *testing.T, open Open, follow Follow) {
	synctest.Test(t, func(t *testing.T) {
		q, r := openFollowed(t, open, options()), follow(t, options())
		held := populate(t, q)
		apply(t, r, q.next())
		unseen := take(t, q)

		p, err := r.Promote(t.Context(), options())
		no(t, err, "promote")
		t.Cleanup(func() { _ = p.Close() })
		counts(t, p, 2, 1, 1, 1)
		g, err := p.Resume(t.Context(), held.Token)
		no(t, err, "resume of a lease of the old owner")
		if g.Number != held.Number {
			t.Errorf("resumed payload %d, want %d", g.Number, held.Number)
		}
		no(t, g.Complete(t.Context()), "complete")
		_, err = p.Resume(t.Context(), unseen.Token)
		is(t, err, tq.ErrLeaseLost, "resume of a lease that was not replicated")
		if g = take(t, p); g.Token.Epoch <= unseen.Token.Epoch {
			t.Errorf("epoch %v after %v of the old owner", g.Token.Epoch, unseen.Token.Epoch)
		}
		is(t, r.Apply(q.next()[0]), tq.ErrClosed, "an event for a promoted replica")
		_, err = r.Promote(t.Context(), options())
		is(t, err, tq.ErrClosed, "promoting twice")
	})
}
