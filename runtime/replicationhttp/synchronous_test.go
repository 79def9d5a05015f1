package replicationhttp_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/replicationhttp"
	"github.com/tqgen/tqgen/runtime/tq"
)

// TestAcknowledgements: one that is forged, too high, too low, of another life or
// of a stream that is over is refused, and confirms nothing (27).
func TestAcknowledgements(t *testing.T) {
	t.Parallel()
	s := newShelf("1", "2", "3")
	allowed := func(r *http.Request) error {
		if r.Header.Get("Authorization") != "good" {
			return errors.New("no")
		}

		return nil
	}
	url := serve(t, handler(t, s, replicationhttp.HandlerOptions{Synchronous: &tq.SyncOptions{}, Authorize: allowed}))
	do := func(method, path, token string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}

		return res
	}
	for path, want := range map[string]int{
		"acknowledge&after=1":                              http.StatusBadRequest, // of which incarnation?
		"acknowledge&after=18446744073709551615":           http.StatusBadRequest,
		"acknowledge&after=1&incarnation=0000000000000abd": http.StatusConflict,
	} {
		res := do(http.MethodGet, "/events?"+path, "good")
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("GET events?%s: %s, want %d", path, res.Status, want)
		}
	}
	open := func() (*http.Response, string) {
		t.Helper()
		res := do(http.MethodGet, "/events?acknowledge&after=1&incarnation="+life.String(), "good")
		lines := bufio.NewReader(res.Body)
		for _, want := range []string{"2\n", "3\n"} {
			if got, err := lines.ReadString('\n'); got != want || err != nil {
				t.Fatalf("%q, %v", got, err)
			}
		}

		return res, res.Header.Get("Tqgen-Stream")
	}
	first, id := open()
	other, otherID := open()
	if id == "" || id == otherID || s.acknowledged.Load() != 1 {
		t.Fatalf("streams %q and %q, %d acknowledged", id, otherID, s.acknowledged.Load())
	}
	_ = other.Body.Close()
	for _, c := range []struct {
		name, stream, life, after, method, token string
		status                                   int
		acknowledged                             uint64
	}{
		{"too high", id, life.String(), "4", http.MethodPost, "good", http.StatusConflict, 1},
		{"far too high", id, life.String(), "18446744073709551615", http.MethodPost, "good", http.StatusBadRequest, 1},
		{"forged", "AAAA", life.String(), "2", http.MethodPost, "good", http.StatusGone, 1},
		{"of no stream", "", life.String(), "2", http.MethodPost, "good", http.StatusGone, 1},
		{"of another life", id, "0000000000000abd", "2", http.MethodPost, "good", http.StatusConflict, 1},
		{"of no life", id, "", "2", http.MethodPost, "good", http.StatusBadRequest, 1},
		{"of no number", id, life.String(), "x", http.MethodPost, "good", http.StatusBadRequest, 1},
		{"by somebody", id, life.String(), "2", http.MethodPost, "bad", http.StatusForbidden, 1},
		{"by GET", id, life.String(), "2", http.MethodGet, "good", http.StatusMethodNotAllowed, 1},
		{"good", id, life.String(), "3", http.MethodPost, "good", http.StatusNoContent, 3},
		{"good, again", id, life.String(), "3", http.MethodPost, "good", http.StatusNoContent, 3},
		{"too low", id, life.String(), "2", http.MethodPost, "good", http.StatusConflict, 3},
	} {
		res := do(c.method, fmt.Sprintf("/acknowledge?stream=%s&incarnation=%s&after=%s", c.stream, c.life, c.after), c.token)
		_ = res.Body.Close()
		if res.StatusCode != c.status || s.acknowledged.Load() != c.acknowledged {
			t.Errorf("%s: %s and %d acknowledged, want %d and %d", c.name, res.Status, s.acknowledged.Load(), c.status, c.acknowledged)
		}
	}
	_ = first.Body.Close()
	s.open.Wait() // both streams are over
	res := do(http.MethodPost, "/acknowledge?stream="+id+"&incarnation="+life.String()+"&after=3", "good")
	_ = res.Body.Close()
	if res.StatusCode != http.StatusGone {
		t.Errorf("after the stream: %s", res.Status)
	}
}

// TestNotSynchronous: a client that is to acknowledge says so if it cannot.
func TestNotSynchronous(t *testing.T) {
	t.Parallel()
	h := handler(t, newShelf("1"), replicationhttp.HandlerOptions{})
	c := client(t, serve(t, h), replicationhttp.ClientOptions{Acknowledge: true})
	if _, err := collect(t, c, tq.Position{}, ""); err == nil || errors.Is(err, replication.ErrUnavailable) {
		t.Errorf("a handler that is not synchronous: %v", err)
	}
	s := newShelf("1")
	s.put(tq.ErrClosed)
	older := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // knows of no acknowledgements
		q := r.URL.Query()
		q.Del("acknowledge")
		r.URL.RawQuery = q.Encode()
		handler(t, s, replicationhttp.HandlerOptions{}).ServeHTTP(w, r)
	})
	c = client(t, serve(t, older), replicationhttp.ClientOptions{Acknowledge: true})
	if _, err := collect(t, c, tq.Position{}, ""); err == nil || errors.Is(err, replication.ErrUnavailable) {
		t.Errorf("a source that takes no acknowledgements: %v", err)
	}
	res := httptest.NewRecorder()
	h.ServeHTTP(res, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/queue/acknowledge?incarnation="+life.String(), nil))
	if res.Code != http.StatusBadRequest {
		t.Errorf("an acknowledgement: %d", res.Code)
	}
	bad := replicationhttp.HandlerOptions{Synchronous: &tq.SyncOptions{Timeout: -1}}
	if _, err := replicationhttp.NewHandler(newShelf(), bad); err == nil {
		t.Error("a negative Timeout is accepted")
	}
}

// TestAcknowledgeRefused: where the source takes events back the stream ends with
// its reason, and trying again helps if it did not know the stream.
func TestAcknowledgeRefused(t *testing.T) {
	t.Parallel()
	for status, unavailable := range map[int]bool{http.StatusGone: true, http.StatusForbidden: false, http.StatusBadGateway: true} {
		s := newShelf("1")
		h := handler(t, s, replicationhttp.HandlerOptions{Synchronous: &tq.SyncOptions{}})
		url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				w.WriteHeader(status)
				return
			}
			h.ServeHTTP(w, r)
		}))
		c := client(t, url, replicationhttp.ClientOptions{Acknowledge: true})
		if _, err := collect(t, c, tq.Position{}, ""); err == nil || errors.Is(err, replication.ErrUnavailable) != unavailable {
			t.Errorf("%d: %v", status, err)
		}
		s.open.Wait()
	}
}
