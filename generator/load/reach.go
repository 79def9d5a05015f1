package load

import (
	"go/ast"
	"go/token"
	"strings"
)

// wantedMethods are the methods that decide how a value is encoded, whether it
// is empty, how it prints and whether it may be copied.
var wantedMethods = []string{
	"MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText", "AppendText", "IsZero",
	"String", "Error", "Lock", "Unlock",
}

// shaping are those of them that decide what the codec looks like, so that
// their signature has to be right.
var shaping = map[string]bool{
	"MarshalJSON": true, "UnmarshalJSON": true, "MarshalText": true, "UnmarshalText": true, "IsZero": true,
}

// reach is the set of declarations that some roots refer to, directly or not.
// It errs on the side of too many: names are compared, scopes are not.
type reach struct {
	l       *loader
	whole   bool // all of a package that is reached, except of the standard library's
	api     bool // all exported methods
	live    map[*decl]bool
	units   []*unit // with live declarations, in the order they were reached
	seen    map[*unit]bool
	imports map[*source]map[string]*link // used by live declarations, by name
	dots    map[*source]bool
	edges   map[*decl][]*decl // from declarations outside the standard library
	wanted  map[string]bool   // method names
	types   []*decl           // live types
	work    []*decl
	waiting map[*unit][]want
	faults  []fault
}

// want is a reference to a package that is yet to be parsed.
type want struct {
	from *decl
	name string
}

// fault is a reference that leads out of what can be read.
type fault struct {
	decl *decl
	pos  token.Pos
	text string // as written: "pkg.Name"
	imp  *link
	why  string // "" if the package is not there
}

func (l *loader) newReach(whole bool) *reach {
	r := &reach{
		l: l, whole: whole,
		live: map[*decl]bool{}, seen: map[*unit]bool{}, edges: map[*decl][]*decl{},
		imports: map[*source]map[string]*link{}, dots: map[*source]bool{},
		wanted: map[string]bool{}, waiting: map[*unit][]want{},
	}
	for _, m := range wantedMethods {
		r.wanted[m] = true
	}

	return r
}

// run follows references until there are no new ones. Packages are parsed as
// they come up, those of one round side by side.
func (r *reach) run() {
	for len(r.work) > 0 || len(r.waiting) > 0 {
		for len(r.work) > 0 {
			d := r.work[len(r.work)-1]
			r.work = r.work[:len(r.work)-1]
			r.follow(d)
		}
		waiting := r.waiting
		r.waiting = map[*unit][]want{}
		units := make([]*unit, 0, len(waiting))
		for u := range waiting {
			units = append(units, u)
		}
		r.l.parse(units)
		for u, wants := range waiting {
			for _, w := range wants {
				r.need(w.from, u, w.name)
			}
		}
	}
}

// need makes the declarations of a name live.
func (r *reach) need(from *decl, u *unit, name string) {
	if !u.parsed {
		r.waiting[u] = append(r.waiting[u], want{from, name})

		return
	}
	for _, d := range u.decls[name] {
		r.mark(from, d)
	}
}

func (r *reach) mark(from, d *decl) {
	if from != nil && !from.unit.std {
		r.edges[from] = append(r.edges[from], d)
	}
	if r.live[d] {
		return
	}
	r.live[d] = true
	r.work = append(r.work, d)
	if r.seen[d.unit] {
		return
	}
	r.seen[d.unit] = true
	r.units = append(r.units, d.unit)
	if r.whole && !d.unit.std {
		for _, s := range d.unit.sources {
			for _, other := range s.decls {
				r.mark(nil, other)
			}
		}
	}
}

// follow makes live what d refers to.
func (r *reach) follow(d *decl) {
	r.l.resolve(d.src)
	switch {
	case d.fn != nil:
		r.node(d, d.fn.Recv)
		r.node(d, d.fn.Type)
	case d.gen.Tok == token.TYPE:
		spec := d.typeSpec()
		r.node(d, spec.TypeParams)
		r.node(d, spec.Type)
		r.types = append(r.types, d)
		r.methods(d, "")
	default:
		spec := d.value()
		r.node(d, spec.Type)
		if spec.Type == nil || d.gen.Tok == token.CONST {
			for _, v := range spec.Values {
				r.node(d, v)
			}
		}
	}
}

// methods makes the wanted methods of a live type live, or the one named.
func (r *reach) methods(d *decl, name string) {
	for _, m := range d.unit.methods[d.name] {
		if n := m.fn.Name.Name; name == "" && r.wants(n) || n == name {
			r.mark(d, m)
		}
	}
}

func (r *reach) wants(method string) bool {
	return r.wanted[method] || r.api && token.IsExported(method)
}

// want adds a method name to those that are kept.
func (r *reach) want(name string) {
	if r.wanted[name] {
		return
	}
	r.wanted[name] = true
	for _, d := range r.types {
		r.methods(d, name)
	}
}

// node follows the references below n, which may be nil.
func (r *reach) node(d *decl, n ast.Node) {
	switch x := n.(type) {
	case nil:
		return
	case *ast.FieldList:
		if x == nil {
			return
		}
	case ast.Expr:
		if x == nil {
			return
		}
	}
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			r.node(d, n.Type) // not its names and tag

			return false
		case *ast.InterfaceType:
			for _, m := range n.Methods.List {
				for _, name := range m.Names {
					r.want(name.Name)
				}
			}
		case *ast.SelectorExpr:
			return !r.qualified(d, n)
		case *ast.FuncLit:
			r.node(d, n.Type)

			return false
		case *ast.Ident:
			r.ident(d, n)
		}

		return true
	})
}

// qualified follows pkg.Name. It reports whether n is one.
func (r *reach) qualified(d *decl, n *ast.SelectorExpr) bool {
	x, ok := n.X.(*ast.Ident)
	if !ok {
		return false
	}
	i, ok := d.src.names[x.Name]
	if !ok {
		return false
	}
	r.use(d, x.Name, i)
	switch {
	case i.path == "unsafe":
	case i.unit == nil:
		r.fault(d, n, i, "")
	default:
		if r.l.parseEmpty(i.unit); i.unit.parsed && i.unit.missing() {
			r.fault(d, n, i, "")
		} else if why := forbidden(d.unit, i.unit); why != "" {
			r.fault(d, n, i, why)
		}
		r.need(d, i.unit, n.Sel.Name)
	}

	return true
}

func (r *reach) fault(d *decl, n *ast.SelectorExpr, i *link, why string) {
	r.faults = append(r.faults, fault{d, n.Pos(), n.X.(*ast.Ident).Name + "." + n.Sel.Name, i, why})
}

// forbidden says why the go command does not let from import to, "" if it does.
func forbidden(from, to *unit) string {
	if from.std {
		return ""
	}
	if to.name == "main" {
		return "package main cannot be imported"
	}
	if parent, ok := internalTo(to.path); ok && !within(from.path, parent) {
		return "use of internal package " + to.path + " is not allowed in " + from.path
	}

	return ""
}

// internalTo gives the path below which an internal package may be imported.
func internalTo(path string) (parent string, ok bool) {
	if i := strings.LastIndex("/"+path+"/", "/internal/"); i >= 0 {
		return strings.TrimSuffix(path[:i], "/"), true
	}

	return "", false
}

// within reports whether path is root or lies below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// ident follows a plain name.
func (r *reach) ident(d *decl, n *ast.Ident) {
	if _, ok := d.unit.decls[n.Name]; ok {
		r.need(d, d.unit, n.Name)

		return
	}
	for _, i := range d.src.dots {
		r.dots[d.src] = true
		if i.unit != nil {
			r.need(d, i.unit, n.Name)
		}
	}
}

// use notes that the reduced file keeps an import.
func (r *reach) use(d *decl, name string, i *link) {
	m := r.imports[d.src]
	if m == nil {
		m = map[string]*link{}
		r.imports[d.src] = m
	}
	m[name] = i
}

// parseEmpty parses a package that may turn out to have no files but ours.
func (l *loader) parseEmpty(u *unit) {
	if !u.parsed && (hasOwn(u) || len(u.list.GoFiles) == 0) {
		l.parse([]*unit{u})
	}
}

// value is the specification of a constant or variable, with type and values
// written out where it repeats those of an earlier line.
func (d *decl) value() *ast.ValueSpec {
	spec := d.gen.Specs[d.index].(*ast.ValueSpec)
	if d.gen.Tok != token.CONST || spec.Type != nil || len(spec.Values) > 0 {
		return spec
	}
	for i := d.index - 1; i >= 0; i-- {
		if e := d.gen.Specs[i].(*ast.ValueSpec); e.Type != nil || len(e.Values) > 0 {
			return &ast.ValueSpec{Names: spec.Names, Type: e.Type, Values: e.Values}
		}
	}

	return spec
}

// dependsOn reports whether from refers to one of the declarations.
func (r *reach) dependsOn(from *decl, bad map[*decl]bool) bool {
	if len(bad) == 0 {
		return false
	}
	seen := map[*decl]bool{}
	var visit func(d *decl) bool
	visit = func(d *decl) bool {
		if bad[d] {
			return true
		}
		seen[d] = true
		for _, to := range r.edges[d] {
			if !seen[to] && visit(to) {
				return true
			}
		}

		return false
	}

	return visit(from)
}
