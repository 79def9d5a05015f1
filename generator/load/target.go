package load

import (
	"bytes"
	"cmp"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"

	"github.com/tqgen/tqgen/generator/directive"
)

// packages makes the matched packages out of what was parsed. Those that are
// all ours are none.
func (p *Program) packages() {
	l := p.loader
	for _, u := range l.roots {
		p.Packages = append(p.Packages, l.newPackage(u))
		l.names(u)
	}
}

// newPackage is a package of a main module, its types and files still to come.
func (l *loader) newPackage(u *unit) *Package {
	m := u.list.Module

	return &Package{
		Path: u.path, Name: u.name, Dir: u.list.Dir,
		Module:  &Module{Path: m.Path, Dir: m.Dir, GoVersion: m.GoVersion},
		Imports: l.reachable(u),
	}
}

// names reports files of several packages in one folder, ours left out.
func (l *loader) names(u *unit) {
	for _, s := range u.sources {
		if s.named() && s.ast.Name.Name != u.name {
			l.diags.Addf(l.at(s.ast.Name.Pos()), "TQ513", "package %s in a folder of package %s",
				s.ast.Name.Name, u.name).
				Helpf("a folder holds one package: %s says %s", filepath.Base(u.sources[0].path), u.name)
		}
	}
}

// reachable gives the import paths that can be reached from u.
func (l *loader) reachable(from *unit) map[string]bool {
	paths := map[string]bool{}
	var visit func(u *unit)
	visit = func(u *unit) {
		for _, path := range l.importsOf(u) {
			if !paths[path] {
				paths[path] = true
				if next := l.units[path]; next != nil {
					visit(next)
				}
			}
		}
	}
	visit(from)

	return paths
}

// importsOf gives the paths a package imports. The query's answer lacks those
// that close a cycle, and those of files it could not read.
func (l *loader) importsOf(u *unit) []string {
	if u.imports != nil {
		return u.imports
	}
	u.imports = []string{}
	for _, p := range u.list.Imports {
		u.imports = append(u.imports, p.PkgPath)
	}
	if u.std || !(l.cyclic || len(u.list.Errors) > 0) {
		return u.imports
	}
	for _, f := range u.list.GoFiles {
		if content, err := l.disk.ReadFile(f); err == nil {
			u.imports = append(u.imports, ownImports(content)...)
		}
	}

	return u.imports
}

// targets finds the annotated types, also those that stand where they cannot
// be generated for.
func (p *Program) targets() {
	for _, pkg := range p.Packages {
		u := p.loader.units[pkg.Path]
		for _, s := range u.sources {
			p.source(pkg, s)
		}
		p.testFiles(u)
		p.excludedFiles(u)
		p.loader.unlisted(u)
	}
	for _, u := range p.loader.testOnly {
		if p.testFiles(u); !u.annotated && p.loader.literal {
			p.loader.noFiles(p.loader.relative(u.list.Dir), "only test files in ")
		}
	}
}

// source takes the targets of one file. Its syntax errors count if it has
// directives.
func (p *Program) source(pkg *Package, s *source) {
	if s.found == nil {
		return
	}
	p.loader.directives(s)
	for _, t := range s.found.Types {
		p.Targets = append(p.Targets, newTarget(pkg, s, t))
	}
}

func newTarget(pkg *Package, s *source, t directive.Type) *Target {
	return &Target{
		Package: pkg, Spec: t.Spec, Doc: t.Doc.Text(), Directives: t.Directives,
		Constraint: constraintOf(s), File: s.path,
	}
}

// directives reports what is wrong with the directives of a file. In one that
// does not parse, the place of a directive cannot be told.
func (l *loader) directives(s *source) {
	if s.err != nil && (s.annotated || len(s.found.Diags) > 0) {
		l.syntax(s)
	}
	for _, d := range s.found.Diags {
		if s.err == nil || d.Code != "TQ102" {
			l.diags = append(l.diags, d)
		}
	}
}

// syntax reports why a file does not parse.
func (l *loader) syntax(s *source) {
	if line := l.conflict(s.path); line > 0 && s.err != nil {
		l.diags.Addf(token.Position{Filename: l.relative(s.path), Line: line}, "TQ506", "the file has conflict markers").
			Helpf("resolve the conflict, then run tqgen again")

		return
	}
	for _, e := range s.syntaxErrors() {
		e.Pos.Filename = l.relative(s.path)
		l.diags.Addf(e.Pos, "TQ506", "%s", e.Msg)
	}
}

// conflict gives the line of the first conflict marker that git left in a file,
// 0 if there is none.
func (l *loader) conflict(path string) int {
	content, err := l.disk.ReadFile(path)
	if err != nil || !bytes.Contains(content, []byte("\n>>>>>>> ")) {
		return 0
	}
	n := 0
	for line := range bytes.Lines(content) {
		if n++; bytes.HasPrefix(line, []byte("<<<<<<< ")) {
			return n
		}
	}

	return 0
}

// check type-checks what the targets reach. What comes out wrong is checked
// once more with nothing left out; what is wrong then is reported.
func (p *Program) check() *universe {
	l := p.loader
	r := p.reach(false)
	first := newUniverse(r)
	u := first
	if len(u.problems(r)) > 0 {
		u = newUniverse(p.reach(true))
	}
	bad := l.report(r, u)
	l.cycles(first.cycles)
	p.codecs(u)
	for _, t := range slices.Concat(p.Targets, p.Codecs) {
		for _, d := range l.declsOf(t) {
			t.Broken = t.Broken || r.dependsOn(d, bad)
		}
	}

	return u
}

// reach follows the targets' references, in the whole of their packages or only
// where they lead.
func (p *Program) reach(whole bool) *reach {
	r := p.loader.newReach(whole)
	for _, t := range p.Targets {
		for _, d := range p.loader.declsOf(t) {
			r.mark(nil, d)
		}
	}
	r.run()

	return r
}

// declsOf gives what declares a target: its type, and what its effects give.
func (l *loader) declsOf(t *Target) []*decl {
	return append(l.effectsOf(t), l.units[t.Package.Path].decls[t.Spec.Name.Name]...)
}

// fieldDirectives gathers the directives on fields of all packages that were
// reached. Mistakes in them count in a package of this module, if they are in
// a type that a payload holds.
func (p *Program) fieldDirectives(u *universe) {
	l := p.loader
	p.fields, p.queued = map[token.Pos][]directive.Directive{}, map[token.Pos]bool{}
	for _, unit := range u.units {
		matched := slices.Contains(l.roots, unit)
		for _, s := range unit.sources {
			if s.found == nil {
				continue
			}
			for pos, ds := range s.found.Fields {
				p.fields[pos] = ds
			}
			for _, t := range s.found.Types {
				p.queued[t.Spec.Name.Pos()] = slices.ContainsFunc(t.Directives, isQueue)
			}
			if !matched && unit.list.Module != nil && unit.list.Module.Main {
				l.nested(u, s)
			}
		}
	}
}

func isQueue(d directive.Directive) bool { return d.Name == "queue" }

// nested reports the mistakes in live types of a file.
func (l *loader) nested(u *universe, s *source) {
	for _, d := range s.decls {
		if !u.live[d] || d.typeSpec() == nil {
			continue
		}
		from, to := d.span()
		first, last := l.at(from).Line, l.at(to).Line
		for _, diag := range s.found.Diags {
			if first <= diag.Pos.Line && diag.Pos.Line <= last {
				l.diags = append(l.diags, diag)
			}
		}
	}
}

// finish gives packages and targets their types and refuses what is no struct.
func (p *Program) finish(u *universe) {
	l := p.loader
	for _, pkg := range slices.Concat(p.Packages, p.others) {
		unit := l.units[pkg.Path]
		if pkg.Types = u.packages[unit]; pkg.Types == nil {
			pkg.Types = empty(unit.path, unit.name)
		}
		for _, s := range unit.sources {
			pkg.Files = append(pkg.Files, s.ast)
		}
		u.complete(unit, pkg.Types)
	}
	p.Targets = p.accepted(p.Targets)
	p.Codecs = p.accepted(p.Codecs)
}

// accepted completes targets, leaves out those that are refused, and sorts them.
func (p *Program) accepted(targets []*Target) []*Target {
	targets = slices.DeleteFunc(targets, func(t *Target) bool { return !p.accept(t) })
	slices.SortStableFunc(targets, func(a, b *Target) int {
		return cmp.Or(cmp.Compare(a.Package.Path, b.Package.Path), cmp.Compare(a.File, b.File),
			cmp.Compare(a.Spec.Pos(), b.Spec.Pos()))
	})

	return targets
}

// accept completes a target, and refuses what is no struct.
func (p *Program) accept(t *Target) bool {
	l := p.loader
	t.Object, _ = t.Package.Types.Scope().Lookup(t.Spec.Name.Name).(*types.TypeName)
	name := t.Spec.Name.Name
	if name == "_" {
		l.diags.Addf(p.Position(t.Spec.Name.Pos()), "TQ237", "_ names no type").Helpf("give the payload a name")

		return false
	}
	if t.Object == nil || t.Object.Pos() != t.Spec.Name.Pos() {
		return false // declared twice, which has been reported
	}
	if t.Spec.Assign.IsValid() {
		l.diags.Addf(p.Position(t.Spec.Name.Pos()), "TQ231", "%s is an alias", name).
			Helpf("annotate the type it stands for, or declare a type of its own: type %s %s",
				name, types.ExprString(t.Spec.Type))

		return false
	}
	st, ok := t.Object.Type().Underlying().(*types.Struct)
	if !ok {
		if t.Object.Type().Underlying() != types.Typ[types.Invalid] {
			l.diags.Addf(p.Position(t.Spec.Name.Pos()), "TQ230", "%s is %s, no struct",
				name, p.describe(t.Object.Type().Underlying())).
				Helpf("annotate a struct that holds it: a payload has fields")
		}

		return false
	}
	p.structFields(t, st)

	return true
}

func (p *Program) describe(t types.Type) string {
	if types.IsInterface(t) {
		return "an interface"
	}

	return types.TypeString(t, func(q *types.Package) string { return q.Name() })
}

// structFields notes the directives on the fields of a target, those of
// anonymous structs in it included.
func (p *Program) structFields(t *Target, st *types.Struct) {
	for f := range st.Fields() {
		for _, d := range p.FieldDirectives(f) {
			t.Fields = append(t.Fields, FieldDirective{f, d})
		}
		if inner := anonymous(f.Type()); inner != nil {
			p.structFields(t, inner)
		}
	}
}

// anonymous gives the struct without a name that a type is made of, if any.
func anonymous(t types.Type) *types.Struct {
	for {
		switch x := t.(type) {
		case *types.Struct:
			return x
		case *types.Pointer:
			t = x.Elem()
		case *types.Slice:
			t = x.Elem()
		case *types.Array:
			t = x.Elem()
		case *types.Map:
			t = x.Elem()
		default:
			return nil
		}
	}
}
