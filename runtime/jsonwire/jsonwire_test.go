package jsonwire

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// 16: what is no JSON, with the offset and text of encoding/json.
func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	needsFirstEngine(t)
	deep := strings.Repeat("[", MaxDepth+1)
	docs := []string{
		"", " ", "x", "\xef\xbb\xbf{}", "\x00", "\v1", "\u00a01", "'a'", "nul", "nulL", "tru", "trux", "fals",
		"falsy", "n", "NaN",
		"+1", "-", "-a", "01", "-01", "1.", "1.x", ".5", "1e", "1e+", "1ex", "0x1", "1_000", "1 2", "1,", `"`,
		`"a`, "\"a\nb\"", "\"\x1f\"",
		`"\`, `"\x"`, `"\u`, `"\u1`, `"\u12g4"`, `"\u123`, `"\'"`, "{", "{ ", "{,", "{1:2}", `{"a"`, `{"a" `,
		`{"a"x`, `{"a":`, `{"a":}`,
		`{"a":1`, `{"a":1 "b"`, `{"a":1,`, `{"a":1,}`, `{"a":1]`, "[", "[ ", "[,", "[1", "[1 2]", "[1,", "[1,]",
		"[1}", "]", "}", "{}}", "[]]",
		`{"s":"a"}x`, `{"s":1}  ,`, `{"next":{"s":tru}}`, `{"i":01}`, `{"f64":1.}`, `{"unknown":[1,{"a":nul}]}`, deep,
		`{"next":` + deep, strings.Repeat(`{"next":`, MaxDepth+1), strings.Repeat(" ", 9) + "@",
	}
	for _, doc := range docs {
		want := json.Unmarshal([]byte(doc), new(tree))
		show := doc[:min(len(doc), 40)]
		for _, p := range payloads {
			got, err := p.parse([]byte(doc), false)
			if e := sameError(err, want); e != nil {
				t.Errorf("%s of %q: %v", p.name, show, e)
			}
			if !reflect.DeepEqual(got, p.fresh()) {
				t.Errorf("%s of %q is not zero: %+v", p.name, show, got)
			}
		}
		if e := sameError(Validate([]byte(doc)), want); e != nil {
			t.Errorf("Validate of %q: %v", show, e)
		}
	}
}

// 18: depth is bounded both ways, and what fits is read.
func TestConformance18Depth(t *testing.T) {
	t.Parallel()
	needsFirstEngine(t)
	nest := func(open, inner, end string, n int) []byte {
		return []byte(strings.Repeat(open, n) + inner + strings.Repeat(end, n))
	}
	for name, doc := range map[string]func(int) []byte{
		"skipped": func(n int) []byte { return []byte(`{"x":` + string(nest("[", "1", "]", n-1)) + "}") },
		"decoded": func(n int) []byte { return nest(`{"next":`, "null", "}", n) },
		"mixed":   func(n int) []byte { return nest(`{"list":[`, "", "]}", n/2) },
	} {
		for _, n := range []int{MaxDepth, MaxDepth + 2} {
			var model tree
			want := json.Unmarshal(doc(n), &model)
			var got tree
			r := NewReader(doc(n))
			err := r.Finish(decodeTree(&r, 0, &got))
			if e := sameError(err, want); e != nil || (err == nil) != (n == MaxDepth) {
				t.Errorf("%s, %d levels: %v, %v", name, n, e, err)
			}
		}
	}
	cycle := &tree{}
	cycle.Next = cycle
	var unsupported *UnsupportedValueError
	if _, err := appendTree(nil, cycle, 1); !errors.As(err, &unsupported) {
		t.Errorf("cycle through a pointer: %v", err)
	}
	loop := tree{Kids: map[string]tree{}}
	loop.Kids["a"] = loop
	if _, err := appendTree(nil, &loop, 1); !errors.As(err, &unsupported) {
		t.Errorf("cycle through a map: %v", err)
	}
}

// 24: limits of the caller's.
func TestConformance24Limits(t *testing.T) {
	t.Parallel()
	const doc = `{"name":"a,[b","list":[{"size":1},{"size":2},{}],"tags":[],"x":[[[1]]]}`
	for _, c := range []struct {
		limits Limits
		want   string
	}{
		{Limits{}, ""},
		{Limits{Bytes: len(doc), Depth: 4, Elements: 12}, ""},
		{Limits{Bytes: len(doc) - 1}, "bytes"},
		{Limits{Depth: 3}, "depth"},
		{Limits{Depth: 2}, "depth"},
		{Limits{Depth: 1}, "depth"},
		{Limits{Elements: 11}, "elements"},
	} {
		var p tree
		r := NewReader([]byte(doc))
		r.Limit(c.limits)
		err := r.Finish(decodeTree(&r, 0, &p))
		var limit *LimitError
		if errors.As(err, &limit) != (c.want != "") || limit != nil && limit.What != c.want {
			t.Errorf("%+v: %v, want %q", c.limits, err, c.want)
		}
	}
}

// 24: hostile documents of a few megabytes end in an error or a value soon
// enough not to be noticed in a test.
func TestConformance24Hostile(t *testing.T) {
	t.Parallel()
	const n = 1 << 20 / fewer
	rep := strings.Repeat
	docs := []string{
		rep("[", n), rep(`{"next":`, n), rep(`{"a":`, n), `"` + rep(`\u12`, n), `"` + rep(`\`, 2*n) + `"`,
		rep("1", n), "1." + rep("0", n) + "1",
		"1e" + rep("9", n), "-" + rep("0", n), rep(" ", n), `{"s":"` + rep(`\n`, n) + `"}`,
		`{"bs":"` + rep("AAAA", n) + `"}`,
		`{"i":` + rep("9", n) + `}`, `{"f64":0.` + rep("3", n) + `}`, "{" + rep(`"q":1,`, n/4) + `"q":1}`,
		"{" + rep(`"Kſſ":1,`, n/8) + `"q":1}`,
		`{"bits":[` + rep("[],", n/4) + `[]]}`, `{"list":[` + rep("{},", n/16) + `{}]}`,
		`{"tags":[` + rep("null,", n/4) + `0]}`,
		`{"kids":{` + rep(`"":{},`, n/16) + `"":{}}}`, `{"t":"` + rep("2", n) + `"}`,
		`{"n":"` + rep("1", n) + `"}`, rep("{\"s\":\"", n),
	}
	for _, doc := range docs {
		for _, p := range payloads {
			_, _ = p.parse([]byte(doc), false)
		}
		_ = Validate([]byte(doc))
	}
}

// 25: encoding allocates nothing, decoding what the value keeps.
func TestConformance25Allocations(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector a sync.Pool drops what it is given at random")
	}
	p := newResource()
	for _, k := range strings.Split("abcdefghijklmnop", "") {
		p.Attributes[k] = k
	}
	s := &scalars{S: "a\n<日本>", F32: 1.1, F64: 1e300, T: time.Unix(1, 1).UTC(), Raw: json.RawMessage(`{"a": [1, "b<"]}`), N: "12"}
	buf := make([]byte, 0, 1<<14)
	for name, run := range map[string]func(){
		"resource": func() { buf, _ = appendResource(buf[:0], p) },
		"scalars":  func() { buf, _ = appendScalars(buf[:0], s) },
		"quoted":   func() { buf = AppendQuotedString(buf[:0], "a\"b\\c\n") },
	} {
		if n := testing.AllocsPerRun(200, run); n > 0 {
			t.Errorf("encoding %s: %v allocations", name, n)
		}
	}
	src, _ := appendResource(nil, newResource())
	var got resource
	read := func() {
		r := NewReader(src)
		if err := r.Finish(decodeResource(&r, 0, &got)); err != nil {
			t.Fatal(err)
		}
	}
	read()
	// 6 strings, 8 of the map, 3 tags, the body: the rest is there already.
	if n := testing.AllocsPerRun(200, read); n > 18 {
		t.Errorf("decoding: %v allocations", n)
	}
	if n := testing.AllocsPerRun(200, func() { _ = Validate(src) }); n > 0 {
		t.Errorf("validating: %v allocations", n)
	}
}

func TestFloats(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 9))
	for i := range 200_000 / fewer {
		var f float64
		switch i % 4 {
		case 0:
			f = float64(rng.Int64N(2e15)-1e15) / math.Pow10(rng.IntN(10))
		case 1:
			f = math.Float64frombits(rng.Uint64())
		case 2:
			f = rng.NormFloat64() * math.Pow10(rng.IntN(20)-8)
		case 3:
			f = float64(rng.IntN(1e6)) / 1e6 * float64(rng.IntN(1000))
		}
		checkFloat(t, f)
	}
	for _, f := range []float64{
		0, math.Copysign(0, -1), 1, -1, 1e-6, 9.99999e-7, 1e21, 9.999999999999999e20, 1e9, 999999999.999999, 1e-7, 1e-10, 1e100, math.MaxFloat64,
		math.SmallestNonzeroFloat64, math.MaxFloat32, math.SmallestNonzeroFloat32, 1e3, 999.999, 0.001, 1 << 24, 1<<24 + 1,
	} {
		checkFloat(t, f)
		checkFloat(t, -f)
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		_, want := json.Marshal(f)
		var unsupported *UnsupportedValueError
		if _, err := AppendFloat64(nil, f); !errors.As(err, &unsupported) || !strings.HasSuffix(want.Error(), ": "+unsupported.Value) {
			t.Errorf("%v: %v", f, err)
		}
		if _, err := AppendFloat32(nil, float32(f)); !errors.As(err, &unsupported) {
			t.Errorf("%v: %v", f, err)
		}
	}
}

func checkFloat(t *testing.T, f float64) {
	t.Helper()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return
	}
	want, _ := json.Marshal(f)
	got, err := AppendFloat64(nil, f)
	if err != nil || string(got) != string(want) {
		t.Fatalf("%v: %s, %v, want %s", f, got, err, want)
	}
	var read float64
	r := NewReader(want)
	if r.Finish(r.Float64(0, &read)) != nil || math.Float64bits(read) != math.Float64bits(f) {
		t.Fatalf("%s read as %v", want, read)
	}
	narrow := float32(f)
	if math.IsInf(float64(narrow), 0) {
		return
	}
	want, _ = json.Marshal(narrow)
	got, err = AppendFloat32(nil, narrow)
	if err != nil || string(got) != string(want) {
		t.Fatalf("float32 %v: %s, %v, want %s", narrow, got, err, want)
	}
	var read32 float32
	r = NewReader(want)
	if r.Finish(r.Float32(0, &read32)) != nil || math.Float32bits(read32) != math.Float32bits(narrow) {
		t.Fatalf("float32 %s read as %v", want, read32)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	needsFirstEngine(t)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 100_000 {
		at := time.Unix(rng.Int64N(year10000-year0)+year0, rng.Int64N(1e9)).UTC()
		if i%3 == 0 {
			at = at.Truncate([]time.Duration{time.Second, time.Millisecond, time.Microsecond, 100}[i%4])
		}
		if i%5 == 0 {
			at = at.In(time.FixedZone("", rng.IntN(86400)-43200))
		}
		want, wantErr := at.MarshalJSON()
		got, err := AppendTime(nil, at)
		if string(got) != string(want) || (err == nil) != (wantErr == nil) {
			t.Fatalf("%s, %v, want %s, %v", got, err, want, wantErr)
		}
		if err != nil {
			continue
		}
		var read, model time.Time
		_ = model.UnmarshalJSON(want)
		r := NewReader(want)
		if r.Finish(r.Time(0, &read)) != nil || at.Location() == time.UTC && read != model || !read.Equal(model) {
			t.Fatalf("%s read as %#v, want %#v", want, read, model)
		}
	}
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Unix(year0-1, 0).UTC(), time.Unix(year10000, 0).UTC(), time.Unix(1, 0).In(time.FixedZone("", 86400))} {
		want, wantErr := json.Marshal(at)
		got, err := AppendTime([]byte("x"), at)
		var failed *MarshalerError
		if wantErr != nil {
			if !errors.As(err, &failed) || !strings.HasSuffix(wantErr.Error(), failed.Err.Error()) || string(got) != "x" {
				t.Errorf("%v: %q, %v, want %v", at, got, err, wantErr)
			}
		} else if string(got) != "x"+string(want) || err != nil {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}

func TestBase64(t *testing.T) {
	t.Parallel()
	needsFirstEngine(t)
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 20_000 / fewer {
		body := make([]byte, i%100)
		for j := range body {
			body[j] = byte(rng.Uint32())
		}
		want, _ := json.Marshal(body)
		got := AppendBytes(make([]byte, 0, i%200), body)
		if string(got) != string(want) {
			t.Fatalf("%s, want %s", got, want)
		}
		if i%2 == 0 && len(got) > 2 {
			got[1+rng.IntN(len(got)-2)] = "=A+/ \n-_*"[rng.IntN(9)]
		}
		checkBase64(t, got)
	}
}

func checkBase64(t *testing.T, doc []byte) {
	t.Helper()
	var read, model []byte
	want := json.Unmarshal(doc, &model)
	r := NewReader(doc)
	if e := sameError(r.Finish(r.Bytes(0, &read)), want); e != nil {
		t.Fatalf("%s: %v", doc, e)
	}
	if diff := cmp.Diff(model, read); diff != "" {
		t.Fatalf("%s: (-want +got)\n%s", doc, diff)
	}
}

func TestSortedKeys(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	for range 2_000 {
		signed, unsigned := map[int64]bool{}, map[uint64]bool{}
		keys := BorrowKeys()
		for range rng.IntN(20) {
			u := rng.Uint64() >> rng.IntN(64)
			if i := int64(u); !signed[i] {
				signed[i] = true
				keys.Ints = append(keys.Ints, i)
			}
			if !unsigned[u] {
				unsigned[u] = true
				keys.Uints = append(keys.Uints, u)
			}
		}
		var got []byte
		for _, i := range keys.SortedInts() {
			got = append(AppendString(got, jsonNumber(i)), ":true,"...)
		}
		checkKeys(t, got, signed)
		got = got[:0]
		for _, u := range keys.SortedUints() {
			got = append(AppendString(got, jsonNumber(u)), ":true,"...)
		}
		checkKeys(t, got, unsigned)
		keys.Release()
	}
}

func jsonNumber(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func checkKeys(t *testing.T, got []byte, m any) {
	t.Helper()
	want, _ := json.Marshal(m)
	if s := "{" + strings.TrimSuffix(string(got), ",") + "}"; s != string(want) {
		t.Fatalf("%s, want %s", s, want)
	}
}

func TestMarshaled(t *testing.T) {
	t.Parallel()
	needsFirstEngine(t)
	for _, raw := range []string{
		`null`, ` { "a" : [ 1 , 2.50 , "x y\u003c<>&" ] , "\u2028` + "\u2028\u2029\xe2\x80" + `" : { } } `,
		`"\ud83d"`, "[\n\t\r]", `"`, ``, ` `, `1 2`,
		"\"\xff<\"", `tru`, "[1,]", "\"a\x00\"",
	} {
		want, wantErr := json.Marshal(json.RawMessage(raw))
		got, err := AppendRawMessage([]byte("x"), []byte(raw))
		if wantErr != nil {
			var failed *MarshalerError
			var syntax *SyntaxError
			if !errors.As(err, &failed) || !errors.As(err, &syntax) || !strings.HasSuffix(wantErr.Error(), syntax.Problem) {
				t.Errorf("%q: %v, want %v", raw, err, wantErr)
			}
			continue
		}
		if string(got) != "x"+string(want) || err != nil {
			t.Errorf("%q: %s, %v, want %s", raw, got, err, want)
		}
	}
	if got, err := AppendRawMessage(nil, nil); string(got) != "null" || err != nil {
		t.Errorf("nil: %s, %v", got, err)
	}
	var failed *MarshalerError
	if _, err := AppendMarshaled(nil, "x.T", nil, errPicky); !errors.As(err, &failed) || !errors.Is(err, errPicky) || failed.Type != "x.T" {
		t.Errorf("%v", err)
	}
	if _, err := AppendMarshaledText(nil, "x.T", nil, errPicky); !errors.As(err, &failed) || failed.Func != "MarshalText" {
		t.Errorf("%v", err)
	}
	if got, _ := AppendMarshaledText(nil, "x.T", []byte("a<\xff"), nil); string(got) != `"a\u003c`+invalidUTF8+`"` {
		t.Errorf("%s", got)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for _, n := range []json.Number{"", "0", "-0", "1.5e-7", "01", "1.", "1e", "1e+", "+1", "-", "x", " 1", "1 ", "1_0", "0x1", "Inf"} {
		want, wantErr := json.Marshal(n)
		got, err := AppendNumber(nil, string(n))
		if (err == nil) != (wantErr == nil) || err == nil && string(got) != string(want) {
			t.Errorf("%q: %s, %v, want %s, %v", n, got, err, want, wantErr)
		}
	}
}

// Decode errors leave the value of a sensitive member out.
func TestSensitive(t *testing.T) {
	t.Parallel()
	fields := Fields{Names: []string{"open", "secret", "nested", "own", "text"}}
	decode := func(doc string) error {
		var open, secret int
		var p zone
		var own picky
		var text []byte
		r := NewReader([]byte(doc))
		i, more := r.Open(0)
		for more {
			if v := r.First(i, "open"); v > 0 {
				i = r.Int(v, &open)
			}
			if v := r.Then(i, "secret"); v > 0 {
				i = r.Int(v, &secret)
				r.Sensitive(v)
			}
			if v := r.Then(i, "nested"); v > 0 {
				i = decodeZone(&r, v, &p)
				r.Sensitive(v)
			}
			if v := r.Then(i, "own"); v > 0 {
				i = decodePicky(&r, v, &own)
				r.Sensitive(v)
			}
			if v := r.Then(i, "text"); v > 0 {
				i = r.Bytes(v, &text)
				r.Sensitive(v)
			}
			i, more = r.Rest(i, 0, &fields)
		}

		return r.Finish(i)
	}
	for doc, want := range map[string]string{
		`{"open":12.5,"secret":3}`:             "jsonwire: open: cannot read number 12.5 as int at offset 12",
		`{"secret":12.5}`:                      "jsonwire: secret: cannot read number as int at offset 14",
		`{"open":12.5,"secret":12.5}`:          "jsonwire: open: cannot read number 12.5 as int at offset 12",
		`{"nested":{"rank":1234},"open":12.5}`: "jsonwire: nested.rank: cannot read number as int8 at offset 22",
		`{"own":"no such key"}`:                "value refused, not shown",
		`{"text":"secret!!"}`:                  "jsonwire: text: value refused, not shown at offset 18",
	} {
		err := decode(doc)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", doc, err, want)
		}
	}
	if err := decode(`{"own":"no"}`); !errors.Is(err, errPicky) {
		t.Errorf("%v", err)
	}
	var corrupt base64.CorruptInputError
	if err := decode(`{"text":"!"}`); !errors.As(err, &corrupt) {
		t.Errorf("%v", err)
	}
}

func TestRejectAndPlain(t *testing.T) {
	t.Parallel()
	r := NewReader([]byte(` ["a\n", {"b": [1]} , null, 1]`))
	var got [2]string
	a := r.Array(0)
	for a.Next() {
		if a.Index < 2 {
			if r.IsString(a.Pos) != (a.Index == 0) {
				t.Error("IsString")
			}
			a.Pos = r.Plain(a.Pos, &got[a.Index])
			continue
		}
		a.Pos = r.Reject(a.Pos, errPicky)
	}
	var rejected *ValueError
	if err := r.Finish(a.Pos); !errors.As(err, &rejected) || rejected.Offset != 26 || !errors.Is(err, errPicky) {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff([2]string{"a\n", `{"b": [1]}`}, got); diff != "" {
		t.Error(diff)
	}
}

// A decoder that is out of step is a bug, and says so.
func TestOutOfStep(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	r := NewReader([]byte(`{"id":1}`))
	o := r.Object(0, &zoneFields)
	for o.Next() {
	}
	_ = r.Finish(o.Pos)
}

func TestErrorTexts(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"jsonwire: unexpected end of JSON input at offset 1":               Validate([]byte("{")),
		"jsonwire: a.b: cannot read string as int at offset 7":             &TypeError{Value: "string", Type: "int", Offset: 7, Field: "a.b"},
		"jsonwire: picky: no at offset 3":                                  &ValueError{Offset: 3, Err: errPicky},
		"jsonwire: document has more than 5 elements":                      &LimitError{What: "elements", Max: 5},
		"jsonwire: MarshalJSON of x.T: picky: no":                          &MarshalerError{Type: "x.T", Func: "MarshalJSON", Err: errPicky},
		"jsonwire: unsupported value: nested deeper than 10000 levels":     CheckDepth(MaxDepth + 1),
		"jsonwire: zone lacks id, rank":                                    zoneFields.Missing("zone", 0, 3),
		"jsonwire: unsupported value: json.Number that is no number":       second(AppendNumber(nil, "x")),
		`jsonwire: ",string" member without a fitting string at offset 12`: &ValueError{Offset: 12, Err: quotedProblem},
	} {
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := zoneFields.Missing("zone", 7, 3); err != nil {
		t.Error(err)
	}
}

func second(_ []byte, err error) error { return err }

// TestStringMapSizes holds that maps that are sorted on the stack are written
// as the larger ones are.
func TestStringMapSizes(t *testing.T) {
	t.Parallel()
	for n := range 3 * few {
		m := map[string]string{}
		for i := range n {
			m[strconv.Itoa(i*7919%101)+"<"] = strconv.Itoa(i)
		}
		want, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendStringMap(nil, m); string(got) != string(want) {
			t.Errorf("%d members: %s, want %s", n, got, want)
		}
	}
}
