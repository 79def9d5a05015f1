package effect_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/tq"
)

// seen notes what a recorder tells.
type seen struct {
	mu   sync.Mutex
	list []effect.Observation
}

func (s *seen) note(o effect.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, o)
}

// lossy is a store that does not record outcomes once it is told so.
type lossy struct {
	*effect.Memory
	lose bool
}

func (l *lossy) TryAdd(ctx context.Context, key string, value []byte) (bool, error) {
	if l.lose && key == "taskqueue.named::lost" {
		return false, errors.New("disk full")
	}

	return l.Memory.TryAdd(ctx, key, value)
}

// Every call is told once, with how it came out and how long it took.
func TestObserve(t *testing.T) {
	t.Parallel()
	var got seen
	clock := someTime
	store := &lossy{Memory: new(effect.Memory)}
	r := recorder(t, effect.Options{Store: store, Observe: got.note, Now: func() time.Time { return clock }})
	call := func(name, schema string, fail error) {
		_, _ = r.Capture(t.Context(), effect.Named(name), schema, func(context.Context, effect.Call) ([]byte, error) {
			clock = clock.Add(time.Second)
			return []byte("1"), fail
		})
	}
	call("mail", "n", errors.New("busy"))
	call("mail", "n", nil)
	call("mail", "n", nil)
	call("mail", "text", nil)
	call("bill", "n", effect.Final(errors.New("no")))
	call("bill", "n", nil)
	call("", "n", nil)
	store.lose = true
	call("lost", "n", nil)
	func() {
		defer func() { _ = recover() }()
		_ = r.Do(t.Context(), effect.Named("boom"), func(context.Context, effect.Call) error { panic("boom") })
	}()

	type row struct {
		Effect  string
		Outcome effect.Outcome
		Took    time.Duration
	}
	want := []row{
		{"mail", effect.OutcomeRetry, time.Second}, {"mail", effect.OutcomeCompleted, time.Second},
		{"mail", effect.OutcomeReplayed, 0}, {"mail", effect.OutcomeRefused, 0},
		{"bill", effect.OutcomeFailed, time.Second}, {"bill", effect.OutcomeReplayed, 0},
		{"", effect.OutcomeRefused, 0}, {"lost", effect.OutcomeUncertain, time.Second},
		{"boom", effect.OutcomeRetry, 0},
	}
	var rows []row
	for _, o := range got.list {
		rows = append(rows, row{o.Scope.Effect, o.Outcome, o.Took})
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

// Those who wait for a concurrent call are told of as replays, and an observer
// that panics changes nothing. Invariant 10.
func TestInvariant10Observer(t *testing.T) {
	t.Parallel()
	var got seen
	r := recorder(t, effect.Options{Store: new(effect.Memory), Observe: func(o effect.Observation) {
		got.note(o)
		panic("observer")
	}})
	const callers = 8
	var calls sync.WaitGroup
	for range callers {
		calls.Go(func() {
			if err := r.Do(t.Context(), effect.ForTask("q", tq.TaskID{Origin: 1, Sequence: 1}, "mail"), func(
				context.Context, effect.Call,
			) error {
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	outcomes := map[effect.Outcome]int{}
	for _, o := range got.list {
		outcomes[o.Outcome]++
		if o.Scope.Queue != "q" {
			t.Errorf("told of queue %q, want q", o.Scope.Queue)
		}
	}
	want := map[effect.Outcome]int{effect.OutcomeCompleted: 1, effect.OutcomeReplayed: callers - 1}
	if diff := cmp.Diff(want, outcomes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}
