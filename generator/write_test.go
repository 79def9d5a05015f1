package generator

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/generator/diag"
	"github.com/tqgen/tqgen/generator/verify"
)

// killAt names the checkpoint at which the test binary, playing a run that
// writes what writeDir holds, kills itself.
const (
	killAt   = "TQGEN_TEST_KILL_AT"
	writeDir = "TQGEN_TEST_WRITE_DIR"

	writeFailed = 3 // exit status of a run that was not killed
)

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(killAt)); err == nil {
		checkpoint = func(string) {
			if n--; n < 0 {
				self, _ := os.FindProcess(os.Getpid())
				_ = self.Kill()
				select {}
			}
		}
		if err := compared(os.Getenv(writeDir), after()).Write(false); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(writeFailed)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// sealed is a file of ours whose text is too long for one page of memory, so
// that a torn write would show.
func sealed(text string) []byte {
	body := "\npackage q\n" + strings.Repeat("\n// "+text+"\n", 1000)

	return verify.Seal("example.com/m/p.T", []byte(body))
}

// before and after are the output of two versions of a payload, by path; ""
// means that the file is no part of it.
func before() map[string][]byte {
	return map[string][]byte{
		"q/a.tq.go": sealed("a 1"), "q/b.tq.go": sealed("b 1"), "q/same.tq.go": sealed("same"),
		"old/deep/gone.tq.go": sealed("gone 1"),
	}
}

func after() map[string][]byte {
	return map[string][]byte{
		"q/a.tq.go": sealed("a 2"), "q/b.tq.go": sealed("b 2"), "q/same.tq.go": sealed("same"),
		"new/deep/c.tq.go": sealed("c 2"), "old/deep/gone.tq.go": nil,
	}
}

// compared is the result of a run in dir whose output is want.
func compared(dir string, want map[string][]byte) *Result {
	r := run{relative: func(path string) string {
		name, _ := filepath.Rel(dir, path)

		return name
	}}
	for name, body := range want {
		if err := r.add(File{Path: filepath.Join(dir, name), Source: "example.com/m/p.T", Body: body}); err != nil {
			panic(err)
		}
		r.result.folders = append(r.result.folders, filepath.Dir(filepath.Join(dir, name)))
	}

	return &r.result
}

// onDisk writes files below a new folder.
func onDisk(t *testing.T, files map[string][]byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, body := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, body, 0o644)); err != nil {
			t.Fatal(err)
		}
	}

	return dir
}

// snapshot reads everything below dir; folders end in a slash and are nil.
func snapshot(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if d.IsDir() {
			found[name+"/"] = nil

			return nil
		}
		found[name], err = os.ReadFile(path)

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	return found
}

// names of what a snapshot holds after the second version was written.
func wantAfter() map[string][]byte {
	want := after()
	delete(want, "old/deep/gone.tq.go")
	for _, dir := range []string{"q/", "new/", "new/deep/"} {
		want[dir] = nil
	}

	return want
}

func TestWriteMakesTheDiskTheOutput(t *testing.T) {
	t.Parallel()
	dir := onDisk(t, before())
	past := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	same := filepath.Join(dir, "q/same.tq.go")
	if err := os.Chtimes(same, past, past); err != nil {
		t.Fatal(err)
	}
	if err := compared(dir, after()).Write(false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantAfter(), snapshot(t, dir)); diff != "" {
		t.Errorf("after the write (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(same); err != nil || !info.ModTime().Equal(past) {
		t.Errorf("the unchanged file was touched: %v, %v", info.ModTime(), err)
	}
	if findings := compared(dir, after()).Findings(); len(findings) > 0 {
		t.Errorf("findings after the write:\n%v", findings)
	}
}

func TestWriteKeepsPermissions(t *testing.T) {
	t.Parallel()
	dir := onDisk(t, before())
	file := filepath.Join(dir, "q/a.tq.go")
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := compared(dir, after()).Write(false); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode is %v (%v), want 0640", info.Mode(), err)
	}
}

// A file that stands in the way stops the whole write, the other files
// included.
func TestInvariant43RefusalWritesNothing(t *testing.T) {
	t.Parallel()
	edited := append(sealed("b 1"), "\nvar mine int\n"...)
	tests := map[string]struct {
		name    string
		content []byte
		code    string
		forced  bool // -force writes it
	}{
		"edited":          {"q/b.tq.go", edited, "TQ401", true},
		"edited orphan":   {"old/deep/gone.tq.go", edited, "TQ401", true},
		"damaged orphan":  {"old/deep/gone.tq.go", sealed("gone 1")[:90], "TQ401", true},
		"somebody else's": {"q/b.tq.go", []byte("package q\n"), "TQ402", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := onDisk(t, before())
			if err := os.WriteFile(filepath.Join(dir, test.name), test.content, 0o600); err != nil {
				t.Fatal(err)
			}
			untouched := snapshot(t, dir)
			err := compared(dir, after()).Write(false)
			var d *diag.Diagnostic
			if !errors.As(err, &d) || string(d.Code) != test.code || d.Pos.Filename != test.name {
				t.Fatalf("the write says %v, want %s about %s", err, test.code, test.name)
			}
			if diff := cmp.Diff(untouched, snapshot(t, dir)); diff != "" {
				t.Errorf("the refused write changed files (-want +got):\n%s", diff)
			}

			err = compared(dir, after()).Write(true)
			if forced := err == nil; forced != test.forced {
				t.Fatalf("the forced write says %v", err)
			}
			if test.forced {
				if diff := cmp.Diff(wantAfter(), snapshot(t, dir)); diff != "" {
					t.Errorf("after the forced write (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// What cannot be replaced by a rename is not: a link would go, a folder stay.
func TestWriteRefusesLinksAndFolders(t *testing.T) {
	t.Parallel()
	dir := onDisk(t, map[string][]byte{"elsewhere.go": sealed("a 1"), "q/b.tq.go/x": nil})
	if err := os.Symlink("../elsewhere.go", filepath.Join(dir, "q/a.tq.go")); err != nil {
		t.Fatal(err)
	}
	untouched := snapshot(t, dir)
	err := compared(dir, after()).Write(true)
	var list diag.List
	if !errors.As(err, &list) || len(list) != 2 || list[0].Code != "TQ402" || list[1].Code != "TQ402" {
		t.Errorf("the write says %v, want TQ402 about a.tq.go and b.tq.go", err)
	}
	if diff := cmp.Diff(untouched, snapshot(t, dir)); diff != "" {
		t.Errorf("the refused write changed files (-want +got):\n%s", diff)
	}
}

// A write that fails half-way through preparing its files leaves no trace.
func TestInvariant43FailureWritesNothing(t *testing.T) {
	t.Parallel()
	dir := onDisk(t, map[string][]byte{"q/a.tq.go": sealed("a 1"), "new": []byte("no folder")})
	untouched := snapshot(t, dir)
	r := compared(dir, map[string][]byte{"q/a.tq.go": sealed("a 2"), "made/b.tq.go": sealed("b")})
	const blocked = "new/deep/c.tq.go"
	r.Files = append(r.Files, File{Path: filepath.Join(dir, blocked), Name: blocked, Class: New, Body: sealed("c")})
	if err := r.Write(false); err == nil {
		t.Fatal("the write succeeds below a file")
	}
	if diff := cmp.Diff(untouched, snapshot(t, dir)); diff != "" {
		t.Errorf("the failed write changed files (-want +got):\n%s", diff)
	}
}

// Real processes, killed at every step of a write: each file is the old or the
// new one, and the next run completes what they left.
func TestInvariant43KilledRun(t *testing.T) {
	t.Parallel()
	old, next := before(), after()
	for step := 0; ; step++ {
		dir := onDisk(t, old)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", killAt, step), writeDir+"="+dir)
		out, err := cmd.CombinedOutput()
		if err == nil {
			if step != 10 {
				t.Errorf("the write has %d steps, want 3 files created, staged and renamed, 1 removed", step)
			}

			return
		}
		if cmd.ProcessState.ExitCode() == writeFailed {
			t.Fatalf("step %d: %v\n%s", step, err, out)
		}
		for name, content := range snapshot(t, dir) {
			switch {
			case strings.HasSuffix(name, "/"), strings.HasPrefix(filepath.Base(name), tempPrefix):
			case cmp.Equal(content, old[name]), cmp.Equal(content, next[name]):
			default:
				t.Errorf("step %d: %s is neither the old nor the new file", step, name)
			}
		}
		if err := compared(dir, next).Write(false); err != nil {
			t.Fatalf("step %d: the next run: %v", step, err)
		}
		if diff := cmp.Diff(wantAfter(), snapshot(t, dir)); diff != "" {
			t.Errorf("step %d: after the next run (-want +got):\n%s", step, diff)
		}
	}
}

// A run that takes another one's temporary file for a leftover does not stop it.
func TestWriteSurvivesAnotherRun(t *testing.T) {
	dir := onDisk(t, before())
	defer func() { checkpoint = func(string) {} }()
	other := compared(dir, after())
	once := true
	checkpoint = func(string) {
		if once {
			once = false
			removeLeftovers(other.folders)
		}
	}
	if err := compared(dir, after()).Write(false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantAfter(), snapshot(t, dir)); diff != "" {
		t.Errorf("after the write (-want +got):\n%s", diff)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	now := sealed("now")
	tests := map[string]struct {
		disk []byte
		want Class
	}{
		"equal":                         {now, Unchanged},
		"line ends of a checkout":       {[]byte(strings.ReplaceAll(string(now), "\n", "\r\n")), Unchanged},
		"an earlier run's":              {sealed("then"), Stale},
		"an earlier run's, with CRLF":   {[]byte(strings.ReplaceAll(string(sealed("then")), "\n", "\r\n")), Stale},
		"empty":                         {[]byte{}, Damaged},
		"cut off between declarations":  {now[:len(now)-8], Damaged},
		"conflict markers":              {append([]byte("<<<<<<< HEAD\n"), now...), Damaged},
		"edited":                        {append(sealed("then"), "\nvar x int\n"...), Edited},
		"edited, and otherwise current": {append(sealed("now"), "\nvar x int\n"...), Edited},
		"somebody else's":               {[]byte("package q\n"), Foreign},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := classify(&File{Disk: test.disk, Body: now}); got != test.want {
				t.Errorf("classify says %v, want %v", got, test.want)
			}
		})
	}
}
