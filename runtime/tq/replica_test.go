package tq_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

// follower is what a generated replica would be with []byte for its payload.
type follower struct {
	tq.Replica
	shelf shelf
}

func openFollower(tb testing.TB, o tq.Options) *follower {
	tb.Helper()
	f := new(follower)
	o.Incarnation = 0
	if err := f.Open(o, &f.shelf); err != nil {
		tb.Fatal(err)
	}

	return f
}

func (f *follower) apply(e event, queue string, source tq.Incarnation) error {
	slot, err := f.Apply(&e.Record, queue, source)
	if err != nil {
		return err
	}
	if slot >= 0 {
		*f.shelf.at(slot) = e.Body
	}
	f.Unlock()

	return nil
}

func (f *follower) applySnapshot(s snapshot) error {
	err := f.ApplySnapshot(s.SnapshotHeader, len(s.Tasks), func(i int) *tq.TaskState { return &s.Tasks[i].TaskState })
	if err != nil {
		return err
	}
	for i := range s.Tasks {
		*f.shelf.at(tq.Slot(i)) = s.Tasks[i].Body
	}
	f.Unlock()

	return nil
}

func (f *follower) state() snapshot {
	h, refs := f.State(time.Now())
	defer f.Unlock()
	s := snapshot{SnapshotHeader: h}
	for _, r := range refs {
		s.Tasks = append(s.Tasks, entry{r, *f.shelf.at(r.Slot)})
	}

	return s
}

// promote does what a generated Promote does once the term is claimed.
func (f *follower) promote(o tq.Options, how tq.Takeover) (*queue, error) {
	o.Incarnation = f.Heir()
	q := &queue{opts: o}
	if err := q.Open(o, &q.shelf); err != nil {
		return nil, err
	}
	q.shelf.open(q.MaxSlot())
	refs, slots, err := q.Adopt(&f.Replica, how)
	if err != nil {
		return nil, err
	}
	for i, slot := range slots {
		*q.shelf.at(slot) = *f.shelf.at(refs[i].Slot)
	}
	q.Unlock()

	return q, nil
}

// like is a snapshot in a form in which two that mean the same are equal: by
// the wall clock, and without places.
func like(s snapshot, numbers bool) snapshot {
	s.Tasks = slices.Clone(s.Tasks)
	for i := range s.Tasks {
		t := &s.Tasks[i]
		t.Slot = 0
		if !numbers {
			t.Number = 0
		}
		for _, at := range []*time.Time{&t.EnqueuedAt, &t.AvailableAt, &t.Deadline} {
			*at = at.Round(0).UTC()
		}
	}

	return s
}

// byTies orders tasks that are ready since the same tick by identity.
func byTies(s snapshot) snapshot {
	slices.SortStableFunc(s.Tasks, func(a, b entry) int {
		if a.AvailableAt.IsZero() || !a.AvailableAt.Equal(b.AvailableAt) || a.State == tq.ReadyFirst || b.State == tq.ReadyFirst {
			return 0
		}

		return cmp.Or(cmp.Compare(a.ID.Origin, b.ID.Origin), cmp.Compare(a.ID.Sequence, b.ID.Sequence))
	})

	return s
}

func same(a, b snapshot) bool {
	if a.SnapshotHeader != b.SnapshotHeader || len(a.Tasks) != len(b.Tasks) {
		return false
	}
	for i := range a.Tasks {
		x, y := &a.Tasks[i], &b.Tasks[i]
		if x.TaskRef != y.TaskRef || string(x.Body) != string(y.Body) {
			return false
		}
	}

	return true
}

// twins is a queue under random operations and what follows it: from its first
// event on, and from a snapshot taken now and then.
type twins struct {
	*player
	cursor *tq.Cursor
	first  *follower // of the log alone
	later  *follower // of a snapshot and the log
	kinds  map[tq.Kind]bool
}

// follow applies what there is event by event, and compares.
func (w *twins) follow() error {
	want := w.q.look()
	events, err := w.q.read(w.cursor)
	if err != nil {
		return err
	}
	for _, e := range events {
		w.kinds[e.Kind] = true
		for _, f := range []*follower{w.first, w.later} {
			if err := f.apply(e, w.q.opts.Name, w.q.opts.Incarnation); err != nil {
				return fmt.Errorf("%v: %w", e.Kind, err)
			}
		}
	}
	if want.Sequence == 0 {
		return nil // nobody knows yet whom they follow
	}
	if a, b := like(want, true), like(w.first.state(), true); !same(a, b) {
		return errors.New("state (-primary +replica):\n" + gocmp.Diff(a, b))
	}
	if a, b := byTies(like(want, false)), byTies(like(w.later.state(), false)); !same(a, b) {
		return errors.New("state after a snapshot (-primary +replica):\n" + gocmp.Diff(a, b))
	}
	if diff := gocmp.Diff(w.q.Stats().Counters, w.first.Counters()); diff != "" {
		return errors.New("counters (-primary +replica):\n" + diff)
	}
	if w.first.shelf.held() != len(want.Tasks) {
		return fmt.Errorf("%d payloads held for %d tasks", w.first.shelf.held(), len(want.Tasks))
	}

	return nil
}

// TestReplicaEqualsPrimary compares a replica with the queue it follows after
// every one of many random operations (invariant 25, and 17: it refuses
// anything that is not the next event).
func TestReplicaEqualsPrimary(t *testing.T) {
	t.Parallel()
	const steps = 2_000
	kinds := map[tq.Kind]bool{}
	for seed := range max(*seeds*3/2, 1) {
		rng := rand.New(rand.NewPCG(seed, 25))
		synctest.Test(t, func(t *testing.T) {
			w := newTwins(t, rng)
			w.kinds = kinds
			defer func() { _ = w.q.Close() }()
			for n := range steps {
				if err := w.operate(rng, n); err != nil {
					t.Fatalf("seed %d, step %d, %s: %v", seed, n, w.said, err)
				}
			}
		})
		if t.Failed() {
			return
		}
	}
	if len(kinds) != 14 {
		t.Errorf("only %d kinds of events came: %v", len(kinds), kinds)
	}
}

func newTwins(t *testing.T, rng *rand.Rand) *twins {
	b := []byte{byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32()), 0}
	w := &twins{player: newPlayer(t, 2, b)}
	var err error
	if w.cursor, err = w.q.Watch(0); err != nil {
		t.Fatal(err)
	}
	w.first, w.later = openFollower(t, w.q.opts), openFollower(t, w.q.opts)

	return w
}

func (w *twins) operate(rng *rand.Rand, n int) error {
	if n%97 == 0 {
		if err := w.later.applySnapshot(w.q.look()); err != nil {
			return err
		}
		// What came before it was read is in it.
		if err := w.catchUp(); err != nil {
			return err
		}
	}
	a := int(rng.Uint32() % 255)
	if a%64 == 0 {
		a++ // a closed queue has no more to show
	}
	if err := w.step(byte(rng.Uint32()), a, int(byte(rng.Uint32()))); err != nil {
		return err
	}
	if len(w.snapshots) > 50 {
		w.snapshots, w.drained = w.snapshots[40:], w.drained[40:]
	}
	if len(w.leases) > 100 {
		w.leases = w.leases[80:]
	}

	return w.follow()
}

// catchUp reads what the follower of the log alone still needs.
func (w *twins) catchUp() error {
	events, err := w.q.read(w.cursor)
	for _, e := range events {
		err = errors.Join(err, w.first.apply(e, w.q.opts.Name, w.q.opts.Incarnation))
	}

	return err
}

// record is a plain next event for a follower.
func record(seq tq.Sequence, kind tq.Kind, change func(*tq.Record)) event {
	r := tq.Record{
		Sequence: seq, Kind: kind, Task: tq.TaskID{Origin: 7, Sequence: 1}, Attempt: 1,
		At: time.Unix(1_000_000, 0), EnqueuedAt: time.Unix(1_000_000, 0),
	}
	if kind != tq.Enqueued && kind != tq.Restored {
		r.Token = tq.Token{Task: r.Task, Attempt: 1, Incarnation: 7, Epoch: 1<<48 + 1}
	}
	if kind == tq.LeaseGranted || kind == tq.Heartbeat {
		r.Deadline = r.At.Add(time.Second)
	}
	if change != nil {
		change(&r)
	}

	return event{r, []byte("body")}
}

// TestReplicaRefuses sends what is not the next event, and what does not fit
// the state. Each is refused for its reason, and the state stays (17, 9).
func TestReplicaRefuses(t *testing.T) {
	t.Parallel()
	other := func(r *tq.Record) { r.Task.Sequence, r.Token.Task.Sequence = 2, 2 }
	for _, c := range []struct {
		name   string
		event  event
		queue  string
		source tq.Incarnation
		want   error
	}{
		{"a hole", record(4, tq.Completed, nil), "test", 7, tq.ErrGap},
		{"again", record(2, tq.LeaseGranted, nil), "test", 7, tq.ErrDiverged},
		{"another life", record(3, tq.Completed, nil), "test", 8, tq.ErrForeign},
		{"no life", record(3, tq.Completed, nil), "test", 0, tq.ErrForeign},
		{"another queue", record(3, tq.Completed, nil), "toast", 7, tq.ErrForeign},
		{"an unknown kind", record(3, 99, nil), "test", 7, tq.ErrDiverged},
		{"an unknown task", record(3, tq.Completed, other), "test", 7, tq.ErrDiverged},
		{"no task", record(3, tq.Completed, func(r *tq.Record) { r.Task = tq.TaskID{} }), "test", 7, tq.ErrDiverged},
		{"a task that is here", record(3, tq.Enqueued, nil), "test", 7, tq.ErrDiverged},
		{"a stale token", record(3, tq.Completed, func(r *tq.Record) { r.Token.Epoch-- }), "test", 7, tq.ErrDiverged},
		{"another's token", record(3, tq.Completed, func(r *tq.Record) { r.Token.Task.Sequence = 9 }), "test", 7, tq.ErrDiverged},
		{"a grant of a leased task", record(3, tq.LeaseGranted, func(r *tq.Record) {
			r.Attempt, r.Token.Attempt, r.Token.Epoch = 2, 2, r.Token.Epoch+1
		}), "test", 7, tq.ErrDiverged},
		{"a failure that ends nothing", record(3, tq.Failed, nil), "test", 7, tq.ErrDiverged},
		{"a purge of what lives", record(3, tq.Purged, nil), "test", 7, tq.ErrDiverged},
		{"a heartbeat until never", record(3, tq.Heartbeat, func(r *tq.Record) { r.Deadline = time.Time{} }), "test", 7, tq.ErrDiverged},
		{"attempt -1", record(3, tq.Completed, func(r *tq.Record) { r.Attempt = -1 }), "test", 7, tq.ErrDiverged},
		{"attempt 5000", record(3, tq.Completed, func(r *tq.Record) { r.Attempt = 5000 }), "test", 7, tq.ErrDiverged},
		{"a term beyond all", record(3, tq.Restored, func(r *tq.Record) { other(r); r.Token, r.Term = tq.Token{}, 1<<16 }), "test", 7, tq.ErrDiverged},
		{"no attempt left", record(3, tq.Restored, func(r *tq.Record) {
			other(r)
			r.Attempt = tq.MaxAttempts + 1
		}), "test", 7, tq.ErrDiverged},
		{"a snapshot of a task that is not here", record(3, tq.PassedOver, other), "test", 7, tq.ErrDiverged},
		{"no time", record(3, tq.Completed, func(r *tq.Record) { r.At = time.Time{} }), "test", 7, tq.ErrDiverged},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := openFollower(t, policy())
			for _, e := range []event{record(1, tq.Enqueued, nil), record(2, tq.LeaseGranted, nil)} {
				if err := f.apply(e, "test", 7); err != nil {
					t.Fatal(err)
				}
			}
			before := f.state()
			if err := f.apply(c.event, c.queue, c.source); !errors.Is(err, c.want) {
				t.Errorf("answered %v, want %v", err, c.want)
			}
			if after := f.state(); !same(before, after) {
				t.Errorf("changed (-before +after):\n%s", gocmp.Diff(before, after))
			}
			if err := f.apply(record(3, tq.Completed, nil), "test", 7); err != nil {
				t.Errorf("the next event after that: %v", err)
			}
			if at := f.Position(); at != (tq.Position{Incarnation: 7, Sequence: 3}) || f.shelf.held() != 0 {
				t.Errorf("at %v with %d payloads", at, f.shelf.held())
			}
		})
	}
}

// TestReplicaTakesWholeOperations cuts operations off: half of one changes
// nothing, may come again from its beginning, and leaves nothing behind.
func TestReplicaTakesWholeOperations(t *testing.T) {
	t.Parallel()
	more := func(r *tq.Record) { r.More = true }
	f := openFollower(t, policy())
	must := func(e event) {
		t.Helper()
		if err := f.apply(e, "test", 7); err != nil {
			t.Fatal(err)
		}
	}
	must(record(1, tq.Enqueued, nil))
	must(record(2, tq.LeaseGranted, nil))
	before := f.state()
	failed := record(3, tq.Failed, more)
	requeued := record(4, tq.Requeued, func(r *tq.Record) { r.Attempt, r.Token = 2, tq.Token{} })
	must(failed)
	if after := f.state(); !same(before, after) || f.Position().Sequence != 2 {
		t.Fatalf("half an operation took effect:\n%s", gocmp.Diff(before, after))
	}
	must(failed) // the stream began again behind the last whole operation
	must(requeued)
	if s := f.state(); len(s.Tasks) != 1 || s.Tasks[0].State != tq.Ready || s.Sequence != 4 {
		t.Fatalf("%+v", s)
	}

	// A drain whose last event does not fit is undone, payloads included.
	restored := func(seq tq.Sequence, task uint64, last bool) event {
		return record(seq, tq.Restored, func(r *tq.Record) { r.Task.Sequence, r.More, r.AvailableAt = task, !last, r.At })
	}
	before = f.state()
	must(restored(5, 2, false))
	must(restored(6, 3, false))
	if held := f.shelf.held(); held != 3 {
		t.Fatalf("%d payloads held", held)
	}
	if err := f.apply(restored(7, 1, true), "test", 7); !errors.Is(err, tq.ErrDiverged) {
		t.Fatalf("answered %v", err)
	}
	if after := f.state(); !same(before, after) || f.shelf.held() != 1 || f.Counters().Restored != 0 {
		t.Fatalf("%d payloads held:\n%s", f.shelf.held(), gocmp.Diff(before, after))
	}
	drained := record(5, tq.Drained, more)
	must(drained)
	if err := f.apply(record(6, tq.Drained, nil), "test", 7); !errors.Is(err, tq.ErrDiverged) {
		t.Fatalf("drained twice: %v", err)
	}
	if after := f.state(); !same(before, after) {
		t.Fatalf("changed:\n%s", gocmp.Diff(before, after))
	}
	must(record(5, tq.Drained, nil))
	if f.shelf.held() != 0 {
		t.Fatal("a payload is left")
	}
}

// TestReplicaIsBounded floods a replica with tasks and with an operation that
// never ends (19).
func TestReplicaIsBounded(t *testing.T) {
	t.Parallel()
	o := policy()
	o.LogEntries, o.MaxWaiting = 1, 1
	for _, more := range []bool{false, true} {
		f := openFollower(t, o)
		var err error
		n := 0
		for ; err == nil && n < 10_000; n++ {
			err = f.apply(record(tq.Sequence(n+1), tq.Restored, func(r *tq.Record) {
				r.Task.Sequence, r.More = uint64(n+1), more
			}), "test", 7)
		}
		if !errors.Is(err, tq.ErrFull) || n > 30 {
			t.Errorf("more %v: after %d tasks: %v", more, n, err)
		}
		want := 0
		if !more {
			want = n - 1
		}
		if f.shelf.held() != want {
			t.Errorf("more %v: %d payloads held, want %d", more, f.shelf.held(), want)
		}
	}
	f := openFollower(t, o)
	s := snapshot{SnapshotHeader: tq.SnapshotHeader{Version: 1, Queue: "test", Incarnation: 7, HighestEpoch: 1 << 48}}
	s.Tasks = make([]entry, 1000)
	if err := f.applySnapshot(s); !errors.Is(err, tq.ErrFull) {
		t.Errorf("a snapshot too large: %v", err)
	}
}

// TestReplicaRefusesSnapshots: each for its reason, and the state stays.
func TestReplicaRefusesSnapshots(t *testing.T) {
	t.Parallel()
	task := tq.TaskID{Origin: 7, Sequence: 1}
	good := snapshot{
		SnapshotHeader: tq.SnapshotHeader{Version: 1, Queue: "test", Incarnation: 7, Sequence: 9, HighestEpoch: 2<<48 + 5},
		Tasks: []entry{{TaskRef: tq.TaskRef{TaskState: tq.TaskState{
			ID: task, State: tq.Leased, Attempt: 1, Deadline: time.Unix(9, 0),
			LastToken: tq.Token{Task: task, Attempt: 1, Incarnation: 7, Epoch: 2<<48 + 5},
		}}, Body: []byte("a")}},
	}
	for _, c := range []struct {
		name   string
		change func(s *snapshot, t *tq.TaskState)
		want   error
	}{
		{"another queue", func(s *snapshot, _ *tq.TaskState) { s.Queue = "toast" }, tq.ErrForeign},
		{"no life", func(s *snapshot, _ *tq.TaskState) { s.Incarnation = 0 }, tq.ErrForeign},
		{"an earlier term", func(s *snapshot, _ *tq.TaskState) { s.Incarnation, s.HighestEpoch = 8, 1<<48 }, tq.ErrDeposed},
		{"older than the state", func(s *snapshot, _ *tq.TaskState) { s.Sequence = 8 }, tq.ErrDiverged},
		{"further than any queue", func(s *snapshot, _ *tq.TaskState) { s.Sequence = tq.Latest }, tq.ErrDiverged},
		{"no attempt left", func(_ *snapshot, t *tq.TaskState) { t.State, t.Attempt = tq.Ready, tq.MaxAttempts }, nil},
		{"another version", func(s *snapshot, _ *tq.TaskState) { s.Version = 2 }, nil},
		{"no deadline", func(_ *snapshot, t *tq.TaskState) { t.Deadline = time.Time{} }, nil},
		{"no token", func(_ *snapshot, t *tq.TaskState) { t.LastToken = tq.Token{} }, nil},
		{"a token of the future", func(_ *snapshot, t *tq.TaskState) { t.LastToken.Epoch++ }, nil},
		{"twice the same task", func(s *snapshot, _ *tq.TaskState) { s.Tasks = append(s.Tasks, s.Tasks[0]) }, tq.ErrDuplicate},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := openFollower(t, policy())
			if err := f.applySnapshot(good); err != nil {
				t.Fatal(err)
			}
			before := f.state()
			bad := good
			bad.Tasks = slices.Clone(good.Tasks)
			c.change(&bad, &bad.Tasks[0].TaskState)
			if err := f.applySnapshot(bad); err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("answered %v, want %v", err, c.want)
			}
			if after := f.state(); !same(before, after) {
				t.Errorf("changed:\n%s", gocmp.Diff(before, after))
			}
		})
	}
}
