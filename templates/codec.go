package templates

import (
	"strconv"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/tqgen/tqgen/generator/model"
)

// emitCodec prints the payload's JSON functions, those of the types below it,
// and what tells its size.
func emitCodec(f *file) {
	codec := &f.queue.Codec
	emitAppendJSON(f, codec)
	emitParseJSON(f, codec)
	emitDecodeJSON(f, codec)
	emitCodecFuncs(f, codec)
	emitSize(f, codec)
}

// emitSharedCodec prints the codec of a struct that payloads share:
// golden/accept/shared.
func emitSharedCodec(f *file) {
	codec := &f.queue.Codec
	emitAppendJSON(f, codec)
	emitParseJSON(f, codec)
	emitDecodeJSON(f, codec)
	f.declare(`
$ReadJSON reads the JSON form of $a $PayloadName at i into p and returns where it ends:
it is what the codecs of types that hold $a $PayloadName call. r keeps the error.`, `
func $ReadJSON(r *jsonwire.Reader, i int, p *$Payload) int { return $decode(r, i, p) }`)
	emitCodecFuncs(f, codec)
	emitWindow(f)
	emitGuards(f)
}

// emitCodecFuncs prints the unexported functions.
func emitCodecFuncs(f *file, codec *model.Codec) {
	for i := range codec.Appenders {
		if fn := &codec.Appenders[i]; !fn.Shared {
			emitAppender(f, fn)
		}
	}
	for i := range codec.Zeros {
		emitZero(f, &codec.Zeros[i])
	}
	for i := range codec.Decoders {
		if fn := &codec.Decoders[i]; !fn.Shared {
			emitDecoder(f, fn)
		}
	}
}

// emitAppendJSON prints AppendJSON: golden/accept/minimal.
func emitAppendJSON(f *file, codec *model.Codec) {
	root := &codec.Appenders[0]
	call := root.Name + "(dst, " + passed(&root.Elem, param(&root.Elem)) + depthArgument(&root.Elem, "1") + ")"
	body := func(g *jen.Group) { g.Return(jen.Id(call), jen.Nil()) }
	doc := `
$AppendJSON appends the JSON form of p to dst, the bytes encoding/json would
write. It always succeeds: the error is there for payloads whose values may
have no JSON form.`
	if root.Elem.CanFail {
		body = func(g *jen.Group) {
			statements(g, "out, err := "+call, "if err != nil {\nreturn dst, err\n}", "", "return out, nil")
		}
		doc = `
$AppendJSON appends the JSON form of p to dst, the bytes encoding/json would
write. If a value has no JSON form, such as NaN, the error says so, and dst is
returned as it was.`
	}

	f.Line()
	f.comment(strings.TrimSpace(doc))
	f.Func().Id(f.names.AppendJSON).
		Params(jen.Id("dst").Index().Byte(), jen.Id("p").Op("*").Id(f.queue.Payload.Type)).
		Params(jen.Index().Byte(), jen.Error()).
		BlockFunc(body)
}

// emitParseJSON prints ParseJSON: golden/accept/minimal.
func emitParseJSON(f *file, codec *model.Codec) {
	f.words["decode"] = codec.Decoders[0].Name
	f.declare(`
$ParseJSON reads the JSON form of $a $PayloadName. Names match as encoding/json
matches them, unknown ones are skipped, and nothing in the result refers to src.$sharing

What is no JSON gives the zero value and a *jsonwire.SyntaxError. A value of the
wrong type is left out, the rest is read, and the first of them is reported, as
a *jsonwire.TypeError.`, `
func $ParseJSON(src []byte) (p $Payload, err error) {
	var r jsonwire.Reader
	r.Init(src)$share
	if err = r.Finish($decode(&r, 0, &p)); r.Malformed() {
		return $zero, err
	}

	return p, err
}`)
}

// emitDecodeJSON prints DecodeJSON: golden/accept/minimal.
func emitDecodeJSON(f *file, codec *model.Codec) {
	f.declare(`
$DecodeJSON reads the JSON form of $a $PayloadName into p, over what is there: members
that do not occur stay as they are, slices are filled anew, maps are added to.
If src is no JSON, p is left alone. The errors are those of $ParseJSON.`, `
func $DecodeJSON(src []byte, p *$Payload) error {
	if err := jsonwire.Validate(src); err != nil {
		return err
	}

	var r jsonwire.Reader
	r.Init(src)$share

	return r.Finish($decode(&r, 0, p))
}`)
}

// place is a Go value as expressions of generated code name it.
type place struct {
	value   string // "p.Zone", "*p.Parent"
	address string // "&p.Zone", "p.Parent"
	methods string // what stands before the dot of a method: "p.Zone", "p.Parent"
}

// at is the place of an addressable expression that can be followed by a dot.
func at(expr string) place { return place{value: expr, address: "&" + expr, methods: expr} }

// below is the place a pointer at this one points to.
func (p place) below() place {
	methods := p.value
	if strings.HasPrefix(methods, "*") {
		methods = "(" + methods + ")"
	}

	return place{value: "*" + p.value, address: p.value, methods: methods}
}

// param is the place that a function for e has as its parameter: slices and
// maps by value, the others by address.
func param(e *model.Elem) place {
	if byValue(e) {
		return at("v")
	}

	return at("p").below()
}

func byValue(e *model.Elem) bool {
	switch e.Kind {
	case model.Slice, model.Map:
		return true
	case model.Bytes:
		return e.ByteType != ""
	default:
		return false
	}
}

// passed is the argument for a function for e.
func passed(e *model.Elem, x place) string {
	if byValue(e) {
		return x.value
	}

	return x.address
}

// depthArgument is the further argument of a function that takes its depth.
func depthArgument(e *model.Elem, depth string) string {
	if !e.Recursive {
		return ""
	}

	return ", " + depth
}

// as is the expression x of type e.Type converted to another type.
func as(e *model.Elem, to, x string) string {
	if e.Type == to {
		return x
	}

	return to + "(" + x + ")"
}

// quoted is constant text as Go writes it most legibly.
func quoted(text string) string {
	switch {
	case len(text) == 1 && text != "'" && text != `\`:
		return "'" + text + "'"
	case strconv.CanBackquote(text) && strings.ContainsAny(text, `"\`):
		return "`" + text + "`"
	default:
		return strconv.Quote(text)
	}
}

// appendBytes is the call that appends constant text to dst.
func appendBytes(text string) *jen.Statement {
	if c := quoted(text); c[0] == '\'' {
		return jen.Append(jen.Id("dst"), jen.Id(c))
	}

	return jen.Append(jen.Id("dst"), jen.Id(quoted(text)).Op("..."))
}

// keeps is the condition under which a test holds for x; otherwise turned
// round.
func keeps(t model.Test, x place, holds bool) string {
	differs, not, call := " == ", "!", ""
	if holds {
		differs, not, call = " != ", "", "!"
	}

	switch t.Kind {
	case model.IsTrue:
		if t.Type != "" {
			return not + t.Type + "(" + x.value + ")"
		}

		return not + x.value
	case model.NotNumber:
		return x.value + differs + "0"
	case model.NotString:
		return x.value + differs + `""`
	case model.HasLength:
		return "len(" + x.value + ")" + differs + "0"
	case model.NotNil:
		return x.value + differs + "nil"
	case model.NotIsZero:
		return call + x.methods + ".IsZero()"
	case model.NotNilIsZero:
		return x.value + " != nil && !" + x.methods + ".IsZero()"
	case model.NotLiteral:
		return x.value + differs + "(" + t.Type + "{})"
	default:
		return call + t.Func + "(" + x.address + ")"
	}
}

// emitZero prints a test for the zero value: golden/accept/omitzero.
func emitZero(f *file, z *model.Zero) {
	f.Line()
	f.comment(z.Name + " reports whether *p is the zero value.")
	f.Func().Id(z.Name).Params(jen.Id("p").Op("*").Id(z.Type)).Bool().BlockFunc(func(g *jen.Group) {
		if z.Array {
			g.For(jen.Id("i").Op(":=").Range().Id("p")).Block(
				jen.If(jen.Id(keeps(z.Parts[0].Test, at("p[i]"), true))).Block(jen.Return(jen.False())),
			)
			g.Line()
			g.Return(jen.True())

			return
		}

		tests := make([]string, len(z.Parts))
		for i, part := range z.Parts {
			tests[i] = keeps(part.Test, at("p."+part.Selector), false)
		}
		g.Return(jen.Id(strings.Join(tests, " &&\n")))
	})
}

// statements adds lines that no input changes, an empty one between two
// thoughts.
func statements(g *jen.Group, text ...string) {
	for _, line := range text {
		g.Id(line)
	}
}
