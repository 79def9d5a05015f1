// Package typegen makes random payload types: Go source drawn from everything
// the codec supports.
package typegen

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// A Type is a package with one random payload, Task.
type Type struct {
	Name   string // of the package, "p12"
	Source string
	Other  string // source of the package "other" below, which it imports
	Inside bool   // the output is part of the package itself
	Hits   map[string]bool
}

// New makes the nth type of a seed, in a package below the path module. The
// same seed gives the same types.
func New(module string, seed uint64, n int) Type {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	other := newGenerator(r)
	other.payload("other", "")
	g := newGenerator(r)
	g.other = other
	g.inside = g.chance(30)
	name := "p" + strconv.Itoa(n)
	g.payload(name, module+"/"+name+"/other")
	if g.inside {
		g.hit("codec in the payload's package")
	}

	return Type{Name: name, Source: g.out.String(), Other: other.out.String(), Inside: g.inside, Hits: g.hits}
}

func newGenerator(r *rand.Rand) *generator {
	return &generator{r: r, hits: map[string]bool{}, tagN: map[string]int{}}
}

// expr is a type as a field has it.
type expr struct {
	source string
	class  class
	named  string // the type's name, of those declared here
}

type class uint8

const (
	scalar class = iota
	structure
	composite // slice, map, array
	pointer
	withMethods
	scalarPointer
)

// named is a declared type that is no plain struct.
type named struct {
	name     string
	class    class
	embeds   bool // may be embedded
	key      bool // may be the key of a map
	keyLabel string
	labels   []string // noted wherever it is used
}

type generator struct {
	r     *rand.Rand
	out   strings.Builder
	hits  map[string]bool
	named []named
	tagN  map[string]int
	nS    int // structs S0 to S(nS-1)
	nU    int // unexported structs u0 to u(nU-1)
	alias bool

	inside bool       // the output is part of the package
	other  *generator // of the package that is imported, nil in that itself
}

var known = func() map[string]bool {
	m := map[string]bool{}
	for _, f := range Features {
		m[f.Name] = true
	}

	return m
}()

func (g *generator) hit(names ...string) {
	for _, name := range names {
		if !known[name] {
			panic("typegen: no feature " + name)
		}
		g.hits[name] = true
	}
}

func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

func pick[T any](g *generator, list ...T) T { return list[g.r.IntN(len(list))] }

func (g *generator) printf(format string, args ...any) { fmt.Fprintf(&g.out, format, args...) }

const header = `// Package %s has a random payload.
package %[1]s

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/netip"
	"net/url"
	"time"

	"github.com/tqgen/tqgen/golden/internal/jsonmethods"
	%s
)

var (
	_ json.Number
	_ big.Int
	_ netip.Addr
	_ url.URL
	_ time.Time
%s	_ = fmt.Sprint
	_ = jsonmethods.Read
)

`

// payload declares everything. A struct holds by value only structs declared
// after it, so that none contains itself.
func (g *generator) payload(name, imported string) {
	g.nS, g.nU = 2+g.r.IntN(6), 2+g.r.IntN(2)
	g.alias = g.chance(40)
	use := ""
	if imported != "" {
		imported, use = strconv.Quote(imported), "\t_ other.Task\n"
	}
	g.printf(header, name, imported, use)
	for i := range 2 + g.r.IntN(6) {
		g.declare("N" + strconv.Itoa(i))
	}
	g.structs()
	if g.alias {
		e := g.typ(g.nS, 2, false)
		g.printf("type Alias = %s\n\n", e.source)
	}
	g.printf("type Box[A any] struct {\n\tV A\n\tMore []A `json:\",omitempty\"`\n\tNext *Box[A]\n}\n\n")
}

func (g *generator) structs() {
	g.printf("// Task is random.\n")
	if g.other != nil {
		directive := "//tqgen:queue"
		if g.inside {
			directive += " out=."
		}
		g.printf("//\n%s\n", directive)
	}
	g.structure("Task", -1, "")
	if g.chance(4) {
		g.hit("payload with methods")
		g.methods("Task", "struct", nil)
	}
	for i := range g.nS {
		before := g.out.String()
		embeds := g.structure("S"+strconv.Itoa(i), i, "")
		if g.chance(25) && (!embeds || g.chance(5)) { // what it embeds may have methods, which is refused
			g.hit("struct with a codec of its own")
			declared := g.out.String()[len(before):]
			g.out.Reset()
			g.printf("%s//tqgen:codec\n%s", before, declared)
		}
	}
	for i := range g.nU {
		g.structure("u"+strconv.Itoa(i), g.nS, "U"+strconv.Itoa(i))
	}
}

// integers by width, and what else there is of basic types.
var (
	signed   = []string{"int", "int8", "int16", "int32", "int64", "rune"}
	unsigned = []string{"uint", "uint8", "uint16", "uint32", "uint64", "uintptr", "byte"}
)

func (g *generator) basic() string {
	switch g.r.IntN(10) {
	case 0:
		g.hit("bool")
		return "bool"
	case 1, 2:
		g.hit("int8 to int64")
		return pick(g, signed...)
	case 3, 4:
		g.hit("uint8 to uintptr")
		return pick(g, unsigned...)
	case 5:
		g.hit("float32")
		return "float32"
	case 6:
		g.hit("float64")
		return "float64"
	default:
		g.hit("string")
		return "string"
	}
}

// typ is a random type for a field of struct number i; direct where values
// stand in the struct itself.
func (g *generator) typ(i, depth int, direct bool) expr {
	n := g.r.IntN(100)
	switch {
	case g.other != nil && g.chance(7):
		return g.imported()
	case depth > 3 || n < 28:
		return expr{source: g.basic()}
	case n < 42:
		t := pick(g, g.named...)
		g.hit(t.labels...)

		return expr{t.name, t.class, t.name}
	case n < 54:
		return g.structType(i, direct)
	case n < 63:
		return g.pointerTo(i, depth)
	case n < 71:
		return g.sliceOf(i, depth)
	case n < 76:
		return g.arrayOf(i, depth, direct)
	case n < 86:
		return g.mapOf(i, depth)
	case n < 94:
		return g.standard()
	case n < 96:
		g.hit("generic struct")
		e := g.typ(i, depth+2, direct)
		if e.source == "Alias" { // an alias is another name of what may be a Box
			e.source = "int"
		}

		return expr{source: "Box[" + e.source + "]", class: structure}
	case n < 98 && g.alias && i < g.nS && !direct:
		g.hit("alias")
		return expr{source: "Alias", class: composite}
	default:
		g.hit("struct without a name")
		a, b := g.typ(i, depth+1, direct), g.typ(i, depth+1, direct)

		return expr{fmt.Sprintf("struct { A %s; B %s `json:\"b,omitempty\"` }", a.source, b.source), structure, ""}
	}
}

// imported is a type of the other package.
func (g *generator) imported() expr {
	g.hit("type of another package")
	for name := range g.other.hits {
		g.hits[name] = true
	}
	if g.chance(40) {
		t := pick(g, g.other.named...)
		return expr{"other." + t.name, t.class, ""}
	}

	return expr{source: "other." + pick(g, "Task", "S0", "S1"), class: structure}
}

func (g *generator) structType(i int, direct bool) expr {
	if !direct {
		g.hit("recursive by slice or map")
		return expr{source: "S" + strconv.Itoa(g.r.IntN(g.nS)), class: structure}
	}
	if i+1 >= g.nS {
		return g.pointerTo(i, 3)
	}
	g.hit("struct in struct")

	return expr{source: "S" + strconv.Itoa(i+1+g.r.IntN(g.nS-i-1)), class: structure}
}

func (g *generator) pointerTo(i, depth int) expr {
	g.hit("pointer")
	if g.chance(30) {
		g.hit("recursive by pointer")
		return expr{source: "*" + pick(g, "Task", "S0", "S"+strconv.Itoa(g.r.IntN(g.nS))), class: pointer}
	}
	e := g.typ(i, depth+1, false)
	switch e.class {
	case scalar:
		return expr{source: "*" + e.source, class: scalarPointer}
	case pointer, scalarPointer:
		g.hit("pointer to pointer")
	}

	return expr{source: "*" + e.source, class: pointer}
}

func (g *generator) sliceOf(i, depth int) expr {
	if g.chance(12) {
		g.hit("slice of bytes")
		return expr{source: "[]byte", class: composite}
	}
	g.hit("slice")
	e := g.typ(i, depth+1, false)
	switch {
	case e.class == structure:
		g.hit("slice of structs")
	case e.class == composite:
		g.hit("slice of slices")
	}

	return expr{source: "[]" + e.source, class: composite}
}

func (g *generator) arrayOf(i, depth int, direct bool) expr {
	n := g.r.IntN(4)
	if n == 0 {
		g.hit("array of length 0")
	}
	if g.chance(15) {
		g.hit("array of bytes")
		return expr{source: fmt.Sprintf("[%d]byte", n), class: composite}
	}
	g.hit("array")
	e := g.typ(i, depth+1, direct)
	if e.class == composite || e.class == structure {
		g.hit("array of slices, maps or structs")
	}

	return expr{source: fmt.Sprintf("[%d]%s", n, e.source), class: composite}
}

func (g *generator) mapOf(i, depth int) expr {
	g.hit("map")
	e := g.typ(i, depth+1, false)
	switch {
	case strings.HasPrefix(e.source, "map["):
		g.hit("map of maps")
	case e.class == structure:
		g.hit("map of structs")
	case e.class == composite:
		g.hit("map of slices")
	}

	return expr{source: "map[" + g.key() + "]" + e.source, class: composite}
}

func (g *generator) key() string {
	switch g.r.IntN(6) {
	case 0, 1:
		g.hit("string key")
		return "string"
	case 2:
		g.hit("signed key")
		return pick(g, signed...)
	case 3:
		g.hit("unsigned key")
		return pick(g, unsigned...)
	}
	if g.other != nil && g.chance(20) {
		if t := pick(g, g.other.named...); t.key {
			g.hit(t.keyLabel)
			return "other." + t.name
		}
	}
	for range 8 {
		if t := pick(g, g.named...); t.key {
			g.hit(t.keyLabel)
			return t.name
		}
	}

	return "string"
}

func (g *generator) standard() expr {
	switch g.r.IntN(9) {
	case 0, 1:
		g.hit("time.Time")
		return expr{source: "time.Time", class: withMethods}
	case 2:
		return expr{source: "time.Duration"}
	case 3:
		g.hit("RawMessage")
		return expr{source: "json.RawMessage", class: withMethods}
	case 4:
		g.hit("Number")
		return expr{source: "json.Number"}
	case 5:
		g.hit("big.Int")
		return expr{source: "*big.Int", class: pointer}
	case 6:
		g.hit("netip.Addr")
		return expr{source: "netip.Addr", class: withMethods}
	case 7:
		return expr{source: "url.URL", class: structure}
	default:
		return expr{source: "struct{}", class: structure}
	}
}
