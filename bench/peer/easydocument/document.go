// Package easydocument is package document once more, for easyjson. It has one type that touches every line of the list that a
// codec must keep to be a drop-in for encoding/json. Each part of it is for one
// line or two, and absent unless it is asked for.
package easydocument

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
)

//go:generate go -C ../../tools tool easyjson ../peer/easydocument/document.go

// Document is what is written and read.
//
//easyjson:json
type Document struct {
	Text     *Text     `json:"text,omitempty"`
	Floats   *Floats   `json:"floats,omitempty"`
	Ints     *Ints     `json:"ints,omitempty"`
	Maps     *Maps     `json:"maps,omitempty"`
	Nils     *Nils     `json:"nils,omitempty"`
	Omit     *Omit     `json:"omit,omitempty"`
	Quoted   *Quoted   `json:"quoted,omitempty"`
	Methods  *Methods  `json:"methods,omitempty"`
	Node     *Node     `json:"node,omitempty"`
	Embedded *Embedded `json:"embedded,omitempty"`
	Names    *Names    `json:"names,omitempty"`
	Times    *Times    `json:"times,omitempty"`
}

// Text has strings, one of a name that is escaped.
type Text struct {
	S      string `json:"s"`
	Markup string `json:"<&>"`
	Kelvin string `json:"kelvin"`
}

// Floats has both sizes.
type Floats struct {
	F64 float64 `json:"f64"`
	F32 float32 `json:"f32"`
}

// Ints has integers.
type Ints struct {
	I   int    `json:"i"`
	I8  int8   `json:"i8"`
	U8  uint8  `json:"u8"`
	I64 int64  `json:"i64"`
	U64 uint64 `json:"u64"`
}

// Word is a string with a text form of its own, which map keys do not use.
type Word string

// MarshalText implements encoding.TextMarshaler.
func (w Word) MarshalText() ([]byte, error) { return []byte("text:" + string(w)), nil }

// Code is an integer with a text form of its own, which map keys use.
type Code int

// MarshalText implements encoding.TextMarshaler.
func (c Code) MarshalText() ([]byte, error) { return []byte(strings.Repeat("x", int(c))), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Code) UnmarshalText(text []byte) error {
	*c = Code(len(text))
	return nil
}

// Maps has maps of all kinds of keys.
type Maps struct {
	Strings map[string]string `json:"strings,omitempty"`
	Ints    map[int]string    `json:"ints,omitempty"`
	Words   map[Word]string   `json:"words,omitempty"`
	Codes   map[Code]string   `json:"codes,omitempty"`
	Structs map[string]Pair   `json:"structs,omitempty"`
}

// Pair is a small struct.
type Pair struct {
	A int `json:"a"`
	B int `json:"b"`
}

// Nils has what may be nil or empty, and arrays.
type Nils struct {
	Slice []int          `json:"slice"`
	Map   map[string]int `json:"map"`
	Ptr   *int           `json:"ptr"`
	Bytes []byte         `json:"bytes"`
	Array [3]byte        `json:"array"`
	Pairs []Pair         `json:"pairs"`
}

// Omit has what is left out.
type Omit struct {
	Bool   bool      `json:"bool,omitempty"`
	Empty  [0]int    `json:"empty,omitempty"`
	Array  [2]int    `json:"array,omitempty"`
	Struct Pair      `json:"struct,omitempty"`
	Slice  []int     `json:"slice,omitempty"`
	Zero   Pair      `json:"zero,omitzero"`
	Time   time.Time `json:"time,omitzero"`
	Both   []int     `json:"both,omitempty,omitzero"`
}

// Quoted has values in strings.
type Quoted struct {
	S  string  `json:"s,string"`
	B  bool    `json:"b,string"`
	I  int     `json:"i,string"`
	F  float64 `json:"f,string"`
	P  *int    `json:"p,string"`
	Is []int   `json:"is,string"`
}

// Own has its JSON form from methods of its own, with markup and white space.
type Own struct{ N int }

// MarshalJSON implements json.Marshaler.
func (o Own) MarshalJSON() ([]byte, error) {
	if o.N < 0 {
		return []byte(`{"n":`), nil
	}

	return []byte("{ \"n\" : \"<" + strings.Repeat("n", o.N) + ">\" }"), nil
}

// UnmarshalJSON implements json.Unmarshaler. It keeps how many bytes it got.
func (o *Own) UnmarshalJSON(src []byte) error {
	if o.N = len(src); string(src) == `"panic"` {
		panic("as asked") //nolint:forbidigo // whether it reaches the caller is the question
	}

	return nil
}

// Plain has a text form, and a pointer receiver for one way.
type Plain struct{ S string }

// MarshalText implements encoding.TextMarshaler.
func (p *Plain) MarshalText() ([]byte, error) { return []byte("<" + p.S + ">"), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Plain) UnmarshalText(text []byte) error {
	if string(text) == "bad" {
		return errors.New("bad text")
	}
	p.S = string(text)

	return nil
}

// Methods has types with methods, and those of encoding/json.
type Methods struct {
	Own    Own             `json:"own"`
	OwnPtr *Own            `json:"ownPtr"`
	Plain  Plain           `json:"plain"`
	Raw    json.RawMessage `json:"raw"`
	Number json.Number     `json:"number"`
}

// Node may lead to itself.
type Node struct {
	Next  *Node  `json:"next,omitempty"`
	Nodes []Node `json:"nodes,omitempty"`
}

// Embedded has fields of others.
type Embedded struct {
	Base
	*Other
	hidden
	Name string `json:"name"`
}

// Base is embedded.
type Base struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Both int    `json:"both"`
}

// Other is embedded, too; both of it and Base have Both.
type Other struct {
	Extra string `json:"extra"`
	Too   int    `json:"-"` // easyjson's output does not compile with two fields of one name
}

type hidden struct {
	Shown string `json:"shown"`
}

// Names has odd names.
type Names struct {
	Never   string `json:"-"`
	Dash    string `json:"-,"`
	Invalid string `json:"in\\valid"`
	Default string
	Fold    string `json:"fold"`
	FOLD    string `json:"FOLD"`
}

// Times has a time.
type Times struct {
	T time.Time     `json:"t"`
	D time.Duration `json:"d"`
}
