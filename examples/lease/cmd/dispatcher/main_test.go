package main

import (
	"bufio"
	"context"
	"io"
	"regexp"
	"testing"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/dispatch"
)

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
