package peers_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/examples/lease/peers"
	"github.com/tqgen/tqgen/runtime/tq"
)

// fixture is a queue that a tracker follows, within a bubble.
type fixture struct {
	*testing.T
	q *leasequeue.Local
	t *peers.Tracker
}

// in runs test with a fixture.
func in(t *testing.T, o peers.Options, policy leasequeue.Options, test func(f *fixture)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{T: t, q: open(t, policy), t: tracker(t, o)}
		f.follow(f.q)
		test(f)
	})
}

func open(t *testing.T, o leasequeue.Options) *leasequeue.Local {
	t.Helper()
	q, err := leasequeue.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})

	return q
}

func tracker(t *testing.T, o peers.Options) *peers.Tracker {
	t.Helper()
	tr, err := peers.New(o)
	if err != nil {
		t.Fatal(err)
	}

	return tr
}

// follow follows q until the test, or what it returns, ends that.
func (f *fixture) follow(q *leasequeue.Local) (end func()) {
	ctx, cancel := context.WithCancel(f.Context())
	done := make(chan error, 1)
	go func() { done <- f.t.Follow(ctx, q) }()
	synctest.Wait()
	once := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			f.Errorf("follow: %v", err)
		}
	})
	f.Cleanup(once)

	return once
}

func (f *fixture) lease(peer string) leasequeue.Lease {
	f.Helper()
	if _, err := f.q.TryEnqueue(f.Context(), lease.ResourceLease{}); err != nil {
		f.Fatal(err)
	}

	return f.take(peer)
}

func (f *fixture) take(peer string) leasequeue.Lease {
	f.Helper()
	l, err := f.q.LeaseAs(f.Context(), peer)
	if err != nil {
		f.Fatal(err)
	}

	return l
}

func (f *fixture) no(err error) {
	f.Helper()
	if err != nil {
		f.Error(err)
	}
}

// sees compares peers, by all that does not change with time.
func (f *fixture) sees(when string, want ...peers.Peer) {
	f.Helper()
	synctest.Wait()
	got := f.t.Snapshot()
	ignored := cmpopts.IgnoreFields(peers.Peer{}, "LastSeen", "LastHeartbeat", "LastDisconnect", "Leases")
	if diff := cmp.Diff(want, got.Peers, ignored, cmpopts.EquateEmpty()); diff != "" {
		f.Errorf("%s (-want +got):\n%s", when, diff)
	}
	var sum peers.Snapshot
	for _, p := range got.Peers {
		sum.PendingReassignments += p.PendingReassignments
		if p.IsHealthy {
			sum.HealthyPeers++
		} else {
			sum.UnhealthyPeers++
		}
		if p.IsEligible != f.t.Eligible(p.PeerID) {
			f.Errorf("%s: %s is eligible in one way only", when, p.PeerID)
		}
	}
	if diff := cmp.Diff(sum, got, cmpopts.IgnoreFields(peers.Snapshot{}, "ObservedAt", "Peers")); diff != "" {
		f.Errorf("%s: sums (-want +got):\n%s", when, diff)
	}
}

func well(name string, leases int) peers.Peer {
	return peers.Peer{PeerID: name, IsHealthy: true, IsEligible: true, ActiveAssignments: leases}
}

// TestGrace: a peer is healthy as long as it is heard of within the grace
// period, to the tick, whatever it is heard of by.
func TestGrace(t *testing.T) {
	in(t, peers.Options{Grace: 10 * time.Second}, leasequeue.Options{Lease: time.Hour}, func(f *fixture) {
		l := f.lease("a")
		f.sees("granted", well("a", 1))
		time.Sleep(10 * time.Second)
		f.sees("after the grace", well("a", 1))
		time.Sleep(time.Nanosecond)
		f.sees("and a tick", peers.Peer{PeerID: "a", ActiveAssignments: 1})

		released, failed := f.lease("a"), f.lease("a")
		for _, c := range []struct {
			name string
			verb func() error
		}{
			{"heartbeat", func() error { _, err := l.Heartbeat(f.Context()); return err }},
			{"complete", func() error { return l.Complete(f.Context()) }},
			{"release", func() error { return released.Release(f.Context()) }},
			{"fail", func() error { return failed.Fail(f.Context(), nil) }},
		} {
			time.Sleep(11 * time.Second)
			if f.t.Eligible("a") {
				t.Errorf("before a %s the peer is heard of", c.name)
			}
			f.no(c.verb())
			synctest.Wait()
			if !f.t.Eligible("a") {
				t.Errorf("after a %s the peer is silent", c.name)
			}
		}
	})
}

// TestExpiry: a peer whose lease expires is unhealthy until it is heard of, its
// task waits for somebody, and no longer once that is found.
func TestExpiry(t *testing.T) {
	policy := leasequeue.Options{Lease: time.Second, Backoff: tq.NoBackoff, Attempts: 3}
	in(t, peers.Options{}, policy, func(f *fixture) {
		f.lease("a")
		time.Sleep(time.Second)
		f.sees("expired", peers.Peer{PeerID: "a", PendingReassignments: 1, DisconnectReason: peers.ReasonExpired})
		l := f.take("b")
		f.sees("taken over", peers.Peer{PeerID: "a", DisconnectReason: peers.ReasonExpired}, well("b", 1))
		if leave, ok := f.t.Enter("a"); ok {
			leave(false)
		} else {
			t.Error("a peer that comes back is turned away")
		}
		back := well("a", 0)
		back.DisconnectReason = peers.ReasonExpired
		f.sees("back", back, well("b", 1))
		f.no(l.Fail(f.Context(), nil))
		waits := well("b", 0)
		waits.PendingReassignments = 1
		f.sees("failed", back, waits)
		l = f.take("a")
		f.no(l.DeadLetter(f.Context(), nil))
		f.sees("dead: nobody waits for it", back, well("b", 0))
	})
}

// TestPenalty: after an expiry a peer gets no lease for that long.
func TestPenalty(t *testing.T) {
	in(t, peers.Options{Penalty: 5 * time.Second}, leasequeue.Options{Lease: time.Second}, func(f *fixture) {
		f.lease("a")
		time.Sleep(time.Second)
		synctest.Wait()
		time.Sleep(5*time.Second - 1)
		if _, ok := f.t.Enter("a"); ok || f.t.Eligible("a") {
			t.Error("the peer gets a lease before its penalty is over")
		}
		time.Sleep(time.Nanosecond)
		leave, ok := f.t.Enter("a")
		if !ok || !f.t.Eligible("a") {
			t.Error("the peer gets no lease after its penalty")
		}
		leave(false)
	})
}

// TestEnter: who waits is healthy for as long as that takes, and not once the
// last of its connections is lost.
func TestEnter(t *testing.T) {
	in(t, peers.Options{Grace: time.Second}, leasequeue.Options{}, func(f *fixture) {
		one, _ := f.t.Enter("a")
		two, _ := f.t.Enter("a")
		time.Sleep(time.Hour)
		waits := well("a", 0)
		waits.IsWaiting = true
		f.sees("waits", waits)
		one(true)
		f.sees("one of two connections is lost", waits)
		two(true)
		f.sees("both are", peers.Peer{PeerID: "a", DisconnectReason: peers.ReasonLost})
		three, _ := f.t.Enter("a")
		three(false)
		back := well("a", 0)
		back.DisconnectReason = peers.ReasonLost
		f.sees("back", back)

		if leave, ok := f.t.Enter(""); !ok {
			t.Error("nobody is turned away")
		} else {
			leave(true)
		}
		f.lease("")
		f.sees("nobody is not followed", back)
	})
}

// TestBar: a peer that is barred gets nothing, whatever it does.
func TestBar(t *testing.T) {
	in(t, peers.Options{}, leasequeue.Options{}, func(f *fixture) {
		l := f.lease("a")
		f.t.Bar("a", true)
		_, err := l.Heartbeat(f.Context())
		f.no(err)
		f.sees("barred", peers.Peer{PeerID: "a", IsBarred: true, ActiveAssignments: 1})
		if _, ok := f.t.Enter("a"); ok {
			t.Error("a barred peer gets a lease")
		}
		f.t.Bar("a", false)
		f.sees("no longer", well("a", 1))
	})
}

// TestChooser takes turns, and passes over who is not eligible.
func TestChooser(t *testing.T) {
	in(t, peers.Options{Grace: time.Second}, leasequeue.Options{Lease: time.Minute}, func(f *fixture) {
		c := f.t.Chooser("a", "b", "c")
		turns := func(n int) (got string) {
			for range n {
				p, ok := c.Next()
				if !ok {
					p = "-"
				}
				got += p
			}

			return got
		}
		if got := turns(6); got != "abcabc" {
			t.Errorf("with nobody known the turns are %s", got)
		}
		f.t.Bar("b", true)
		if got := turns(4); got != "acac" {
			t.Errorf("without b the turns are %s", got)
		}
		for _, p := range []string{"a", "c"} {
			f.t.Bar(p, true)
		}
		if got := turns(1); got != "-" {
			t.Errorf("without all the turn is %s's", got)
		}
		if _, ok := f.t.Chooser().Next(); ok {
			t.Error("there is somebody among nobody")
		}
	})
}

// TestFollow: leases from before count, and again after a gap; draining takes
// them; a second queue is no other matter; and all is let go of at the end.
func TestFollow(t *testing.T) {
	in(t, peers.Options{}, leasequeue.Options{}, func(f *fixture) {
		other := open(f.T, leasequeue.Options{LogEntries: 4, Capacity: 1000})
		f.lease("a")
		first := f.q
		f.q = other
		early, late := f.lease("b"), f.lease("a")
		end := f.follow(other)
		f.sees("leases of two queues", well("a", 2), well("b", 1))

		if _, err := other.EnqueueBatch(f.Context(), make([]lease.ResourceLease, 500), nil); err != nil {
			t.Fatal(err)
		}
		f.no(early.Complete(f.Context()))
		f.sees("after many events", well("a", 2), well("b", 0))
		f.no(late.Fail(f.Context(), nil))
		waits := well("a", 1)
		waits.PendingReassignments = 1
		f.sees("failed", waits, well("b", 0))
		end()
		f.sees("not followed any more", well("a", 1), well("b", 0))

		if _, err := first.Drain(f.Context(), 0); err != nil {
			t.Fatal(err)
		}
		f.sees("drained", well("a", 0), well("b", 0))
	})
}

// TestForget: peers that hold nothing go after a while, or where there are too
// many, those of longest silence first; others stay.
func TestForget(t *testing.T) {
	o := peers.Options{Forget: time.Minute, MaxPeers: 3}
	in(t, o, leasequeue.Options{Lease: time.Hour}, func(f *fixture) {
		f.lease("holds")
		leave, _ := f.t.Enter("waits")
		for i := range 5 {
			time.Sleep(time.Second)
			done, _ := f.t.Enter(fmt.Sprint("idle", i))
			done(false)
		}
		waits := well("waits", 0)
		waits.IsWaiting = true
		f.sees("three idle ones", well("holds", 1), well("idle2", 0), well("idle3", 0), well("idle4", 0), waits)
		time.Sleep(2 * time.Minute)
		f.sees("the idle ones are gone", peers.Peer{PeerID: "holds", ActiveAssignments: 1}, waits)
		leave(false)
	})
}

// TestServeHTTP is the snapshot's form.
func TestServeHTTP(t *testing.T) {
	policy := leasequeue.Options{Incarnation: 0xaa, Lease: time.Hour}
	in(t, peers.Options{Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }}, policy, func(f *fixture) {
		l := f.lease("a")
		_, err := l.Heartbeat(f.Context())
		f.no(err)
		synctest.Wait()
		w := httptest.NewRecorder()
		f.t.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		want := `{"observedAt":"2026-01-02T03:04:05Z","healthyPeers":1,"unhealthyPeers":0,"pendingReassignments":0,"peers":[` +
			`{"peerId":"a","isHealthy":true,"isEligible":true,"isWaiting":false,"lastSeen":"2026-01-02T03:04:05Z",` +
			`"lastHeartbeat":"2026-01-02T03:04:05Z","activeAssignments":1,"pendingReassignments":0,"leases":[` +
			`{"sequenceId":1,"attempt":1,"leaseId":"00000000-0000-00aa-0001-000000000001"}]}]}` + "\n"
		if diff := cmp.Diff(want, w.Body.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestOptions is what New refuses.
func TestOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []peers.Options{{Grace: -1}, {Penalty: -1}, {Forget: -1}, {MaxPeers: -1}} {
		if tr, err := peers.New(o); err == nil || tr != nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}
