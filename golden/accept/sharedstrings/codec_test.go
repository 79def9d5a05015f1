package sharedstrings_test

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/golden/accept/sharedstrings"
	"github.com/tqgen/tqgen/golden/accept/sharedstrings/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[sharedstrings.Task]{
		Append: taskqueue.AppendJSON, Parse: taskqueue.ParseJSON, Decode: taskqueue.DecodeJSON,
	})
	jsondiff.Run(t, jsondiff.Codec[sharedstrings.Task]{
		Append: taskqueue.AppendJSON, Parse: taskqueue.Decoder{}.ParseJSON, Decode: taskqueue.Decoder{}.DecodeJSON,
	})
}

var document = `{"id":"a rather long text","names":["one of some words","another of some words"],` +
	`"word":"a word","part":{"text":"some text of the part"}}`

// All strings together cost one allocation, and none of them is the document's.
func TestSharedStrings(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts those of everybody
	src := []byte(document)
	var got sharedstrings.Task
	allocs := testing.AllocsPerRun(100, func() {
		var err error
		if got, err = taskqueue.ParseJSON(src); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 2 { // the copy, and the slice
		t.Errorf("%v allocations", allocs)
	}
	clear(src)
	want := sharedstrings.Task{
		ID: "a rather long text", Names: []string{"one of some words", "another of some words"}, Word: "a word",
		Part: sharedstrings.Part{Text: "some text of the part"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Events share within themselves, whatever is repeated in them; the tasks of a
// snapshot keep their own strings, so that one does not hold on to all.
func TestSharedStringsInEvents(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts those of everybody
	e := taskqueue.Event{Header: replication.Header{Queue: "q", Kind: tq.Enqueued, Sequence: 1, Attempt: 1, OccurredAt: time.Unix(0, 0)}}
	if err := taskqueue.DecodeJSON([]byte(document), &e.Payload); err != nil {
		t.Fatal(err)
	}
	src, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	var again taskqueue.Event
	if err := again.UnmarshalJSON(src); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e.Payload, again.Payload); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	repeated := func(n int) float64 {
		value := strings.Repeat(`"value":`+document+`,`, n)
		src := append([]byte("{"+value), src[1:]...)

		return float64(allocated(t, src, new(taskqueue.Event))) / float64(len(src))
	}
	if one, many := repeated(1), repeated(100); many > 2*one+2 {
		t.Errorf("%.1f bytes a byte of an event that has its payload twice, %.1f of one that has it 101 times", one, many)
	}

	long := strings.Repeat("x", 1<<16)
	s := taskqueue.Snapshot{SnapshotHeader: tq.SnapshotHeader{Version: tq.SnapshotVersion, Queue: "q"}}
	s.Tasks = make([]taskqueue.Task, 100)
	for i := range s.Tasks {
		s.Tasks[i].Payload.ID = long
		s.Tasks[i].ID.Sequence = uint64(i + 1)
		s.Tasks[i].State = tq.Ready
		s.Tasks[i].EnqueuedAt = time.Unix(0, 0)
	}
	if src, err = s.AppendJSON(nil); err != nil {
		t.Fatal(err)
	}
	if n := allocated(t, src, new(taskqueue.Snapshot)); n > 2*uint64(len(src)) {
		t.Errorf("%d bytes for a snapshot of %d", n, len(src))
	}
}

// allocated is how many bytes the reading of src into v takes.
func allocated(t *testing.T, src []byte, v json.Unmarshaler) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := v.UnmarshalJSON(src); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)

	return after.TotalAlloc - before.TotalAlloc
}
