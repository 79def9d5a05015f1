package conformance

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tqgen/tqgen/adapters/grpc/internal/leaks"
	"github.com/tqgen/tqgen/adapters/grpc/replicationgrpc"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/replicationhttp"
	"github.com/tqgen/tqgen/runtime/tq"
)

// TestMain holds, too, that nothing runs when all streams and servers are over.
func TestMain(m *testing.M) { leaks.Main(m) }

// bounds are what handlers of every transport take.
type bounds struct {
	heartbeat, writeTimeout                     time.Duration
	maxStreams, maxSnapshots, maxLine, maxState int
	synchronous                                 *tq.SyncOptions
	authorize                                   func(token, certificate string) error // what the caller has of each
	tls                                         *tls.Config
}

// asking is what clients of every transport take.
type asking struct {
	silence, timeout  time.Duration
	maxLine, maxState int
	acknowledge       bool
	token             string
	tls               *tls.Config
}

// served is a feed as a transport serves it.
type served struct {
	client    func(t *testing.T, a asking) replication.Client
	followers func() int
	release   func() error // Handler.Close
	cut       func()       // ends all connections
	stop      func()       // and the server; called at the end of the test if not before
}

type transport struct {
	name  string
	serve func(t *testing.T, f replication.Feed, b bounds) *served
}

var transports = []transport{{"http", serveHTTP}, {"grpc", serveGRPC}, {"grpc in memory", serveBuffers}}

// each runs a case over each transport.
func each(t *testing.T, run func(t *testing.T, serve func(f replication.Feed, b bounds) *served)) {
	t.Parallel()
	for _, over := range transports {
		t.Run(over.name, func(t *testing.T) {
			t.Parallel()
			run(t, func(f replication.Feed, b bounds) *served { return over.serve(t, f, b) })
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func serveHTTP(t *testing.T, f replication.Feed, b bounds) *served {
	o := replicationhttp.HandlerOptions{
		Heartbeat: b.heartbeat, WriteTimeout: b.writeTimeout, MaxStreams: b.maxStreams, MaxSnapshots: b.maxSnapshots,
		MaxLine: b.maxLine, MaxSnapshot: b.maxState, Synchronous: b.synchronous,
	}
	if b.authorize != nil {
		o.Authorize = func(r *http.Request) error {
			certificate := ""
			if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
				certificate = r.TLS.PeerCertificates[0].Subject.CommonName
			}

			return b.authorize(r.Header.Get("Authorization"), certificate)
		}
	}
	h, err := replicationhttp.NewHandler(f, o)
	must(t, err)
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	if server.TLS = b.tls; b.tls != nil {
		server.StartTLS()
	} else {
		server.Start()
	}
	stop := func() {
		server.CloseClientConnections() // those of streams
		server.Close()
	}
	t.Cleanup(stop)

	return &served{
		client:    func(t *testing.T, a asking) replication.Client { return clientHTTP(t, server.URL, a) },
		followers: h.Followers, release: h.Close, cut: server.CloseClientConnections, stop: stop,
	}
}

func clientHTTP(t *testing.T, url string, a asking) replication.Client {
	t.Helper()
	through := &http.Transport{TLSClientConfig: a.tls}
	t.Cleanup(through.CloseIdleConnections)
	c, err := replicationhttp.NewClient(url, replicationhttp.ClientOptions{
		HTTP: &http.Client{Transport: through}, Silence: a.silence, Timeout: a.timeout,
		MaxLine: a.maxLine, MaxSnapshot: a.maxState, Acknowledge: a.acknowledge,
		Authorize: func(r *http.Request) error {
			r.Header.Set("Authorization", a.token)
			return nil
		},
	})
	must(t, err)

	return c
}

func serveGRPC(t *testing.T, f replication.Feed, b bounds) *served {
	in, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)

	return serveListener(t, in, func(ctx context.Context, _ string) (net.Conn, error) {
		var d net.Dialer

		return d.DialContext(ctx, "tcp", in.Addr().String())
	}, f, b)
}

func serveBuffers(t *testing.T, f replication.Feed, b bounds) *served {
	in := bufconn.Listen(1 << 16)

	return serveListener(t, in, func(ctx context.Context, _ string) (net.Conn, error) { return in.DialContext(ctx) }, f, b)
}

func serveListener(
	t *testing.T, in net.Listener, dial func(context.Context, string) (net.Conn, error), f replication.Feed, b bounds,
) *served {
	o := replicationgrpc.HandlerOptions{
		Heartbeat: b.heartbeat, WriteTimeout: b.writeTimeout, MaxStreams: b.maxStreams, MaxSnapshots: b.maxSnapshots,
		MaxLine: b.maxLine, MaxSnapshot: b.maxState, Synchronous: b.synchronous,
	}
	if b.authorize != nil {
		o.Authorize = func(ctx context.Context) error { return b.authorize(tokenOf(ctx), certificateOf(ctx)) }
	}
	h, err := replicationgrpc.NewHandler(f, o)
	must(t, err)
	with := []grpc.ServerOption{grpc.WaitForHandlers(true)}
	if b.tls != nil {
		with = append(with, grpc.Creds(credentials.NewTLS(b.tls)))
	}
	server := grpc.NewServer(with...)
	must(t, replicationgrpc.Register(server, h))
	open := &connections{Listener: in}
	serving := make(chan error, 1)
	go func() { serving <- server.Serve(open) }()
	stop := func() {
		server.Stop()
		if err := <-serving; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
		serving <- nil // for who stops it again
	}
	t.Cleanup(stop)

	return &served{
		client:    func(t *testing.T, a asking) replication.Client { return clientGRPC(t, dial, a) },
		followers: h.Followers, release: h.Close, cut: open.cut, stop: stop,
	}
}

func clientGRPC(t *testing.T, dial func(context.Context, string) (net.Conn, error), a asking) replication.Client {
	t.Helper()
	security := insecure.NewCredentials()
	if a.tls != nil {
		security = credentials.NewTLS(a.tls)
	}
	conn, err := grpc.NewClient("passthrough:///localhost", grpc.WithContextDialer(dial), grpc.WithTransportCredentials(security),
		grpc.WithPerRPCCredentials(token(a.token)))
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close()) })
	c, err := replicationgrpc.NewClient(conn, replicationgrpc.ClientOptions{
		Silence: a.silence, Timeout: a.timeout, MaxLine: a.maxLine, MaxSnapshot: a.maxState, Acknowledge: a.acknowledge,
	})
	must(t, err)

	return c
}

// token is what a caller has.
type token string

func (k token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": string(k)}, nil
}

func (k token) RequireTransportSecurity() bool { return false }

func tokenOf(ctx context.Context) string {
	if got := metadata.ValueFromIncomingContext(ctx, "authorization"); len(got) == 1 {
		return got[0]
	}

	return ""
}

func certificateOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		if known, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(known.State.PeerCertificates) > 0 {
			return known.State.PeerCertificates[0].Subject.CommonName
		}
	}

	return ""
}
