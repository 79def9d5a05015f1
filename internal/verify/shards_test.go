package verify

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/telemetry"
	"github.com/tqgen/tqgen/runtime/tq"
)

// TestShards: queues of one name in several shards, each with a registration of
// its shard, are told from each other.
func TestShards(t *testing.T) {
	m := newMeters(t)
	for shard, n := range map[string]int{"a": 1, "b": 2} {
		q := open(t, tq.Options{Name: "lease"})
		must(t, m.register(t, telemetry.WithShard(shard)).AttachQueue(q))
		for range n {
			_, err := q.TryEnqueue(bg, lease.ResourceLease{})
			must(t, err)
		}
	}
	var rm metricdata.ResourceMetrics
	must(t, m.reader.Collect(bg, &rm))
	var got []string
	for _, s := range rm.ScopeMetrics {
		for _, i := range s.Metrics {
			if i.Name != "taskqueue.enqueued" {
				continue
			}
			for _, p := range i.Data.(metricdata.Sum[int64]).DataPoints {
				got = append(got, p.Attributes.Encoded(attribute.DefaultEncoder())+" "+string(rune('0'+p.Value)))
			}
		}
	}
	slices.Sort(got)
	want := []string{"taskqueue.name=lease,taskqueue.shard=a 1", "taskqueue.name=lease,taskqueue.shard=b 2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What has the same attributes in one registration would be added up: it is
// refused, until the other one is detached.
func TestSameAttributes(t *testing.T) {
	r := newMeters(t).register(t)
	q, other := open(t, tq.Options{Name: "lease"}), open(t, tq.Options{Name: "lease"})
	must(t, r.AttachQueue(q))
	if err := r.AttachQueue(other); err == nil || !strings.Contains(err.Error(), `another queue named "lease"`) {
		t.Errorf("a second queue of the name: %v", err)
	}
	must(t, r.DetachQueue(q))
	must(t, r.AttachQueue(other))

	monitor := func(shard string) *backpressure.Monitor {
		m, err := backpressure.New(q, backpressure.Options{Shard: shard})
		must(t, err)
		t.Cleanup(func() { m.Close() })

		return m
	}
	first := monitor("")
	must(t, r.AttachMonitor(first))
	if err := r.AttachMonitor(monitor("")); err == nil || !strings.Contains(err.Error(), "Options.Shard") {
		t.Errorf("a second monitor of the queue: %v", err)
	}
	must(t, r.AttachMonitor(monitor("strict")))
	must(t, r.DetachMonitor(first))
	must(t, r.AttachMonitor(monitor("")))
}
