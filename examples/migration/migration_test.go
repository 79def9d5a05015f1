// Package migration_test has the code that docs/migration.md shows.
package migration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// The queue: what TaskQueueOptions said is in the directive, or here.
func Example_queue() {
	ctx := context.Background()
	q, err := leasequeue.New(leasequeue.Options{
		Name:      "dispatch",
		Capacity:  512,
		Lease:     30 * time.Second,
		Heartbeat: 5 * time.Second,
		Attempts:  5,
		Backoff:   tq.ConstBackoff(2 * time.Second),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()

	_, err = q.Enqueue(ctx, lease.ResourceLease{ResourceType: "vm", ResourceID: "i-1"})
	if err != nil {
		log.Fatal(err)
	}
	l, err := q.LeaseAs(ctx, "worker-7")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := l.Heartbeat(ctx); err != nil { // the deadline that now holds
		log.Fatal(err)
	}
	err = l.DeadLetter(ctx, errors.New("no such vm")) // FailAsync(error, requeue: false)
	if err != nil {
		log.Fatal(err)
	}
	for letter, err := range q.DeadLettered(ctx, 0) { // the deadLetter callback of the constructor
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(letter.Payload.ResourceID, letter.LastError.Message)

		break
	}
	// Output:
	// i-1 no such vm
}

// The channel adapter: leases in a loop, one at a time, as many as are asked for.
func Example_adapter() {
	ctx := context.Background()
	q, _ := leasequeue.New(leasequeue.Options{})
	defer q.Close()
	_, _ = q.Enqueue(ctx, lease.ResourceLease{ResourceID: "i-1"})

	for l, err := range q.Leases(ctx) {
		if err != nil {
			log.Fatal(err) // ctx's, or tq.ErrClosed
		}
		fmt.Println(l.Payload.ResourceID, l.Complete(ctx))

		break
	}
	// Output:
	// i-1 <nil>
}

// backlog is what DrainPendingItemsAsync gave, as JSON, and then an item as
// OmniRelay's drain gave it.
const backlog = `[{"value":{"resourceType":"vm","resourceId":"i-1","partitionKey":"eu","payloadEncoding":"raw","body":"AQI="},
"attempt":2,"enqueuedAt":"2026-11-21T12:20:01.1234567+00:00","lastError":{"message":"no answer","code":"error.vm"},
"sequenceId":17,"lastOwnershipToken":{"sequenceId":17,"attempt":2,"leaseId":"6f1c2a7e-9b0d-4c55-a1b2-00112233aabb"}},
{"payload":{"resourceType":"vm","resourceId":"i-2","partitionKey":"eu","payloadEncoding":"raw","body":"AQI="},
"attempt":1,"enqueuedAt":"2026-11-21T12:20:02Z","lastError":null,"sequenceId":18}]`

// The backlog of the old queue moves over as the JSON it drains to.
func Example_backlog() {
	ctx := context.Background()
	q, _ := leasequeue.New(leasequeue.Options{})
	defer q.Close()

	var items []map[string]json.RawMessage
	if err := json.Unmarshal([]byte(backlog), &items); err != nil {
		log.Fatal(err)
	}
	s := leasequeue.Snapshot{SnapshotHeader: tq.SnapshotHeader{Version: 1, Queue: "resource-lease", ID: "backlog-1"}}
	for _, item := range items {
		item["origin"] = json.RawMessage(`"00000000000000a1"`) // stands for the old queue: one for each
		delete(item, "lastOwnershipToken")                     // nobody here granted it
		if item["value"] == nil {
			item["value"] = item["payload"] // as OmniRelay's drain calls it
		}
		text, _ := json.Marshal(item)
		var t leasequeue.Task
		if err := json.Unmarshal(text, &t); err != nil {
			log.Fatal(err)
		}
		s.Tasks = append(s.Tasks, t)
	}
	if err := q.Restore(ctx, s); err != nil {
		log.Fatal(err)
	}
	for range s.Tasks {
		l, _ := q.Lease(ctx)
		fmt.Println(l.Payload.ResourceID, "attempt", l.Attempt, "after", l.LastError)
	}
	// Output:
	// i-1 attempt 2 after no answer
	// i-2 attempt 1 after <nil>
}

// Backpressure: a monitor, whose listener switches limiters by itself.
func Example_backpressure() {
	q, _ := leasequeue.New(leasequeue.Options{Capacity: 8, High: 4, Low: 1, Cooldown: tq.NoCooldown})
	defer q.Close()
	m, err := backpressure.New(q, backpressure.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	limits := backpressure.NewLimiterSwitch(m,
		backpressure.Rate(rate.NewLimiter(rate.Inf, 1)), backpressure.Rate(rate.NewLimiter(50, 10)))
	defer limits.Close()
	history := backpressure.NewHistory(256) // TaskQueueBackpressureDiagnosticsListener
	sub := m.Subscribe(history.Listen)
	defer sub.Close()

	for range 4 {
		_, _ = q.Enqueue(context.Background(), lease.ResourceLease{})
	}
	fmt.Println(m.Active(), m.State().Pending)
	// Output:
	// true 4
}

// Replication: a sink with checkpoints, and effects that happen once for each event.
func Example_replication() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q, _ := leasequeue.New(leasequeue.Options{})
	defer q.Close()
	c, err := leasequeue.NewCoordinator(effect.Options{Store: new(effect.Memory)}) // or effect.OpenFiles
	if err != nil {
		log.Fatal(err)
	}

	done := make(chan string)
	apply := func(ctx context.Context, e *leasequeue.Event) error { // ApplyEventAsync
		return c.Do(ctx, e, "audit", func(_ context.Context, e *leasequeue.Event, call effect.Call) error {
			done <- fmt.Sprint(e.Kind, " by ", e.OwnerPeer)

			return nil
		})
	}
	sink, err := leasequeue.NewSink(leasequeue.SinkOptions{
		Stream: "leases/audit",
		Store:  new(replication.MemoryCheckpoints), // IReplicationCheckpointStore
	}, apply)
	if err != nil {
		log.Fatal(err)
	}
	stamp := replication.Stamp{Peer: "node-a", Owner: "nobody"} // SourcePeerId, DefaultOwnerPeerId
	attached := leasequeue.Fanout(ctx, q, leasequeue.SourceOptions{Stamp: stamp}, sink)

	_, _ = q.Enqueue(ctx, lease.ResourceLease{ResourceID: "i-1"})
	fmt.Println(<-done)
	cancel()
	<-attached[0].Done()
	// Output:
	// Enqueued by nobody
}

// Diagnostics: a host that is mounted, where there was a stream to read.
func Example_diagnostics() {
	q, _ := leasequeue.New(leasequeue.Options{})
	m, _ := backpressure.New(q, backpressure.Options{})
	host, err := diagnostics.New(diagnostics.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = errors.Join(host.Close(), m.Close(), q.Close()) }()
	if err := errors.Join(host.AttachQueue(q), host.AttachMonitor(m)); err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/diagnostics/", host)
	mux.Handle("/readyz", host)
	mux.Handle("/omnirelay/control/", host) // tools that ask there go on working

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	fmt.Println(w.Code)
	// Output:
	// 200
}

// Toggle sends a share of the requests to the new dispatcher and the rest to the
// old one, by resource: all requests for a resource go the same way. Its zero
// share is the way back.
type Toggle struct {
	Old, New http.Handler
	share    atomic.Int32 // of the new one, in percent
}

// SetShare takes effect with the next request.
func (t *Toggle) SetShare(percent int) { t.share.Store(int32(percent)) }

func (t *Toggle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := fnv.New32a()
	h.Write([]byte(r.Header.Get("X-Resource")))
	if int32(h.Sum32()%100) < t.share.Load() {
		t.New.ServeHTTP(w, r)
	} else {
		t.Old.ServeHTTP(w, r)
	}
}

// A feature toggle in front of both dispatchers.
func Example_toggle() {
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "old") }))
	defer old.Close()
	there, _ := url.Parse(old.URL)
	toggle := &Toggle{
		Old: httputil.NewSingleHostReverseProxy(there),
		New: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "new") }),
	}
	for _, share := range []int{0, 100, 0} { // before, after, and the way back
		toggle.SetShare(share)
		w := httptest.NewRecorder()
		toggle.ServeHTTP(w, httptest.NewRequest("POST", "/resourcelease/enqueue", nil))
		fmt.Println(w.Body)
	}
	// Output:
	// old
	// new
	// old
}
