package load

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// problem is one thing that is wrong with a declaration some payload needs.
type problem struct {
	decl  *decl
	pos   token.Pos
	err   types.Error
	fault *fault
}

// problems gives the errors of u in declarations that r has reached, in order.
// A fault explains the errors at its place.
func (u *universe) problems(r *reach) []problem {
	var list []problem
	explained := map[token.Pos]bool{}
	for i := range r.faults {
		f := &r.faults[i]
		if counts(f.decl) && !explained[f.pos] {
			explained[f.pos] = true
			list = append(list, problem{decl: f.decl, pos: f.pos, fault: f})
		}
	}
	spans := r.spans()
	for _, e := range u.errs {
		if noise(e) || strings.HasPrefix(e.Msg, "\t") {
			continue
		}
		d := spans.find(e.Pos)
		if d == nil || !counts(d) || explainedAt(r, d, e.Pos) || u.cyclic(d, e.Msg) {
			continue
		}
		list = append(list, problem{decl: d, pos: e.Pos, err: e})
	}
	slices.SortStableFunc(list, func(a, b problem) int { return cmp.Compare(a.pos, b.pos) })

	return list
}

// explainedAt reports whether a fault lies at the selector that pos is in.
func explainedAt(r *reach, d *decl, pos token.Pos) bool {
	return slices.ContainsFunc(r.faults, func(f fault) bool {
		return f.decl == d && f.pos <= pos && pos <= f.pos+token.Pos(len(f.text))
	})
}

// cyclic reports whether an error comes from an import cycle, which is reported
// as such.
func (u *universe) cyclic(d *decl, msg string) bool {
	name, _ := strings.CutPrefix(msg, "undefined: ")
	qualifier, _, _ := strings.Cut(name, ".")
	i := d.src.names[qualifier]

	return i != nil && slices.Contains(u.cycles, cycle{d.unit, i.path})
}

// counts reports whether what is wrong with d can affect a payload. A method
// that does not decide what the codec looks like cannot.
func counts(d *decl) bool {
	return !d.unit.std && (d.fn == nil || d.fn.Recv == nil || shaping[d.name])
}

// spans finds declarations by position.
type spans []*decl

func (r *reach) spans() spans {
	list := make(spans, 0, len(r.live))
	for d := range r.live {
		if !d.unit.std {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b *decl) int {
		p, _ := a.span()
		q, _ := b.span()

		return cmp.Compare(p, q)
	})

	return list
}

func (s spans) find(pos token.Pos) *decl {
	i, ok := slices.BinarySearchFunc(s, pos, func(d *decl, pos token.Pos) int {
		from, _ := d.span()

		return cmp.Compare(from, pos)
	})
	if !ok {
		i--
	}
	if i < 0 {
		return nil
	}
	if _, to := s[i].span(); pos > to {
		return nil
	}

	return s[i]
}

// report says what is wrong with types that payloads need, and gives the
// declarations it is wrong in.
func (l *loader) report(r *reach, u *universe) (bad map[*decl]bool) {
	bad = map[*decl]bool{}
	for _, p := range u.problems(r) {
		bad[p.decl] = true
		if p.fault != nil {
			l.reportFault(p.decl, p.fault)
		} else {
			l.reportError(p.decl, p.err)
		}
	}
	broken := map[*unit]bool{}
	for d := range bad {
		broken[d.unit] = true
	}
	for u := range broken {
		for _, s := range u.sources {
			if s.err != nil && u.list.Module != nil && u.list.Module.Main {
				l.syntax(s) // what was not found may stand in there
			}
		}
	}

	return bad
}

func (l *loader) reportFault(d *decl, f *fault) {
	at := l.at(f.pos)
	where := subject(d, f.pos)
	u := f.imp.unit
	switch {
	case f.imp.path == "C":
		l.diags.Addf(at, "TQ235", "%s is %s, a cgo type", where, f.text).
			Helpf("hold the value in a Go type: int32 instead of C.int, string instead of *C.char")
	case u != nil && u.own():
		l.diags.Addf(at, "TQ203", "%s refers to %s, which tqgen generates", where, f.text).
			Helpf("generated files are never an input: declare the type outside of %s", u.path)
	default:
		l.listed(at, "TQ507", fmt.Sprintf("%s refers to %s, which cannot be loaded: ", where, f.text), f.reason())
	}
}

// reason says why the package behind a fault cannot be read.
func (f *fault) reason() string {
	u, m := f.imp.unit, f.decl.unit.list.Module
	switch {
	case f.why != "":
		return f.why
	case m != nil && within(f.imp.path, m.Path):
		return "module " + m.Path + " has no package " + f.imp.path
	case u != nil && len(u.list.Errors) > 0:
		return u.list.Errors[0].Msg
	default:
		return "no module provides package " + f.imp.path
	}
}

// cycles reports packages that import each other, where payloads need both.
func (l *loader) cycles(list []cycle) {
	for _, c := range list {
		for _, s := range c.of.sources {
			for _, i := range s.names {
				if i.path == c.path {
					l.diags.Addf(l.at(i.spec.Pos()), "TQ513", "import cycle: %s imports %s, which leads back to it",
						c.of.path, c.path)
				}
			}
		}
	}
}

func (l *loader) reportError(d *decl, e types.Error) {
	msg, _, _ := strings.Cut(e.Msg, "\n")
	msg = strings.TrimSuffix(msg, ":")
	where := subject(d, e.Pos)
	if name, ok := strings.CutPrefix(msg, "undefined: "); ok {
		l.diags.Addf(l.at(l.start(d, e.Pos)), "TQ203", "%s refers to undefined type %s", where, name)

		return
	}
	l.diags.Addf(l.at(e.Pos), "TQ508", "%s: %s", where, msg)
}

// start moves the position of a qualified name's error to its beginning.
func (l *loader) start(d *decl, pos token.Pos) token.Pos {
	spec := d.typeSpec()
	if spec == nil {
		return pos
	}
	at := pos
	ast.Inspect(spec, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Pos() <= pos && pos <= s.End() {
			at = s.Pos()
		}

		return true
	})

	return at
}

// subject names the field, method or declaration that pos is in, as in
// "Email.Attachments".
func subject(d *decl, pos token.Pos) string {
	if d.fn != nil && d.fn.Recv != nil {
		return receiver(d.fn) + "." + d.name
	}
	name := d.name
	spec := d.typeSpec()
	if spec == nil {
		return name
	}
	ast.Inspect(spec.Type, func(n ast.Node) bool {
		f, ok := n.(*ast.Field)
		if !ok || pos < f.Pos() || f.End() < pos {
			return true
		}
		switch {
		case len(f.Names) > 0:
			name += "." + f.Names[0].Name
		default:
			if t := embedded(f.Type); t != "" {
				name += "." + t
			}
		}

		return true
	})

	return name
}

// embedded names an embedded field.
func embedded(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.StarExpr:
		return embedded(t.X)
	case *ast.SelectorExpr:
		return t.Sel.Name
	case *ast.IndexExpr:
		return embedded(t.X)
	case *ast.IndexListExpr:
		return embedded(t.X)
	default:
		return ""
	}
}
