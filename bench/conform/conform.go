// Package conform counts in which respects a codec is not encoding/json. The
// lines are those of the project's list of what a drop-in has to do.
package conform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/tqgen/tqgen/bench/conform/document"
)

// Codec is what is asked.
type Codec struct {
	Name   string
	Encode func(*document.Document) ([]byte, error)
	Decode func([]byte, *document.Document) error
}

// Case is one question; what encoding/json does is the answer.
type Case struct {
	Line int // of the list
	Name string
	// Fatal is set if a codec may take the process down over it.
	Fatal bool
	check func(c Codec) error
}

// Check is nil if c does what encoding/json does.
func (c Case) Check(codec Codec) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()

	return c.check(codec)
}

type doc = document.Document

// encodes asks for the same bytes, or for an error where there is one.
func encodes(line int, name string, v *doc) Case {
	return Case{Line: line, Name: "encode " + name, check: func(c Codec) error {
		want, wantErr := json.Marshal(v)
		got, err := c.Encode(v)
		if (err == nil) != (wantErr == nil) {
			return fmt.Errorf("error %v, want %v", err, wantErr)
		}
		if err == nil && !bytes.Equal(got, want) {
			return fmt.Errorf("%s, want %s", got, want)
		}

		return nil
	}}
}

// decodes asks for the same value out of the same document, into a value made
// by into, or into an empty one. Where encoding/json refuses the document with
// a type error the value it leaves counts, too.
func decodes(line int, name, src string, into ...func() *doc) Case {
	return Case{Line: line, Name: "decode " + name, check: func(c Codec) error {
		fresh := func() *doc {
			if len(into) > 0 {
				return into[0]()
			}

			return new(doc)
		}
		want, got := fresh(), fresh()
		wantErr := json.Unmarshal([]byte(src), want)
		in := []byte(src)
		err := c.Decode(in, got)
		if (err == nil) != (wantErr == nil) {
			return fmt.Errorf("error %v, want %v", err, wantErr)
		}
		if wantErr != nil && line != 13 && line != 14 {
			return nil // refused by both
		}
		for i := range in { // a value that refers to the document changes with it
			in[i] = '!'
		}
		if !reflect.DeepEqual(got, want) {
			g, _ := json.Marshal(got)
			w, _ := json.Marshal(want)

			return fmt.Errorf("value %s, want %s", g, w)
		}

		return nil
	}}
}

func number(n int) *int { return &n }

func text(s string) *doc { return &doc{Text: &document.Text{S: s}} }

func f64(f float64) *doc { return &doc{Floats: &document.Floats{F64: f}} }

func f32(f float32) *doc { return &doc{Floats: &document.Floats{F32: f}} }

func raw(s string) *doc {
	return &doc{Methods: &document.Methods{Raw: json.RawMessage(s), Number: "1"}}
}

// deep is a document nested n levels deep.
func deep(before string, n int, after string) string {
	return before + strings.Repeat("[", n) + strings.Repeat("]", n) + after
}

// Cases are all questions, by line.
func Cases() []Case {
	cycle := &document.Node{}
	cycle.Next = cycle
	utc := time.Date(2026, 3, 14, 15, 9, 26, 535897932, time.UTC)
	filled := func() *doc {
		return &doc{
			Text: &document.Text{S: "kept"},
			Nils: &document.Nils{Slice: []int{1, 2, 3}, Pairs: []document.Pair{{A: 1, B: 2}, {A: 3, B: 4}}, Array: [3]byte{1, 2, 3}},
			Maps: &document.Maps{Strings: map[string]string{"a": "b"}, Structs: map[string]document.Pair{"p": {A: 1, B: 2}}},
			Ints: &document.Ints{I: 5},
		}
	}

	cases := []Case{
		encodes(1, "markup", text(`<a href="x">&</a>`)),
		encodes(1, "line separators", text("a\u2028b\u2029c")),
		encodes(1, "short escapes", text("\b\f\n\r\t\"\\/")),
		encodes(1, "control characters", text("\x00\x01\x1f\x7f")),
		encodes(1, "invalid UTF-8", text("a\xffb\xc3\xed\xa0\x80z")),
		encodes(1, "beyond the BMP", text("日本語 😀 é")),
		encodes(2, "1e-7", f64(1e-7)), encodes(2, "1e21", f64(1e21)), encodes(2, "1e20", f64(1e20)),
		encodes(2, "-0", f64(math.Copysign(0, -1))), encodes(2, "pi", f64(math.Pi)),
		encodes(2, "smallest", f64(5e-324)), encodes(2, "float32 0.1", f32(0.1)),
		encodes(2, "float32 1e-6", f32(1e-6)), encodes(2, "float32 1e21", f32(1e21)),
		encodes(2, "NaN", f64(math.NaN())), encodes(2, "infinity", f64(math.Inf(-1))),
		encodes(3, "sorted strings", &doc{Maps: &document.Maps{Strings: map[string]string{"b": "1", "a": "2", "c<": "3", "": "4"}}}),
		encodes(3, "sorted integers", &doc{Maps: &document.Maps{Ints: map[int]string{10: "a", 9: "b", -1: "c"}}}),
		encodes(3, "string kind", &doc{Maps: &document.Maps{Words: map[document.Word]string{"w": "v"}}}),
		encodes(3, "text keys", &doc{Maps: &document.Maps{Codes: map[document.Code]string{2: "v", 1: "w"}}}),
		decodes(3, "text keys", `{"maps":{"codes":{"xxx":"v"},"ints":{"-7":"s"},"words":{"text:w":"v"}}}`),
		encodes(4, "nil", &doc{Nils: &document.Nils{}}),
		encodes(4, "empty", &doc{Nils: &document.Nils{Slice: []int{}, Map: map[string]int{}, Bytes: []byte{}, Pairs: []document.Pair{}}}),
		encodes(4, "bytes", &doc{Nils: &document.Nils{Bytes: []byte{0xfb, 0xff, 1, 2}, Array: [3]byte{1, 2, 3}}}),
		encodes(5, "zero", &doc{Omit: &document.Omit{}}),
		encodes(5, "empty but not nil", &doc{Omit: &document.Omit{Slice: []int{}, Both: []int{}}}),
		encodes(5, "set", &doc{Omit: &document.Omit{Bool: true, Slice: []int{1}, Zero: document.Pair{A: 1}, Time: utc, Both: []int{1}}}),
		encodes(6, "zero", &doc{Quoted: &document.Quoted{}}),
		encodes(6, "set", &doc{Quoted: &document.Quoted{S: "a\"<", B: true, I: -1, F: 1.5, P: number(7), Is: []int{1}}}),
		decodes(6, "set", `{"quoted":{"s":"\"x\"","b":"true","i":"-1","f":"1.5","p":"7","is":[1]}}`),
		decodes(6, "not quoted", `{"quoted":{"i":1}}`), decodes(6, "null in quotes", `{"quoted":{"p":"null"}}`),
		decodes(6, "space in quotes", `{"quoted":{"i":" 1"}}`),
		encodes(7, "own", &doc{Methods: &document.Methods{Own: document.Own{N: 2}, OwnPtr: &document.Own{N: 1}, Number: "1"}}),
		encodes(7, "pointer receiver", &doc{Methods: &document.Methods{Plain: document.Plain{S: "&"}, Number: "1"}}),
		encodes(7, "own is no JSON", &doc{Methods: &document.Methods{Own: document.Own{N: -1}, Number: "1"}}),
		encodes(7, "raw nil", &doc{Methods: &document.Methods{Number: "1"}}),
		encodes(7, "raw compacted", raw(" { \"a\" : [ 1 , \"<\u2028\" ] } ")), encodes(7, "raw is no JSON", raw(`{"a"`)),
		encodes(7, "number empty", &doc{Methods: &document.Methods{}}),
		encodes(7, "number invalid", &doc{Methods: &document.Methods{Number: "1x"}}),
		encodes(9, "embedded", &doc{Embedded: &document.Embedded{Base: document.Base{ID: "i", Name: "n", Both: 1}, Name: "m", Other: &document.Other{Extra: "e", Both: 2}}}),
		encodes(9, "embedded nil", &doc{Embedded: &document.Embedded{}}),
		decodes(9, "embedded", `{"embedded":{"id":"i","name":"n","both":3,"extra":"e","shown":"s"}}`),
		decodes(9, "embedded nil stays nil", `{"embedded":{"id":"i"}}`),
		encodes(10, "names", &doc{Names: &document.Names{Never: "n", Dash: "d", Invalid: "i", Default: "f"}}),
		encodes(10, "escaped names", &doc{Text: &document.Text{Markup: "m"}}),
		decodes(10, "names", `{"names":{"-":"d","Never":"n","Invalid":"i","Default":"f","in\\valid":"x"},"text":{"<&>":"m","\u003c\u0026>":"n"}}`),
		decodes(11, "other case", `{"TEXT":{"S":"x"},"iNtS":{"I64":3}}`),
		decodes(11, "Kelvin sign", "{\"text\":{\"\u212Aelvin\":\"x\",\"\u017F\":\"long s\"}}"),
		decodes(11, "exact before folded", `{"names":{"FOLD":"2","fold":"1","Fold":"3"}}`),
		decodes(12, "last wins", `{"text":{"s":"1","s":"2"},"ints":{"i":1},"ints":{"i8":2}}`),
		decodes(12, "maps merge", `{"maps":{"strings":{"a":"1"}},"maps":{"strings":{"b":"2"}}}`),
		decodes(13, "untouched, cut off", `{"text":{"s":"new"},"ints":{"i":6}`, filled),
		decodes(13, "untouched, late mistake", `{"ints":{"i":6},"nils":{"slice":[9,]}}`, filled),
		decodes(13, "untouched, trailing", `{"ints":{"i":6}}x`, filled),
		decodes(14, "goes on", `{"text":{"s":5,"kelvin":"k"},"ints":{"i":"x","i8":3}}`),
		decodes(14, "goes on in a slice", `{"nils":{"slice":[1,"x",3],"pairs":[{"a":"x","b":2}]}}`),
		decodes(14, "whole of the wrong kind", `{"text":[1,2],"ints":{"i":3}}`),
		decodes(15, "skipped", `{"unknown":{"a":[1,2,{"b":null}],"c":"\u00e9\n"},"ints":{"i":1}}`),
		decodes(15, "skipped, mistake", `{"unknown":{"a":[1,2,{"b":nul}]},"ints":{"i":1}}`),
		decodes(15, "skipped, bad number", `{"unknown":01,"ints":{"i":1}}`),
		decodes(15, "skipped, bad escape", `{"unknown":"\x","ints":{"i":1}}`),
		decodes(15, "skipped, control character", "{\"unknown\":\"a\tb\",\"ints\":{\"i\":1}}"),
		decodes(15, "skipped, bad literal", `{"unknown":trux,"ints":{"i":1}}`),
		decodes(16, "invalid UTF-8", "{\"text\":{\"s\":\"a\xffb\xed\xa0\x80\"}}"),
		decodes(16, "lone surrogates", `{"text":{"s":"\ud800 \udc00 \ud83d\ude00 \ud83dx"}}`),
		decodes(16, "escapes", `{"text":{"s":"\"\\\/\b\f\n\r\t\u00e9\u2028"}}`),
		decodes(16, "control character", "{\"text\":{\"s\":\"a\nb\"}}"),
		decodes(16, "unknown escape", `{"text":{"s":"\x41"}}`), decodes(16, "BOM", "\ufeff{}"),
		decodes(16, "other white space", "{\u00a0}"), decodes(16, "form feed", "{\f}"),
		decodes(16, "white space", " \t\r\n{ \"ints\" : { \"i\" : 1 } } \n"),
		decodes(16, "leading zero", `{"ints":{"i":01}}`), decodes(16, "plus", `{"ints":{"i":+1}}`),
		decodes(16, "1.", `{"floats":{"f64":1.}}`), decodes(16, ".5", `{"floats":{"f64":.5}}`),
		decodes(16, "bare minus", `{"ints":{"i":-}}`), decodes(16, "1e", `{"floats":{"f64":1e}}`),
		decodes(16, "trailing data", `{} {}`), decodes(16, "trailing comma", `{"ints":{"i":1,}}`),
		decodes(16, "single quotes", `{'ints':{}}`), decodes(16, "empty", ""),
		decodes(16, "hex", `{"ints":{"i":0x1}}`), decodes(16, "NaN", `{"floats":{"f64":NaN}}`),
		decodes(16, "float range", `{"floats":{"f64":1e400}}`),
		decodes(16, "floats", `{"floats":{"f64":-1.25e-3,"f32":3.4e38}}`),
		decodes(17, "overflow", `{"ints":{"i8":128}}`), decodes(17, "negative", `{"ints":{"u8":-1}}`),
		decodes(17, "1.0", `{"ints":{"i":1.0}}`), decodes(17, "1e3", `{"ints":{"i":1e3}}`),
		decodes(17, "64 bits", `{"ints":{"i64":-9223372036854775808,"u64":18446744073709551615}}`),
		decodes(17, "64 bits overflow", `{"ints":{"u64":18446744073709551616}}`),
		decodes(18, "9,999 levels skipped", deep(`{"unknown":`, 9_999, `}`)),
		decodes(18, "10,000 levels skipped", deep(`{"unknown":`, 10_000, `}`)),
		decodes(19, "null", `{"text":null,"maps":{"strings":null},"nils":{"slice":null,"map":null,"ptr":null,"bytes":null}}`, filled),
		decodes(19, "null is no zero", `{"ints":{"i":null}}`, filled),
		decodes(19, "methods", `{"methods":{"own":null,"ownPtr":null,"plain":null,"raw":null,"number":null}}`),
		decodes(20, "array surplus", `{"nils":{"array":[1,2,3,4,5]}}`), decodes(20, "array rest", `{"nils":{"array":[9]}}`, filled),
		decodes(20, "slice reused", `{"nils":{"slice":[7],"pairs":[{"a":9}]}}`, filled),
		decodes(20, "empty", `{"nils":{"slice":[],"map":{},"bytes":"","pairs":[]}}`, filled),
		decodes(20, "map values fresh", `{"maps":{"strings":{"c":"d"},"structs":{"p":{"a":9}}}}`, filled),
		decodes(20, "base64", `{"nils":{"bytes":"+/8B"}}`), decodes(20, "bad base64", `{"nils":{"bytes":"+/8"}}`),
		decodes(20, "base64 with line breaks", `{"nils":{"bytes":"+/\n8\r\nB"}}`),
		decodes(21, "exact bytes", `{"methods":{"own": { "a" : [ 1 ] } ,"raw": [ 1 , 2 ] ,"plain":"x","number":12e3}}`),
		decodes(21, "no alias", `{"text":{"s":"a text that is long enough"},"maps":{"strings":{"a key that is long":"a value that is long"}},"methods":{"raw":"also this one"}}`),
		decodes(21, "text error", `{"methods":{"plain":"bad"}}`),
		decodes(21, "times", `{"times":{"t":"2026-03-14T15:09:26.535+01:00","d":90}}`),
		decodes(21, "bad time", `{"times":{"t":"2026-03-14 15:09:26"}}`),
		{Line: 22, Name: "panics reach the caller", check: func(c Codec) (err error) {
			defer func() {
				if v := recover(); v != "as asked" {
					err = fmt.Errorf("no panic, or another one: %v", v)
				}
			}()
			return c.Decode([]byte(`{"methods":{"own":"panic"}}`), new(doc))
		}},
		encodes(8, "a cycle", &doc{Node: cycle}),
		decodes(18, "10,000 levels read", `{"node":`+strings.Repeat(`{"next":`, 10_000)+`{}`+strings.Repeat(`}`, 10_001)),
		decodes(18, "a million levels skipped", deep(`{"unknown":`, 1_000_000, `}`)),
	}
	for i := range 3 {
		cases[len(cases)-1-i].Fatal = true
	}

	return cases
}

// Lines are all lines that cases ask about.
func Lines() (lines []int) {
	for n := range 30 {
		for _, c := range Cases() {
			if c.Line == n {
				lines = append(lines, n)
				break
			}
		}
	}

	return lines
}
