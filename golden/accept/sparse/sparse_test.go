package sparse_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/golden/accept/sparse"
	"github.com/tqgen/tqgen/golden/accept/sparse/uploadqueue"
	"github.com/tqgen/tqgen/golden/internal/conform"
	"github.com/tqgen/tqgen/runtime/tq"
)

func TestConformance(t *testing.T) {
	conform.Run(t, uploadqueue.New, uploadqueue.Run, uploadqueue.NewReplica, nil)
}

// TestPayloadOfFirstEvent holds that Enqueued and Restored carry the payload,
// and no other event, in memory and in JSON.
func TestPayloadOfFirstEvent(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	q, err := uploadqueue.New(uploadqueue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	reader, err := q.Watch(0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	populate(ctx, t, q)
	want := []seen{
		{tq.Enqueued, "a", true}, {tq.LeaseGranted, "", false}, {tq.Released, "", false},
		{tq.Drained, "", false}, {tq.Restored, "a", true}, {tq.LeaseGranted, "", false}, {tq.Completed, "", false},
	}
	var got []seen
	for range want {
		e, err := reader.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, seen{e.Kind, e.Payload.Name, valued(t, e)})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// seen is an event, the name in its payload, and whether its JSON has a value.
type seen struct {
	Kind   tq.Kind
	Name   string
	Valued bool
}

func valued(t *testing.T, e uploadqueue.Event) bool {
	t.Helper()
	text, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	var form struct{ Value *sparse.Upload }
	if err := json.Unmarshal(text, &form); err != nil {
		t.Fatal(err)
	}
	var back uploadqueue.Event
	if err := back.UnmarshalJSON(text); err != nil || back.Payload.Name != e.Payload.Name {
		t.Errorf("%s comes back as payload %q, %v", text, back.Payload.Name, err)
	}

	return form.Value != nil
}

func populate(ctx context.Context, t *testing.T, q *uploadqueue.Local) {
	t.Helper()
	if _, err := q.Enqueue(ctx, sparse.Upload{Name: "a", Body: []byte("body")}); err != nil {
		t.Fatal(err)
	}
	lease, err := q.TryLease(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Release(ctx); err != nil {
		t.Fatal(err)
	}
	snapshot, err := q.Drain(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Restore(ctx, snapshot); err != nil {
		t.Fatal(err)
	}
	if lease, err = q.TryLease(ctx); err != nil {
		t.Fatal(err)
	}
	if err := lease.Complete(ctx); err != nil {
		t.Fatal(err)
	}
}
