package jsonwire

import (
	"math"
	"strconv"
)

// Bool reads true or false.
func (r *Reader) Bool(p *bool) {
	src, i := r.src, r.pos
	switch {
	case len(src)-i >= 4 && string(src[i:i+4]) == "true":
		*p = true
		r.pos = i + 4
	case len(src)-i >= 5 && string(src[i:i+5]) == "false":
		*p = false
		r.pos = i + 5
	default:
		r.bool(p)
	}
}

// bool is Bool for what stands behind white space, or is none.
func (r *Reader) bool(p *bool) {
	i := space(r.src, r.pos)
	if i > r.pos {
		r.pos = i
		r.Bool(p)
		return
	}
	r.refuseBool()
}

// refuseBool is refuse for what may be a misspelt true or false.
func (r *Reader) refuseBool() {
	if r.pos < len(r.src) && (r.src[r.pos] == 't' || r.src[r.pos] == 'f') {
		r.fail()
		return
	}
	r.refuse("bool")
}

// Int reads an integer. What does not fit is a TypeError, as is any fraction
// or exponent; so with the methods below.
func (r *Reader) Int(p *int) {
	if v, ok := r.signed(strconv.IntSize, "int"); ok {
		*p = int(v)
	}
}

// Int8 reads an integer.
func (r *Reader) Int8(p *int8) {
	if v, ok := r.signed(8, "int8"); ok {
		*p = int8(v)
	}
}

// Int16 reads an integer.
func (r *Reader) Int16(p *int16) {
	if v, ok := r.signed(16, "int16"); ok {
		*p = int16(v)
	}
}

// Int32 reads an integer.
func (r *Reader) Int32(p *int32) {
	if v, ok := r.signed(32, "int32"); ok {
		*p = int32(v)
	}
}

// Int64 reads an integer; of a time.Duration, the nanoseconds.
func (r *Reader) Int64(p *int64) {
	if v, ok := r.signed(64, "int64"); ok {
		*p = v
	}
}

// Uint reads an integer that is not negative.
func (r *Reader) Uint(p *uint) {
	if v, ok := r.unsigned(strconv.IntSize, "uint"); ok {
		*p = uint(v)
	}
}

// Uint8 reads an integer that is not negative.
func (r *Reader) Uint8(p *uint8) {
	if v, ok := r.unsigned(8, "uint8"); ok {
		*p = uint8(v)
	}
}

// Uint16 reads an integer that is not negative.
func (r *Reader) Uint16(p *uint16) {
	if v, ok := r.unsigned(16, "uint16"); ok {
		*p = uint16(v)
	}
}

// Uint32 reads an integer that is not negative.
func (r *Reader) Uint32(p *uint32) {
	if v, ok := r.unsigned(32, "uint32"); ok {
		*p = uint32(v)
	}
}

// Uint64 reads an integer that is not negative.
func (r *Reader) Uint64(p *uint64) {
	if v, ok := r.unsigned(64, "uint64"); ok {
		*p = v
	}
}

// Uintptr reads an integer that is not negative.
func (r *Reader) Uintptr(p *uintptr) {
	if v, ok := r.unsigned(strconv.IntSize, "uintptr"); ok {
		*p = uintptr(v)
	}
}

// maxDigits is how many decimal digits always fit 63 bits.
const maxDigits = 18

// signed reads an integer of so many bits.
func (r *Reader) signed(bits uint, want string) (v int64, ok bool) {
	i := r.pos
	negative := i < len(r.src) && r.src[i] == '-'
	if negative {
		i++
	}
	u, end := decimal(r.src, i)
	if v = int64(u); negative {
		v = -v
	}
	if end < 0 || v<<(64-bits)>>(64-bits) != v {
		return r.signedSlow(int(bits), want)
	}
	r.pos = end

	return v, true
}

func (r *Reader) signedSlow(bits int, want string) (int64, bool) {
	literal, ok := r.number(want)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseInt(string(literal), 10, bits)
	if err != nil {
		r.badNumber(literal, want)
	}

	return v, err == nil
}

// unsigned reads an integer of so many bits that is not negative.
func (r *Reader) unsigned(bits uint, want string) (v uint64, ok bool) {
	v, end := decimal(r.src, r.pos)
	if end < 0 || v<<(64-bits)>>(64-bits) != v {
		return r.unsignedSlow(int(bits), want)
	}
	r.pos = end

	return v, true
}

func (r *Reader) unsignedSlow(bits int, want string) (uint64, bool) {
	literal, ok := r.number(want)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseUint(string(literal), 10, bits)
	if err != nil {
		r.badNumber(literal, want)
	}

	return v, err == nil
}

// decimal reads up to maxDigits digits at i. The end is negative if there are
// none, too many, a leading zero, a fraction or an exponent.
func decimal(src []byte, i int) (u uint64, end int) {
	start := i
	for i < len(src) {
		d := src[i] - '0'
		if d > 9 {
			break
		}
		u = u*10 + uint64(d)
		i++
	}
	n := i - start
	if n == 0 || n > maxDigits || n > 1 && src[start] == '0' {
		return 0, invalid
	}
	if i < len(src) && (src[i] == '.' || src[i]|0x20 == 'e') {
		return 0, invalid
	}

	return u, i
}

// number reads a number and returns its bytes. It is not ok for null and for
// values that are no numbers, which is a TypeError.
func (r *Reader) number(want string) (literal []byte, ok bool) {
	i := space(r.src, r.pos)
	if i >= len(r.src) || r.src[i] != '-' && r.src[i]-'0' > 9 {
		r.refuse(want)
		return nil, false
	}
	end := skipNumber(r.src, i)
	if end < 0 {
		r.fail()
		return nil, false
	}
	r.pos = end

	return r.src[i:end], true
}

func (r *Reader) badNumber(literal []byte, want string) {
	if r.err == nil {
		r.mismatch("number "+string(literal), want)
	}
}

// Float64 reads a number.
func (r *Reader) Float64(p *float64) {
	if u, places, negative, end := fixed(r.src, r.pos); end >= 0 && u < 1<<53 && places < len(powers) {
		// Both are exact, so the quotient is the nearest number to the decimal.
		f := float64(u) / powers[places]
		if negative {
			f = -f
		}
		*p = f
		r.pos = end

		return
	}
	if f, ok := r.float(64, "float64"); ok {
		*p = f
	}
}

// Float32 reads a number.
func (r *Reader) Float32(p *float32) {
	if u, places, negative, end := fixed(r.src, r.pos); end >= 0 && u < 1<<24 && places <= 10 {
		f := float32(u) / float32(powers[places])
		if negative {
			f = -f
		}
		*p = f
		r.pos = end

		return
	}
	if f, ok := r.float(32, "float32"); ok {
		*p = float32(f)
	}
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
func (r *Reader) float(bits int, want string) (float64, bool) {
	literal, ok := r.number(want)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(literal), bits)
	if err != nil || bits == 32 && overflows32(f) {
		r.badNumber(literal, want)
		return 0, false
	}

	return f, true
}

func overflows32(f float64) bool {
	f = math.Abs(f)
	return f > math.MaxFloat32 && f <= math.MaxFloat64
}

// Number reads a json.Number: a number, kept as it is written, or a string
// with one in it. As with encoding/json, any other string ends the reading.
func (r *Reader) Number(p *string) {
	i := space(r.src, r.pos)
	if i < len(r.src) && r.src[i] == '"' {
		r.numberString(p)
		return
	}
	if literal, ok := r.number("json.Number"); ok {
		*p = string(literal)
	}
}

func (r *Reader) numberString(p *string) {
	var v string
	if r.String(&v); r.trouble&stopped != 0 {
		return
	}
	if !isNumber(v) {
		r.stop(&ValueError{Offset: int64(r.pos), Err: valueProblem("string is no number")})
		return
	}
	*p = v
}

// isNumber reports whether s is a JSON number and nothing else.
func isNumber(s string) bool {
	src := []byte(s)
	return len(src) > 0 && skipNumber(src, 0) == len(src)
}

// RawMessage reads any value as it is written, null included, over the room of
// *p.
func (r *Reader) RawMessage(p *[]byte) {
	if raw := r.Raw(); raw != nil {
		*p = append((*p)[:0], raw...)
	}
}
