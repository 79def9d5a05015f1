package effect_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/tqtest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	tqtest.RunStateStore(t, func(testing.TB) (one, two effect.StateStore) {
		m := new(effect.Memory)
		return m, m
	})
}

func TestFiles(t *testing.T) {
	t.Parallel()
	tqtest.RunStateStore(t, func(t testing.TB) (one, two effect.StateStore) {
		dir := filepath.Join(t.TempDir(), "state")
		return files(t, dir), files(t, dir)
	})
}

func files(t testing.TB, dir string) *effect.Files {
	t.Helper()
	f, err := effect.OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}

	return f
}

// A key that is none is refused.
func TestBadKeys(t *testing.T) {
	t.Parallel()
	for _, s := range []effect.StateStore{new(effect.Memory), files(t, t.TempDir())} {
		for _, key := range []string{"", strings.Repeat("k", effect.MaxKey+1)} {
			if err := s.Set(t.Context(), key, nil); err == nil {
				t.Errorf("%T: a key of %d bytes can be set", s, len(key))
			}
			if _, err := s.TryAdd(t.Context(), key, nil); err == nil {
				t.Errorf("%T: a key of %d bytes can be added", s, len(key))
			}
		}
	}
}

// Values are as old as the clock said when they were stored.
func TestMemoryPrune(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	m := &effect.Memory{Now: func() time.Time { return now }}
	put := func(key string) {
		if err := m.Set(t.Context(), key, nil); err != nil {
			t.Fatal(err)
		}
	}
	put("a")
	put("b")
	now = now.Add(time.Minute)
	put("b") // anew
	put("c")
	if n, err := m.Prune(t.Context(), now); n != 1 || err != nil {
		t.Errorf("pruned %d, %v; want the one that is older", n, err)
	}
	for key, want := range map[string]bool{"a": false, "b": true, "c": true} {
		if _, found, _ := m.Get(t.Context(), key); found != want {
			t.Errorf("%s is there: %v", key, found)
		}
	}
}

// The age of a file is what its file system says. What a process that died left
// behind goes with the old ones, and is never taken for a value.
func TestFilesPrune(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := files(t, dir)
	for _, key := range []string{"old", "new"} {
		if err := f.Set(t.Context(), key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	left := filepath.Join(dir, "new-1.tmp")
	others := filepath.Join(dir, "README")
	for _, path := range []string{left, others} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := time.Now().Add(-time.Hour)
	for _, path := range []string{only(t, dir, "old"), left, others} {
		if err := os.Chtimes(path, before, before); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := f.Prune(t.Context(), before.Add(time.Minute)); n != 1 || err != nil {
		t.Errorf("pruned %d, %v; want one value", n, err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file nobody finished is left: %v", err)
	}
	if _, err := os.Stat(others); err != nil {
		t.Errorf("a file of somebody else's: %v", err)
	}
	for key, want := range map[string]bool{"old": false, "new": true} {
		if _, found, err := f.Get(t.Context(), key); found != want || err != nil {
			t.Errorf("%s is there: %v, %v", key, found, err)
		}
	}
}

// only gives the path of the file that holds a key.
func only(t *testing.T, dir, key string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.state"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), "\n"+key) {
			return path
		}
	}
	t.Fatalf("no file holds %s", key)

	return ""
}

// A file that was torn or changed is an error that says where, whatever of it
// is left: it is neither absent nor a value, and nobody can add over it.
func TestFilesTorn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := files(t, dir)
	const key, value = "key", "value"
	if err := f.Set(t.Context(), key, []byte(value)); err != nil {
		t.Fatal(err)
	}
	path := only(t, dir, key)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := map[string][]byte{"added to": append(whole[:len(whole):len(whole)], 'x'), "empty": nil}
	for n := range whole {
		damaged[fmt.Sprintf("cut at %d", n)] = whole[:n]
		flipped := []byte(string(whole))
		flipped[n] ^= 1
		damaged[fmt.Sprintf("flipped at %d", n)] = flipped
	}
	for name, content := range damaged {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		got, found, err := f.Get(t.Context(), key)
		var corrupt *effect.CorruptError
		if !errors.As(err, &corrupt) || corrupt.Path != path || found || !errors.Is(err, effect.ErrCorrupt) {
			t.Errorf("%s: got %q, %v, %v", name, got, found, err)
		}
		if added, err := f.TryAdd(t.Context(), key, nil); added || err != nil {
			t.Errorf("%s: adding gives %v, %v", name, added, err)
		}
	}
	if err := f.Set(t.Context(), key, []byte(value)); err != nil {
		t.Fatal(err)
	}
	if got, found, err := f.Get(t.Context(), key); string(got) != value || !found || err != nil {
		t.Errorf("set anew: got %q, %v, %v", got, found, err)
	}

	// The file of another key, by mistake.
	if err := f.Set(t.Context(), "other", []byte(value)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(only(t, dir, "other"), path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Get(t.Context(), key); !errors.Is(err, effect.ErrCorrupt) {
		t.Errorf("the file of another key gives %v", err)
	}
}

// A store leaves nothing behind but values, and its errors say what and where.
func TestFilesErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := files(t, dir)
	for range 3 {
		if _, err := f.TryAdd(t.Context(), "a", []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files for one value, %v", len(entries), err)
	}

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := f.Set(t.Context(), "a", nil); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("set without a folder gives %v", err)
	}
	if _, err := f.TryAdd(t.Context(), "a", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("add without a folder gives %v", err)
	}
	if _, err := f.Prune(t.Context(), time.Now()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("prune without a folder gives %v", err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := effect.OpenFiles(dir); err == nil {
		t.Error("a file can be opened as a folder")
	}
}

// Of several processes one adds a key.
func TestFilesProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files(t, dir)
	const processes = 4
	won := make([]string, processes)
	var group sync.WaitGroup
	for n := range processes {
		group.Go(func() {
			out, err := child(t.Context(), "add", dir, fmt.Sprint(n)).Output()
			if err != nil {
				t.Errorf("process %d: %v", n, err)
			}
			won[n] = string(out)
		})
	}
	group.Wait()
	winners := strings.Fields(strings.Join(won, " "))
	seen := map[string]bool{}
	for _, key := range winners {
		seen[key] = true
	}
	if len(winners) != childKeys || len(seen) != childKeys {
		t.Errorf("%d adds of %d keys were won, %d different", len(winners), childKeys, len(seen))
	}
}

// childKeys is how many keys each process tries to add.
const childKeys = 100

// addKeys is the process of TestFilesProcesses. It prints the keys it won.
func addKeys(dir, name string) error {
	f, err := effect.OpenFiles(dir)
	if err != nil {
		return err
	}
	for n := range childKeys {
		key := fmt.Sprint("key-", n)
		added, err := f.TryAdd(context.Background(), key, []byte(name))
		if err != nil {
			return err
		}
		value, found, err := f.Get(context.Background(), key)
		if err != nil || !found || (string(value) == name) != added {
			return fmt.Errorf("%s: added %v, then found %v %q, %w", key, added, found, value, err)
		}
		if added {
			fmt.Println(key)
		}
	}

	return nil
}

// Records keep everything, and a reader refuses what is none.
func TestRecord(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 1, 2, 3, 123456789, time.FixedZone("", 3600))
	want := effect.Record{
		Kind: "custom <kind>", Schema: "s/1", Version: -3, Time: at, Payload: []byte(`{"a": [1, "ü"]}`),
	}
	text, err := want.AppendJSON([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	const wire = `x{"kind":"custom \u003ckind\u003e","schema":"s/1","version":-3,` +
		`"time":"2026-11-22T00:02:03.123456789Z","payload":{"a": [1, "ü"]}}`
	if diff := cmp.Diff(wire, string(text)); diff != "" {
		t.Errorf("wire form (-want +got):\n%s", diff)
	}
	var got effect.Record
	if err := got.UnmarshalJSON(text[1:]); err != nil {
		t.Fatal(err)
	}
	want.Time = want.Time.UTC()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if _, err := (&effect.Record{Kind: "k", Payload: []byte("{")}).AppendJSON(nil); err == nil {
		t.Error("a payload that is no JSON can be recorded")
	}
	for _, bad := range []string{
		"", "null", "[]", "{}", `{"kind":"k","version":1}`, `{"version":1,"time":"2026-11-22T00:02:03Z"}`,
		`{"kind":1,"version":1,"time":"2026-11-22T00:02:03Z"}`, string(text[1:]) + "x", string(text[1 : len(text)-1]),
	} {
		if err := got.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record after errors (-want +got):\n%s", diff)
	}
}
