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

// record writes what becomes of a queue to the file at path: four tasks, of which
// one is completed, one leased, one dead and one left. With late the file begins
// with a snapshot. It returns how the queue stands then.
func record(t *testing.T, path string, life tq.Incarnation, late bool) leasequeue.Snapshot {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	q, err := leasequeue.New(leasequeue.Options{Name: "leases-west", Incarnation: life})
	must(err)
	defer q.Close()
	log, err := leasequeue.OpenFileLog(path, leasequeue.FileLogOptions{})
	must(err)
	reader, err := q.Watch(0)
	must(err)
	source := leasequeue.NewSource(reader, leasequeue.SourceOptions{})
	for _, id := range []string{"a", "b", "c", "d"} {
		_, err := q.Enqueue(t.Context(), lease.ResourceLease{ResourceType: "vm", ResourceID: id})
		must(err)
	}
	if late {
		must(log.AppendSnapshot(t.Context(), source.Snapshot()))
	}
	for _, settle := range []func(*leasequeue.Lease) error{
		func(l *leasequeue.Lease) error { return l.Complete(t.Context()) },
		func(l *leasequeue.Lease) error { return l.DeadLetter(t.Context(), errors.New("no such host")) },
		func(*leasequeue.Lease) error { return nil },
	} {
		l, err := q.LeaseAs(t.Context(), "worker")
		must(err)
		must(settle(&l))
	}
	state, last := q.WatchNow()
	must(last.Close())
	for source.Lag() > 0 {
		e, err := source.Next(t.Context())
		must(err)
		must(log.Append(t.Context(), &e))
	}
	for log.Position().Sequence < state.Sequence { // what the source had read ahead
		e, err := source.Next(t.Context())
		must(err)
		must(log.Append(t.Context(), &e))
	}
	must(log.Close())

	return state
}

// audited runs the command and returns what it prints.
func audited(t *testing.T, status int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run(args, &out, &errs); got != status {
		t.Fatalf("audit %v: status %d, want %d\n%s%s", args, got, status, &out, &errs)
	}

	return out.String(), errs.String()
}

// TestState: the state that is printed is the queue's, whether the file begins
// with it or not, and of its last life.
func TestState(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events")
	check := func(want leasequeue.Snapshot) {
		t.Helper()
		doc, stderr := audited(t, 0, path)
		var got leasequeue.Snapshot
		if err := got.UnmarshalJSON([]byte(doc)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" || len(got.Tasks) != 3 || stderr != "" {
			t.Errorf("(-want +got)\n%s%s", diff, stderr)
		}
	}
	check(record(t, path, 5, false))
	check(record(t, path, 6, false)) // another life, from its first event on
	check(record(t, path, 7, true))  // and another one, from a snapshot on
}

// TestHistory: what became of one task is an event a line, without the payload.
func TestHistory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events")
	state := record(t, path, 5, false)
	for _, task := range state.Tasks {
		if task.State != tq.Dead {
			continue
		}
		out, _ := audited(t, 0, "-task", task.ID.String(), path)
		var kinds []string
		for line := range strings.Lines(out) {
			kinds = append(kinds, strings.Fields(line)[2])
		}
		if diff := cmp.Diff([]string{"WHAT", "Enqueued", "LeaseGranted", "Failed", "DeadLettered"}, kinds); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if !strings.Contains(out, "no such host") || strings.Contains(out, "vm") {
			t.Error(out)
		}
	}
}

// TestDamage: a torn end is left out and said so, a damaged middle is an error.
func TestDamage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events")
	record(t, path, 5, false)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(append(bytes.Clone(text), "E 0123"...))
	if _, stderr := audited(t, 0, path); !strings.Contains(stderr, "6 bytes at the end") {
		t.Errorf("a torn end: %q", stderr)
	}
	text[len(text)/2] ^= 1
	write(text)
	if _, stderr := audited(t, 1, path); !strings.Contains(stderr, "audit:") {
		t.Errorf("a damaged middle: %q", stderr)
	}
	write(nil)
	if _, stderr := audited(t, 1, path); !strings.Contains(stderr, "no records") {
		t.Errorf("an empty file: %q", stderr)
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for args, status := range map[string]int{"": 2, "a b": 2, "-x": 2, "-h": 0, "-task x file": 2, "no-such-file": 1} {
		audited(t, status, strings.Fields(args)...)
	}
}
