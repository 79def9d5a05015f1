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

	emitDecodeFunc(f, fn.Name, " reads the value at i into *p and returns where it ends.", e, func(g *jen.Group) {
		decodeBody(g, fn)
	})
	for i, name := range fn.Parts {
		from := i * model.PartSize
		doc := " is the part of " + fn.Name + " for the members from number " + strconv.Itoa(from) + " on."
		emitDecodeFunc(f, name, doc, e, func(g *jen.Group) {
			decodeMembers(g, part(fn, i), from)
			g.Line()
			g.Return(jen.Id("i"))
		})
	}
}

// emitDecodeFunc prints a function that has the parameters of one for e.
func emitDecodeFunc(f *file, name, doc string, e *model.Elem, body func(*jen.Group)) {
	f.Line()
	f.comment(name + doc)
	f.Func().Id(name).
		Params(
			jen.Id("r").Op("*").Id("jsonwire.Reader"),
			jen.Id("i").Int(),
			jen.Id("p").Op("*").Id(e.Type),
		).
		Int().
		BlockFunc(body)
}

// emitTable prints the members a struct has, in the order they are written.
func emitTable(f *file, fn *model.Func) {
	fields := fn.Elem.Struct.Fields
	promoted := false
	f.Line()
	f.comment(fn.Table + " are the members " + fn.Name + " reads, in the order in which they are written.")
	f.Var().Id(fn.Table).Op("=").Id("jsonwire.Fields").Values(jen.DictFunc(func(d jen.Dict) {
		d[jen.Id("Names")] = names(fields, func(m *model.Field) string {
			promoted = promoted || m.Path != m.Name

			return m.Name
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
		decodeElem(g, e, at("p").below(), value{from: "i", to: "i"})
		g.Line()
		g.Return(jen.Id("i"))
	}
}

func decodeStruct(g *jen.Group, fn *model.Func) {
	g.Id("start, more := r.Open(i)")
	g.For(jen.Id("i = start"), jen.Id("more"), jen.Id("i, more = r.Rest(i, start, &"+fn.Table+")")).
		BlockFunc(func(g *jen.Group) {
			for _, part := range fn.Parts {
				g.Id("i = " + part + "(r, i, p)")
			}
			if len(fn.Parts) == 0 {
				decodeMembers(g, fn.Elem.Struct.Fields, 0)
			}
		})
	g.Line()
	g.Return(jen.Id("i"))
}

// decodeMembers prints the reading of members, of which the first is number
// from of its struct.
func decodeMembers(g *jen.Group, fields []model.Field, from int) {
	for i := range fields {
		f := &fields[i]
		find := "r.Then"
		if from+i == 0 {
			find = "r.First"
		}
		g.If(
			jen.Id("v").Op(":=").Id(find).Call(jen.Id("i"), jen.Id(literal(f.Name))),
			jen.Id("v").Op(">").Lit(0),
		).BlockFunc(func(g *jen.Group) { decodeField(g, f) })
	}
}

// decodeField prints the reading of one member.
func decodeField(g *jen.Group, f *model.Field) {
	for _, p := range f.Pointers {
		allocate(g, "p."+p.Selector, p.Type)
	}
	decodeElem(g, &f.Elem, at("p."+f.Selector), value{from: "v", to: "i"})
	if f.Hidden {
		g.Id("r.Sensitive(v)")
	}
}

// allocate prints that a nil pointer gets something to point to.
func allocate(g *jen.Group, pointer, typ string) {
	g.If(jen.Id(pointer).Op("==").Nil()).Block(jen.Id(pointer).Op("=").New(jen.Id(typ)))
}

// value is where a value of the document starts, and what is set to where it
// ends.
type value struct{ from, to string }

// of is the value of a member or an element of a cursor: a.Pos.
func of(cursor string) value { return value{from: cursor + ".Pos", to: cursor + ".Pos"} }

// read is the call of a function of the reader's for the value.
func (v value) read(function string, args ...string) *jen.Statement {
	return jen.Id(function + "(" + strings.Join(append([]string{v.from}, args...), ", ") + ")")
}

// decodeElem prints the reading of one value.
func decodeElem(g *jen.Group, e *model.Elem, x place, v value) {
	switch {
	case e.Func != "":
		g.Id(v.to).Op("=").Id(e.Func).Call(jen.Id("r"), jen.Id(v.from), jen.Id(x.address))
	case e.Kind == model.Pointer:
		decodePointer(g, e, x, v)
	case e.Kind == model.JSONMarshaler:
		function := "r.Raw"
		if e.Quoted {
			function = "r.QuotedRaw"
		}
		decodeMethod(g, "raw", function, x.methods+".UnmarshalJSON(raw)", v)
	case e.Kind == model.TextMarshaler:
		decodeText(g, e, x, v)
	case e.Quoted:
		decodeQuoted(g, e, x, v)
	default:
		decodeScalar(g, e, x, v)
	}
}

// decodePointer prints the reading of a pointer: null makes it nil, anything
// else is read into what it points to, new if it was nil.
func decodePointer(g *jen.Group, e *model.Elem, x place, v value) {
	null, missing := "r.Null", jen.Id(x.value).Op("==").Nil()
	if e.Elem.Quoted {
		null, missing = "r.NullQuoted", missing.Op("&&").Id("r.Quoted("+v.from+")")
	}

	g.If(jen.Id("end, null").Op(":=").Add(v.read(null)), jen.Id("null")).
		Block(jen.Id(v.to + ", " + x.value).Op("=").Id("end, nil")).
		Else().
		BlockFunc(func(g *jen.Group) {
			g.If(missing).Block(jen.Id(x.value).Op("=").New(jen.Id(e.Elem.Type)))
			if e.Elem.Quoted && e.Elem.Kind == model.JSONMarshaler {
				decodeMethod(g, "raw", "r.QuotedPointerRaw", x.below().methods+".UnmarshalJSON(raw)", v)
			} else {
				decodeElem(g, e.Elem, x.below(), v)
			}
		})
}

// decodeFresh is decodeElem for a variable that has its zero value.
func decodeFresh(g *jen.Group, e *model.Elem, x place, v value) {
	if e.Kind != model.Pointer || e.Func != "" {
		decodeElem(g, e, x, v)
		return
	}

	g.If(jen.Id("end, null").Op(":=").Add(v.read("r.Null")), jen.Id("null")).
		Block(jen.Id(v.to).Op("=").Id("end")).
		Else().
		BlockFunc(func(g *jen.Group) {
			g.Id(x.value).Op("=").New(jen.Id(e.Elem.Type))
			decodeFresh(g, e.Elem, x.below(), v)
		})
}

// decodeMethod prints a method's call with what the reader gives for it.
func decodeMethod(g *jen.Group, name, read, call string, v value) {
	g.Id(name + ", end").Op(":=").Add(v.read(read))
	g.If(jen.Id(name).Op("!=").Nil()).Block(jen.Id("r.Check").Call(jen.Id("end"), jen.Id(call)))
	g.Id(v.to).Op("=").Id("end")
}

func decodeText(g *jen.Group, e *model.Elem, x place, v value) {
	call := x.methods + ".UnmarshalText(text)"
	switch {
	case e.Quoted:
		decodeMethod(g, "text", "r.QuotedText", call, v)
	case e.Nilable:
		g.If(jen.Id("end, null").Op(":=").Add(v.read("r.Null")), jen.Id("null")).
			Block(jen.Id(v.to + ", " + x.value).Op("=").Id("end, nil")).
			Else().
			BlockFunc(func(g *jen.Group) { decodeMethod(g, "text", "r.Text", call, v) })
	default:
		decodeMethod(g, "text", "r.Text", call, v)
	}
}

// decodeScalar prints the call of the reader's method for a value.
func decodeScalar(g *jen.Group, e *model.Elem, x place, v value) {
	method, target := readers(e)
	g.Id(v.to).Op("=").Add(v.read("r."+method, pointerTo(e, target, x)))
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
func decodeQuoted(g *jen.Group, e *model.Elem, x place, v value) {
	read, from := quotedReader(e, v)
	g.Id("quoted, end, ok").Op(":=").Add(read)
	g.If(jen.Id("ok")).Block(jen.Id(x.value).Op("=").Id(converted(from, e.Type, "quoted")))
	g.Id(v.to).Op("=").Id("end")
}

// quotedReader gives the call that reads e from within a string, and its type.
func quotedReader(e *model.Elem, v value) (call *jen.Statement, result string) {
	switch e.Kind {
	case model.Bool:
		return v.read("r.QuotedBool"), "bool"
	case model.Int:
		return v.read("r.QuotedInt", bits(e.Basic, "int")), "int64"
	case model.Uint:
		return v.read("r.QuotedUint", bits(e.Basic, "uint")), "uint64"
	case model.Float:
		return v.read("r.QuotedFloat", bits(e.Basic, "float")), "float64"
	case model.Number:
		return v.read("r.QuotedNumber"), "string"
	default:
		return v.read("r.QuotedString"), "string"
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
	g.If(jen.Id("end, null := r.Null(i)"), jen.Id("null")).
		BlockFunc(func(g *jen.Group) { statements(g, "*p = nil", "", "return end") })
	g.Line()
}

func decodeSlice(g *jen.Group, e *model.Elem) {
	nullCheck(g)
	if e.ByteType != "" {
		decodeBase64(g, e)
	}
	statements(g, "v := *p", "a := r.Array(i)")
	g.For(jen.Id("a.Next()")).BlockFunc(func(g *jen.Group) {
		g.Id("if a.Index == cap(v) {\nv = slices.Grow(v, a.Room())\n}")
		g.Id("v = v[:max(len(v), a.Index+1)]")
		decodeElem(g, e.Elem, at("v[a.Index]"), of("a"))
	})
	g.If(jen.Id("a.Empty()")).Block(jen.Id("v").Op("=").Id(e.Type).Values())
	statements(g, "*p = v[:a.Cut(len(v))]", "", "return a.Pos")
}

// decodeBase64 prints the reading of a string into a slice whose elements are
// bytes by another name: golden/accept/named.
func decodeBase64(g *jen.Group, e *model.Elem) {
	g.If(jen.Id("r.IsString(i)")).BlockFunc(func(g *jen.Group) {
		g.Id("raw, end := r.Base64(i)")
		g.If(jen.Id("raw != nil")).Block(
			jen.Id("*p").Op("=").Make(jen.Id(e.Type), jen.Id("len(raw)")),
			jen.Id("for i, b := range raw {\n(*p)[i] = "+e.ByteType+"(b)\n}"),
		)
		g.Line()
		g.Return(jen.Id("end"))
	})
	g.Line()
}

func decodeArray(g *jen.Group, e *model.Elem) {
	g.Id("a := r.Array(i)")
	g.For(jen.Id("a.Next()")).BlockFunc(func(g *jen.Group) {
		g.Id("if a.Index >= len(p) {\na.Pos = r.Skip(a.Pos)\ncontinue\n}")
		decodeElem(g, e.Elem, at("p[a.Index]"), of("a"))
	})
	statements(g, "clear(p[a.Cut(len(p)):])", "", "return a.Pos")
}

func decodeMap(g *jen.Group, e *model.Elem) {
	nullCheck(g)
	g.Id("m := r.Map(i)")
	g.If(jen.Id("m.Opened() && *p == nil")).Block(jen.Id("*p").Op("=").Make(jen.Id(e.Type)))
	g.For(jen.Id("m.Next()")).BlockFunc(func(g *jen.Group) {
		g.Var().Id("value").Id(e.Elem.Type)
		decodeFresh(g, e.Elem, at("value"), of("m"))
		decodeKey(g, e.Key)
	})
	g.Line()
	g.Return(jen.Id("m.Pos"))
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
			Block(jen.Id("r.Check(m.Pos, err)")).
			Else().
			Block(jen.Id("(*p)[key] = value")),
	)
}
