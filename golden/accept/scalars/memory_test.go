package scalars_test

import (
	"reflect"
	"testing"

	"github.com/tqgen/tqgen/golden/accept/scalars"
	"github.com/tqgen/tqgen/golden/accept/scalars/taskqueue"
)

// filled has something in every field that allocates.
func filled() *scalars.Task {
	return &scalars.Task{
		Float64: 1.25, String: "some text, and a bit more", Bytes: []byte("bytes"),
		Strings: []string{"a", "b"}, Map: map[string]string{"k": "v", "l": "w"},
	}
}

// TestAppendDoesNotAllocate holds in a buffer that is large enough.
func TestAppendDoesNotAllocate(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts those of everybody
	task, dst := filled(), make([]byte, 0, 1024)
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := taskqueue.AppendJSON(dst, task); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// TestDecodedValuesAreTheirOwn shows that the document may be reused.
func TestDecodedValuesAreTheirOwn(t *testing.T) {
	t.Parallel()
	want := filled()
	document, err := taskqueue.AppendJSON(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := taskqueue.ParseJSON(document)
	if err != nil {
		t.Fatal(err)
	}
	clear(document)
	if !reflect.DeepEqual(*want, got) {
		t.Errorf("got %+v, want %+v", got, *want)
	}
}
