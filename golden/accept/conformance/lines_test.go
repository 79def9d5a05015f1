package conformance_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tqgen/tqgen/golden/accept/conformance"
	"github.com/tqgen/tqgen/golden/accept/conformance/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
	"github.com/tqgen/tqgen/runtime/jsonwire"
)

type task = conformance.Task

var codec = jsondiff.Codec[task]{
	Append: taskqueue.AppendJSON, Parse: taskqueue.ParseJSON, Decode: taskqueue.DecodeJSON,
}

func TestCodec(t *testing.T) {
	t.Parallel()
	some := codec
	some.Values = 100
	jsondiff.Run(t, some)
}

// writes compares the encoding of v, and shows that it has want in it.
func writes(t *testing.T, v task, want ...string) {
	t.Helper()
	got := codec.Encode(t, &v)
	for _, text := range want {
		if !strings.Contains(string(got), text) {
			t.Errorf("no %s in %.3000s", text, got)
		}
	}
}

// reads compares the reading of each value of a member.
func reads(t *testing.T, member string, values ...string) {
	t.Helper()
	for _, value := range values {
		codec.Read(t, `{"`+member+`":`+value+`}`, ` { "`+member+`" : `+value+` , "floats" : { "F64" : "x" } } `)
	}
}

// each puts every text into a document.
func each(document string, texts ...string) []string {
	list := make([]string, len(texts))
	for i, text := range texts {
		list[i] = strings.ReplaceAll(document, "@", text)
	}

	return list
}

func TestConformance01Escapes(t *testing.T) {
	t.Parallel()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, s := range []string{
		"<>&", "\u2028\u2029\u2027", "\b\f\n\r\t\v\x00\x1f\x7f", `"\/`, string(all), "\xff\xc3\xed\xa0\x80\xf4\x90\x80\x80",
		"\ufffd", "plain and rather long text without anything <", "12345678<", "1234567\u2028", "é\xc3",
	} {
		writes(t, task{Text: conformance.Text{S: s, Name: s}, Omit: conformance.Omit{Struct: conformance.Text{S: s}}})
	}
	writes(t, task{}, `"\u003ctext\u003e":{"S":"","a\u0026b":""}`)
}

func TestConformance02Floats(t *testing.T) {
	t.Parallel()
	for _, f := range []float64{
		0, math.Copysign(0, -1), 1e-6, 9.999999e-7, 1e-7, 1e-9, 1e-10, 1e20, 1e21, 9.99999999999e20, 1.5, -2.25, 1e100, 1e-100,
		math.MaxFloat64, math.SmallestNonzeroFloat64, math.MaxFloat32, math.SmallestNonzeroFloat32, 0.1, 1 / 3.0, 123456789.125,
		math.NaN(), math.Inf(1), math.Inf(-1), float64(float32(1e21)), float64(float32(1e-6)), 16777216, 999999999.9999999,
	} {
		writes(t, task{Floats: conformance.Floats{F32: float32(f)}})
		writes(t, task{Floats: conformance.Floats{F64: f}})
	}
	_, err := taskqueue.AppendJSON(nil, &task{Floats: conformance.Floats{F64: math.NaN()}})
	var unsupported *jsonwire.UnsupportedValueError
	if !errors.As(err, &unsupported) {
		t.Errorf("NaN: %v", err)
	}
}

func TestConformance03MapKeys(t *testing.T) {
	t.Parallel()
	writes(t, task{Keys: conformance.Keys{
		Strings: map[string]int{"b": 1, "a": 2, "": 3, "<": 4, "\xff": 5, "é": 6, "B": 7},
		Named:   map[conformance.Word]int{"z": 1, "y": 2},
		Ints:    map[int8]string{-1: "a", 10: "b", 9: "c", -128: "d"},
		Uints:   map[uint64]string{math.MaxUint64: "a", 0: "b", 10: "c", 9: "d"},
		Texts:   map[conformance.Point]int{{2, 1}: 1, {1, 2}: 2, {10, 0}: 3},
		Numbers: map[conformance.Level]int{2: 1, 10: 2},
	}}, `"Named":{"y":2,"z":1}`, `"Ints":{"-1":"a","-128":"d","10":"b","9":"c"}`, `"Numbers":{"level 10":2,"level 2":1}`)
	for _, member := range []string{"Strings", "Named", "Ints", "Uints", "Texts", "Numbers"} {
		reads(t, "keys", each(`{"`+member+`":{"@":1,"7":"x"}}`,
			"", "a", "1", "-1", "127", "128", "-129", "01", "+1", "1.0", "1e1", " 1", "18446744073709551615",
			"18446744073709551616", `\u0031`, `\ud800`)...)
	}
}

func TestConformance04Nil(t *testing.T) {
	t.Parallel()
	writes(t, task{}, `"empty":{"Slice":null,"Map":null,"Pointer":null,"Bytes":null,"Array":[0,0,0],"Named":null,"Own":null}`)
	writes(t, task{Empty: conformance.Empty{
		Slice: []int{}, Map: map[string]int{}, Pointer: new(int), Bytes: []byte{}, Named: []conformance.Octet{},
		Own: []conformance.Shown{},
	}}, `"empty":{"Slice":[],"Map":{},"Pointer":0,"Bytes":"","Array":[0,0,0],"Named":"","Own":[]}`)
	writes(t, task{Empty: conformance.Empty{
		Bytes: []byte("bytes"), Named: []conformance.Octet("x"), Own: []conformance.Shown{1, 2},
	}}, `"Bytes":"Ynl0ZXM="`, `"Named":"eA=="`, `"Own":["1","2"]`)
	for _, member := range []string{"Bytes", "Named", "Own", "Array", "Slice"} {
		reads(t, "empty", each(`{"`+member+`":@}`, "null", `""`, `"AQID"`, `"AQ=="`, `"AQ"`, `"A"`, `"A\nQ\rI\nD"`, `"-_"`, "[]",
			"[1,2,3,4]", "[256]", "{}", "1", `["1"]`)...)
	}
}

func TestConformance05Omit(t *testing.T) {
	t.Parallel()
	one, even, odd := 1, conformance.Even(1), &conformance.Odd{N: 1}
	writes(t, task{}, `"omit":{"Pair":[0,0],"Struct":{"S":"","a\u0026b":""},"Complex":0,"Channel":false,"Odd":{"N":0}}`)
	writes(t, task{Omit: conformance.Omit{
		Bool: true, Int: 1, Float: math.Copysign(0, -1), String: "x", Pointer: &one, Slice: []int{}, Map: map[string]int{"": 0},
		Zero: conformance.Text{S: "x"}, ZeroSlice: []int{}, Even: 1, EvenPtr: &even, Odd: conformance.Odd{N: 1}, OddPtr: odd,
		Both: []int{}, EvenOrNone: 2, Switch: true, Switches: conformance.Switches{On: true}, Uneven: [2][]int{nil, {}},
	}}, `"ZeroSlice":[]`, `"Even":1,"EvenPtr":1,"Switch":true,"Switches":{"On":true,"List":null},"Uneven":[null,[]]`)
	even = 2
	writes(t, task{Omit: conformance.Omit{EvenPtr: &even, OddPtr: &conformance.Odd{N: 2}, EvenOrNone: 3, Both: []int{1}}},
		`"OddPtr":{"N":2},"Both":[1],"EvenOrNone":3`)
}

func TestConformance06Quoted(t *testing.T) {
	t.Parallel()
	one, text, number, decimal := 1, "\"<\xff\\", conformance.Number(2), 1e21
	ptr := &one
	writes(t, task{Quoted: conformance.Quoted{
		Bool: true, Int: -1, Uint: 1, Float: 1e-7, String: text, Pointer: &one, StringPtr: &text, Twice: &ptr, Slice: []int{1},
		Own: 1, OwnPtr: &number, Decimal: &decimal,
	}}, `"Bool":"true","Int":"-1","Uint":"1","Float":"1e-7"`, `"Twice":1,"Slice":[1]`, `"Own":[1],"OwnPtr":[2]`)
	writes(t, task{}, `"Pointer":null,"StringPtr":null`)
	for _, member := range []string{
		"Bool", "Int", "Uint", "Float", "String", "Pointer", "StringPtr", "Twice", "Slice", "Struct", "Own", "OwnPtr", "Even",
		"Decimal", "Complex",
	} {
		reads(t, "quoted", each(`{"`+member+`":@}`, "null", "1", "true", `""`, `"1"`, `"true"`, `"false"`, `"null"`, `"nul"`,
			`"n"`, `"nullx"`, `" null"`, `"tru"`, `"-1"`, `"128"`, `"1.0"`, `" 1"`, `"1 "`, `"1x"`, `"x"`, `"\"x\""`, `"\"x"`,
			`"\"\\u0041\""`, `"\u0031"`, `"[1]"`, `"{}"`, `"1e400"`, `"+1"`, "[]", "{}", `"\"\\ud800\xff\""`)...)
	}
}

func TestConformance07Marshalers(t *testing.T) {
	t.Parallel()
	raw := json.RawMessage(` { "a" : "<` + "\u2028" + `" , "b" : [ 1 ] } `)
	for _, loose := range []conformance.Loose{
		"1", ` { "a" : "<&>" } `, "", "empty", "{", "1 2", "fail", "nul", "\"\u2028\"", "\"\xff\"", "[1,]", "\ufeff1", "01",
	} {
		writes(t, task{Methods: conformance.Methods{Loose: loose}})
	}
	number, level := conformance.Number(3), conformance.Level(4)
	writes(t, task{Methods: conformance.Methods{
		Value: 1, Pointer: &number, Addr: conformance.Addr{N: 1}, AddrMap: map[string]conformance.Addr{"a": {N: 1}},
		AddrPtr: map[string]*conformance.Addr{"a": {N: 1}, "b": nil}, Both: conformance.Both{N: 5}, Loose: "null", Text: 3,
		TextPtr: &level, Raw: raw, RawPtr: &raw, Number: "1.50",
	}}, `"Addr":1001,"AddrMap":{"a":{"N":1}},"AddrPtr":{"a":1001,"b":null}`, `"Raw":{"a":"\u003c\u2028","b":[1]}`)
	writes(t, task{Methods: conformance.Methods{Loose: "null"}}, `"Raw":null,"RawPtr":null,"Number":0`)
	for _, n := range []json.Number{"-0", "1e5", "x", " 1", "1.", "+1", "NaN"} {
		writes(t, task{Methods: conformance.Methods{Loose: "null", Number: n}})
	}
	_, err := taskqueue.AppendJSON(nil, &task{Methods: conformance.Methods{Loose: "fail"}})
	var failed *jsonwire.MarshalerError
	if !errors.As(err, &failed) || failed.Func != "MarshalJSON" || failed.Type != "conformance.Loose" {
		t.Errorf("got %v", err)
	}
}

func TestConformance08Cycles(t *testing.T) {
	t.Parallel()
	ring := &conformance.Node{}
	ring.Next = &conformance.Node{Next: ring}
	mapped := &conformance.Node{Map: map[string]conformance.Node{}}
	mapped.Map["a"] = *mapped
	listed := &conformance.Node{List: make([]conformance.Node, 1)}
	listed.List[0] = *listed
	for name, node := range map[string]*conformance.Node{"pointer": ring, "map": mapped, "slice": listed} {
		if _, err := json.Marshal(task{Node: node}); err == nil {
			t.Fatalf("%s: encoding/json writes it", name)
		}
		dst, err := taskqueue.AppendJSON([]byte("x"), &task{Node: node})
		var unsupported *jsonwire.UnsupportedValueError
		if !errors.As(err, &unsupported) || string(dst) != "x" {
			t.Errorf("%s: %v, %d bytes", name, err, len(dst))
		}
	}
}

func TestConformance09Dominance(t *testing.T) {
	t.Parallel()
	writes(t, task{Fields: conformance.Fields{A: 1}}, `"fields":{"H":0,"tagged":{"X":0},"Count":0,"A":1}`)
	writes(t, task{Fields: conformance.Fields{Deep: &conformance.Deep{C: 1, D: 2}}}, `"fields":{"C":1,"B":2,"H":0,`)
	reads(t, "fields", `{"C":1}`, `{"B":1}`, `{"T":1}`, `{"A":1,"H":2,"h":3}`, `{"Same":1}`, `{"tagged":{"X":1}}`, `{"X":1}`,
		`{"Count":1}`, `{"Outer":{"A":1}}`, `{"C":null}`, `{"C":"x"}`, `{"D":1}`, `{"C":1,"C":2}`)
}

func TestConformance10Names(t *testing.T) {
	t.Parallel()
	writes(t, task{}, `"names":{"-":0,"Bad":0,"Quote":0,"Comma":0,`)
	reads(t, "names", `{"Never":1}`, `{"-":1}`, `{"Bad":1}`, `{"a\\b":1}`, `{"a\"b":1,"Quote":2}`, `{"Comma":1}`, `{"NoJSON":1}`,
		`{"!#$%&()*+-./:;<=>?@[]^_{|}~ é":1}`, `{"!#$%&()*+-./:;<=>?@[]^_{|}~ É":1}`)
}

func TestConformance11Folding(t *testing.T) {
	t.Parallel()
	reads(t, "folded", `{"key":1}`, `{"KEY":1}`, `{"Key":1}`, `{"kEY":1}`, `{"\u212aey":1}`, `{"`+"\u212a"+`EY":1}`, `{"KIſſ":1}`,
		`{"ki\u017fs":1}`, `{"ς":1}`, `{"Σ":1}`, `{"K\u0065y":1,"key":2}`, `{"key ":1}`, `{"ke":1}`, `{"":1}`)
	var got task
	if err := taskqueue.DecodeJSON([]byte(`{"folded":{"Key":1,"KEY":2}}`), &got); err != nil || got.Folded.Key != 1 {
		t.Errorf("first declared: %+v, %v", got.Folded, err)
	}
}

func TestConformance12Duplicates(t *testing.T) {
	t.Parallel()
	codec.Read(t, `{"parts":{"Struct":{"S":"a"},"Struct":{"a&b":"b"},"Map":{"x":{"S":"a"}},"Map":{"y":{},"x":{"a&b":"b"}}}}`,
		`{"parts":{"Maps":{"a":{"x":1},"a":{"y":2}}},"parts":{"Maps":{"b":{}}}}`, `{"parts":{"Slice":[{"S":"a"}],"Slice":[{}]}}`,
		`{"parts":{"Array":[1,2],"Array":[3]}}`, `{"parts":{"Pointer":{"S":"a"},"Pointer":{"a&b":"b"},"Pointer":null}}`,
		`{"parts":{"Struct":{"S":"a"},"STRUCT":{"S":1},"struct":{"S":"c"}}}`)
}

func TestConformance13DestinationUntouched(t *testing.T) {
	t.Parallel()
	before := task{Text: conformance.Text{S: "kept"}, Parts: conformance.Parts{Ints: []int{1, 2}, Map: map[string]conformance.Text{"a": {}}}}
	for _, document := range []string{`{"<text>":{"S":"x"}`, `{"parts":{"Ints":[7,8,],"Map":{"b":{}}}}`, `{"<text>":{"S":"x"}} x`, ""} {
		got := task{Text: conformance.Text{S: "kept"}, Parts: conformance.Parts{Ints: []int{1, 2}, Map: map[string]conformance.Text{"a": {}}}}
		var syntax *jsonwire.SyntaxError
		if err := taskqueue.DecodeJSON([]byte(document), &got); !errors.As(err, &syntax) || !reflect.DeepEqual(before, got) {
			t.Errorf("%s: %v, %+v", document, err, got)
		}
		if fresh, err := taskqueue.ParseJSON([]byte(document)); !errors.As(err, &syntax) || !reflect.DeepEqual(task{}, fresh) {
			t.Errorf("%s: %v, %+v", document, err, fresh)
		}
	}
}

func TestConformance14FirstMismatch(t *testing.T) {
	t.Parallel()
	const document = `{"floats":{"F32":"x","F64":2},"numbers":{"I8":300,"I16":3},"parts":{"Ints":[1,"x",3],"Deep":4}}`
	codec.Read(t, document, `{"numbers":[1,{"a":2}],"floats":true,"parts":{"Slice":[{"S":1},{"S":"x"}]}}`, `[{"floats":{}}]`, `"x"`)
	got, err := taskqueue.ParseJSON([]byte(document))
	var mismatch *jsonwire.TypeError
	if !errors.As(err, &mismatch) || mismatch.Field != "floats.F32" || got.Numbers.I16 != 3 || **got.Parts.Deep != 4 {
		t.Errorf("%v, %+v", err, got)
	}
}

func TestConformance15UnknownMembers(t *testing.T) {
	t.Parallel()
	codec.Read(t, each(`{"unknown":@,"floats":{"F64":1}}`, "1", `{"a":[{}]}`, "[1,]", "01", `"\x"`, `"`+"\n"+`"`, "tru", "-", "1.",
		"1e", `{"a"}`, `{"a":1,}`, "\"\xff\"", `"\ud800"`, `{1:2}`, "[}", "{]", `{"a":1 "b":2}`, "nulll", "")...)
}

func TestConformance16Strings(t *testing.T) {
	t.Parallel()
	texts := []string{
		"\xff", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", `\ud800`, `\udc00`, `\ud800\ud800`, `\ud83d\ude00`, `\ud83d\u0041`,
		`\ud800x`, `\u12`, `\u123g`, `\x`, `\'`, `\/`, "\x00", "\x1f", "\x7f", "\n", "\t", `\`, "\u2028", "\ufeff",
	}
	codec.Read(t, each(`{"<text>":{"S":"@"}}`, texts...)...)
	codec.Read(t, each(`{"<text>":{"S@":"x"},"keys":{"Strings":{"@":1}}}`, texts...)...)
	codec.Read(t, "\ufeff{}", "\u00a0{}", "{}\v", "\f{}", "{}\x00", "{} 1", "{}}", `{"floats":{"F64":01}}`)
	codec.Read(t, each(`{"floats":{"F64":@}}`, "+1", "1.", ".5", "00", "-", "--1", "1e", "1e+", "0x1", "1_0", "Infinity", "NaN",
		"1.e1", "-01")...)
}

func TestConformance17Overflow(t *testing.T) {
	t.Parallel()
	for _, member := range []string{"I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "F32", "F64"} {
		reads(t, "numbers", each(`{"`+member+`":@}`, "127", "128", "-128", "-129", "32767", "32768", "65535", "65536", "2147483648",
			"4294967295", "4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
			"-9223372036854775809", "18446744073709551615", "18446744073709551616", "1.0", "1e3", "-0", "-1", "0.0", "1e39",
			"3.5e38", "1e400", "1e-400", "99999999999999999999999")...)
	}
}

func TestConformance18Depth(t *testing.T) {
	t.Parallel()
	nest := func(in, inner, out string, n int) string {
		return `{"node":` + strings.Repeat(in, n) + inner + strings.Repeat(out, n) + "}"
	}
	for n := jsonwire.MaxDepth - 2; n <= jsonwire.MaxDepth+1; n++ {
		codec.Read(t, nest(`{"next":`, "null", "}", n), nest(`{"list":[`, "", "]}", n/2), nest(`{"map":{"a":`, "{}", "}}", n/2),
			nest(`{"unknown":`, "1", "}", n), nest("[", "", "]", n), nest("[", "", "", n))
	}
	if err := taskqueue.DecodeJSON([]byte(strings.Repeat(`{"node":`, 1<<20)), new(task)); err == nil {
		t.Error("a million levels are read")
	}
}

func TestConformance19Null(t *testing.T) {
	t.Parallel()
	for _, member := range []string{"Struct", "Map", "Maps", "Array", "Slice", "Pointer", "Ints", "Deep", "Arrays"} {
		reads(t, "parts", `{"`+member+`":null}`)
	}
	for _, member := range []string{
		"Value", "Pointer", "Addr", "AddrMap", "AddrPtr", "Both", "Loose", "Text", "TextPtr", "Raw", "RawPtr", "Number", "Exact",
	} {
		reads(t, "methods", `{"`+member+`":null}`, `{"`+member+`":[null]}`, `{"`+member+`":{"a":null}}`)
	}
	codec.Read(t, "null", ` null `, `{"floats":null,"node":null,"fields":null}`)
}

func TestConformance20ArraysAndSlices(t *testing.T) {
	t.Parallel()
	reads(t, "parts", each(`{"Array":@,"Slice":[],"Ints":@,"Arrays":[@,@,@],"Map":{}}`, "[]", "[1]", "[1,2,3,4,5]", "[null,7]",
		`["x",7,8]`)...)
	got := task{Parts: conformance.Parts{Slice: []conformance.Text{{S: "a", Name: "b"}, {S: "c"}}}}
	got.Parts.Slice = got.Parts.Slice[:1]
	room := &got.Parts.Slice[0]
	if err := taskqueue.DecodeJSON([]byte(`{"parts":{"Slice":[{"S":"x"},{}]}}`), &got); err != nil {
		t.Fatal(err)
	}
	if &got.Parts.Slice[0] != room || got.Parts.Slice[0].Name != "b" || got.Parts.Slice[1].S != "c" {
		t.Errorf("%+v", got.Parts.Slice)
	}
}

func TestConformance21OwnBytes(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"1", `"x"`, `[ 1 , 2 ]`, `{ "a" : {} }`, "null", "-0.0e5"} {
		document := []byte(`{"methods": {"Exact" : ` + value + ` , "Raw":` + "\t" + value + "\n}}")
		got, err := taskqueue.ParseJSON(document)
		clear(document)
		if err != nil || got.Methods.Exact.Raw != value || string(got.Methods.Raw) != value {
			t.Errorf("%s: %q, %q, %v", value, got.Methods.Exact.Raw, got.Methods.Raw, err)
		}
	}
	reads(t, "keep", `{"String":"some text","Bytes":"AQID","Raw":[1],"Number":12,"Map":{"a":"b"},"List":["x","y"]}`)
}

func TestConformance22PanicsAndConcurrency(t *testing.T) {
	t.Parallel()
	panics := func(do func()) (value any) {
		defer func() { value = recover() }()
		do()

		return nil
	}
	if got := panics(func() { _, _ = taskqueue.AppendJSON(nil, &task{Panic: conformance.Panic{How: "write"}}) }); got != "write" {
		t.Errorf("writing: %v", got)
	}
	if got := panics(func() { _, _ = taskqueue.ParseJSON([]byte(`{"panic":"panic"}`)) }); got != "read" {
		t.Errorf("reading: %v", got)
	}

	shared := task{Keys: conformance.Keys{Strings: map[string]int{"a": 1, "b": 2}}, Methods: conformance.Methods{Loose: "1"}}
	want, err := taskqueue.AppendJSON(nil, &shared)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				got, err := taskqueue.AppendJSON(nil, &shared)
				read, readErr := taskqueue.ParseJSON([]byte(`{"keys":{"Strings":{"b":2}}}`))
				if err != nil || readErr != nil || string(got) != string(want) || read.Keys.Strings["b"] != 2 {
					t.Errorf("%v, %v, %d bytes", err, readErr, len(got))
				}
			}
		})
	}
	all.Wait()
}

func TestConformance23EveryFieldAlike(t *testing.T) {
	t.Parallel()
	typ := reflect.TypeFor[conformance.Wide]()
	for i := range typ.NumField() {
		name := typ.Field(i).Name
		for _, n := range []string{name, strings.ToLower(name), `\u0046` + name[1:]} {
			reads(t, "wide", each(`{"`+n+`":@}`, "1", `"x"`, "null", "[1]", "{}", "true")...)
		}
	}
}

// hostile documents of about n bytes, one for each thing that could cost more
// than its length.
func hostile(n int) map[string]string {
	rep := func(s string) string { return strings.Repeat(s, n/len(s)) }
	var entries strings.Builder
	for i := 0; entries.Len() < n; i++ {
		entries.WriteString(`"` + strconv.Itoa(i) + `":0,`)
	}

	return map[string]string{
		"depth":             rep(`{"node":`),
		"unknown depth":     `{"x":` + rep("["),
		"escapes":           `{"<text>":{"S":"` + rep(`\u00e9`) + `"}}`,
		"surrogates":        `{"keep":{"String":"` + rep(`\ud800`) + `"}}`,
		"open string":       `{"<text>":{"S":"` + rep(`\"`),
		"digits":            `{"numbers":{"I64":` + rep("9") + `,"F64":` + rep("1") + `}}`,
		"fraction":          `{"floats":{"F64":0.` + rep("3") + `}}`,
		"exponent":          `{"floats":{"F64":1e` + rep("9") + `}}`,
		"zeros":             `{"quoted":{"Int":"` + rep("0") + `","Decimal":"` + rep("0") + `"}}`,
		"duplicates":        "{" + rep(`"floats":{"F64":1},`) + `"a":1}`,
		"unknown names":     "{" + rep(`"q":1,`) + `"q":1}`,
		"one long name":     `{"` + rep("k") + `":1}`,
		"folded names":      `{"folded":{` + rep(`"K\u0130ſſ":1,`) + `"q":1}}`,
		"map":               `{"keys":{"Strings":{` + entries.String() + `"a":0}}}`,
		"one key":           `{"keys":{"Ints":{` + rep(`"1":"",`) + `"2":""}}}`,
		"mismatches":        `{"parts":{"Ints":[` + rep(`"",`) + `0]}}`,
		"array surplus":     `{"parts":{"Array":[` + rep("0,") + `0]}}`,
		"slices of nothing": `{"parts":{"Slice":[` + rep("{},") + `{}]}}`,
		"base64":            `{"empty":{"Bytes":"` + rep(`AA\n`) + `"}}`,
		"space":             rep(" ") + "{}",
		"raw":               `{"keep":{"Raw":[` + rep("1 ,") + `1]}}`,
	}
}

// Time and memory grow with the length of a document and no faster.
func TestConformance24HostileIsLinear(t *testing.T) { //nolint:paralleltest // it measures
	const short, times = 1 << 16, 160 // 10 MB
	if testing.Short() || raceEnabled {
		t.Skip("takes seconds, and under the race detector many")
	}
	small, large := hostile(short), hostile(short*times)
	for name, document := range large {
		grows(t, name, small[name], document, times, func(document string) { _, _ = taskqueue.ParseJSON([]byte(document)) })

		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = taskqueue.ParseJSON([]byte(document))
		runtime.ReadMemStats(&after)
		// The worst are empty elements: three bytes make a struct of 32, and a
		// growing slice is copied.
		if n := after.TotalAlloc - before.TotalAlloc; n > 100*uint64(len(document)) {
			t.Errorf("%s: %d bytes allocated for %d", name, n, len(document))
		}
	}
}

// grows compares the times that reading a document and one so many times as long
// takes. Others use the machine too: the least of several tries counts, and one
// that shows it is enough.
func grows(t *testing.T, name, short, long string, times time.Duration, read func(string)) {
	t.Helper()
	took := func(document string) time.Duration {
		start := time.Now()
		read(document)

		return time.Since(start)
	}
	least, most := took(short), took(long)
	for range 20 {
		// Quadratic growth would be times*times.
		if most <= times*times/4*least || most > time.Minute {
			break
		}
		least, most = min(least, took(short)), min(most, took(long))
	}
	if most > times*times/4*least {
		t.Errorf("%s: %v for %d bytes, %v for %d", name, least, len(short), most, len(long))
	}
}

func TestConformance25CallersBuffer(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts those of everybody
	p := task{Keep: conformance.Keep{String: "text", Bytes: []byte("bytes"), Map: map[string]string{"a": "b"}, List: []string{"x"}}}
	dst := make([]byte, 1, 1<<14)
	out, err := taskqueue.AppendJSON(dst, &p)
	if err != nil || &out[0] != &dst[0] {
		t.Fatalf("written elsewhere: %v", err)
	}
	room := make([]byte, 1, 8)
	room[0] = 'x'
	p.Floats.F64 = math.NaN()
	if out, err := taskqueue.AppendJSON(room, &p); err == nil || string(out) != "x" {
		t.Errorf("after an error: %q, %v", out, err)
	}
}
