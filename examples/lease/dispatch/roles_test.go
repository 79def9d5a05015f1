package dispatch_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// replica follows q up to this moment.
func replica(t *testing.T, q *leasequeue.Local) *leasequeue.Replica {
	t.Helper()
	r, err := leasequeue.NewReplica(leasequeue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	state, reader := q.WatchNow()
	if err := errors.Join(r.ApplySnapshot(&state), reader.Close()); err != nil {
		t.Fatal(err)
	}

	return r
}

// TestPromotion: a token that one node has given out is honoured on the node
// that succeeds it, and refused there once it is stale (9).
func TestPromotion(t *testing.T) {
	t.Parallel()
	old := open(t, leasequeue.Options{})
	first := service(t, dispatch.Options{Queue: old})
	second := service(t, dispatch.Options{})
	a, b := serve(t, first), serve(t, second)
	c := client(t, b, a) // b sends it on to a

	enqueue(t, old, vm("i-1"))
	second.Follow(a)
	got := send(t, http.MethodGet, b+"/resourcelease/health", "", nil)
	if got.Status != http.StatusServiceUnavailable || got.body != `{"status":"following","owner":"`+a+"\"}\n" {
		t.Errorf("health of a follower: status %d, %s", got.Status, got.body)
	}
	l, err := c.Lease(t.Context(), 0)
	if err != nil || c.Node() != a {
		t.Fatalf("lease from %s: %v", c.Node(), err)
	}

	heir, err := replica(t, old).Promote(t.Context(), leasequeue.Options{}, replication.Promotion{ClockSkew: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer heir.Close()
	second.Own(heir, nil)
	first.Follow(b)

	misdirected := post(t, a+"/resourcelease/complete", token(l))
	want := answer{Status: http.StatusMisdirectedRequest, Code: dispatch.CodeNotOwner, Owner: b}
	if diff := cmp.Diff(want, misdirected.seen(), cmp.AllowUnexported(answer{})); diff != "" {
		t.Errorf("complete at the old owner (-want +got):\n%s", diff)
	}
	if _, err := l.Heartbeat(t.Context()); err != nil {
		t.Errorf("heartbeat at the new owner: %v", err)
	}
	if err := l.Complete(t.Context()); err != nil || c.Node() != b {
		t.Errorf("complete at %s: %v", c.Node(), err)
	}
	if s, err := heir.Stats(t.Context()); err != nil || s.Completed != 1 || s.Live() != 0 {
		t.Errorf("the new owner has %+v, %v", s, err)
	}
	stale := post(t, b+"/resourcelease/complete", token(l))
	if stale.Status != http.StatusConflict || stale.Code != dispatch.CodeUnknownToken {
		t.Errorf("complete once more: %+v", stale.seen())
	}
}

// TestNoOwner: a node that knows of no owner says so, and for how long not to
// ask.
func TestNoOwner(t *testing.T) {
	t.Parallel()
	s := service(t, dispatch.Options{})
	url := serve(t, s)
	a := post(t, url+"/resourcelease/lease", `{}`)
	if a.Status != http.StatusServiceUnavailable || a.Code != dispatch.CodeNotOwner || a.Owner != "" || a.header.Get("Retry-After") != "1" {
		t.Errorf("lease: %+v, %v", a.seen(), a.header)
	}
	_, err := client(t, url).Lease(t.Context(), time.Second)
	var e *dispatch.Error
	if !errors.As(err, &e) || e.Code != dispatch.CodeNotOwner || e.RetryAfter != time.Second {
		t.Errorf("lease: %v", err)
	}
}

// TestDeposed: an owner that was succeeded, and knows, but has not been told who
// by.
func TestDeposed(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	url := serve(t, service(t, dispatch.Options{Queue: q})) + "/resourcelease/"
	enqueue(t, q, vm("i-1"))
	l := take(t, q)
	if err := q.Depose(q.Term() + 1); err != nil {
		t.Fatal(err)
	}
	for procedure, body := range map[string]string{
		"complete": token(l), "heartbeat": token(l), "lease": `{}`, "drain": `{}`, "enqueue": `{"payload":` + vmJSON + `}`,
	} {
		if a := post(t, url+procedure, body); a.Status != http.StatusServiceUnavailable || a.Code != tq.CodeDeposed {
			t.Errorf("%s: %+v", procedure, a.seen())
		}
	}
}

// waiting is a request that is answered later.
func waiting(t *testing.T, url, body string) <-chan answer {
	t.Helper()
	answers := make(chan answer, 1)
	go func() { answers <- post(t, url, body) }()

	return answers
}

// awaitStats waits until the queue's figures are as they are to be. What is
// waited for is that a request has arrived, of which there is no other sign.
func awaitStats(t *testing.T, q *leasequeue.Local, ok func(tq.Stats) bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		s, err := q.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if ok(s) {
			return
		}
		<-tick.C
	}
}

func oneConsumer(s tq.Stats) bool { return s.WaitingConsumers == 1 }

// TestLongPoll: who waits for a task gets it when it comes, and is told when the
// node's role changes or the service is closed.
func TestLongPoll(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	s := service(t, dispatch.Options{Queue: q})
	url := serve(t, s) + "/resourcelease/"

	got := waiting(t, url+"lease", `{"peerId":"w"}`)
	awaitStats(t, q, oneConsumer)
	enqueue(t, q, vm("i-1"))
	if a := <-got; a.Status != http.StatusOK {
		t.Errorf("a task came: %+v", a.seen())
	}

	got = waiting(t, url+"lease", ``)
	awaitStats(t, q, oneConsumer)
	s.Follow("http://other")
	if a := <-got; a.Status != http.StatusMisdirectedRequest || a.Owner != "http://other" {
		t.Errorf("the role has changed: %+v", a.seen())
	}

	s.Own(q, nil)
	got = waiting(t, url+"lease", ``)
	awaitStats(t, q, oneConsumer)
	s.Own(open(t, leasequeue.Options{}), nil)
	if a := <-got; a.Status != http.StatusServiceUnavailable || a.Code != tq.CodeDeposed {
		t.Errorf("the queue is another: %+v", a.seen())
	}

	s.Own(q, nil)
	got = waiting(t, url+"lease", ``)
	awaitStats(t, q, oneConsumer)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if a := <-got; a.Status != http.StatusServiceUnavailable || a.Code != tq.CodeClosed {
		t.Errorf("the service was closed: %+v", a.seen())
	}
	for procedure, body := range map[string]string{"lease": ``, "enqueue": `{"payload":` + vmJSON + `}`} {
		if a := post(t, url+procedure, body); a.Status != http.StatusServiceUnavailable || a.Code != tq.CodeClosed {
			t.Errorf("%s of a closed service: %+v", procedure, a.seen())
		}
	}
	if a := send(t, http.MethodGet, url+"health", "", nil); a.Status != http.StatusServiceUnavailable {
		t.Errorf("health of a closed service: %+v", a.seen())
	}
}

// TestClosedQueue: the queue's own end is no secret.
func TestClosedQueue(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	url := serve(t, service(t, dispatch.Options{Queue: q})) + "/resourcelease/"
	enqueue(t, q, vm("i-1"))
	l := take(t, q)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if a := post(t, url+"lease", ``); a.Status != http.StatusServiceUnavailable || a.Code != tq.CodeClosed {
		t.Errorf("lease: %+v", a.seen())
	}
	if a := post(t, url+"complete", token(l)); a.Status != http.StatusOK {
		t.Errorf("complete: %+v", a.seen())
	}
}

// TestClientGoes: a client that has gone leaves its place in line, and takes no
// task with it (16).
func TestClientGoes(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	c := client(t, serve(t, service(t, dispatch.Options{Queue: q})))
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := c.Lease(ctx, time.Minute)
		ended <- err
	}()
	awaitStats(t, q, oneConsumer)
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("lease: %v", err)
	}
	awaitStats(t, q, func(s tq.Stats) bool { return s.WaitingConsumers == 0 })
	enqueue(t, q, vm("i-1"))
	if l := take(t, q); l.Attempt != 1 {
		t.Errorf("the task has attempt %d", l.Attempt)
	}
}

// deaf is a client that takes no answer.
type deaf struct{ http.ResponseWriter }

func (deaf) Write([]byte) (int, error) { return 0, errors.New("gone") }

// TestAnswerLost: a task whose lease could not be told goes to somebody else,
// with no attempt counted.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	s := service(t, dispatch.Options{Queue: q})
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(deaf{w}, r)
	}))
	enqueue(t, q, vm("i-1"))
	_, err := client(t, url).Lease(t.Context(), 0)
	if err == nil {
		t.Fatal("the answer arrived")
	}
	if l := take(t, q); l.Attempt != 1 {
		t.Errorf("the task has attempt %d", l.Attempt)
	}
	if s, err := q.Stats(t.Context()); err != nil || s.Released != 1 {
		t.Errorf("released %d, %v", s.Released, err)
	}
}

// TestStale is what a token is refused with, by what has become of its lease.
func TestStale(t *testing.T) {
	t.Parallel()
	stale := func(q *leasequeue.Local, l leasequeue.Lease, code string) {
		t.Helper()
		url := serve(t, service(t, dispatch.Options{Queue: q})) + "/resourcelease/"
		for _, procedure := range []string{"complete", "heartbeat", "fail", "release"} {
			if a := post(t, url+procedure, token(l)); a.Status != http.StatusConflict || a.Code != code {
				t.Errorf("%s: %+v, want %s", procedure, a.seen(), code)
			}
		}
	}

	short := open(t, leasequeue.Options{Lease: 5 * time.Millisecond})
	_, reader := short.WatchNow()
	defer reader.Close()
	enqueue(t, short, vm("i-1"))
	l := take(t, short)
	await(t.Context(), t, reader, tq.LeaseExpired)
	stale(short, l, tq.CodeLeaseExpired)

	q := open(t, leasequeue.Options{})
	enqueue(t, q, vm("i-1"))
	first := take(t, q)
	if err := first.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := take(t, q)
	stale(q, first, tq.CodeLeaseLost)
	if err := second.DeadLetter(t.Context(), errors.New("no such disk")); err != nil {
		t.Fatal(err)
	}
	stale(q, second, tq.CodeDeadLettered)
	if err := q.Purge(t.Context(), second.Token.Task); err != nil {
		t.Fatal(err)
	}
	stale(q, second, dispatch.CodeUnknownToken)
}

// TestUncertain: what has happened and is not confirmed is never told as if
// nothing had: not when waiting has taken too long, nor when the role changes.
func TestUncertain(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	enqueue(t, q, vm("held"))
	held := take(t, q)
	reader, err := q.Watch(tq.Latest)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := reader.Synchronous(tq.SyncOptions{}); err != nil {
		t.Fatal(err)
	}
	s := service(t, dispatch.Options{Queue: q, MaxWait: 5 * time.Millisecond})
	long := service(t, dispatch.Options{Queue: q})
	url, slow := serve(t, s)+"/resourcelease/", serve(t, long)+"/resourcelease/"
	unsure := func(what string, a answer) {
		t.Helper()
		if a.Status != http.StatusGatewayTimeout || a.Code != tq.CodeUncertain {
			t.Errorf("%s: %+v", what, a.seen())
		}
	}
	unsure("enqueue", post(t, url+"enqueue", `{"payload":`+vmJSON+`}`))
	unsure("lease", post(t, url+"lease", `{}`))

	got := waiting(t, slow+"enqueue", `{"payload":`+vmJSON+`}`)
	awaitStats(t, q, func(s tq.Stats) bool { return s.Enqueued == 3 })
	long.Follow("http://other")
	unsure("enqueue while the role changes", <-got)
	long.Own(q, nil)

	settled := waiting(t, slow+"complete", token(held))
	awaitStats(t, q, func(s tq.Stats) bool { return s.Completed == 1 })
	reader.Fail(errors.New("the follower's disk is full"))
	unsure("complete", <-settled)

	unsure("drain", post(t, url+"drain", `{}`))
	again := post(t, url+"drain", `{}`)
	taken := new(leasequeue.Snapshot)
	if err := taken.UnmarshalJSON([]byte(again.body)); err != nil || len(taken.Tasks) != 2 {
		t.Errorf("drain again: %+v, %v", again.seen(), err)
	}
	unsure("restore", post(t, url+"restore", again.body))
	if a := send(t, http.MethodGet, url+"health", "", nil); a.Status != http.StatusOK {
		t.Errorf("health after a restore: %+v", a.seen())
	}

	stats, err := q.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reader.Acknowledge(stats.Sequence) // and what comes waits for it
	got = waiting(t, slow+"enqueue", `{"payload":`+vmJSON+`}`)
	awaitStats(t, q, func(s tq.Stats) bool { return s.Enqueued == 4 })
	if err := q.Depose(q.Term() + 1); err != nil {
		t.Fatal(err)
	}
	unsure("enqueue while the queue is deposed", <-got)
}

// tardy is a queue whose drain returns late with the tasks it took.
type tardy struct {
	leasequeue.Queue
	took, release chan struct{}
}

func (q tardy) Drain(ctx context.Context, grace time.Duration) (leasequeue.Snapshot, error) {
	s, err := q.Queue.Drain(ctx, grace)
	if len(s.Tasks) > 0 {
		close(q.took)
		<-q.release
	}

	return s, err
}

// TestDrainTwice: of two who drain at once one gets the tasks, and who asks
// afterwards gets them again.
func TestDrainTwice(t *testing.T) {
	t.Parallel()
	local := open(t, leasequeue.Options{})
	enqueue(t, local, vm("i-1"))
	q := tardy{local, make(chan struct{}), make(chan struct{})}
	c := client(t, serve(t, service(t, dispatch.Options{Queue: q})))
	first := make(chan int)
	drain := func() int {
		s, err := c.Drain(t.Context(), 0)
		if err != nil {
			t.Error(err)
		}

		return len(s.Tasks)
	}
	go func() { first <- drain() }()
	<-q.took
	if n := drain(); n != 0 {
		t.Errorf("the second one got %d tasks", n)
	}
	close(q.release)
	if n := <-first; n != 1 {
		t.Errorf("the first one got %d tasks", n)
	}
	if n := drain(); n != 1 {
		t.Errorf("afterwards there are %d tasks", n)
	}
}

// TestDrainRestore: what is drained out of one process goes on in another,
// attempts as they were, and tokens from before are refused there (9, 12, 13).
func TestDrainRestore(t *testing.T) {
	t.Parallel()
	old := open(t, leasequeue.Options{})
	a := serve(t, service(t, dispatch.Options{Queue: old}))
	from := client(t, a)
	for _, id := range []string{"i-1", "i-2", "i-3"} {
		if _, err := from.Enqueue(t.Context(), vm(id)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := from.Lease(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	taken, err := from.Drain(t.Context(), 0)
	if err != nil || len(taken.Tasks) != 3 {
		t.Fatalf("drained %v, %v", taken, err)
	}
	again, err := from.Drain(t.Context(), 0)
	if diff := cmp.Diff(taken, again); err != nil || diff != "" {
		t.Errorf("draining again: %v (-first +second):\n%s", err, diff)
	}
	for procedure, body := range map[string]string{"lease": ``, "enqueue": `{"payload":` + vmJSON + `}`} {
		got := post(t, a+"/resourcelease/"+procedure, body)
		if got.Status != http.StatusServiceUnavailable || got.Code != tq.CodeDrained || got.header.Get("Retry-After") == "" {
			t.Errorf("%s of a drained queue: %+v", procedure, got.seen())
		}
	}
	if got := send(t, http.MethodGet, a+"/resourcelease/health", "", nil); got.body != `{"status":"draining"}`+"\n" {
		t.Errorf("health of a drained queue: %s", got.body)
	}

	q := open(t, leasequeue.Options{})
	b := serve(t, service(t, dispatch.Options{Queue: q}))
	to := client(t, b)
	for i, want := range []uint64{3, 0} {
		if n, err := to.Restore(t.Context(), taken); err != nil || n != want {
			t.Errorf("restore %d put in %d tasks, %v, want %d", i, n, err, want)
		}
	}
	if got := post(t, b+"/resourcelease/complete", token(l)); got.Status != http.StatusConflict {
		t.Errorf("a token from before: %+v", got.seen())
	}
	for range 3 {
		l, err := to.Lease(t.Context(), 0)
		if err != nil || l.Attempt != 1 {
			t.Fatalf("attempt %d, %v", l.Attempt, err)
		}
		if err := l.Complete(t.Context()); err != nil {
			t.Error(err)
		}
	}

	// Restored here, too, the queue leases again, and what was drained is not
	// given again.
	if n, err := from.Restore(t.Context(), taken); err != nil || n != 3 {
		t.Errorf("restored %d, %v", n, err)
	}
	for range 3 {
		if l, err := from.Lease(t.Context(), 0); err != nil || l.Complete(t.Context()) != nil {
			t.Fatal(err)
		}
	}
	if s, err := from.Drain(t.Context(), 0); err != nil || len(s.Tasks) != 0 {
		t.Errorf("an empty queue gives %v, %v", s, err)
	}
}
