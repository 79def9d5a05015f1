package tqtest

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Checkpoints opens a checkpoint store at a place of its own: each call opens
// what was saved there before. What it gave is closed, if it is an io.Closer,
// before it is called again.
type Checkpoints func(t testing.TB) replication.CheckpointStore

// RunCheckpointStore holds a checkpoint store to what
// replication.CheckpointStore says, each promise in a subtest. place gives an
// empty place.
func RunCheckpointStore(t *testing.T, place func(t testing.TB) Checkpoints) {
	for _, c := range []struct {
		name  string
		check func(*testing.T, Checkpoints)
	}{
		{"a stream that was never saved has nothing", checkNoCheckpoint},
		{"what was saved is loaded, and shared with nobody", checkSaved},
		{"another revision is a conflict and changes nothing", checkConflict},
		{"streams are apart, whatever their names", checkStreams},
		{"a call whose context is over changes nothing", checkCancelled},
		{"one of several writers wins", checkWriters},
		{"what was saved is there when the store is opened anew", checkReopened},
		{"a claimed stream is claimed until it is released", checkClaim},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, place(t)) })
	}
}

func openCheckpoints(t *testing.T, open Checkpoints) replication.CheckpointStore {
	t.Helper()
	store := open(t)
	t.Cleanup(func() { closeCheckpoints(t, store) })

	return store
}

func closeCheckpoints(t *testing.T, store replication.CheckpointStore) {
	t.Helper()
	if c, ok := store.(io.Closer); ok {
		no(t, c.Close(), "close")
	}
}

// checkpoint is one with all fields set.
func checkpoint(stream string, revision uint64) replication.Checkpoint {
	return replication.Checkpoint{
		Stream: stream, Position: 40 + tq.Sequence(revision), Peers: map[string]tq.Sequence{"worker-7": 144, "": 145},
		UpdatedAt:   time.Date(2026, 11, 21, 12, 22, 19, 123456700, time.UTC),
		Incarnation: 0x6f1c2a7e9b0d4c55, Revision: revision, Applied: []tq.Sequence{150, 152},
		Earlier: []replication.Position{{Incarnation: 1, Sequence: 9}, {Incarnation: 2}},
	}
}

// saved checks what the store has for a stream.
func saved(t *testing.T, store replication.CheckpointStore, want replication.Checkpoint) {
	t.Helper()
	got, err := store.Load(context.WithoutCancel(t.Context()), want.Stream)
	no(t, err, "load")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checkpoint of %q (-want +got):\n%s", want.Stream, diff)
	}
}

func checkNoCheckpoint(t *testing.T, open Checkpoints) {
	saved(t, openCheckpoints(t, open), replication.Checkpoint{Stream: "never"})
}

func checkSaved(t *testing.T, open Checkpoints) {
	store := openCheckpoints(t, open)
	c := checkpoint("s", 1)
	no(t, store.Save(t.Context(), c, 0), "save")
	c.Peers["worker-7"], c.Applied[0], c.Earlier[0].Sequence = 1, 1, 1 // the caller's own again
	saved(t, store, checkpoint("s", 1))
	loaded, err := store.Load(t.Context(), "s")
	no(t, err, "load")
	loaded.Peers["worker-7"], loaded.Applied[0], loaded.Earlier[0].Sequence = 2, 2, 2
	saved(t, store, checkpoint("s", 1))

	small := replication.Checkpoint{Stream: "s", Revision: 2}
	no(t, store.Save(t.Context(), small, 1), "save")
	saved(t, store, small)
}

func checkConflict(t *testing.T, open Checkpoints) {
	store := openCheckpoints(t, open)
	is(t, store.Save(t.Context(), checkpoint("s", 6), 5), replication.ErrConflict, "save over a revision that never was")
	saved(t, store, replication.Checkpoint{Stream: "s"})
	no(t, store.Save(t.Context(), checkpoint("s", 1), 0), "save")
	no(t, store.Save(t.Context(), checkpoint("s", 2), 1), "save")
	for _, expected := range []uint64{0, 1, 3} {
		err := store.Save(t.Context(), checkpoint("s", expected+1), expected)
		is(t, err, replication.ErrConflict, "save over another revision")
	}
	saved(t, store, checkpoint("s", 2))
}

func checkStreams(t *testing.T, open Checkpoints) {
	store := openCheckpoints(t, open)
	names := []string{"s", "S", "s/../s", "../s", "s.checkpoint", "lock", "größe ☃", `a\b:c*?"<>|`, strings.Repeat("x", 128)}
	for i, name := range names {
		c := checkpoint(name, 1)
		c.Position = tq.Sequence(i)
		no(t, store.Save(t.Context(), c, 0), "save "+name)
	}
	for i, name := range names {
		c := checkpoint(name, 1)
		c.Position = tq.Sequence(i)
		saved(t, store, c)
	}
}

func checkCancelled(t *testing.T, open Checkpoints) {
	store := openCheckpoints(t, open)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.Save(ctx, checkpoint("s", 1), 0); err == nil {
		t.Error("save with a context that is over gives no error")
	}
	if _, err := store.Load(ctx, "s"); err == nil {
		t.Error("load with a context that is over gives no error")
	}
	saved(t, store, replication.Checkpoint{Stream: "s"})
}

func checkWriters(t *testing.T, open Checkpoints) {
	store := openCheckpoints(t, open)
	const writers, rounds = 4, 8
	for round := range uint64(rounds) {
		var wins sync.Map
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				c := checkpoint("s", round+1)
				c.Position = tq.Sequence(w)
				err := store.Save(t.Context(), c, round)
				if err == nil {
					wins.Store(w, true)
				} else if !errors.Is(err, replication.ErrConflict) {
					t.Errorf("save: %v", err)
				}
			})
		}
		group.Wait()
		n := 0
		wins.Range(func(w, _ any) bool {
			n++
			c := checkpoint("s", round+1)
			c.Position = tq.Sequence(w.(int))
			saved(t, store, c)

			return true
		})
		if n != 1 {
			t.Fatalf("%d writers of revision %d have won", n, round+1)
		}
	}
}

func checkReopened(t *testing.T, open Checkpoints) {
	store := open(t)
	no(t, store.Save(t.Context(), checkpoint("s", 1), 0), "save")
	no(t, store.Save(t.Context(), checkpoint("s", 2), 1), "save")
	closeCheckpoints(t, store)
	store = openCheckpoints(t, open)
	saved(t, store, checkpoint("s", 2))
	no(t, store.Save(t.Context(), checkpoint("s", 3), 2), "save")
	saved(t, store, checkpoint("s", 3))
}

func checkClaim(t *testing.T, open Checkpoints) {
	claimer, ok := openCheckpoints(t, open).(replication.Claimer)
	if !ok {
		t.Skip("the store takes no claims")
	}
	release, err := claimer.Claim("s")
	no(t, err, "claim")
	_, err = claimer.Claim("s")
	is(t, err, replication.ErrRunning, "a second claim")
	other, err := claimer.Claim("t")
	no(t, err, "claim of another stream")
	other()
	release()
	release, err = claimer.Claim("s")
	no(t, err, "claim after release")
	release()
}
