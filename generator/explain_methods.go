package generator

import (
	"go/types"
	"maps"
	"slices"
	"strings"

	"github.com/tqgen/tqgen/generator/model"
)

// unread lists the types that have a method to be written and none to be read.
func (e *explainer) unread() {
	readers := map[string]bool{}
	for _, f := range e.queue.Codec.Decoders {
		marshalers(&f.Elem, func(name string, _ model.Kind) { readers[name] = true })
	}
	missing := map[string]string{}
	for _, f := range e.queue.Codec.Appenders {
		marshalers(&f.Elem, func(name string, kind model.Kind) {
			switch {
			case readers[name]:
			case kind == model.JSONMarshaler:
				missing[name] = "no UnmarshalJSON"
			default:
				missing[name] = "no UnmarshalText"
			}
		})
	}
	rows := e.table("\nwritten, cannot be read back: lost through drain and restore\n")
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		rows.row(name, missing[name])
	}
	rows.flush()
}

// marshalers visits the types within elem that methods encode or decode.
func marshalers(elem *model.Elem, visit func(name string, kind model.Kind)) {
	if elem.Kind == model.JSONMarshaler || elem.Kind == model.TextMarshaler {
		visit(strings.TrimLeft(elem.GoType, "*"), elem.Kind)
	}
	if elem.Elem != nil {
		marshalers(elem.Elem, visit)
	}
	if elem.Struct != nil {
		for i := range elem.Struct.Fields {
			marshalers(&elem.Struct.Fields[i].Elem, visit)
		}
	}
}

// by completes the form of a type that a method encodes with the embedded type
// the method comes from, if it is not the type's own.
func (e *explainer) by(method string, elem model.Elem, form string) string {
	if t := e.types[strings.TrimLeft(elem.GoType, "*")]; t != nil {
		if from := promotedFrom(t, method); from != "" {
			form += ", promoted from " + from
		}
	}

	return form
}

// promotedFrom is the selector of the embedded field that t has a method from,
// "" if the method is t's own.
func promotedFrom(t types.Type, method string) string {
	object, index, _ := types.LookupFieldOrMethod(t, true, nil, method)
	if _, ok := object.(*types.Func); !ok || len(index) < 2 {
		return ""
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

// maxTypes ends the walk through a generic type that has no end.
const maxTypes = 1000

// noteTypes notes t and the types it holds by the names the codec has for them.
func (e *explainer) noteTypes(t types.Type) {
	t = types.Unalias(t)
	name := types.TypeString(t, (*types.Package).Name)
	if _, seen := e.types[name]; seen || len(e.types) > maxTypes {
		return
	}
	e.types[name] = t
	switch u := t.Underlying().(type) {
	case *types.Struct:
		for f := range u.Fields() {
			e.noteTypes(f.Type())
		}
	case *types.Map:
		e.noteTypes(u.Key())
		e.noteTypes(u.Elem())
	case interface{ Elem() types.Type }: // pointer, slice, array
		e.noteTypes(u.Elem())
	}
}
