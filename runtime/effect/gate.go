package effect

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Version is which version of a behaviour a change was started with.
type Version struct {
	Change     string
	Number     int
	New        bool      // it was recorded by this very call
	RecordedAt time.Time // the same whoever asks, and when
}

// Require gives the version that change was started with. If there is none, it
// is highest, or what Options.Initial says, and recorded: every later call, in
// whichever process and with whatever range, gets that one. Change names the
// behaviour and the work that is to keep to it, "billing/order-17"; it has no ::
// in it.
//
// A recorded version outside of lowest to highest is a [*ConflictError].
func (r *Recorder) Require(ctx context.Context, change string, lowest, highest int) (Version, error) {
	if change == "" || strings.Contains(change, "::") {
		return Version{}, fmt.Errorf("%w: the change %q is empty or has :: in it", ErrScope, change)
	}
	if lowest > highest {
		return Version{}, fmt.Errorf("effect: %s: versions %d to %d are none", change, lowest, highest)
	}
	first := highest
	if r.o.Initial != nil {
		first = r.o.Initial(change, lowest, highest)
	}
	if first < lowest || first > highest {
		return Version{}, fmt.Errorf("effect: %s: Options.Initial says %d, which is not in %d…%d",
			change, first, lowest, highest)
	}
	v, err := r.version(ctx, change, first)
	if err != nil {
		return Version{}, err
	}
	if v.Number < lowest || v.Number > highest {
		return Version{}, &ConflictError{
			Change: change, Version: v.Number, RecordedAt: v.RecordedAt, Lowest: lowest, Highest: highest,
		}
	}

	return v, nil
}

// version gives the recorded version of a change, or records one.
func (r *Recorder) version(ctx context.Context, change string, number int) (Version, error) {
	key := r.o.Prefix + ".version::" + change
	stored, found, err := r.o.Store.Get(ctx, key)
	if err != nil {
		return Version{}, storeError("look up", key, err)
	}
	if found {
		return readVersion(key, change, stored)
	}
	rec := Record{Kind: KindVersion, Version: number, Time: r.o.Now()}
	text, err := rec.AppendJSON(nil)
	if err != nil {
		return Version{}, err
	}
	added, err := r.o.Store.TryAdd(ctx, key, text)
	if err != nil {
		return Version{}, storeError("record", key, err)
	}
	if added {
		v, err := readVersion(key, change, text)
		v.New = true

		return v, err
	}
	if stored, found, err = r.o.Store.Get(ctx, key); err == nil && !found {
		err = errors.New("the version somebody else has recorded is gone")
	}
	if err != nil {
		return Version{}, storeError("look up", key, err)
	}

	return readVersion(key, change, stored)
}

func readVersion(key, change string, stored []byte) (Version, error) {
	rec, err := decode(key, stored)
	if err != nil {
		return Version{}, err
	}
	if rec.Kind != KindVersion {
		return Version{}, mismatch(key, rec.Kind, rec.Schema, KindVersion, "")
	}

	return Version{Change: change, Number: rec.Version, RecordedAt: rec.Time}, nil
}

// Branch is one way to do something, and the versions it is for.
type Branch struct {
	fits     func(Version) bool
	fallback bool
	run      func(context.Context, *Steps) error
}

// ForVersion is the branch for one version.
func ForVersion(number int, run func(context.Context, *Steps) error) Branch {
	return ForRange(number, number, run)
}

// ForRange is the branch for the versions from lowest to highest.
func ForRange(lowest, highest int, run func(context.Context, *Steps) error) Branch {
	return When(func(v Version) bool { return lowest <= v.Number && v.Number <= highest }, run)
}

// When is the branch for the versions that fit.
func When(fits func(Version) bool, run func(context.Context, *Steps) error) Branch {
	return Branch{fits: fits, run: run}
}

// Otherwise is the branch for versions that no other is for.
func Otherwise(run func(context.Context, *Steps) error) Branch {
	return Branch{fallback: true, run: run}
}

// Execute runs the first of branches that is for the version of change, as
// [Recorder.Require] gives it; an [Otherwise] only if there is no other. If
// there is none at all the error matches [ErrNoBranch]. A branch runs anew
// whenever Execute is called; what is to happen once is a step of it.
func (r *Recorder) Execute(ctx context.Context, change string, lowest, highest int, branches ...Branch) error {
	v, err := r.Require(ctx, change, lowest, highest)
	if err != nil {
		return err
	}
	steps := &Steps{Version: v, recorder: r}
	for _, b := range branches {
		if !b.fallback && b.fits(v) {
			return b.run(ctx, steps)
		}
	}
	for _, b := range branches {
		if b.fallback {
			return b.run(ctx, steps)
		}
	}

	return fmt.Errorf("%w: %s has version %d", ErrNoBranch, change, v.Number)
}

// Steps records what a branch does, under change, version and step.
type Steps struct {
	Version  Version
	recorder *Recorder
}

// Do is [Recorder.Do] for a step of the branch.
func (s *Steps) Do(ctx context.Context, step string, do func(context.Context, Call) error) error {
	return s.recorder.Do(ctx, s.scope(step), do)
}

// Capture is [Recorder.Capture] for a step of the branch.
func (s *Steps) Capture(
	ctx context.Context, step, schema string, do func(context.Context, Call) ([]byte, error),
) ([]byte, error) {
	return s.recorder.Capture(ctx, s.scope(step), schema, do)
}

func (s *Steps) scope(step string) Scope {
	return Scope{kind: stepScope, step: s.Version.Change + "::v" + strconv.Itoa(s.Version.Number), Effect: step}
}
