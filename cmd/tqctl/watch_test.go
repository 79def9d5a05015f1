package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
)

// quietly is a host whose events are those of the test alone.
var quietly = diagnostics.Options{Interval: time.Hour}

func TestWatchOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, quietly)
	q, _ := s.attach("orders"), s.attach("mails")
	enqueue(t, q, 6)
	fail(t, q, "one")
	fail(t, q, "two")
	for topic, want := range map[string][]string{
		"backpressure": {"taskqueue.backpressure orders", "taskqueue.backpressure mails"},
		"queues": {
			"taskqueue.stats orders", "taskqueue.stats mails", "taskqueue.backpressure orders", "taskqueue.backpressure mails",
		},
		"deadletters":                  {"taskqueue.deadletter orders 1 one", "taskqueue.deadletter orders 2 two"},
		"deadletters --queue mails":    nil,
		"backpressure --queue mails":   {"taskqueue.backpressure mails"},
		"queues --queue mails,another": {"taskqueue.stats mails", "taskqueue.backpressure mails"},
	} {
		got := tqctl(t, nil, append([]string{"watch", "--once", "--url", s.URL}, strings.Fields(topic)...)...)
		if got.status != exitOK || got.stderr != "" {
			t.Errorf("%s: status %d, %s", topic, got.status, got.stderr)
		}
		var lines []string
		for text := range strings.Lines(got.stdout) {
			l := decode[line](t, []byte(text))
			about := decode[struct {
				Queue, Error string
				Number       int
			}](t, l.Data)
			lines = append(lines, strings.TrimSpace(strings.ReplaceAll(
				fmt.Sprintf("%s %s %d %s", l.Type, about.Queue, about.Number, about.Error), " 0", "")))
			if !l.Snapshot || l.ID == "" {
				t.Errorf("%s: not marked as of a snapshot: %s", topic, text)
			}
		}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("%s (-want +got):\n%s", topic, diff)
		}
	}
}

// A watch goes on behind what it saw when the connection ends, tells gaps, and
// what there is after one.
func TestWatchResumes(t *testing.T) {
	t.Parallel()
	o := quietly
	o.Ring = 4
	s := serve(t, o)
	q := s.attach("orders")
	w := startWatch(t, "deadletters", "--url", s.URL)
	enqueue(t, q, 10)
	var letters []uint64
	next := func() line {
		l := w.next(diagnostics.TypeDeadLetter)
		letters = append(letters, decode[diagnostics.DeadLetter](t, l.Data).Number)

		return l
	}
	fail(t, q, "before")
	next()

	s.CloseClientConnections()
	fail(t, q, "meanwhile")
	if l := next(); l.Snapshot {
		t.Errorf("what was missed is told as %+v", l)
	}

	s.down.Store(true)
	s.CloseClientConnections()
	for range 5 {
		fail(t, q, "too many for the ring")
	}
	<-s.refused
	s.down.Store(false)
	gap := decode[diagnostics.Gap](t, w.next(diagnostics.TypeGap).Data)
	if gap.Reason != "overrun" || gap.Dropped < 5 {
		t.Errorf("gap %+v", gap)
	}
	letters = nil
	for range 7 {
		if l := next(); !l.Snapshot {
			t.Errorf("after a gap: %+v", l)
		}
	}
	fail(t, q, "after")
	next()
	if diff := cmp.Diff([]uint64{1, 2, 3, 4, 5, 6, 7, 8}, letters); diff != "" {
		t.Errorf("dead letters since the gap (-want +got):\n%s", diff)
	}

	s.replace(quietly)
	w.next(diagnostics.TypeBye)
	if gap := decode[diagnostics.Gap](t, w.next(diagnostics.TypeGap).Data); gap.Reason != "unknown" {
		t.Errorf("after a restart: %+v", gap)
	}
	w.stop()
	if status := w.end(); status != exitOK || !strings.Contains(w.complaint.String(), "503") ||
		!strings.Contains(w.complaint.String(), "connected again") {
		t.Errorf("interrupted: status %d, %s", status, &w.complaint)
	}
}

// Events of sources and sinks, and the figures of their peers.
func TestWatchReplication(t *testing.T) {
	t.Parallel()
	s := serve(t, lively)
	q := s.attach("orders")
	apply := s.replicate(q)
	w := startWatch(t, "replication", "--url", s.URL)
	if l := w.next(diagnostics.TypeStats); !l.Snapshot || len(decode[diagnostics.QueueStats](t, l.Data).Replication) != 1 {
		t.Errorf("at first %s", l.Data)
	}
	if l := w.next(diagnostics.TypeReplicas); !l.Snapshot { // the sink does not know its queue yet
		t.Errorf("then %s", l.Data)
	}
	close(apply)
	enqueue(t, q, 2)
	work(t, q, 1)
	events := map[string]string{}
	for behind, seen := -1, 0; behind != 0 || seen < 8; {
		w.lines.Scan()
		switch l := decode[line](t, w.lines.Bytes()); l.Type {
		case diagnostics.TypeReplication:
			e := decode[diagnostics.Replicated](t, l.Data)
			events[e.Role] += " " + e.Kind
			seen++
		case diagnostics.TypeStats:
			behind = 8
			for _, r := range decode[diagnostics.QueueStats](t, l.Data).Replication {
				behind -= int(r.Position)
			}
		default:
			t.Fatalf("%+v", l)
		}
	}
	all := " Enqueued Enqueued LeaseGranted Completed"
	if diff := cmp.Diff(map[string]string{"source": all, "sink": all}, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// Sources and sinks of a queue that is elsewhere are in a snapshot all the same.
func TestUnfoldReplicas(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(diagnostics.Snapshot{
		Queues: []diagnostics.QueueStats{{Queue: "here"}},
		Replication: []diagnostics.Replication{
			{Queue: "here", Role: "source"}, {Queue: "there", Role: "sink", Stream: "a"}, {Queue: "there", Role: "sink", Stream: "b"},
		},
	})
	must(t, err)
	parts, err := unfold(topicReplication, "a.1", text)
	must(t, err)
	var got []string
	for _, p := range parts {
		r := decode[diagnostics.Replicas](t, p.data)
		got = append(got, fmt.Sprint(p.kind, " ", p.queue, " ", len(r.Replication)))
	}
	want := []string{"taskqueue.stats here 0", "taskqueue.replicas there 2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
}

func TestWatchSince(t *testing.T) {
	t.Parallel()
	s := serve(t, quietly)
	q := s.attach("orders")
	enqueue(t, q, 6)
	first := startWatch(t, "backpressure", "--url", s.URL)
	l := first.next(diagnostics.TypeBackpressure)
	for !decode[backpressure.Signal](t, l.Data).Active {
		l = first.next(diagnostics.TypeBackpressure)
	}
	work(t, q, 6)
	for decode[backpressure.Signal](t, l.Data).Active || l.Snapshot {
		l = first.next(diagnostics.TypeBackpressure)
	}
	epoch, _, _ := strings.Cut(l.ID, ".")
	w := startWatch(t, "backpressure", "--url", s.URL, "--since", epoch+".0", "--until", "inactive")
	if e := w.next(diagnostics.TypeBackpressure); e.ID != epoch+".1" || e.Snapshot {
		t.Errorf("since the beginning: %+v", e)
	}
}

// Until ends with what it waited for; ended otherwise the status says so.
func TestWatchUntil(t *testing.T) {
	t.Parallel()
	s := serve(t, quietly)
	q := s.attach("orders")
	args := []string{"backpressure", "--url", s.URL, "--until"}
	if status := endOf(startWatch(t, append(args, "inactive")...)); status != exitOK {
		t.Errorf("inactive already: status %d", status)
	}
	w := startWatch(t, append(args, "active")...)
	w.next(diagnostics.TypeBackpressure)
	enqueue(t, q, 6)
	if status := endOf(w); status != exitOK {
		t.Errorf("active: status %d, %s", status, &w.complaint)
	}
	w = startWatch(t, append(args, "inactive")...)
	w.next(diagnostics.TypeBackpressure)
	w.stop()
	if status := endOf(w); status != exitInterrupted {
		t.Errorf("interrupted: status %d", status)
	}
	w = startWatch(t, append(args, "inactive", "--for", "1ms")...)
	if status := endOf(w); status != exitViolated || !strings.Contains(w.complaint.String(), "passed without") {
		t.Errorf("over: status %d, %s", status, &w.complaint)
	}
	w = startWatch(t, append(args, "inactive")...)
	w.next(diagnostics.TypeBackpressure)
	work(t, q, 6)
	if status := endOf(w); status != exitOK {
		t.Errorf("inactive: status %d", status)
	}
	w = startWatch(t, append(args, "inactive", "--queue", "none")...)
	if status := endOf(w); status != exitFailure || !strings.Contains(w.complaint.String(), "no monitor") {
		t.Errorf("no monitor: status %d, %s", status, &w.complaint)
	}
}

// endOf is the status of a watch, whatever it prints before.
func endOf(w *watcher) int {
	for w.lines.Scan() {
	}
	<-w.done

	return w.status
}

// A plain stream has signals and nothing else.
func TestWatchPlainStream(t *testing.T) {
	t.Parallel()
	s := serve(t, quietly)
	q := s.attach("orders")
	url := s.URL + "/omnirelay/control/backpressure/stream"
	w := startWatch(t, "backpressure", "--url", url, "--until", "active")
	other := startWatch(t, "backpressure", "--url", url, "--queue", "none", "--for", "1s")
	first := make(chan string, 1)
	go func() {
		w.lines.Scan()
		first <- w.lines.Text()
	}()
	text := ""
	for text == "" { // the stream says nothing to begin with
		enqueue(t, q, 6)
		select {
		case text = <-first:
		case <-time.After(10 * time.Millisecond):
		}
		work(t, q, 6)
	}
	if l := decode[line](t, []byte(text)); l.Type != diagnostics.TypeBackpressure || l.ID != "" || l.Snapshot {
		t.Errorf("a plain signal: %s", text)
	}
	if status := endOf(w); status != exitOK {
		t.Errorf("status %d, %s", status, &w.complaint)
	}
	if status := other.end(); status != exitOK {
		t.Errorf("another queue: status %d, %s", status, &other.complaint)
	}
	for _, args := range [][]string{{"watch", "queues"}, {"snapshot"}, {"check", "--healthy"}} {
		got := tqctl(t, nil, append(args, "--url", url)...)
		if got.status != exitFailure || !strings.Contains(got.stderr, "help: give the address of the service") {
			t.Errorf("%v of a plain stream: status %d, %s", args, got.status, got.stderr)
		}
	}
}

// raw serves a stream that says what it is given.
func raw(t *testing.T, text string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, text)
		must(t, http.NewResponseController(w).Flush())
		<-r.Context().Done()
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })

	return server.URL
}

// What is no event as hosts send them is printed, as a text, and does no harm.
func TestWatchHostileStream(t *testing.T) {
	t.Parallel()
	url := raw(t, "event: taskqueue.deadletter\x1b[31m\ndata: {}\n\n"+ // no type of ours
		"id: a\x1b]0;owned\a\nevent: taskqueue.deadletter\ndata: {\"error\": \"\u009b31m\u202e\x9b\",\ndata: \"number\":1}\n\n"+
		"event: taskqueue.deadletter\ndata: {\"number\": \"none\", \x1b\n\n"+
		"event: taskqueue.gap\ndata: {\"dropped\":3,\"reason\":\"\\u001b[2J\"}\n\n")
	w := startWatch(t, "deadletters", "--url", url)
	var got []string
	for range 3 {
		w.lines.Scan()
		got = append(got, w.lines.Text())
	}
	want := []string{
		`{"id":"a\u001b]0;owned\u0007","type":"taskqueue.deadletter","data":{"error":"\u009b31m\u202e\ufffd","number":1}}`,
		`{"id":"a\u001b]0;owned\u0007","type":"taskqueue.deadletter","data":"{\"number\": \"none\", \u001b"}`,
		`{"id":"a\u001b]0;owned\u0007","type":"taskqueue.gap","data":{"dropped":3,"reason":"\u001b[2J"}}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// Dead letters that a queue has are listed page by page, and those that come
// by the stream besides are told once.
func TestWatchListsDeadLetters(t *testing.T) {
	t.Parallel()
	const there = 2*pageSize + 1
	mux := http.NewServeMux()
	mux.HandleFunc(streamPath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "id: a.5\nevent: taskqueue.snapshot\ndata: {\"queues\":[{\"queue\":\"orders\"}]}\n\n")
		for _, n := range []int{there - 1, there, there + 1} {
			fmt.Fprintf(w, "id: a.6\nevent: taskqueue.deadletter\ndata: {\"queue\":\"orders\",\"number\":%d}\n\n", n)
		}
		must(t, http.NewResponseController(w).Flush())
		<-r.Context().Done()
	})
	mux.HandleFunc(streamPath+"/deadletters", func(w http.ResponseWriter, r *http.Request) {
		after, err := strconv.Atoi(r.URL.Query().Get("after"))
		must(t, err)
		page := []diagnostics.DeadLetter{}
		for n := after + 1; n <= there && len(page) < pageSize; n++ {
			page = append(page, diagnostics.DeadLetter{Queue: "orders", Number: uint64(n)})
		}
		w.Header().Set("Content-Type", "application/json")
		must(t, json.NewEncoder(w).Encode(map[string]any{"deadLetters": page}))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	w := startWatch(t, "deadletters", "--url", server.URL)
	for n := range uint64(there + 1) {
		l := w.next(diagnostics.TypeDeadLetter)
		if got := decode[diagnostics.DeadLetter](t, l.Data).Number; got != n+1 || l.Snapshot != (n < there) {
			t.Fatalf("dead letter %d is told as %d, of a snapshot: %v", n+1, got, l.Snapshot)
		}
	}
}

func TestWatchMisuse(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                                       "want one of backpressure, queues, replication, deadletters",
		"queue":                                  "want one of backpressure, queues, replication, deadletters",
		"queues backpressure":                    "want one of backpressure, queues, replication, deadletters",
		"queues --until inactive":                "--until is for watch backpressure",
		"backpressure --until x":                 "--until x: want inactive or active",
		"backpressure --until inactive --once":   "do not go together",
		"queues --once --since x.1":              "does not go with --since",
		"queues --for -1s":                       "not below zero",
		"queues --bogus":                         "unknown flag: --bogus",
		"queues --url ftp://x":                   "want http://HOST:PORT",
		"queues --header x":                      `want NAME: VALUE in one line, got "x"`,
		"queues --ca /nowhere":                   "--ca: open /nowhere",
		"queues --cert x":                        "--cert and --key go together",
		"queues --timeout 0s":                    "above zero",
		"queues --token-file /nowhere":           "--token-file: open /nowhere",
		"queues --once --url http://127.0.0.1:1": "connection refused\n\thelp: does the service run",
	} {
		got := tqctl(t, nil, append([]string{"watch"}, strings.Fields(args)...)...)
		if got.status != exitFailure || got.stdout != "" || !strings.Contains(got.stderr, want) ||
			!strings.Contains(got.stderr, "\thelp: ") {
			t.Errorf("watch %s: status %d, %s\nwant %s", args, got.status, got.stderr, want)
		}
	}
}
