package jsondiff

import (
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"unicode"
)

// maxDocumentDepth is how deep documents made from a type nest.
const maxDocumentDepth = 6

// writer makes a document that a type would take, by and large: members come
// in any order, more than once, in other letters, and with other values.
type writer struct {
	strings.Builder
	r *rand.Rand
	n int // values written
}

// shaped is a random document for values of type t.
func shaped(r *rand.Rand, t reflect.Type) []byte {
	w := writer{r: r}
	w.value(t, 0)

	return []byte(w.String())
}

// space writes white space, mostly none.
func (w *writer) space() {
	if w.r.IntN(12) == 0 {
		w.WriteString([]string{" ", "\n", "\t", "\r", " \r\n\t "}[w.r.IntN(5)])
	}
}

// value writes something for a t.
func (w *writer) value(t reflect.Type, depth int) {
	w.space()
	defer w.space()
	w.n++
	switch n := w.r.IntN(40); {
	case n == 0 || depth > maxDocumentDepth || w.n > maxNodes:
		w.WriteString("null")
		return
	case n == 1:
		w.WriteString(odd[w.r.IntN(len(odd))])
		return
	}

	switch t.Kind() {
	case reflect.Pointer:
		w.value(t.Elem(), depth)
	case reflect.Struct:
		w.object(t, depth)
	case reflect.Map:
		w.list("{}", w.r.IntN(4), func() {
			w.name(keys[w.r.IntN(len(keys))])
			w.value(t.Elem(), depth+1)
		})
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 && w.r.IntN(3) > 0 {
			w.WriteString(base64[w.r.IntN(len(base64))])
			return
		}
		w.list("[]", w.r.IntN(5), func() { w.value(t.Elem(), depth+1) })
	default:
		w.scalar(t.Kind())
	}
}

func (w *writer) list(brackets string, n int, element func()) {
	w.WriteByte(brackets[0])
	for i := range n {
		if i > 0 {
			w.WriteByte(',')
		}
		w.space()
		element()
	}
	w.space()
	w.WriteByte(brackets[1])
}

// object writes some members of t's, and one it does not know now and then.
func (w *writer) object(t reflect.Type, depth int) {
	fields := named(t, 0)
	n := w.r.IntN(len(fields) + 2)
	if len(fields) == 0 {
		n = w.r.IntN(2)
	}
	w.list("{}", n, func() {
		if len(fields) == 0 || w.r.IntN(15) == 0 {
			w.name("unknown")
			w.value(t, depth+3)

			return
		}
		f := fields[w.r.IntN(len(fields))]
		w.name(f.name)
		if !f.quoted || w.r.IntN(5) == 0 {
			w.value(f.typ, depth+1)
			return
		}
		inner := writer{r: w.r, n: w.n}
		inner.value(f.typ, depth+1)
		w.quoted(inner.String())
	})
}

// named lists what could be members of t, hidden ones included.
func named(t reflect.Type, depth int) (list []member) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if f.Anonymous && name == "" && inner.Kind() == reflect.Struct && depth < 3 {
			list = append(list, named(inner, depth+1)...)
			continue
		}
		if name == "" {
			name = f.Name
		}
		list = append(list, member{name, strings.Contains(options, "string") && plain(inner), f.Type})
	}

	return list
}

// plain reports whether t is a scalar.
func plain(t reflect.Type) bool { return t.Kind() <= reflect.Float64 || t.Kind() == reflect.String }

type member struct {
	name   string
	quoted bool // as a string in the document
	typ    reflect.Type
}

// name writes a member's name, in other letters or escaped now and then.
func (w *writer) name(name string) {
	if w.r.IntN(6) == 0 {
		name = strings.Map(func(c rune) rune {
			if w.r.IntN(2) == 0 {
				return unicode.SimpleFold(c)
			}

			return c
		}, name)
	}
	w.quoted(name)
	w.space()
	w.WriteByte(':')
}

// quoted writes a string, some of its characters as escapes.
func (w *writer) quoted(text string) {
	w.WriteByte('"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			w.WriteString(`\` + string(c))
		case c < ' ' || c < 0x10000 && w.r.IntN(30) == 0:
			digits := strconv.FormatInt(int64(c), 16)
			w.WriteString(`\u` + strings.Repeat("0", 4-len(digits)) + digits)
		default:
			w.WriteRune(c)
		}
	}
	w.WriteByte('"')
}

func (w *writer) scalar(kind reflect.Kind) {
	switch kind {
	case reflect.Bool:
		w.WriteString(strconv.FormatBool(w.r.IntN(2) == 0))
	case reflect.String:
		if w.r.IntN(8) == 0 {
			w.WriteString(texts[w.r.IntN(len(texts))])
			return
		}
		w.quoted(randomString(w.r))
	case reflect.Float32, reflect.Float64:
		w.WriteString(floats[w.r.IntN(len(floats))])
	default:
		w.WriteString(integers[w.r.IntN(len(integers))])
	}
}

var (
	odd = []string{
		"true", "false", "0", "-1", "1.0", "1e3", `""`, `"x"`, `"null"`, `"n"`, `"nil"`, `"nullx"`, "[]", "{}", "[null]",
		`{"a":null}`, `{"A":{"A":[{}]}}`, "[[1],2]", "18446744073709551616", `" "`, `"true"`, `"\"x\""`, `"-"`, `"1 "`,
		`"t"`, `"f"`, `"tru"`, `"falsx"`, `"[]"`, `"{}"`, `"[1]"`, `"\"n\""`, `"+1"`, `"01"`, `"1.0"`, `"1e2"`, `"0x1"`,
		`"\""`, `"\"\""`, `"1\u0000"`, `"\ud800"`, `"\"\\ud800\""`,
	}
	keys = []string{
		"", "a", "b", "A", "1", "-1", "0", "255", "256", "-129", "01", "+1", "1.0", "x", "null", "k", "\u212a", "<", "é",
		"18446744073709551615", "9223372036854775808", "-0", " 1", "1e1",
	}
	integers = []string{
		"0", "1", "-1", "7", "127", "128", "-128", "-129", "255", "256", "32767", "32768", "65535", "65536", "-0",
		"2147483647", "2147483648", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808",
		"-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "1.0", "1e3",
		"1E0", "0.0", "-0.0", "999999999999999999", "1000000000000000000", "12345678901234567890123",
	}
	floats = []string{
		"0", "-0", "1", "-1.5", "0.1", "1e21", "1e-7", "1E+2", "3.4028235e38", "3.4028236e38", "3.5e38", "1e39", "1e308",
		"1.8e308", "1e309", "-1e400", "5e-324", "1e-400", "123456789012345678", "0.30000000000000004", "1e0", "0e9999",
		"16777217", "9007199254740993", "1.17549435e-38", "0.000001", "1.00000000000000000000000000000000001",
	}
	texts = []string{
		`"\ud83d\ude00"`, `"\ud800"`, `"\ud800\u0041"`, `"\udc00\ud800"`, `"\b\f\n\r\t\/\\\""`, `"\u2028"`, "\"\xff\"",
		"\"\xed\xa0\x80\"", `"\uFFFD"`, `"\u0000"`, `"\ud800\ud83d\ude00"`, "\"\u2028\x7f\"", `"\x"`, "\"\n\"", `"\u12g4"`,
		`"2020-01-02T03:04:05Z"`, `"2020-01-02T03:04:05.5+01:00"`, `"2020-13-02T03:04:05Z"`, `"12"`, `"1.5"`,
	}
	base64 = []string{
		`""`, `"AQID"`, `"AQI="`, `"AQ=="`, `"A"`, `"AQ"`, `"AQI"`, `"!!!!"`, `"AQ\nID"`, `"AQ ID"`, `"AQID=="`, `"\u0041QID"`,
		`"-_-_"`, `"+/+/"`, "[1,2,3]", "[]", `[256]`, `[null]`, `["x"]`,
	}
)
