package conformance_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/golden/accept/conformance/taskqueue"
	"github.com/tqgen/tqgen/runtime/jsonwire"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// wire is what events and snapshots have in common.
type wire interface {
	AppendJSON(dst []byte) ([]byte, error)
	UnmarshalJSON(src []byte) error
}

// agree reads a document in three ways, which must agree, and writes and reads
// again what came of it.
func agree[T any, W interface {
	*T
	wire
}](t *testing.T, src []byte, read func(taskqueue.Decoder, []byte, W) error) {
	t.Helper()
	defer func() { // of the payload's own methods
		if p := recover(); p != nil && p != "read" && p != "write" {
			panic(p)
		}
	}()
	wide := taskqueue.Decoder{Limits: jsonwire.Limits{Bytes: 1 << 30, Depth: jsonwire.MaxDepth, Elements: 1 << 30}}
	plain, limited, exact := W(new(T)), W(new(T)), W(new(T))
	err, limitedErr := plain.UnmarshalJSON(src), read(wide, src, limited)
	if diff := cmp.Diff(text(err), text(limitedErr)); diff != "" {
		t.Fatalf("with limits (-without +with):\n%s", diff)
	}
	if strictErr := read(taskqueue.Decoder{Strict: true}, src, exact); err != nil && strictErr == nil {
		t.Fatalf("read strictly, not else: %v", err)
	}
	if err != nil {
		return
	}
	out, err := plain.AppendJSON(nil)
	if err != nil {
		return // a value such as a Loose that is no JSON
	}
	again := W(new(T))
	if err := again.UnmarshalJSON(out); err != nil {
		return // what is written need not be what is read: Addr is an object, and becomes a number
	}
	if _, err := again.AppendJSON(nil); err != nil {
		t.Fatalf("%s is written and read, and cannot be written again: %v", out, err)
	}
	if other, err := limited.AppendJSON(nil); err != nil || string(other) != string(out) {
		t.Fatalf("with limits %s, %v, without %s", other, err, out)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}

	return err.Error()
}

var some = []string{
	"null", "{}", `{"floats":{"F64":1},"parts":{"Ints":[1,2]}}`, `{"FLOATS":{},"unknown":[{}],"floats":{}}`, `{"node":{"list":[{}]}}`,
}

// FuzzEvent reads documents as events.
func FuzzEvent(f *testing.F) {
	header := replication.Header{
		Sequence: 2, Queue: "q", Attempt: 1, OccurredAt: time.Unix(1, 0).UTC(), Task: tq.TaskID{Sequence: 1, Origin: 7}, Incarnation: 7,
	}
	for _, payload := range some {
		src, err := replication.AppendEvent(nil, &header, func(dst []byte) ([]byte, error) { return append(dst, payload...), nil })
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		agree(t, src, func(d taskqueue.Decoder, src []byte, e *taskqueue.Event) error { return d.DecodeEvent(src, e) })
	})
}

// FuzzSnapshot reads documents as snapshots, and so as tasks.
func FuzzSnapshot(f *testing.F) {
	header := tq.SnapshotHeader{Version: tq.SnapshotVersion, Queue: "q", Incarnation: 7, Sequence: 3}
	state := tq.TaskState{State: tq.Ready, EnqueuedAt: time.Unix(1, 0).UTC()}
	src, err := tq.AppendSnapshot(nil, &header, len(some), func(dst []byte, i int) ([]byte, error) {
		state.ID = tq.TaskID{Sequence: uint64(i + 1), Origin: 7}

		return tq.AppendTask(dst, &state, func(dst []byte) ([]byte, error) { return append(dst, some[i]...), nil })
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(src)
	f.Fuzz(func(t *testing.T, src []byte) {
		agree(t, src, func(d taskqueue.Decoder, src []byte, s *taskqueue.Snapshot) error { return d.DecodeSnapshot(src, s) })
	})
}
