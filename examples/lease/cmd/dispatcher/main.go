// Dispatcher leases resources to peers over HTTP, from one queue in the memory
// of this process: the least that a host needs. docs/dispatch.md has what can be
// asked of it.
//
//	go run ./examples/lease/cmd/dispatcher -listen 127.0.0.1:8080
//
// The page of the queue is at /, its stream at /diagnostics/taskqueue.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/examples/lease/peers"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address to answer at")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, listen string, out io.Writer) (err error) {
	q, err := leasequeue.New(leasequeue.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	monitor, err := backpressure.New(q, backpressure.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, monitor.Close()) }()
	tracker, err := peers.New(peers.Options{})
	if err != nil {
		return err
	}
	followed := make(chan error, 1)
	go func() { followed <- tracker.Follow(ctx, q) }()
	page, err := diagnostics.New(diagnostics.Options{})
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = page.Close() }) // streams end, and with them their requests
	if err := errors.Join(page.AttachQueue(q), page.AttachMonitor(monitor)); err != nil {
		return err
	}

	log := slog.New(slog.NewTextHandler(out, nil))
	service, err := dispatch.New(dispatch.Options{Queue: q, Backpressure: monitor, Peers: tracker, Logger: log})
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/resourcelease/", service)
	mux.Handle("/", page)
	log.Info("answering", "url", "http://"+l.Addr().String())

	err = dispatch.Serve(ctx, l, service, dispatch.ServeOptions{Handler: mux, Logger: log})
	if ctx.Err() != nil {
		err = errors.Join(err, <-followed)
	}

	return err
}
