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

// heard is a client that goes as soon as it has its answer, and before the
// handler is through.
type heard struct {
	http.ResponseWriter
	r *http.Request
}

func (h heard) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func (h heard) FlushError() error {
	err := http.NewResponseController(h.ResponseWriter).Flush()
	<-h.r.Context().Done()

	return err
}

// TestPeersHeard: a connection that ends with its answer is not lost.
func TestPeersHeard(t *testing.T) {
	t.Parallel()
	tracker, err := peers.New(peers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	q := open(t, leasequeue.Options{})
	s := service(t, dispatch.Options{Queue: q, Peers: tracker})
	left := make(chan struct{})
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(heard{w, r}, r)
		close(left)
	}))
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
	<-left
	if !tracker.Eligible("worker-7") || !tracker.Snapshot().Peers[0].LastDisconnect.IsZero() {
		t.Errorf("a peer that was answered: %+v", tracker.Snapshot())
	}
	if s, err := q.Stats(t.Context()); err != nil || s.Leased != 1 {
		t.Errorf("%d tasks are leased, %v", s.Leased, err)
	}
}

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
