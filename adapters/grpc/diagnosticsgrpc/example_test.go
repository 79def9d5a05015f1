package diagnosticsgrpc_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tqgen/tqgen/adapters/grpc/diagnosticsgrpc"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/diagnostics/client"
)

// The client of the HTTP stream reads it over gRPC.
func Example() {
	addr, stop := exampleServer()
	defer stop()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	watch(context.Background(), conn, func(e client.Event) bool {
		fmt.Println(e.Type)

		return false
	})
	// Output: taskqueue.snapshot
}

// watch shows events until show wants no more.
func watch(ctx context.Context, conn *grpc.ClientConn, show func(client.Event) bool) {
	c := client.Client{
		URL:  "http://orders/?types=taskqueue.backpressure,taskqueue.deadletter",
		HTTP: &http.Client{Transport: diagnosticsgrpc.Transport(conn)},
	}
	for e, err := range c.Events(ctx) {
		if err != nil {
			continue // why the stream ended; it comes back
		}
		if !show(e) {
			return
		}
	}
}

func exampleServer() (addr string, stop func()) {
	host, err := diagnostics.New(diagnostics.Options{})
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	if err := diagnosticsgrpc.Register(server, host, diagnosticsgrpc.Options{}); err != nil {
		log.Fatal(err)
	}
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = server.Serve(in) }() // until it is stopped

	return in.Addr().String(), func() {
		server.Stop()
		_ = host.Close()
	}
}
