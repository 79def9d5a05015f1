package jsondiff

import (
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// maxDepth is how deep random values nest.
const maxDepth = 5

// maxNodes is about how many scalars and parts a random value has.
const maxNodes = 600

// filler makes one random value.
type filler struct {
	r      *rand.Rand
	makers map[string]Gen
	nodes  int // so many are made
}

// fill puts something random into v, as far as reflection may.
func fill(r *rand.Rand, v reflect.Value, makers map[string]Gen) {
	f := filler{r: r, makers: makers}
	f.fill(v, 0)
}

// deepest reports whether no more parts are to be made.
func (f *filler) deepest(depth int) bool { return depth >= maxDepth || f.nodes > maxNodes }

func (f *filler) fill(v reflect.Value, depth int) {
	f.nodes++
	for _, makers := range []map[string]Gen{f.makers, standard} {
		if maker, ok := makers[v.Type().String()]; ok {
			v.Set(reflect.ValueOf(maker(f.r)))
			return
		}
	}

	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(f.r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(randomBits(f.r)) >> (64 - v.Type().Bits()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(randomBits(f.r) >> (64 - v.Type().Bits()))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(randomFloat(f.r))
	case reflect.String:
		v.SetString(randomString(f.r))
	case reflect.Struct:
		f.structure(v, depth)
	case reflect.Pointer:
		if f.r.IntN(3) > 0 && !f.deepest(depth) {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem(), depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			f.fill(v.Index(i), depth+1)
		}
	case reflect.Slice:
		f.slice(v, depth)
	case reflect.Map:
		f.mapping(v, depth)
	}
}

func (f *filler) structure(v reflect.Value, depth int) {
	for i := range v.NumField() {
		if field := v.Field(i); field.CanSet() {
			f.fill(field, depth+1)
		} else if v.Type().Field(i).Anonymous && field.Kind() == reflect.Struct {
			f.structure(field, depth) // its exported fields can be set
		}
	}
}

func (f *filler) slice(v reflect.Value, depth int) {
	n := f.length(depth)
	if n < 0 {
		return
	}
	room := f.r.IntN(3)
	if f.deepest(depth) {
		room = 0
	}
	v.Set(reflect.MakeSlice(v.Type(), n, n+room))
	for i := range v.Cap() { // beyond the length too: encoding/json reads over what is there
		f.fill(v.Slice(0, v.Cap()).Index(i), depth+1)
	}
}

func (f *filler) mapping(v reflect.Value, depth int) {
	n := f.length(depth)
	if n < 0 {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for range n {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key, depth+1)
		f.fill(value, depth+1)
		v.SetMapIndex(key, value)
	}
}

// length is how many elements to make, -1 for nil.
func (f *filler) length(depth int) int {
	if f.deepest(depth) {
		return f.r.IntN(2) - 1
	}

	return f.r.IntN(5) - 1
}

func randomBits(r *rand.Rand) uint64 {
	switch r.IntN(4) {
	case 0:
		return 0
	case 1:
		return ^uint64(0)
	default:
		return r.Uint64()
	}
}

func randomFloat(r *rand.Rand) float64 {
	switch r.IntN(9) {
	case 0:
		return 0
	case 1:
		return math.Copysign(0, -1)
	case 2:
		return float64(r.IntN(2000)-1000) / 100
	case 3:
		return float64(r.Int64N(1<<50)-1<<49) / 1e4
	case 4:
		return r.NormFloat64()
	case 5:
		return []float64{
			1e21, 1e20, 1e-6, 9.9e-7, 1e-7, math.MaxFloat64, math.SmallestNonzeroFloat64, math.MaxFloat32,
		}[r.IntN(8)]
	case 6:
		if r.IntN(10) == 0 {
			return []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[r.IntN(3)]
		}
	}

	return float64(r.IntN(100))
}

var fragments = []string{
	"a", "bc", "hello world, hello", "<b>", "&", `"`, `\`, "\n", "\t", "\x00", "\x1f", "\x7f", "\b", "\f",
	"é", "日本語",
	"\u2028", "\u2029", "\xff", "\xc3", "\xed\xa0\x80", "😀", "/", "'",
	"0123456789abcdef0123456789", "\ufffd", "K", "ſ",
}

func randomString(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(5) {
		b.WriteString(fragments[r.IntN(len(fragments))])
	}

	return b.String()
}

// standard makes values of the standard library's types.
var standard = map[string]Gen{
	"time.Time":       func(r *rand.Rand) any { return randomTime(r) },
	"json.Number":     func(r *rand.Rand) any { return json.Number(randomNumber(r)) },
	"json.RawMessage": func(r *rand.Rand) any { return randomRaw(r) },
	"big.Int":         func(r *rand.Rand) any { return *new(big.Int).Lsh(big.NewInt(r.Int64()-1<<62), uint(r.IntN(90))) },
	"netip.Addr":      func(r *rand.Rand) any { return randomAddr(r) },
}

func randomTime(r *rand.Rand) time.Time {
	t := time.Unix(r.Int64N(253402300800+62167219200)-62167219200, r.Int64N(1e9)).UTC()
	switch r.IntN(8) {
	case 0:
		return time.Time{}
	case 1:
		return t.In(time.FixedZone("", (r.IntN(47)-23)*1800))
	case 2:
		if r.IntN(10) == 0 {
			return t.AddDate(20000, 0, 0)
		}
	case 3:
		return t.Truncate(time.Second)
	}

	return t
}

func randomNumber(r *rand.Rand) string {
	switch r.IntN(20) {
	case 0:
		return ""
	case 1:
		return "x"
	}

	return []string{"0", "-1", "1.5", "1e3", "-0.0E-5"}[r.IntN(5)] + ""
}

func randomRaw(r *rand.Rand) json.RawMessage {
	switch r.IntN(20) {
	case 0:
		return json.RawMessage("{")
	case 1:
		return json.RawMessage{}
	case 2:
		return nil
	}

	return json.RawMessage([]string{
		"null", "1", ` { "a" : [ 1 , "<&>" ] } `, `"` + strconv.Itoa(r.IntN(100)) + `"`, "[]", "\"\u2028\"",
	}[r.IntN(6)])
}

func randomAddr(r *rand.Rand) netip.Addr {
	return []netip.Addr{
		{}, netip.AddrFrom4([4]byte{127, 0, 0, byte(r.Uint32())}), netip.IPv6LinkLocalAllNodes().WithZone("<z>"),
	}[r.IntN(3)]
}

// calm removes what is unequal to itself.
func calm(v reflect.Value) {
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		if math.IsNaN(v.Float()) && v.CanSet() {
			v.SetFloat(1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			calm(v.Field(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			calm(v.Elem())
		}
	case reflect.Array:
		for i := range v.Len() {
			calm(v.Index(i))
		}
	case reflect.Slice:
		for i := range v.Cap() {
			calm(v.Slice(0, v.Cap()).Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			calm(value)
			v.SetMapIndex(key, value)
		}
	}
}
