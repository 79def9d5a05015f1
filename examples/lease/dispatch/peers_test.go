package dispatch_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/examples/lease/peers"
	"github.com/tqgen/tqgen/runtime/tq"
)

// TestPeers: the tracker knows who waits and who has gone, and who is barred
// gets nothing.
func TestPeers(t *testing.T) {
	t.Parallel()
	tracker, err := peers.New(peers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	q := open(t, leasequeue.Options{})
	url := serve(t, service(t, dispatch.Options{
		Queue: q, Peers: tracker,
		Authorize: dispatch.Permitted(func(peer, _ string) bool { return peer == "worker-7" }),
	}))
	c := client(t, url)

	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := c.Lease(ctx, time.Minute)
		ended <- err
	}()
	awaitStats(t, q, oneConsumer)
	if s := tracker.Snapshot(); len(s.Peers) != 1 || !s.Peers[0].IsWaiting || s.Peers[0].PeerID != "worker-7" {
		t.Errorf("while it waits: %+v", s)
	}
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	awaitStats(t, q, func(tq.Stats) bool { return !tracker.Eligible("worker-7") }) // until the server has noticed
	if s := tracker.Snapshot(); s.Peers[0].DisconnectReason != peers.ReasonLost || s.UnhealthyPeers != 1 {
		t.Errorf("after it has gone: %+v", s)
	}

	enqueue(t, q, vm("i-1"))
	if _, err := c.Lease(t.Context(), 0); err != nil || !tracker.Eligible("worker-7") {
		t.Errorf("back: %v", err)
	}
	before := tracker.Snapshot().Peers[0].LastDisconnect
	for range 20 { // answers that were heard, and connections that end with them
		enqueue(t, q, vm("i-1"))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/resourcelease/lease", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Close = true
		r.Header.Set(dispatch.PeerHeader, "worker-7")
		if a := do(t, r); a.Status != http.StatusOK {
			t.Fatalf("lease: %+v", a.seen())
		}
	}
	if after := tracker.Snapshot().Peers[0]; !after.LastDisconnect.Equal(before) || after.ActiveAssignments != 0 {
		t.Errorf("after leases that arrived: %+v", after)
	}
	tracker.Bar("worker-7", true)
	_, err = c.Lease(t.Context(), 0)
	var e *dispatch.Error
	if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable || e.Code != dispatch.CodeNotEligible || e.RetryAfter == 0 {
		t.Errorf("barred: %v", err)
	}

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/resourcelease/peers", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if a := do(t, r); a.Status != http.StatusUnauthorized {
		t.Errorf("peers are shown to everybody: %+v", a.seen())
	}
	r.Header.Set(dispatch.PeerHeader, "worker-7")
	s, err := peers.ParseSnapshotJSON([]byte(do(t, r).body))
	if err != nil || len(s.Peers) != 1 || !s.Peers[0].IsBarred {
		t.Errorf("peers: %+v, %v", s, err)
	}
	without := serve(t, service(t, dispatch.Options{Queue: q}))
	if a := send(t, http.MethodGet, without+"/resourcelease/peers", "", nil); a.Status != http.StatusNotFound {
		t.Errorf("peers where there is no tracker: %+v", a.seen())
	}
}
