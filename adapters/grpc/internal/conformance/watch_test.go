package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tqgen/tqgen/adapters/grpc/diagnosticsgrpc"
	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/diagnostics/client"
)

// shown is a host with a queue, as a transport shows it.
type shown struct {
	host  *diagnostics.Host
	queue *leasequeue.Local
	url   string
	http  *http.Client
	cut   func() // ends all connections
}

// shows are the transports of diagnostics: how each shows a host, whose Authorize
// for calls has the word too.
var shows = []struct {
	name string
	show func(t *testing.T, h *diagnostics.Host, authorize func(token string) error) (string, *http.Client, func())
}{
	{"http", func(t *testing.T, h *diagnostics.Host, _ func(string) error) (string, *http.Client, func()) {
		server := httptest.NewServer(h)
		t.Cleanup(func() {
			server.CloseClientConnections()
			server.Close()
		})

		return server.URL + "/diagnostics/taskqueue", server.Client(), server.CloseClientConnections
	}},
	{"grpc", func(t *testing.T, h *diagnostics.Host, authorize func(string) error) (string, *http.Client, func()) {
		server := grpc.NewServer(grpc.WaitForHandlers(true))
		must(t, diagnosticsgrpc.Register(server, h, diagnosticsgrpc.Options{Authorize: func(ctx context.Context) error {
			return authorize(tokenOf(ctx))
		}}))
		in, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		open := &connections{Listener: in}
		done := make(chan error, 1)
		go func() { done <- server.Serve(open) }()
		conn, err := grpc.NewClient(in.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		must(t, err)
		t.Cleanup(func() {
			must(t, conn.Close())
			server.Stop()
			must(t, <-done)
		})

		return "http://host/", &http.Client{Transport: diagnosticsgrpc.Transport(conn)}, open.cut
	}},
}

// eachShows runs a case over each transport of diagnostics.
func eachShows(t *testing.T, o diagnostics.Options, run func(t *testing.T, s *shown)) {
	t.Parallel()
	for _, over := range shows {
		t.Run(over.name, func(t *testing.T) {
			t.Parallel()
			authorize := func(token string) error {
				if token == "bad" {
					return errors.New("not with this token")
				}

				return nil
			}
			o := o
			o.Authorize = func(r *http.Request, _ diagnostics.Action) error { return authorize(r.Header.Get("Authorization")) }
			host, err := diagnostics.New(o)
			must(t, err)
			q := open(t, leasequeue.Options{Attempts: 1})
			must(t, host.AttachQueue(q))
			t.Cleanup(func() { must(t, host.Close()) })
			s := &shown{host: host, queue: q}
			s.url, s.http, s.cut = over.show(t, host, authorize)
			run(t, s)
		})
	}
}

func (s *shown) client(query string) *client.Client {
	return &client.Client{URL: s.url + query, HTTP: s.http, MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond}
}

// die makes a dead letter.
func (s *shown) die(t *testing.T) {
	t.Helper()
	_, err := s.queue.TryEnqueue(t.Context(), lease.ResourceLease{ResourceID: "secret"})
	must(t, err)
	l, err := s.queue.TryLease(t.Context())
	must(t, err)
	must(t, l.Fail(t.Context(), errors.New("no such host")))
}

// watching is a stream that a test pulls events from.
type watching struct {
	t    *testing.T
	pull func() (client.Event, error, bool)
}

func watch(t *testing.T, c *client.Client) *watching {
	t.Helper()
	pull, stop := iter.Pull2(c.Events(t.Context()))
	t.Cleanup(stop)

	return &watching{t, pull}
}

// next is the next event of that type: none comes before it.
func (w *watching) next(kind string, into any) client.Event {
	w.t.Helper()
	e, err, _ := w.pull()
	must(w.t, err)
	if e.Type != kind {
		w.t.Fatalf("%s comes, want %s: %s", e.Type, kind, e.Data)
	}
	if into != nil {
		must(w.t, json.Unmarshal(e.Data, into))
	}

	return e
}

var quiet = diagnostics.Options{Interval: time.Hour}

// TestWatchResumes: a client that is cut off all the time sees each event once and
// in order (38).
func TestWatchResumes(t *testing.T) {
	eachShows(t, quiet, func(t *testing.T, s *shown) {
		pull, stop := iter.Pull2(s.client("").Events(t.Context()))
		defer stop()
		next := func() client.Event {
			for {
				e, err, more := pull()
				if !more {
					t.Fatal("the stream has ended")
				}
				if err == nil {
					return e
				}
			}
		}
		if e := next(); e.Type != diagnostics.TypeSnapshot {
			t.Fatalf("at first comes %s", e.Type)
		}
		for n := range uint64(10) {
			s.die(t)
			var letter diagnostics.DeadLetter
			e := next()
			must(t, json.Unmarshal(e.Data, &letter))
			if e.Type != diagnostics.TypeDeadLetter || letter.Number != n+1 {
				t.Fatalf("%s %d comes, want dead letter %d", e.Type, letter.Number, n+1)
			}
			if n%3 == 0 {
				s.cut()
			}
		}
	})
}

// TestWatchGap: who comes back too late, or from elsewhere, is told what is missing,
// and what there is now (38).
func TestWatchGap(t *testing.T) {
	eachShows(t, diagnostics.Options{Interval: time.Hour, Ring: 4}, func(t *testing.T, s *shown) {
		w := watch(t, s.client(""))
		w.next(diagnostics.TypeSnapshot, nil)
		s.die(t)
		seen := w.next(diagnostics.TypeDeadLetter, nil)
		for range 6 {
			s.die(t)
			w.next(diagnostics.TypeDeadLetter, nil)
		}
		for id, want := range map[string]diagnostics.Gap{
			seen.ID:   {From: 2, To: 7, Dropped: 6, Reason: "overrun"},
			"other.7": {Reason: "unknown"},
		} {
			c := s.client("")
			c.After = id
			back, gap := watch(t, c), diagnostics.Gap{}
			back.next(diagnostics.TypeGap, &gap)
			if diff := cmp.Diff(want, gap); diff != "" {
				t.Errorf("behind %s (-want +got):\n%s", id, diff)
			}
			back.next(diagnostics.TypeSnapshot, nil)
		}
	})
}

// TestWatchFilters: what is not wanted does not come, and what tells of the stream
// does.
func TestWatchFilters(t *testing.T) {
	eachShows(t, diagnostics.Options{Interval: 10 * time.Millisecond}, func(t *testing.T, s *shown) {
		letters, others := watch(t, s.client("?types=taskqueue.deadletter")), watch(t, s.client("?queues=other"))
		letters.next(diagnostics.TypeSnapshot, nil)
		others.next(diagnostics.TypeSnapshot, nil)
		figures := watch(t, s.client("?types=taskqueue.stats"))
		figures.next(diagnostics.TypeSnapshot, nil)
		for range 3 {
			figures.next(diagnostics.TypeStats, nil) // so there were some
			s.die(t)
			letters.next(diagnostics.TypeDeadLetter, nil)
		}
		must(t, s.host.Close())
		letters.next(diagnostics.TypeBye, nil)
		others.next(diagnostics.TypeBye, nil)
	})
}

// TestWatchRefusals: one too many is told when to come back, one who may not watch
// why, and for good.
func TestWatchRefusals(t *testing.T) {
	o := quiet
	o.MaxSubscribers = 1
	eachShows(t, o, func(t *testing.T, s *shown) {
		refused := func(header http.Header) (status *client.StatusError) {
			t.Helper()
			c := s.client("")
			c.Header = header
			for _, err := range c.Events(t.Context()) {
				if !errors.As(err, &status) {
					t.Fatalf("want a refusal: %v", err)
				}

				break
			}

			return status
		}
		want := &client.StatusError{Status: http.StatusForbidden, Body: "not with this token\n"}
		got := refused(http.Header{"Authorization": {"bad"}})
		if diff := cmp.Diff(want, got); diff != "" || !client.Permanent(got) {
			t.Errorf("who may not (-want +got):\n%s", diff)
		}
		watch(t, s.client("")).next(diagnostics.TypeSnapshot, nil)
		got = refused(nil)
		if got.Status != http.StatusServiceUnavailable || got.RetryAfter != 5*time.Second || client.Permanent(got) {
			t.Errorf("one too many: %+v", got)
		}
	})
}

// TestWatchSilence: a client does not give up a host with nothing to say.
func TestWatchSilence(t *testing.T) {
	o := quiet
	o.Heartbeat = 5 * time.Millisecond
	eachShows(t, o, func(t *testing.T, s *shown) {
		patiently(t, func(silence time.Duration) error {
			c := s.client("?types=taskqueue.deadletter")
			c.Silence = silence
			over := time.AfterFunc(silence*3/2, func() { s.die(t) })
			defer over.Stop()
			for e, err := range c.Events(t.Context()) {
				if err != nil || e.Type == diagnostics.TypeDeadLetter {
					return err
				}
			}

			return errors.New("the stream has ended")
		})
	})
}

// TestWatchConnects: a client knows that it is connected before anything comes.
func TestWatchConnects(t *testing.T) {
	o := quiet
	o.Heartbeat = time.Hour
	eachShows(t, o, func(t *testing.T, s *shown) {
		var now diagnostics.Snapshot
		watch(t, s.client("")).next(diagnostics.TypeSnapshot, &now)
		c := s.client("")
		c.After = now.ID
		c.Connected = func() { s.die(t) }
		watch(t, c).next(diagnostics.TypeDeadLetter, nil)
	})
}
