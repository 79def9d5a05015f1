package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/tqgen/tqgen/internal/testmodule"
)

// A run that has nothing to do is recorded, whatever its verb, for this program
// alone; the second one says so with -v. -force and TQGENCACHE=off want no
// record, and what is wrong with TQGENCACHE is nobody's trouble.
func TestRecords(t *testing.T) {
	t.Parallel()
	dir, cache, home := testmodule.Dir(t), t.TempDir(), t.TempDir()
	testmodule.Write(t, dir, txtar.File{Name: "go.mod", Data: []byte(testmodule.GoMod)},
		txtar.File{Name: "p/p.go", Data: []byte("package p\n\n//tqgen:queue\ntype T struct{ N int }\n")})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(program, records string, args ...string) (stderr string) {
		t.Helper()
		for {
			cmd := exec.Command(program, append(args, "-v", "./...")...)
			var errs bytes.Buffer
			cmd.Dir, cmd.Stderr = dir, &errs
			cmd.Env = testmodule.Env("PWD="+dir, beCommand+"=1", "TQGENCACHE="+records,
				"HOME="+home, "XDG_CACHE_HOME="+home, "LocalAppData="+home, "GOCACHE="+goEnv(t, "GOCACHE"), "GOPATH="+goEnv(t, "GOPATH"))
			err := cmd.Run()
			if errors.Is(err, syscall.ETXTBSY) {
				continue // another test has started a process while the program was written, which has it open, too
			}
			if err != nil {
				t.Fatalf("tqgen %q: %v\n%s", args, err, &errs)
			}

			return errs.String()
		}
	}
	says := func(stderr, want string) {
		t.Helper()
		if !strings.Contains(stderr, want) || (want == settled) != !strings.Contains(stderr, "\nload ") {
			t.Errorf("want %q of:\n%s", want, stderr)
		}
	}

	says(run(self, cache), "no record\n")
	says(run(self, cache, "check"), "no record\n")
	says(run(self, cache, "check"), settled)
	says(run(self, cache), settled)
	says(run(self, cache, "-force"), "no records are kept\n")
	says(run(self, "off"), "no records are kept\n")
	says(run(self, "relative/folder"), "no records are kept\n")
	says(run(self, filepath.Join(dir, "go.mod", "below")), "no record\n")
	says(run(self, ""), "no record\n")
	says(run(self, ""), settled)
	if found, _ := filepath.Glob(filepath.Join(home, "*", "*.record")); len(found) != 1 && runtime.GOOS == "linux" {
		t.Errorf("records in the user's cache: %q", found)
	}

	if runtime.GOOS != "linux" {
		return // a program that was changed may not start there
	}
	other := filepath.Join(t.TempDir(), "tqgen")
	text, err := os.ReadFile(self)
	id := regexp.MustCompile(`[\w-]{20}(/[\w-]{20}){3}`).FindIndex(text)
	if err != nil || id == nil {
		t.Fatalf("no build ID: %v", err)
	}
	text[id[0]] ^= 1
	if err := os.WriteFile(other, text, 0o755); err != nil {
		t.Fatal(err)
	}
	says(run(other, cache), "no record\n")
	testmodule.Write(t, dir, txtar.File{Name: "p/p.go", Data: []byte("package p\n\n//tqgen:queue\ntype T struct{ N, M int }\n")})
	says(run(self, cache), "has changed\n")
}

const settled = "nothing has changed since an earlier run had nothing to do\n"

// goEnv gives what the go command would otherwise take from another home.
func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}

	return strings.TrimSpace(string(out))
}
