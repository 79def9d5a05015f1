package plan

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReservedLocals compares the list of reserved locals with the identifiers
// that generated functions really declare: one that is missing could hide a
// payload's package, one too many gives an import a name it need not have.
func TestReservedLocals(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	for _, path := range generatedFiles(t) {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		collectLocals(f, declared)
	}
	if len(declared) == 0 {
		t.Fatal("no generated file declares anything")
	}

	want := slices.Compact(slices.Sorted(slices.Values(reservedLocals)))
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(declared))); diff != "" {
		t.Errorf("reserved and declared (-reserved +declared):\n%s", diff)
	}
}

// TestCodecLocals compares the list of locals of codecs with what these declare.
func TestCodecLocals(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	for _, path := range generatedFiles(t) {
		if !strings.HasSuffix(path, "codec.tq.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		f.Decls = slices.DeleteFunc(f.Decls, func(d ast.Decl) bool {
			fn, ok := d.(*ast.FuncDecl)

			return ok && strings.Contains(strings.ToLower(fn.Name.Name), "size") // of queues alone
		})
		collectLocals(f, declared)
	}
	if diff := cmp.Diff(codecLocals, slices.Sorted(maps.Keys(declared))); diff != "" {
		t.Errorf("reserved and declared (-reserved +declared):\n%s", diff)
	}
	for _, name := range codecLocals {
		if !slices.Contains(reservedLocals, name) {
			t.Errorf("%s is not in reservedLocals", name)
		}
	}
}

// TestFixedImports compares the imports that templates name with those that
// outputs have; packages that a payload brings in may come on top.
func TestFixedImports(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, path := range generatedFiles(t) {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			used[strings.Trim(spec.Path.Value, `"`)] = true
		}
	}

	for name, path := range fixedImports {
		if !used[path] {
			t.Errorf("no output imports %s as %s", path, name)
		}
	}
}

// generatedFiles are the outputs committed in this repository.
func generatedFiles(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, root := range []string{"../../golden/accept", "../../examples"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(path, ".tq.go") {
				paths = append(paths, path)
			}

			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	return paths
}

// collectLocals adds what f's functions declare: receivers, parameters, results
// and variables.
func collectLocals(f *ast.File, declared map[string]bool) {
	add := func(names ...ast.Expr) {
		for _, name := range names {
			if id, ok := name.(*ast.Ident); ok && id.Name != "_" {
				declared[id.Name] = true
			}
		}
	}

	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.InterfaceType, *ast.StructType:
			return false
		case *ast.GenDecl:
			return n.Tok != token.TYPE && n.Tok != token.CONST && n.Tok != token.IMPORT
		case *ast.Field:
			for _, name := range n.Names {
				add(name)
			}
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				add(n.Lhs...)
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				add(n.Key, n.Value)
			}
		case *ast.DeclStmt:
			for _, spec := range n.Decl.(*ast.GenDecl).Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						add(name)
					}
				case *ast.TypeSpec:
					add(spec.Name)
				}
			}
		}

		return true
	})
}
