package typegen

import (
	"fmt"
	"strings"
)

// declare declares a type that is no plain struct, with or without methods.
func (g *generator) declare(name string) {
	t := named{name: name, embeds: true}
	kind, source := g.underlying(&t)
	g.printf("type %s %s\n\n", name, source)
	if kind == "pointer" {
		g.named = append(g.named, t)
		return
	}
	if kind == "none" || kind == "struct" || g.chance(50) {
		g.methods(name, kind, &t)
	}
	g.zeroer(name, kind, &t)
	g.named = append(g.named, t)
	if strings.HasPrefix(source, "uint8") || strings.HasPrefix(source, "byte") {
		g.bytesOf(name, t.class == withMethods)
	}
}

// bytesOf declares a slice of the named bytes.
func (g *generator) bytesOf(name string, methods bool) {
	label := "slice of named bytes"
	if methods {
		label = "slice of bytes with methods"
	}
	g.printf("type %sList []%[1]s\n\n", name)
	g.named = append(g.named, named{name: name + "List", class: composite, embeds: true, labels: []string{label}})
}

// underlying is what a named type is made of.
func (g *generator) underlying(t *named) (kind, source string) {
	inner := func() string { return pick(g, "S0", "*S1", "[]S0", "*Task", g.basic(), g.basic()) }
	switch g.r.IntN(14) {
	case 0:
		t.class = composite
		return "slice", "[]" + inner()
	case 1:
		t.class = composite
		return "map", "map[" + pick(g, "string", "int8", "uint") + "]" + inner()
	case 2:
		t.class = composite
		return "array", fmt.Sprintf("[%d]%s", g.r.IntN(4), pick(g, "*S0", "[]S1", "map[string]S0", g.basic()))
	case 3:
		t.class, t.labels = composite, []string{"slice of bytes"}
		return "bytes", "[]byte"
	case 4:
		t.class, t.embeds, t.labels = pointer, false, []string{"named pointer"}
		return "pointer", "*" + inner()
	case 5:
		return "none", pick(g, "chan int", "func(int) error", "complex128")
	case 6, 7, 8:
		return "struct", "struct {\n\tRaw string\n\tN int\n}"
	case 9:
		t.key = true
		return "string", "string"
	case 10:
		t.key = true
		return "number", pick(g, "uint8", "byte", "int16", "uint64")
	}
	source = g.basic()
	switch source {
	case "bool", "string":
		t.key = source == "string"
		return source, source
	case "float32", "float64":
		return "float", source
	}
	t.key = true

	return "number", source
}

// reads is what a method does with what it reads into a kind, as text.
var reads = map[string]string{
	"slice":  "*t = make(%s, len(src)%%4)",
	"map":    "*t = %s{}",
	"array":  "*t = %s{}",
	"bytes":  "*t = %s(\"%s\" + string(src))",
	"string": "*t = %s(\"%s\" + string(src))",
	"number": "*t = %s(len(src)*8) + *t&7",
	"float":  "*t = %s(len(src))",
	"bool":   "*t = len(src)%%2 == 0",
	"struct": "t.Raw += \"%[2]s\" + string(src)\n\tt.N++",
	"none":   "*t = *new(%s)",
}

// methods gives a type random methods. t is nil for the payload.
func (g *generator) methods(name, kind string, t *named) {
	if t == nil {
		t = &named{}
		g.printf("func (t *%s) MarshalJSON() ([]byte, error) { return jsonmethods.JSON(\"task\") }\n\n", name)
		g.printf("func (t *%s) UnmarshalJSON(src []byte) error { return jsonmethods.Read(src) }\n\n", name)

		return
	}
	set := pick(g, "mu", "mu", "mu", "MU", "MU", "MU", "mMuU", "mMuU", "Mu", "mU", "m", "M", "u", "U", "MmU", "uUM")
	if kind == "none" {
		set = pick(g, "mu", "MU", "mMuU")
	}
	receiver := pick(g, "t "+name, "t *"+name)
	self := strings.TrimSuffix(receiver[2:], name) + "t"
	on := "value"
	if receiver != "t "+name {
		on = "pointer"
	}
	if kind == "slice" || kind == "array" || kind == "map" || kind == "none" {
		self = "len(fmt.Sprint(" + self + "))" // there may be pointers in it
	}
	t.class = withMethods
	if has(set, "m") {
		t.labels = append(t.labels, "MarshalJSON on "+on)
		g.printf("func (%s) MarshalJSON() ([]byte, error) { return jsonmethods.JSON(fmt.Sprint(%s)) }\n\n", receiver, plain(kind, self))
	}
	if has(set, "M") {
		t.labels = append(t.labels, "MarshalText on "+on)
		g.printf("func (%s) MarshalText() ([]byte, error) { return jsonmethods.Text(fmt.Sprint(%s)) }\n\n", receiver, plain(kind, self))
	}
	if has(set, "u") {
		t.labels = append(t.labels, "UnmarshalJSON")
		g.reader(name, kind, "UnmarshalJSON", "j", t)
	}
	if has(set, "U") {
		t.labels = append(t.labels, "UnmarshalText")
		g.reader(name, kind, "UnmarshalText", "t", t)
	}
	g.label(t, kind, set, on)
}

// plain is self as text without methods.
func plain(kind, self string) string {
	switch kind {
	case "struct":
		return `t.N, "|", t.Raw`
	case "bytes":
		return "string(" + self + ")"
	}

	return self
}

func (g *generator) reader(name, kind, method, mark string, t *named) {
	g.printf("func (t *%s) %s(src []byte) error {\n", name, method)
	if kind == "struct" && mark == "j" && g.chance(30) {
		t.labels = append(t.labels, "UnmarshalJSON that calls json.Unmarshal")
		g.printf("\treturn json.Unmarshal(src, &t.N)\n}\n\n")

		return
	}
	action := strings.ReplaceAll(strings.ReplaceAll(reads[kind], "%[2]s", mark), "%%", "%")
	action = strings.Replace(action, "%s", name, 1)
	action = strings.Replace(action, "%s", mark, 1)
	g.printf("\t%s\n\n\treturn jsonmethods.Read(src)\n}\n\n", action)
}

// label notes what the methods of set amount to.
func (g *generator) label(t *named, kind, set, on string) {
	if has(set, "m") && has(set, "M") {
		t.labels = append(t.labels, "both to write")
	}
	if has(set, "u") && has(set, "U") {
		t.labels = append(t.labels, "both to read")
	}
	switch writes, reads := has(set, "m") || has(set, "M"), has(set, "u") || has(set, "U"); {
	case !writes:
		t.labels = append(t.labels, "read alone")
	case !reads:
		t.labels = append(t.labels, "written alone")
	}
	if kind == "none" {
		t.labels = append(t.labels, "methods on a kind without a JSON form")
	}

	text := has(set, "M") && on == "value"
	switch {
	case kind == "struct":
		t.key, t.keyLabel = text && has(set, "U"), "struct key with text methods"
	case kind == "number" && text != has(set, "U"):
		t.key = !text // written but not read is refused
		t.keyLabel = "integer key with text methods"
	case kind == "number":
		t.keyLabel = "integer key with text methods"
	default:
		t.keyLabel = "string key with text methods"
	}
	if has(set, "U") && has(set, "u") {
		t.keyLabel = "key with JSON and text methods"
	}
}

func has(set, method string) bool { return strings.Contains(set, method) }

// zeroer gives some types an IsZero method.
func (g *generator) zeroer(name, kind string, t *named) {
	if t.key && t.keyLabel == "" {
		t.keyLabel = "named string key"
	}
	if kind == "none" || !g.chance(30) {
		return
	}
	if g.chance(50) {
		t.labels = append(t.labels, "IsZero on value")
		g.printf("func (t %s) IsZero() bool { return len(fmt.Sprint(t))%%3 == 0 }\n\n", name)

		return
	}
	t.labels = append(t.labels, "IsZero on pointer")
	g.printf("func (t *%s) IsZero() bool { return t != nil && len(fmt.Sprint(*t))%%3 == 0 }\n\n", name)
}
