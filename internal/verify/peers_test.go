package verify

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/peers"
	"github.com/tqgen/tqgen/runtime/tq"
)

// peerNumbers are the measurements of peers, "name{attributes} value unit".
func peerNumbers(t *testing.T, m *meters) (all []string) {
	t.Helper()
	var rm metricdata.ResourceMetrics
	must(t, m.reader.Collect(bg, &rm))
	for _, s := range rm.ScopeMetrics {
		for _, i := range s.Metrics {
			var points []metricdata.DataPoint[int64]
			kind := "gauge"
			switch d := i.Data.(type) {
			case metricdata.Gauge[int64]:
				points = d.DataPoints
			case metricdata.Sum[int64]:
				points, kind = d.DataPoints, fmt.Sprintf("counter %t", d.IsMonotonic)
			}
			for _, p := range points {
				if p.Value != 0 {
					all = append(all, fmt.Sprintf("%s %s %s %s %d", i.Name, i.Unit, kind,
						p.Attributes.Encoded(attribute.DefaultEncoder()), p.Value))
				}
			}
		}
	}
	slices.Sort(all)

	return all
}

// TestPeers: what a tracker reports, by names that dashboards know.
func TestPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, tq.Options{Lease: time.Minute, Backoff: tq.NoBackoff, Attempts: 9, Capacity: 200})
		tracker, err := peers.New(peers.Options{})
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- tracker.Follow(ctx, q) }()
		m := newMeters(t)
		registration, err := tracker.Instrument(m.Meter("test"))
		must(t, err)
		synctest.Wait()

		for _, peer := range []string{"a", "b"} {
			_, err := q.TryEnqueue(ctx, lease.ResourceLease{})
			must(t, err)
			l, err := q.LeaseAs(ctx, peer)
			must(t, err)
			if peer == "a" {
				_, err = l.Heartbeat(ctx)
				must(t, err)
			}
		}
		leave, _ := tracker.Enter("c")
		leave(true)
		synctest.Wait()
		want := []string{
			"omnirelay.peer.lease.healthy {peer} gauge  2",
			"omnirelay.peer.lease.unhealthy {peer} gauge  1",
			"omnirelay.peer.lease_assignments {lease} counter true rpc.peer=a 1",
			"omnirelay.peer.lease_assignments {lease} counter true rpc.peer=b 1",
			"omnirelay.peer.lease_disconnects {signal} counter true lease.disconnect.reason=connection_lost,rpc.peer=c 1",
			"omnirelay.peer.lease_heartbeats {signal} counter true rpc.peer=a 1",
		}
		if diff := cmp.Diff(want, peerNumbers(t, m)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}

		time.Sleep(time.Minute)
		synctest.Wait()
		want = []string{
			"omnirelay.peer.lease.pending_reassignments {lease} gauge  2",
			"omnirelay.peer.lease.unhealthy {peer} gauge  3",
			"omnirelay.peer.lease_assignments {lease} counter true rpc.peer=a 1",
			"omnirelay.peer.lease_assignments {lease} counter true rpc.peer=b 1",
			"omnirelay.peer.lease_disconnects {signal} counter true lease.disconnect.reason=connection_lost,rpc.peer=c 1",
			"omnirelay.peer.lease_disconnects {signal} counter true lease.disconnect.reason=lease_expired,rpc.peer=a 1",
			"omnirelay.peer.lease_disconnects {signal} counter true lease.disconnect.reason=lease_expired,rpc.peer=b 1",
			"omnirelay.peer.lease_heartbeats {signal} counter true rpc.peer=a 1",
		}
		if diff := cmp.Diff(want, peerNumbers(t, m)); diff != "" {
			t.Errorf("after leases expired (-want +got):\n%s", diff)
		}

		// However many peers there are, there are 64 and other.
		for i := range 100 {
			leave, _ := tracker.Enter(fmt.Sprint("p", i))
			leave(true)
		}
		labelled, others := 0, ""
		for _, n := range peerNumbers(t, m) {
			if len(n) > 40 && n[:33] == "omnirelay.peer.lease_disconnects " {
				labelled++
				if n == "omnirelay.peer.lease_disconnects {signal} counter true lease.disconnect.reason=connection_lost,rpc.peer=other 39" {
					others = n
				}
			}
		}
		if labelled != 65 || others == "" {
			t.Errorf("%d peers have measurements, and others are %q", labelled, others)
		}
		must(t, registration.Unregister())
		if got := peerNumbers(t, m); got != nil {
			t.Errorf("after the registration ended there is %q", got)
		}
		cancel()
		must(t, <-done)
	})
}
