package durable

import (
	"os"
	"path/filepath"
	"testing"
)

// TestPut: a file is what was put there last, and nothing unfinished stays, also
// where it cannot be put.
func TestPut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, content := range []string{"one", "", "two, which is longer"} {
		if err := Put(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Errorf("the file has %q, %v; want %q", got, err, content)
		}
	}
	folder := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(folder, "in it"), 0o700); err != nil {
		t.Fatal(err)
	}
	if Put(folder, nil) == nil {
		t.Error("a folder was replaced by a file")
	}
	if Put(filepath.Join(dir, "nowhere", "file"), nil) == nil {
		t.Error("a file was put into a folder that is not there")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestUnfinished: what Write has written is known by its name.
func TestUnfinished(t *testing.T) {
	t.Parallel()
	path, err := Write(t.TempDir(), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if !Unfinished(filepath.Base(path)) || Unfinished("new.state") || Unfinished("a-new-1.tmp") {
		t.Errorf("%s is not told from other names", path)
	}
}
