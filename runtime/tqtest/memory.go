package tqtest

import (
	"runtime"
	"testing"
)

// checkAllocs holds that a task costs no allocation, with a reader attached
// and without.
func checkAllocs(t *testing.T, open Open) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}

	q := opened(t, open, options())
	cycle := func() { no(t, q.Cycle(t.Context()), "cycle") }
	for range 100 {
		cycle()
	}
	if n := testing.AllocsPerRun(1000, cycle); n != 0 {
		t.Errorf("enqueue, lease and complete allocate %v times, want 0", n)
	}

	reader, err := q.Watch(0)
	if err == nil {
		defer reader.Close()
	}
	for range 10000 {
		cycle() // until the log has its size
	}
	if n := testing.AllocsPerRun(1000, cycle); n != 0 {
		t.Errorf("enqueue, lease and complete allocate %v times while somebody reads, want 0", n)
	}
}

// checkHeap holds that a reader which stalls keeps no more payload bytes than
// the log may hold.
func checkHeap(t *testing.T, open Open) {
	const body, bound, slack = 1 << 20, 8 << 20, 8 << 20
	o := options()
	o.LogBytes = bound
	q := opened(t, open, o)
	if possible, err := q.EnqueueBytes(t.Context(), body); !possible || err != nil {
		if err != nil {
			t.Fatal(err)
		}
		t.Skip("the payload has no room for a body")
	}

	no(t, take(t, q).Complete(t.Context()), "complete")
	_, _, reader := q.WatchNow()
	defer reader.Close()
	before := heap()
	for range 2000 {
		_, err := q.EnqueueBytes(t.Context(), body)
		no(t, err, "enqueue")
		no(t, take(t, q).Complete(t.Context()), "complete")
	}
	if held := int64(heap()) - int64(before); held > bound+slack {
		t.Errorf("a stalled reader holds %d MB, want at most %d", held>>20, bound>>20)
	}
	runtime.KeepAlive(reader)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)

	return m.HeapAlloc
}
