package replicationhttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/replicationhttp"
	"github.com/tqgen/tqgen/runtime/tq"
)

// shelf is a feed whose events are lines that a test puts there. Its lines end
// with an error that the test gives.
type shelf struct {
	mu    sync.Mutex
	grown chan struct{}
	held  []string    // guarded by mu
	first tq.Sequence // of held[0]; guarded by mu
	end   error       // after the last; guarded by mu
	doc   string
	open  sync.WaitGroup // readers

	acknowledged atomic.Uint64
	synchronous  atomic.Bool
}

const life tq.Incarnation = 0xabc

func newShelf(lines ...string) *shelf {
	return &shelf{grown: make(chan struct{}), held: lines, first: 1}
}

// put adds lines, and an error after them.
func (s *shelf) put(end error, lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.end = append(s.held, lines...), end
	close(s.grown)
	s.grown = make(chan struct{})
}

func (s *shelf) Queue() (string, tq.Incarnation) { return "dispatch", life }

func (s *shelf) Lines(after tq.Sequence) (replication.Lines, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if after == tq.Latest {
		return &reader{s: s, standing: true}, nil
	}
	if after+1 < s.first {
		return nil, tq.ErrGap
	}
	s.open.Add(1)

	return &reader{s: s, next: int(after + 1 - s.first)}, nil
}

func (s *shelf) AppendSnapshot(dst []byte) ([]byte, error) { return append(dst, s.doc...), nil }

type reader struct {
	s        *shelf
	next     int
	standing bool // it is not read from
}

func (r *reader) Lag() tq.Sequence {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()

	return tq.Sequence(len(r.s.held) - r.next)
}

func (r *reader) Synchronous(tq.SyncOptions) error {
	r.s.synchronous.Store(true)
	return nil
}

func (r *reader) Acknowledge(seq tq.Sequence) { r.s.acknowledged.Store(uint64(seq)) }

func (r *reader) Fail(error) { r.s.synchronous.Store(false) }

func (r *reader) Append(ctx context.Context, dst []byte) ([]byte, error) {
	for {
		r.s.mu.Lock()
		held, end, grown := r.s.held, r.s.end, r.s.grown
		r.s.mu.Unlock()
		switch {
		case r.next < len(held):
			dst = append(append(dst, held[r.next]...), '\n')
			r.next++

			return dst, nil
		case end != nil:
			return dst, end
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return dst, ctx.Err()
		}
	}
}

func (r *reader) Close() error {
	if !r.standing {
		r.s.open.Done()
	}

	return nil
}

func handler(t *testing.T, f replication.Feed, o replicationhttp.HandlerOptions) http.Handler {
	t.Helper()
	h, err := replicationhttp.NewHandler(f, o)
	if err != nil {
		t.Fatal(err)
	}

	return http.StripPrefix("/queue", h)
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)

	return s.URL + "/queue"
}

func client(t *testing.T, url string, o replicationhttp.ClientOptions) *replicationhttp.Client {
	t.Helper()
	c, err := replicationhttp.NewClient(url, o)
	if err != nil {
		t.Fatal(err)
	}

	return c
}

// collect reads events until one of them is last, or there are no more.
func collect(t *testing.T, c *replicationhttp.Client, after tq.Position, last string) (got []string, err error) {
	t.Helper()
	done := errors.New("done")
	err = c.Events(t.Context(), after, func(line []byte) error {
		got = append(got, string(line))
		if string(line) == last {
			return done
		}

		return nil
	})
	if errors.Is(err, done) {
		err = nil
	}

	return got, err
}

// TestStream: a stream begins behind the position it is asked for, goes on with
// what comes, says nothing but heartbeats in between, and tells why it ends.
func TestStream(t *testing.T) {
	t.Parallel()
	s := newShelf("1", "2", strings.Repeat("3", 300_000), "4")
	o := replicationhttp.HandlerOptions{Heartbeat: time.Millisecond}
	c := client(t, serve(t, handler(t, s, o)), replicationhttp.ClientOptions{Silence: time.Hour})
	got, err := collect(t, c, tq.Position{Sequence: 1, Incarnation: life}, "4")
	if diff := cmp.Diff([]string{"2", strings.Repeat("3", 300_000), "4"}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}

	// What comes later, after heartbeats.
	begun := make(chan bool)
	go func() {
		<-begun
		s.put(tq.ErrDeposed, "5")
	}()
	got = nil
	err = c.Events(t.Context(), tq.Position{Sequence: 3}, func(line []byte) error {
		if got = append(got, string(line)); len(got) == 1 {
			close(begun)
		}

		return nil
	})
	if diff := cmp.Diff([]string{"4", "5"}, got); !errors.Is(err, tq.ErrDeposed) || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	for end, want := range map[error]error{tq.ErrGap: tq.ErrGap, tq.ErrClosed: replication.ErrUnavailable, io.ErrNoProgress: replication.ErrUnavailable} {
		s.put(end)
		if _, err := collect(t, c, tq.Position{Sequence: 5}, ""); !errors.Is(err, want) {
			t.Errorf("a stream that ends with %v: %v", end, err)
		}
	}
	s.open.Wait() // readers are closed with their streams
}

// TestPositions: what cannot be given is refused for its reason.
func TestPositions(t *testing.T) {
	t.Parallel()
	s := newShelf("7")
	s.first, s.doc = 7, `{"a":"snapshot"}`
	url := serve(t, handler(t, s, replicationhttp.HandlerOptions{}))
	c := client(t, url, replicationhttp.ClientOptions{})
	if _, err := collect(t, c, tq.Position{Sequence: 5}, "7"); !errors.Is(err, tq.ErrGap) {
		t.Errorf("events that are not held: %v", err)
	}
	if _, err := collect(t, c, tq.Position{Sequence: 6, Incarnation: 9}, "7"); !errors.Is(err, tq.ErrForeign) {
		t.Errorf("another life: %v", err)
	}
	if doc, err := c.Snapshot(t.Context()); err != nil || string(doc) != s.doc {
		t.Errorf("snapshot %q, %v", doc, err)
	}
	for path, status := range map[string]int{
		"/events?after=x": 400, "/events?after=-1": 400, "/events?incarnation=5": 400, "/events?after=99999999999999999999": 400,
		"/event": 404, "/": 404, "/events/../../events": 404, "/events?after=5": 410, "/snapshot": 200,
	} {
		res, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != status {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
	res, err := http.Post(url+"/snapshot", "text/plain", strings.NewReader("x"))
	if err != nil || res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("post: %v, %v", res.Status, err)
	}
	_ = res.Body.Close()
}

// TestAuthorize: whoever is not let in sees nothing, by TLS or without.
func TestAuthorize(t *testing.T) {
	t.Parallel()
	s := newShelf("1")
	s.doc = "{}"
	o := replicationhttp.HandlerOptions{Authorize: func(r *http.Request) error {
		if r.Header.Get("Authorization") != "Bearer good" {
			return errors.New("secret reason")
		}

		return nil
	}}
	tls := httptest.NewUnstartedServer(handler(t, s, o))
	tls.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	tls.StartTLS()
	t.Cleanup(tls.Close)
	token := func(text string) func(*http.Request) error {
		return func(r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+text)
			return nil
		}
	}
	trusting := tls.Client()
	good := client(t, tls.URL+"/queue", replicationhttp.ClientOptions{HTTP: trusting, Authorize: token("good")})
	if got, err := collect(t, good, tq.Position{}, "1"); err != nil || len(got) != 1 {
		t.Errorf("events by TLS: %v, %v", got, err)
	}
	if doc, err := good.Snapshot(t.Context()); err != nil || string(doc) != "{}" {
		t.Errorf("snapshot by TLS: %q, %v", doc, err)
	}
	bad := client(t, tls.URL+"/queue", replicationhttp.ClientOptions{HTTP: trusting, Authorize: token("bad")})
	_, err := collect(t, bad, tq.Position{}, "1")
	_, err2 := bad.Snapshot(t.Context())
	for _, err := range []error{err, err2} {
		if err == nil || errors.Is(err, replication.ErrUnavailable) || !strings.Contains(err.Error(), "403") ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("a bad token: %v", err)
		}
	}
	strange := client(t, tls.URL+"/queue", replicationhttp.ClientOptions{Authorize: token("good")})
	if _, err := strange.Snapshot(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	refused := errors.New("no token today")
	none := client(t, tls.URL+"/queue", replicationhttp.ClientOptions{Authorize: func(*http.Request) error { return refused }})
	if _, err := none.Snapshot(t.Context()); !errors.Is(err, refused) {
		t.Errorf("a client without a token: %v", err)
	}
}

// TestHandlerIsBounded: streams, snapshots and sizes (19).
func TestHandlerIsBounded(t *testing.T) {
	t.Parallel()
	s := newShelf("1")
	s.doc = strings.Repeat("d", 1000)
	o := replicationhttp.HandlerOptions{MaxStreams: 1, MaxLine: 100, MaxSnapshot: 999, WriteTimeout: time.Hour}
	url := serve(t, handler(t, s, o))
	c := client(t, url, replicationhttp.ClientOptions{})
	busy := errors.New("busy")
	err := c.Events(t.Context(), tq.Position{}, func([]byte) error {
		if _, err := collect(t, c, tq.Position{}, "1"); !errors.Is(err, replication.ErrUnavailable) {
			t.Errorf("a stream too many: %v", err)
		}

		return busy
	})
	if !errors.Is(err, busy) {
		t.Error(err)
	}
	s.open.Wait()
	s.put(nil, strings.Repeat("2", 100), strings.Repeat("3", 101))
	got, err := again(func() ([]string, error) { return collect(t, c, tq.Position{}, "") })
	if len(got) != 2 || !tooLarge(err, "101 bytes", "at most 100", "MaxLine of the handler") {
		t.Errorf("a line too long: %q, %v", got, err)
	}
	if _, err := c.Snapshot(t.Context()); !tooLarge(err, "1000 bytes", "at most 999", "MaxSnapshot of the handler") {
		t.Errorf("a snapshot too large: %v", err)
	}
}

// TestDeafReader: a reader that does not read is cut off (19).
func TestDeafReader(t *testing.T) {
	t.Parallel()
	s := newShelf()
	for range 2_000 {
		s.put(nil, strings.Repeat("x", 10_000))
	}
	h := handler(t, s, replicationhttp.HandlerOptions{WriteTimeout: 50 * time.Millisecond})
	served := make(chan struct{})
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(served)
		h.ServeHTTP(w, r)
	}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(strings.TrimSuffix(url, "/queue"), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /queue/events HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-served
	s.open.Wait()
}

// pen is a response whose deadlines can be looked at.
type pen struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (p *pen) SetWriteDeadline(t time.Time) error {
	p.deadline = t
	return nil
}

// TestQuietStreamStays: a stream that has nothing to write has no deadline to
// write it by, however far signs of life are apart.
func TestQuietStreamStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p := newShelf("a"), &pen{ResponseRecorder: httptest.NewRecorder()}
		h := handler(t, s, replicationhttp.HandlerOptions{Heartbeat: time.Hour, WriteTimeout: time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan struct{})
		go func() {
			defer close(served)
			h.ServeHTTP(p, httptest.NewRequestWithContext(ctx, http.MethodGet, "/queue/events", nil))
		}()
		synctest.Wait()
		if p.Body.String() != "a\n" || !p.deadline.IsZero() {
			t.Errorf("after %q it has to have written more by %v", p.Body, p.deadline)
		}
		cancel()
		<-served
		if p.deadline.IsZero() {
			t.Error("the trailer may take for ever")
		}
	})
}

// piecemeal is a feed whose lines come in pieces of its own.
type piecemeal struct {
	*shelf
	append func(ctx context.Context, dst []byte) ([]byte, error)
}

func (p *piecemeal) Lines(tq.Sequence) (replication.Lines, error) { return p, nil }

func (p *piecemeal) Append(ctx context.Context, dst []byte) ([]byte, error) {
	return p.append(ctx, dst)
}

func (p *piecemeal) Lag() tq.Sequence                 { return 0 }
func (p *piecemeal) Synchronous(tq.SyncOptions) error { return nil }
func (p *piecemeal) Acknowledge(tq.Sequence)          {}
func (p *piecemeal) Fail(error)                       {}
func (p *piecemeal) Close() error                     { return nil }

// TestStreamEndsBeforeLongLine: what is read together with an event that is too
// long, and comes before it, is sent.
func TestStreamEndsBeforeLongLine(t *testing.T) {
	t.Parallel()
	f := &piecemeal{newShelf(), func(_ context.Context, dst []byte) ([]byte, error) {
		return append(dst, "1\n22\n"+strings.Repeat("3", 101)+"\n4\n"...), nil
	}}
	c := client(t, serve(t, handler(t, f, replicationhttp.HandlerOptions{MaxLine: 100})), replicationhttp.ClientOptions{})
	got, err := collect(t, c, tq.Position{}, "")
	if diff := cmp.Diff([]string{"1", "22"}, got); diff != "" || !tooLarge(err, "at most 100") {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// tooLarge says whether err is that something is, says all of what, and that
// trying again does not help.
func tooLarge(err error, what ...string) bool {
	for _, part := range what {
		if err == nil || !strings.Contains(err.Error(), part) {
			return false
		}
	}

	return errors.Is(err, replication.ErrTooLarge) && !errors.Is(err, replication.ErrUnavailable)
}

// TestErrorAtHeartbeat: an error of the feed ends the stream, also where it comes
// when a heartbeat is due.
func TestErrorAtHeartbeat(t *testing.T) {
	t.Parallel()
	f := &piecemeal{newShelf(), func(ctx context.Context, dst []byte) ([]byte, error) {
		<-ctx.Done()

		return dst, tq.ErrGap
	}}
	o := replicationhttp.HandlerOptions{Heartbeat: time.Millisecond}
	c := client(t, serve(t, handler(t, f, o)), replicationhttp.ClientOptions{Timeout: time.Minute, Silence: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Events(ctx, tq.Position{}, func([]byte) error { return nil }); !errors.Is(err, tq.ErrGap) {
		t.Errorf("the stream ends with %v, want %v", err, tq.ErrGap)
	}
}

// again tries what may come before the last stream has given its place back.
func again(f func() ([]string, error)) ([]string, error) {
	for {
		got, err := f()
		if err == nil || !strings.Contains(err.Error(), "503") {
			return got, err
		}
		runtime.Gosched()
	}
}

// endless writes text until the connection is gone.
func endless(w http.ResponseWriter, text string) {
	for {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
	}
}

// TestHostileSource: whatever a source sends, the client ends with an error, in
// bounded memory and time.
func TestHostileSource(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) }) // before the servers are closed
	flush := func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
	for _, c := range []struct {
		name  string
		serve func(w http.ResponseWriter, r *http.Request)
		want  error
	}{
		{"an endless line", func(w http.ResponseWriter, _ *http.Request) { endless(w, strings.Repeat("x", 1<<16)) }, replication.ErrTooLarge},
		{"cut off within a line", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "1\n2")
		}, replication.ErrUnavailable},
		{"a line without an end", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "1\n2") }, replication.ErrUnavailable},
		{"silence", func(w http.ResponseWriter, r *http.Request) {
			flush(w)
			select {
			case <-r.Context().Done():
			case <-hang:
			}
		}, replication.ErrUnavailable},
		{"no answer", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-hang:
			}
		}, replication.ErrUnavailable},
		{"a byte now and then", func(w http.ResponseWriter, r *http.Request) {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for {
				if _, err := io.WriteString(w, "x"); err != nil {
					return
				}
				flush(w)
				select {
				case <-tick.C:
				case <-r.Context().Done():
					return
				}
			}
		}, replication.ErrUnavailable},
		{"an endless refusal", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			endless(w, strings.Repeat("x", 1<<16))
		}, nil},
		{"a code it made up", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"message":7,"code":["error.taskqueue.gap"]}`)
		}, nil},
		{"a redirect to itself", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, replication.ErrUnavailable},
		{"a broken answer", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "HTTP/1.1 200\r\nfoo\r\n\r\n")
				_ = conn.Close()
			}
		}, replication.ErrUnavailable},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, replication.ErrUnavailable},
		{"429", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, replication.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			patience := time.Minute
			if slices.Contains([]string{"silence", "no answer", "a byte now and then"}, c.name) {
				patience = 100 * time.Millisecond // is what ends it
			}
			o := replicationhttp.ClientOptions{MaxLine: limit, MaxSnapshot: limit, Silence: patience, Timeout: patience}
			client := client(t, serve(t, http.HandlerFunc(c.serve)), o)
			err := client.Events(t.Context(), tq.Position{}, func(line []byte) error {
				if len(line) > limit {
					return fmt.Errorf("a line of %d bytes", len(line))
				}

				return nil
			})
			if err == nil || c.want != nil && !errors.Is(err, c.want) || c.want == nil && errors.Is(err, replication.ErrUnavailable) ||
				errors.Is(err, tq.ErrGap) {
				t.Errorf("events: %v", err)
			}
			doc, err := client.Snapshot(t.Context())
			switch {
			case len(doc) > limit:
				t.Errorf("a snapshot of %d bytes", len(doc))
			case err == nil && !strings.HasPrefix(c.name, "a line"):
				t.Errorf("snapshot %q", doc)
			}
		})
	}
}

// TestMemoryOfEndlessLines counts what the client takes for a line that has no
// end, and for a snapshot that has none.
func TestMemoryOfEndlessLines(t *testing.T) {
	const limit = 4 << 20
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { endless(w, strings.Repeat("x", 1<<16)) }))
	c := client(t, url, replicationhttp.ClientOptions{MaxLine: limit, MaxSnapshot: limit})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := collect(t, c, tq.Position{}, "")
	_, err2 := c.Snapshot(t.Context())
	runtime.ReadMemStats(&after)
	if !errors.Is(err, replication.ErrTooLarge) || !errors.Is(err2, replication.ErrTooLarge) {
		t.Errorf("%v, %v", err, err2)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 20*limit {
		t.Errorf("took %d bytes for two limits of %d", took, limit)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "events", "ftp://a/b", "http://", "://"} {
		if _, err := replicationhttp.NewClient(url, replicationhttp.ClientOptions{}); err == nil {
			t.Errorf("%q is accepted", url)
		}
	}
	for _, o := range []replicationhttp.ClientOptions{
		{MaxLine: -1}, {MaxSnapshot: -1}, {Silence: -1}, {Timeout: -1}, {HTTP: &http.Client{Timeout: 1}},
	} {
		if _, err := replicationhttp.NewClient("http://a", o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	for _, o := range []replicationhttp.HandlerOptions{
		{MaxLine: -1}, {MaxSnapshot: -1}, {MaxStreams: -1}, {MaxSnapshots: -1}, {Heartbeat: -1}, {WriteTimeout: -1},
	} {
		if _, err := replicationhttp.NewHandler(newShelf(), o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

// TestCallersEnd: the caller's own context and error come back as they are.
func TestCallersEnd(t *testing.T) {
	t.Parallel()
	s := newShelf("1")
	c := client(t, serve(t, handler(t, s, replicationhttp.HandlerOptions{})), replicationhttp.ClientOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	err := c.Events(ctx, tq.Position{}, func([]byte) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, replication.ErrUnavailable) {
		t.Errorf("ended with %v", err)
	}
	s.open.Wait()
}
