// Package jsondiff compares a generated codec with encoding/json: the same
// bytes out, the same values and errors in, for random values and documents.
package jsondiff

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/jsonwire"
)

// Codec is the three functions generated for the payload T, and what the
// comparison needs to know of it.
type Codec[T any] struct {
	Append func([]byte, *T) ([]byte, error)
	Parse  func([]byte) (T, error)
	Decode func([]byte, *T) error

	Values    int            // how many random values; 0 means 300
	Make      map[string]Gen // values of types that random bits do not make, by reflect's name
	Documents []string       // documents besides those made from values
}

// Gen makes one value of a type.
type Gen func(r *rand.Rand) any

// Run compares c with encoding/json in every respect.
func Run[T any](t *testing.T, c Codec[T]) {
	t.Helper()
	if c.Values == 0 {
		c.Values = 300
	}
	if testing.Short() {
		c.Values = c.Values/10 + 1
	}

	t.Run("values", func(t *testing.T) { c.values(t) })
	t.Run("documents", func(t *testing.T) { c.documents(t) })
}

// values encodes random values, and decodes what came out, valid or spoilt.
func (c *Codec[T]) values(t *testing.T) {
	for seed := range uint64(c.Values) {
		r := rand.New(rand.NewPCG(seed, 1))
		var v T
		fill(r, reflect.ValueOf(&v).Elem(), c.Make, 0)
		document := c.encode(t, &v)
		if document == nil {
			continue
		}

		c.decode(t, document, seed)
		for range 6 {
			c.decode(t, spoil(r, document), seed)
		}
	}
}

// documents decodes what was given and what every codec should see.
func (c *Codec[T]) documents(t *testing.T) {
	for seed, document := range append(c.Documents, everyday...) {
		c.decode(t, []byte(document), uint64(seed))
	}
}

// everyday documents fit no payload in particular.
var everyday = []string{
	"", " ", "null", " null ", "true", "1", `"x"`, "[]", "{}", " { } ", "[1]", "{", "}", "nul", "nulL",
	"{}x", "{} {}", `{"":1}`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{"a" 1}`, "\ufeff{}", "{}\x00",
	`{"\u0069d":1}`, `{"unknown":{"a":[1,2,{}]}}`,
}

// encode checks the bytes of *v and gives them, nil if it has no JSON form.
func (c *Codec[T]) encode(t *testing.T, v *T) []byte {
	t.Helper()
	const before = "before"
	want, wantErr := json.Marshal(v)
	got, err := c.Append([]byte(before), v)
	if diff := cmp.Diff(describeEncode(wantErr), describeEncode(err)); diff != "" {
		t.Fatalf("encode %+v: error (-encoding/json +generated)\n%s%v\n%v", *v, diff, wantErr, err)
	}
	if diff := cmp.Diff(before+string(want), string(got)); diff != "" {
		t.Fatalf("encode %+v (-encoding/json +generated)\n%s", *v, diff)
	}

	return want
}

// decode checks the reading of document into a fresh value and into a filled
// one.
func (c *Codec[T]) decode(t *testing.T, document []byte, seed uint64) {
	t.Helper()
	given := bytes.Clone(document)
	var want T
	wantErr := json.Unmarshal(document, &want)
	got, err := c.Parse(document)
	compare(t, "parse", document, want, got, wantErr, err)

	want, got = c.filled(seed), c.filled(seed)
	wantErr = json.Unmarshal(document, &want)
	err = c.Decode(document, &got)
	compare(t, "decode", document, want, got, wantErr, err)
	if !bytes.Equal(given, document) {
		t.Fatalf("document %q has been written to: %q", given, document)
	}
}

// filled is a value with something in it, the same for the same seed.
func (c *Codec[T]) filled(seed uint64) T {
	var v T
	r := rand.New(rand.NewPCG(seed, 2))
	fill(r, reflect.ValueOf(&v).Elem(), c.Make, 0)
	calm(reflect.ValueOf(&v).Elem())

	return v
}

func compare[T any](t *testing.T, verb string, document []byte, want, got T, wantErr, err error) {
	t.Helper()
	if diff := cmp.Diff(describeDecode(wantErr), describeDecode(err)); diff != "" {
		t.Fatalf("%s %s: error (-encoding/json +generated)\n%s%v\n%v", verb, document, diff, wantErr, err)
	}
	if !reflect.DeepEqual(want, got) {
		t.Fatalf("%s %s\nerror %v (-encoding/json +generated)\n%s", verb, document, wantErr,
			cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })))
	}
}

// problem is what both kinds of errors have in common.
type problem struct {
	Kind, Text, Value, Field string
	Offset                   int64
}

func describeEncode(err error) problem {
	var (
		unsupported *json.UnsupportedValueError
		marshaler   *json.MarshalerError
		ownValue    *jsonwire.UnsupportedValueError
		ownMethod   *jsonwire.MarshalerError
	)
	switch {
	case err == nil:
		return problem{}
	case errors.As(err, &unsupported):
		return problem{Kind: "value", Value: unsupported.Str}
	case errors.As(err, &ownValue) && isFloat(ownValue.Value):
		return problem{Kind: "value", Value: ownValue.Value}
	case errors.As(err, &marshaler):
		return problem{Kind: "method", Value: trimPointer(marshaler.Type.String())}
	case strings.HasPrefix(err.Error(), mapKeyError):
		key, _, _ := strings.Cut(err.Error()[len(mapKeyError):], "]")

		return problem{Kind: "method", Value: key}
	case errors.As(err, &ownMethod):
		return problem{Kind: "method", Value: ownMethod.Type}
	default:
		return problem{Kind: "other"}
	}
}

// mapKeyError begins encoding/json's error about a key's MarshalText, which has
// no type of its own.
const mapKeyError = `json: encoding error for type "map[`

func isFloat(value string) bool { return value == "NaN" || value == "+Inf" || value == "-Inf" }

func trimPointer(name string) string {
	for len(name) > 0 && name[0] == '*' {
		name = name[1:]
	}

	return name
}

func describeDecode(err error) problem {
	switch err := err.(type) {
	case nil:
		return problem{}
	case *json.SyntaxError:
		return problem{Kind: "syntax", Text: err.Error(), Offset: err.Offset}
	case *jsonwire.SyntaxError:
		return problem{Kind: "syntax", Text: err.Problem, Offset: err.Offset}
	case *json.UnmarshalTypeError:
		return problem{Kind: "type", Value: err.Value, Field: err.Field, Offset: err.Offset}
	case *jsonwire.TypeError:
		return problem{Kind: "type", Value: err.Value, Field: err.Field, Offset: err.Offset}
	default:
		return problem{Kind: "other"}
	}
}
