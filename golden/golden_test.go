// Package golden_test drives the cases beside it: accepted inputs are packages
// below accept, refused ones archives in reject. The runs of the command in cli
// are driven by cmd/tqgen. All take -update.
package golden_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/tqgen/tqgen/generator"
	"github.com/tqgen/tqgen/generator/diag"
	"github.com/tqgen/tqgen/internal/testmodule"
)

var update = flag.Bool("update", false, "regenerate what the cases expect")

// TestAccept compares what is generated for the packages below accept with what
// is committed. That the output compiles and behaves is shown by the packages'
// own tests. With -update, output that differs is first vetted and tested in
// place of the committed one, and written only if that succeeds.
func TestAccept(t *testing.T) {
	t.Parallel()
	r, err := generator.Generate(t.Context(), generator.Config{Patterns: []string{"./accept/..."}})
	if err != nil {
		t.Fatal(err)
	}
	byCase := map[string][]generator.File{}
	for _, f := range r.Files {
		name := strings.Split(f.Name, "/")[1]
		byCase[name] = append(byCase[name], f)
	}
	if len(byCase) == 0 {
		t.Fatal("no cases")
	}
	for name, files := range byCase {
		t.Run(name, func(t *testing.T) {
			if *update {
				updateAccepted(t, r, name, files)

				return
			}
			t.Parallel()
			for _, f := range files {
				switch {
				case f.Class == generator.Unchanged:
				case f.Disk == nil || f.Body == nil:
					t.Errorf("%s: %v", f.Name, f.Class)
				default:
					t.Errorf("%s: %v (-want +got):\n%s", f.Name, f.Class, cmp.Diff(string(f.Disk), string(f.Body)))
				}
			}
		})
	}
}

// updateAccepted writes the files of one case if it passes with them.
func updateAccepted(t *testing.T, r *generator.Result, name string, files []generator.File) {
	replaced := map[string]string{} // path to stand-in, "" for a file that goes
	dir := t.TempDir()
	for i, f := range files {
		if f.Class == generator.Unchanged {
			continue
		}
		stand := ""
		if f.Body != nil {
			stand = filepath.Join(dir, fmt.Sprintf("%d.go", i))
			if err := os.WriteFile(stand, f.Body, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		replaced[f.Path] = stand
		makeFolder(t, filepath.Dir(f.Path))
	}
	if len(replaced) == 0 {
		return
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"vet", "test"} {
		out, err := exec.Command("go", verb, "-overlay="+file, "./accept/"+name+"/...").CombinedOutput()
		if err != nil {
			t.Fatalf("nothing is written: go %s: %v\n%s", verb, err, out)
		}
	}
	one := *r
	one.Files = files
	if err := one.Write(true); err != nil {
		t.Fatal(err)
	}
}

// makeFolder creates a folder that the go command wants to work in. It goes
// with the test if nothing came into it.
func makeFolder(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
}

// TestReject generates the archives in reject. Each diagnostic must be wanted
// where it stands, by a comment
//
//	// want "regexp of code and text"
//
// at the end of its line or, where a comment cannot be, by one on a line above
// or below that says how far off: // want:+1 "…". The string is
// one of Go's; an expression with its backslashes as they are will do, too. The stderr section is the
// whole message. Diagnostics outside of Go files need no comment.
func TestReject(t *testing.T) {
	t.Parallel()
	for _, path := range archives(t, "reject") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir := testmodule.Dir(t)
			archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool {
				if f.Name != "stderr" {
					testmodule.Write(t, dir, f)
				}

				return f.Name == "stderr"
			})
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
				testmodule.Write(t, dir, txtar.File{Name: "go.mod", Data: []byte(testmodule.GoMod)})
			}

			list := refused(t, dir)
			checkWants(t, archive.Files, list)
			stderr := strings.ReplaceAll(list.Error(), dir, "$WORK") + "\n"
			archive.Files = append(archive.Files, txtar.File{Name: "stderr", Data: []byte(stderr)})
			compareArchive(t, path, archive)
		})
	}
}

// refused gives the diagnostics of the module in dir.
func refused(t *testing.T, dir string) diag.List {
	t.Helper()
	_, err := generator.Generate(t.Context(), generator.Config{Dir: dir, Patterns: []string{"./..."}})
	var list diag.List
	if !errors.As(err, &list) {
		t.Fatalf("got %v, want diagnostics", err)
	}

	return list
}

// compareArchive compares a case with what it should be, or rewrites it.
func compareArchive(t *testing.T, path string, got *txtar.Archive) {
	t.Helper()
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(path, txtar.Format(got), 0o644); err != nil {
			t.Fatal(err)
		}

		return
	}
	if diff := cmp.Diff(string(want), string(txtar.Format(got))); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// line is one line of a file of a case.
type line struct {
	file string
	n    int
}

var (
	wantComment = regexp.MustCompile(`// want(?::([+-]\d+))? (".*)$`)
	quoted      = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
)

// checkWants matches diagnostics with the comments that want them.
func checkWants(t *testing.T, files []txtar.File, list diag.List) {
	t.Helper()
	wants := map[line][]*regexp.Regexp{}
	for _, f := range files {
		n := 0
		for text := range strings.Lines(string(f.Data)) {
			n++
			m := wantComment.FindStringSubmatch(strings.TrimSpace(text))
			if m == nil {
				continue
			}
			offset, _ := strconv.Atoi(m[1]) // "" is 0
			for _, q := range quoted.FindAllString(m[2], -1) {
				pattern, err := expression(q)
				if err != nil {
					t.Fatalf("%s:%d: %v", f.Name, n, err)
				}
				at := line{f.Name, n + offset}
				wants[at] = append(wants[at], pattern)
			}
		}
	}
	for _, d := range list {
		at := line{d.Pos.Filename, d.Pos.Line}
		text := fmt.Sprintf("%s: %s", d.Code, d.Text)
		i := slices.IndexFunc(wants[at], func(r *regexp.Regexp) bool { return r.MatchString(text) })
		switch {
		case i >= 0:
			wants[at] = slices.Delete(wants[at], i, i+1)
		case strings.HasSuffix(at.file, ".go"):
			t.Errorf("unwanted: %v", d)
		}
	}
	for at, rest := range wants {
		for _, r := range rest {
			t.Errorf("%s:%d: no diagnostic matches %q", at.file, at.n, r)
		}
	}
}

// expression reads the string of a want comment.
func expression(q string) (*regexp.Regexp, error) {
	if text, err := strconv.Unquote(q); err == nil {
		if pattern, err := regexp.Compile(text); err == nil {
			return pattern, nil
		}
	}

	return regexp.Compile(strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`))
}

// archives lists the cases of a folder.
func archives(t *testing.T, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(folder + "/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases in %s: %v", folder, err)
	}

	return paths
}

// Every code tqgen can report has a case that shows it, and no case shows a
// code that is not in the table.
func TestEveryCodeHasACase(t *testing.T) {
	t.Parallel()
	code := regexp.MustCompile(`\bTQ\d{3}\b`)
	shown := map[string]string{}
	for _, path := range append(archives(t, "reject"), archives(t, "cli")...) {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if f.Name != "stderr" && f.Name != "stdout" {
				continue
			}
			for _, c := range code.FindAllString(string(f.Data), -1) {
				shown[c] = path
			}
		}
	}
	known := map[string]bool{}
	for _, c := range diag.Codes() {
		known[string(c)] = true
		if shown[string(c)] == "" {
			t.Errorf("no case in reject or cli shows %s: %s", c, diag.Title(c))
		}
	}
	for c, path := range shown {
		if !known[c] {
			t.Errorf("%s shows %s, which is not in the table of codes", path, c)
		}
	}
}
