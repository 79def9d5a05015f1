package dispatch

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Dispatcher is a [Service], or [Shards].
type Dispatcher interface {
	http.Handler
	// Close ends leasing, also for those that wait.
	Close() error
}

// ServeOptions are how Serve serves. A zero field means what its comment says.
type ServeOptions struct {
	// Handler is what is served, such as a mux with the dispatcher and what else
	// the process shows. Nil is the dispatcher alone.
	Handler http.Handler
	// TLS, if set, makes connections be of TLS.
	TLS *tls.Config
	// Grace is how long requests have to be answered at the end. 10 s.
	Grace time.Duration
	// Logger is told of connections that fail. Nil is silence.
	Logger *slog.Logger
}

// Serve answers requests at l until ctx ends. Then it closes d, so
// that nobody waits for a task any more, lets what is under way be answered,
// and returns nil, or why the end was not graceful.
func Serve(ctx context.Context, l net.Listener, d Dispatcher, o ServeOptions) error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	server := &http.Server{
		Handler: o.Handler, TLSConfig: o.TLS,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelInfo),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	if server.Handler == nil {
		server.Handler = d
	}
	ended := make(chan error, 1)
	go func() {
		if o.TLS != nil {
			ended <- server.ServeTLS(l, "", "")
			return
		}
		ended <- server.Serve(l)
	}()
	select {
	case err := <-ended:
		return errors.Join(err, d.Close())
	case <-ctx.Done():
	}
	if err := d.Close(); err != nil {
		return err
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(o.Grace, 10*time.Second))
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(err, server.Close())
	}

	return nil
}
