package jsonwire

import (
	"math"
	"strconv"
)

// Bool reads true or false.
func (r *Reader) Bool(i int, p *bool) int {
	src := r.src
	switch {
	case len(src)-i >= 4 && string(src[i:i+4]) == "true":
		*p = true
		return i + 4
	case len(src)-i >= 5 && string(src[i:i+5]) == "false":
		*p = false
		return i + 5
	}

	return r.bool(i, p)
}

// bool is Bool for what stands behind white space, or is none.
func (r *Reader) bool(i int, p *bool) int {
	start := space(r.src, i)
	switch {
	case start > i:
		return r.Bool(start, p)
	case i < len(r.src) && (r.src[i] == 't' || r.src[i] == 'f'):
		return r.fail()
	}

	return r.refuse(i, "bool")
}

// Int reads an integer. What does not fit is a TypeError, as is any fraction
// or exponent; so with the methods below.
func (r *Reader) Int(i int, p *int) int {
	if v, end := integer(r.src, i); end > 0 && int64(int(v)) == v {
		*p = int(v)
		return end
	}
	v, end, ok := r.signed(i, strconv.IntSize, "int")
	if ok {
		*p = int(v)
	}

	return end
}

// Int8 reads an integer.
func (r *Reader) Int8(i int, p *int8) int {
	if v, end := integer(r.src, i); end > 0 && int64(int8(v)) == v {
		*p = int8(v)
		return end
	}
	v, end, ok := r.signed(i, 8, "int8")
	if ok {
		*p = int8(v)
	}

	return end
}

// Int16 reads an integer.
func (r *Reader) Int16(i int, p *int16) int {
	if v, end := integer(r.src, i); end > 0 && int64(int16(v)) == v {
		*p = int16(v)
		return end
	}
	v, end, ok := r.signed(i, 16, "int16")
	if ok {
		*p = int16(v)
	}

	return end
}

// Int32 reads an integer.
func (r *Reader) Int32(i int, p *int32) int {
	if v, end := integer(r.src, i); end > 0 && int64(int32(v)) == v {
		*p = int32(v)
		return end
	}
	v, end, ok := r.signed(i, 32, "int32")
	if ok {
		*p = int32(v)
	}

	return end
}

// Int64 reads an integer; of a time.Duration, the nanoseconds.
func (r *Reader) Int64(i int, p *int64) int {
	if v, end := integer(r.src, i); end > 0 {
		*p = v
		return end
	}
	v, end, ok := r.signed(i, 64, "int64")
	if ok {
		*p = v
	}

	return end
}

// Uint reads an integer that is not negative.
func (r *Reader) Uint(i int, p *uint) int {
	if v, end := integer(r.src, i); end > 0 && int64(uint(v)) == v && r.src[i] != '-' {
		*p = uint(v)
		return end
	}
	v, end, ok := r.unsigned(i, strconv.IntSize, "uint")
	if ok {
		*p = uint(v)
	}

	return end
}

// Uint8 reads an integer that is not negative.
func (r *Reader) Uint8(i int, p *uint8) int {
	if v, end := integer(r.src, i); end > 0 && int64(uint8(v)) == v && r.src[i] != '-' {
		*p = uint8(v)
		return end
	}
	v, end, ok := r.unsigned(i, 8, "uint8")
	if ok {
		*p = uint8(v)
	}

	return end
}

// Uint16 reads an integer that is not negative.
func (r *Reader) Uint16(i int, p *uint16) int {
	if v, end := integer(r.src, i); end > 0 && int64(uint16(v)) == v && r.src[i] != '-' {
		*p = uint16(v)
		return end
	}
	v, end, ok := r.unsigned(i, 16, "uint16")
	if ok {
		*p = uint16(v)
	}

	return end
}

// Uint32 reads an integer that is not negative.
func (r *Reader) Uint32(i int, p *uint32) int {
	if v, end := integer(r.src, i); end > 0 && int64(uint32(v)) == v && r.src[i] != '-' {
		*p = uint32(v)
		return end
	}
	v, end, ok := r.unsigned(i, 32, "uint32")
	if ok {
		*p = uint32(v)
	}

	return end
}

// Uint64 reads an integer that is not negative.
func (r *Reader) Uint64(i int, p *uint64) int {
	if v, end := integer(r.src, i); end > 0 && r.src[i] != '-' {
		*p = uint64(v)
		return end
	}
	v, end, ok := r.unsigned(i, 64, "uint64")
	if ok {
		*p = v
	}

	return end
}

// Uintptr reads an integer that is not negative.
func (r *Reader) Uintptr(i int, p *uintptr) int {
	if v, end := integer(r.src, i); end > 0 && int64(uintptr(v)) == v && r.src[i] != '-' {
		*p = uintptr(v)
		return end
	}
	v, end, ok := r.unsigned(i, strconv.IntSize, "uintptr")
	if ok {
		*p = uintptr(v)
	}

	return end
}

// maxDigits is how many decimal digits always fit 63 bits.
const maxDigits = 18

// signed reads an integer of so many bits.
func (r *Reader) signed(i, bits int, want string) (v int64, end int, ok bool) {
	literal, end := r.number(i, want)
	if literal == nil {
		return 0, end, false
	}
	v, err := strconv.ParseInt(string(literal), 10, bits)
	if err != nil {
		r.badNumber(end, literal, want)
	}

	return v, end, err == nil
}

// unsigned reads an integer of so many bits that is not negative.
func (r *Reader) unsigned(i, bits int, want string) (v uint64, end int, ok bool) {
	literal, end := r.number(i, want)
	if literal == nil {
		return 0, end, false
	}
	v, err := strconv.ParseUint(string(literal), 10, bits)
	if err != nil {
		r.badNumber(end, literal, want)
	}

	return v, end, err == nil
}

// integer reads up to maxDigits digits, with or without a sign, at i. The end is
// negative if there are none, too many, a leading zero, a fraction or an
// exponent.
func integer(src []byte, i int) (v int64, end int) {
	negative := i < len(src) && src[i] == '-'
	if negative {
		i++
	}
	start := i
	for ; i < len(src) && src[i]-'0' <= 9; i++ {
		v = v*10 + int64(src[i]-'0')
	}
	n := i - start
	if n == 0 || n > maxDigits || n > 1 && src[start] == '0' {
		return 0, invalid
	}
	if i < len(src) && (src[i] == '.' || src[i]|0x20 == 'e') {
		return 0, invalid
	}
	if negative {
		v = -v
	}

	return v, i
}

// number reads a number and returns its bytes: nil for null and for values that
// are no numbers, which is a TypeError.
func (r *Reader) number(i int, want string) (literal []byte, end int) {
	i = space(r.src, i)
	if i >= len(r.src) || r.src[i] != '-' && r.src[i]-'0' > 9 {
		return nil, r.refuse(i, want)
	}
	if end = skipNumber(r.src, i); end < 0 {
		return nil, r.fail()
	}

	return r.src[i:end], end
}

// badNumber records that the number which ends at i is not of the wanted type.
func (r *Reader) badNumber(i int, literal []byte, want string) {
	if r.err == nil {
		r.mismatch(i, "number "+string(literal), want)
	}
}

// Float64 reads a number.
func (r *Reader) Float64(i int, p *float64) int {
	if u, places, negative, end := fixed(r.src, i); end >= 0 && u < 1<<53 && places < len(powers) {
		// Both are exact, so the quotient is the nearest number to the decimal.
		f := float64(u) / powers[places]
		if negative {
			f = -f
		}
		*p = f

		return end
	}
	f, end, ok := r.float(i, 64, "float64")
	if ok {
		*p = f
	}

	return end
}

// Float32 reads a number.
func (r *Reader) Float32(i int, p *float32) int {
	if u, places, negative, end := fixed(r.src, i); end >= 0 && u < 1<<24 && places <= 10 {
		f := float32(u) / float32(powers[places])
		if negative {
			f = -f
		}
		*p = f

		return end
	}
	f, end, ok := r.float(i, 32, "float32")
	if ok {
		*p = float32(f)
	}

	return end
}

// powers are the powers of ten that a float64 holds exactly; a float32 does up
// to the tenth.
var powers = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// fixed reads a number without exponent at i as u / 10^places. The end is
// negative if it is none or has more than maxDigits digits.
func fixed(src []byte, i int) (u uint64, places int, negative bool, end int) {
	if i < len(src) && src[i] == '-' {
		negative = true
		i++
	}
	start := i
	for ; i < len(src) && src[i]-'0' <= 9; i++ {
		u = u*10 + uint64(src[i]-'0')
	}
	n := i - start
	if n == 0 || n > 1 && src[start] == '0' {
		return 0, 0, false, invalid
	}
	if i < len(src) && src[i] == '.' {
		point := i
		for i++; i < len(src) && src[i]-'0' <= 9; i++ {
			u = u*10 + uint64(src[i]-'0')
		}
		if places = i - point - 1; places == 0 {
			return 0, 0, false, invalid
		}
	}
	if n+places > maxDigits || i < len(src) && src[i]|0x20 == 'e' {
		return 0, 0, false, invalid
	}

	return u, places, negative, i
}

// float reads any number of so many bits.
func (r *Reader) float(i, bits int, want string) (f float64, end int, ok bool) {
	literal, end := r.number(i, want)
	if literal == nil {
		return 0, end, false
	}
	f, err := strconv.ParseFloat(string(literal), bits)
	if err != nil || bits == 32 && overflows32(f) {
		r.badNumber(end, literal, want)
		return 0, end, false
	}

	return f, end, true
}

func overflows32(f float64) bool {
	f = math.Abs(f)
	return f > math.MaxFloat32 && f <= math.MaxFloat64
}

// Number reads a json.Number: a number, kept as it is written, or a string
// with one in it. As with encoding/json, any other string ends the reading.
func (r *Reader) Number(i int, p *string) int {
	if r.IsString(i) {
		return r.numberString(i, p)
	}
	literal, end := r.number(i, "json.Number")
	if literal != nil {
		*p = string(literal)
	}

	return end
}

func (r *Reader) numberString(i int, p *string) int {
	var v string
	end := r.String(i, &v)
	switch {
	case r.trouble&stopped != 0:
	case isNumber(v):
		*p = v
	default:
		r.stop(&ValueError{Offset: int64(end), Err: valueProblem("string is no number")}, end)
	}

	return end
}

// isNumber reports whether s is a JSON number and nothing else.
func isNumber(s string) bool {
	src := []byte(s)
	return len(src) > 0 && skipNumber(src, 0) == len(src)
}

// RawMessage reads any value as it is written, null included, over the room of
// *p.
func (r *Reader) RawMessage(i int, p *[]byte) int {
	raw, end := r.Raw(i)
	if raw != nil {
		*p = append((*p)[:0], raw...)
	}

	return end
}
