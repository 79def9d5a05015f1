// Package jsondiff compares a generated codec with encoding/json: the same
// bytes out, the same values and errors in, for random values and documents.
package jsondiff

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/golden/internal/jsonmethods"
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

// Encode compares the encoding of v, and gives it, nil if it has no JSON form.
func (c *Codec[T]) Encode(t *testing.T, v *T) []byte {
	t.Helper()
	return c.encode(t, v)
}

// Read compares the reading of documents, into fresh values and into filled
// ones.
func (c *Codec[T]) Read(t *testing.T, documents ...string) {
	t.Helper()
	for seed, document := range documents {
		c.decode(t, []byte(document), uint64(seed))
	}
}

// values encodes random values, and decodes what came out and what the type
// would take, valid or spoilt.
func (c *Codec[T]) values(t *testing.T) {
	typ := reflect.TypeFor[T]()
	for seed := range uint64(c.Values) {
		r := rand.New(rand.NewPCG(seed, 1))
		var v T
		fill(r, reflect.ValueOf(&v).Elem(), c.Make)
		documents := [][]byte{shaped(r, typ)}
		if document := c.encode(t, &v); document != nil {
			documents = append(documents, document)
		}

		for _, document := range documents {
			c.decode(t, document, seed)
			for range 6 {
				c.decode(t, spoil(r, document), seed)
			}
		}
		if seed%100 == 99 {
			c.decode(t, deep(r, typ), seed)
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
	var want, got []byte
	wantErr := caught(func() (err error) {
		want, err = json.Marshal(v)
		return err
	})
	err := caught(func() (err error) {
		got, err = c.Append([]byte(before), v)
		return err
	})
	if _, ok := wantErr.(panicked); ok {
		got = []byte(before) // no promise is made
	}
	if diff := cmp.Diff(describeEncode(wantErr).promised(), describeEncode(err).promised()); diff != "" {
		t.Fatalf("encode %+v: error (-encoding/json +generated)\n%s%v\n%v", *v, diff, wantErr, err)
	}
	if diff := cmp.Diff(before+string(want), string(got)); diff != "" {
		t.Fatalf("encode %+v (-encoding/json +generated)\n%s", *v, diff)
	}

	return want
}

// decode checks the reading of document into a fresh value and into a filled
// one, and reports the shortest document found that is read differently.
func (c *Codec[T]) decode(t *testing.T, document []byte, seed uint64) {
	t.Helper()
	if c.difference(document, seed) == "" {
		return
	}
	document = shrink(document, func(d []byte) bool { return c.difference(d, seed) != "" })
	if len(document) > 1000 {
		t.Logf("document of %d bytes", len(document))
	}
	t.Fatal(c.difference(document, seed))
}

// difference says how the reading of document differs from encoding/json's, ""
// if it does not.
func (c *Codec[T]) difference(document []byte, seed uint64) string {
	var want T
	wantErr := caught(func() error { return json.Unmarshal(document, &want) })
	tally(wantErr)
	given := bytes.Clone(document)
	var got T
	err := caught(func() (err error) {
		got, err = c.Parse(given)
		return err
	})
	if text := compare("parse", document, given, want, got, wantErr, err); text != "" {
		return text
	}

	want, got = c.filled(seed), c.filled(seed)
	wantErr = caught(func() error { return json.Unmarshal(document, &want) })
	given = bytes.Clone(document)
	err = caught(func() error { return c.Decode(given, &got) })

	return compare("decode", document, given, want, got, wantErr, err)
}

// panicked is a panic of the payload's own methods, which must reach the caller
// of either codec.
type panicked struct{ value any }

func (p panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// caught gives do's error, a panicked if it panics.
func caught(do func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = panicked{value}
		}
	}()

	return do()
}

// filled is a value with something in it, the same for the same seed.
func (c *Codec[T]) filled(seed uint64) T {
	var v T
	r := rand.New(rand.NewPCG(seed, 2))
	fill(r, reflect.ValueOf(&v).Elem(), c.Make)
	calm(reflect.ValueOf(&v).Elem())

	return v
}

// compare compares what was read from given, which then is overwritten: values
// that refer to it differ.
func compare[T any](verb string, document, given []byte, want, got T, wantErr, err error) string {
	if !bytes.Equal(given, document) {
		return fmt.Sprintf("%s: document %q has been written to: %q", verb, document, given)
	}
	for i := range given {
		given[i] = '#'
	}
	if _, ok := err.(panicked); ok && verb == "parse" && describeDecode(wantErr).Kind == "syntax" {
		return "" // methods are called before the document has been read to its end
	}
	wantProblem := describeDecode(wantErr)
	if _, ok := err.(*json.UnmarshalTypeError); ok {
		// Of an UnmarshalJSON, returned as it is: encoding/json puts the way to
		// it in front of its field.
		wantProblem.Field = err.(*json.UnmarshalTypeError).Field
	}
	if diff := cmp.Diff(wantProblem.promised(), describeDecode(err).promised()); diff != "" {
		return fmt.Sprintf("%s %s: error (-encoding/json +generated)\n%s%v\n%v", verb, document, diff, wantErr, err)
	}
	if _, ok := err.(panicked); ok || err != nil && !firstEngine {
		return "" // where it stopped is not promised
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("%s %s\nerror %v (-encoding/json +generated)\n%s", verb, document, wantErr,
			cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })))
	}

	return ""
}

// problem is what both kinds of errors have in common.
type problem struct {
	Kind, Text, Value, Field string
	Offset                   int64
}

// firstEngine reports whether the toolchain's encoding/json is the one whose
// errors are promised. The engine that follows upon it has other kinds, offsets
// and texts for some, and leaves other values behind.
var firstEngine = func() bool {
	out, err := json.Marshal("\xff")

	return err == nil && string(out) == `"\ufffd"`
}()

// promised is the part of p that encoding/json of this toolchain decides.
func (p problem) promised() problem {
	if !firstEngine && p.Kind != "" {
		return problem{Kind: "some"}
	}

	return p
}

func describeEncode(err error) problem {
	var (
		unsupported *json.UnsupportedValueError
		marshaler   *json.MarshalerError
		ownValue    *jsonwire.UnsupportedValueError
		ownMethod   *jsonwire.MarshalerError
	)
	if _, ok := err.(panicked); ok {
		return problem{Kind: "panic", Text: err.Error()}
	}
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
	case panicked:
		return problem{Kind: "panic", Text: err.Error()}
	case *json.SyntaxError:
		return problem{Kind: "syntax", Text: err.Error(), Offset: err.Offset}
	case *jsonwire.SyntaxError:
		return problem{Kind: "syntax", Text: err.Problem, Offset: err.Offset}
	case *json.UnmarshalTypeError:
		return problem{Kind: "type", Value: err.Value, Field: err.Field, Offset: err.Offset}
	case *jsonwire.TypeError:
		return problem{Kind: "type", Value: err.Value, Field: err.Field, Offset: err.Offset}
	}
	if strings.HasPrefix(err.Error(), jsonmethods.Mark) {
		return problem{Kind: "own", Text: err.Error()}
	}

	return problem{Kind: "other"}
}

// Tally counts, by kind of error, what encoding/json said to the documents of
// all runs; "" is what it took.
func Tally() map[string]int64 {
	counts := map[string]int64{}
	tallied.Range(func(kind, n any) bool {
		counts[kind.(string)] = n.(*atomic.Int64).Load()
		return true
	})

	return counts
}

var tallied sync.Map // kind of error to *atomic.Int64

func tally(err error) {
	n, ok := tallied.Load(describeDecode(err).Kind)
	if !ok {
		n, _ = tallied.LoadOrStore(describeDecode(err).Kind, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}
