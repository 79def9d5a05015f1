package replication

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/tq"
)

// bare is a queue without payloads.
type bare struct{ tq.Engine }

func (*bare) Grow(tq.Slot)     {}
func (*bare) Clear(tq.Slot)    {}
func (*bare) Size(tq.Slot) int { return 0 }

func options(life tq.Incarnation) tq.Options {
	return tq.Options{
		Name: "dispatch", Capacity: 8, Lease: time.Second, Heartbeat: time.Second / 4, Attempts: 3, Dead: 4, Incarnation: life,
	}
}

func openBare(t *testing.T, life tq.Incarnation) *bare {
	t.Helper()
	q := new(bare)
	if err := q.Open(options(life), q); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })

	return q
}

func (q *bare) add(t *testing.T) {
	t.Helper()
	slot, at, err := q.Put(context.Background())
	if err == nil {
		_, err = q.TryEnqueue(t.Context(), slot, at)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// follow makes a replica of q as it is.
func (q *bare) follow(t *testing.T, heir tq.Incarnation) *tq.Replica {
	t.Helper()
	r := new(tq.Replica)
	if err := r.Open(options(heir), new(bare)); err != nil {
		t.Fatal(err)
	}
	h, refs, c := q.WatchNow()
	q.Unlock()
	_ = c.Close()
	if err := r.ApplySnapshot(h, len(refs), func(i int) *tq.TaskState { return &refs[i].TaskState }); err != nil {
		t.Fatal(err)
	}
	r.Unlock()

	return r
}

func succeed(t *testing.T, r *tq.Replica, how Promotion) (*bare, error) {
	t.Helper()
	q := openBare(t, r.Heir())
	if _, _, err := how.Take(t.Context(), r, &q.Engine); err != nil {
		return nil, err
	}
	q.Unlock()

	return q, nil
}

func terms(s effect.StateStore, peer string) *Terms {
	return &Terms{Store: s, Queue: "dispatch", Peer: peer}
}

// TestOneFollowerWins lets many followers claim the next term at once: one gets
// it, the others learn who did, and are as they were (invariant 8).
func TestOneFollowerWins(t *testing.T) {
	t.Parallel()
	store := new(effect.Memory)
	owner := openBare(t, 1)
	if err := terms(store, "owner").Own(t.Context(), &owner.Engine, 0); err != nil {
		t.Fatal(err)
	}
	owner.add(t)
	const followers = 8
	var won []*bare
	var lost []error
	var mu sync.Mutex
	var wg sync.WaitGroup
	for n := range followers {
		r := owner.follow(t, tq.Incarnation(10+n))
		wg.Go(func() {
			q, err := succeed(t, r, Promotion{Terms: terms(store, string(rune('a'+n)))})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, q)
				return
			}
			lost = append(lost, err)
			if at := r.Position(); at.Incarnation != 1 || at.Sequence != 1 {
				t.Errorf("the loser stands at %v", at)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 || won[0].Term() != 2 || won[0].Stats().Ready != 1 {
		t.Fatalf("%d have won", len(won))
	}
	for _, err := range lost {
		var taken *TermError
		if !errors.As(err, &taken) || !errors.Is(err, tq.ErrDeposed) || taken.Claim.Term != 2 ||
			taken.Claim.Incarnation != won[0].Options().Incarnation || taken.Claim.Peer == "" {
			t.Errorf("a loser got %v", err)
		}
	}

	// The owner that was dead comes back and looks.
	err := terms(store, "owner").Check(t.Context(), &owner.Engine)
	if !errors.Is(err, tq.ErrDeposed) || !strings.Contains(err.Error(), `term 2 of "dispatch"`) {
		t.Errorf("the old owner was told %v", err)
	}
	if _, _, err := owner.Put(context.Background()); !errors.Is(err, tq.ErrDeposed) {
		t.Errorf("the old owner answers %v", err)
	}
	// As another life of itself it does not even begin.
	again := openBare(t, 2)
	if err := terms(store, "owner").Own(t.Context(), &again.Engine, 0); !errors.Is(err, tq.ErrDeposed) {
		t.Errorf("the old owner, begun anew, was told %v", err)
	}
	if _, _, err := again.Put(context.Background()); !errors.Is(err, tq.ErrDeposed) {
		t.Errorf("the old owner, begun anew, answers %v", err)
	}
	// The one that succeeded is not in its own way.
	if err := terms(store, "a").Check(t.Context(), &won[0].Engine); err != nil {
		t.Error(err)
	}
	next := won[0].follow(t, 90)
	if q, err := succeed(t, next, Promotion{Terms: terms(store, "z")}); err != nil || q.Term() != 3 {
		t.Errorf("its own successor: %v", err)
	}
}

// TestUnseenTermsOfTheOwner: an owner that restored a snapshot claims terms of
// which its follower knows nothing, and the follower's is above them (7).
func TestUnseenTermsOfTheOwner(t *testing.T) {
	t.Parallel()
	store := new(effect.Memory)
	owner := openBare(t, 1)
	if err := terms(store, "owner").Own(t.Context(), &owner.Engine, 0); err != nil {
		t.Fatal(err)
	}
	r := owner.follow(t, 10)
	task := tq.TaskState{ID: tq.TaskID{Origin: 5, Sequence: 1}, State: tq.Ready}
	h := tq.SnapshotHeader{Version: 1, HighestEpoch: 4 << 48}
	if _, err := owner.Restore(t.Context(), h, 1, func(int) *tq.TaskState { return &task }); err != nil {
		t.Fatal(err)
	}
	owner.Unlock()
	q, err := succeed(t, r, Promotion{Terms: terms(store, "b")})
	if err != nil || owner.Term() != 5 || q.Term() != 6 {
		t.Fatalf("the owner has term %d; %v", owner.Term(), err)
	}
	// What is restored now needs a term that is taken, so it is not restored.
	h.HighestEpoch, task.ID.Sequence = 7<<48, 2
	_, err = owner.Restore(t.Context(), h, 1, func(int) *tq.TaskState { return &task })
	if !errors.Is(err, tq.ErrDeposed) || owner.Stats().Ready != 1 {
		t.Errorf("restored after all: %v", err)
	}
}

// flaky is a store that adds and then says that it failed.
type flaky struct {
	effect.Memory
	fail atomic.Bool
}

var errStore = errors.New("store: timeout")

func (f *flaky) TryAdd(ctx context.Context, key string, value []byte) (bool, error) {
	added, err := f.Memory.TryAdd(ctx, key, value)
	if err == nil && f.fail.Load() {
		err = errStore
	}

	return added, err
}

func (f *flaky) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if f.fail.Load() {
		return nil, false, errStore
	}

	return f.Memory.Get(ctx, key)
}

// TestUncertainClaim: a claim whose outcome is not known can be made again, and
// is the same one.
func TestUncertainClaim(t *testing.T) {
	t.Parallel()
	store := new(flaky)
	store.fail.Store(true)
	owner := openBare(t, 1)
	r := owner.follow(t, 10)
	how := Promotion{Terms: terms(store, "b")}
	if _, err := succeed(t, r, how); !errors.Is(err, errStore) {
		t.Fatalf("the store's error is lost: %v", err)
	}
	store.fail.Store(false)
	if q, err := succeed(t, r, how); err != nil || q.Term() != 2 {
		t.Fatalf("tried again: %v", err)
	}
}

// TestGuard: an owner is deposed by its guard soon after it was succeeded,
// whatever the store did before.
func TestGuard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &flaky{}
		owner := openBare(t, 1)
		own := terms(store, "owner")
		if err := own.Own(t.Context(), &owner.Engine, 0); err != nil {
			t.Fatal(err)
		}
		var told []error
		done := make(chan error, 1)
		go func() {
			done <- own.Guard(t.Context(), &owner.Engine, time.Second, func(err error) { told = append(told, err) })
		}()
		time.Sleep(3500 * time.Millisecond)
		store.fail.Store(true)
		time.Sleep(2 * time.Second)
		store.fail.Store(false)
		if _, err := succeed(t, owner.follow(t, 10), Promotion{Terms: terms(store, "b")}); err != nil {
			t.Fatal(err)
		}
		if err := owner.TryTake("", new(tq.Grant)); !errors.Is(err, tq.ErrEmpty) {
			t.Fatalf("deposed before it looked: %v", err)
		}
		begun := time.Now()
		if err := <-done; !errors.Is(err, tq.ErrDeposed) || time.Since(begun) > time.Second {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		if err := owner.TryTake("", new(tq.Grant)); !errors.Is(err, tq.ErrDeposed) {
			t.Errorf("answers %v", err)
		}
		if len(told) != 2 || !errors.Is(told[0], errStore) {
			t.Errorf("told %v", told)
		}
	})
}

func TestClaimJSON(t *testing.T) {
	t.Parallel()
	want := Claim{
		Queue: "dispatch", Term: 3, Peer: "node <b>", Incarnation: source, ClaimedAt: time.Date(2026, 11, 22, 1, 2, 3, 400, time.UTC),
	}
	text, err := want.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	const golden = `{"queueName":"dispatch","term":3,"peerId":"node \u003cb\u003e","incarnation":"6f1c2a7e9b0d4c55",` +
		`"claimedAt":"2026-11-22T01:02:03.0000004Z"}`
	if string(text) != golden {
		t.Errorf("wrote %s", text)
	}
	var got Claim
	if err := got.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	bad := []string{``, `{}`, `{"term":1}`, `{"term":-1,"incarnation":"6f1c2a7e9b0d4c55"}`, `{"term":1,"incarnation":"x"}`}
	if i := slices.IndexFunc(bad, func(s string) bool { return got.UnmarshalJSON([]byte(s)) == nil }); i >= 0 {
		t.Errorf("accepted %s", bad[i])
	}
	store := new(effect.Memory)
	own := terms(store, "a")
	if err := store.Set(t.Context(), own.key(1), []byte("torn")); err != nil {
		t.Fatal(err)
	}
	if _, err := own.Next(t.Context(), 0, 1, 0); err == nil || errors.Is(err, tq.ErrDeposed) {
		t.Errorf("a torn claim: %v", err)
	}
}
