package plan

import (
	"go/types"
	"reflect"
	"strings"

	"github.com/tqgen/tqgen/generator/model"
)

// logFields is what logs show of t: its fields with a JSON form, in declared
// order, without the sensitive ones and what holds them.
func (p *planner) logFields(t types.Type) []model.LogField {
	s, ok := t.Underlying().(*types.Struct)
	if !ok {
		return nil
	}

	l := logger{planner: p, seen: map[string]bool{}, within: map[types.Type]bool{}}
	l.fields(s, t, "")

	return l.list
}

// logger collects the fields of one struct.
type logger struct {
	*planner
	list   []model.LogField
	seen   map[string]bool     // JSON names in the list
	within map[types.Type]bool // embedded structs that have been looked at
}

// fields adds the fields of s. Selectors begin with before, which selects a
// value of type owner. Fields of embedded structs come after the struct's own,
// so that these win; an embedded pointer is shown as a field.
func (l *logger) fields(s *types.Struct, owner types.Type, before string) {
	var embedded []*types.Var
	for i := range s.NumFields() {
		f := s.Field(i)
		name, tagged := jsonName(s.Tag(i), f.Name())
		switch {
		case name == "" || l.sensitive(f):
			continue
		case f.Embedded() && !tagged && isStruct(f.Type()):
			embedded = append(embedded, f)
		case f.Exported() && !l.seen[name] && selects(owner, f):
			l.seen[name] = true
			l.list = append(l.list, l.field(f.Type(), name, before+f.Name()))
		}
	}

	for _, f := range embedded {
		if l.within[f.Type()] {
			continue
		}
		l.within[f.Type()] = true

		inner := f.Type().Underlying().(*types.Struct)
		switch {
		case !l.visible(f):
			l.fields(inner, owner, before) // promoted fields alone can be named
		case selects(owner, f):
			l.fields(inner, f.Type(), before+f.Name()+".")
		}
	}
}

// selects reports whether f's name, on a value of type owner, selects f.
func selects(owner types.Type, f *types.Var) bool {
	object, _, _ := types.LookupFieldOrMethod(owner, true, f.Pkg(), f.Name())

	return object == f
}

// field is how logs show one field of type t.
func (l *logger) field(t types.Type, name, selector string) model.LogField {
	field := model.LogField{Name: name, Expr: selector}
	if l.holdsSensitive(t, map[types.Type]bool{}) {
		switch t.Underlying().(type) {
		case *types.Struct:
			field.Kind, field.Group = model.LogGroup, l.group(t, selector)
		case *types.Pointer:
			field.Kind = model.LogPresence
		default:
			field.Kind = model.LogLength
		}

		return field
	}
	field.Kind, field.Convert = logKind(t)

	return field
}

// group is the fields of a struct that holds sensitive ones.
func (l *logger) group(t types.Type, selector string) []model.LogField {
	inner := logger{planner: l.planner, seen: map[string]bool{}, within: map[types.Type]bool{}}
	inner.fields(t.Underlying().(*types.Struct), t, selector+".")

	return inner.list
}

// logKind picks the slog constructor for t. A type with methods may know
// better how it looks, so slog is given the value itself.
func logKind(t types.Type) (kind model.LogKind, convert string) {
	if named, ok := types.Unalias(t).(*types.Named); ok {
		switch named.String() {
		case "time.Time":
			return model.LogTime, ""
		case "time.Duration":
			return model.LogDuration, ""
		}
		if named.NumMethods() > 0 {
			return model.LogAny, ""
		}
	}

	basic, ok := t.Underlying().(*types.Basic)
	if !ok {
		return model.LogAny, ""
	}

	kind, wide := basicKind(basic.Info())
	switch plain := types.Unalias(t); {
	case plain == types.Typ[types.Int]:
		return model.LogPlainInt, ""
	case types.TypeString(plain, nil) == wide:
		return kind, ""
	}

	return kind, wide
}

// basicKind is the slog kind of a basic type and the type its constructor takes.
func basicKind(info types.BasicInfo) (kind model.LogKind, wide string) {
	switch {
	case info&types.IsBoolean != 0:
		return model.LogBool, "bool"
	case info&types.IsString != 0:
		return model.LogString, "string"
	case info&types.IsUnsigned != 0:
		return model.LogUint, "uint64"
	case info&types.IsInteger != 0:
		return model.LogInt, "int64"
	case info&types.IsFloat != 0:
		return model.LogFloat, "float64"
	default:
		return model.LogAny, ""
	}
}

// maxTypes ends the walk through a type that has no end.
const maxTypes = 1000

// holdsSensitive reports whether a sensitive field is anywhere below t. A
// generic type that instantiates itself with ever larger arguments has no end;
// the codec refuses it.
func (p *planner) holdsSensitive(t types.Type, seen map[types.Type]bool) bool {
	t = types.Unalias(t)
	if seen[t] || len(seen) > maxTypes {
		return false
	}
	seen[t] = true

	switch u := t.Underlying().(type) {
	case *types.Struct:
		for f := range u.Fields() {
			if p.sensitive(f) || p.holdsSensitive(f.Type(), seen) {
				return true
			}
		}
	case *types.Pointer:
		return p.holdsSensitive(u.Elem(), seen)
	case *types.Slice:
		return p.holdsSensitive(u.Elem(), seen)
	case *types.Array:
		return p.holdsSensitive(u.Elem(), seen)
	case *types.Map:
		return p.holdsSensitive(u.Key(), seen) || p.holdsSensitive(u.Elem(), seen)
	}

	return false
}

// sensitive reports whether the field carries //tqgen:sensitive.
func (p *planner) sensitive(f *types.Var) bool {
	for _, d := range p.prog.FieldDirectives(f) {
		if d.Name == "sensitive" {
			return true
		}
	}

	return false
}

func isStruct(t types.Type) bool {
	_, ok := t.Underlying().(*types.Struct)

	return ok
}

// jsonName is the name a struct tag gives a field, and whether it gives one; ""
// if the field has no JSON form.
func jsonName(tag, field string) (name string, tagged bool) {
	value := reflect.StructTag(tag).Get("json")
	if value == "-" {
		return "", false
	}

	name, _, _ = strings.Cut(value, ",")
	if name == "" {
		return field, false
	}

	return name, true
}
