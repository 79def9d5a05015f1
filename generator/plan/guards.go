package plan

import (
	"go/types"
	"strings"

	"github.com/tqgen/tqgen/generator/model"
)

// guard has the output stop compiling when one of the types changes that the
// codec was written for.
func (p *planner) guard(known []types.Type) {
	for _, t := range known {
		switch t.Underlying().(type) {
		case *types.Struct:
			p.guardStruct(t)
		case *types.Basic:
			p.guardScalar(t)
		}
	}
}

// guardStruct guards the struct t: whole, with its tags, if t is of the
// payload's module and the output can spell it; else field by field, as far as
// the codec may read them.
func (p *planner) guardStruct(t types.Type) {
	spelled, first := p.unguarded(t)
	if !first {
		return
	}

	shape := t.Underlying().(*types.Struct)
	if p.ofModule(t) && p.spellable(shape) {
		p.guards = append(p.guards, model.Guard{
			Kind: model.GuardStruct, Name: typeName(t), Type: spelled, Fields: p.guardShape(shape),
		})

		return
	}

	var fields []model.GuardField
	for i := range shape.NumFields() {
		f := shape.Field(i)
		name, _ := jsonName(shape.Tag(i), f.Name())
		if name != "" && p.visible(f) && p.spellable(f.Type()) {
			fields = append(fields, model.GuardField{Name: f.Name(), Type: p.scope.typeString(f.Type())})
		}
	}
	if len(fields) > 0 {
		p.guards = append(p.guards, model.Guard{
			Kind: model.GuardFields, Name: typeName(t), Type: spelled, Fields: fields,
		})
	}
}

// guardScalar guards the basic type below the named type t.
func (p *planner) guardScalar(t types.Type) {
	if spelled, first := p.unguarded(t); first {
		p.guards = append(p.guards, model.Guard{
			Kind: model.GuardScalar, Name: typeName(t), Type: spelled, Basic: t.Underlying().(*types.Basic).Name(),
		})
	}
}

// unguarded reports whether t can be named and has no guard yet.
func (p *planner) unguarded(t types.Type) (spelled string, first bool) {
	if _, named := types.Unalias(t).(*types.Named); !named || !p.spellable(t) {
		return "", false
	}

	spelled = p.scope.typeString(t)
	first = !p.guarded[spelled]
	p.guarded[spelled] = true

	return spelled, first
}

func (p *planner) guardShape(s *types.Struct) []model.GuardField {
	fields := make([]model.GuardField, s.NumFields())
	for i := range fields {
		f := s.Field(i)
		fields[i] = model.GuardField{Name: f.Name(), Type: p.scope.typeString(f.Type()), Tag: s.Tag(i)}
		if f.Embedded() {
			fields[i].Name = ""
		}
	}

	return fields
}

// typeName is what comments call t: its name without a package.
func typeName(t types.Type) string {
	return types.TypeString(t, func(*types.Package) string { return "" })
}

// ofModule reports whether t is declared in the payload's module.
func (p *planner) ofModule(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return false
	}

	own := p.target.Package
	declared := named.Obj().Pkg().Path()
	if own.Module == nil {
		return declared == own.Path
	}

	return declared == own.Module.Path || strings.HasPrefix(declared, own.Module.Path+"/")
}

// visible reports whether the output can name the object.
func (p *planner) visible(object types.Object) bool {
	return object.Exported() || object.Pkg() == nil || object.Pkg().Path() == p.scope.path
}

// spellable reports whether the output can write t down: every name in it is
// visible, declared at package level, and in a package that can be imported.
func (p *planner) spellable(t types.Type) bool {
	switch t := t.(type) {
	case *types.Basic:
		return t.Kind() != types.Invalid && t.Kind() != types.UnsafePointer
	case *types.Alias:
		return p.nameable(t.Obj()) && p.allSpellable(t.TypeArgs())
	case *types.Named:
		return p.nameable(t.Obj()) && p.allSpellable(t.TypeArgs())
	case *types.Pointer:
		return p.spellable(t.Elem())
	case *types.Slice:
		return p.spellable(t.Elem())
	case *types.Array:
		return p.spellable(t.Elem())
	case *types.Chan:
		return p.spellable(t.Elem())
	case *types.Map:
		return p.spellable(t.Key()) && p.spellable(t.Elem())
	case *types.Struct:
		return p.structSpellable(t)
	case *types.Signature:
		return t.TypeParams() == nil && p.tupleSpellable(t.Params()) && p.tupleSpellable(t.Results())
	case *types.Interface:
		return t.Empty()
	default:
		return false
	}
}

func (p *planner) structSpellable(s *types.Struct) bool {
	for f := range s.Fields() {
		if !p.visible(f) || !p.spellable(f.Type()) {
			return false
		}
	}

	return true
}

func (p *planner) tupleSpellable(t *types.Tuple) bool {
	for v := range t.Variables() {
		if !p.spellable(v.Type()) {
			return false
		}
	}

	return true
}

func (p *planner) allSpellable(list *types.TypeList) bool {
	for t := range list.Types() {
		if !p.spellable(t) {
			return false
		}
	}

	return true
}

// nameable reports whether the output can name a type, given that it may import
// the type's package at all.
func (p *planner) nameable(object *types.TypeName) bool {
	pkg := object.Pkg()
	if pkg == nil {
		return true
	}

	importable := pkg.Path() == p.scope.path || pkg.Name() != "main" && canImport(p.scope.path, pkg.Path())

	return importable && p.visible(object) && object.Parent() == pkg.Scope()
}
