package templates

import (
	"strconv"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/tqgen/tqgen/generator/model"
)

// appender prints the statements of one append function. Constant text is held
// back until something else is appended, so that neighbours become one.
type appender struct {
	*jen.Group
	fails   bool   // the function returns an error besides dst
	depth   string // expression for the depth of what it calls
	hidden  bool   // the member is sensitive: its errors do not show it
	pending string
}

// emitAppender prints one append function, or several for many fields.
func emitAppender(f *file, fn *model.Func) {
	e := &fn.Elem
	doc := " appends the JSON form of " + param(e).value + appendedNil(e) + "."
	emitAppendFunc(f, fn.Name, doc, e, func(a *appender) {
		a.checkDepth(e)
		if len(fn.Parts) > 0 {
			a.parts(fn)
		} else {
			a.body(e, param(e))
		}
	})

	for i, name := range fn.Parts {
		fields := written(part(fn, i))
		doc := " appends the members that are number " + strconv.Itoa(i*model.PartSize) + " and after."
		emitAppendFunc(f, name, doc, e, func(a *appender) {
			a.declareErr(elems(fields)...)
			a.members(fields, firstSeparator(fn, i))
			a.end("")
		})
	}
}

// emitAppendFunc prints a function that has the parameters of one for e.
func emitAppendFunc(f *file, name, doc string, e *model.Elem, body func(*appender)) {
	f.Line()
	f.comment(name + doc)
	f.Func().Id(name).ParamsFunc(func(g *jen.Group) {
		g.Id("dst").Index().Byte()
		if byValue(e) {
			g.Id("v").Id(e.Type)
		} else {
			g.Id("p").Op("*").Id(e.Type)
		}
		if e.Recursive {
			g.Id("depth").Int()
		}
	}).Add(appendResults(e.CanFail)).BlockFunc(func(g *jen.Group) {
		a := &appender{Group: g, fails: e.CanFail, depth: "1"}
		if e.Recursive {
			a.depth = "depth+1"
		}
		body(a)
	})
}

// checkDepth prints that a function which can reach itself ends somewhere.
func (a *appender) checkDepth(e *model.Elem) {
	if !e.Recursive {
		return
	}
	a.If(jen.Err().Op(":=").Id("jsonwire.CheckDepth(depth)"), jen.Err().Op("!=").Nil()).
		Block(jen.Return(jen.Id("dst"), jen.Err()))
	a.Line()
}

// appendedNil completes the comment of a function whose value may be nil.
func appendedNil(e *model.Elem) string {
	if byValue(e) {
		return ", null if it is nil"
	}

	return ""
}

func appendResults(fails bool) *jen.Statement {
	if fails {
		return jen.Params(jen.Index().Byte(), jen.Error())
	}

	return jen.Index().Byte()
}

// body prints a whole function.
func (a *appender) body(e *model.Elem, x place) {
	switch e.Kind {
	case model.StructKind:
		a.structure(e.Struct)
	case model.Slice:
		a.nilCheck()
		a.declareErr(e.Elem)
		a.elements(e, "v")
	case model.Array:
		if e.Length == 0 {
			a.returns(a.Group, appendBytes("[]"))
			return
		}
		a.declareErr(e.Elem)
		a.elements(e, "p")
	case model.Map:
		a.nilCheck()
		a.mapping(e)
	case model.JSONMarshaler:
		statements(a.Group, "raw, err := p.MarshalJSON()", "")
		a.Return(jen.Id("jsonwire.AppendMarshaled").Call(jen.Id("dst"), jen.Lit(e.GoType), jen.Id("raw"), jen.Err()))
	case model.TextMarshaler:
		statements(a.Group, "text, err := p.MarshalText()", "")
		a.Return(jen.Id("jsonwire.AppendMarshaledText").
			Call(jen.Id("dst"), jen.Lit(e.GoType), jen.Id("text"), jen.Err()))
	case model.Bytes:
		a.namedBytes(e)
	default:
		a.declareErr(e)
		a.elem(e, x)
		a.end("")
	}
}

// nilCheck prints null for a nil v.
func (a *appender) nilCheck() {
	a.If(jen.Id("v").Op("==").Nil()).BlockFunc(func(g *jen.Group) { a.returns(g, appendBytes("null")) })
	a.Line()
}

// returns prints the return of dst, with a nil error where there is one.
func (a *appender) returns(g *jen.Group, dst jen.Code) {
	if a.fails {
		g.Return(dst, jen.Nil())
	} else {
		g.Return(dst)
	}
}

// end prints the last constant text and the return.
func (a *appender) end(text string) {
	a.Line()
	text = a.pending + text
	a.pending = ""
	if text == "" {
		a.returns(a.Group, jen.Id("dst"))
	} else {
		a.returns(a.Group, appendBytes(text))
	}
}

// declareErr declares err if one of the elements can fail.
func (a *appender) declareErr(elems ...*model.Elem) {
	for _, e := range elems {
		if fallible(e) {
			a.Var().Err().Error()
			return
		}
	}
}

// fallible reports whether appending e in place uses err.
func fallible(e *model.Elem) bool {
	return e.CanFail || e.Elem != nil && e.Func == "" && fallible(e.Elem)
}

// constant adds text to what is held back.
func (a *appender) constant(text string) { a.pending += text }

// flush prints what is held back.
func (a *appender) flush() {
	if a.pending != "" {
		a.Id("dst").Op("=").Add(appendBytes(a.pending))
		a.pending = ""
	}
}

// call prints dst = the call of a function that appends.
func (a *appender) call(fails bool, function string, args ...string) {
	a.flush()
	call := jen.Id(function + "(dst, " + strings.Join(args, ", ") + ")")
	if !fails {
		a.Id("dst").Op("=").Add(call)
		return
	}

	a.If(jen.List(jen.Id("dst"), jen.Err()).Op("=").Add(call), jen.Err().Op("!=").Nil()).
		Block(jen.Return(jen.Id("dst"), a.err()))
}

// err is the error to return where one came back.
func (a *appender) err() jen.Code {
	if a.hidden {
		return jen.Id("jsonwire.Sensitive(err)")
	}

	return jen.Err()
}

// within prints a block of its own; nothing is held back across its ends.
func (a *appender) within(g *jen.Group, emit func(*appender)) {
	inner := &appender{Group: g, fails: a.fails, depth: a.depth, hidden: a.hidden}
	emit(inner)
	inner.flush()
}

// elem prints the appending of one value.
func (a *appender) elem(e *model.Elem, x place) {
	switch {
	case e.Func != "":
		a.call(e.CanFail, e.Func, passed(e, x)+depthArgument(e, a.depth))
	case e.Kind == model.Pointer:
		a.pointer(e, x)
	case e.Quoted && e.Kind == model.String:
		a.call(false, "jsonwire.AppendQuotedString", as(e, "string", x.value))
	case e.Quoted || e.Kind == model.String:
		a.constant(`"`)
		a.scalar(e, x)
		a.constant(`"`)
	default:
		a.scalar(e, x)
	}
}

// scalar prints the appending of a value without parts, quotes aside.
func (a *appender) scalar(e *model.Elem, x place) {
	switch e.Kind {
	case model.Bool:
		a.call(false, "strconv.AppendBool", as(e, "bool", x.value))
	case model.Int:
		a.call(false, "strconv.AppendInt", as(e, "int64", x.value), "10")
	case model.Uint:
		a.call(false, "strconv.AppendUint", as(e, "uint64", x.value), "10")
	case model.Float:
		function := "jsonwire.AppendFloat64"
		if e.Basic == "float32" {
			function = "jsonwire.AppendFloat32"
		}
		a.call(true, function, as(e, e.Basic, x.value))
	case model.String:
		a.call(false, "jsonwire.AppendStringBody", as(e, "string", x.value))
	case model.Number:
		a.call(true, "jsonwire.AppendNumber", "string("+x.value+")")
	case model.Time:
		a.call(true, "jsonwire.AppendTime", x.value)
	case model.RawMessage:
		a.call(true, "jsonwire.AppendRawMessage", x.value)
	case model.Bytes:
		a.call(false, "jsonwire.AppendBytes", x.value)
	case model.Slice:
		a.call(false, "jsonwire.AppendStrings", x.value)
	case model.Map:
		a.call(false, "jsonwire.AppendStringMap", x.value)
	default:
		panic("templates: no scalar") //nolint:forbidigo // the planner gives every other kind a function
	}
}

// pointer prints null, or what the pointer points to.
func (a *appender) pointer(e *model.Elem, x place) {
	a.flush()
	null := a.If(jen.Id(x.value).Op("==").Nil()).
		Block(jen.Id("dst").Op("=").Add(appendBytes("null"))).
		Else()
	if alone(e.Elem) {
		inner := &appender{Group: &jen.Group{}, fails: a.fails, depth: a.depth, hidden: a.hidden}
		inner.elem(e.Elem, x.below())
		null.Add(inner.Group)

		return
	}
	null.BlockFunc(func(g *jen.Group) {
		a.within(g, func(inner *appender) { inner.elem(e.Elem, x.below()) })
	})
}

// alone reports whether e is appended by one call that can fail: an if, which
// goes behind an else.
func alone(e *model.Elem) bool {
	switch {
	case !e.CanFail || e.Quoted:
		return false
	case e.Func != "":
		return true
	}

	switch e.Kind {
	case model.Float, model.Time, model.RawMessage, model.Number:
		return true
	default:
		return false
	}
}

// elements prints the array of a slice or array.
func (a *appender) elements(e *model.Elem, name string) {
	a.constant("[")
	a.flush()
	a.For(jen.Id("i").Op(":=").Range().Id(name)).BlockFunc(func(g *jen.Group) {
		g.If(jen.Id("i").Op(">").Lit(0)).Block(jen.Id("dst").Op("=").Add(appendBytes(",")))
		a.within(g, func(inner *appender) { inner.elem(e.Elem, at(name+"[i]")) })
	})
	a.end("]")
}

// namedBytes prints the base64 string of a slice whose elements are bytes with
// a name of their own.
func (a *appender) namedBytes(*model.Elem) {
	a.nilCheck()
	statements(a.Group,
		"raw := make([]byte, len(v))",
		"for i := range v {\nraw[i] = byte(v[i])\n}",
		"",
	)
	a.returns(a.Group, jen.Id("jsonwire.AppendBytes(dst, raw)"))
}
