package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/tq"
)

// record writes the events of a short life to a log that is open already.
func record(t *testing.T, log *leasequeue.FileLog, life tq.Incarnation) *leasequeue.Local {
	t.Helper()
	q, err := leasequeue.New(leasequeue.Options{Incarnation: life})
	if err != nil {
		t.Fatal(err)
	}
	reader, err := q.Watch(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"i-1", "i-2"} {
		if _, err := q.Enqueue(t.Context(), lease.ResourceLease{ResourceID: id}); err != nil {
			t.Fatal(err)
		}
	}
	l, err := q.LeaseAs(t.Context(), "worker-7")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Complete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	err = leasequeue.NewSource(reader, leasequeue.SourceOptions{}).Pump(t.Context(), log.Append)
	if !errors.Is(err, tq.ErrClosed) {
		t.Fatal(err)
	}

	return q
}

func TestHistory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events")
	log, err := leasequeue.OpenFileLog(path, leasequeue.FileLogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	record(t, log, 7)
	q := record(t, log, 8) // of another life, in the same file
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}

	var out, errs bytes.Buffer
	if status := run([]string{path}, &out, &errs); status != 0 || errs.Len() > 0 {
		t.Fatalf("status %d: %s", status, &errs)
	}
	var got leasequeue.Snapshot
	if err := got.UnmarshalJSON(out.Bytes()); err != nil {
		t.Fatal(err)
	}
	want, reader := q.WatchNow()
	_ = reader.Close()
	if diff := cmp.Diff(want.SnapshotHeader, got.SnapshotHeader); diff != "" || len(got.Tasks) != 1 ||
		got.Tasks[0].Payload.ResourceID != "i-2" {
		t.Errorf("%d tasks, header (-want +got)\n%s", len(got.Tasks), diff)
	}

	out.Reset()
	if status := run([]string{path, "0000000000000007-1"}, &out, &errs); status != 0 {
		t.Fatalf("status %d: %s", status, &errs)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 || !strings.Contains(lines[2], "LeaseGranted") || !strings.Contains(lines[3], "worker-7") {
		t.Errorf("history is\n%s", &out)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("no log of events\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want int
	}{
		{nil, 2}, {[]string{bad}, 1}, {[]string{bad, "7-1"}, 2}, {[]string{bad, "0000000000000007-1"}, 1}, {[]string{bad + "-not"}, 1},
	} {
		var out, errs bytes.Buffer
		if got := run(c.args, &out, &errs); got != c.want || errs.Len() == 0 || out.Len() > 0 && c.want == 2 {
			t.Errorf("%q: status %d, want %d: %s%s", c.args, got, c.want, &out, &errs)
		}
	}
}
