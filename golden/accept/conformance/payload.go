// Package conformance has a field for each line of the list of what the codec
// conforms to: lines_test.go has a test for each.
package conformance

import (
	"encoding/json"
	"errors"
	"strconv"
)

// Task has one member for each line about types.
//
//tqgen:queue
type Task struct {
	Text    Text    `json:"<text>"`
	Floats  Floats  `json:"floats"`
	Keys    Keys    `json:"keys"`
	Empty   Empty   `json:"empty"`
	Omit    Omit    `json:"omit"`
	Quoted  Quoted  `json:"quoted"`
	Methods Methods `json:"methods"`
	Node    *Node   `json:"node"`
	Fields  Fields  `json:"fields"`
	Names   Names   `json:"names"`
	Folded  Folded  `json:"folded"`
	Numbers Numbers `json:"numbers"`
	Parts   Parts   `json:"parts"`
	Wide    Wide    `json:"wide"`
	Panic   Panic   `json:"panic"`
	Keep    Keep    `json:"keep"`
	left
	right
}

// left and right embed Shared, which no selector reaches from another package.
type (
	left  struct{ Shared }
	right struct{ Shared }
)

// Shared is embedded twice at one depth.
type Shared struct{ Z int }

// Text is line 1.
type Text struct {
	S    string
	Name string `json:"a&b"`
}

// Floats is line 2.
type Floats struct {
	F32 float32
	F64 float64
}

// Keys is line 3.
type Keys struct {
	Strings map[string]int
	Named   map[Word]int
	Ints    map[int8]string
	Uints   map[uint64]string
	Texts   map[Point]int
	Numbers map[Level]int
}

// Word is a string whose MarshalText does not count in keys.
type Word string

// MarshalText is not asked for keys.
func (w Word) MarshalText() ([]byte, error) { return []byte("text:" + w), nil }

// UnmarshalText is asked for keys too.
func (w *Word) UnmarshalText(text []byte) error { *w = Word("read:" + string(text)); return nil }

// Point is a key by its text.
type Point struct{ X, Y int }

// MarshalText gives both numbers.
func (p Point) MarshalText() ([]byte, error) {
	return []byte(strconv.Itoa(p.X) + "<" + strconv.Itoa(p.Y)), nil
}

// UnmarshalText counts.
func (p *Point) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("no point")
	}
	p.X, p.Y = len(text), int(text[0])

	return nil
}

// Level is an integer that prefers its text.
type Level int

// MarshalText spells the level.
func (l Level) MarshalText() ([]byte, error) { return []byte("level " + strconv.Itoa(int(l))), nil }

// UnmarshalText keeps the length.
func (l *Level) UnmarshalText(text []byte) error { *l = Level(len(text)); return nil }

// Empty is line 4.
type Empty struct {
	Slice   []int
	Map     map[string]int
	Pointer *int
	Bytes   []byte
	Array   [3]byte
	Named   []Octet
	Own     []Shown
}

// Octet is a byte with a name.
type Octet byte

// Shown is a byte with a form of its own.
type Shown byte

// MarshalText makes an array of a slice of them.
func (s Shown) MarshalText() ([]byte, error) { return []byte{'0' + byte(s)%10}, nil }

// Omit is line 5.
type Omit struct {
	Bool       bool           `json:",omitempty"`
	Int        int            `json:",omitempty"`
	Float      float64        `json:",omitempty"`
	String     string         `json:",omitempty"`
	Pointer    *int           `json:",omitempty"`
	Array      [0]int         `json:",omitempty"`
	Pair       [2]int         `json:",omitempty"`
	Slice      []int          `json:",omitempty"`
	Map        map[string]int `json:",omitempty"`
	Struct     Text           `json:",omitempty"`
	Complex    Complex        `json:",omitempty"`
	Channel    Channel        `json:",omitempty"`
	Zero       Text           `json:",omitzero"`
	ZeroSlice  []int          `json:",omitzero"`
	Even       Even           `json:",omitzero"`
	EvenPtr    *Even          `json:",omitzero"`
	Odd        Odd            `json:",omitzero"`
	OddPtr     *Odd           `json:",omitzero"`
	Both       []int          `json:",omitempty,omitzero"`
	EvenOrNone Even           `json:",omitempty,omitzero"`
	Switch     Switch         `json:",omitempty,omitzero"`
	Switches   Switches       `json:",omitzero"`
	Nothing    [1][0][]int    `json:",omitzero"`
	NoParts    NoParts        `json:",omitzero"`
	Uneven     [2][]int       `json:",omitzero"`
}

// Complex has a JSON form by its methods alone, and omitempty finds no kind of
// its that can be empty.
type Complex complex128

// MarshalJSON writes the real part.
func (c Complex) MarshalJSON() ([]byte, error) { return json.Marshal(real(c)) }

// UnmarshalJSON reads the real part.
func (c *Complex) UnmarshalJSON(src []byte) error {
	var f float64
	err := json.Unmarshal(src, &f)
	*c = Complex(complex(f, 0))

	return err
}

// Channel is another.
type Channel chan int

// MarshalJSON writes whether there is one.
func (c Channel) MarshalJSON() ([]byte, error) { return json.Marshal(c != nil) }

// UnmarshalJSON makes none.
func (c *Channel) UnmarshalJSON([]byte) error { *c = nil; return nil }

// Even is zero if it is even.
type Even int

// IsZero has a value receiver.
func (e Even) IsZero() bool { return e%2 == 0 }

// Switch is a bool with an IsZero.
type Switch bool

// IsZero is never true.
func (Switch) IsZero() bool { return false }

// NoParts is always zero, and cannot be compared.
type NoParts struct{ A, B [0][]int }

// Switches cannot be compared with ==.
type Switches struct {
	On   Switch
	List []int
}

// Odd is zero if it is odd.
type Odd struct{ N int }

// IsZero has a pointer receiver.
func (o *Odd) IsZero() bool { return o.N%2 == 1 }

// Quoted is line 6.
type Quoted struct {
	Bool      bool     `json:",string"`
	Int       int8     `json:",string"`
	Uint      uint     `json:",string"`
	Float     float32  `json:",string"`
	String    string   `json:",string"`
	Pointer   *int     `json:",string"`
	StringPtr *string  `json:",string"`
	Twice     **int    `json:",string"`
	Slice     []int    `json:",string"`
	Struct    Text     `json:",string"`
	Own       Number   `json:",string"`
	OwnPtr    *Number  `json:",string"`
	Even      Even     `json:",string"`
	Decimal   *float64 `json:",string"`
	Complex   Complex  `json:",string"`
}

// Number is an integer with methods.
type Number int

// MarshalJSON writes an array.
func (n Number) MarshalJSON() ([]byte, error) { return []byte("[" + strconv.Itoa(int(n)) + "]"), nil }

// UnmarshalJSON keeps the length, and the first byte.
func (n *Number) UnmarshalJSON(src []byte) error {
	*n = Number(1000*len(src) + int(src[0]))
	return nil
}

// Methods is line 7, and 19 and 21.
type Methods struct {
	Value   Number
	Pointer *Number
	Addr    Addr
	AddrMap map[string]Addr
	AddrPtr map[string]*Addr
	Both    Both
	Loose   Loose
	Text    Level
	TextPtr *Level
	Raw     json.RawMessage
	RawPtr  *json.RawMessage
	Number  json.Number
	Exact   Exact
}

// Addr has its methods on the pointer.
type Addr struct{ N int }

// MarshalJSON is asked where there is an address.
func (a *Addr) MarshalJSON() ([]byte, error) { return []byte(strconv.Itoa(a.N + 1000)), nil }

// UnmarshalJSON counts calls.
func (a *Addr) UnmarshalJSON([]byte) error { a.N++; return nil }

// Both has JSON methods and text methods.
type Both struct{ N int }

// MarshalJSON goes first.
func (b Both) MarshalJSON() ([]byte, error) { return strconv.AppendInt(nil, int64(b.N), 10), nil }

// MarshalText is not asked.
func (Both) MarshalText() ([]byte, error) { return nil, errors.New("never") }

// UnmarshalJSON goes first.
func (b *Both) UnmarshalJSON(src []byte) error { b.N = len(src); return nil }

// UnmarshalText is not asked.
func (*Both) UnmarshalText([]byte) error { return errors.New("never") }

// Loose is written as it is.
type Loose string

// MarshalJSON writes whatever the string is.
func (l Loose) MarshalJSON() ([]byte, error) {
	switch l {
	case "":
		return []byte("null"), nil
	case "empty":
		return nil, nil
	case "fail":
		return nil, errors.New("failed")
	}

	return []byte(l), nil
}

// Exact keeps what it is given.
type Exact struct{ Raw string }

// UnmarshalJSON keeps all.
func (e *Exact) UnmarshalJSON(src []byte) error { e.Raw = string(src); return nil }

// Node is line 8, and 18.
type Node struct {
	Next *Node           `json:"next,omitempty"`
	List []Node          `json:"list,omitempty"`
	Map  map[string]Node `json:"map,omitempty"`
}

// Fields is line 9.
type Fields struct {
	Outer
	*Deep
	hidden
	Tagged `json:"tagged"`
	Count
	A int
}

// Outer and Deep embed Twice at one depth, which annihilates its fields.
type Outer struct {
	Twice
	A, B int
	Same int
}

// Deep is embedded as a pointer.
type Deep struct {
	Twice
	C    int
	Same int
	D    int `json:"B"`
}

// Twice is embedded twice.
type Twice struct{ T int }

type hidden struct{ H int }

// Tagged has a name of its own.
type Tagged struct{ X int }

// Count is no struct.
type Count int

// Names is line 10.
type Names struct {
	Never  int `json:"-"`
	Dash   int `json:"-,"`
	Bad    int `json:"a\\b"`
	Quote  int `json:"a\"b"`
	Comma  int `json:",other"`
	Fine   int `json:"!#$%&()*+-./:;<=>?@[]^_{|}~ é"`
	NoJSON int `xml:"x"`
}

// Folded is line 11.
type Folded struct {
	Key   int `json:"key"`
	KEY   int `json:"KEY"`
	Kiss  int `json:"kiss"`
	Greek int `json:"σ"`
}

// Numbers is line 17.
type Numbers struct {
	I8  int8
	I16 int16
	I32 int32
	I64 int64
	U8  uint8
	U16 uint16
	U32 uint32
	U64 uint64
	F32 float32
	F64 float64
}

// Parts is lines 12, 19 and 20.
type Parts struct {
	Struct  Text
	Map     map[string]Text
	Maps    map[string]map[string]int
	Array   [2]int
	Slice   []Text
	Pointer *Text
	Ints    []int
	Deep    **int
	Arrays  [2][]int
}

// Wide is line 23: names of one length and of many.
type Wide struct {
	F01, F02, F03, F04, F05, F06, F07, F08, F09, F10 int
	F11, F12, F13, F14, F15, F16, F17, F18, F19, F20 int
	F21, F22, F23, F24, F25, F26, F27, F28, F29, F30 string
	F31, F32, F33, F34, F35, F36, F37, F38, F39, F40 *int
	F41, F42, F43, F44, F45, F46, F47, F48, F49, F50 []int
}

// Panic is line 22.
type Panic struct{ How string }

// MarshalJSON panics if it is told to.
func (p Panic) MarshalJSON() ([]byte, error) {
	if p.How != "" {
		panic(p.How)
	}

	return []byte("null"), nil
}

// UnmarshalJSON panics if it is told to.
func (p *Panic) UnmarshalJSON(src []byte) error {
	if string(src) == `"panic"` {
		panic("read")
	}

	return nil
}

// Keep is lines 21 and 25.
type Keep struct {
	String string
	Bytes  []byte
	Raw    json.RawMessage
	Number json.Number
	Map    map[string]string
	List   []string
}
