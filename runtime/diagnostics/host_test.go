package diagnostics_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/diagnostics/client"
	"github.com/tqgen/tqgen/runtime/tq"
)

const root = "/diagnostics/taskqueue"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newHost(t *testing.T, o diagnostics.Options) *diagnostics.Host {
	t.Helper()
	h, err := diagnostics.New(o)
	must(t, err)
	t.Cleanup(func() { h.Close() })

	return h
}

// attach makes a queue and a monitor of it, both attached.
func attach(t *testing.T, h *diagnostics.Host) *leasequeue.Local {
	t.Helper()
	q, err := leasequeue.New(tq.Options{Capacity: 16, High: 4, Low: 1, Attempts: 1, Cooldown: tq.NoCooldown})
	must(t, err)
	m, err := backpressure.New(q, backpressure.Options{Shard: "eu"})
	must(t, err)
	t.Cleanup(func() { m.Close(); q.Close() })
	must(t, h.AttachQueue(q))
	must(t, h.AttachMonitor(m))

	return q
}

func enqueue(t *testing.T, q *leasequeue.Local, n int) {
	t.Helper()
	for range n {
		_, err := q.TryEnqueue(context.Background(), lease.ResourceLease{ResourceID: "secret"})
		must(t, err)
	}
}

// fail makes n tasks dead letters.
func fail(t *testing.T, q *leasequeue.Local, n int) {
	t.Helper()
	for range n {
		l, err := q.TryLease(context.Background())
		must(t, err)
		must(t, l.Fail(context.Background(), errors.New("<script>no</script>")))
	}
}

// answer is what a request gets: status and body.
func answer(h http.Handler, method, target string, header ...string) (int, string) {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)

	return w.Code, w.Body.String()
}

// wire is a response that is read while it is written.
type wire struct {
	*io.PipeWriter
	header http.Header
	status int
}

func (w *wire) Header() http.Header              { return w.header }
func (w *wire) WriteHeader(status int)           { w.status = status }
func (w *wire) Flush()                           {}
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// listener is a stream that is being read.
type listener struct {
	*client.Parser
	t      *testing.T
	wire   *wire
	from   *io.PipeReader
	cancel func()
	done   chan struct{}
}

// stop goes away, in the middle of an event maybe.
func (l *listener) stop() {
	l.cancel()
	_ = l.from.Close()
	<-l.done
}

func listen(t *testing.T, h http.Handler, target string, header ...string) *listener {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	from, to := io.Pipe()
	l := &listener{client.NewParser(from), t, &wire{to, http.Header{}, 200}, from, cancel, make(chan struct{})}
	go func() {
		defer close(l.done)
		h.ServeHTTP(l.wire, r)
		_ = to.Close()
	}()
	t.Cleanup(l.stop)

	return l
}

// next is the next event, which is of that type.
func (l *listener) next(kind string) client.Event {
	l.t.Helper()
	e, err := l.Next()
	if err != nil || e.Type != kind {
		l.t.Fatalf("event %s %s %s, %v; want %s", e.ID, e.Type, e.Data, err, kind)
	}

	return e
}

// until skips events of other types.
func (l *listener) until(kind string) client.Event {
	l.t.Helper()
	for {
		e, err := l.Next()
		if err != nil {
			l.t.Fatalf("%v; want %s", err, kind)
		}
		if e.Type == kind {
			return e
		}
	}
}

func decode[T any](t *testing.T, text []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}

	return v
}

// complete checks that an object has a member for each field of v's type, and
// none for the payload.
func complete(t *testing.T, kind string, text []byte, v any) {
	t.Helper()
	got := decode[map[string]json.RawMessage](t, text)
	var want []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		want = append(want, name)
	}
	for _, name := range want {
		if value, ok := got[name]; !ok || string(value) == "null" {
			t.Errorf("%s has no %s: %s", kind, name, text)
		}
	}
	if strings.Contains(string(text), "secret") {
		t.Errorf("%s shows the payload: %s", kind, text)
	}
}

// Invariant 39: every field of every event is on the wire.
func TestInvariant39EveryField(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, diagnostics.Options{})
		q := attach(t, h)
		synctest.Wait()
		l := listen(t, h, root)
		snapshot := l.next(diagnostics.TypeSnapshot)
		complete(t, "snapshot", snapshot.Data, diagnostics.Snapshot{})
		parts := decode[struct{ Queues, Backpressure []json.RawMessage }](t, snapshot.Data)
		complete(t, "stats in a snapshot", parts.Queues[0], diagnostics.QueueStats{})
		complete(t, "signal in a snapshot", parts.Backpressure[0], backpressure.Signal{})

		time.Sleep(1500 * time.Millisecond)
		enqueue(t, q, 5)
		e := l.until(diagnostics.TypeBackpressure)
		complete(t, "signal", e.Data, backpressure.Signal{})
		s := decode[backpressure.Signal](t, e.Data)
		want := backpressure.Signal{
			Queue: "resource-lease", Shard: "eu", Active: true, Pending: 4, High: 4, Low: 1, Generation: 1,
			ObservedAt: s.ObservedAt,
		}
		if diff := cmp.Diff(want, s); diff != "" || time.Since(s.ObservedAt) > time.Second {
			t.Errorf("signal (-want +got):\n%s", diff)
		}

		time.Sleep(300 * time.Millisecond)
		fail(t, q, 1)
		e = l.until(diagnostics.TypeDeadLetter)
		letter := decode[diagnostics.DeadLetter](t, e.Data)
		if letter.Queue != "resource-lease" || letter.Number != 1 || letter.Attempts != 1 || letter.Code != tq.CodeFailed ||
			letter.Error != "<script>no</script>" || letter.Task == "" || letter.EnqueuedAt.IsZero() {
			t.Errorf("dead letter %s", e.Data)
		}
		e = l.until(diagnostics.TypeStats)
		complete(t, "stats", e.Data, diagnostics.QueueStats{})
		stats := decode[diagnostics.QueueStats](t, e.Data)
		wantStats := diagnostics.QueueStats{
			Queue: "resource-lease", ObservedAt: stats.ObservedAt, Pending: 4, Dead: 1, Capacity: 16, High: 4, Low: 1,
			State:            "open",
			OldestAgeSeconds: 0.5, WaitP50Seconds: 0.3, WaitP99Seconds: 0.3,
			Attempts: [7]uint64{1}, Replication: []diagnostics.Replication{},
			Total:  diagnostics.Outcomes{Enqueued: 5, Leased: 1, Failed: 1, DeadLettered: 1},
			PerSec: diagnostics.Rates{Enqueued: 5, Leased: 1, Failed: 1, DeadLettered: 1},
		}
		if diff := cmp.Diff(wantStats, stats); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}

		must(t, h.Close())
		complete(t, "bye", l.until(diagnostics.TypeBye).Data, diagnostics.Bye{})
		if _, err := l.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("after bye: %v", err)
		}
	})
}

// A client that comes back goes on behind the event it names; one that was away
// for too long is told what it has missed, and what there is.
func TestResume(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, diagnostics.Options{Ring: 4, Interval: time.Hour})
		q := attach(t, h)
		l := listen(t, h, root)
		first := l.next(diagnostics.TypeSnapshot)
		l.stop()
		signal := func() {
			enqueue(t, q, 5)
			synctest.Wait()
			for range 5 {
				g, err := q.TryLease(t.Context())
				must(t, err)
				must(t, g.Complete(t.Context()))
			}
			synctest.Wait()
		}
		signal() // two events
		l = listen(t, h, root, "Last-Event-ID", first.ID)
		a := l.next(diagnostics.TypeBackpressure)
		b := l.next(diagnostics.TypeBackpressure)
		same := listen(t, h, root+"?lastEventId="+a.ID).next(diagnostics.TypeBackpressure)
		if diff := cmp.Diff(b, same); diff != "" {
			t.Errorf("behind %s (-there +here):\n%s", a.ID, diff)
		}

		for range 3 { // six events more, of which four are kept
			signal()
		}
		l = listen(t, h, root, "Last-Event-ID", a.ID)
		epoch, _, _ := strings.Cut(a.ID, ".")
		seq := func(id string) (n uint64) {
			_, err := fmt.Sscanf(id, epoch+".%d", &n)
			must(t, err)

			return n
		}
		gap := decode[diagnostics.Gap](t, l.next(diagnostics.TypeGap).Data)
		snapshot := l.next(diagnostics.TypeSnapshot)
		want := diagnostics.Gap{From: seq(a.ID) + 1, To: seq(snapshot.ID), Reason: "overrun"}
		want.Dropped = want.To - want.From + 1
		if diff := cmp.Diff(want, gap); diff != "" {
			t.Errorf("gap (-want +got):\n%s", diff)
		}
		for _, id := range []string{"other.1", "nonsense", epoch + ".999999"} {
			l = listen(t, h, root, "Last-Event-ID", id)
			if gap := decode[diagnostics.Gap](t, l.next(diagnostics.TypeGap).Data); gap.Reason != "unknown" {
				t.Errorf("%s: %+v", id, gap)
			}
			l.next(diagnostics.TypeSnapshot)
		}
		if h.Gaps() != 4 {
			t.Errorf("%d gaps are counted, want 4", h.Gaps())
		}
	})
}

// What a stream is like besides its events.
func TestStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, diagnostics.Options{Interval: 10 * time.Minute, MaxSubscribers: 2, Heartbeat: time.Minute})
		q := attach(t, h)
		synctest.Wait()
		l := listen(t, h, root+"?types=taskqueue.deadletter,x&queues=resource-lease")
		l.next(diagnostics.TypeSnapshot)
		for key, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
			"Access-Control-Allow-Origin": "",
		} {
			if got := l.wire.header.Get(key); got != want {
				t.Errorf("%s: %q, want %q", key, got, want)
			}
		}
		plain := listen(t, h, "/omnirelay/control/backpressure/stream")
		synctest.Wait() // it has no first event
		status, _ := answer(h, http.MethodGet, root)
		if status != http.StatusServiceUnavailable {
			t.Errorf("a third stream of two: %d", status)
		}
		if h.Subscribers() != 2 {
			t.Errorf("%d streams are counted, want 2", h.Subscribers())
		}

		enqueue(t, q, 5)
		s := decode[backpressure.Signal](t, plain.next("message").Data)
		for !s.Active { // what there was when it came
			s = decode[backpressure.Signal](t, plain.next("message").Data)
		}
		fail(t, q, 1)
		if e := l.next(diagnostics.TypeDeadLetter); len(e.ID) == 0 {
			t.Error("an event without id")
		}
		plain.stop() // makes room
		third := listen(t, h, root+"?queues=another")
		third.next(diagnostics.TypeSnapshot)
		fail(t, q, 1)
		go func() {
			time.Sleep(5 * time.Minute) // only signs of life, which are no events
			_ = h.Close()
		}()
		third.next(diagnostics.TypeBye)
		l.until(diagnostics.TypeBye)
		<-third.done
		if status, _ := answer(h, http.MethodGet, root); status != http.StatusServiceUnavailable {
			t.Errorf("a stream of a closed host: %d", status)
		}
		if err := h.AttachQueue(q); !errors.Is(err, tq.ErrClosed) {
			t.Errorf("attached to a closed host: %v", err)
		}
	})
}

// A client that wants few events gets signs of life though there are others,
// and its place in them: coming back, it is not told that it missed what it did
// not want.
func TestQuietStreamKeepsItsPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, diagnostics.Options{Ring: 16, Interval: time.Second, Heartbeat: 10 * time.Second})
		attach(t, h)
		const target = root + "?types=taskqueue.deadletter"
		l := listen(t, h, target)
		first := l.next(diagnostics.TypeSnapshot)
		go func() {
			time.Sleep(time.Minute + time.Millisecond)
			_ = l.from.Close()
		}()
		if e, err := l.Next(); !errors.Is(err, io.ErrClosedPipe) {
			t.Fatalf("on a quiet stream: %s, %v", e.Data, err)
		}
		if l.ID() == first.ID {
			t.Fatal("no sign of life among events that were not wanted")
		}
		again := listen(t, h, target, "Last-Event-ID", l.ID())
		go func() {
			time.Sleep(time.Second)
			_ = h.Close()
		}()
		again.next(diagnostics.TypeBye)
	})
}

// Latest, history and pages are JSON of what the stream has.
func TestQueries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, diagnostics.Options{Interval: time.Hour})
		if status, _ := answer(h, http.MethodGet, "/omnirelay/control/backpressure"); status != http.StatusNoContent {
			t.Errorf("latest of nothing: %d", status)
		}
		q := attach(t, h)
		if err := h.AttachQueue(q); err == nil {
			t.Error("two queues of one name")
		}
		synctest.Wait()
		enqueue(t, q, 6)
		synctest.Wait()
		fail(t, q, 3)
		synctest.Wait()

		_, body := answer(h, http.MethodGet, "/omnirelay/control/backpressure")
		if s := decode[backpressure.Signal](t, []byte(body)); !s.Active {
			t.Errorf("latest signal %s", body)
		}
		_, body = answer(h, http.MethodGet, root+"/latest?types="+diagnostics.TypeDeadLetter)
		latest := decode[diagnostics.Event](t, []byte(body))
		if l := decode[diagnostics.DeadLetter](t, latest.Data); l.Number != 3 {
			t.Errorf("latest dead letter %s", body)
		}
		_, body = answer(h, http.MethodGet, root+"/history?limit=2")
		page := decode[diagnostics.History](t, []byte(body))
		_, body = answer(h, http.MethodGet, root+"/history?after="+page.Next)
		rest := decode[diagnostics.History](t, []byte(body))
		var kinds []string
		for _, e := range slices.Concat(page.Events, rest.Events) {
			kinds = append(kinds, e.Type)
		}
		want := []string{
			diagnostics.TypeBackpressure, diagnostics.TypeBackpressure, diagnostics.TypeDeadLetter, diagnostics.TypeDeadLetter,
			diagnostics.TypeDeadLetter,
		}
		if diff := cmp.Diff(want, kinds); diff != "" || len(page.Events) != 2 || rest.Missed != 0 {
			t.Errorf("history (-want +got):\n%s", diff)
		}
		epoch, _, _ := strings.Cut(page.Next, ".")
		for _, after := range []string{"x", epoch + ".99", epoch + ".18446744073709551615"} {
			if status, _ := answer(h, http.MethodGet, root+"/history?after="+after); status != http.StatusBadRequest {
				t.Errorf("history behind %s: %d", after, status)
			}
		}
		_, body = answer(h, http.MethodGet, root+"/snapshot")
		if s := decode[diagnostics.Snapshot](t, []byte(body)); len(s.Queues) != 1 || s.Queues[0].Dead != 3 {
			t.Errorf("snapshot %s", body)
		}
		_, body = answer(h, http.MethodGet, root+"/deadletters?queue=resource-lease&after=1&limit=1")
		letters := decode[struct{ DeadLetters []diagnostics.DeadLetter }](t, []byte(body)).DeadLetters
		if len(letters) != 1 || letters[0].Number != 2 {
			t.Errorf("dead letters behind the first: %s", body)
		}
		if status, _ := answer(h, http.MethodGet, root+"/deadletters?queue=resource-lease&after=x"); status != 400 {
			t.Errorf("dead letters behind nonsense: %d", status)
		}
		if status, body := answer(h, http.MethodGet, root+"/deadletters"); status != 400 || !strings.Contains(body, "queue=") {
			t.Errorf("without a queue: %d %s", status, body)
		}
		if status, _ := answer(h, http.MethodGet, root+"/deadletters?queue=none"); status != http.StatusNotFound {
			t.Errorf("dead letters of no queue: %d", status)
		}
	})
}

// Who may do what is for Authorize to say, and nobody changes anything unless
// that is opened.
func TestMutations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		closed := newHost(t, diagnostics.Options{})
		if status, _ := answer(closed, http.MethodPost, root+"/deadletters/redrive"); status != http.StatusNotFound {
			t.Errorf("redrive where it is not opened: %d", status)
		}
		h := newHost(t, diagnostics.Options{Mutations: true, Authorize: func(r *http.Request, a diagnostics.Action) error {
			if a == diagnostics.Mutate && r.Header.Get("Authorization") != "operator" {
				return errors.New("operators only")
			}

			return nil
		}})
		q := attach(t, h)
		enqueue(t, q, 2)
		fail(t, q, 2)
		letters, err := q.DeadLetters(t.Context(), 0, 2)
		must(t, err)
		target := func(what string, i int) string {
			return root + "/deadletters/" + what + "?queue=resource-lease&task=" + letters[i].ID.String()
		}
		for _, c := range []struct {
			method, target string
			header         []string
			want           int
		}{
			{http.MethodPost, target("redrive", 0), nil, http.StatusForbidden},
			{http.MethodPost, target("redrive", 0), []string{"Authorization", "operator", "Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
			{http.MethodGet, target("redrive", 0), []string{"Authorization", "operator"}, http.StatusMethodNotAllowed},
			{http.MethodPost, target("redrive", 0), []string{"Authorization", "operator"}, http.StatusNoContent},
			{http.MethodPost, target("redrive", 0), []string{"Authorization", "operator"}, http.StatusNotFound},
			{http.MethodPost, target("purge", 1), []string{"Authorization", "operator"}, http.StatusNoContent},
			{http.MethodPost, root + "/deadletters/purge?queue=resource-lease&task=x", []string{"Authorization", "operator"}, http.StatusBadRequest},
			{http.MethodPost, root + "/deadletters/purge?queue=x&task=" + letters[0].ID.String(), []string{"Authorization", "operator"}, http.StatusNotFound},
		} {
			if status, body := answer(h, c.method, c.target, c.header...); status != c.want {
				t.Errorf("%s %s %v: %d %s, want %d", c.method, c.target, c.header, status, body, c.want)
			}
		}
		if s, _ := q.Stats(t.Context()); s.Redriven != 1 || s.Purged != 1 || s.Dead != 0 {
			t.Errorf("%+v", s)
		}
		for _, c := range []struct {
			method, what string
			header       []string
			want         int
			paused       bool
		}{
			{http.MethodPost, "pause?queue=resource-lease", nil, http.StatusForbidden, false},
			{http.MethodPost, "pause?queue=resource-lease", []string{"Authorization", "operator", "Sec-Fetch-Site", "cross-site"}, http.StatusForbidden, false},
			{http.MethodGet, "pause?queue=resource-lease", []string{"Authorization", "operator"}, http.StatusMethodNotAllowed, false},
			{http.MethodPost, "pause?queue=x", []string{"Authorization", "operator"}, http.StatusNotFound, false},
			{http.MethodPost, "pause?queue=resource-lease", []string{"Authorization", "operator"}, http.StatusNoContent, true},
			{http.MethodPost, "resume?queue=resource-lease", nil, http.StatusForbidden, true},
			{http.MethodPost, "resume?queue=resource-lease", []string{"Authorization", "operator"}, http.StatusNoContent, false},
		} {
			if status, body := answer(h, c.method, root+"/"+c.what, c.header...); status != c.want || q.Probe().Stats().Paused != c.paused {
				t.Errorf("%s %s %v: %d %s, want %d; paused: %v", c.method, c.what, c.header, status, body, c.want, q.Probe().Stats().Paused)
			}
			_, body := answer(h, http.MethodGet, root+"/snapshot")
			if s := decode[diagnostics.Snapshot](t, []byte(body)); s.Queues[0].Paused != c.paused {
				t.Errorf("%s: the snapshot says that it is paused: %v", c.what, !c.paused)
			}
			if status, _ := answer(closed, c.method, root+"/"+c.what, c.header...); status == http.StatusNoContent {
				t.Errorf("%s where it is not opened: %d", c.what, status)
			}
		}
		must(t, q.Close())
		if status, _ := answer(h, http.MethodPost, target("redrive", 0), "Authorization", "operator"); status != http.StatusConflict {
			t.Errorf("redrive in a closed queue: %d", status)
		}
	})
}

// A queue that is detached leaves nothing behind, and another one of its name takes
// its place: what a node does that succeeds its owner.
func TestDetach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, diagnostics.Options{})
		old, err := leasequeue.New(tq.Options{Capacity: 16, High: 4, Cooldown: tq.NoCooldown})
		must(t, err)
		defer old.Close()
		m, err := backpressure.New(old, backpressure.Options{})
		must(t, err)
		defer m.Close()
		for range 2 {
			must(t, errors.Join(h.AttachQueue(old), h.AttachMonitor(m)))
			must(t, errors.Join(h.DetachQueue(old), h.DetachMonitor(m)))
		}
		must(t, errors.Join(h.DetachQueue(old), h.DetachMonitor(m))) // they are not attached
		enqueue(t, old, 4)
		synctest.Wait()
		if _, body := answer(h, http.MethodGet, root+"/latest?types=taskqueue.backpressure"); strings.Contains(body, "true") {
			t.Errorf("of a monitor that is detached: %s", body)
		}
		must(t, h.AttachMonitor(m))
		if err := h.AttachMonitor(m); err == nil {
			t.Error("a monitor was attached twice")
		}
		must(t, h.DetachMonitor(m))
		attach(t, h)
		if health := h.Health(); len(health.Queues) != 1 || health.Queues[0].Pending != 0 {
			t.Errorf("after the change: %+v", health.Queues)
		}
	})
}

// Each dead letter is an event, or in a gap if it was gone before it could be one;
// those from before the queue was attached are neither.
func TestDeadLettersAddUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, err := leasequeue.New(tq.Options{Capacity: 64, Attempts: 1, Dead: 2})
		must(t, err)
		defer q.Close()
		die := func(n int) {
			enqueue(t, q, n)
			fail(t, q, n)
			synctest.Wait()
		}
		die(5)
		letters, err := q.DeadLetters(t.Context(), 0, 2)
		must(t, err)
		for _, l := range letters {
			must(t, q.Purge(t.Context(), l.ID))
		}
		h := newHost(t, diagnostics.Options{Interval: time.Hour})
		must(t, h.AttachQueue(q))
		synctest.Wait()
		die(2)
		enqueue(t, q, 30)
		for range 30 {
			_, err := q.TryLease(t.Context())
			must(t, err)
		}
		time.Sleep(time.Hour) // all leases are lost at once

		_, body := answer(h, http.MethodGet, root+"/history?limit=1000&types="+diagnostics.TypeDeadLetter)
		next, gaps := uint64(6), 0
		for _, e := range decode[diagnostics.History](t, []byte(body)).Events {
			switch e.Type {
			case diagnostics.TypeDeadLetter:
				if l := decode[diagnostics.DeadLetter](t, e.Data); l.Number != next {
					t.Errorf("dead letter %d, %d was next", l.Number, next)
				}
				next++
			case diagnostics.TypeGap:
				g := decode[diagnostics.Gap](t, e.Data)
				want := diagnostics.Gap{
					From: next, To: g.To, Dropped: g.To - next + 1, Reason: "rate", Queue: "resource-lease", Role: diagnostics.RoleDeadLetters,
				}
				if diff := cmp.Diff(want, g); diff != "" {
					t.Errorf("gap (-want +got):\n%s", diff)
				}
				next, gaps = g.To+1, gaps+1
			default:
				t.Errorf("asked for dead letters, got %s", e.Type)
			}
		}
		if next != 38 || gaps == 0 {
			t.Errorf("accounted for those up to %d, in %d gaps", next-1, gaps)
		}
		_, body = answer(h, http.MethodGet, root+"/history?types="+diagnostics.TypeReplication)
		if n := len(decode[diagnostics.History](t, []byte(body)).Events); n > 0 {
			t.Errorf("of replication there are %d events", n)
		}
	})
}

// A queue that takes nothing any more says why.
func TestState(t *testing.T) {
	t.Parallel()
	h := newHost(t, diagnostics.Options{})
	q := attach(t, h)
	is := func(want string) {
		t.Helper()
		_, body := answer(h, http.MethodGet, root+"/snapshot")
		if got := decode[diagnostics.Snapshot](t, []byte(body)).Queues[0].State; got != want {
			t.Errorf("the state is %q, want %q", got, want)
		}
	}
	is("open")
	_, err := q.Drain(t.Context(), 0)
	must(t, err)
	is("drained")
	must(t, q.Reopen())
	is("open")
	must(t, q.Close())
	is("closed")
}

// A backlog makes the service not ready, never dead.
func TestHealth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, diagnostics.Options{Thresholds: diagnostics.Thresholds{
			PendingDegraded: 2, PendingUnhealthy: 4, ActiveDegraded: 1, ActiveUnhealthy: 2,
		}})
		q := attach(t, h)
		for step, c := range []struct {
			do     func()
			status string
			ready  int
			reason string
		}{
			{func() {}, "healthy", 200, ""},
			{func() { enqueue(t, q, 2) }, "degraded", 200, "2 pending, degraded from 2"},
			{func() { enqueue(t, q, 3) }, "unhealthy", 503, "5 pending, unhealthy from 4"},
			{func() {
				for range 4 {
					_, err := q.TryLease(t.Context())
					must(t, err)
				}
			}, "unhealthy", 503, "4 active, unhealthy from 2"},
		} {
			c.do()
			health := h.Health()
			if health.Status != c.status || c.reason != "" && !slices.Contains(health.Queues[0].Reasons, c.reason) {
				t.Errorf("step %d: %+v", step, health)
			}
			ready, body := answer(h, http.MethodGet, "/readyz")
			if ready != c.ready {
				t.Errorf("step %d: ready %d %s", step, ready, body)
			}
			if alive, _ := answer(h, http.MethodGet, "/livez"); alive != http.StatusOK {
				t.Errorf("step %d: alive %d", step, alive)
			}
			if _, alias := answer(h, http.MethodGet, "/omnirelay/control/lease-health"); alias != body {
				t.Errorf("step %d: %s is not %s", step, alias, body)
			}
		}
	})
}

// Probes learn whether a service is ready without signing in, and no more.
func TestReadyForStrangers(t *testing.T) {
	t.Parallel()
	h := newHost(t, diagnostics.Options{
		Authorize:  func(*http.Request, diagnostics.Action) error { return errors.New("sign in") },
		Thresholds: diagnostics.Thresholds{PendingUnhealthy: 1},
	})
	enqueue(t, attach(t, h), 1)
	status, body := answer(h, http.MethodGet, "/readyz")
	if want := `{"status":"unhealthy","queues":[]}` + "\n"; status != http.StatusServiceUnavailable || body != want {
		t.Errorf("ready: %d %s, want %s", status, body, want)
	}
}

// A stream that says nothing for longer than a write may take goes on, over
// HTTP/2 too, where a deadline that passes ends it.
func TestQuietStreamStays(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2: %v", http2), func(t *testing.T) {
			t.Parallel()
			const patience = 500 * time.Millisecond
			h := newHost(t, diagnostics.Options{Heartbeat: 3 * patience / 2, WriteTimeout: patience})
			server := httptest.NewUnstartedServer(h)
			server.EnableHTTP2 = http2
			server.Config.WriteTimeout = patience
			server.StartTLS()
			t.Cleanup(server.Close)
			t.Cleanup(func() { h.Close() })
			answer, err := server.Client().Get(server.URL + root)
			must(t, err)
			defer answer.Body.Close()
			lines := bufio.NewScanner(answer.Body)
			for signs := 0; signs < 2; {
				if !lines.Scan() {
					t.Fatalf("%s: %v after %d signs of life", answer.Proto, lines.Err(), signs)
				}
				if strings.HasPrefix(lines.Text(), ":") {
					signs++
				}
			}
		})
	}
}

// HEAD asks for the header of a stream, and does not get a stream.
func TestStreamHead(t *testing.T) {
	t.Parallel()
	h := newHost(t, diagnostics.Options{})
	for _, path := range []string{root, "/omnirelay/control/backpressure/stream"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodHead, path, nil))
		if kind := w.Header().Get("Content-Type"); ctx.Err() != nil || w.Code != http.StatusOK || kind != "text/event-stream" {
			t.Errorf("HEAD %s: %v, %d, %q", path, ctx.Err(), w.Code, kind)
		}
	}
}

// deaf is a response that cannot be flushed, such as one of a middleware that
// hides what it wraps.
type deaf struct{ http.ResponseWriter }

// Where nothing can be streamed the answer says so, and is no stream that ends.
func TestStreamWithoutFlush(t *testing.T) {
	t.Parallel()
	h := newHost(t, diagnostics.Options{})
	w := httptest.NewRecorder()
	h.ServeHTTP(deaf{w}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, root, nil))
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "not supported") {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if n := h.Subscribers(); n != 0 {
		t.Errorf("%d streams are open", n)
	}
}

// Over a real connection, with a client that comes back when the server has gone
// away for a while.
func TestRealConnection(t *testing.T) {
	t.Parallel()
	h := newHost(t, diagnostics.Options{Interval: 5 * time.Millisecond, Ring: 1 << 15}) // keeps what came meanwhile
	attach(t, h)
	server := httptest.NewServer(h)
	defer server.Close()
	c := client.Client{URL: server.URL + root, MinBackoff: time.Millisecond}
	seen, last, broken := 0, uint64(0), 0
	for e, err := range c.Events(t.Context()) {
		if err != nil {
			broken++
			continue
		}
		_, id, _ := strings.Cut(e.ID, ".")
		var seq uint64
		if _, err := fmt.Sscan(id, &seq); err != nil {
			t.Fatal(err)
		}
		if last > 0 && seq != last+1 {
			t.Fatalf("%s follows %d", e.ID, last)
		}
		last = seq
		if seen++; seen%10 == 0 {
			server.CloseClientConnections()
		}
		if broken >= 3 {
			break
		}
	}
}

func TestWrongOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []diagnostics.Options{
		{Ring: -1}, {Interval: -1}, {Heartbeat: -1}, {WriteTimeout: -1}, {MaxSubscribers: -1}, {ReplicationRate: -2},
	} {
		if _, err := diagnostics.New(o); err == nil {
			t.Errorf("%+v is let pass", o)
		}
	}
}
