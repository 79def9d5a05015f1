package effect_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/tq"
)

// A version is recorded once, the highest that its first caller supports, and
// returned ever after.
func TestRequire(t *testing.T) {
	t.Parallel()
	now := someTime
	o := effect.Options{Store: new(effect.Memory), Now: func() time.Time { return now }}
	require := func(lowest, highest int) (effect.Version, error) {
		now = now.Add(time.Minute)
		return recorder(t, o).Require(t.Context(), "billing", lowest, highest)
	}
	want := effect.Version{Change: "billing", Number: 2, New: true, RecordedAt: someTime.Add(time.Minute)}
	for range 3 {
		got, err := require(1, 2)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("version (-want +got):\n%s%v", diff, err)
		}
		want.New = false
	}
	if got, err := require(1, 7); got != want || err != nil {
		t.Errorf("a later build gets %+v, %v", got, err)
	}

	for _, span := range [][2]int{{3, 7}, {0, 1}} {
		_, err := require(span[0], span[1])
		var conflict *effect.ConflictError
		if !errors.As(err, &conflict) || !errors.Is(err, effect.ErrConflict) || tq.ErrorCode(err) != effect.CodeConflict {
			t.Fatalf("versions %v give %v", span, err)
		}
		metadata := map[string]tq.Plain{
			"changeId": `"billing"`, "storedVersion": "2",
			"minVersion": tq.PlainInt(int64(span[0])), "maxVersion": tq.PlainInt(int64(span[1])),
		}
		if diff := cmp.Diff(metadata, conflict.Metadata()); diff != "" || !conflict.RecordedAt.Equal(want.RecordedAt) {
			t.Errorf("metadata (-want +got):\n%s", diff)
		}
		text := fmt.Sprintf("effect: billing was started with version 2, and versions %d to %d are supported", span[0], span[1])
		if err.Error() != text {
			t.Errorf("says %q", err)
		}
	}
	if _, err := require(2, 1); err == nil {
		t.Error("versions 2 to 1 are accepted")
	}
	for _, change := range []string{"", "a::v1"} {
		if _, err := recorder(t, o).Require(t.Context(), change, 1, 1); !errors.Is(err, effect.ErrScope) {
			t.Errorf("change %q gives %v", change, err)
		}
	}
}

// Where a rollout is phased, new changes start with what Initial says.
func TestInitial(t *testing.T) {
	t.Parallel()
	first := 1
	o := effect.Options{
		Store: new(effect.Memory),
		Initial: func(change string, lowest, highest int) int {
			if lowest != 1 || highest != 2 {
				t.Errorf("%s is asked for %d to %d", change, lowest, highest)
			}

			return first
		},
	}
	for change, want := range map[string]int{"a": 1, "b": 2} {
		first = want
		v, err := recorder(t, o).Require(t.Context(), change, 1, 2)
		if v.Number != want || !v.New || err != nil {
			t.Errorf("%s: %+v, %v; want version %d", change, v, err, want)
		}
	}
	first = 3
	if _, err := recorder(t, o).Require(t.Context(), "c", 1, 2); err == nil {
		t.Error("a version out of range is recorded")
	}
	first = 2
	if v, err := recorder(t, o).Require(t.Context(), "c", 1, 2); !v.New || err != nil {
		t.Errorf("after that: %+v, %v", v, err)
	}
}

// Of many who ask at once, in two processes, one records; all get the same.
func TestRequireConcurrent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	versions := make([]effect.Version, 20)
	var group sync.WaitGroup
	for i := range versions {
		r := recorder(t, effect.Options{Store: files(t, dir)})
		group.Go(func() {
			var err error
			if versions[i], err = r.Require(t.Context(), "a", 1, 5+i%2); err != nil {
				if !errors.Is(err, effect.ErrConflict) {
					t.Error(err)
				}
				versions[i].Number = 6 // the only one somebody could not support
			}
		})
	}
	group.Wait()
	recorded := 0
	for _, v := range versions {
		if v.New {
			recorded++
		}
		if v.Number != versions[0].Number {
			t.Errorf("versions %d and %d of one change", v.Number, versions[0].Number)
		}
	}
	if recorded != 1 {
		t.Errorf("%d have recorded it", recorded)
	}
}

// A key of another kind, a damaged one and a store that fails are errors.
func TestRequireErrors(t *testing.T) {
	t.Parallel()
	full := errors.New("no answer")
	for name, c := range map[string]struct {
		record string
		store  *faulty
		want   error
	}{
		"kind":    {record: `{"kind":"effect","version":1,"time":"2026-11-22T01:02:03Z"}`, want: effect.ErrMismatch},
		"damaged": {record: "x", want: effect.ErrCorrupt},
		"get":     {store: &faulty{get: func(string) error { return full }}, want: full},
		"add":     {store: &faulty{add: func(string) error { return full }}, want: full},
	} {
		memory := new(effect.Memory)
		if c.store == nil {
			c.store = new(faulty)
		}
		c.store.StateStore = memory
		if c.record != "" {
			if err := memory.Set(t.Context(), "taskqueue.version::a", []byte(c.record)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := recorder(t, effect.Options{Store: c.store}).Require(t.Context(), "a", 1, 2); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Execute picks the branch by version, range or predicate, the first that
// fits, and the fallback where none does, wherever that stands.
func TestExecute(t *testing.T) {
	t.Parallel()
	for version, want := range map[int]string{1: "one", 2: "range", 3: "range", 4: "even", 5: "fallback", 6: "even"} {
		r := recorder(t, effect.Options{Store: new(effect.Memory)})
		var ran []string
		branch := func(name string) func(context.Context, *effect.Steps) error {
			return func(_ context.Context, s *effect.Steps) error {
				if s.Version.Number != version || s.Version.Change != "a" {
					t.Errorf("%s is told %+v", name, s.Version)
				}
				ran = append(ran, name)

				return nil
			}
		}
		err := r.Execute(t.Context(), "a", 1, version,
			effect.Otherwise(branch("fallback")),
			effect.ForVersion(1, branch("one")),
			effect.ForRange(2, 3, branch("range")),
			effect.When(func(v effect.Version) bool { return v.Number%2 == 0 }, branch("even")),
			effect.ForRange(1, 4, branch("too late")),
		)
		if err != nil || !slices.Equal(ran, []string{want}) {
			t.Errorf("version %d ran %v, %v; want %s", version, ran, err, want)
		}
	}

	r := recorder(t, effect.Options{Store: new(effect.Memory)})
	err := r.Execute(t.Context(), "a", 1, 2, effect.ForVersion(1, nil))
	if !errors.Is(err, effect.ErrNoBranch) {
		t.Errorf("without a branch: %v", err)
	}
	if err := r.Execute(t.Context(), "a", 3, 4); !errors.Is(err, effect.ErrConflict) {
		t.Errorf("out of range: %v", err)
	}
}

// Work that was started keeps its branch when a new build adds one, and its
// steps replay; each is recorded under change, version and step, whatever the
// ID function says of effects.
func TestSteps(t *testing.T) {
	t.Parallel()
	store := new(effect.Memory)
	o := effect.Options{Store: store, ID: func(effect.Scope) string { return "always" }}
	var ran []string
	steps := func(fail bool) func(context.Context, *effect.Steps) error {
		return func(ctx context.Context, s *effect.Steps) error {
			got, err := s.Capture(ctx, "reserve", "n", func(context.Context, effect.Call) ([]byte, error) {
				ran = append(ran, fmt.Sprint("reserve ", s.Version.Number))
				return []byte("7"), nil
			})
			if err != nil || string(got) != "7" {
				t.Errorf("reserve gives %s, %v", got, err)
			}

			return s.Do(ctx, "charge", func(context.Context, effect.Call) error {
				if fail {
					return errors.New("no answer")
				}
				ran = append(ran, fmt.Sprint("charge ", s.Version.Number))

				return nil
			})
		}
	}
	old := []effect.Branch{effect.ForVersion(1, steps(true))}
	if err := recorder(t, o).Execute(t.Context(), "order-17", 1, 1, old...); err == nil {
		t.Error("the first attempt succeeds")
	}
	renewed := []effect.Branch{effect.ForVersion(2, steps(false)), effect.ForVersion(1, steps(false))}
	for _, change := range []string{"order-17", "order-17", "order-18"} {
		if err := recorder(t, o).Execute(t.Context(), change, 1, 2, renewed...); err != nil {
			t.Error(err)
		}
	}
	want := []string{"reserve 1", "charge 1", "reserve 2", "charge 2"}
	if diff := cmp.Diff(want, ran); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	for _, key := range []string{
		"taskqueue.step::order-17::v1::reserve", "taskqueue.step::order-17::v1::charge",
		"taskqueue.step::order-18::v2::reserve", "taskqueue.version::order-17",
	} {
		if _, found, err := store.Get(t.Context(), key); !found || err != nil {
			t.Errorf("%s is there: %v, %v", key, found, err)
		}
	}
}
