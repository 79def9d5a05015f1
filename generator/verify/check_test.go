package verify_test

import (
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/generator/verify"
)

func TestCheckShowsTheFault(t *testing.T) {
	t.Parallel()
	p := verify.Package{Path: "example.com/q", Files: []verify.File{
		{Name: "q/a.tq.go", Body: []byte("package q\n\nfunc F() int { return g() }\n")},
		{Name: "q/b.tq.go", Body: []byte("package q\n\n// g is wrong.\nfunc g() int {\n\treturn \"\"\n}\n")},
	}}
	err := verify.Check(token.NewFileSet(), importer.Default(), []verify.Package{p})
	want := `q/b.tq.go:5:9: cannot use "" (untyped string constant) as int value in return statement
      1  package q
      2  
      3  // g is wrong.
      4  func g() int {
>     5  	return ""
      6  }
`
	if err == nil {
		t.Fatal("no fault found")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("fault (-want +got):\n%s", diff)
	}
	if f := (*verify.Fault)(nil); !errors.As(err, &f) {
		t.Errorf("the error is a %T, want a *verify.Fault in it", err)
	}
}

func TestCheckFindsWhatDoesNotParse(t *testing.T) {
	t.Parallel()
	p := verify.Package{Path: "q", Files: []verify.File{{Name: "a.tq.go", Body: []byte("package q\n\nfunc {\n")}}}
	if err := verify.Check(token.NewFileSet(), importer.Default(), []verify.Package{p}); err == nil {
		t.Error("no fault found")
	}
}

// A panic on the way is a fault of that package; the others are checked.
func TestCheckSurvivesAPanic(t *testing.T) {
	t.Parallel()
	packages := []verify.Package{
		{Path: "p", Files: []verify.File{{Name: "p.tq.go", Body: []byte("package p\n\nimport _ \"fmt\"\n")}}},
		{Path: "q", Files: []verify.File{{Name: "q.tq.go", Body: []byte("package q\n\nvar x int = \"\"\n")}}},
	}
	err := verify.Check(token.NewFileSet(), panics{}, packages)
	if err == nil || !strings.HasPrefix(err.Error(), "p: panic: out of packages") {
		t.Errorf("the panic became %v", err)
	}
	if f := (*verify.Fault)(nil); !errors.As(err, &f) || f.Position.Filename != "q.tq.go" {
		t.Errorf("no fault of q in %v", err)
	}
}

// panics is an importer that does.
type panics struct{}

func (panics) Import(string) (*types.Package, error) { panic("out of packages") }

// The package that output joins may be in any state: only the output's own
// faults count, and what the package declares is known.
func TestCheckJudgesOnlyTheOutput(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	const source = "package p\n\ntype T struct{ X int; Y undefined }\n\nfunc f() int { return h(1) }\n"
	own, err := parser.ParseFile(fset, "own.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := verify.Package{
		Path: "p", Joined: []*ast.File{own}, GoVersion: "1.26",
		Files: []verify.File{{Name: "t_queue.tq.go", Body: []byte("package p\n\nfunc x(t *T) int { return t.X }\n")}},
	}
	if err := verify.Check(fset, importer.Default(), []verify.Package{p}); err != nil {
		t.Errorf("faults of the joined file are reported:\n%v", err)
	}
	p.Files[0].Body = []byte("package p\n\nfunc x(t *T) int { return t.Z }\n")
	if err := verify.Check(fset, importer.Default(), []verify.Package{p}); err == nil {
		t.Error("no fault found in the output")
	}
}
