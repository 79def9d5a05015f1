package plan

import (
	"bytes"
	"encoding/json"
	"go/types"
	"slices"
	"strconv"
	"strings"

	"github.com/tqgen/tqgen/generator/model"
)

// elem is an Elem of t that says no more than its names. Parts of a type that
// has been refused have none.
func (c *codecPlanner) elem(t types.Type) model.Elem {
	if !c.spellable(t) {
		return model.Elem{}
	}

	return model.Elem{Type: c.scope.typeString(t), GoType: goType(t), MethodFrom: methodFrom(t)}
}

// part makes an Elem the part of another.
func part(e model.Elem) *model.Elem { return &e }

// scalar completes e if t is written in place: a scalar or a base64 string.
func (c *codecPlanner) scalar(e *model.Elem, t types.Type, quoted bool) bool {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		e.Kind, e.Basic, e.Quoted = basicJSON(u), types.Typ[u.Kind()].Name(), quoted
		if _, plain := types.Unalias(t).(*types.Basic); plain {
			e.Type = e.Basic
		}
		if isType(t, "encoding/json", "Number") {
			e.Kind = model.Number
			return true
		}
		c.know(t)

		return true
	case *types.Slice:
		if isPlainByte(u.Elem()) {
			e.Kind = model.Bytes
			return true
		}
		e.Kind = model.Slice

		return isPlainString(u.Elem())
	case *types.Map:
		e.Kind = model.Map
		return isPlainString(u.Key()) && isPlainString(u.Elem())
	}

	return false
}

func isPlainByte(t types.Type) bool { return types.Identical(t, types.Typ[types.Byte]) }

func isPlainString(t types.Type) bool { return types.Identical(t, types.Typ[types.String]) }

// basicJSON is the JSON form of a basic type.
func basicJSON(b *types.Basic) model.Kind {
	switch info := b.Info(); {
	case info&types.IsBoolean != 0:
		return model.Bool
	case info&types.IsString != 0:
		return model.String
	case info&types.IsUnsigned != 0:
		return model.Uint
	case info&types.IsInteger != 0:
		return model.Int
	default:
		return model.Float
	}
}

// compositeKind is the form of a type that has a function.
func compositeKind(t types.Type) model.Kind {
	switch t.Underlying().(type) {
	case *types.Struct:
		return model.StructKind
	case *types.Array:
		return model.Array
	case *types.Map:
		return model.Map
	default:
		return model.Slice
	}
}

// methodKind is the form of a type with the method m. Two types of the
// standard library have functions that do what their methods do.
func methodKind(t types.Type, m method) model.Kind {
	switch {
	case isType(t, "time", "Time"):
		return model.Time
	case isType(t, "encoding/json", "RawMessage"):
		return model.RawMessage
	case m == jsonMethod:
		return model.JSONMarshaler
	default:
		return model.TextMarshaler
	}
}

// methodFrom is the embedded field that a t has its MarshalJSON or MarshalText
// from, "" if there is none or the method is t's own.
func methodFrom(t types.Type) string {
	for _, name := range [...]string{"MarshalJSON", "MarshalText"} {
		method, index, _ := types.LookupFieldOrMethod(t, true, nil, name)
		if _, ok := method.(*types.Func); !ok {
			continue
		}
		var names []string
		for _, i := range index[:len(index)-1] {
			if p, ok := t.Underlying().(*types.Pointer); ok {
				t = p.Elem()
			}
			f := t.Underlying().(*types.Struct).Field(i)
			names = append(names, f.Name())
			t = f.Type()
		}

		return strings.Join(names, ".")
	}

	return ""
}

// isBase64 reports whether slices of t are written as base64: its kind is that
// of a byte and it has no methods of its own.
func isBase64(t types.Type) bool { return isByte(t) && appendMethod(t, true) == noMethod }

func isByte(t types.Type) bool {
	basic, ok := t.Underlying().(*types.Basic)

	return ok && basic.Kind() == types.Uint8
}

// key is a Key of t that says no more than its names.
func (c *codecPlanner) key(t types.Type) *model.Key {
	key := &model.Key{}
	if !c.usable(t) {
		return key
	}
	key.Type, key.GoType = c.scope.typeString(t), goType(t)
	if basic, ok := t.Underlying().(*types.Basic); ok {
		key.Basic = types.Typ[basic.Kind()].Name()
		if _, plain := types.Unalias(t).(*types.Basic); plain {
			key.Type = key.Basic
		}
		c.know(t)
	}

	return key
}

// structure plans the fields of the struct t; elem plans one field's value.
func (c *codecPlanner) structure(t types.Type, elem func(*field) model.Elem) *model.Struct {
	set := jsonFields(t)
	s := &model.Struct{}
	for i := range set.list {
		f := &set.list[i]
		c.within(f.path, func() {
			if c.selectable(t, f) {
				s.Fields = append(s.Fields, c.member(f, elem(f)))
			}
		})
	}

	for _, k := range set.skipped {
		s.Skipped = append(s.Skipped, model.Skipped{Name: joinNames(k.path), Reason: k.reason})
	}
	c.know(t)

	return s
}

// parts names the functions that the fields of s are split over.
func (c *codecPlanner) parts(name string, s *model.Struct) []string {
	if len(s.Fields) <= model.PartSize {
		return nil
	}

	var parts []string
	for at := 0; at < len(s.Fields); at += model.PartSize {
		parts = append(parts, c.scope.function(name+"From"+strconv.Itoa(at)))
	}

	return parts
}

// member is the model of one field.
func (c *codecPlanner) member(f *field, e model.Elem) model.Field {
	m := model.Field{
		Name:     f.name,
		Constant: constant(f.name),
		Selector: c.selector(f.path),
		Path:     f.name,
		Keep:     c.keep(f),
		Hidden:   slices.ContainsFunc(f.path, c.sensitive),
		Elem:     e,
		Origin:   origin(f),
	}
	if outer := f.path[:len(f.path)-1]; len(outer) > 0 {
		m.Path = joinNames(outer) + "." + f.name
	}

	for _, i := range f.pointers() {
		to := f.path[i].Type().Underlying().(*types.Pointer).Elem()
		m.Pointers = append(m.Pointers, model.EmbeddedPointer{
			Selector: c.selector(f.path[:i+1]),
			Type:     c.scope.typeString(to),
		})
	}

	return m
}

// constant is a member name as encoding/json writes it, with its colon.
func constant(name string) string {
	var b bytes.Buffer
	json.HTMLEscape(&b, []byte(`"`+name+`":`))

	return b.String()
}

// origin says in words where a field's form comes from.
func origin(f *field) string {
	text := "Go name"
	switch {
	case f.tagged:
		text = "name from json tag"
	case f.badName != "":
		text = "Go name, since " + strconv.Quote(f.badName) + " is not a valid member name"
	}

	if outer := f.path[:len(f.path)-1]; len(outer) > 0 {
		text += ", promoted from " + joinNames(outer)
	}
	for _, option := range []struct {
		set  bool
		name string
	}{{f.omitEmpty, "omitempty"}, {f.omitZero, "omitzero"}, {f.quoted, "string"}} {
		if option.set {
			text += ", " + option.name
		}
	}

	return text
}

// selector is how the output selects the last of path: embedded fields it
// cannot name are left out, for their fields are promoted.
func (c *codecPlanner) selector(path []*types.Var) string {
	var names []string
	for _, v := range path {
		if c.visible(v) {
			names = append(names, v.Name())
		}
	}

	return strings.Join(names, ".")
}

// selects reports whether the selector of path, on a value of type t, leads to
// the field at index: a name promoted from a field that cannot be named may be
// hidden by another one.
func (c *codecPlanner) selects(t types.Type, path []*types.Var, index []int) bool {
	var found []int
	for _, v := range path {
		if !c.visible(v) {
			continue
		}
		object, at, _ := types.LookupFieldOrMethod(t, true, v.Pkg(), v.Name())
		if object == nil {
			return false
		}
		found = append(found, at...)
		t = object.Type()
	}

	return slices.Equal(found, index)
}

// word is the name of t in the names of its functions.
func (c *codecPlanner) word(t types.Type) string {
	switch t := t.(type) {
	case *types.Alias:
		return upperFirst(t.Obj().Name()) + c.words(t.TypeArgs())
	case *types.Named:
		return upperFirst(t.Obj().Name()) + c.words(t.TypeArgs())
	case *types.Basic:
		return upperFirst(t.Name())
	case *types.Pointer:
		return c.word(t.Elem()) + "Pointer"
	case *types.Slice:
		return c.word(t.Elem()) + "Slice"
	case *types.Array:
		return c.word(t.Elem()) + "Array"
	case *types.Map:
		if key, ok := types.Unalias(t.Key()).(*types.Basic); ok && key.Kind() == types.String {
			return c.word(t.Elem()) + "Map"
		}

		return c.word(t.Key()) + c.word(t.Elem()) + "Map"
	}

	name := c.stem
	for _, v := range c.path {
		name += upperFirst(v.Name())
	}

	return name
}

func (c *codecPlanner) words(list *types.TypeList) string {
	name := ""
	for t := range list.Types() {
		name += c.word(t)
	}

	return name
}

// goType spells t as reflect does, which is how errors name types.
func goType(t types.Type) string {
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		if pkg := t.Obj().Pkg(); pkg != nil {
			return pkg.Name() + "." + reflectName(t)
		}

		return t.Obj().Name()
	case *types.Basic:
		return types.Typ[t.Kind()].Name()
	case *types.Pointer:
		return "*" + goType(t.Elem())
	case *types.Slice:
		return "[]" + goType(t.Elem())
	case *types.Array:
		return "[" + strconv.FormatInt(t.Len(), 10) + "]" + goType(t.Elem())
	case *types.Map:
		return "map[" + goType(t.Key()) + "]" + goType(t.Elem())
	case *types.Struct:
		return goStruct(t)
	default:
		return t.String()
	}
}

func goStruct(s *types.Struct) string {
	if s.NumFields() == 0 {
		return "struct {}"
	}

	fields := make([]string, s.NumFields())
	for i := range fields {
		f := s.Field(i)
		if !f.Embedded() {
			fields[i] = f.Name() + " "
		}
		fields[i] += goType(f.Type())
		if tag := s.Tag(i); tag != "" {
			fields[i] += " " + strconv.Quote(tag)
		}
	}

	return "struct { " + strings.Join(fields, "; ") + " }"
}

// reflectName is the name of t as reflect has it, "" if t has none. Type
// arguments stand with their whole import path.
func reflectName(t types.Type) string {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok {
		return ""
	}
	if named.TypeArgs().Len() == 0 {
		return named.Obj().Name()
	}

	var args []string
	for arg := range named.TypeArgs().Types() {
		args = append(args, types.TypeString(arg, func(p *types.Package) string { return p.Path() }))
	}

	return named.Obj().Name() + "[" + strings.Join(args, ",") + "]"
}
