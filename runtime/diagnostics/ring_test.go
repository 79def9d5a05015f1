package diagnostics

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// account is a client that accounts for every number: each event it gets is the
// next one, or it was told that those between are lost.
type account struct {
	header  http.Header
	stalled chan struct{} // closed when it reads on; nil: it never stalls
	started chan struct{} // closed with the first frame
	once    sync.Once
	ring    *ring
	want    uint64
	done    func()

	next  uint64
	gaps  int
	wrong error
}

func (a *account) Header() http.Header              { return a.header }
func (a *account) WriteHeader(int)                  {}
func (a *account) Flush()                           {}
func (a *account) SetWriteDeadline(time.Time) error { return nil }

func (a *account) Write(b []byte) (int, error) {
	a.once.Do(func() { close(a.started) })
	if a.stalled != nil && a.next > 0 {
		<-a.stalled
	}
	if err := a.take(b); err != nil && a.wrong == nil {
		a.wrong = err
		a.done()
	}
	if a.next > a.want {
		a.done()
	}

	return len(b), nil
}

func (a *account) take(b []byte) error {
	lines := strings.Split(string(b), "\n")
	switch {
	case strings.HasPrefix(lines[0], "event: "+TypeGap):
		var g Gap
		if err := json.Unmarshal([]byte(strings.TrimPrefix(lines[1], "data: ")), &g); err != nil {
			return err
		}
		if g.From != a.next || g.Dropped != g.To-g.From+1 {
			return fmt.Errorf("a gap of %+v, but %d was next", g, a.next)
		}
		a.next = g.To + 1
		a.gaps++

		return nil
	case strings.Contains(lines[1], TypeSnapshot):
		seq, _ := a.ring.parse(strings.TrimPrefix(lines[0], "id: "))
		if a.next == 0 {
			a.next = seq + 1 // where it begins
		}
		if seq != a.next-1 {
			return fmt.Errorf("a snapshot at %d, but %d was next", seq, a.next)
		}

		return nil
	}
	id := a.ring.id(a.next)
	if want := frame(id, "test", fmt.Append(nil, a.next)); !bytes.Equal(b, want) {
		return fmt.Errorf("got %q, want %q", b, want)
	}
	a.next++

	return nil
}

// TestInvariant38EveryClientAccounts has 100 clients read 50,000 events, ten of
// which stall meanwhile. Nobody waits for these, and each client gets the same
// events or is told which it does not get.
func TestInvariant38EveryClientAccounts(t *testing.T) {
	t.Parallel()
	const clients, stalled, published = 100, 10, 50_000
	h, err := New(Options{Interval: time.Hour, Heartbeat: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	reads := make(chan struct{})
	var all sync.WaitGroup
	var accounts []*account
	for i := range clients {
		ctx, cancel := context.WithCancel(t.Context())
		a := &account{
			header: http.Header{}, started: make(chan struct{}), ring: h.ring, want: published, done: cancel,
		}
		if i < stalled {
			a.stalled = reads
		}
		accounts = append(accounts, a)
		all.Go(func() {
			defer cancel()
			h.ServeHTTP(a, httptest.NewRequestWithContext(ctx, http.MethodGet, root, nil))
		})
		<-a.started
	}
	for i := range published {
		h.ring.publish("test", "", fmt.Append(nil, i+1))
	}
	close(reads)
	all.Wait()
	gaps := 0
	for i, a := range accounts {
		if a.wrong != nil || a.next != published+1 {
			t.Errorf("client %d accounts for %d events: %v", i, a.next-1, a.wrong)
		}
		if i < stalled && a.gaps == 0 {
			t.Errorf("client %d stalled and has no gap", i)
		}
		gaps += a.gaps
	}
	t.Logf("%d gaps", gaps)
}

// A ring keeps the latest events, whatever its readers do.
func TestRing(t *testing.T) {
	t.Parallel()
	r := newRing(4)
	if _, _, more := r.after(0, 10, nil); more == nil {
		t.Error("an empty ring has something")
	}
	for i := range 10 {
		r.publish("test", "", fmt.Append(nil, i+1))
	}
	found, missed, _ := r.after(3, 2, nil)
	if len(found) != 2 || found[0].sequence != 7 || missed != 3 {
		t.Errorf("%d found from %d, %d missed", len(found), found[0].sequence, missed)
	}
	var told atomic.Bool
	_, _, more := r.after(10, 10, nil)
	done := make(chan struct{})
	go func() {
		<-more
		told.Store(true)
		close(done)
	}()
	r.publish("test", "", nil)
	<-done
	if !told.Load() {
		t.Error("nobody was told")
	}
}

// The latest signal of each queue is there whatever was published since; other
// events are not.
func TestLatestSignalStays(t *testing.T) {
	t.Parallel()
	r := newRing(4)
	r.publish(TypeBackpressure, "a", json.RawMessage("1"))
	r.publish(TypeBackpressure, "b", json.RawMessage("2"))
	r.publish(TypeBackpressure, "a", json.RawMessage("3"))
	r.publish(TypeDeadLetter, "a", json.RawMessage("4"))
	for range 5 {
		r.publish(TypeReplication, "a", json.RawMessage("0"))
	}
	latest := func(kind string, queues ...string) string {
		f := Filter{Types: []string{kind}, Queues: queues}
		e, _ := r.latest(f.wants)

		return string(e.Data)
	}
	if got := latest(TypeBackpressure); got != "3" {
		t.Errorf("the latest signal is %q, want 3", got)
	}
	if got := latest(TypeBackpressure, "b"); got != "2" {
		t.Errorf("the latest signal of b is %q, want 2", got)
	}
	if got := latest(TypeDeadLetter); got != "" {
		t.Errorf("a dead letter that is no longer kept: %q", got)
	}
}
