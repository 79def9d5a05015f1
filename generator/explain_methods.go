package generator

import (
	"maps"
	"slices"
	"strings"

	"github.com/tqgen/tqgen/generator/model"
)

// unread lists the types that have a method to be written and none to be read.
func (e *explainer) unread() {
	readers := map[string]bool{}
	for _, f := range e.codec.Decoders {
		marshalers(&f.Elem, func(name string, _ model.Kind) { readers[name] = true })
	}
	missing := map[string]string{}
	for _, f := range e.codec.Appenders {
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

// by completes the form of a type that a method encodes with the embedded field
// the method comes from, if it is not the type's own.
func by(elem model.Elem, form string) string {
	if elem.MethodFrom != "" {
		form += ", promoted from " + elem.MethodFrom
	}

	return form
}
