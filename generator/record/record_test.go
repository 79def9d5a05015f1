package record

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const answer = "what the go command says"

// lookAround has a run read one of everything in dir.
func lookAround(d *Disk, dir string) {
	at := func(name string) string { return filepath.Join(dir, name) }
	_, _ = d.ReadFile(at("file"))
	_, _ = d.ReadFile(at("absent"))
	_, _ = d.Head(at("long"))
	_, _ = d.Head(at("absent head"))
	_, _ = d.ReadDir(at("folder"))
	_, _ = d.ReadDir(at("absent folder"))
	_, _ = d.Mode(at("mode"))
	_, _ = d.EvalSymlinks(at("link/x"))
	_ = d.Exists(at("go.mod"))
	_ = d.Tree(at("module"), ".tq.go")
}

// disk is what lookAround finds.
func disk(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"file": "text", "long": string(make([]byte, HeadBytes)) + "end", "mode": "", "folder/a": "", "folder/b/c": "",
		"x/x": "", "y/x": "", "module/a.tq.go": "", "module/b/b.tq.go": "", "module/c/c.go": "",
		"module/nested/go.mod": "", "module/nested/a.tq.go": "", "module/vendor/a.tq.go": "",
	} {
		put(t, dir, name, text)
	}
	if err := os.Symlink("x", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}

	return dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// kept gives a folder with a record of a run that looked around in dir.
func kept(t *testing.T, dir string, key ...string) (folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "a", "b")
	r := Open(folder, key...)
	if ok, why := r.Holds(answer); ok || why != "no record" {
		t.Fatalf("holds at first: %v, %q", ok, why)
	}
	lookAround(r.Disk(), dir)
	r.Keep(answer)
	if ok, why := Open(folder, key...).Holds(answer); !ok {
		t.Fatalf("does not hold: %s", why)
	}

	return folder
}

// only is the one file in folder.
func only(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v: want one record", entries, err)
	}

	return filepath.Join(folder, entries[0].Name())
}

func TestRecordHolds(t *testing.T) {
	t.Parallel()
	type change func(t *testing.T, dir string)
	write := func(name string) change { return func(t *testing.T, dir string) { put(t, dir, name, "more") } }
	remove := func(name string) change {
		return func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		change change
		why    string // below dir; "" if the record holds
	}{
		"nothing":              {change: func(*testing.T, string) {}},
		"same content":         {change: func(t *testing.T, dir string) { put(t, dir, "file", "text") }},
		"beyond the head":      {change: func(t *testing.T, dir string) { put(t, dir, "long", string(make([]byte, HeadBytes))+"END") }},
		"below the folder":     {change: write("folder/b/d")},
		"other files in tree":  {change: write("module/c/d.go")},
		"in nested module":     {change: write("module/nested/b.tq.go")},
		"in vendor":            {change: write("module/vendor/b.tq.go")},
		"hidden":               {change: write("module/.git/b.tq.go")},
		"of the mode, content": {change: write("mode")},

		"content":          {change: write("file"), why: "file"},
		"content removed":  {change: remove("file"), why: "file"},
		"file for nothing": {change: write("absent"), why: "absent"},
		"head":             {change: write("long"), why: "long"},
		"head for nothing": {change: write("absent head"), why: "absent head"},
		"entry":            {change: write("folder/c"), why: "folder"},
		"entry removed":    {change: remove("folder/a"), why: "folder"},
		"entry's type": {change: func(t *testing.T, dir string) {
			remove("folder/a")(t, dir)
			write("folder/a/x")(t, dir)
		}, why: "folder"},
		"folder for nothing": {change: write("absent folder/x"), why: "absent folder"},
		"mode": {change: func(t *testing.T, dir string) {
			remove("mode")(t, dir)
			write("mode/x")(t, dir)
		}, why: "mode"},
		"mode removed": {change: remove("mode"), why: "mode"},
		"link": {change: func(t *testing.T, dir string) {
			remove("link")(t, dir)
			if err := os.Symlink("y", filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
		}, why: "link/x"},
		"what was not there": {change: write("go.mod"), why: "go.mod"},
		"tree":               {change: write("module/c/new.tq.go"), why: "module/*.tq.go"},
		"tree, removed":      {change: remove("module/b"), why: "module/*.tq.go"},
		"tree, now nested":   {change: write("module/b/go.mod"), why: "module/*.tq.go"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := disk(t)
			folder := kept(t, dir)
			test.change(t, dir)
			want := ""
			if test.why != "" {
				want = filepath.Join(dir, filepath.FromSlash(test.why)) + " has changed"
			}
			ok, why := Open(folder).Holds(answer)
			if diff := cmp.Diff(want, why); diff != "" || ok != (want == "") {
				t.Errorf("holds: %v, because (-want +got):\n%s", ok, diff)
			}
		})
	}
}

func TestRecordIsOfOneKeyAndAnswer(t *testing.T) {
	t.Parallel()
	folder := kept(t, disk(t), "a", "b")
	for _, key := range [][]string{nil, {"a"}, {"ab"}, {"a", "b", ""}, {"b", "a"}, {"a b"}, {`a" "b`}} {
		if ok, _ := Open(folder, key...).Holds(answer); ok {
			t.Errorf("holds for %q, too", key)
		}
	}
	if ok, why := Open(folder, "a", "b").Holds("another"); ok || why != "the go command answers otherwise" {
		t.Errorf("holds for another answer: %v, %q", ok, why)
	}
}

// A record that lacks its end, or has one bit of something else, is none.
func TestDamagedRecordDoesNotHold(t *testing.T) {
	t.Parallel()
	folder := kept(t, disk(t))
	path := only(t, folder)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 1
		for _, damaged := range [][]byte{whole[:i], flipped} {
			if _, _, err := decode(damaged); err == nil {
				t.Fatalf("%q passes for a record", damaged)
			}
		}
	}
	if err := os.WriteFile(path, whole[:len(whole)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	r := Open(folder)
	if ok, why := r.Holds(answer); ok || why != "no record" {
		t.Errorf("half a record: %v, %q", ok, why)
	}
}

// What changes while a run looks has not been seen by all of the run.
func TestTornLooksAreNotKept(t *testing.T) {
	t.Parallel()
	dir, folder := disk(t), t.TempDir()
	r := Open(folder)
	lookAround(r.Disk(), dir)
	put(t, dir, "file", "changed")
	lookAround(r.Disk(), dir)
	r.Keep(answer)
	if entries, err := os.ReadDir(folder); err != nil || len(entries) > 0 {
		t.Errorf("kept: %v, %v", entries, err)
	}
}

func TestNoFolderNoRecord(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"", "relative"} {
		r := Open(folder)
		lookAround(r.Disk(), t.TempDir())
		r.Keep(answer)
		if ok, why := r.Holds(answer); ok || why != "no records are kept" {
			t.Errorf("%q: %v, %q", folder, ok, why)
		}
		if _, err := os.Stat("relative"); err == nil {
			t.Error("a folder was made")
		}
	}
}

// The oldest records go when there are too many; what is not ours stays.
func TestTrim(t *testing.T) {
	t.Parallel()
	dir, folder := disk(t), t.TempDir()
	old := time.Now().Add(-time.Hour)
	for i := range maxRecords {
		name := fmt.Sprintf("%04d%s", i, suffix)
		if i%10 == 0 {
			name = fmt.Sprintf("%04d.tmp", i)
		}
		put(t, folder, name, "")
		if err := os.Chtimes(filepath.Join(folder, name), old, old.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, folder, "0000.txt", "")
	if err := os.Chtimes(filepath.Join(folder, "0000.txt"), old, old.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	r := Open(folder)
	lookAround(r.Disk(), dir)
	r.Keep(answer)
	entries, err := os.ReadDir(folder)
	if want := maxRecords*3/4 + 2; err != nil || len(entries) != want {
		t.Errorf("%d files are left, want %d (%v)", len(entries), want, err)
	}
	if entries[0].Name() != "0000.txt" || entries[1].Name() != fmt.Sprintf("%04d.tmp", maxRecords/4) {
		t.Errorf("left: %v, %v", entries[0], entries[1])
	}
	if ok, why := Open(folder).Holds(answer); !ok {
		t.Errorf("does not hold: %s", why)
	}
}

// Names may be as odd as a file system lets them be.
func TestEncode(t *testing.T) {
	t.Parallel()
	looks := map[look]sum{
		{file, "/a b\n\"c\""}: {1}, {file, "/\xff"}: {2}, {head, "/h"}: {3}, {file, "/w"}: {4}, {head, "/w"}: {5},
	}
	got, list, err := decode(encode(answer, looks))
	if err != nil || got != answer {
		t.Fatal(got, err)
	}
	delete(looks, look{head, "/w"}) // the whole file says it all
	read := map[look]sum{}
	for _, s := range list {
		read[s.look] = s.sum
	}
	if diff := cmp.Diff(looks, read, cmp.AllowUnexported(look{})); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

// Programs differ by their build ID, or by any byte if they have none.
func TestIdentify(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("a", 20) + "/" + strings.Repeat("-", 20) + "/" + strings.Repeat("_", 20) + "/" + strings.Repeat("0", 20)
	pad := strings.Repeat("\x00", 100<<10)
	programs := map[string]string{
		"build ID":            "ELF" + id + pad,
		"same":                "ELF" + id + pad + "1",
		"another":             "ELF" + strings.Replace(id, "0", "1", 1) + pad,
		"none":                "ELF" + pad,
		"none, and longer":    "ELF" + pad + "\x00",
		"none, and different": "ELF" + pad[1:] + "1",
		"too far behind":      "ELF" + pad + id,
		"redacted":            "ELF" + "redacted" + pad,
		"redacted, and other": "ELF" + "redacted" + pad + "1",
	}
	names := map[string][]string{}
	for name, program := range programs {
		got, err := identify(strings.NewReader(program))
		if err != nil {
			t.Fatal(err)
		}
		names[got] = append(names[got], name)
	}
	if len(names) != len(programs)-1 || len(names[id]) != 2 {
		t.Errorf("same identity: %v", names)
	}
	if got, err := identity(); err != nil || !buildID.MatchString(got) {
		t.Errorf("this program is %q (%v), without a build ID", got, err)
	}
}
