package templates

import (
	"slices"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/tqgen/tqgen/generator/model"
)

// structure prints the object of a struct.
//
// The first member that is always written tells the later ones that a comma
// goes before them. Members before it are written with a comma each, the first
// of which then becomes the brace: "start" remembers where.
func (a *appender) structure(s *model.Struct) {
	fields := written(s.Fields)
	if len(fields) == 0 {
		a.returns(a.Group, appendBytes("{}"))
		return
	}

	a.declareErr(elems(fields)...)
	a.object(fields, func() { a.members(fields, separator(fields)) })
}

// parts prints the object of a struct whose members are printed elsewhere.
func (a *appender) parts(fn *model.Func) {
	if fn.Elem.CanFail {
		a.Var().Err().Error()
	}
	a.object(written(fn.Elem.Struct.Fields), func() {
		for _, name := range fn.Parts {
			a.call(fn.Elem.CanFail, name, "p"+depthArgument(&fn.Elem, "depth"))
		}
	})
}

// object prints what is round the members, which emit prints.
func (a *appender) object(fields []model.Field, emit func()) {
	if always(&fields[0]) {
		emit()
		a.end("}")

		return
	}

	a.Id("start").Op(":=").Len(jen.Id("dst"))
	emit()
	if !slices.ContainsFunc(fields, func(f model.Field) bool { return always(&f) }) {
		a.flush()
		a.If(jen.Len(jen.Id("dst")).Op("==").Id("start")).
			BlockFunc(func(g *jen.Group) { a.returns(g, appendBytes("{}")) })
	}
	closing := a.pending + "}"
	a.pending = ""
	a.Id("dst").Index(jen.Id("start")).Op("=").Id("'{'")
	a.end(closing)
}

// separator is what stands before the first of all members.
func separator(fields []model.Field) string {
	if always(&fields[0]) {
		return "{"
	}

	return ","
}

// part is the fields of one part of a function.
func part(fn *model.Func, i int) []model.Field {
	fields := fn.Elem.Struct.Fields[i*model.PartSize:]

	return fields[:min(len(fields), model.PartSize)]
}

// firstSeparator is what stands before the first member of a part.
func firstSeparator(fn *model.Func, i int) string {
	all, here := written(fn.Elem.Struct.Fields), written(part(fn, i))
	if len(here) > 0 && here[0].Name == all[0].Name {
		return separator(all)
	}

	return ","
}

// written leaves out fields that are never written.
func written(fields []model.Field) []model.Field {
	return slices.DeleteFunc(slices.Clone(fields), func(f model.Field) bool { return f.Never() })
}

// elems are the values of fields.
func elems(fields []model.Field) []*model.Elem {
	list := make([]*model.Elem, len(fields))
	for i := range fields {
		list[i] = &fields[i].Elem
	}

	return list
}

// always reports whether a member is written whatever the values.
func always(f *model.Field) bool { return len(f.Keep) == 0 && len(f.Pointers) == 0 }

// members prints the members, each with what stands before it: before says
// what that is for the first.
func (a *appender) members(fields []model.Field, before string) {
	for len(fields) > 0 {
		n := sameParent(fields)
		if parent := parentTest(&fields[0]); parent != "" {
			a.flush()
			a.If(jen.Id(parent)).BlockFunc(func(g *jen.Group) {
				a.within(g, func(inner *appender) { inner.plainMembers(fields[:n], before) })
			})
		} else {
			a.plainMembers(fields[:n], before)
		}
		before = ","
		fields = fields[n:]
	}
}

// sameParent counts the leading fields behind the same embedded pointers.
func sameParent(fields []model.Field) int {
	n := 1
	for n < len(fields) && slices.Equal(fields[n].Pointers, fields[0].Pointers) {
		n++
	}

	return n
}

// parentTest is the condition that no embedded pointer on the way is nil.
func parentTest(f *model.Field) string {
	tests := make([]string, len(f.Pointers))
	for i, p := range f.Pointers {
		tests[i] = "p." + p.Selector + " != nil"
	}

	return strings.Join(tests, " && ")
}

// plainMembers prints members whose embedded pointers, if any, are not nil.
func (a *appender) plainMembers(fields []model.Field, before string) {
	for i := range fields {
		f := &fields[i]
		x := at("p." + f.Selector)
		a.hidden = f.Hidden
		if len(f.Keep) == 0 {
			a.constant(before + f.Constant)
			a.elem(&f.Elem, x)
		} else {
			a.flush()
			a.If(jen.Id(keepTest(f, x))).BlockFunc(func(g *jen.Group) {
				a.within(g, func(inner *appender) {
					inner.constant(before + f.Constant)
					inner.kept(f, x)
				})
			})
		}
		before = ","
	}
	a.hidden = false
}

// kept prints the value of a member that is written under a condition: one that
// excludes nil need not be asked again.
func (a *appender) kept(f *model.Field, x place) {
	if f.Elem.Kind == model.Pointer && (f.Keep[0].Kind == model.NotNil || f.Keep[0].Kind == model.NotNilIsZero) {
		a.elem(f.Elem.Elem, x.below())
	} else {
		a.elem(&f.Elem, x)
	}
}

// keepTest is the condition under which a member is written.
func keepTest(f *model.Field, x place) string {
	tests := make([]string, len(f.Keep))
	for i, t := range f.Keep {
		tests[i] = keeps(t, x, true)
	}

	return strings.Join(tests, " && ")
}
