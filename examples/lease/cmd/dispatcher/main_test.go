package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/runtime/tq"
)

// TestMain is the command itself in the process that a test starts.
func TestMain(m *testing.M) {
	if os.Getenv("DISPATCHER") != "" {
		os.Args = []string{"dispatcher", "-listen", "127.0.0.1:0"}
		main()
		return
	}
	os.Exit(m.Run())
}

// TestSignals: who waits for a task when the process is told to end is answered,
// however it is told.
func TestSignals(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be sent signals")
	}
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		p := exec.CommandContext(t.Context(), os.Args[0])
		p.Env = append(os.Environ(), "DISPATCHER=1")
		out, err := p.StderrPipe()
		if err == nil {
			err = p.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		c, err := dispatch.NewClient(dispatch.ClientOptions{
			Nodes: []string{regexp.MustCompile(`http://\S+`).FindString(line)}, Peer: "worker-7",
		})
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		answered := make(chan error, 1)
		go func() {
			_, err := c.Lease(t.Context(), time.Minute)
			answered <- err
		}()
		for waits := false; !waits; {
			stats, err := c.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			waits = stats.WaitingConsumers > 0
		}
		if err := p.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if err := <-answered; !errors.Is(err, tq.ErrClosed) {
			t.Errorf("%v: a lease that waits is answered %v", s, err)
		}
		_, _ = io.Copy(io.Discard, lines) // Wait closes what is not read
		if err := p.Wait(); err != nil {
			t.Errorf("%v: %v", s, err)
		}
	}
}

// TestRun takes a task through the process, and ends it.
func TestRun(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(t.Context())
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "127.0.0.1:0", out) }()
	lines := bufio.NewReader(in)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	c, err := dispatch.NewClient(dispatch.ClientOptions{
		Nodes: []string{regexp.MustCompile(`http://\S+`).FindString(line)}, Peer: "worker-7",
	})
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	p := lease.ResourceLease{ResourceType: "vm", ResourceID: "i-1", PartitionKey: "eu", PayloadEncoding: "raw"}
	if _, err := c.Enqueue(ctx, p); err != nil {
		t.Fatal(err)
	}
	l, err := c.Lease(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Complete(ctx); err != nil {
		t.Fatal(err)
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
