package jsondiff

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// maxDepth is how deep random values nest.
const maxDepth = 5

// fill puts something random into v, as far as reflection may.
func fill(r *rand.Rand, v reflect.Value, makers map[string]Gen, depth int) {
	if maker, ok := makers[v.Type().String()]; ok {
		v.Set(reflect.ValueOf(maker(r)))
		return
	}
	if maker, ok := standard[v.Type().String()]; ok {
		v.Set(reflect.ValueOf(maker(r)))
		return
	}

	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(randomBits(r)) >> (64 - v.Type().Bits()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(randomBits(r) >> (64 - v.Type().Bits()))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(randomFloat(r))
	case reflect.String:
		v.SetString(randomString(r))
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				fill(r, f, makers, depth+1)
			} else if v.Type().Field(i).Anonymous && f.Kind() == reflect.Struct {
				fillPromoted(r, f, makers, depth+1)
			}
		}
	case reflect.Pointer:
		if r.IntN(3) > 0 && depth < maxDepth {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem(), makers, depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i), makers, depth+1)
		}
	case reflect.Slice:
		fillSlice(r, v, makers, depth)
	case reflect.Map:
		fillMap(r, v, makers, depth)
	}
}

// fillPromoted fills the exported fields of an unexported embedded struct.
func fillPromoted(r *rand.Rand, v reflect.Value, makers map[string]Gen, depth int) {
	for i := range v.NumField() {
		if f := v.Field(i); f.CanSet() {
			fill(r, f, makers, depth)
		}
	}
}

func fillSlice(r *rand.Rand, v reflect.Value, makers map[string]Gen, depth int) {
	n := length(r, depth)
	if n < 0 {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), n, n+r.IntN(3)))
	for i := range v.Cap() { // beyond the length too: encoding/json reads over what is there
		fill(r, v.Slice(0, v.Cap()).Index(i), makers, depth+1)
	}
}

func fillMap(r *rand.Rand, v reflect.Value, makers map[string]Gen, depth int) {
	n := length(r, depth)
	if n < 0 {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for range n {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(r, key, makers, depth+1)
		fill(r, value, makers, depth+1)
		v.SetMapIndex(key, value)
	}
}

// length is how many elements to make, -1 for nil.
func length(r *rand.Rand, depth int) int {
	if depth >= maxDepth {
		return r.IntN(2) - 1
	}

	return r.IntN(5) - 1
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
