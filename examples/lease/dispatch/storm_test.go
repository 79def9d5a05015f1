package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// TestStorm: producers and workers go on while the queue is drained and restored
// again and again, and changes its node. What was accepted is completed, and
// nothing else is (1).
func TestStorm(t *testing.T) {
	t.Parallel()
	const producers, each, drains = 4, 40, 5
	q := open(t, leasequeue.Options{Backoff: tq.NoBackoff})
	services := []*dispatch.Service{service(t, dispatch.Options{Queue: q}), service(t, dispatch.Options{})}
	nodes := []string{serve(t, services[0]), serve(t, services[1])}
	services[1].Follow(nodes[0])

	var accepted, handled sync.Map
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ran := make(chan error, 1)
	go func() {
		ran <- dispatch.Run(ctx, client(t, nodes...), dispatch.WorkOptions{RunOptions: tq.RunOptions{Workers: 4}},
			func(_ context.Context, l *leasequeue.Lease) error {
				handled.Store(l.Token.Task, true)
				if l.Attempt == 1 && l.Token.Task.Sequence%7 == 0 {
					return errors.New("not at once")
				}

				return nil
			})
	}()
	var producing sync.WaitGroup
	for p := range producers {
		c := client(t, nodes...)
		producing.Go(func() {
			for n := 0; n < each; {
				id, err := c.Enqueue(ctx, vm(fmt.Sprint(p, "-", n)))
				var refused *dispatch.Error
				switch {
				case err == nil:
					accepted.Store(id, true)
					n++
				case !errors.As(err, &refused) || refused.Status < 500 && refused.Status != http.StatusMisdirectedRequest:
					t.Errorf("enqueue: %v", err)
					return
				}
			}
		})
	}
	operator := client(t, nodes...)
	for range drains {
		taken, err := operator.Drain(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := operator.Restore(ctx, taken); err != nil {
			t.Fatal(err)
		}
	}

	// The second node takes over. All that the first one does from here on is
	// refused, so the state that is promoted is the last there is.
	services[0].Follow(nodes[1])
	if err := q.Depose(q.Term() + 1); err != nil {
		t.Fatal(err)
	}
	heir, err := replica(t, q).Promote(ctx, leasequeue.Options{}, replication.Promotion{})
	if err != nil {
		t.Fatal(err)
	}
	defer heir.Close()
	services[1].Own(heir, nil)
	producing.Wait()
	awaitStats(t, heir, func(s tq.Stats) bool { return s.Live() == 0 })
	end()
	if err := <-ran; err != nil {
		t.Errorf("run: %v", err)
	}
	n := 0
	accepted.Range(func(id, _ any) bool {
		n++
		if _, ok := handled.LoadAndDelete(id); !ok {
			t.Errorf("task %v was accepted and not handled", id)
		}

		return true
	})
	handled.Range(func(id, _ any) bool {
		t.Errorf("task %v was handled, and not known to be accepted", id)
		return true
	})
	if n != producers*each {
		t.Errorf("%d tasks were accepted, want %d", n, producers*each)
	}
	if s, err := heir.Stats(ctx); err != nil || s.Dead != 0 {
		t.Errorf("at the end there is %+v, %v", s, err)
	}
}

// FuzzRequest: no body makes the service panic or fail, changes what it did not
// accept, or is answered with anything but JSON.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `null`, `[`, `{"payload":` + vmJSON + `}`, `{"payload":{"resourceType":"x","body":"%"}}`,
		`{"peerId":"w","waitSeconds":0}`, `{"waitSeconds":1e999}`, `{"graceSeconds":0}`, `{"graceSeconds":-0.0}`,
		`{"ownershipToken":{"sequenceId":1,"attempt":1,"leaseId":"00000000-0000-00aa-0001-000000000001"}}`,
		`{"ownershipToken":{"sequenceId":18446744073709551615,"attempt":-1,"leaseId":"x"},"requeue":false}`,
		snapshot(`,"tasks":[` + pending(`"value":`+vmJSON+`,`) + `]`), snapshot(`,"tasks":[null]`),
	} {
		for procedure := range uint8(8) {
			f.Add(procedure, body)
		}
	}
	procedures := []string{"enqueue", "lease", "complete", "heartbeat", "release", "fail", "restore", "stats"}
	f.Fuzz(func(t *testing.T, procedure uint8, body string) {
		q, err := leasequeue.New(leasequeue.Options{Incarnation: 0xaa})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		enqueue(t, q, vm("i-1"))
		take(t, q)
		s, err := dispatch.New(dispatch.Options{Queue: q, MaxWait: time.Nanosecond})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		before, err := q.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost,
			"/resourcelease/"+procedures[int(procedure)%len(procedures)], strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		after, err := q.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		switch code := w.Code; {
		case code == http.StatusOK, code == http.StatusNoContent:
		case code >= 500 && code != http.StatusServiceUnavailable:
			t.Errorf("status %d: %s", code, w.Body)
		case before.Counters != after.Counters:
			t.Errorf("status %d, and %+v became %+v", code, before.Counters, after.Counters)
		default:
			var said tq.TaskError
			if err := said.UnmarshalJSON(w.Body.Bytes()); err != nil || said.Code == "" {
				t.Errorf("status %d: %s, %v", code, w.Body, err)
			}
		}
	})
}
