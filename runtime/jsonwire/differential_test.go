package jsonwire

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// payload is one type under test: its codec and encoding/json's view of it.
type payload struct {
	name   string
	fresh  func() any
	decode func(r *Reader, i int, p any) int
	append func([]byte, any) ([]byte, error)
}

var payloads = []payload{
	{
		name: "scalars", fresh: func() any { return new(scalars) },
		decode: func(r *Reader, i int, p any) int { return decodeScalars(r, i, p.(*scalars)) },
		append: func(dst []byte, p any) ([]byte, error) { return appendScalars(dst, p.(*scalars)) },
	},
	{
		name: "tree", fresh: func() any { return new(tree) },
		decode: func(r *Reader, i int, p any) int { return decodeTree(r, i, p.(*tree)) },
		append: func(dst []byte, p any) ([]byte, error) { return appendTree(dst, p.(*tree), 1) },
	},
	{
		name: "outer", fresh: func() any { return new(outer) },
		decode: func(r *Reader, i int, p any) int { return decodeOuter(r, i, p.(*outer)) },
	},
	{
		name: "quotes", fresh: func() any { return new(quotes) },
		decode: func(r *Reader, i int, p any) int { return decodeQuotes(r, i, p.(*quotes)) },
	},
	{
		name: "customs", fresh: func() any { return new(customs) },
		decode: func(r *Reader, i int, p any) int { return decodeCustoms(r, i, p.(*customs)) },
	},
}

// parse is ParseJSON as it is generated.
func (p payload) parse(src []byte, share bool) (any, error) {
	v := p.fresh()
	r := NewReader(src)
	if share {
		r.ShareText()
	}
	err := r.Finish(p.decode(&r, 0, v))
	if r.Malformed() {
		v = p.fresh()
	}

	return v, err
}

// decodeInto is DecodeJSON as it is generated.
func (p payload) decodeInto(src []byte, v any) error {
	if err := Validate(src); err != nil {
		return err
	}
	r := NewReader(src)

	return r.Finish(p.decode(&r, 0, v))
}

// firstEngine reports whether the toolchain's encoding/json is the one whose
// errors are promised. The engine that follows upon it has other kinds, offsets
// and texts for some.
var firstEngine = func() bool {
	out, err := json.Marshal("\xff")

	return err == nil && string(out) == `"\ufffd"`
}()

// needsFirstEngine skips a comparison of errors, or of what they leave behind.
func needsFirstEngine(t testing.TB) {
	t.Helper()
	if !firstEngine {
		t.Skip("errors of this toolchain's encoding/json are not those that are promised")
	}
}

// sameError compares kinds, offsets and fields, and text where it is not ours.
func sameError(got, want error) error {
	differ := fmt.Errorf("error: got %T %v, want %T %v", got, got, want, printable(want))
	switch want := want.(type) {
	case nil:
		if got != nil {
			return differ
		}
	case *json.SyntaxError:
		if e, ok := got.(*SyntaxError); !ok || e.Offset != want.Offset || e.Problem != want.Error() {
			return differ
		}
	case *json.UnmarshalTypeError:
		if e, ok := got.(*TypeError); !ok || e.Offset != want.Offset || e.Value != want.Value || e.Field != want.Field {
			return differ
		}
	case base64.CorruptInputError:
		var e base64.CorruptInputError
		var v *ValueError
		if !errors.As(got, &e) || !errors.As(got, &v) || e != want {
			return differ
		}
	default:
		_, ours := got.(*ValueError)
		if theirs := strings.HasPrefix(want.Error(), "json: invalid"); theirs != ours || !theirs && (got == nil || got.Error() != want.Error()) {
			return differ
		}
	}

	return nil
}

func printable(err error) any {
	if e, ok := err.(*json.UnmarshalTypeError); ok {
		return fmt.Sprintf("{%s %d %s}", e.Value, e.Offset, e.Field)
	}

	return err
}

// documents writes random JSON that mostly fits a type.
type documents struct {
	*rand.Rand
	b     strings.Builder
	depth int
	wild  float64 // how often something does not fit
}

func (d *documents) chance(p float64) bool { return d.Float64() < p }

func (d *documents) pick(s ...string) string { return s[d.IntN(len(s))] }

func (d *documents) space() {
	if d.chance(0.03) {
		d.b.WriteString(d.pick(" ", "\n", "\t", "\r", "  \n  "))
	}
}

func (d *documents) literal(lit string) {
	d.space()
	d.b.WriteString(lit)
	d.space()
}

var strs = []string{
	`""`, `"a"`, `"eu-west-1"`, `"application/octet-stream; charset=utf-8"`, `"é"`, `"日本語のテキスト"`, `"a\nb"`, `"\u0041"`,
	`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"<&>"`, `"\"\\\/\b\f\n\r\t"`, "\"\xff\"",
	"\"abc\xc3\x28defgh\"", `"no"`, `"yes"`, `"null"`, `"true"`, `"12"`, `"\u2028"`, "\"\u2028\"", `"aGVsbG8="`, `"aGVsbG8"`,
	`"aGVs\nbG8="`, `"a\/b="`, `"////"`, `"AQI="`, `"2026-11-21T12:22:19.1234567Z"`, `"2026-11-21T12:22:19+01:00"`,
	`"2024-02-29T00:00:00Z"`, `"2023-02-29T00:00:00Z"`, `"0000-01-01T00:00:00Z"`, `"10.0.0.1"`, `"::1"`,
}

var nums = []string{
	"0", "-0", "1", "-1", "7", "42", "127", "128", "-128", "-129", "255", "256", "32767", "32768", "65535", "65536", "2147483647",
	"2147483648", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
	"-9223372036854775809", "18446744073709551615", "18446744073709551616", "999999999999999999", "1000000000000000000",
	"1.0", "1e3", "1E+2", "-1.5", "0.1", "3.4028235e38", "3.4028236e38", "1e39", "1e308", "1e309", "-1e309", "1e-400", "0.000001",
	"16777216", "16777217", "16777215.5", "123456789.123456789", "12345678901234567890.5", "0.30000000000000004", "5e-324",
	"1e400000000000000000000", "0.00000000000000000000001",
}

func (d *documents) string() string { return strs[d.IntN(len(strs))] }
func (d *documents) number() string { return nums[d.IntN(len(nums))] }

// anything writes a value of whatever shape.
func (d *documents) anything() {
	d.depth++
	defer func() { d.depth-- }()
	kind := d.IntN(7)
	if d.depth > 6 {
		kind %= 5
	}
	switch kind {
	case 0:
		d.literal("null")
	case 1:
		d.literal(d.pick("true", "false"))
	case 2, 3:
		d.literal(d.number())
	case 4:
		d.literal(d.string())
	case 5:
		d.list(d.IntN(3), func(int) { d.anything() })
	case 6:
		d.object(d.IntN(3), func(int) { d.member(d.pick(`"x"`, `"id"`, d.string())); d.anything() })
	}
}

func (d *documents) list(n int, element func(int)) { d.brackets("[", "]", n, element) }

func (d *documents) object(n int, member func(int)) { d.brackets("{", "}", n, member) }

func (d *documents) brackets(open, end string, n int, each func(int)) {
	d.literal(open)
	for i := range n {
		if i > 0 {
			d.literal(",")
		}
		each(i)
	}
	d.literal(end)
}

func (d *documents) member(quoted string) { d.literal(quoted); d.literal(":") }

// name writes a member's name, at times in another spelling.
func (d *documents) name(name string) {
	switch {
	case d.chance(0.05):
		name = strings.ToUpper(name)
	case d.chance(0.03):
		name = strings.NewReplacer("k", "K", "s", "ſ", "S", "ſ").Replace(name)
	case d.chance(0.03):
		name = fmt.Sprintf(`\u%04x%s`, name[0], name[1:])
	}
	d.member(`"` + name + `"`)
}

var textUnmarshaler = reflect.TypeFor[interface{ UnmarshalText([]byte) error }]()

// value writes a value for t.
func (d *documents) value(t reflect.Type) {
	d.depth++
	defer func() { d.depth-- }()
	switch {
	case d.chance(d.wild):
		d.anything()
		return
	case d.chance(d.wild / 2):
		d.literal("null")
		return
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		d.literal(d.pick(`"2026-11-21T12:22:19.1234567Z"`, `"1970-01-01T00:00:00Z"`, `"2026-11-21T12:22:19.5+02:00"`, d.wildString()))
		return
	case reflect.TypeFor[json.Number]():
		d.literal(d.pick(d.number(), `"12"`, `"-1.5e3"`, d.wildString()))
		return
	case reflect.TypeFor[json.RawMessage](), reflect.TypeFor[picky]():
		d.anything()
		return
	case reflect.TypeFor[nested]():
		d.value(reflect.TypeFor[zone]())
		return
	}
	if reflect.PointerTo(t).Implements(textUnmarshaler) {
		d.literal(d.pick(`"10.0.0.1"`, `"::1"`, d.wildString()))
		return
	}
	d.shape(t)
}

func (d *documents) wildString() string {
	if d.chance(20 * d.wild) {
		return d.string()
	}

	return `"1.2.3.4"`
}

func (d *documents) shape(t reflect.Type) {
	size := d.IntN(4)
	if d.depth > 4 {
		size = 0
	}
	if d.chance(0.01) {
		size = 12
	}
	switch t.Kind() {
	case reflect.Pointer:
		d.value(t.Elem())
	case reflect.String:
		d.literal(d.string())
	case reflect.Bool:
		d.literal(d.pick("true", "false"))
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 && d.chance(0.8) {
			d.literal(d.pick(`""`, `"AQI="`, `"aGVsbG8gd29ybGQsIGhlbGxv"`, `"aGVsbG8gd29ybGQsIGhlbGxvIQ=="`, d.wildString()))
			return
		}
		d.list(size, func(int) { d.value(t.Elem()) })
	case reflect.Map:
		d.object(size, func(i int) { d.member(d.mapKey(t.Key(), i)); d.value(t.Elem()) })
	case reflect.Struct:
		d.structure(t)
	default:
		if d.chance(20 * d.wild) {
			d.literal(d.number())
			return
		}
		d.literal(d.pick("0", "1", "2", "17", "100"))
	}
}

func (d *documents) mapKey(t reflect.Type, i int) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return d.pick(`"2026-11-21T12:22:19.1234567Z"`, `"1970-01-01T00:00:00Z"`, d.wildString())
	case t.Kind() == reflect.String && t != reflect.TypeFor[spelt]():
		return d.string()
	case t.Kind() == reflect.Struct:
		return d.pick(`"10.0.0.1"`, `"::1"`, d.wildString())
	}
	if d.chance(20 * d.wild) {
		return d.pick(`"300"`, `"-1"`, `"+5"`, `"007"`, `"1.0"`, `"no"`, `""`, `"70000"`, `"\u0031"`)
	}

	return fmt.Sprintf(`"%d"`, i)
}

// structure writes the members of a struct, mostly in order and once.
func (d *documents) structure(t reflect.Type) {
	type field struct {
		name   string
		t      reflect.Type
		quoted bool
	}
	var fields []field
	for _, f := range reflect.VisibleFields(t) {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() {
			continue
		}
		fields = append(fields, field{tag, f.Type, options == "string"})
	}
	if d.depth > 2 || d.chance(0.3) {
		d.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		fields = fields[:d.IntN(len(fields)+1)]
	}
	if d.chance(0.1) && len(fields) > 0 {
		fields = append(fields, fields[d.IntN(len(fields))])
	}
	d.object(len(fields), func(i int) {
		if d.chance(0.03) {
			d.member(d.pick(`"unknown"`, `"x"`, d.string()))
			d.anything()
			d.literal(",")
		}
		d.name(fields[i].name)
		if fields[i].quoted {
			d.quoted(fields[i].t)
			return
		}
		d.value(fields[i].t)
	})
}

// quoted writes a ",string" member.
func (d *documents) quoted(t reflect.Type) {
	if d.chance(d.wild) {
		d.anything()
		return
	}
	inner := documents{Rand: d.Rand, wild: d.wild}
	switch {
	case d.chance(d.wild):
		inner.b.WriteString(d.pick("", "nul", "nope", "t", "truex", "+1", "0x1p4", "1_000", "007", "-Inf", "Inf", "-", `"`, `"a`, `"a\'b"`,
			`"a\qb"`, `"a\u12"`, "\"a\tb\"", "[1]", "{}", " 1", "1 ", "12abc"))
	case t == reflect.TypeFor[spelt]():
		inner.b.WriteString(d.string())
	default:
		inner.value(t)
	}
	text, _ := json.Marshal(inner.b.String())
	d.literal(string(text))
}

// mutate damages a document.
func (d *documents) mutate(doc string) string {
	b := []byte(doc)
	for range 1 + d.IntN(3) {
		if len(b) == 0 {
			break
		}
		i := d.IntN(len(b))
		switch d.IntN(6) {
		case 0:
			b = b[:i]
		case 1:
			b[i] = byte(d.IntN(256))
		case 2:
			b = append(b[:i], b[i+1:]...)
		case 3:
			c := d.pick("{", "}", "[", "]", ",", ":", `"`, `\`, "0", "-", ".", "e", "t", "n", " ", "\x00", "\xef\xbb\xbf", "\x1f", `\u12`)
			b = append(b[:i], append([]byte(c), b[i:]...)...)
		case 4:
			j := d.IntN(len(b))
			b[i], b[j] = b[j], b[i]
		case 5:
			b = append(b, d.pick(" ", "\n", "x", "{}", ",", "\x00", "null")...)
		}
	}

	return string(b)
}

var (
	rounds = flag.Int("rounds", 1_500/fewer, "random documents per type in differential tests, three times over")
	seed   = flag.Uint64("seed", 26, "where the random documents of differential tests start")
)

func TestDecodeAsEncodingJSON(t *testing.T) {
	t.Parallel()
	needsFirstEngine(t)
	for n, p := range payloads {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			d := &documents{Rand: rand.New(rand.NewPCG(*seed, uint64(n)))}
			failed := 0
			for range *rounds {
				if !compareDecoding(t, d, p) {
					failed++
				}
				if failed >= 5 {
					t.Fatal("enough")
				}
			}
		})
	}
}

// compareDecoding decodes three documents: into a fresh value, and then one
// after another into filled ones.
func compareDecoding(t *testing.T, d *documents, p payload) bool {
	t.Helper()
	filled, model := p.fresh(), p.fresh()
	for step := range 3 {
		d.wild = []float64{0, 0.002, 0.01, 0.05}[d.IntN(4)]
		d.b.Reset()
		d.value(reflect.TypeOf(filled).Elem())
		doc := d.b.String()
		if d.chance(0.15) {
			doc = d.mutate(doc)
		}

		want := p.fresh()
		wantErr := json.Unmarshal([]byte(doc), want)
		got, err := p.parse([]byte(doc), d.chance(0.3))
		if !same(t, doc, "parse", got, want, err, wantErr) {
			return false
		}
		wantErr = json.Unmarshal([]byte(doc), model)
		err = p.decodeInto([]byte(doc), filled)
		if !same(t, doc, fmt.Sprintf("decode %d", step), filled, model, err, wantErr) {
			return false
		}
	}

	return true
}

func same(t *testing.T, doc, what string, got, want any, err, wantErr error) bool {
	t.Helper()
	if e := sameError(err, wantErr); e != nil {
		t.Errorf("%s of %q: %v", what, doc, e)
		return false
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s of %q: (-want +got)\n%s", what, doc, cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })))
		return false
	}

	return true
}

func TestEncodeAsEncodingJSON(t *testing.T) {
	t.Parallel()
	for n, p := range payloads {
		if p.append == nil {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			d := &documents{Rand: rand.New(rand.NewPCG(*seed+1, uint64(n))), wild: 0.002}
			for range *rounds {
				d.b.Reset()
				d.value(reflect.TypeOf(p.fresh()).Elem())
				v := p.fresh()
				_ = json.Unmarshal([]byte(d.b.String()), v)
				want, wantErr := json.Marshal(v)
				got, err := p.append([]byte("before"), v)
				if err != nil || wantErr != nil {
					t.Fatalf("errors: got %v, want %v", err, wantErr)
				}
				if diff := cmp.Diff("before"+string(want), string(got)); diff != "" {
					t.Fatalf("(-want +got)\n%s", diff)
				}
			}
		})
	}
}
