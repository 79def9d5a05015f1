package templates

import (
	"strconv"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/tqgen/tqgen/generator/model"
)

// emitDecoder prints one decode function, and its table of names.
func emitDecoder(f *file, fn *model.Func) {
	e := &fn.Elem
	if e.Kind == model.StructKind {
		emitTable(f, fn)
	}

	f.Line()
	f.comment(fn.Name + " reads into *p.")
	f.Func().Id(fn.Name).
		Params(jen.Id("r").Op("*").Id("jsonwire.Reader"), jen.Id("p").Op("*").Id(e.Type)).
		BlockFunc(func(g *jen.Group) { decodeBody(g, fn) })
	for i, name := range fn.Parts {
		emitDecoderPart(f, name, fn, i*model.PartSize)
	}
}

// emitDecoderPart prints the function for the members from one on of a struct
// that has many: golden/accept/wide.
func emitDecoderPart(f *file, name string, fn *model.Func, from int) {
	fields := fn.Elem.Struct.Fields[from:]
	fields = fields[:min(len(fields), model.PartSize)]
	f.Line()
	f.comment(name + " reads the member that o is at, one of those from number " + strconv.Itoa(from) + " on.")
	f.Func().Id(name).
		Params(
			jen.Id("r").Op("*").Id("jsonwire.Reader"),
			jen.Id("o").Op("*").Id("jsonwire.Object"),
			jen.Id("p").Op("*").Id(fn.Elem.Type),
		).
		BlockFunc(func(g *jen.Group) { decodeMembers(g, fields, from) })
}

// emitTable prints the members a struct has, in the order they are written.
func emitTable(f *file, fn *model.Func) {
	fields := fn.Elem.Struct.Fields
	promoted := false
	f.Line()
	f.comment(fn.Table + " are the members " + fn.Name + " reads, in the order in which they are written.")
	f.Var().Id(fn.Table).Op("=").Id("jsonwire.Fields").Values(jen.DictFunc(func(d jen.Dict) {
		d[jen.Id("Keys")] = names(fields, func(m *model.Field) string {
			promoted = promoted || m.Path != m.Name

			return `"` + m.Name + `":`
		})
		if promoted {
			d[jen.Id("Paths")] = names(fields, func(m *model.Field) string { return m.Path })
		}
	}))
}

// names prints a list of strings, a line each.
func names(fields []model.Field, name func(*model.Field) string) *jen.Statement {
	list := jen.Options{Open: "{", Close: "}", Separator: ",", Multi: true}

	return jen.Index().String().CustomFunc(list, func(g *jen.Group) {
		for i := range fields {
			g.Id(literal(name(&fields[i])))
		}
	})
}

// literal is a Go string, without escapes where that can be.
func literal(text string) string {
	if strings.Contains(text, `"`) && strconv.CanBackquote(text) {
		return "`" + text + "`"
	}

	return strconv.Quote(text)
}

func decodeBody(g *jen.Group, fn *model.Func) {
	e := &fn.Elem
	switch e.Kind {
	case model.StructKind:
		decodeStruct(g, fn)
	case model.Slice:
		decodeSlice(g, e)
	case model.Array:
		decodeArray(g, e)
	case model.Map:
		decodeMap(g, e)
	default:
		decodeElem(g, e, at("p").below(), "return")
	}
}

func decodeStruct(g *jen.Group, fn *model.Func) {
	// As a variable of the for statement o would be copied every turn, since
	// its methods take its address.
	g.Id("o := r.Object(&" + fn.Table + ")")
	g.For(jen.Id("o.Next()")).BlockFunc(func(g *jen.Group) {
		if len(fn.Parts) == 0 {
			decodeMembers(g, fn.Elem.Struct.Fields, 0)
			return
		}

		g.Switch().BlockFunc(func(g *jen.Group) {
			for i, part := range fn.Parts {
				if i == len(fn.Parts)-1 {
					g.Default()
				} else {
					g.Case(jen.Id("o.Field").Op("<").Lit((i + 1) * model.PartSize))
				}
				g.Id(part + "(r, &o, p)")
			}
		})
	})
}

// decodeMembers prints the choice between members, of which the first is
// number from of its struct.
func decodeMembers(g *jen.Group, fields []model.Field, from int) {
	if len(fields) == 0 {
		return
	}

	g.Switch(jen.Id("o.Field")).BlockFunc(func(g *jen.Group) {
		for i := range fields {
			f := &fields[i]
			g.Case(jen.Id(strconv.Itoa(from + i))).Id("// " + f.Name) // Comment takes "/*" for its own
			decodeField(g, f)
		}
	})
}

// decodeField prints the reading of one member.
func decodeField(g *jen.Group, f *model.Field) {
	for _, p := range f.Pointers {
		allocate(g, "p."+p.Selector, p.Type)
	}
	decodeElem(g, &f.Elem, at("p."+f.Selector), "break")
	if f.Hidden {
		g.Id("o.Sensitive()")
	}
}

// allocate prints that a nil pointer gets something to point to.
func allocate(g *jen.Group, pointer, typ string) {
	g.If(jen.Id(pointer).Op("==").Nil()).Block(jen.Id(pointer).Op("=").New(jen.Id(typ)))
}

// decodeElem prints the reading of one value. Leave is the statement that ends
// the reading of a null: break in a switch, continue in a loop.
func decodeElem(g *jen.Group, e *model.Elem, x place, leave string) {
	switch {
	case e.Func != "":
		g.Id(e.Func).Call(jen.Id("r"), jen.Id(x.address))
	case e.Kind == model.Pointer:
		decodePointer(g, e, x, leave)
	case e.Kind == model.JSONMarshaler:
		function := "r.Raw()"
		if e.Quoted {
			function = "r.QuotedRaw()"
		}
		decodeMethod(g, "raw", function, x.methods+".UnmarshalJSON(raw)")
	case e.Kind == model.TextMarshaler:
		decodeText(g, e, x)
	case e.Quoted:
		decodeQuoted(g, e, x)
	default:
		decodeScalar(g, e, x)
	}
}

// decodePointer prints the reading of a pointer: null makes it nil, anything
// else is read into what it points to, new if it was nil.
func decodePointer(g *jen.Group, e *model.Elem, x place, leave string) {
	null, missing := "r.Null()", jen.Id(x.value).Op("==").Nil()
	if e.Elem.Quoted {
		null, missing = "r.NullQuoted()", missing.Op("&&").Id("r.Quoted()")
	}

	g.If(jen.Id(null)).Block(jen.Id(x.value).Op("=").Nil(), jen.Id(leave))
	g.If(missing).Block(jen.Id(x.value).Op("=").New(jen.Id(e.Elem.Type)))
	if e.Elem.Quoted && e.Elem.Kind == model.JSONMarshaler {
		decodeMethod(g, "raw", "r.QuotedPointerRaw()", x.below().methods+".UnmarshalJSON(raw)")
		return
	}
	decodeElem(g, e.Elem, x.below(), leave)
}

// decodeFresh is decodeElem for a variable that has its zero value.
func decodeFresh(g *jen.Group, e *model.Elem, x place) {
	if e.Kind != model.Pointer || e.Func != "" {
		decodeElem(g, e, x, "")
		return
	}

	g.If(jen.Op("!").Id("r.Null()")).BlockFunc(func(g *jen.Group) {
		g.Id(x.value).Op("=").New(jen.Id(e.Elem.Type))
		decodeFresh(g, e.Elem, x.below())
	})
}

// decodeMethod prints a method's call with what the reader gives for it.
func decodeMethod(g *jen.Group, name, read, call string) {
	g.If(jen.Id(name).Op(":=").Id(read), jen.Id(name).Op("!=").Nil()).Block(jen.Id("r.Check").Call(jen.Id(call)))
}

func decodeText(g *jen.Group, e *model.Elem, x place) {
	if e.Quoted {
		decodeMethod(g, "text", "r.QuotedText()", x.methods+".UnmarshalText(text)")
		return
	}
	if !e.Nilable {
		decodeMethod(g, "text", "r.Text()", x.methods+".UnmarshalText(text)")
		return
	}

	g.If(jen.Id("r.Null()")).Block(jen.Id(x.value).Op("=").Nil()).
		Else().If(jen.Id("text := r.Text()"), jen.Id("text != nil")).
		Block(jen.Id("r.Check").Call(jen.Id(x.methods + ".UnmarshalText(text)")))
}

// decodeScalar prints the call of the reader's method for a value.
func decodeScalar(g *jen.Group, e *model.Elem, x place) {
	method, target := readers(e)
	g.Id("r." + method).Call(jen.Id(pointerTo(e, target, x)))
}

// readers gives the reader's method for e and the type whose pointer it takes.
func readers(e *model.Elem) (method, target string) {
	switch e.Kind {
	case model.Time:
		return "Time", e.Type
	case model.Number:
		return "Number", "string"
	case model.RawMessage:
		return "RawMessage", "[]byte"
	case model.Bytes:
		return "Bytes", "[]byte"
	case model.Slice:
		return "Strings", "[]string"
	case model.Map:
		return "StringMap", "map[string]string"
	default:
		return strings.ToUpper(e.Basic[:1]) + e.Basic[1:], e.Basic
	}
}

// pointerTo is the address of x as a pointer to the type target.
func pointerTo(e *model.Elem, target string, x place) string {
	if e.Type == target {
		return x.address
	}

	return "(*" + target + ")(" + x.address + ")"
}

// decodeQuoted prints the reading of a ",string" member.
func decodeQuoted(g *jen.Group, e *model.Elem, x place) {
	method, from := quotedReader(e)
	g.If(jen.Id("v, ok := "+method), jen.Id("ok")).Block(
		jen.Id(x.value).Op("=").Id(converted(from, e.Type, "v")),
	)
}

// quotedReader gives the call that reads e from within a string, and its type.
func quotedReader(e *model.Elem) (call, result string) {
	switch e.Kind {
	case model.Bool:
		return "r.QuotedBool()", "bool"
	case model.Int:
		return "r.QuotedInt(" + bits(e.Basic, "int") + ")", "int64"
	case model.Uint:
		return "r.QuotedUint(" + bits(e.Basic, "uint") + ")", "uint64"
	case model.Float:
		return "r.QuotedFloat(" + bits(e.Basic, "float") + ")", "float64"
	case model.Number:
		return "r.QuotedNumber()", "string"
	default:
		return "r.QuotedString()", "string"
	}
}

// bits is the size of a number as an expression.
func bits(basic, kind string) string {
	if size := strings.TrimPrefix(basic, kind); size != "" && size != "ptr" {
		return size
	}

	return "strconv.IntSize"
}

func nullCheck(g *jen.Group) {
	g.If(jen.Id("r.Null()")).BlockFunc(func(g *jen.Group) { statements(g, "*p = nil", "", "return") })
	g.Line()
}

func decodeSlice(g *jen.Group, e *model.Elem) {
	nullCheck(g)
	if e.ByteType != "" {
		decodeBase64(g, e)
	}
	statements(g, "v := *p", "a := r.Array()")
	g.For(jen.Id("a.Next()")).BlockFunc(func(g *jen.Group) {
		g.Id("if a.Index == cap(v) {\nv = slices.Grow(v, a.Room())\n}")
		g.Id("v = v[:max(len(v), a.Index+1)]")
		decodeElem(g, e.Elem, at("v[a.Index]"), "continue")
	})
	g.If(jen.Id("a.Empty()")).Block(jen.Id("v").Op("=").Id(e.Type).Values())
	g.Id("*p = v[:a.Cut(len(v))]")
}

// decodeBase64 prints the reading of a string into a slice whose elements are
// bytes by another name: golden/accept/named.
func decodeBase64(g *jen.Group, e *model.Elem) {
	g.If(jen.Id("r.IsString()")).BlockFunc(func(g *jen.Group) {
		g.If(jen.Id("raw, ok := r.Base64()"), jen.Id("ok")).Block(
			jen.Id("*p").Op("=").Make(jen.Id(e.Type), jen.Id("len(raw)")),
			jen.Id("for i, b := range raw {\n(*p)[i] = "+e.ByteType+"(b)\n}"),
		)
		g.Line()
		g.Return()
	})
	g.Line()
}

func decodeArray(g *jen.Group, e *model.Elem) {
	g.Id("a := r.Array()")
	g.For(jen.Id("a.Next()")).BlockFunc(func(g *jen.Group) {
		g.Id("if a.Index >= len(p) {\nr.Skip()\ncontinue\n}")
		decodeElem(g, e.Elem, at("p[a.Index]"), "continue")
	})
	g.Id("clear(p[a.Cut(len(p)):])")
}

func decodeMap(g *jen.Group, e *model.Elem) {
	nullCheck(g)
	g.Id("m := r.Map()")
	g.If(jen.Id("m.Opened() && *p == nil")).Block(jen.Id("*p").Op("=").Make(jen.Id(e.Type)))
	g.For(jen.Id("m.Next()")).BlockFunc(func(g *jen.Group) {
		g.Var().Id("value").Id(e.Elem.Type)
		decodeFresh(g, e.Elem, at("value"))
		decodeKey(g, e.Key)
	})
}

// decodeKey prints that the value just read gets its key.
func decodeKey(g *jen.Group, key *model.Key) {
	switch key.Kind {
	case model.TextKey:
		decodeKeyMethod(g, key, "text", "m.TextKey()", "key.UnmarshalText(text)")
	case model.JSONKey:
		decodeKeyMethod(g, key, "raw", "m.RawKey()", "key.UnmarshalJSON(raw)")
	default:
		call, from := "m.Key()", "string"
		switch key.Kind {
		case model.IntKey:
			call, from = "m.IntKey("+bits(key.Basic, "int")+")", "int64"
		case model.UintKey:
			call, from = "m.UintKey("+bits(key.Basic, "uint")+")", "uint64"
		}
		g.If(jen.Id("key, ok := "+call), jen.Id("ok")).Block(
			jen.Id("(*p)[" + converted(from, key.Type, "key") + "] = value"),
		)
	}
}

func decodeKeyMethod(g *jen.Group, key *model.Key, name, read, call string) {
	g.If(jen.Id(name).Op(":=").Id(read), jen.Id(name).Op("!=").Nil()).Block(
		jen.Var().Id("key").Id(key.Type),
		jen.If(jen.Err().Op(":=").Id(call), jen.Err().Op("!=").Nil()).
			Block(jen.Id("r.Check(err)")).
			Else().
			Block(jen.Id("(*p)[key] = value")),
	)
}
