package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// noted are the packages that read the disk through record.Disk alone: what
// they read otherwise would be missing in a record, which might then hold
// although it must not. The same goes for the environment.
var noted = []string{
	"generator", "generator/directive", "generator/load", "generator/model", "generator/monitoring", "generator/plan", "generator/verify", "templates",
}

// unnoted are the functions that look elsewhere than at their arguments, by
// package.
var unnoted = map[string][]string{
	"os": {
		"Open", "OpenFile", "OpenRoot", "ReadFile", "ReadDir", "Stat", "Lstat", "Readlink", "DirFS", "Getenv", "LookupEnv",
		"Environ", "ExpandEnv", "Hostname", "UserHomeDir", "UserCacheDir",
	},
	"path/filepath": {"EvalSymlinks", "Glob", "Walk", "WalkDir"},
	"go/build":      {"Import", "ImportDir"},
	"go/parser":     {"ParseDir"},
	"os/exec":       {"Command", "CommandContext"},
}

// excused are calls that no record has to know, and why.
var excused = map[string]string{
	"generator/write.go os.OpenFile": "writes",
	"generator/write.go os.Lstat":    "clears up after a removal",
	"generator/write.go os.Stat":     "permissions of a file that is replaced",
	"generator/write.go os.ReadDir":  "clears up after killed runs",
	"generator/load/list.go os.Getenv": "tells what is wrong with a pattern: there is no record of a run with " +
		"diagnostics",
}

func TestDiskIsReadThroughRecord(t *testing.T) {
	t.Parallel()
	met := map[string]bool{}
	for _, dir := range noted {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no files (%v)", dir, err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range unnotedCalls(file) {
				call = dir + "/" + filepath.Base(path) + " " + call
				met[call] = true
				if excused[call] == "" {
					t.Errorf("%s: read through record.Disk", call)
				}
			}
		}
	}
	for call := range excused {
		if !met[call] {
			t.Errorf("%s: excused, and not there", call)
		}
	}
}

// unnotedCalls is what a file uses of unnoted, as "package.Function".
func unnotedCalls(file *ast.File) (found []string) {
	paths := map[string]string{}
	for _, i := range file.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		name := p[strings.LastIndexByte(p, '/')+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		paths[name] = p
	}
	ast.Inspect(file, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && slices.Contains(unnoted[paths[x.Name]], s.Sel.Name) {
			found = append(found, fmt.Sprintf("%s.%s", paths[x.Name], s.Sel.Name))
		}

		return true
	})

	return found
}

// TestUnnotedCallsAreSeen breaks the rule.
func TestUnnotedCallsAreSeen(t *testing.T) {
	t.Parallel()
	source := `package p

import (
	"os"
	fp "path/filepath"
)

func f() { os.ReadFile("x"); fp.WalkDir("x", nil); fp.Join("x"); g(os.Lstat) }
`
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"os.ReadFile", "path/filepath.WalkDir", "os.Lstat"}
	if diff := cmp.Diff(want, unnotedCalls(file)); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
