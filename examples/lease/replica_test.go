package lease_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/replicationhttp"
	"github.com/tqgen/tqgen/runtime/tq"
)

func payload(n int) lease.ResourceLease {
	return lease.ResourceLease{
		ResourceType: "vm", ResourceID: fmt.Sprint("i-", n), Body: []byte{byte(n)}, Attributes: map[string]string{"n": fmt.Sprint(n)},
	}
}

func newReplica(t *testing.T, o leasequeue.Options) *leasequeue.Replica {
	t.Helper()
	o.Incarnation = 0
	r, err := leasequeue.NewReplica(o)
	if err != nil {
		t.Fatal(err)
	}

	return r
}

// serveFeed serves a queue on loopback and gives a client of it.
func serveFeed(t *testing.T, q *leasequeue.Local) *replicationhttp.Client {
	t.Helper()
	h, err := replicationhttp.NewHandler(q.Feed(), replicationhttp.HandlerOptions{Heartbeat: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}

	return clientOf(t, h)
}

func clientOf(t *testing.T, h http.Handler) *replicationhttp.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	c, err := replicationhttp.NewClient(s.URL, replicationhttp.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}

	return c
}

// seen is a follower that tells how far it is.
type seen struct {
	*leasequeue.Replica
	at        chan tq.Position
	snapshots int
}

func (s *seen) Apply(e *leasequeue.Event) error {
	err := s.Replica.Apply(e)
	s.tell()

	return err
}

func (s *seen) ApplySnapshot(snapshot *leasequeue.Snapshot) error {
	s.snapshots++
	err := s.Replica.ApplySnapshot(snapshot)
	s.tell()

	return err
}

func (s *seen) tell() {
	select {
	case <-s.at:
	default:
	}
	s.at <- s.Position()
}

// wait waits until the follower is where q is, and compares.
func (s *seen) wait(t *testing.T, q *leasequeue.Local) {
	t.Helper()
	want, reader := q.WatchNow()
	_ = reader.Close()
	for s.Position() != (tq.Position{Incarnation: want.Incarnation, Sequence: want.Sequence}) {
		select {
		case <-s.at:
		case <-t.Context().Done():
			t.Fatal("never there")
		}
	}
	if diff := cmp.Diff(state(want), state(s.State())); diff != "" {
		t.Errorf("state (-queue +replica)\n%s", diff)
	}
}

// state is a snapshot as its JSON, which has no monotonic times. What was delayed
// at one look may be ready at the next.
func state(s leasequeue.Snapshot) string {
	text, err := s.AppendJSON(nil)
	if err != nil {
		return err.Error()
	}

	return strings.NewReplacer(`{"value"`, "\n{\"value\"", `"delayed"`, `"ready"`).Replace(string(text))
}

// churn does random things to a queue.
func churn(t *testing.T, q *leasequeue.Local, rng *rand.Rand, n int) {
	t.Helper()
	var held []leasequeue.Lease
	for i := range n {
		switch rng.IntN(5) {
		case 0, 1:
			if _, err := q.TryEnqueue(t.Context(), payload(i)); err != nil && !errors.Is(err, tq.ErrFull) {
				t.Fatal(err)
			}
		case 2:
			if l, err := q.TryLease(t.Context()); err == nil {
				held = append(held, l)
			}
		default:
			if len(held) == 0 {
				continue
			}
			l := held[0]
			held = held[1:]
			err := []func() error{
				func() error { return l.Complete(t.Context()) },
				func() error { return l.Fail(t.Context(), errors.New("no luck")) },
				func() error { return l.Release(t.Context()) },
				func() error { return l.DeadLetter(t.Context(), errors.New("hopeless")) },
			}[rng.IntN(4)]()
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, l := range held[min(2, len(held)):] {
		if err := l.Complete(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFollowOverHTTP: a replica follows a queue through everything that can
// come in between: broken connections, a gap, a drain, another life.
func TestFollowOverHTTP(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	o := leasequeue.Options{Capacity: 64, Dead: 8, LogEntries: 128, Attempts: 2}
	q := open(t, o)
	feed := &feeds{q: q}
	c := clientOf(t, feed)
	f := &seen{Replica: newReplica(t, o), at: make(chan tq.Position, 1)}
	follow := func() (stop func() error) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- leasequeue.Follow(ctx, c, f, replication.FollowOptions{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
		}()

		return func() error {
			cancel()
			return <-done
		}
	}
	stop := follow()
	for range 20 {
		churn(t, q, rng, 50)
		f.wait(t, q)
	}
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("follow ended with %v", err)
	}
	snapshots := f.snapshots
	reader, err := q.Watch(f.Position().Sequence) // keeps the log
	if err != nil {
		t.Fatal(err)
	}
	churn(t, q, rng, 20)
	stop = follow()
	f.wait(t, q)
	if f.snapshots != snapshots {
		t.Errorf("took %d snapshots though the events were held", f.snapshots-snapshots)
	}
	_ = stop()
	churn(t, q, rng, 1000)
	stop = follow()
	f.wait(t, q)
	if f.snapshots != snapshots+1 {
		t.Errorf("took %d snapshots after a gap", f.snapshots-snapshots)
	}
	_ = reader.Close()

	s, err := q.Drain(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	f.wait(t, q)
	if err := q.Restore(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	f.wait(t, q)

	// The owner begins anew: what it has now is what the replica has. Its term is
	// not below that which the snapshot has raised it to.
	again := open(t, o)
	for range 2 {
		if _, err := again.Enqueue(t.Context(), payload(0)); err != nil {
			t.Fatal(err)
		}
		s, err := again.Drain(t.Context(), 0)
		if err == nil {
			err = again.Restore(t.Context(), s)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	feed.set(again)
	_ = q.Close()
	f.wait(t, again)
	_ = stop()
}

// feeds serves one queue, later another.
type feeds struct {
	mu sync.Mutex
	q  *leasequeue.Local
}

func (f *feeds) set(q *leasequeue.Local) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.q = q
}

func (f *feeds) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	q := f.q
	f.mu.Unlock()
	h, err := replicationhttp.NewHandler(q.Feed(), replicationhttp.HandlerOptions{})
	if err != nil {
		panic(err)
	}
	h.ServeHTTP(w, r)
}

// TestApplyRefusesAnotherLife: no event of another life, without a snapshot.
func TestApplyRefusesAnotherLife(t *testing.T) {
	t.Parallel()
	r := newReplica(t, leasequeue.Options{})
	var first []leasequeue.Event
	for range 2 {
		q := open(t, leasequeue.Options{})
		reader, err := q.Watch(0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.Enqueue(t.Context(), payload(1)); err != nil {
			t.Fatal(err)
		}
		e, err := reader.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		first = append(first, e)
	}
	if err := r.Apply(&first[0]); err != nil {
		t.Fatal(err)
	}
	first[1].Sequence = 2
	if err := r.Apply(&first[1]); !errors.Is(err, tq.ErrForeign) {
		t.Errorf("answered %v", err)
	}
}

// TestHostileStream: whatever stands on the wire, Follow ends with an error and
// the replica is as it was (17, 28).
func TestHostileStream(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	reader, err := q.Watch(0)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for n := range 3 {
		if _, err := q.Enqueue(t.Context(), payload(n)); err != nil {
			t.Fatal(err)
		}
		e, err := reader.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(text))
	}
	change := func(line, old, now string) string {
		changed := strings.Replace(line, old, now, 1)
		if changed == line {
			t.Fatalf("%s is not in %s", old, line)
		}

		return changed
	}
	for name, sent := range map[string][]string{
		"a duplicate":      {lines[0], lines[0]},
		"out of order":     {lines[0], lines[1], lines[0]},
		"a truncated line": {lines[0], lines[1][:len(lines[1])-20]},
		"a wrong type":     {lines[0], change(lines[1], `"attempt":1`, `"attempt":"one"`)},
		"a missing member": {lines[0], change(lines[1], `"kind":0,`, ``)},
		"a wrong payload":  {lines[0], change(lines[1], `"resourceId":"i-1"`, `"resourceId":{}`)},
		"an unknown kind":  {lines[0], change(lines[1], `"kind":0`, `"kind":77`)},
		"another queue":    {lines[0], change(lines[1], `"resource-lease"`, `"other"`)},
		"no JSON":          {lines[0], "<html>"},
		"a scalar":         {lines[0], "null"},
		"deep nesting":     {lines[0], strings.Repeat("[", 1_000_000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clientOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "snapshot") {
					_, _ = io.WriteString(w, "{")
					return
				}
				_, _ = io.WriteString(w, strings.Join(sent, "\n")+"\n")
			}))
			r := newReplica(t, leasequeue.Options{})
			err := leasequeue.Follow(t.Context(), c, r, replication.FollowOptions{})
			if err == nil || errors.Is(err, replication.ErrUnavailable) {
				t.Errorf("ended with %v", err)
			}
			if n := len(r.State().Tasks); n == 0 || n > 2 || int(r.Position().Sequence) != n {
				t.Errorf("%d tasks at %v", n, r.Position())
			}
		})
	}
}

// TestPull: the events of a queue elsewhere as a stream, for whatever takes one.
func TestPull(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	s, reader := q.WatchNow()
	defer reader.Close()
	const n = 100
	for i := range n {
		if _, err := q.Enqueue(t.Context(), payload(i)); err != nil {
			t.Fatal(err)
		}
	}
	at := tq.Position{Incarnation: s.Incarnation, Sequence: s.Sequence}
	got := 0
	for e, err := range leasequeue.Pull(t.Context(), serveFeed(t, q), at, replication.FollowOptions{}) {
		if err != nil || int(e.Sequence) != got+1 || e.Payload.ResourceID != fmt.Sprint("i-", got) {
			t.Fatalf("%v, %v", e, err)
		}
		if got++; got == n {
			break
		}
	}
	at.Incarnation++
	for _, err := range leasequeue.Pull(t.Context(), serveFeed(t, q), at, replication.FollowOptions{}) {
		if !errors.Is(err, tq.ErrForeign) {
			t.Errorf("another life: %v", err)
		}
	}
}

// TestFailover: an owner with a follower is succeeded, its token is honoured,
// and it answers tq.ErrDeposed once it looks (9).
func TestFailover(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store := new(effect.Memory)
	terms := func(peer string) *replication.Terms {
		return &replication.Terms{Store: store, Queue: "resource-lease", Peer: peer}
	}
	q := open(t, leasequeue.Options{})
	if err := q.Own(ctx, terms("a"), 0); err != nil {
		t.Fatal(err)
	}
	followers := make([]*seen, 2)
	follow, stop := context.WithCancel(ctx)
	defer stop()
	var following sync.WaitGroup
	for i := range followers {
		f := &seen{Replica: newReplica(t, leasequeue.Options{}), at: make(chan tq.Position, 1)}
		followers[i] = f
		c := serveFeed(t, q)
		following.Go(func() { _ = leasequeue.Follow(follow, c, f, replication.FollowOptions{}) })
	}
	for n := range 3 {
		if _, err := q.Enqueue(ctx, payload(n)); err != nil {
			t.Fatal(err)
		}
	}
	held, err := q.LeaseAs(ctx, "worker")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range followers {
		f.wait(t, q)
	}

	p, err := followers[0].Promote(ctx, leasequeue.Options{}, replication.Promotion{Terms: terms("b"), ClockSkew: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Term() != 2 {
		t.Errorf("term %d", p.Term())
	}
	var taken *replication.TermError
	if _, err := followers[1].Promote(ctx, leasequeue.Options{}, replication.Promotion{Terms: terms("c")}); !errors.As(err, &taken) ||
		taken.Claim.Peer != "b" {
		t.Errorf("the second to be promoted: %v", err)
	}
	if err := q.Guard(ctx, terms("a"), time.Hour, nil); !errors.Is(err, tq.ErrDeposed) {
		t.Errorf("the guard of the owner: %v", err)
	}
	if err := held.Complete(ctx); !errors.Is(err, tq.ErrDeposed) || !errors.Is(err, tq.ErrLeaseLost) {
		t.Errorf("completed at the deposed owner: %v", err)
	}
	if err := leasequeue.Run(ctx, q, leasequeue.RunOptions{}, nil); !errors.Is(err, tq.ErrDeposed) {
		t.Errorf("run on the deposed owner: %v", err)
	}
	l, err := p.Resume(ctx, held.Token)
	if err != nil || l.Payload.ResourceID != "i-0" || l.Deadline().Sub(held.EnqueuedAt) < 30*time.Second {
		t.Fatalf("resumed %v, %v", l, err)
	}
	if err := l.Complete(ctx); err != nil {
		t.Error(err)
	}

	// The loser follows the winner.
	stop()
	following.Wait()
	loser, winner := followers[1], serveFeed(t, p)
	follow, stop = context.WithCancel(ctx)
	defer stop()
	go func() { _ = leasequeue.Follow(follow, winner, loser, replication.FollowOptions{}) }()
	if _, err := p.Enqueue(ctx, payload(3)); err != nil {
		t.Fatal(err)
	}
	loser.wait(t, p)
	next, err := p.Lease(ctx)
	if err != nil || next.Token.Epoch.Term() != 2 || next.Token.Incarnation == held.Token.Incarnation {
		t.Errorf("leased %v, %v", next.Token, err)
	}
	loser.wait(t, p)
}

// TestPromotedAfterADrain holds that the replica of a drained queue is promoted
// open and empty, and that what was drained can be restored there, once.
func TestPromotedAfterADrain(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	q, err := leasequeue.New(leasequeue.Options{})
	no(t, err)
	defer q.Close()
	events, err := q.Watch(0)
	no(t, err)
	put(t, q, "a", "b")
	stale := leaseAs(t, q, "worker")
	drained, err := q.Drain(ctx, 0)
	no(t, err)
	r := newReplica(t, leasequeue.Options{})
	for events.Lag() > 0 {
		e, err := events.Next(ctx)
		no(t, err)
		no(t, r.Apply(&e))
	}

	p, err := r.Promote(ctx, leasequeue.Options{}, replication.Promotion{})
	no(t, err)
	defer p.Close()
	if _, err := p.TryLease(ctx); !errors.Is(err, tq.ErrEmpty) {
		t.Errorf("a lease gives %v, want %v", err, tq.ErrEmpty)
	}
	no(t, p.Restore(ctx, drained))
	l := leaseAs(t, p, "worker")
	if l.Payload.ResourceID != "a" || l.Token.Epoch <= stale.Token.Epoch {
		t.Errorf("%q is leased with epoch %d, after %d", l.Payload.ResourceID, l.Token.Epoch, stale.Token.Epoch)
	}
	no(t, l.Complete(ctx))
	no(t, p.Restore(ctx, drained))
	if s, err := p.Stats(ctx); err != nil || s.Live() != 1 {
		t.Errorf("%d tasks, %v", s.Live(), err)
	}
}

// TestSuccessorIsLost holds that a follower of the first owner goes on with what
// it has where the second is lost, in a term above both.
func TestSuccessorIsLost(t *testing.T) {
	t.Parallel()
	ctx, store := t.Context(), new(effect.Memory)
	open := func(peer string, after uint64) *leasequeue.Local {
		q, err := leasequeue.New(leasequeue.Options{})
		no(t, err)
		t.Cleanup(func() { _ = q.Close() })
		no(t, q.Own(ctx, &replication.Terms{Store: store, Queue: "resource-lease", Peer: peer}, after))

		return q
	}
	first := open("a", 0)
	put(t, first, "vm")
	leaseAs(t, first, "worker")
	state, _ := first.WatchNow()
	b, c := newReplica(t, leasequeue.Options{}), newReplica(t, leasequeue.Options{})
	no(t, b.ApplySnapshot(&state))
	no(t, c.ApplySnapshot(&state))
	promote := func(r *leasequeue.Replica, peer string) error {
		terms := &replication.Terms{Store: store, Queue: "resource-lease", Peer: peer}
		_, err := r.Promote(ctx, leasequeue.Options{}, replication.Promotion{Terms: terms})

		return err
	}
	no(t, promote(b, "b"))
	var taken *replication.TermError
	if err := promote(c, "c"); !errors.As(err, &taken) || taken.Claim.Peer != "b" {
		t.Fatalf("the second follower gets %v", err)
	}

	q := open("c", taken.Claim.Term)
	no(t, q.Restore(ctx, c.State()))
	if l := leaseAs(t, q, "worker"); l.Payload.ResourceID != "vm" || q.Term() <= taken.Claim.Term {
		t.Errorf("%q is leased in term %d, after %d", l.Payload.ResourceID, q.Term(), taken.Claim.Term)
	}
}
