package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/replication"
)

// TestMain lets the test binary be each of the processes.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable)+os.Getenv(serviceVariable) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// parsed gives settings as the command line gives them.
func parsed(t *testing.T, args ...string) settings {
	t.Helper()
	s, err := parse(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}

	return s
}

// lines hands on what is written to it.
type lines struct{ told chan string }

func (l lines) Write(p []byte) (int, error) {
	l.told <- string(p)

	return len(p), nil
}

// TestMesh is a mesh in good health: what it prints leads somewhere, a task
// becomes a mail, and it ends by itself.
func TestMesh(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	meshCtx, end := context.WithCancel(ctx)
	defer end()
	out := lines{make(chan string, 8)}
	var stderr bytes.Buffer
	over := make(chan error, 1)
	go func() { over <- runMesh(meshCtx, parsed(t, "-interval=50ms"), &said{w: out}, &said{w: &stderr}) }()
	var text string
	select {
	case text = <-out.told:
	case err := <-over:
		t.Fatalf("it has not begun: %v\n%s", err, &stderr)
	}
	all := nodes{}
	if err := all.Set(regexp.MustCompile(`-nodes (\S+)`).FindStringSubmatch(text)[1]); err != nil {
		t.Fatal(err)
	}
	client, err := newClient(all, "test")
	if err != nil {
		t.Fatal(err)
	}
	id, err := client.Enqueue(ctx, payload("vm", "i-1"))
	if err != nil {
		t.Fatal(err)
	}
	gateway := regexp.MustCompile(`mails +(\S+)`).FindStringSubmatch(text)[1]
	var mails []mail
	sent := func() bool { return get(ctx, gateway, &mails) == nil && len(mails) == 1 }
	if err := until(ctx, "the mail is sent", sent); err != nil {
		t.Fatal(err)
	}
	if m := mails[0]; m.Resource != "i-1" || m.Task != id.String() || m.Calls != 1 {
		t.Errorf("mail %+v", m)
	}
	for path, want := range map[string]string{
		"/diagnostics/": "<html", "/diagnostics/taskqueue": "taskqueue.snapshot", "/livez": "alive", pathStatus: `"node"`,
	} {
		for name, url := range all {
			if got := beginning(ctx, t, url+path); !strings.Contains(got, want) {
				t.Errorf("%s%s: %q", name, path, got)
			}
		}
	}
	metrics := beginning(ctx, t, client.Node()+pathMetrics)
	for _, want := range []string{
		"taskqueue_enqueued_total{", "taskqueue_completed_total{", "hugo_taskqueue_backpressure_active",
		"omnirelay_peer_lease_healthy",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("%s is not in the metrics of the owner", want)
		}
	}
	for name, url := range all {
		if url == client.Node() {
			continue
		}
		var s diagnostics.Snapshot
		follows := func() bool {
			err := get(ctx, url+"/diagnostics/taskqueue/snapshot", &s)

			return err == nil && len(s.Replication) == 1 && s.Replication[0].Queue == queueName && s.Replication[0].Position > 0
		}
		if err := until(ctx, "the page of "+name+" shows how far it is", follows); err != nil {
			t.Errorf("%v: %+v", err, s.Replication)
		}
		if got := beginning(ctx, t, url+pathMetrics); !strings.Contains(got, "taskqueue_replication_applied_total{") {
			t.Errorf("%s is a follower without metrics of it", name)
		}
	}
	end()
	for {
		select {
		case <-out.told:
		case err := <-over:
			if err != nil || stderr.Len() > 0 {
				t.Errorf("it ended with %v\n%s", err, &stderr)
			}

			return
		}
	}
}

// beginning is what a URL answers with, as far as it comes at once.
func beginning(ctx context.Context, t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text := make([]byte, 1<<18)
	n := 0
	for {
		k, err := res.Body.Read(text[n:])
		n += k
		if err != nil || strings.Contains(res.Header.Get("Content-Type"), "event-stream") {
			return string(text[:n])
		}
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]int{
		"-h": 0, "x": 2, "-role king": 2, "-role node": 2, "-role worker -name w": 2, "-role load": 2, "-ingress maybe": 2,
		"-nodes a=1": 2, "-clients 0": 2, "-role drill -only nothing": 2, "-role health": 2, "-workers 0": 2,
	} {
		var out bytes.Buffer
		if got := run(strings.Fields(args), &out, &out); got != want {
			t.Errorf("%s: status %d\n%s", args, got, &out)
		}
	}
}

// A node that cannot listen owns nothing.
func TestNodeThatCannotListen(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	state := t.TempDir()
	s := parsed(t, "-role", "node", "-name", "a", "-first", "-listen", taken.Addr().String(), "-state", state)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // it tries for longer
	defer cancel()
	if err := runNode(ctx, s, &said{w: io.Discard}, io.Discard); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("it ends with %v", err)
	}
	store, err := effect.OpenFiles(filepath.Join(state, "terms"))
	if err != nil {
		t.Fatal(err)
	}
	terms := replication.Terms{Store: store, Queue: queueName, Peer: "b"}
	if claim, found, err := terms.Get(t.Context(), 1); found || err != nil {
		t.Errorf("it has claimed %+v (%v)", claim, err)
	}
}

func TestNodes(t *testing.T) {
	t.Parallel()
	n := nodes{}
	if err := n.Set("b=http://h:2/,a=http://h:1"); err != nil || n.String() != "a=http://h:1,b=http://h:2" {
		t.Errorf("%v, %v", n, err)
	}
	s := parsed(t, "-role", "node", "-name", "a", "-listen", ":0", "-state", "x", "-nodes", n.String())
	if len(s.peers) != 1 || s.peers["b"] != "http://h:2" {
		t.Errorf("peers %v", s.peers)
	}
}
