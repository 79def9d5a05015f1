package jsonwire

import (
	"fmt"
	"strconv"
	"strings"
)

// MaxDepth is how deeply arrays and objects may nest, both ways.
const MaxDepth = 10_000

// A SyntaxError says where a document stops being JSON.
type SyntaxError struct {
	Offset  int64  // bytes read up to and including the one that is wrong
	Problem string // "invalid character 'x' after array element"
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return "jsonwire: " + e.Problem + " at offset " + strconv.FormatInt(e.Offset, 10)
}

// A TypeError says that a JSON value does not fit the Go value it was meant
// for. The document is well formed, and everything else in it has been read.
type TypeError struct {
	Value  string // what was found: "bool", "string", "array", "object", "number", "number -5"
	Type   string // what was wanted: "int32", "object"
	Offset int64  // just after the value; after its first byte for array and object
	Field  string // path of members from the root, "requestedBy.zone"; "" if none
}

// Error implements error.
func (e *TypeError) Error() string {
	return describe(e.Field, "cannot read "+e.Value+" as "+e.Type, e.Offset)
}

// A ValueError says that a value of the right type has no meaning: broken
// base64, a ",string" member without a string, a json.Number that is no number.
type ValueError struct {
	Offset int64  // just after the value
	Field  string // as in TypeError
	Err    error  // what is wrong with it
}

// Error implements error.
func (e *ValueError) Error() string { return describe(e.Field, e.Err.Error(), e.Offset) }

// Unwrap returns e.Err.
func (e *ValueError) Unwrap() error { return e.Err }

// A LimitError says that a document is larger than the Limits allow.
type LimitError struct {
	What string // "bytes", "depth" or "elements"
	Max  int    // how much is allowed
}

// Error implements error.
func (e *LimitError) Error() string {
	return "jsonwire: document has more than " + strconv.Itoa(e.Max) + " " + e.What
}

// A MarshalerError says that a type's own MarshalJSON or MarshalText failed,
// or returned what is no JSON.
type MarshalerError struct {
	Type string // the Go type, "lease.Config"
	Func string // "MarshalJSON" or "MarshalText"
	Err  error
}

// Error implements error.
func (e *MarshalerError) Error() string {
	return "jsonwire: " + e.Func + " of " + e.Type + ": " + e.Err.Error()
}

// Unwrap returns e.Err.
func (e *MarshalerError) Unwrap() error { return e.Err }

// An UnsupportedValueError says that a Go value has no JSON form: NaN, an
// infinity, a json.Number that is no number, a structure deeper than MaxDepth.
type UnsupportedValueError struct {
	Value string // "NaN"
}

// Error implements error.
func (e *UnsupportedValueError) Error() string { return "jsonwire: unsupported value: " + e.Value }

// valueProblem is the reason in a ValueError.
type valueProblem string

func (p valueProblem) Error() string { return string(p) }

// redacted stands for an error whose text may show a sensitive value.
type redacted struct{ err error }

func (e redacted) Error() string { return "value refused, not shown" }
func (e redacted) Unwrap() error { return e.err }

// Sensitive hides what err says of a sensitive value. The error itself is
// still there for errors.Is and errors.As.
func Sensitive(err error) error { return fmt.Errorf("jsonwire: %w", redacted{err}) }

func describe(field, problem string, offset int64) string {
	var b strings.Builder
	b.WriteString("jsonwire: ")
	if field != "" {
		b.WriteString(field)
		b.WriteString(": ")
	}
	b.WriteString(problem)
	b.WriteString(" at offset ")
	b.WriteString(strconv.FormatInt(offset, 10))

	return b.String()
}

// A MissingError says that an object lacks members it cannot do without.
type MissingError struct {
	Object string   // what the object is: "event"
	Names  []string // the members, in the order of declaration
}

// Error implements error.
func (e *MissingError) Error() string {
	return "jsonwire: " + e.Object + " lacks " + strings.Join(e.Names, ", ")
}

// Missing returns a *MissingError unless seen has every bit of required. Bit i
// stands for f.Names[i].
func (f *Fields) Missing(object string, seen, required uint64) error {
	if seen&required == required {
		return nil
	}
	e := &MissingError{Object: object}
	for i, name := range f.Names {
		if required&^seen&(1<<i) != 0 {
			e.Names = append(e.Names, name)
		}
	}

	return e
}
