package plan

import (
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/types/typeutil"

	"github.com/tqgen/tqgen/generator/diag"
	"github.com/tqgen/tqgen/generator/model"
)

// codecPlanner turns the payload's type into the model of its codec. It
// follows encoding/json in every decision, and reports what has no JSON form at
// the field that brings it in.
type codecPlanner struct {
	*planner
	root
	path []*types.Var // fields from the root to the type being looked at

	codec    model.Codec
	appends  typeutil.Map // names of append functions by type
	inMaps   typeutil.Map // the same for values of maps, which are not addressable
	decodes  typeutil.Map
	zeros    typeutil.Map
	sizes    typeutil.Map
	reported map[string]bool // most problems are met in both directions

	known []types.Type
	seen  typeutil.Map // those of known
}

// root is the type that is planned for: the payload, or what an effect gives.
type root struct {
	whose string    // what errors about the type itself are about
	name  string    // of the type, first in the path of every field
	stem  string    // begins the names of functions for structs without a name
	start token.Pos // where the type is named
}

// codecTypes plans the JSON form of t, the payload, and of what its effects
// give. It gives the types whose change would make it wrong, structs and named
// scalars, in order of first use. Problems are reported; the result then means
// nothing.
func (p *planner) codecTypes(t *types.Named) (codec model.Codec, effects []model.Effect, known []types.Type) {
	name, start := p.target.Object.Name(), p.target.Object.Pos()
	c := &codecPlanner{planner: p, root: root{name, name, name, start}, reported: map[string]bool{}}
	before := len(p.diags)
	if c.generic(t) || expands(t, new(typeutil.Map)) {
		return model.Codec{}, nil, nil
	}

	c.checkLocks(t)
	switch {
	case !c.usable(t):
	case c.hasCodec(t) && c.scope.path != t.Obj().Pkg().Path():
		c.sharedRoot(t)
	default:
		c.appendFunc(t, true)
		c.decodeRoot(t)
	}
	if !p.codecOnly {
		effects = c.effects()
	}
	if len(p.diags) > before {
		return model.Codec{}, nil, nil
	}
	if !p.codecOnly {
		c.planSize(t)
		c.codec.Shape = c.shape(t)
		c.codec.Schema = schemaOf(c.codec.Shape)
	}
	prune(&c.codec, effects)
	settle(&c.codec)
	for i := range effects {
		settleEffect(&c.codec, &effects[i])
	}

	return c.codec, effects, c.known
}

// know adds t to the types the codec was planned for.
func (c *codecPlanner) know(t types.Type) {
	if c.seen.Set(t, true) == nil {
		c.known = append(c.known, t)
	}
}

// generic reports and refuses a payload with type parameters of its own.
func (c *codecPlanner) generic(t *types.Named) bool {
	params := t.TypeParams()
	if params.Len() == 0 || t.TypeArgs().Len() > 0 {
		return false
	}

	list := make([]string, params.Len())
	args := make([]string, params.Len())
	for i := range list {
		param := params.At(i)
		list[i] = param.Obj().Name() + " " + types.TypeString(param.Constraint(), types.RelativeTo(t.Obj().Pkg()))
		args[i] = "Order"
	}
	c.errorf(c.target.Object.Pos(), "TQ202", "%s[%s] is generic", c.name, strings.Join(list, ", ")).
		Helpf("annotate an instantiation: type Order%s %s[%s]", c.name, c.name, strings.Join(args, ", "))

	return true
}

// refuse reports a problem of the field being looked at, at the innermost field
// on the way that stands in the payload's own module.
func (c *codecPlanner) refuse(code diag.Code, format string, args ...any) *diag.Diagnostic {
	d := c.errorf(c.position(), code, "%s"+format, append([]any{c.where()}, args...)...)
	if key := d.Error(); c.reported[key] {
		c.diags = c.diags[:len(c.diags)-1]
	} else {
		c.reported[key] = true
	}

	return d
}

// where is the path of the field being looked at, "Email.Peer.Zone".
func (c *codecPlanner) where() string {
	if len(c.path) == 0 {
		return c.whose
	}

	return c.name + "." + joinNames(c.path)
}

func (c *codecPlanner) position() token.Pos {
	pos := c.start
	for _, v := range c.path {
		if !c.inModule(v.Pkg()) {
			break
		}
		pos = v.Pos()
	}

	return pos
}

// inModule reports whether pkg belongs to the payload's module.
func (p *planner) inModule(pkg *types.Package) bool {
	own := p.target.Package
	switch {
	case pkg == nil:
		return false
	case own.Module == nil:
		return pkg.Path() == own.Path
	default:
		return pkg.Path() == own.Module.Path || strings.HasPrefix(pkg.Path(), own.Module.Path+"/")
	}
}

// within runs look with the fields of path entered.
func (c *codecPlanner) within(path []*types.Var, look func()) {
	depth := len(c.path)
	c.path = append(c.path, path...)
	look()
	c.path = c.path[:depth]
}
