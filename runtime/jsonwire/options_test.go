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

var insideFields = Fields{Keys: []string{`"id":`, `"next":`, `"names":`, `"more":`, `"raw":`, `"pair":`, `"secret":`}}

func decodeInside(r *Reader, p *inside) {
	o := r.Object(&insideFields)
	for o.Next() {
		switch o.Field {
		case 0:
			r.String(&p.ID)
		case 1:
			if r.Null() {
				p.Next = nil
				break
			}
			p.Next = new(inside)
			decodeInside(r, p.Next)
		case 2:
			r.StringMap(&p.Names)
		case 3:
			m := r.Map()
			for m.Next() {
				var v inside
				decodeInside(r, &v)
				m.Key()
			}
		case 4:
			r.RawMessage(&p.Raw)
		case 5:
			a := r.Array()
			for a.Next() {
				if a.Index >= 1 { // what an array has no room for
					r.Skip()
					continue
				}
				decodeInside(r, new(inside))
			}
		case 6:
			decodeInside(r, new(inside))
			o.Sensitive()
		}
	}
}

// readInside reads the payload of an envelope that is read as ever.
func readInside(doc string, opts Options) error {
	r := NewReader([]byte(doc))
	var p inside
	r.Apply(opts)
	decodeInside(&r, &p)
	r.Apply(Options{})

	return r.Finish()
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
		`{"names":{"a":"1","a":"2"}}`:       "jsonwire: names: key given twice at offset 21",
		`{"names":{"a":"1","\u0061":"2"}}`:  "jsonwire: names: key given twice at offset 26",
		`{"more":{"k":{"nope":1}}}`:         "jsonwire: more.nope: unknown member at offset 20",
		`{"raw":{"a":1,"b":{"c":1,"c":2}}}`: "jsonwire: raw: member given twice at offset 28",
		`{"pair":[{},{"z":1,"z":2}]}`:       "jsonwire: member given twice at offset 22",
		`{"secret":{"hush":1}}`:             "jsonwire: secret: unknown member at offset 17",
		`{"id":1,"other":1}`:                "jsonwire: other: unknown member at offset 15",
		`{"id":"a","other":1`:               "jsonwire: unexpected end of JSON input at offset 19",
		`{"id":"a","id":tru}`:               "jsonwire: invalid character '}' in literal true (expecting 'e') at offset 19",
		`[{"a":1,"a":1}]`:                   "jsonwire: cannot read array as object at offset 1",
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

// What is round a payload is neither measured nor read strictly.
func TestOptionsAreAboutOneValue(t *testing.T) {
	t.Parallel()
	envelope := Fields{Keys: []string{`"value":`, `"after":`}}
	read := func(doc string, opts Options) error {
		r := NewReader([]byte(doc))
		o := r.Object(&envelope)
		for o.Next() {
			if o.Field == 1 {
				r.Skip()
				continue
			}
			var p inside
			r.Apply(opts)
			decodeInside(&r, &p)
			r.Apply(Options{})
		}

		return r.Finish()
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
		r.Apply(Options{Limits: test.l})
		r.Skip()
		if got := r.Finish(); err != nil && !cmp.Equal(got, err) {
			t.Errorf("%s, %+v: read %v, checked %v", test.doc, test.l, got, err)
		}
	}
}

// Looking for repeated names takes time and memory linear in the document.
func TestStrictIsLinear(t *testing.T) { //nolint:paralleltest // it measures
	if testing.Short() {
		t.Skip("takes seconds")
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
		took := func(doc string, times int) (least time.Duration) {
			for range times {
				start := time.Now()
				_ = readInside(doc, Options{Strict: true, Limits: Limits{Elements: 1 << 30, Depth: MaxDepth, Bytes: 1 << 30}})
				if d := time.Since(start); least == 0 || d < least {
					least = d
				}
			}

			return least
		}
		// Quadratic growth would be times*times. Others use the machine too.
		if a, b := took(small[name], 3), took(doc, 1); b > times*times/2*a+time.Second {
			t.Errorf("%s: %v for %d bytes, %v for %d", name, a, len(small[name]), b, len(doc))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = readInside(doc, Options{Strict: true})
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 100*uint64(len(doc)) {
			t.Errorf("%s: %d bytes allocated for %d", name, n, len(doc))
		}
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
			r.Apply(Options{Strict: true})
			p.decode(&r, got)
			r.Apply(Options{})
			err = r.Finish()
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
