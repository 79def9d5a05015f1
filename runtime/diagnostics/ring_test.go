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

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
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
	if want := frame(id, TypeStats, fmt.Append(nil, a.next)); !bytes.Equal(b, want) {
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
		h.ring.publish(TypeStats, "", fmt.Append(nil, i+1))
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
	r, all := newRing(4), &Filter{}
	if _, _, _, more := r.after(0, 10, all, nil); more == nil {
		t.Error("an empty ring has something")
	}
	for i := range 10 {
		r.publish(TypeStats, "", fmt.Append(nil, i+1))
	}
	found, to, missed, _ := r.after(3, 2, all, nil)
	if len(found) != 2 || found[0].sequence != 7 || to != 8 || missed != 3 {
		t.Errorf("%d found from %d to %d, %d missed", len(found), found[0].sequence, to, missed)
	}
	var told atomic.Bool
	_, _, _, more := r.after(10, 10, all, nil)
	done := make(chan struct{})
	go func() {
		<-more
		told.Store(true)
		close(done)
	}()
	r.publish(TypeStats, "", nil)
	<-done
	if !told.Load() {
		t.Error("nobody was told")
	}
}

// What is frequent pushes out nothing of another type, and who does not want it
// misses nothing.
func TestRingKeepsWhatIsRare(t *testing.T) {
	t.Parallel()
	r := newRing(3)
	for i := range 20 {
		r.publish(TypeReplication, "", nil)
		if i%8 == 0 {
			r.publish(TypeBackpressure, "", nil) // 2, 11, 20
		}
	}
	type answer struct {
		Sequences  []uint64
		To, Missed uint64
	}
	for _, c := range []struct {
		name  string
		types []string
		after uint64
		limit int
		want  answer
	}{
		{"of a type", []string{TypeBackpressure}, 0, 10, answer{[]uint64{2, 11, 20}, 23, 0}},
		{"of a type, not all", []string{TypeBackpressure}, 2, 1, answer{[]uint64{11}, 11, 0}},
		{"of a type that never came", []string{TypeDeadLetter}, 0, 10, answer{nil, 23, 0}},
		{"all, too late", nil, 1, 10, answer{[]uint64{2, 11, 20, 21, 22, 23}, 23, 16}},
		{"all, of two lanes", nil, 19, 3, answer{[]uint64{20, 21, 22}, 22, 0}},
		{"all, with nothing new", nil, 23, 3, answer{nil, 23, 0}},
	} {
		found, to, missed, more := r.after(c.after, c.limit, &Filter{Types: c.types}, nil)
		got := answer{To: to, Missed: missed}
		for _, e := range found {
			got.Sequences = append(got.Sequences, e.sequence)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if (more == nil) != (len(found) > 0) {
			t.Errorf("%s: to be waited for: %v", c.name, more != nil)
		}
	}
	r.publish(TypeBackpressure, "", nil) // pushes 2 out
	if _, _, missed, _ := r.after(1, 10, &Filter{Types: []string{TypeBackpressure}}, nil); missed == 0 {
		t.Error("nothing is said of a signal that is no longer kept")
	}
}

// The latest signal of each queue is there whatever was published since; other
// events are not.
func TestLatestSignalStays(t *testing.T) {
	t.Parallel()
	r := newRing(4)
	r.publish(TypeBackpressure, "b", json.RawMessage("1"))
	r.publish(TypeDeadLetter, "b", json.RawMessage("2"))
	for i := range 5 {
		r.publish(TypeBackpressure, "a", fmt.Append(nil, i+3))
		r.publish(TypeDeadLetter, "a", json.RawMessage("0"))
	}
	latest := func(kind string, queues ...string) string {
		e, _ := r.latest(&Filter{Types: []string{kind}, Queues: queues})

		return string(e.Data)
	}
	if got := latest(TypeBackpressure); got != "7" {
		t.Errorf("the latest signal is %q, want 7", got)
	}
	if got := latest(TypeBackpressure, "b"); got != "1" {
		t.Errorf("the latest signal of b is %q, want 1", got)
	}
	if got := latest(TypeDeadLetter, "b"); got != "" {
		t.Errorf("a dead letter that is no longer kept: %q", got)
	}
}

// Each way a queue can be shut has a name of its own.
func TestStateOf(t *testing.T) {
	t.Parallel()
	got := []string{state(nil), state(tq.ErrDrained), state(tq.ErrClosed), state(tq.ErrDeposed)}
	if diff := cmp.Diff([]string{"open", "drained", "closed", "deposed"}, got); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}
