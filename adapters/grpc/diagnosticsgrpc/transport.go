package diagnosticsgrpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	diagnosticspb "github.com/tqgen/tqgen/adapters/grpc/proto/tqgen/diagnostics/v1"
)

// Transport lets readers of the HTTP stream read it over gRPC, such as
// runtime/diagnostics/client, which comes back and resumes by itself:
//
//	c := client.Client{
//		URL:  "http://orders/?types=taskqueue.stats,taskqueue.backpressure",
//		HTTP: &http.Client{Transport: diagnosticsgrpc.Transport(conn)},
//	}
//
// A GET becomes a Watch: Last-Event-ID, types and queues mean what they mean over
// HTTP, Authorization goes along, and host and path say nothing. Refusals come with
// the status that HTTP has for them.
func Transport(conn grpc.ClientConnInterface, call ...grpc.CallOption) http.RoundTripper {
	return &transport{diagnosticspb.NewDiagnosticsClient(conn), call}
}

type transport struct {
	rpc  diagnosticspb.DiagnosticsClient
	call []grpc.CallOption
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close() // it says nothing
	}
	if r.Method != http.MethodGet {
		return nil, errors.New("diagnosticsgrpc: a stream is read with GET")
	}
	ctx, cancel := context.WithCancel(r.Context())
	if token := r.Header.Get("Authorization"); token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", token)
	}
	rpc, err := t.rpc.Watch(ctx, request(r.Header.Get("Last-Event-ID"), r.URL.Query()), t.call...)
	if err == nil {
		var accepted metadata.MD
		if accepted, err = rpc.Header(); err == nil && accepted == nil {
			_, err = rpc.Recv() // why it was not
		}
	}
	if err != nil {
		cancel()
		return refusal(r, err)
	}

	return response(r, http.StatusOK, "text/event-stream", &body{rpc: rpc, cancel: cancel}), nil
}

// request is what a query asks for.
func request(after string, q url.Values) *diagnosticspb.WatchRequest {
	list := func(key string) []string {
		if v := q.Get(key); v != "" {
			return strings.Split(v, ",")
		}

		return nil
	}
	if after == "" {
		after = q.Get("lastEventId")
	}

	return &diagnosticspb.WatchRequest{After: after, Types: list("types"), Queues: list("queues")}
}

func response(r *http.Request, code int, content string, body io.ReadCloser) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", code, http.StatusText(code)), StatusCode: code, Request: r,
		Proto: "HTTP/2.0", ProtoMajor: 2, Header: http.Header{"Content-Type": {content}}, Body: body, ContentLength: -1,
	}
}

// refusal is what HTTP would answer; the error remains one if nobody has answered.
func refusal(r *http.Request, err error) (*http.Response, error) {
	code, after := 0, 0.0
	said := status.Convert(err)
	for _, d := range said.Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			code, after = http.StatusServiceUnavailable, info.GetRetryDelay().AsDuration().Seconds()
		}
	}
	switch said.Code() {
	case codes.InvalidArgument:
		code = http.StatusBadRequest
	case codes.Unauthenticated:
		code = http.StatusUnauthorized
	case codes.PermissionDenied:
		code = http.StatusForbidden
	case codes.NotFound, codes.Unimplemented:
		code = http.StatusNotFound
	}
	if code == 0 {
		return nil, err
	}
	answer := response(r, code, "text/plain; charset=utf-8", io.NopCloser(strings.NewReader(said.Message()+"\n")))
	if after > 0 {
		answer.Header.Set("Retry-After", strconv.Itoa(int(math.Ceil(after))))
	}

	return answer, nil
}

// body is the stream as HTTP has it.
type body struct {
	rpc    diagnosticspb.Diagnostics_WatchClient
	cancel context.CancelFunc
	frame  bytes.Buffer // what is left of the last event
}

func (b *body) Read(p []byte) (int, error) {
	if b.frame.Len() == 0 {
		e, err := b.rpc.Recv()
		if err != nil {
			return 0, err
		}
		b.write(e)
	}

	return b.frame.Read(p)
}

func (b *body) write(e *diagnosticspb.WatchResponse) {
	b.frame.Reset()
	if e.GetType() == "" {
		b.frame.WriteString(": alive\n\n")
		return
	}
	if e.GetId() != "" {
		fmt.Fprintf(&b.frame, "id: %s\n", e.GetId())
	}
	fmt.Fprintf(&b.frame, "event: %s\ndata: %s\n\n", e.GetType(), e.GetData())
}

func (b *body) Close() error {
	b.cancel()

	return nil
}
