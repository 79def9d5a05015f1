package lease_test

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/tq"
)

// TestFileLog holds that a file has every event once, whether it is pumped into
// it or applied by a sink, and gives them all again.
func TestFileLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events")
	file, err := leasequeue.OpenFileLog(path, leasequeue.FileLogOptions{})
	no(t, err)
	var want []leasequeue.Event
	synctest.Test(t, func(t *testing.T) {
		q, source := openSource(t, leasequeue.SourceOptions{})
		everyKind(t, q)
		want = rest(t, q, source)
	})
	first := func(yield func(leasequeue.Event, error) bool) {
		for _, e := range want[:len(want)/2] {
			if !yield(e, nil) {
				return
			}
		}
	}
	all := func(yield func(leasequeue.Event, error) bool) {
		for _, e := range want {
			if !yield(e, nil) {
				return
			}
		}
	}
	o := leasequeue.SinkOptions{Stream: "s", Flush: file.Sync}
	for _, events := range []func(func(leasequeue.Event, error) bool){first, all} {
		sink, err := leasequeue.NewSink(o, file.Append)
		no(t, err)
		no(t, sink.Run(t.Context(), events))
	}
	no(t, file.Close())

	file, err = leasequeue.OpenFileLog(path, leasequeue.FileLogOptions{})
	no(t, err)
	defer file.Close()
	var got []leasequeue.Event
	for e, err := range file.All(t.Context()) {
		no(t, err)
		got = append(got, e)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("All (-want +got)\n%s", diff)
	}
	for e, err := range file.All(t.Context()) { // a reader may leave
		if e.Sequence != 1 || err != nil {
			t.Errorf("first comes %d, %v", e.Sequence, err)
		}

		break
	}

	next := want[len(want)-1].Sequence + 2
	snapshot := leasequeue.Snapshot{
		SnapshotHeader: tq.SnapshotHeader{
			Version: tq.SnapshotVersion, Queue: "resource-lease", Incarnation: want[0].Incarnation, Sequence: next,
		},
		Tasks: []leasequeue.Task{},
	}
	late := want[0]
	late.Sequence, late.SourceEvent = next+1, next+1
	if err := file.Append(t.Context(), &late); !errors.Is(err, tq.ErrGap) {
		t.Errorf("an event that leaves some out gives %v", err)
	}
	no(t, file.AppendSnapshot(t.Context(), snapshot))
	no(t, file.Append(t.Context(), &late))
	var replayed []tq.Sequence
	torn, err := leasequeue.Replay(path, func(e *leasequeue.Event) error {
		replayed = append(replayed, e.Sequence)

		return nil
	}, func(s *leasequeue.Snapshot) error {
		replayed = []tq.Sequence{s.Sequence}

		return nil
	})
	if err != nil || torn != 0 {
		t.Errorf("%d torn, %v", torn, err)
	}
	if diff := cmp.Diff([]tq.Sequence{next, next + 1}, replayed); diff != "" {
		t.Errorf("Replay (-want +got)\n%s", diff)
	}
}
