package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// TestMain plays the command where a test starts it in a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("TQCTL_PLAYED") != "" {
		main()
	}
	os.Exit(m.Run())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// service is one with a diagnostics host, which can be replaced, or be down.
type service struct {
	*httptest.Server
	t    testing.TB
	host atomic.Pointer[diagnostics.Host]
	down atomic.Bool

	refused chan struct{} // has one when somebody came while it was down
}

func serve(t testing.TB, o diagnostics.Options) *service {
	t.Helper()
	s := &service{t: t, refused: make(chan struct{}, 1)}
	s.replace(o)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			select {
			case s.refused <- struct{}{}:
			default:
			}

			return
		}
		s.host.Load().ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})

	return s
}

// replace puts another host in the place of the present one, as a restart does.
func (s *service) replace(o diagnostics.Options) {
	s.t.Helper()
	h, err := diagnostics.New(o)
	must(s.t, err)
	s.t.Cleanup(func() { h.Close() })
	if before := s.host.Swap(h); before != nil {
		must(s.t, before.Close())
	}
}

// attach makes a queue of that name and a monitor of it, both attached.
func (s *service) attach(name string) *leasequeue.Local {
	s.t.Helper()
	q, err := leasequeue.New(tq.Options{
		Name: name, Capacity: 16, High: 4, Low: 1, Attempts: 1, Cooldown: tq.NoCooldown,
	})
	must(s.t, err)
	m, err := backpressure.New(q, backpressure.Options{Shard: "eu"})
	must(s.t, err)
	s.t.Cleanup(func() { m.Close(); q.Close() })
	must(s.t, s.host.Load().AttachQueue(q))
	must(s.t, s.host.Load().AttachMonitor(m))

	return q
}

// replicate attaches a source of q, and a sink that follows it. The sink applies
// an event for each token of apply; closed, all of them.
func (s *service) replicate(q *leasequeue.Local) (apply chan struct{}) {
	s.t.Helper()
	reader, err := q.Watch(tq.Latest)
	must(s.t, err)
	source := leasequeue.NewSource(reader, leasequeue.SourceOptions{Stamp: replication.Stamp{Peer: "node", Shard: "eu"}})
	apply = make(chan struct{})
	sink, err := leasequeue.NewSink(leasequeue.SinkOptions{Stream: "audit", Batch: 1},
		func(ctx context.Context, _ *leasequeue.Event) error {
			select {
			case <-apply:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	must(s.t, err)
	must(s.t, s.host.Load().AttachSource(source))
	must(s.t, s.host.Load().AttachSink(sink))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = sink.Follow(ctx, source) // ends with ctx's error
	}()
	s.t.Cleanup(func() {
		cancel()
		<-done
		_ = reader.Close()
	})

	return apply
}

func enqueue(t testing.TB, q *leasequeue.Local, n int) {
	t.Helper()
	for range n {
		_, err := q.TryEnqueue(context.Background(), lease.ResourceLease{ResourceID: "secret"})
		must(t, err)
	}
}

// work completes n tasks.
func work(t testing.TB, q *leasequeue.Local, n int) {
	t.Helper()
	for range n {
		l, err := q.TryLease(context.Background())
		must(t, err)
		must(t, l.Complete(context.Background()))
	}
}

// fail makes a task a dead letter.
func fail(t testing.TB, q *leasequeue.Local, text string) {
	t.Helper()
	l, err := q.TryLease(context.Background())
	must(t, err)
	must(t, l.Fail(context.Background(), errors.New(text)))
}

// ran is a run of the command that has ended.
type ran struct {
	status         int
	stdout, stderr string
}

// tqctl runs the command, not on a terminal. env are NAME=VALUE.
func tqctl(t testing.TB, env []string, args ...string) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), args, surroundings{&stdout, &stderr, getenv(env)})

	return ran{status, stdout.String(), stderr.String()}
}

func getenv(env []string) func(string) string {
	return func(name string) string {
		for _, e := range env {
			if value, ok := strings.CutPrefix(e, name+"="); ok {
				return value
			}
		}

		return ""
	}
}

// watcher is a run of the command that goes on.
type watcher struct {
	t         testing.TB
	lines     *bufio.Scanner
	stop      context.CancelFunc
	done      chan struct{}
	status    int
	complaint bytes.Buffer // to be read once it is done
}

func startWatch(t testing.TB, args ...string) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	from, to := io.Pipe()
	w := &watcher{t: t, lines: bufio.NewScanner(from), stop: cancel, done: make(chan struct{})}
	w.lines.Buffer(nil, 1<<20)
	go func() {
		defer close(w.done)
		args := append([]string{"watch"}, args...)
		w.status = run(ctx, args, surroundings{to, &w.complaint, getenv(nil)})
		_ = to.Close()
	}()
	t.Cleanup(func() {
		_ = from.Close()
		cancel()
		<-w.done
	})

	return w
}

// next is the next line, of that type.
func (w *watcher) next(kind string) line {
	w.t.Helper()
	if !w.lines.Scan() {
		<-w.done
		w.t.Fatalf("the end, %v, status %d, %s; want %s", w.lines.Err(), w.status, &w.complaint, kind)
	}
	var l line
	must(w.t, json.Unmarshal(w.lines.Bytes(), &l))
	if l.Type != kind {
		w.t.Fatalf("%s; want %s", w.lines.Text(), kind)
	}

	return l
}

// end is its status, once it has printed all.
func (w *watcher) end() int {
	w.t.Helper()
	for w.lines.Scan() {
		w.t.Errorf("and %s", w.lines.Text())
	}
	<-w.done

	return w.status
}

func decode[T any](t testing.TB, text []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}

	return v
}
