package verify

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/tqgen/tqgen/examples/lease"
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
