package load

import (
	"go/parser"
	"go/token"
	"slices"

	"github.com/tqgen/tqgen/generator/directive"
)

// Directive gives the target's directive of that name.
func (t *Target) Directive(name string) (d directive.Directive, ok bool) {
	i := slices.IndexFunc(t.Directives, func(d directive.Directive) bool { return d.Name == name })
	if i < 0 {
		return directive.Directive{}, false
	}

	return t.Directives[i], true
}

// codecs finds the types with a tqgen:codec that targets hold and whose
// packages no pattern matches. Output that uses their codecs compiles only
// together with these.
func (p *Program) codecs(u *universe) {
	l := p.loader
	for _, unit := range u.units {
		if slices.Contains(l.roots, unit) || !p.shares(unit) {
			continue
		}
		var pkg *Package
		for _, s := range unit.sources {
			for _, t := range annotated(u, s) {
				target := newTarget(pkg, s, t)
				if _, ok := target.Directive("codec"); !ok {
					continue
				}
				if pkg == nil {
					pkg = l.newPackage(unit)
					p.others = append(p.others, pkg)
				}
				target.Package = pkg
				p.Codecs = append(p.Codecs, target)
			}
		}
	}
}

// shares reports whether a unit is of a module that has targets in this run.
func (p *Program) shares(u *unit) bool {
	m := u.list.Module

	return m != nil && m.Main && slices.ContainsFunc(p.Targets, func(t *Target) bool {
		return t.Package.Module.Path == m.Path
	})
}

// annotated gives the live types of a file that have directives.
func annotated(u *universe, s *source) (list []directive.Type) {
	if s.found == nil {
		return nil
	}
	for _, t := range s.found.Types {
		if slices.ContainsFunc(s.unit.decls[t.Spec.Name.Name], func(d *decl) bool {
			return u.live[d] && d.typeSpec() == t.Spec
		}) {
			list = append(list, t)
		}
	}

	return list
}

// Rendered is a file of ours as it will be, which outputs refer to.
type Rendered struct {
	Package string // import path
	Name    string // as messages spell it
	Body    []byte
}

// join makes rendered files part of their packages and gives what they export.
func (l *loader) join(files []Rendered) (exported []*decl) {
	for _, f := range files {
		u := l.units[f.Package]
		if u == nil {
			continue
		}
		l.parse([]*unit{u})
		s := l.parsed(u, f)
		if s == nil {
			continue // which the check of the file itself will tell
		}
		s.index()
		u.sources = append(u.sources, s)
		for _, d := range s.decls {
			if d.fn != nil && d.fn.Recv == nil && token.IsExported(d.name) {
				exported = append(exported, d)
			}
		}
	}

	return exported
}

// parsed reads a rendered file, nil if it is no Go.
func (l *loader) parsed(u *unit, f Rendered) *source {
	file, err := parser.ParseFile(l.fset, f.Name, f.Body, parser.SkipObjectResolution)
	if err != nil {
		return nil
	}
	emptyBodies(file)

	return &source{unit: u, path: f.Name, ast: file}
}
