//go:build unix

// Command orders takes orders over HTTP, and works on them: one process that
// owns the queue, others that follow it and may take its place.
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
	"time"

	"example.com/orders/order/orderqueue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/backpressurehttp"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/replicationhttp"
	"github.com/tqgen/tqgen/runtime/tq"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where orders are taken")
	follow := flag.String("follow", "", "address of the owner; SIGUSR1 takes its place")
	state := flag.String("state", "state", "folder that all processes share")
	after := flag.Uint64("after", 0, "term of the last owner, where all of them are gone")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *follow, *state, *after); err != nil {
		slog.Error("orders", "err", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen, follow, state string, after uint64) error {
	store, err := effect.OpenFiles(state)
	if err != nil {
		return err
	}
	var replica *orderqueue.Replica
	if follow != "" {
		replica, err = standBy(ctx, "http://"+follow+"/replication")
		if err != nil || replica == nil {
			return err
		}
	}
	// Who cannot be reached must not depose an owner who can, so this comes first.
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	terms := &replication.Terms{Store: store, Queue: "order", Peer: listen}
	q, err := own(ctx, replica, terms, after)
	if err != nil {
		return err
	}
	defer q.Close()
	go func() { // deposes q once somebody else has taken its place
		if err := q.Guard(ctx, terms, time.Second, nil); errors.Is(err, tq.ErrDeposed) {
			slog.Warn("succeeded", "err", err)
		}
	}()

	return serve(ctx, q, listener)
}

// own makes the queue of a replica, or an empty one where there is none.
func own(
	ctx context.Context, replica *orderqueue.Replica, terms *replication.Terms, after uint64,
) (*orderqueue.Local, error) {
	if replica != nil {
		slog.Info("taking over", "position", replica.Position().Sequence)

		return replica.Promote(ctx, orderqueue.Options{}, replication.Promotion{Terms: terms, ClockSkew: time.Second})
	}
	q, err := orderqueue.New(orderqueue.Options{})
	if err != nil {
		return nil, err
	}

	return q, q.Own(ctx, terms, after)
}

// standBy follows the owner until SIGUSR1. It gives nil if ctx ends before.
func standBy(ctx context.Context, url string) (*orderqueue.Replica, error) {
	replica, err := orderqueue.NewReplica(orderqueue.Options{})
	if err != nil {
		return nil, err
	}
	client, err := replicationhttp.NewClient(url, replicationhttp.ClientOptions{})
	if err != nil {
		return nil, err
	}
	slog.Info("following", "owner", url)
	following, stop := signal.NotifyContext(ctx, syscall.SIGUSR1)
	defer stop()
	err = orderqueue.Follow(following, client, replica, replication.FollowOptions{
		Failed: func(err error, wait time.Duration) { slog.Warn("follow", "err", err, "again", wait) },
		Missed: func(err error) { slog.Info("following from a snapshot", "why", err) },
	})
	if ctx.Err() != nil {
		return nil, nil
	}
	if !errors.Is(err, context.Canceled) {
		return nil, err
	}

	return replica, nil
}

// serve takes orders and works on them until ctx ends or nobody can bring any.
func serve(ctx context.Context, q *orderqueue.Local, listener net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	monitor, err := backpressure.New(q, backpressure.Options{})
	if err != nil {
		return err
	}
	defer monitor.Close()
	events, err := replicationhttp.NewHandler(q.Feed(), replicationhttp.HandlerOptions{})
	if err != nil {
		return err
	}
	host, err := diagnostics.New(diagnostics.Options{})
	if err != nil {
		return err
	}
	defer host.Close()
	if err := errors.Join(host.AttachQueue(q), host.AttachMonitor(monitor)); err != nil {
		return err
	}

	throttle := backpressurehttp.Middleware(monitor, backpressurehttp.Options{MaxWait: 5 * time.Second})
	mux := http.NewServeMux()
	mux.Handle("POST /orders", throttle(take(q)))
	mux.Handle("/replication/", http.StripPrefix("/replication", events))
	mux.Handle("/diagnostics/", host)
	mux.Handle("/readyz", host)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.WithoutCancel(ctx))
	}()
	served := make(chan error, 1)
	go func() {
		defer stop() // nobody could bring orders any more
		served <- server.Serve(listener)
	}()
	slog.Info("serving", "page", fmt.Sprintf("http://%v/diagnostics/", listener.Addr()), "term", q.Term())
	err = orderqueue.Run(ctx, q, orderqueue.RunOptions{Workers: 4, Grace: 5 * time.Second}, ship)
	stop()
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}

	return err
}

// take enqueues the order in a request's body.
func take(q *orderqueue.Local) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		o, err := orderqueue.ParseJSON(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		id, err := q.Enqueue(r.Context(), o)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintln(w, id)
	})
}

// ship works on one order. An error has it tried again.
func ship(_ context.Context, l *orderqueue.Lease) error {
	if len(l.Payload.Lines) == 0 {
		return tq.Permanent(errors.New("nothing was ordered")) // a dead letter at once
	}
	slog.Info("shipped", "attempt", l.Attempt, "order", l.Payload.Number)

	return nil
}
