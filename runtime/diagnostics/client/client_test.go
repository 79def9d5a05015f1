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
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/diagnostics/client"
)

func TestParser(t *testing.T) {
	t.Parallel()
	stream := "\ufeff: hello\n\nid: a.1\nevent: x\ndata: {\"n\":1}\n\n" + // ours
		"data: {\"isActive\":true}\r\n\r\n" + // plain, other line ends
		"data: {}\r\r" + // and others
		"event: never\n\ndata:two\ndata: lines\nretry: 5\nother\n\nid: a.2\ndata: " + strings.Repeat("x", 100_000) +
		"\n\nevent:\nid: b\x00\ndata\n\nid: a.3\n: alive\n\nid: a.4\ndata: cut"
	want := []string{
		`a.1 x {"n":1} 7`, `a.1 message {"isActive":true} 17`, "a.1 message {} 2", "a.1 message two\nlines 9",
		"a.2 message xxxxxxxxxxxxxxxxxxxx 100000", "a.2 message  0", "EOF after a.3",
	}
	for name, from := range map[string]io.Reader{
		"at once": strings.NewReader(stream), "by bytes": iotest.OneByteReader(strings.NewReader(stream)),
	} {
		p := client.NewParser(from)
		var got []string
		for {
			e, err := p.Next()
			if err != nil {
				got = append(got, err.Error()+" after "+p.ID())
				break
			}
			got = append(got, fmt.Sprintf("%s %s %.20s %d", e.ID, e.Type, e.Data, len(e.Data)))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events, %s (-want +got):\n%s", name, diff)
		}
	}
	for name, long := range map[string]string{
		"a line":  "data: " + strings.Repeat("x", 17<<20),
		"a field": strings.Repeat("x", 17<<20),
		"lines":   strings.Repeat("data: "+strings.Repeat("x", 1000)+"\n", 17_000) + "\n",
	} {
		p := client.NewParser(strings.NewReader("id: a.5\n" + long))
		if _, err := p.Next(); !errors.Is(err, client.ErrTooLong) || p.ID() != "a.5" {
			t.Errorf("%s of 17 MiB: %v, behind %q", name, err, p.ID())
		}
	}
}

// stream begins an answer that is a stream.
func stream(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
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
			stream(w)
			fmt.Fprintf(w, "id: 1\ndata: after %q, %s\n\n", after, r.Header.Get("Authorization"))
		case 2:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "busy", http.StatusServiceUnavailable)
		case 3:
			stream(w)
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

// An id that no request can have does not keep a client from coming back.
func TestResumeBehindNonsense(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a\x01b", strings.Repeat("1", 5000)} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			stream(w)
			fmt.Fprintf(w, "id: %s\ndata: %q\n\n", id, r.Header["Last-Event-Id"])
		}))
		t.Cleanup(server.Close)
		c := client.Client{URL: server.URL, MinBackoff: time.Millisecond}
		var got []string
		for e, err := range c.Events(t.Context()) {
			if err != nil {
				got = append(got, err.Error())
			} else {
				got = append(got, string(e.Data))
			}
			if len(got) == 3 {
				break
			}
		}
		if diff := cmp.Diff([]string{"[]", io.EOF.Error(), "[]"}, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", id, diff)
		}
	}
}

// An answer that is no stream ends it, and what was missing is said.
func TestNoStream(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<html>data: 1\n\n")
	}))
	defer server.Close()
	var got []error
	for _, err := range (&client.Client{URL: server.URL}).Events(t.Context()) {
		got = append(got, err)
	}
	if len(got) != 1 || !errors.Is(got[0], client.ErrNoStream) || !strings.Contains(got[0].Error(), "text/html") {
		t.Errorf("a page: %v", got)
	}
}

// A URL that is none is told once.
func TestNoURL(t *testing.T) {
	t.Parallel()
	times := 0
	for _, err := range (&client.Client{URL: "http://a b"}).Events(t.Context()) {
		if times++; err == nil || !client.Permanent(err) {
			t.Fatalf("no URL: %v", err)
		}
	}
	if times != 1 {
		t.Errorf("told %d times", times)
	}
}

// answers are what a server answers, one connection after another.
type answers []func(w io.Writer, r *http.Request)

// RoundTrip has answers without a network, so that clocks can be false.
func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if len(*a) == 0 {
		return nil, errors.New("down")
	}
	f := (*a)[0]
	*a = (*a)[1:]
	from, to := io.Pipe()
	go func() {
		f(to, r)
		_ = to.Close()
	}()
	context.AfterFunc(r.Context(), func() { _ = from.CloseWithError(r.Context().Err()) })

	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: from, Request: r,
	}, nil
}

// A server that falls silent is given up, one that is slow or has a slow client
// is not; a place that came without an event is gone on from.
func TestSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		silent := func(w io.Writer, r *http.Request) {
			fmt.Fprint(w, "id: 1\ndata: one\n\n")
			time.Sleep(20 * time.Second)
			fmt.Fprint(w, "id: 2\n: alive\n\n")
			<-r.Context().Done()
		}
		after := ""
		again := func(w io.Writer, r *http.Request) {
			after = r.Header.Get("Last-Event-ID")
			fmt.Fprint(w, "data: two\n\n")
			<-r.Context().Done()
		}
		connected := 0
		c := client.Client{
			HTTP: &http.Client{Transport: &answers{silent, again}}, URL: "http://test",
			Silence: 30 * time.Second,
			Connected: func() {
				if connected++; connected == 1 {
					time.Sleep(40 * time.Second)
				}
			},
		}
		var got []string
		begun := time.Now()
		for e, err := range c.Events(t.Context()) {
			if err != nil {
				got = append(got, fmt.Sprint(err, " at ", time.Since(begun)))
				continue
			}
			got = append(got, string(e.Data))
			if string(e.Data) == "two" {
				break
			}
			time.Sleep(40 * time.Second)
		}
		want := []string{"one", "client: the server has fallen silent at 1m50s", "two"}
		if diff := cmp.Diff(want, got); diff != "" || after != "2" || connected != 2 {
			t.Errorf("connected %d times, at last behind %q; (-want +got):\n%s", connected, after, diff)
		}
	})
}

// Pauses are twice as long each, up to a bound, and stretched.
func TestBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := client.Client{
			HTTP: &http.Client{Transport: &answers{}}, URL: "http://test",
			MinBackoff: time.Second, MaxBackoff: 4 * time.Second, Jitter: func() float64 { return 0.5 },
		}
		var got []time.Duration
		begun := time.Now()
		for range c.Events(t.Context()) {
			got = append(got, time.Since(begun))
			if len(got) == 5 {
				break
			}
		}
		s := time.Second
		want := []time.Duration{0, 5 * s / 4, 15 * s / 4, 35 * s / 4, 55 * s / 4}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		c.Jitter, c.MaxBackoff = nil, 0
		got = got[:0]
		for range c.Events(t.Context()) {
			if got = append(got, time.Since(begun)); len(got) == 2 {
				break
			}
		}
		if pause := got[1] - got[0]; pause < s || pause >= 3*s/2 {
			t.Errorf("a pause of %v at random", pause)
		}
	})
}
