package load

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"maps"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/tools/go/packages"

	"github.com/tqgen/tqgen/generator/directive"
)

// unit is one package as source. It is parsed when something refers to it.
type unit struct {
	path    string
	list    *packages.Package
	std     bool
	parsed  bool
	name    string
	sources []*source
	decls   map[string][]*decl // by name; more than one only if the package does not compile
	methods map[string][]*decl // by the name of the receiver's type

	kept      int      // files that are not ours; set for matched packages
	annotated bool     // has directives, or comments that were meant to be some
	imports   []string // of all files, ours included; nil until asked for
}

// source is one file of a unit.
type source struct {
	unit      *unit
	path      string
	ast       *ast.File         // function bodies emptied
	err       error             // of the parser
	annotated bool              // its text has directives, whether or not it parses
	found     *directive.Found  // nil if nothing in it mentions us
	decls     []*decl           // in order
	imports   []*ast.ImportSpec // import "C" included
	names     map[string]*link  // by the name the file uses
	dots      []*link
}

// link is one import of a file.
type link struct {
	spec *ast.ImportSpec
	path string
	unit *unit // nil for C, unsafe and what go list does not know
}

// decl is one declaration that stands or falls alone: a type, function or
// method, or one line of constants or variables.
type decl struct {
	unit  *unit
	src   *source
	gen   *ast.GenDecl // with index, unless it is a function
	index int
	fn    *ast.FuncDecl
	name  string // of the type or function, else of the first constant or variable
}

func newUnit(p *packages.Package) *unit {
	return &unit{path: p.PkgPath, list: p, name: p.Name, std: p.Module == nil && standard(p.PkgPath)}
}

// standard reports whether an import path has the form of the standard
// library's: no dot in its first element.
func standard(p string) bool {
	first, _, _ := strings.Cut(p, "/")

	return !strings.Contains(first, ".")
}

// span is where the declaration stands.
func (d *decl) span() (from, to token.Pos) {
	if d.fn != nil {
		return d.fn.Pos(), d.fn.End()
	}
	s := d.gen.Specs[d.index]

	return s.Pos(), s.End()
}

func (d *decl) typeSpec() *ast.TypeSpec {
	if d.gen == nil || d.gen.Tok != token.TYPE {
		return nil
	}

	return d.gen.Specs[d.index].(*ast.TypeSpec)
}

// missing reports whether there is nothing of the package to read: it could not
// be found, or it is all ours.
func (u *unit) missing() bool { return len(u.sources) == 0 }

// own reports whether the package has files, and all of them are ours.
func (u *unit) own() bool { return u.missing() && len(u.list.GoFiles) > 0 }

// survey looks at the matched packages without parsing them: those that are all
// ours are dropped, and those that never mention us stay unparsed until a
// payload leads to them.
func (l *loader) survey() {
	type file struct {
		unit            *unit
		path            string
		ours, mentioned bool
	}
	var files []*file
	for _, u := range l.roots {
		for _, path := range u.list.GoFiles {
			files = append(files, &file{unit: u, path: path, ours: ownName(path)})
		}
	}
	each(files, func(f *file) {
		if f.ours {
			return
		}
		if content, err := l.disk.ReadFile(f.path); err == nil {
			_, f.ours = ownHeader(content)
			f.mentioned = mentions(content)
		}
	})
	parse := map[*unit]bool{}
	for _, f := range files {
		if !f.ours {
			f.unit.kept++
		}
		if f.mentioned || f.ours || len(f.unit.list.Errors) > 0 {
			parse[f.unit] = true
		}
	}
	l.roots = slices.DeleteFunc(l.roots, func(u *unit) bool { return u.kept == 0 })
	l.parse(slices.Collect(maps.Keys(parse)))
}

// parse reads units, all files side by side.
func (l *loader) parse(units []*unit) {
	var all []*source
	for _, u := range units {
		if u.parsed {
			continue
		}
		u.parsed = true
		for _, f := range u.list.GoFiles {
			if !u.std && ownName(f) {
				continue
			}
			s := &source{unit: u, path: f}
			u.sources = append(u.sources, s)
			all = append(all, s)
		}
	}
	each(all, l.parseFile)
	for _, u := range units {
		u.settle()
	}
}

// each runs f on every element, on all processors.
func each[T any](list []T, f func(T)) {
	workers := min(runtime.GOMAXPROCS(0), len(list))
	next := make(chan T, len(list))
	for _, e := range list {
		next <- e
	}
	close(next)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for e := range next {
				f(e)
			}
		})
	}
	wg.Wait()
}

// parseFile reads one file. It stays without a tree if it is ours.
func (l *loader) parseFile(s *source) {
	content, err := l.disk.ReadFile(s.path)
	if err != nil {
		s.err = err
		content = nil
	}
	mode := parser.SkipObjectResolution
	if !s.unit.std {
		if _, ours := ownHeader(content); ours {
			return
		}
		if mentions(content) {
			mode |= parser.ParseComments
		}
		s.annotated = hasDirective(content)
	}
	f, err := parser.ParseFile(l.fset, s.path, content, mode)
	if s.err == nil {
		s.err = err
	}
	s.ast = f
	if mode&parser.ParseComments != 0 {
		s.found = directive.File(f, l.at)
	}
	emptyBodies(f)
}

// emptyBodies drops the statements of all functions.
func emptyBodies(f *ast.File) {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			fn.Body = &ast.BlockStmt{Lbrace: fn.End(), Rbrace: fn.End()}
		}
	}
}

// mentions tells without parsing whether a file may hold directives or near
// misses of them.
func mentions(content []byte) bool {
	for _, s := range []string{"tqgen", "Tqgen", "TQGEN", "TqGen", "tqGen"} {
		if bytes.Contains(content, []byte(s)) {
			return true
		}
	}

	return false
}

// hasDirective tells without parsing whether a file has directives.
func hasDirective(content []byte) bool { return bytes.Contains(content, []byte("//tqgen:")) }

// concerns reports whether there is something for us in the file: a directive,
// or what was meant to be one.
func (s *source) concerns() bool {
	f := s.found

	return s.err != nil && s.annotated || f != nil && len(f.Types)+len(f.Diags) > 0
}

// named reports whether the file has got as far as its package's name.
func (s *source) named() bool { return s.ast.Name.Name != "" && s.ast.Name.Name != "_" }

// settle drops the files that are ours and takes name and declarations of the
// package from what is left.
func (u *unit) settle() {
	if u.decls != nil {
		return
	}
	u.decls = map[string][]*decl{}
	u.methods = map[string][]*decl{}
	kept := u.sources[:0]
	named := false
	for _, s := range u.sources {
		if s.ast == nil || s.ast.Name.Name == "documentation" {
			continue
		}
		if !named && s.named() {
			u.name, named = s.ast.Name.Name, true
		}
		kept = append(kept, s)
	}
	u.sources = kept
	for _, s := range u.sources {
		s.index()
		u.annotated = u.annotated || s.concerns()
	}
}

// index notes imports and declarations of a file.
func (s *source) index() {
	for _, d := range s.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			s.function(d)
		case *ast.GenDecl:
			for i, spec := range d.Specs {
				s.spec(d, i, spec)
			}
		}
	}
}

func (s *source) spec(d *ast.GenDecl, i int, spec ast.Spec) {
	one := &decl{unit: s.unit, src: s, gen: d, index: i}
	switch spec := spec.(type) {
	case *ast.ImportSpec:
		s.imports = append(s.imports, spec)

		return
	case *ast.TypeSpec:
		one.name = spec.Name.Name
		s.add(one, spec.Name)
	case *ast.ValueSpec:
		if len(spec.Names) > 0 {
			one.name = spec.Names[0].Name
		}
		s.add(one, spec.Names...)
	}
	s.decls = append(s.decls, one)
}

func (s *source) add(d *decl, names ...*ast.Ident) {
	for _, n := range names {
		if n.Name != "_" {
			s.unit.decls[n.Name] = append(s.unit.decls[n.Name], d)
		}
	}
}

func (s *source) function(f *ast.FuncDecl) {
	d := &decl{unit: s.unit, src: s, fn: f, name: f.Name.Name}
	s.decls = append(s.decls, d)
	if f.Recv == nil {
		if f.Name.Name != "init" {
			s.add(d, f.Name)
		}

		return
	}
	if t := receiver(f); t != "" {
		s.unit.methods[t] = append(s.unit.methods[t], d)
	}
}

// receiver names the type a method belongs to, "" if that cannot be told.
func receiver(f *ast.FuncDecl) string {
	if len(f.Recv.List) != 1 {
		return ""
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.Ident:
			return x.Name
		case *ast.StarExpr:
			t = x.X
		case *ast.ParenExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		default:
			return ""
		}
	}
}

// resolve finds the packages behind the imports of a file, and the names by
// which the file uses them.
func (l *loader) resolve(s *source) {
	if s.names != nil {
		return
	}
	s.names = map[string]*link{}
	for _, spec := range s.imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		i := &link{spec: spec, path: p, unit: l.imported(s.unit, p)}
		switch {
		case spec.Name == nil:
			s.names[l.nameOf(i)] = i
		case spec.Name.Name == ".":
			s.dots = append(s.dots, i)
		case spec.Name.Name != "_":
			s.names[spec.Name.Name] = i
		}
	}
}

// imported gives the package that u imports as path: another one for the
// vendored imports of the standard library, and below a vendor folder.
func (l *loader) imported(u *unit, path string) *unit {
	if p, ok := u.list.Imports[path]; ok {
		return l.units[p.PkgPath]
	}

	return l.units[path] // an edge that go/packages dropped to break a cycle
}

// nameOf gives the name of an imported package, guessed from its path if there
// is nothing to read it from.
func (l *loader) nameOf(i *link) string {
	u := i.unit
	if u == nil {
		return guess(i.path)
	}
	if len(u.list.Errors) > 0 || hasOwn(u) {
		l.parse([]*unit{u}) // go list may have taken the name from a file of ours
		if u.missing() {
			return guess(i.path)
		}
	}
	if u.name == "" {
		return guess(i.path)
	}

	return u.name
}

func hasOwn(u *unit) bool {
	if u.std {
		return false
	}
	for _, f := range u.list.GoFiles {
		if ownName(f) {
			return true
		}
	}

	return false
}

// guess gives the usual package name of an import path.
func guess(importPath string) string {
	dir, base := path.Split(importPath)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" && dir != "" {
		base = path.Base(dir)
	}
	base, _, _ = strings.Cut(base, ".") // gopkg.in/yaml.v3
	base = strings.TrimPrefix(base, "go-")

	return strings.TrimSuffix(base, "-go")
}

// syntaxErrors gives the errors of the parser one by one.
func (s *source) syntaxErrors() scanner.ErrorList {
	var list scanner.ErrorList
	if errors.As(s.err, &list) {
		list.RemoveMultiples()

		return list
	}

	return nil
}
