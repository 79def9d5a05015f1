package minimal_test

import (
	"errors"
	"testing"

	"github.com/tqgen/tqgen/golden/accept/minimal"
	"github.com/tqgen/tqgen/golden/accept/minimal/taskqueue"
	"github.com/tqgen/tqgen/runtime/tq"
)

func TestBatches(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	q, err := taskqueue.New(taskqueue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]tq.TaskID, 3)
	if n, err := q.EnqueueBatch(ctx, make([]minimal.Task, 3), ids); n != 3 || err != nil {
		t.Fatalf("enqueued %d: %v", n, err)
	}
	leases := make([]taskqueue.Lease, 4)
	n, err := q.LeaseBatch(ctx, leases)
	if n != 3 || err != nil {
		t.Fatalf("leased %d: %v", n, err)
	}
	for i := range n {
		if leases[i].Token.Task != ids[i] {
			t.Errorf("lease %d is of %v, want %v", i, leases[i].Token.Task, ids[i])
		}
	}
	if n, err := taskqueue.CompleteAll(ctx, leases); n != 3 || !errors.Is(err, tq.ErrLeaseLost) {
		t.Errorf("completed %d, and of the zero lease %v", n, err)
	}
	if s, _ := q.Stats(ctx); s.Completed != 3 || s.Live() != 0 {
		t.Errorf("stats %+v", s)
	}
}
