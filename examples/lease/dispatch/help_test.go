package dispatch_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/tq"
)

func vm(id string) lease.ResourceLease {
	return lease.ResourceLease{
		ResourceType: "vm", ResourceID: id, PartitionKey: "eu", PayloadEncoding: "raw", Body: []byte("secret"),
	}
}

const vmJSON = `{"resourceType":"vm","resourceId":"i-1","partitionKey":"eu","payloadEncoding":"raw","body":"AQI="}`

func open(t *testing.T, o leasequeue.Options) *leasequeue.Local {
	t.Helper()
	q, err := leasequeue.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})

	return q
}

func service(t *testing.T, o dispatch.Options) *dispatch.Service {
	t.Helper()
	s, err := dispatch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})

	return s
}

// serve serves h over HTTP on loopback.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)

	return server.URL
}

func client(t *testing.T, nodes ...string) *dispatch.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := dispatch.NewClient(dispatch.ClientOptions{
		Nodes: nodes, Peer: "worker-7", HTTP: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}

	return c
}

// answer is what came back.
type answer struct {
	Status int
	Code   string
	Path   string
	Owner  string
	header http.Header
	body   string
}

func (a answer) seen() answer {
	return answer{Status: a.Status, Code: a.Code, Path: a.Path, Owner: a.Owner}
}

func post(t *testing.T, url, body string) answer {
	t.Helper()

	return send(t, http.MethodPost, url, "application/json", strings.NewReader(body))
}

func send(t *testing.T, method, url, media string, body io.Reader) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}

	return do(t, r)
}

func do(t *testing.T, r *http.Request) answer {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Status: res.StatusCode, header: res.Header, body: string(text)}
	if res.StatusCode >= 400 {
		var said tq.TaskError
		if err := said.UnmarshalJSON(text); err != nil {
			t.Fatalf("status %d with %q, which is no error's wire form: %v", res.StatusCode, text, err)
		}
		a.Code, a.Path, a.Owner = said.Code, said.Metadata["path"].String(), said.Metadata["owner"].String()
	}

	return a
}

func enqueue(t *testing.T, q *leasequeue.Local, p lease.ResourceLease) {
	t.Helper()
	if _, err := q.TryEnqueue(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

func take(t *testing.T, q *leasequeue.Local) leasequeue.Lease {
	t.Helper()
	l, err := q.TryLease(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	return l
}

// token is the body of a request about a lease.
func token(l leasequeue.Lease) string {
	return `{"ownershipToken":` + string(l.Token.AppendJSON(nil)) + `}`
}

// await reads events until one is of that kind.
func await(ctx context.Context, t *testing.T, r *leasequeue.Reader, k tq.Kind) leasequeue.Event {
	t.Helper()
	for {
		e, err := r.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == k {
			return e
		}
	}
}
