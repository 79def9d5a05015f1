package plan

import (
	"go/token"
	"go/types"
	"path/filepath"
	"slices"

	"golang.org/x/tools/go/types/typeutil"

	"github.com/tqgen/tqgen/generator/directive"
	"github.com/tqgen/tqgen/generator/load"
	"github.com/tqgen/tqgen/generator/model"
)

// codecsOf finds the types with a codec of their own.
func codecsOf(prog *load.Program) map[token.Pos]*load.Target {
	codecs := map[token.Pos]*load.Target{}
	for _, t := range slices.Concat(prog.Targets, prog.Codecs) {
		if _, ok := t.Directive("codec"); ok {
			codecs[t.Object.Pos()] = t
		}
	}

	return codecs
}

// planCodec gives the model of a shared struct's codec, or nil if the struct
// has a problem.
func (r *run) planCodec(target *load.Target, d directive.Directive) *model.Queue {
	before := len(r.diags)
	p := &planner{run: r, target: target, guarded: map[string]bool{}, codecOnly: true}
	named, isNamed := types.Unalias(target.Object.Type()).(*types.Named)
	if !p.sharedPlacement() || !isNamed {
		return nil
	}
	out := p.prefixed(d.Pos)
	names := p.declareShared(d.Pos, out)
	p.methodless(named)
	codec, _, known := p.codecTypes(named)
	p.guard(known)
	if len(r.diags) > before {
		return nil
	}
	name := target.Object.Name()

	return &model.Queue{
		CodecOnly:  true,
		Source:     target.Package.Path + "." + name,
		Package:    out,
		Payload:    model.Payload{Name: name, Type: name, Article: article(name)},
		Imports:    p.scope.importList(),
		Names:      names,
		Codec:      codec,
		Guards:     p.guards,
		Constraint: target.Constraint,
	}
}

// sharedPlacement reports a shared struct whose codec no other package could
// call, and one whose queue declares the same.
func (p *planner) sharedPlacement() bool {
	before := len(p.diags)
	name, pos := p.target.Object.Name(), p.target.Object.Pos()
	if p.target.Package.Name == "main" {
		p.errorf(pos, "TQ236", "%s is in package main, which nothing can import", name).
			Helpf("move it to a package of its own, or leave tqgen:codec away: nobody could share the codec")
	}
	if !p.target.Object.Exported() {
		p.errorf(pos, "TQ237", "%s is unexported: no other package could use its codec", name).
			Helpf("call it %s, or leave tqgen:codec away", upperFirst(name))
	}
	if d, ok := p.target.Directive("queue"); ok && outputPath(p.target) == p.target.Package.Path {
		p.errorf(d.Pos, "TQ137", "the queue of %s joins its package with out=., and so has the codec that tqgen:codec asks for",
			name).
			Helpf("give the queue a package of its own, or leave tqgen:codec away")
	}

	return len(p.diags) == before
}

// prefixed is an output that joins the package of the target, under file names
// that begin with the target's.
func (p *planner) prefixed(pos token.Pos) model.Package {
	pkg := p.target.Package
	out := model.Package{
		Name:       pkg.Name,
		Path:       pkg.Path,
		Dir:        pkg.Dir,
		FilePrefix: snake(p.target.Object.Name()) + "_",
	}
	files := filepath.Join(out.Dir, out.FilePrefix)
	if other := p.folders[files]; other.target != nil {
		p.errorf(pos, "TQ131", "%s and %s have the same output files %s*.tq.go",
			other.target.Object.Name(), p.target.Object.Name(), out.FilePrefix).
			Helpf("rename one of them, or give it a package of its own")
		p.shared = true
	}
	p.folders[files] = claim{p.target, out.Dir}

	return out
}

// declareShared fixes the identifiers of a shared struct's codec.
func (p *planner) declareShared(pos token.Pos, out model.Package) model.Names {
	name := p.target.Object.Name()
	names := prefixedNames(name)
	names = model.Names{
		AppendJSON: names.AppendJSON, ParseJSON: names.ParseJSON, DecodeJSON: names.DecodeJSON,
		ReadJSON: "Read" + name + "JSON",
	}
	p.join(pos, out, names.AppendJSON, names.ParseJSON, names.DecodeJSON, names.ReadJSON)

	return names
}

// methodless refuses a struct that its own methods encode or decode: nothing
// would ask for its codec, and methods that did would call themselves.
func (p *planner) methodless(t *types.Named) {
	for _, name := range []string{"MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText"} {
		method, _, _ := types.LookupFieldOrMethod(t, true, t.Obj().Pkg(), name)
		if _, ok := method.(*types.Func); !ok {
			continue
		}
		p.errorf(p.target.Object.Pos(), "TQ214", "%s has the method %s, which goes before a codec of its fields",
			t.Obj().Name(), name).
			Helpf("leave tqgen:codec away: payloads call the method")

		return
	}
}

// sharedRoot plans the codec of a payload that has one of its own already.
func (c *codecPlanner) sharedRoot(t *types.Named) {
	e := c.elem(t)
	e.Kind, e.Shared = model.StructKind, true
	qualifier, name := c.scope.qualifier(t.Obj().Pkg()), t.Obj().Name()
	root := func(verb string) []model.Func {
		return []model.Func{{Name: qualifier + "." + verb + name + "JSON", Shared: true, Elem: e}}
	}
	c.codec.Appenders, c.codec.Decoders = root("Append"), root("Read")
	c.know(t)
}

// sharedCodec gives the function that does something with the codec of a t,
// "Append" or "Read", if t has one and does not lead back to the type that is
// planned: functions that can reach themselves stay in one codec, which counts
// how deep they are.
func (c *codecPlanner) sharedCodec(verb string, t types.Type) string {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || !c.hasCodec(named) || c.leadsBack(named) {
		return ""
	}
	name := verb + named.Obj().Name() + "JSON"
	if qualifier := c.scope.qualifier(named.Obj().Pkg()); qualifier != "" {
		name = qualifier + "." + name
	}

	return name
}

// hasCodec reports whether t has a codec of its own, in this module.
func (p *planner) hasCodec(t *types.Named) bool {
	shared := p.codecs[t.Obj().Pos()]
	if shared == nil || shared.Package.Module == nil || p.target.Package.Module == nil {
		return false
	}

	return shared.Package.Module.Path == p.target.Package.Module.Path
}

// leadsBack reports whether a t can hold the type that is planned.
func (c *codecPlanner) leadsBack(t types.Type) bool {
	return holdsType(t, c.target.Object, new(typeutil.Map))
}

func holdsType(t types.Type, want *types.TypeName, seen *typeutil.Map) bool {
	if named, ok := types.Unalias(t).(*types.Named); ok && named.Obj() == want {
		return true
	}
	if seen.Set(t, true) != nil {
		return false
	}
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		return holdsType(u.Elem(), want, seen)
	case *types.Slice:
		return holdsType(u.Elem(), want, seen)
	case *types.Array:
		return holdsType(u.Elem(), want, seen)
	case *types.Map:
		return holdsType(u.Key(), want, seen) || holdsType(u.Elem(), want, seen)
	case *types.Struct:
		for v := range u.Fields() {
			if holdsType(v.Type(), want, seen) {
				return true
			}
		}
	}

	return false
}
