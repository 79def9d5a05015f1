package dispatch_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tqgen/tqgen/examples/lease/dispatch"
)

// TestClientAvoidsWhoHangs: a node that takes requests and answers none costs
// one of them, not all.
func TestClientAvoidsWhoHangs(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-over:
		}
	}))
	owner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"capacity":7}`))
	}))
	t.Cleanup(func() {
		close(over)
		hung.Close()
		owner.Close()
	})
	c, err := dispatch.NewClient(dispatch.ClientOptions{Nodes: []string{hung.URL, owner.URL}, Timeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var answered *dispatch.Error
	if _, err := c.Stats(t.Context()); err == nil || errors.As(err, &answered) {
		t.Fatalf("the node that hangs has answered: %v", err)
	}
	if s, err := c.Stats(t.Context()); err != nil || s.Capacity != 7 {
		t.Errorf("stats %+v, %v", s, err)
	}
}
