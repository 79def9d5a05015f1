package typegen

import (
	"slices"
	"strconv"
	"strings"
)

// memberNames are names for tags, many of which fold to one.
var memberNames = []string{
	"id", "ID", "a", "A", "x", "X", "k", "K", "\u212a", "s", "S", "ſ", "ks", "KS", "kſ", "zone", "Zone", "ZONE", "a.b", "1",
	"-x", "with space", "<b>", "a&b", "é", "É", "日本", "ǅ", "ß", "ı", "İ", "null", "n", "b", "V", "More", "Raw", "U0", "Deep",
	"abcdefgh", "abcdefghi", "aMemberWithAVeryLongNameThatNoWordHolds", "aMemberWithAVeryLongNameThatNoWordHoldS",
	"$ref", "@type", "a/b:c", "~", "it's", "d", "D", "µ", "μ", "Μ", "ẞ", "θ", "ϑ",
}

// badNames make encoding/json fall back to the Go name.
var badNames = []string{`a\\b`, `a'b`, "a\u2028b", "😀", `q\"q`, `\\`, "a\u00a0b", "\t"}

var goNames = []string{
	"A", "B", "C", "D", "X", "Zone", "ID", "K", "S", "N", "Q", "R", "W", "Z", "Id", "Ks", "É", "\u212a", "Dst", "Len", "Raw", "P",
}

// structure declares a struct, with further members from up in its names, and
// reports whether it embeds anything.
func (g *generator) structure(name string, i int, up string) (embeds bool) {
	used := map[string]bool{name: true}
	n := 1 + g.r.IntN(7)
	switch g.r.IntN(30) {
	case 0:
		n = 41 + g.r.IntN(50)
		g.hit("more than 40 members")
	case 1:
		n = 1
		g.hit("one member")
	case 2:
		n = 0
	}
	g.printf("type %s struct {\n", name)
	var tags []string
	for f := range n {
		field := pick(g, goNames...)
		if n > 20 {
			field = "F" + strconv.Itoa(f)
		}
		if up != "" && !g.inside { // another package selects it by this name alone
			field = up + field
		}
		if used[field] {
			continue
		}
		used[field] = true
		e := g.typ(i, min(n/20, 2), true)
		tag, member := g.tag(e)
		if member == "" {
			member = field
		}
		tags = append(tags, member)
		g.printf("\t%s %s%s\n", field, e.source, tag)
	}
	if g.chance(20) {
		g.printf("\tunseen%s int\n", up)
	}
	g.notNames(tags)
	before := g.out.Len()
	g.embed(i, used)
	embeds = g.out.Len() > before
	g.printf("}\n\n")

	return embeds
}

func (g *generator) notNames(members []string) {
	seen := map[string]bool{}
	for _, m := range members {
		folded := strings.ToLower(strings.NewReplacer("\u212a", "k", "ſ", "s").Replace(m))
		if seen[folded] && !slices.Contains(members[:slices.Index(members, m)], m) {
			g.hit("names that fold to one")
		}
		seen[folded] = true
		if strings.ContainsAny(m, "kKsS\u212aſ") {
			g.hit("name with K or S")
		}
		if len(m) > 16 {
			g.hit("name of some length")
		}
		if g.tagN[m]++; g.tagN[m] > 1 {
			g.hit("name at two depths")
		}
	}
	for i, m := range members {
		if slices.Contains(members[:i], m) {
			g.hit("name twice at one depth")
		}
	}
}

// embed embeds some types in struct number i.
func (g *generator) embed(i int, used map[string]bool) {
	for range g.r.IntN(4) {
		name, source := g.embedded(i)
		if name == "" || used[name] {
			continue
		}
		used[name] = true
		tag := ""
		if g.chance(12) && (source[0] != 'u' || g.inside) {
			tag = " `json:\"" + pick(g, memberNames...) + "\"`"
			g.hit("embedded struct with a tag")
		} else if g.chance(8) {
			tag = " `json:\",omitempty\"`"
		}
		if i > 0 {
			g.hit("embedded in embedded")
		}
		g.printf("\t%s%s\n", source, tag)
	}
}

func (g *generator) embedded(i int) (name, source string) {
	if g.other != nil && g.chance(8) {
		g.hit("embedded struct of another package")
		name = pick(g, "Task", "S0", "S1")

		return name, pick(g, "", "", "*") + "other." + name
	}
	switch n := g.r.IntN(20); {
	case n < 8 && i+1 < g.nS:
		g.hit("embedded struct")
		name = "S" + strconv.Itoa(i+1+g.r.IntN(g.nS-i-1))

		return name, name
	case n < 12 && i < g.nS:
		g.hit("embedded pointer")
		name = pick(g, "S"+strconv.Itoa(g.r.IntN(g.nS)), "Task")

		return name, "*" + name
	case n < 15 && i < g.nS:
		g.hit("embedded unexported struct")
		name = "u" + strconv.Itoa(g.r.IntN(g.nU))

		return name, name
	case n < 18:
		t := pick(g, g.named...)
		if !t.embeds || t.class == withMethods && g.chance(75) { // its methods are those of all that embed it
			return "", ""
		}
		g.hit(t.labels...)
		g.hit("embedded type that is no struct")
		if t.class == withMethods {
			g.hit("embedded type with methods")
		}

		if t.class == withMethods && g.chance(80) {
			return t.name, t.name // the methods of a nil pointer panic
		}

		return t.name, pick(g, "", "*") + t.name
	case n == 18 && g.chance(40):
		g.hit("embedded type with methods")
		return "Time", "time.Time"
	case n == 19 && i < g.nS:
		g.hit("generic struct")
		return "Box", pick(g, "", "*") + "Box[" + g.basic() + "]"
	}

	return "", ""
}

// tag is a random tag for a field, and the member's name if it has one there.
func (g *generator) tag(e expr) (tag, member string) {
	if g.chance(35) {
		return "", ""
	}
	switch g.r.IntN(40) {
	case 0:
		g.hit("dash")
		return " `json:\"-\"`", ""
	case 1:
		g.hit("dash and comma")
		return " `json:\"-,\"`", "-"
	case 2, 3:
		g.hit("name with invalid characters")
		return " `json:\"" + pick(g, badNames...) + "\"`", ""
	case 4:
		return " `xml:\"x\" json:\"y\"`", "y"
	case 5:
		return " `json:y`", ""
	}
	if g.chance(65) {
		member = pick(g, memberNames...)
		if strings.ContainsAny(member, "<&") {
			g.hit("member name to escape")
		}
		if strings.IndexFunc(member, func(c rune) bool { return c > 127 }) >= 0 {
			g.hit("name outside of ASCII")
		}
	}
	options := pick(g, "", "", "", ",omitempty", ",omitzero", ",string", ",omitempty,omitzero", ",string,omitzero",
		",omitempty,string", ",", ", string", ",OMITEMPTY,other", ",omitzero,omitempty,string")
	if strings.Contains(e.source, "other.") && g.chance(80) { // most cannot be compared from here
		options = strings.ReplaceAll(options, ",omitzero", "")
	}
	g.options(e, options)
	if member == "" && options == "" {
		return "", ""
	}

	return " `json:\"" + member + options + "\"`", member
}

func (g *generator) options(e expr, options string) {
	list := strings.Split(options, ",")
	on := map[class]string{
		scalar: "scalar", structure: "struct", composite: "slice, map or array", pointer: "pointer",
		withMethods: "type with methods", scalarPointer: "pointer",
	}[e.class]
	empty, zero := slices.Contains(list, "omitempty"), slices.Contains(list, "omitzero")
	if empty {
		g.hit("omitempty on " + on)
	}
	if zero {
		g.hit("omitzero on " + on)
	}
	if empty && zero {
		g.hit("omitempty and omitzero")
	}
	if !slices.Contains(list, "string") {
		return
	}
	switch e.class {
	case scalar:
		g.hit("string on scalar")
	case scalarPointer:
		g.hit("string on pointer")
	case withMethods:
		g.hit("string on type with methods")
	default:
		g.hit("string where it is ignored")
	}
}
