package verify

import (
	"go/ast"
	"go/parser"
	"go/token"
	"iter"
	"maps"
	"path/filepath"
	"strings"
	"sync"

	"github.com/tqgen/tqgen/generator/record"
)

// Clashes gives what hand-written files of package name in folder dir declare
// although rendered files of the same package declare it too: the name, methods
// as Type.Method, and where it is written by hand. It looks at them through disk.
func Clashes(disk *record.Disk, dir, name string, rendered []File) iter.Seq2[string, token.Position] {
	return func(yield func(string, token.Position) bool) {
		taken := sync.OnceValue(func() map[string]token.Pos { return declared(rendered) })
		for fset, file := range handWritten(disk, dir, name) {
			for name, pos := range declarations(file) {
				if _, clash := taken()[name]; clash && !yield(name, fset.Position(pos)) {
					return
				}
			}
		}
	}
}

// declared gives what rendered files declare.
func declared(rendered []File) map[string]token.Pos {
	all := map[string]token.Pos{}
	for _, f := range rendered {
		if file, err := parser.ParseFile(token.NewFileSet(), "", f.Body, parser.SkipObjectResolution); err == nil {
			maps.Copy(all, declarations(file))
		}
	}

	return all
}

// handWritten gives the Go files in dir that belong to package name and are not
// ours. Files that do not parse are left to the compiler.
func handWritten(disk *record.Disk, dir, name string) iter.Seq2[*token.FileSet, *ast.File] {
	return func(yield func(*token.FileSet, *ast.File) bool) {
		entries, err := disk.ReadDir(dir)
		if err != nil {
			return // it does not exist yet
		}
		for _, e := range entries {
			content, err := disk.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil || !strings.HasSuffix(e.Name(), ".go") {
				continue
			}
			if state, _ := Inspect(content); state != NotOurs {
				continue
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, filepath.Join(dir, e.Name()), content, parser.SkipObjectResolution)
			if err == nil && file.Name.Name == name && !yield(fset, file) {
				return
			}
		}
	}
}

// declarations gives the package-level names of file, methods as Type.Method.
func declarations(file *ast.File) map[string]token.Pos {
	names := map[string]token.Pos{}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names[methodPrefix(d)+d.Name.Name] = d.Name.Pos()
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					names[spec.Name.Name] = spec.Name.Pos()
				case *ast.ValueSpec:
					for _, id := range spec.Names {
						names[id.Name] = id.Pos()
					}
				}
			}
		}
	}
	delete(names, "_")
	delete(names, "init")

	return names
}

// methodPrefix is "Type." for a method, "" for a function.
func methodPrefix(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "."
	}

	return ""
}
