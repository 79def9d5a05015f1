package dispatch_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/tqgen/tqgen/examples/lease/dispatch"
)

// TestClientAvoidsWhoHangs: a node that takes requests and answers none costs
// one of them, not all.
func TestClientAvoidsWhoHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, err := dispatch.NewClient(dispatch.ClientOptions{
			Nodes: []string{"http://hung", "http://owner"}, HTTP: &http.Client{Transport: hosts{}},
		})
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
	})
}

// hosts are nodes without a network, so that time can be a bubble's. One hangs.
type hosts struct{}

func (hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "hung" {
		<-r.Context().Done()

		return nil, r.Context().Err()
	}
	w := httptest.NewRecorder()
	_, err := w.WriteString(`{"capacity":7}`)

	return w.Result(), err
}
