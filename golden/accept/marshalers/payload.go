// Package marshalers has types with marshal methods of every kind.
package marshalers

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Task has them all, by value, by pointer, in slices, maps and arrays.
//
//tqgen:queue
type Task struct {
	Value     Value
	ValuePtr  *Value
	Pointer   Pointer
	PtrPtr    *Pointer
	Deep      **Pointer
	Text      Text
	TextPtr   *Text
	TextAddr  TextAddr
	Write     WriteOnly
	Read      ReadOnly
	ReadPtr   *ReadOnly
	Both      Both
	List      []Pointer
	Array     [2]Pointer
	Map       map[string]Pointer
	MapPtr    map[string]*Pointer
	MapStruct map[string]Holder
	MapArray  map[string][1]Pointer
	MapText   map[string]TextAddr
	Holder    Holder
	Promoted  Promoted
	Stamp     Stamp
	Anonymous struct{ Value }
	AnonPtr   *struct{ Value }
	Named     NamedPtr
	IDs       IDs
	Quoted    Quoted  `json:",string"`
	QuotedPtr *Quoted `json:",string"`
	Letters   []Letter
	Omitted   Value `json:",omitempty"`
}

// Value has methods on the value to write and on the pointer to read.
type Value struct{ n int }

// MarshalJSON writes what has to be compacted and escaped.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.n == 13 {
		return nil, errors.New("no thirteen")
	}
	if v.n == 14 {
		return []byte("{"), nil
	}

	return []byte(" { \"n\" : " + strconv.Itoa(v.n) + ", \"s\": \"<&>\" } "), nil
}

// UnmarshalJSON reads the length of what it is given.
func (v *Value) UnmarshalJSON(raw []byte) error {
	if string(raw) == "13" {
		return errors.New("no thirteen")
	}
	v.n = len(raw)

	return nil
}

// Pointer has both methods on the pointer.
type Pointer struct{ N int }

// MarshalJSON is asked only where there is an address.
func (p *Pointer) MarshalJSON() ([]byte, error) { return []byte(strconv.Itoa(p.N)), nil }

// UnmarshalJSON takes numbers.
func (p *Pointer) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		p.N = -1
		return nil
	}
	n, err := strconv.Atoi(string(raw))
	p.N += n

	return err
}

// Text is a string with a text form.
type Text string

// MarshalText needs escaping.
func (t Text) MarshalText() ([]byte, error) { return []byte("<" + string(t) + ">"), nil }

// UnmarshalText refuses one text.
func (t *Text) UnmarshalText(text []byte) error {
	if string(text) == "x" {
		return errors.New("no x")
	}
	*t = Text(text)

	return nil
}

// TextAddr has its text form on the pointer.
type TextAddr struct{ S string }

// MarshalText is asked only where there is an address.
func (t *TextAddr) MarshalText() ([]byte, error) { return []byte(t.S), nil }

// UnmarshalText keeps the text.
func (t *TextAddr) UnmarshalText(text []byte) error {
	t.S = string(text)

	return nil
}

// WriteOnly is written by its method and read as a struct.
type WriteOnly struct{ A int }

// MarshalJSON writes an object.
func (w WriteOnly) MarshalJSON() ([]byte, error) { return []byte(`{"A":7}`), nil }

// ReadOnly is written as a struct and read by its method.
type ReadOnly struct{ A string }

// UnmarshalText reads a string.
func (r *ReadOnly) UnmarshalText(text []byte) error {
	r.A = strings.ToUpper(string(text))

	return nil
}

// Both has a JSON form and a text form: the JSON form goes first.
type Both struct{ A int }

// MarshalJSON goes first.
func (b Both) MarshalJSON() ([]byte, error) { return []byte(strconv.Itoa(b.A)), nil }

// MarshalText is not asked.
func (b Both) MarshalText() ([]byte, error) { return nil, errors.New("never") }

// UnmarshalJSON goes first.
func (b *Both) UnmarshalJSON(raw []byte) error { b.A = len(raw); return nil }

// UnmarshalText is not asked.
func (b *Both) UnmarshalText([]byte) error { return errors.New("never") }

// Holder holds by value what needs an address.
type Holder struct {
	P Pointer
	T [1]TextAddr
	S []Pointer
}

// Promoted gets its methods from what it embeds.
type Promoted struct {
	Value
	Other string
}

// Stamp is a struct with the methods of a time.
type Stamp struct{ time.Time }

// NamedPtr has no methods, being a pointer with a name.
type NamedPtr *Pointer

// IDs is a slice with a text form: null makes it nil.
type IDs []string

// MarshalText joins.
func (l IDs) MarshalText() ([]byte, error) { return []byte(strings.Join(l, ",")), nil }

// UnmarshalText splits.
func (l *IDs) UnmarshalText(text []byte) error {
	*l = strings.Split(string(text), ",")

	return nil
}

// Quoted is a number with methods, in a member tagged ",string".
type Quoted int

// MarshalJSON writes no string.
func (q Quoted) MarshalJSON() ([]byte, error) { return []byte(strconv.Itoa(int(q))), nil }

// UnmarshalJSON is given what is in the string.
func (q *Quoted) UnmarshalJSON(raw []byte) error { *q = Quoted(len(raw)); return nil }

// Letter is a byte with a JSON form: a slice of it is no base64.
type Letter byte

// MarshalText is the letter.
func (l Letter) MarshalText() ([]byte, error) { return []byte{'a' + byte(l)%26}, nil }

// UnmarshalText takes the first letter.
func (l *Letter) UnmarshalText(text []byte) error {
	if len(text) > 0 {
		*l = Letter(text[0] - 'a')
	}

	return nil
}
