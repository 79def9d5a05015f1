package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// TestShardOf: the same answer to everybody, fair shares, and no key moves that
// a new shard does not take.
func TestShardOf(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{"eu": "c", "us": "a", "": "a", "af": "b"} {
		if got := dispatch.ShardOf(key, "a", "b", "c"); got != want {
			t.Errorf("%q is in %s, want %s as ever", key, got, want)
		}
		if got := dispatch.ShardOf(key, "c", "a", "b"); got != want {
			t.Errorf("in another order %q is in %s, want %s", key, got, want)
		}
	}
	if got := dispatch.ShardOf("eu"); got != "" {
		t.Errorf("of no shards it is %q", got)
	}
	shares, moved := map[string]int{}, 0
	for i := range 30000 {
		key := fmt.Sprint("key-", i)
		shard := dispatch.ShardOf(key, "a", "b", "c")
		shares[shard]++
		switch now := dispatch.ShardOf(key, "a", "b", "c", "d"); now {
		case shard:
		case "d":
			moved++
		default:
			t.Fatalf("%s moves from %s to %s", key, shard, now)
		}
	}
	for shard, n := range shares {
		if n < 9500 || n > 10500 {
			t.Errorf("%s has %d of 30000 keys", shard, n)
		}
	}
	if moved < 7000 || moved > 8000 {
		t.Errorf("a fourth shard takes %d of 30000 keys", moved)
	}
}

// keys are partition keys of shards a, b and c.
var keys = map[string]string{"a": "us", "b": "af", "c": "eu"}

// sharded is three shards, served over HTTP.
func sharded(t *testing.T, o dispatch.Options) (s *dispatch.Shards, url string, queues map[string]*leasequeue.Local) {
	t.Helper()
	s, err := dispatch.NewShards(o, "a", "b", "c")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	queues = map[string]*leasequeue.Local{}
	for _, name := range []string{"a", "b", "c"} {
		queues[name] = open(t, leasequeue.Options{Name: "resource-lease/" + name, High: 1, Low: tq.UntilEmpty})
		s.Service(name).Own(queues[name], nil)
	}

	return s, serve(t, s), queues
}

func shardedClient(t *testing.T, o dispatch.ClientOptions) *dispatch.ShardedClient {
	t.Helper()
	c, err := dispatch.NewShardedClient(o, "a", "b", "c")
	if err != nil {
		t.Fatal(err)
	}

	return c
}

func in(shard string) lease.ResourceLease {
	p := vm("i-" + shard)
	p.PartitionKey = keys[shard]

	return p
}

// TestShards: a client picks the shard by the key, or by name, and who follows
// events, signals and the stream sees which one it is.
func TestShards(t *testing.T) {
	t.Parallel()
	_, url, queues := sharded(t, dispatch.Options{})
	c := shardedClient(t, dispatch.ClientOptions{Nodes: []string{url}, Peer: "worker-7"})
	host, err := diagnostics.New(diagnostics.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	diagnosed := serve(t, host)

	for _, name := range []string{"a", "b", "c"} {
		q := queues[name]
		m, err := backpressure.New(q, backpressure.Options{Shard: name})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if err := errors.Join(host.AttachQueue(q), host.AttachMonitor(m)); err != nil {
			t.Fatal(err)
		}
		reader, err := q.Watch(tq.Latest)
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		source := leasequeue.NewSource(reader, leasequeue.SourceOptions{Stamp: replication.Stamp{Peer: "node-a", Shard: name}})
		if _, err := c.Enqueue(t.Context(), in(name)); err != nil {
			t.Fatal(err)
		}
		e, err := source.Next(t.Context())
		if err != nil || e.Shard != name || e.Queue != "resource-lease/"+name || e.Payload.ResourceID != "i-"+name {
			t.Errorf("shard %s: event %+v of shard %q, %v", name, e, e.Shard, err)
		}
		l, err := c.Shard(name).Lease(t.Context(), 0)
		if err != nil || l.Payload.ResourceID != "i-"+name || l.Complete(t.Context()) != nil {
			t.Errorf("shard %s leases %v, %v", name, l, err)
		}
		signal := diagnosed + "/diagnostics/taskqueue/latest?types=taskqueue.backpressure&queues=resource-lease/" + name
		latest := send(t, http.MethodGet, signal, "", nil)
		for latest.Status == http.StatusNoContent { // it has not been told of one yet
			latest = send(t, http.MethodGet, signal, "", nil)
		}
		if !strings.Contains(latest.body, `"shard":"`+name+`"`) {
			t.Errorf("shard %s in diagnostics: %s", name, latest.body)
		}
	}
	if c.Shard("d") != nil {
		t.Error("there is a client of no shard")
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	a := send(t, http.MethodGet, url, "", nil)
	if a.Status != http.StatusOK {
		t.Fatalf("%s: status %d", url, a.Status)
	}

	return a.body
}

// TestShardFails: what becomes of one shard is nothing to the others.
func TestShardFails(t *testing.T) {
	t.Parallel()
	s, url, queues := sharded(t, dispatch.Options{})
	serves := func(shard string) int {
		t.Helper()
		return post(t, url+"/resourcelease/"+shard+"/enqueue", `{"payload":`+vmJSON+`}`).Status
	}
	health := func() string {
		t.Helper()
		return get(t, url+"/resourcelease/shards")
	}
	if err := queues["a"].Depose(queues["a"].Term() + 1); err != nil {
		t.Fatal(err)
	}
	if got := [...]int{serves("a"), serves("b"), serves("c")}; got != [...]int{503, 200, 200} {
		t.Errorf("a is deposed: %v", got)
	}
	s.Service("a").Follow("http://other")
	if got := [...]int{serves("a"), serves("b"), serves("c")}; got != [...]int{421, 200, 200} {
		t.Errorf("a is elsewhere: %v", got)
	}
	if a := post(t, url+"/resourcelease/b/drain", `{}`); a.Status != http.StatusOK {
		t.Errorf("drain: %+v", a.seen())
	}
	if got := [...]int{serves("a"), serves("b"), serves("c")}; got != [...]int{421, 503, 200} {
		t.Errorf("b is drained: %v", got)
	}
	want := `{"shards":[{"shard":"a","status":"following","owner":"http://other"},` +
		`{"shard":"b","status":"draining"},{"shard":"c","status":"serving"}]}` + "\n"
	if diff := cmp.Diff(want, health()); diff != "" {
		t.Errorf("shards (-want +got):\n%s", diff)
	}

	for path, status := range map[string]int{
		"/resourcelease/d/enqueue": 404, "/resourcelease/enqueue": 404, "/resourcelease/": 404, "/": 404, "/resourcelease/c/steal": 404,
	} {
		if a := post(t, url+path, `{}`); a.Status != status || a.Code != dispatch.CodeUnknownProcedure {
			t.Errorf("%s: %+v", path, a.seen())
		}
	}
	if a := send(t, http.MethodPut, url+"/resourcelease/shards", "", nil); a.Status != http.StatusMethodNotAllowed {
		t.Errorf("put of shards: %+v", a.seen())
	}
}

// TestShardedRun: workers of all shards, one of which turns them away.
func TestShardedRun(t *testing.T) {
	t.Parallel()
	_, url, queues := sharded(t, dispatch.Options{Authorize: func(r *http.Request, procedure, claimed string) (string, error) {
		if strings.Contains(r.URL.Path, "/b/") && procedure == "lease" {
			return claimed, errors.New("not here")
		}

		return claimed, nil
	}})
	var told atomic.Int32
	c := shardedClient(t, dispatch.ClientOptions{Nodes: []string{url}, Failed: func(err error, pause time.Duration) {
		if pause == 0 && strings.HasPrefix(err.Error(), "shard b: ") {
			told.Add(1)
		}
	}})
	ctx, end := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() {
		ran <- c.Run(ctx, dispatch.WorkOptions{}, func(context.Context, *leasequeue.Lease) error { return nil })
	}()
	for _, shard := range []string{"a", "b", "c"} {
		if _, err := c.Enqueue(t.Context(), in(shard)); err != nil {
			t.Fatal(err)
		}
	}
	for _, shard := range []string{"a", "c"} {
		awaitStats(t, queues[shard], func(s tq.Stats) bool { return s.Completed == 1 })
	}
	awaitStats(t, queues["b"], func(tq.Stats) bool { return told.Load() == 1 })
	end()
	var e *dispatch.Error
	if err := <-ran; !errors.As(err, &e) || e.Status != http.StatusForbidden || strings.Contains(err.Error(), "shard a") {
		t.Errorf("run: %v", err)
	}
	if s, err := queues["b"].Stats(t.Context()); err != nil || s.Ready != 1 {
		t.Errorf("shard b has %+v, %v", s, err)
	}
}

// TestNamespaces: queues of one process may be apart by namespace alone.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	queues := map[string]*leasequeue.Local{}
	for _, n := range []string{"vms", "disks"} {
		queues[n] = open(t, leasequeue.Options{Name: n})
		mux.Handle("/"+n+"/", service(t, dispatch.Options{Namespace: n, Queue: queues[n]}))
	}
	url := serve(t, mux)
	if a := post(t, url+"/disks/enqueue", `{"payload":`+vmJSON+`}`); a.Status != http.StatusOK {
		t.Errorf("enqueue: %+v", a.seen())
	}
	for n, want := range map[string]int{"vms": 0, "disks": 1} {
		if s, err := queues[n].Stats(t.Context()); err != nil || s.Ready != want {
			t.Errorf("%s has %d tasks, %v", n, s.Ready, err)
		}
	}
}

// TestShardNames is what is refused.
func TestShardNames(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{nil, {"a", "a"}, {"a/b"}, {""}, {"shards"}, {strings.Repeat("a", 65)}} {
		if s, err := dispatch.NewShards(dispatch.Options{}, names...); err == nil || s != nil {
			t.Errorf("%q are accepted", names)
		}
	}
	if _, err := dispatch.NewShards(dispatch.Options{Queue: open(t, leasequeue.Options{})}, "a"); err == nil {
		t.Error("one queue for all is accepted")
	}
	if _, err := dispatch.NewShards(dispatch.Options{Namespace: "/"}, "a"); err == nil {
		t.Error("a bad namespace is accepted")
	}
	if _, err := dispatch.NewShardedClient(dispatch.ClientOptions{Nodes: []string{"http://a"}}); err == nil {
		t.Error("no shards are accepted")
	}
	if _, err := dispatch.NewShardedClient(dispatch.ClientOptions{}, "a"); err == nil {
		t.Error("no nodes are accepted")
	}
}
