package directive

import (
	"go/ast"
	"go/token"
	"strings"

	"github.com/tqgen/tqgen/generator/diag"
)

// Found is what the directives of one file are about.
type Found struct {
	Types  []Type                    // annotated package-level types, in order
	Fields map[token.Pos][]Directive // by the position of the field's name

	// Diags is what is wrong with directives: their text, and their place.
	Diags diag.List
}

// Type is one annotated type declaration.
type Type struct {
	Spec       *ast.TypeSpec
	Doc        *ast.CommentGroup // nil only if a directive of the group's doc is all there is
	Directives []Directive
}

// Mentions tells cheaply whether text may hold a directive, or a near miss.
func Mentions(text string) bool {
	for i := strings.IndexByte(text, ':'); i >= 0; {
		head := strings.TrimRight(text[:i], " ")
		if len(head) >= len(tool) && strings.EqualFold(head[len(head)-len(tool):], tool) {
			return true
		}
		next := strings.IndexByte(text[i+1:], ':')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	// A forgotten colon.
	for _, s := range Specs {
		if strings.Contains(text, "//"+tool+" "+s.Name) {
			return true
		}
	}

	return false
}

// File reads the directives of a file that was parsed with its comments and
// still has its function bodies. at makes positions printable.
func File(f *ast.File, at func(token.Pos) token.Position) *Found {
	s := &scanner{reader: reader{at: at}, places: map[*ast.CommentGroup]place{}, found: new(Found)}
	var groups []*ast.CommentGroup
	for _, g := range f.Comments {
		for _, c := range g.List {
			if Mentions(c.Text) {
				groups = append(groups, g)

				break
			}
		}
	}
	if len(groups) > 0 {
		s.file(f)
		for _, g := range groups {
			s.group(g)
		}
	}
	s.found.Diags = s.diags

	return s.found
}

// place is what a comment group belongs to.
type place struct {
	of    Place // 0: nothing a directive may stand on
	what  string
	help  string
	spec  *ast.TypeSpec
	field *ast.Field
	local string // function the type is local to
}

type scanner struct {
	reader
	places map[*ast.CommentGroup]place
	found  *Found
	types  map[*ast.TypeSpec]int // index into found.Types
	decls  []ast.Decl
}

// group reads the comments of one group.
func (s *scanner) group(g *ast.CommentGroup) {
	for _, c := range g.List {
		d, spec := s.parse(c)
		if d == nil {
			continue
		}
		p, ok := s.places[g]
		if !ok {
			p = s.floating(g)
		}
		s.attach(d, spec, p, g)
	}
}

// attach gives the directive to the type or field it stands on.
func (s *scanner) attach(d *Directive, spec *Spec, p place, g *ast.CommentGroup) {
	switch {
	case p.of != spec.Place:
		e := s.errorf(d.Pos, "TQ102", "tqgen:%s belongs on %s, not %s", d.Name, spec.Place, p.what)
		if p.help != "" {
			e.Helpf("%s", p.help)
		}
	case p.local != "":
		s.errorf(d.Pos, "TQ232", "%s is local to %s", p.spec.Name.Name, p.local).
			Helpf("declare it at package level: a generated package cannot import it from there")
	case p.spec != nil:
		s.attachType(d, spec, p.spec, g)
	default:
		s.attachField(d, p.field)
	}
}

func (s *scanner) attachType(d *Directive, declared *Spec, spec *ast.TypeSpec, g *ast.CommentGroup) {
	i, ok := s.types[spec]
	if !ok {
		if s.types == nil {
			s.types = map[*ast.TypeSpec]int{}
		}
		i = len(s.found.Types)
		s.types[spec] = i
		s.found.Types = append(s.found.Types, Type{Spec: spec, Doc: g})
	}
	t := &s.found.Types[i]
	if !declared.Repeats && s.repeated(d, t.Directives) {
		return
	}
	t.Directives = append(t.Directives, *d)
}

func (s *scanner) attachField(d *Directive, f *ast.Field) {
	if s.found.Fields == nil {
		s.found.Fields = map[token.Pos][]Directive{}
	}
	for i, n := range f.Names {
		had := s.found.Fields[n.Pos()]
		if i == 0 && s.repeated(d, had) {
			return
		}
		s.found.Fields[n.Pos()] = append(had, *d)
	}
}

func (s *scanner) repeated(d *Directive, had []Directive) bool {
	for _, h := range had {
		if h.Name == d.Name {
			s.errorf(d.Pos, "TQ106", "tqgen:%s is given twice", d.Name).
				Helpf("it was first given in line %d; one directive holds all keys", s.at(h.Pos).Line)

			return true
		}
	}

	return false
}

// floating explains a comment that belongs to no declaration.
func (s *scanner) floating(g *ast.CommentGroup) place {
	for _, d := range s.decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil && f.Body.Pos() < g.Pos() && g.End() <= f.Body.End() {
			return place{what: "inside " + function(f)}
		}
		if d.Pos() > g.End() {
			if t, ok := d.(*ast.GenDecl); ok && t.Tok == token.TYPE && len(t.Specs) > 0 {
				name := t.Specs[0].(*ast.TypeSpec).Name.Name

				return place{
					what: "on a comment of its own",
					help: "put it directly above " + name + ", without an empty line or other code between",
				}
			}

			break
		}
	}

	return place{what: "on a comment of its own", help: "put it directly above the declaration it is about"}
}

// file notes what every doc comment of f belongs to.
func (s *scanner) file(f *ast.File) {
	s.decls = f.Decls
	s.note(f.Doc, place{what: "on the package clause"})
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			s.note(d.Doc, place{what: "on " + function(d)})
			s.inside(d.Body, function(d))
		case *ast.GenDecl:
			s.decl(d, "")
		}
	}
}

func (s *scanner) note(g *ast.CommentGroup, p place) {
	if g != nil {
		s.places[g] = p
	}
}

// inside notes the declarations within a function body.
func (s *scanner) inside(b *ast.BlockStmt, function string) {
	if b == nil {
		return
	}
	ast.Inspect(b, func(n ast.Node) bool {
		if d, ok := n.(*ast.GenDecl); ok {
			s.decl(d, function)
		}

		return true
	})
}

// decl notes a declaration, which is local to a function unless that is "".
func (s *scanner) decl(d *ast.GenDecl, local string) {
	group := place{what: "on a group of declarations"}
	if d.Tok == token.TYPE {
		group.help = "put it on one type of the group"
	}
	s.note(d.Doc, group)
	for _, spec := range d.Specs {
		p := s.spec(d, spec, local)
		if len(d.Specs) == 1 {
			s.note(d.Doc, p)
		}
	}
}

// spec notes one declaration of a group and gives its place.
func (s *scanner) spec(d *ast.GenDecl, spec ast.Spec, local string) (p place) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		name := spec.Name.Name
		p = place{of: OnType, what: "on the type " + name, spec: spec, local: local}
		s.note(spec.Doc, p)
		s.note(spec.Comment, place{
			what: "behind a declaration", help: "put it on a line of its own above " + name,
		})
		s.fields(spec.Type, local)
		if spec.TypeParams != nil {
			s.fields(spec.TypeParams, local)
		}
	case *ast.ValueSpec:
		p = place{what: "on the " + d.Tok.String() + " " + spec.Names[0].Name}
		s.note(spec.Doc, p)
		s.note(spec.Comment, p)
		if spec.Type != nil {
			s.fields(spec.Type, local)
		}
		for _, v := range spec.Values {
			s.fields(v, local)
		}
	case *ast.ImportSpec:
		p = place{what: "on an import"}
		s.note(spec.Doc, p)
		s.note(spec.Comment, p)
	}

	return p
}

// fields notes the fields of all structs and interfaces below n.
func (s *scanner) fields(n ast.Node, local string) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StructType:
			for _, f := range n.Fields.List {
				s.field(f)
			}
		case *ast.InterfaceType:
			for _, f := range n.Methods.List {
				s.note(f.Doc, place{what: "on a method of an interface"})
				s.note(f.Comment, place{what: "on a method of an interface"})
			}
		case *ast.FuncLit:
			s.inside(n.Body, "a function")

			return false
		}

		return true
	})
}

func (s *scanner) field(f *ast.Field) {
	if len(f.Names) == 0 {
		p := place{what: "on an embedded field", help: "put it on the fields of the embedded struct"}
		s.note(f.Doc, p)
		s.note(f.Comment, p)

		return
	}
	name := f.Names[0].Name
	s.note(f.Doc, place{of: OnField, what: "on the field " + name, field: f})
	s.note(f.Comment, place{what: "behind a field", help: "put it on a line of its own above " + name})
}

// function names a function or method as its callers do.
func function(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return "the function " + f.Name.Name
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.ParenExpr:
			t = x.X
		case *ast.Ident:
			return "the method " + x.Name + "." + f.Name.Name
		default:
			return "the method " + f.Name.Name
		}
	}
}
