package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/diagnostics/client"
)

func TestParser(t *testing.T) {
	t.Parallel()
	stream := ": hello\n\nid: a.1\nevent: x\ndata: {\"n\":1}\n\n" + // ours
		"data: {\"isActive\":true}\r\n\r\n" + // plain, other line ends
		"event: never\n\ndata:two\ndata: lines\nretry: 5\nother\n\nid: a.2\ndata: " + strings.Repeat("x", 100_000) + "\n\ndata: cut"
	p := client.NewParser(strings.NewReader(stream))
	var got []string
	for {
		e, err := p.Next()
		if err != nil {
			got = append(got, err.Error())
			break
		}
		got = append(got, fmt.Sprintf("%s %s %.20s %d", e.ID, e.Type, e.Data, len(e.Data)))
	}
	want := []string{
		`a.1 x {"n":1} 7`, `a.1 message {"isActive":true} 17`, "a.1 message two\nlines 9",
		"a.2 message xxxxxxxxxxxxxxxxxxxx 100000", "EOF",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if _, err := client.NewParser(strings.NewReader("data: " + strings.Repeat("x", 2<<20))).Next(); !errors.Is(err, client.ErrTooLong) {
		t.Errorf("a line of 2 MiB: %v", err)
	}
}

// A client comes back behind the last event it saw, says why it was away, and
// gives up where asking again does not help.
func TestResume(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		after := r.Header.Get("Last-Event-ID")
		switch asked {
		case 1:
			fmt.Fprintf(w, "id: 1\ndata: after %q, %s\n\n", after, r.Header.Get("Authorization"))
		case 2:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "busy", http.StatusServiceUnavailable)
		case 3:
			fmt.Fprintf(w, "id: 2\ndata: after %q\n\n", after)
		default:
			http.Error(w, "no", http.StatusForbidden)
		}
	}))
	defer server.Close()
	c := client.Client{
		URL: server.URL, After: "0", Header: http.Header{"Authorization": {"me"}},
		MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond,
	}
	var got []string
	for e, err := range c.Events(t.Context()) {
		if err != nil {
			got = append(got, err.Error())
		} else {
			got = append(got, string(e.Data))
		}
	}
	want := []string{
		`after "0", me`, io.EOF.Error(), "client: status 503: busy", `after "1"`, io.EOF.Error(), "client: status 403: no",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range c.Events(ctx) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}
