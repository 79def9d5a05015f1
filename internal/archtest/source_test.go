package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// root is the module's folder, seen from this one.
const root = "../.."

// jsonTypes are what generated code may name of encoding/json: the types a
// payload may have a field of.
var jsonTypes = []string{"Number", "RawMessage"}

// TestSource holds what runtime and generated code do without, file by file,
// so that build constraints hide nothing.
func TestSource(t *testing.T) {
	t.Parallel()
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git"):
			return filepath.SkipDir
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		generated := strings.HasSuffix(rel, ".tq.go")
		if !generated && (!strings.HasPrefix(rel, "runtime/") || !production(rel)) {
			return nil
		}
		files++

		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, f := range faults(fset, file, generated) {
			t.Errorf("%s:%s", rel, f)
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Errorf("looked at %d files, so this test holds nothing", files)
	}
}

// production reports whether the file at path is Go that services compile:
// tqtest is for tests, and is free of the rules.
func production(path string) bool {
	return strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") &&
		!strings.HasPrefix(path, "runtime/tqtest/")
}

// faults is what file does against the rules, as "line: text".
func faults(fset *token.FileSet, file *ast.File, generated bool) []string {
	forbidden := []string{"C", "reflect", "unsafe"}
	shows := slices.Contains([]string{"diagnostics", "client"}, file.Name.Name)
	if generated || !shows && !strings.HasSuffix(file.Name.Name, "http") {
		forbidden = append(forbidden, "net/http")
	}
	if !generated && !shows {
		forbidden = append(forbidden, "encoding/json")
	}

	var found []string
	report := func(n ast.Node, format string, args ...any) {
		found = append(found, fmt.Sprintf("%d: %s", fset.Position(n.Pos()).Line, fmt.Sprintf(format, args...)))
	}
	json := ""
	for _, i := range file.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		if slices.Contains(forbidden, path) {
			report(i, "imports %s", path)
		}
		if path == "encoding/json" {
			json = "json"
			if i.Name != nil {
				json = i.Name.Name
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.TypeSpec:
			if n.TypeParams != nil {
				report(n, "type %s declares type parameters", n.Name.Name)
			}
		case *ast.FuncDecl:
			if n.Type.TypeParams != nil {
				report(n, "func %s declares type parameters", n.Name.Name)
			}
			if n.Recv == nil && n.Name.Name == "init" {
				report(n, "func init")
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && generated && json != "" && x.Name == json &&
				!slices.Contains(jsonTypes, n.Sel.Name) {
				report(n, "uses json.%s", n.Sel.Name)
			}
		case *ast.Comment:
			if strings.HasPrefix(n.Text, "//go:linkname") {
				report(n, "%s", n.Text)
			}
		}

		return true
	})

	return found
}

// TestFaultsAreSeen breaks each rule once.
func TestFaultsAreSeen(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		source    string
		generated bool
		want      []string
	}{
		"clean":                 {source: "package tq\n\nimport \"sync/atomic\"\n\nvar p atomic.Pointer[int]\n"},
		"reflect":               {source: "package tq\n\nimport \"reflect\"\n", want: []string{"3: imports reflect"}},
		"json in the runtime":   {source: "package tq\n\nimport \"encoding/json\"\n", want: []string{"3: imports encoding/json"}},
		"json type in output":   {source: "package q\n\nimport \"encoding/json\"\n\ntype T struct{ R json.RawMessage }\n", generated: true},
		"json call in output":   {source: "package q\n\nimport j \"encoding/json\"\n\nvar m = j.Marshal\n", generated: true, want: []string{"5: uses json.Marshal"}},
		"http in output":        {source: "package q\n\nimport _ \"net/http\"\n", generated: true, want: []string{"3: imports net/http"}},
		"http in the runtime":   {source: "package tq\n\nimport \"net/http\"\n", want: []string{"3: imports net/http"}},
		"http in its package":   {source: "package backpressurehttp\n\nimport \"net/http\"\n"},
		"json in diagnostics":   {source: "package diagnostics\n\nimport _ \"encoding/json\"\n"},
		"generic type":          {source: "package tq\n\ntype T[P any] struct{}\n", want: []string{"3: type T declares type parameters"}},
		"generic function":      {source: "package tq\n\nfunc f[P any]() {}\n", want: []string{"3: func f declares type parameters"}},
		"init":                  {source: "package q\n\nfunc init() {}\n", generated: true, want: []string{"3: func init"}},
		"method called init":    {source: "package tq\n\ntype c int\n\nfunc (c) init() {}\n"},
		"linkname":              {source: "package tq\n\n//go:linkname now time.now\nfunc now()\n", want: []string{"3: //go:linkname now time.now"}},
		"generic type, grouped": {source: "package tq\n\ntype (\n\tA int\n\tB[P any] []P\n)\n", want: []string{"5: type B declares type parameters"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, "x.go", c.source, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, faults(fset, file, c.generated)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}
