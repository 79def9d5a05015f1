package model

import "slices"

// Codec is the JSON form of a payload: for each direction a list of functions,
// the payload's own first, the others in the order in which they are first
// called. The directions differ where a type has only one of MarshalJSON and
// UnmarshalJSON, or where encoding/json finds a method in one of them alone.
type Codec struct {
	Appenders []Func
	Decoders  []Func
	Zeros     []Zero // tests that omitzero needs and no expression can make

	Schema string // id of the payload's JSON form, in events; "" of a shared codec
	Shape  string // what the id follows from, for people

	SharedStrings bool // strings of one document are parts of one copy of it

	Bytes int64 // size of a payload, on a 64-bit machine
	Held  Held  // what it holds besides
	Sizes []Size
}

// Func is one unexported function of the codec, or the exported one of the
// payload's own.
type Func struct {
	Name   string
	Shared bool   // of the payload: it is declared with the payload, by its tqgen:codec
	Table  string // decoding a struct: the table of its members
	Elem   Elem   // its value; Elem.Func is empty here and Name where it is called

	// Parts are the functions a struct of many fields is split over, PartSize
	// fields each. Few fields have none.
	Parts []string
}

// PartSize is how many fields one function looks at.
const PartSize = 40

// Elem is how values of one Go type stand in JSON, in one direction.
//
// An Elem with Func set stands for a call of that function and has no parts:
// so a recursive type is a finite tree. Slices and maps without Func are those
// of plain strings, which the runtime has functions for.
type Elem struct {
	Kind   Kind
	Type   string // as the output spells it, "lease.Peer"
	GoType string // as errors name it, "lease.Peer", wherever it is spelled
	Basic  string // of scalars: the predeclared type, "int32"
	Func   string // function for it, "" where it is written in place
	Shared bool   // Func is exported, by the tqgen:codec of the type
	Quoted bool   // ,string: the scalar stands within a JSON string

	MethodFrom string // JSONMarshaler, TextMarshaler: embedded field the method is promoted from, "" if it is the type's own

	CanFail   bool // appending: the function or expression returns an error
	Recursive bool // appending: Func takes the depth, since it can reach itself

	Nilable  bool    // decoding by method: null sets it to nil without a call
	Length   int64   // Array
	Elem     *Elem   // Slice, Array, Map, Pointer
	Key      *Key    // Map
	Struct   *Struct // Struct
	ByteType string  // appending Bytes, decoding a Slice: the element if it is a byte by another name
}

// Kind is the form of an Elem.
type Kind uint8

const (
	Bool Kind = iota
	Int
	Uint
	Float
	String
	Bytes         // base64
	Time          // time.Time
	RawMessage    // json.RawMessage
	Number        // json.Number
	JSONMarshaler // MarshalJSON, UnmarshalJSON
	TextMarshaler // MarshalText, UnmarshalText
	StructKind
	Slice
	Array
	Map
	Pointer
)

// Key is the key of a map.
type Key struct {
	Kind    KeyKind
	Type    string // as the output spells it
	GoType  string // as errors name it
	Basic   string // predeclared type of StringKey, IntKey and UintKey
	Pointer bool   // TextKey: a nil key stands as ""
}

// KeyKind is how a map's key becomes a member name.
type KeyKind uint8

const (
	StringKey KeyKind = iota
	IntKey
	UintKey
	TextKey // MarshalText, UnmarshalText
	JSONKey // decoding alone: UnmarshalJSON goes before UnmarshalText
)

// Struct is the fields of a struct that stand in JSON, after dominance.
type Struct struct {
	Fields  []Field
	Skipped []Skipped
}

// Field is one member of an object.
type Field struct {
	Name     string            // member name
	Constant string            // name as it is written: quoted, escaped, with its colon
	Selector string            // below the struct: "Zone", "Base.Zone"
	Pointers []EmbeddedPointer // on the way to it, outermost first
	Path     string            // as errors give it: "Base.zone"
	Keep     []Test            // appending: written if all hold
	Hidden   bool              // decoding: errors leave its value out
	Elem     Elem
	Origin   string // why it is here, for people
}

// Never reports whether the field is never written: its type is always empty.
func (f *Field) Never() bool {
	return slices.ContainsFunc(f.Keep, func(t Test) bool { return t.Kind == Never })
}

// EmbeddedPointer is an embedded pointer on the way to a promoted field. While
// it is nil the field is left out; decoding allocates it.
type EmbeddedPointer struct {
	Selector string
	Type     string // what it points to, as the output spells it
}

// Skipped is a field of the struct that has no place in JSON.
type Skipped struct {
	Name   string // Go name, with those of embedded structs before it
	Reason string
}

// Test is a condition on a field's value.
type Test struct {
	Kind TestKind
	Type string // NotLiteral: the type, as the output spells it; IsTrue: bool, if x is to be made one
	Func string // NotZeroFunc: the function
}

// TestKind is the form of a Test.
type TestKind uint8

const (
	Never        TestKind = iota // an array of no length is always empty
	IsTrue                       // a bool
	NotNumber                    // != 0
	NotString                    // != ""
	HasLength                    // len != 0
	NotNil                       // != nil
	NotIsZero                    // its IsZero method says no
	NotNilIsZero                 // not nil, and its IsZero method says no
	NotLiteral                   // differs from the zero value of a comparable type
	NotZeroFunc                  // a function of the codec says no
)

// Zero is a function that reports whether a value is its type's zero value,
// for types that have no ==.
type Zero struct {
	Name  string
	Type  string
	Array bool   // Parts is the one test of every element
	Parts []Part // all must not hold
}

// Part is a test of one field.
type Part struct {
	Selector string
	Test     Test
}

// Size is a function that gives the bytes a value holds beyond itself.
type Size struct {
	Name    string
	Bounded bool // takes the number of values still to look at: the type, or one below it, can reach itself
	Held    Held
}

// Held is what a value of one Go type holds in memory beyond its own bytes.
type Held struct {
	Kind     HeldKind
	Type     string // as the output spells it, of a Size's own Held
	Selector string // below the struct it is a field of
	Bytes    int64  // of one element, of what a pointer points to, or of an entry of a map
	Func     string // HeldCall: the function
	Bounded  bool   // HeldCall: the function takes the budget
	ByValue  bool   // HeldCall: the function takes the value, not its address
	Key      *Held  // HeldMap: nil if keys hold nothing
	Elem     *Held  // nil if elements hold nothing
	Fields   []Held // HeldStruct: those that hold something
}

// HeldKind is the form of a Held.
type HeldKind uint8

const (
	HeldNothing HeldKind = iota
	HeldString
	HeldSlice
	HeldArray
	HeldMap
	HeldPointer
	HeldStruct
	HeldCall
)
