package templates

import (
	"github.com/dave/jennifer/jen"

	"github.com/tqgen/tqgen/generator/model"
)

// keyForms are, by kind of key, the list of jsonwire.Keys it is sorted in, the
// type it has there, and how it is then written.
var keyForms = map[model.KeyKind]struct{ list, basic, sorted, write string }{
	model.StringKey: {"Strings", "string", "SortedStrings", "dst = append(jsonwire.AppendString(dst, key), ':')"},
	model.IntKey:    {"Ints", "int64", "SortedInts", "dst = strconv.AppendInt(append(dst, '\"'), key, 10)"},
	model.UintKey:   {"Uints", "uint64", "SortedUints", "dst = strconv.AppendUint(append(dst, '\"'), key, 10)"},
}

// mapping prints the object of a map, its keys sorted.
func (a *appender) mapping(e *model.Elem) {
	if e.Key.Kind == model.TextKey {
		a.textKeys(e)
		return
	}

	form := keyForms[e.Key.Kind]
	a.Id("keys := jsonwire.BorrowKeys()")
	a.Id("defer keys.Release()")
	a.For(jen.Id("key").Op(":=").Range().Id("v")).Block(
		jen.Id("keys."+form.list).Op("=").
			Append(jen.Id("keys."+form.list), jen.Id(converted(e.Key.Type, form.basic, "key"))),
	)
	a.Line()
	a.declareErr(e.Elem)
	a.constant("{")
	a.flush()
	a.For(jen.Id("i, key").Op(":=").Range().Id("keys." + form.sorted + "()")).BlockFunc(func(g *jen.Group) {
		g.If(jen.Id("i").Op(">").Lit(0)).Block(jen.Id("dst").Op("=").Add(appendBytes(",")))
		g.Id(form.write)
		a.within(g, func(inner *appender) {
			if e.Key.Kind != model.StringKey {
				inner.constant(`":`)
				inner.flush()
			}
			inner.Id("value := v[" + converted(form.basic, e.Key.Type, "key") + "]")
			inner.elem(e.Elem, at("value"))
		})
	})
	a.end("}")
}

// textKeys prints the object of a map whose keys have MarshalText.
func (a *appender) textKeys(e *model.Elem) {
	a.Id("type entry").Struct(jen.Id("name").String(), jen.Id("key").Id(e.Key.Type))
	a.Id("entries := make([]entry, 0, len(v))")
	a.For(jen.Id("key").Op(":=").Range().Id("v")).BlockFunc(func(g *jen.Group) {
		if e.Key.Pointer {
			g.Id("if key == nil {\nentries = append(entries, entry{})\ncontinue\n}")
		}
		g.Id("text, err := key.MarshalText()")
		g.If(jen.Err().Op("!=").Nil()).Block(jen.Return(
			jen.Id("dst"),
			jen.Op("&").Id("jsonwire.MarshalerError").Values(
				jen.Id("Type").Op(":").Lit(e.Key.GoType),
				jen.Id("Func").Op(":").Lit("MarshalText"),
				jen.Id("Err").Op(":").Err(),
			),
		))
		g.Id("entries = append(entries, entry{string(text), key})")
	})
	a.Id("slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })")
	a.Line()
	a.declareErr(e.Elem)
	a.constant("{")
	a.flush()
	a.For(jen.Id("i, e").Op(":=").Range().Id("entries")).BlockFunc(func(g *jen.Group) {
		g.If(jen.Id("i").Op(">").Lit(0)).Block(jen.Id("dst").Op("=").Add(appendBytes(",")))
		g.Id("dst = append(jsonwire.AppendString(dst, e.name), ':')")
		a.within(g, func(inner *appender) {
			inner.Id("value := v[e.key]")
			inner.elem(e.Elem, at("value"))
		})
	})
	a.end("}")
}

// converted is x of one type as another.
func converted(from, to, x string) string {
	if from == to {
		return x
	}

	return to + "(" + x + ")"
}
