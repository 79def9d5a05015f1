package load

import (
	"go/ast"
	"go/build"
	"go/token"
	"go/types"
	"go/version"
	"slices"
	"strings"
)

// universe is a set of packages whose types go together: each is checked from
// what a reach leaves of it.
type universe struct {
	*reach
	packages map[*unit]*types.Package
	fake     map[string]*types.Package // stand in for what cannot be read
	errs     []types.Error             // in what was checked
	cycles   []cycle
}

// cycle is an import that leads back to a package that is being checked.
type cycle struct {
	of   *unit
	path string
}

func newUniverse(r *reach) *universe {
	u := &universe{reach: r, packages: map[*unit]*types.Package{}, fake: map[string]*types.Package{}}
	for _, unit := range r.units {
		u.pkg(unit)
	}

	return u
}

// pkg gives the types of a package, which it checks at first.
func (u *universe) pkg(of *unit) *types.Package {
	if p, ok := u.packages[of]; ok {
		return p // nil in a cycle of imports
	}
	u.packages[of] = nil
	files := make([]*ast.File, 0, len(of.sources))
	for _, s := range of.sources {
		if f := u.reduced(s); f != nil {
			files = append(files, f)
		}
	}
	conf := u.config(of)
	if len(files) == 0 {
		u.packages[of] = empty(of.path, of.name)
	} else {
		u.packages[of], _ = conf.Check(of.path, u.l.fset, files, nil) // errors went to conf.Error
	}

	return u.packages[of]
}

// config is how the files of a package are checked.
func (u *universe) config(of *unit) *types.Config {
	return &types.Config{
		GoVersion:        goVersion(of),
		IgnoreFuncBodies: true,
		FakeImportC:      true,
		Sizes:            u.l.sizes,
		Importer:         importer(func(path string) (*types.Package, error) { return u.importFor(of, path), nil }),
		Error: func(err error) {
			if e, ok := err.(types.Error); ok {
				u.errs = append(u.errs, e)
			}
		},
	}
}

type importer func(path string) (*types.Package, error)

func (f importer) Import(path string) (*types.Package, error) { return f(path) }

// importFor gives the package that of imports as path. What cannot be read is
// an empty package: what is wrong with it was noted when it was reached.
func (u *universe) importFor(of *unit, path string) *types.Package {
	if path == "unsafe" {
		return types.Unsafe
	}
	if to := u.l.imported(of, path); to != nil && to.parsed && !to.missing() {
		if p := u.pkg(to); p != nil {
			return p
		}
		u.cycles = append(u.cycles, cycle{of, path})
	}
	p, ok := u.fake[path]
	if !ok {
		p = empty(path, guess(path))
		u.fake[path] = p
	}

	return p
}

// empty is a package of which nothing is known but its name.
func empty(path, name string) *types.Package {
	if name == "" {
		name = guess(path)
	}
	p := types.NewPackage(path, name)
	p.MarkComplete()

	return p
}

// goVersion is the language version of a package's module, "" where this tool
// knows no newer one.
func goVersion(of *unit) string {
	if of.list.Module == nil || of.list.Module.GoVersion == "" {
		return ""
	}

	return supported("go" + of.list.Module.GoVersion)
}

func supported(v string) string {
	tags := build.Default.ReleaseTags
	if newest := tags[len(tags)-1]; !version.IsValid(v) || version.Compare(version.Lang(v), newest) > 0 {
		return ""
	}

	return v
}

// reduced gives a file with its live declarations and the imports they use,
// nil if there are none.
func (u *universe) reduced(s *source) *ast.File {
	var decls []ast.Decl
	var last *ast.GenDecl
	for _, d := range s.decls {
		switch {
		case d.fn != nil:
			if u.live[d] {
				decls = append(decls, d.fn)
			}
		case d.gen != last:
			last = d.gen
			if g := u.group(s, d.gen); g != nil {
				decls = append(decls, g)
			}
		}
	}
	if len(decls) == 0 {
		return nil
	}
	if g := u.importDecl(s); g != nil {
		decls = append([]ast.Decl{g}, decls...)
	}

	return &ast.File{
		Package: s.ast.Package, Name: &ast.Ident{NamePos: s.ast.Name.Pos(), Name: s.unit.name},
		Decls: decls, FileStart: s.ast.FileStart, FileEnd: s.ast.FileEnd, GoVersion: supported(s.ast.GoVersion),
	}
}

// group gives what is live of a declaration. Constants keep their place, which
// is the value of iota.
func (u *universe) group(s *source, g *ast.GenDecl) *ast.GenDecl {
	var specs []ast.Spec
	any := false
	for _, d := range s.decls {
		if d.gen != g {
			continue
		}
		switch {
		case !u.live[d] && g.Tok == token.CONST:
			specs = append(specs, blankConst(g.Specs[d.index]))
		case !u.live[d]:
		case g.Tok == token.TYPE:
			specs, any = append(specs, g.Specs[d.index]), true
		default:
			specs, any = append(specs, settled(d.value(), g.Tok)), true
		}
	}
	if !any {
		return nil
	}

	return &ast.GenDecl{TokPos: g.TokPos, Tok: g.Tok, Lparen: g.Lparen, Specs: specs, Rparen: g.Rparen}
}

// settled leaves out the values of a variable whose type is written down.
func settled(v *ast.ValueSpec, tok token.Token) *ast.ValueSpec {
	if tok == token.VAR && v.Type != nil {
		return &ast.ValueSpec{Names: v.Names, Type: v.Type}
	}

	return v
}

// blankConst takes the place of a constant nobody refers to.
func blankConst(s ast.Spec) *ast.ValueSpec {
	return &ast.ValueSpec{
		Names:  []*ast.Ident{{NamePos: s.Pos(), Name: "_"}},
		Values: []ast.Expr{&ast.BasicLit{ValuePos: s.Pos(), Kind: token.INT, Value: "0"}},
	}
}

// importDecl imports what the live declarations of a file use, each package by
// the name they use; nil if there is nothing, since an empty declaration is not
// valid.
func (u *universe) importDecl(s *source) *ast.GenDecl {
	g := &ast.GenDecl{Tok: token.IMPORT, TokPos: s.ast.Name.End()}
	names := make([]string, 0, len(u.imports[s]))
	for name := range u.imports[s] {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		i := u.imports[s][name]
		spec := &ast.ImportSpec{Path: i.spec.Path}
		if name != "C" {
			spec.Name = &ast.Ident{NamePos: i.spec.Path.Pos(), Name: name}
		}
		g.Specs = append(g.Specs, spec)
	}
	if u.dots[s] {
		for _, i := range s.dots {
			g.Specs = append(g.Specs, &ast.ImportSpec{Name: i.spec.Name, Path: i.spec.Path})
		}
	}
	if len(g.Specs) == 0 {
		return nil
	}
	if len(g.Specs) > 1 {
		g.Lparen, g.Rparen = g.TokPos, g.TokPos
	}

	return g
}

// complete adds the names nobody refers to, without a type, so that they are
// seen to be taken.
func (u *universe) complete(of *unit, p *types.Package) {
	unknown := types.NewSignatureType(nil, nil, nil, nil, nil, false)
	for name, decls := range of.decls {
		if p.Scope().Lookup(name) != nil {
			continue
		}
		d := decls[0]
		pos, _ := d.span()
		switch {
		case d.fn != nil:
			p.Scope().Insert(types.NewFunc(d.fn.Name.Pos(), p, name, unknown))
		case d.gen.Tok == token.TYPE:
			p.Scope().Insert(types.NewTypeName(pos, p, name, types.Typ[types.Invalid]))
		default:
			p.Scope().Insert(types.NewVar(pos, p, name, types.Typ[types.Invalid]))
		}
	}
}

// noise reports whether an error says nothing about types.
func noise(e types.Error) bool {
	return e.Soft || strings.HasSuffix(e.Msg, "imported and not used")
}
