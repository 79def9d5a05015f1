package jsonwire

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// inside has what reading strictly looks at in various places.
type inside struct {
	ID    string
	Next  *inside
	Names map[string]string
	More  map[string]inside
	Raw   []byte
}

var insideFields = Fields{Names: []string{"id", "next", "names", "more", "raw", "pair", "secret"}}

func decodeInside(r *Reader, i int, p *inside) int {
	start, more := r.Open(i)
	for i = start; more; i, more = r.Rest(i, start, &insideFields) {
		if v := r.First(i, "id"); v > 0 {
			i = r.String(v, &p.ID)
		}
		if v := r.Then(i, "next"); v > 0 {
			if end, null := r.Null(v); null {
				i, p.Next = end, nil
			} else {
				p.Next = new(inside)
				i = decodeInside(r, v, p.Next)
			}
		}
		if v := r.Then(i, "names"); v > 0 {
			i = r.StringMap(v, &p.Names)
		}
		if v := r.Then(i, "more"); v > 0 {
			m := r.Map(v)
			for m.Next() {
				var v inside
				m.Pos = decodeInside(r, m.Pos, &v)
				m.Key()
			}
			i = m.Pos
		}
		if v := r.Then(i, "raw"); v > 0 {
			i = r.RawMessage(v, &p.Raw)
		}
		if v := r.Then(i, "pair"); v > 0 {
			a := r.Array(v)
			for a.Next() {
				if a.Index >= 1 { // what an array has no room for
					a.Pos = r.Skip(a.Pos)
					continue
				}
				a.Pos = decodeEach(r, a.Pos)
			}
			i = a.Pos
		}
		if v := r.Then(i, "secret"); v > 0 {
			i = decodeInside(r, v, new(inside))
			r.Sensitive(v)
		}
	}

	return i
}

// decodeEach reads the same member by member.
func decodeEach(r *Reader, i int) int {
	o := r.Object(i, &insideFields)
	for o.Next() {
		o.Pos = r.Skip(o.Pos)
	}

	return o.Pos
}

// readInside reads the payload of an envelope that is read as ever.
func readInside(doc string, opts Options) error {
	r := NewReader([]byte(doc))
	var p inside
	r.Apply(0, opts)
	i := decodeInside(&r, 0, &p)
	r.Apply(i, Options{})

	return r.Finish(i)
}

func TestConformance26Strict(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		`{"id":"a","next":{"id":"b"},"names":{"x":"1","X":"2"}}`: "",
		`{"next":null,"id":"out of order","names":null}`:         "",
		`{"ID":"a"}`:                        `jsonwire: ID: unknown member, for its letters: "id" is one at offset 5`,
		`{"id":"a","other":1}`:              "jsonwire: other: unknown member at offset 17",
		`{"id":"a","next":{"idd":"b"}}`:     "jsonwire: next.idd: unknown member at offset 23",
		`{"id":"a","id":"b"}`:               "jsonwire: id: member given twice at offset 14",
		`{"next":{},"id":"a","next":{}}`:    "jsonwire: next: member given twice at offset 26",
		`{"\u0069d":"a","id":"b"}`:          "jsonwire: id: member given twice at offset 19",
		`{"next":{"id":"","id":""}}`:        "jsonwire: next.id: member given twice at offset 21",
		`{"names":{"a":"1","a":"2"}}`:       "jsonwire: names: member given twice at offset 21",
		`{"names":{"a":"1","\u0061":"2"}}`:  "jsonwire: names: member given twice at offset 26",
		`{"more":{"k":{"nope":1}}}`:         "jsonwire: more.nope: unknown member at offset 20",
		`{"raw":{"a":1,"b":{"c":1,"c":2}}}`: "jsonwire: raw: member given twice at offset 28",
		`{"pair":[{},{"z":1,"z":2}]}`:       "jsonwire: pair: member given twice at offset 22",
		`{"pair":[{"id":1,"id":2}]}`:        "jsonwire: pair.id: member given twice at offset 21",
		`{"pair":[{"id":1,"ID":2}]}`:        `jsonwire: pair.ID: unknown member, for its letters: "id" is one at offset 21`,
		`{"names":{},"id":"","names":{}}`:   "jsonwire: names: member given twice at offset 27",
		`{"id":"","id" : ""}`:               "jsonwire: id: member given twice at offset 13",
		`{"secret":{"id":"","id":""}}`:      "jsonwire: secret: member given twice at offset 23",
		`{"id":1,"next":{"raw":0,"raw":0}}`: "jsonwire: next.raw: member given twice at offset 29",
		`{"secret":{"hush":1}}`:             "jsonwire: secret: unknown member at offset 17",
		`{"id":1,"other":1}`:                "jsonwire: other: unknown member at offset 15",
		`{"id":"a","other":1`:               "jsonwire: unexpected end of JSON input at offset 19",
		`{"id":"a","id":tru}`:               "jsonwire: invalid character '}' in literal true (expecting 'e') at offset 19",
		`[{"a":1,"a":1}]`:                   "jsonwire: member given twice at offset 11",
	} {
		got := ""
		if err := readInside(doc, Options{Strict: true}); err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", doc, diff)
		}
		if err := readInside(doc, Options{}); err != nil && strings.Contains(err.Error(), "member") {
			t.Errorf("%s: not asked for, and refused: %v", doc, err)
		}
	}

	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, `"k%d":"",`, i)
	}
	for last, want := range map[string]bool{"k0": true, "k7": true, "k8": true, "k999": true, "k1000": false} {
		err := readInside(`{"names":{`+many.String()+`"`+last+`":""}}`, Options{Strict: true})
		var member *MemberError
		if errors.As(err, &member) != want {
			t.Errorf("%s: %v", last, err)
		}
	}
}

// Options count that were applied last.
func TestOptionsAreTakenBack(t *testing.T) {
	t.Parallel()
	doc := `{"id":"a","id":"b"}`
	r := NewReader([]byte(doc))
	r.Apply(0, Options{Strict: true})
	r.Apply(0, Options{})
	var p inside
	if err := r.Finish(decodeInside(&r, 0, &p)); err != nil || p.ID != "b" {
		t.Errorf("%q, %v", p.ID, err)
	}
	r = NewReader([]byte(doc[:len(doc)-1]))
	r.Apply(0, Options{Strict: true})
	r.Apply(0, Options{})
	if err := r.Finish(decodeInside(&r, 0, &p)); !r.Malformed() {
		t.Errorf("of what is no JSON: %v", err)
	}
}

// What is round a payload is neither measured nor read strictly.
func TestOptionsAreAboutOneValue(t *testing.T) {
	t.Parallel()
	envelope := Fields{Names: []string{"value", "after"}}
	read := func(doc string, opts Options) error {
		r := NewReader([]byte(doc))
		o := r.Object(0, &envelope)
		for o.Next() {
			if o.Field == 1 {
				o.Pos = r.Skip(o.Pos)
				continue
			}
			var p inside
			r.Apply(o.Pos, opts)
			o.Pos = decodeInside(&r, o.Pos, &p)
			r.Apply(o.Pos, Options{})
		}

		return r.Finish(o.Pos)
	}
	for _, opts := range []Options{
		{Strict: true}, {Limits: Limits{Bytes: 10}}, {Limits: Limits{Depth: 1}}, {Limits: Limits{Elements: 1}},
	} {
		doc := `{"other":[[1,2]],"VALUE": {"id":"a"} ,"after":{"a":1,"a":2},"x":[[[1,2,3]]]}`
		if err := read(doc, opts); err != nil {
			t.Errorf("%+v: %v", opts, err)
		}
		var limit *LimitError
		var member *MemberError
		doc = `{"value":{"id":"a","next":{"ID":""}},"after":1}`
		if err := read(doc, opts); !errors.As(err, &limit) && !errors.As(err, &member) {
			t.Errorf("%+v: %v", opts, err)
		}
	}
}

func TestConformance24Check(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		doc  string
		l    Limits
		want string // the limit that is exceeded
	}{
		{`{"id":"abc"}`, Limits{Bytes: 12}, ""},
		{"  {\"id\":\"abc\"}\n\n  ", Limits{Bytes: 12}, ""},
		{`{"id":"abcd"}`, Limits{Bytes: 12}, "bytes"},
		{`"` + strings.Repeat("x", 20) + `"`, Limits{Bytes: 12}, "bytes"},
		{`{"id":"abc"`, Limits{Bytes: 12}, ""},
		{`12345678901234`, Limits{Bytes: 12}, "bytes"},
		{`123456789012 ,`, Limits{Bytes: 12}, ""},
		{`[]`, Limits{Depth: 1}, ""},
		{`[[]]`, Limits{Depth: 1}, "depth"},
		{`[{"a":"[[{"}]`, Limits{Depth: 2}, ""},
		{`[{"a":[]}]`, Limits{Depth: 2}, "depth"},
		{`[1,2,3]`, Limits{Elements: 3}, ""},
		{`[1,2,3,4]`, Limits{Elements: 3}, "elements"},
		{`{"a":1,"b":[1]}`, Limits{Elements: 3}, ""},
		{`{"a":1,"b":[1,",,"]}`, Limits{Elements: 3}, "elements"},
		{`[[],[ ],{}]`, Limits{Elements: 3}, ""},
		{`[[],[ ],{},{"a":1}]`, Limits{Elements: 3}, "elements"},
		{`[1,2]`, Limits{}, ""},
		{``, Limits{Bytes: 1, Depth: 1, Elements: 1}, ""},
		{`}`, Limits{Bytes: 1, Depth: 1, Elements: 1}, ""},
		{`"`, Limits{Bytes: 1, Depth: 1, Elements: 1}, ""},
	} {
		err := test.l.Check([]byte(test.doc))
		var limit *LimitError
		if errors.As(err, &limit); (err != nil) != (test.want != "") || err != nil && limit.What != test.want {
			t.Errorf("%s, %+v: %v", test.doc, test.l, err)
		}
		r := NewReader([]byte(test.doc))
		r.Apply(0, Options{Limits: test.l})
		if got := r.Finish(r.Skip(0)); err != nil && !cmp.Equal(got, err) {
			t.Errorf("%s, %+v: read %v, checked %v", test.doc, test.l, got, err)
		}
	}
}

// Looking for repeated names takes time and memory linear in the document.
func TestStrictIsLinear(t *testing.T) { //nolint:paralleltest // it measures
	if testing.Short() || raceEnabled {
		t.Skip("takes seconds, and under the race detector many")
	}
	documents := func(n int) map[string]string {
		var distinct strings.Builder
		for i := 0; distinct.Len() < n; i++ {
			fmt.Fprintf(&distinct, `"%d":"",`, i)
		}

		return map[string]string{
			"distinct": `{"names":{` + distinct.String() + `"a":""}}`,
			"deep":     strings.Repeat(`{"next":`, n/8),
			"escaped":  `{"names":{"` + strings.Repeat(`\u0061`, n/6) + `":""}}`,
			"objects":  `{"more":{"a":[` + strings.Repeat(`{"a":1},`, n/8) + `0]}}`,
		}
	}
	const short, times = 1 << 16, 160 // 10 MB
	small := documents(short)
	for name, doc := range documents(short * times) {
		grows(t, name, small[name], doc, times, func(doc string) {
			_ = readInside(doc, Options{Strict: true, Limits: Limits{Elements: 1 << 30, Depth: MaxDepth, Bytes: 1 << 30}})
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = readInside(doc, Options{Strict: true})
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 100*uint64(len(doc)) {
			t.Errorf("%s: %d bytes allocated for %d", name, n, len(doc))
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

// repeats reports whether an object in a valid document has a name twice, as a
// person would look.
func repeats(t *testing.T, doc string) bool {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(doc))
	d.UseNumber()
	var value func() bool
	value = func() (twice bool) {
		token, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		had := map[string]bool{}
		for token == json.Delim('{') || token == json.Delim('[') {
			if !d.More() {
				_, _ = d.Token()
				break
			}
			if token == json.Delim('{') {
				name, _ := d.Token()
				twice = twice || had[name.(string)]
				had[name.(string)] = true
			}
			twice = value() || twice
		}

		return twice
	}

	return value()
}

// Reading strictly refuses what has a name twice or one no field is for, and
// else reads the same.
func TestStrictOnRandomDocuments(t *testing.T) {
	t.Parallel()
	needsFirstEngine(t)
	for n, p := range payloads {
		d := &documents{Rand: rand.New(rand.NewPCG(*seed, uint64(100+n)))}
		refused, taken := 0, 0
		for range *rounds {
			d.wild = []float64{0, 0.002, 0.01}[d.IntN(3)]
			d.b.Reset()
			d.value(reflect.TypeOf(p.fresh()).Elem())
			doc := d.b.String()
			want, err := p.parse([]byte(doc), false)
			if err != nil {
				continue
			}
			got := p.fresh()
			r := NewReader([]byte(doc))
			r.Apply(0, Options{Strict: true})
			end := p.decode(&r, 0, got)
			r.Apply(end, Options{})
			err = r.Finish(end)
			exact := json.NewDecoder(strings.NewReader(doc))
			exact.DisallowUnknownFields()
			unknown := exact.Decode(p.fresh()) != nil
			switch {
			case (repeats(t, doc) || unknown) && err == nil:
				t.Fatalf("%s: %s is taken", p.name, doc)
			case err != nil:
				refused++
			default:
				taken++
				if diff := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
					t.Fatalf("%s: %s (-want +got)\n%s", p.name, doc, diff)
				}
			}
		}
		if refused == 0 || taken == 0 {
			t.Errorf("%s: %d refused, %d taken", p.name, refused, taken)
		}
	}
}
