package jsonwire

import (
	"encoding/binary"
	"math"
	"math/bits"
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
	v, end, ok := r.signed(i, strconv.IntSize, "int")
	if ok {
		*p = int(v)
	}

	return end
}

// Int8 reads an integer.
func (r *Reader) Int8(i int, p *int8) int {
	v, end, ok := r.signed(i, 8, "int8")
	if ok {
		*p = int8(v)
	}

	return end
}

// Int16 reads an integer.
func (r *Reader) Int16(i int, p *int16) int {
	v, end, ok := r.signed(i, 16, "int16")
	if ok {
		*p = int16(v)
	}

	return end
}

// Int32 reads an integer.
func (r *Reader) Int32(i int, p *int32) int {
	v, end, ok := r.signed(i, 32, "int32")
	if ok {
		*p = int32(v)
	}

	return end
}

// Int64 reads an integer; of a time.Duration, the nanoseconds.
func (r *Reader) Int64(i int, p *int64) int {
	v, end, ok := r.signed(i, 64, "int64")
	if ok {
		*p = v
	}

	return end
}

// Uint reads an integer that is not negative.
func (r *Reader) Uint(i int, p *uint) int {
	v, end, ok := r.unsigned(i, strconv.IntSize, "uint")
	if ok {
		*p = uint(v)
	}

	return end
}

// Uint8 reads an integer that is not negative.
func (r *Reader) Uint8(i int, p *uint8) int {
	v, end, ok := r.unsigned(i, 8, "uint8")
	if ok {
		*p = uint8(v)
	}

	return end
}

// Uint16 reads an integer that is not negative.
func (r *Reader) Uint16(i int, p *uint16) int {
	v, end, ok := r.unsigned(i, 16, "uint16")
	if ok {
		*p = uint16(v)
	}

	return end
}

// Uint32 reads an integer that is not negative.
func (r *Reader) Uint32(i int, p *uint32) int {
	v, end, ok := r.unsigned(i, 32, "uint32")
	if ok {
		*p = uint32(v)
	}

	return end
}

// Uint64 reads an integer that is not negative.
func (r *Reader) Uint64(i int, p *uint64) int {
	v, end, ok := r.unsigned(i, 64, "uint64")
	if ok {
		*p = v
	}

	return end
}

// Uintptr reads an integer that is not negative.
func (r *Reader) Uintptr(i int, p *uintptr) int {
	v, end, ok := r.unsigned(i, strconv.IntSize, "uintptr")
	if ok {
		*p = uintptr(v)
	}

	return end
}

// maxDigits is how many decimal digits always fit 63 bits.
const maxDigits = 18

// signed reads an integer of so many bits.
func (r *Reader) signed(i int, bits uint, want string) (v int64, end int, ok bool) {
	start := i
	negative := i < len(r.src) && r.src[i] == '-'
	if negative {
		i++
	}
	u, end := decimal(r.src, i)
	if v = int64(u); negative {
		v = -v
	}
	if end < 0 || v<<(64-bits)>>(64-bits) != v {
		return r.signedSlow(start, int(bits), want)
	}

	return v, end, true
}

func (r *Reader) signedSlow(i, bits int, want string) (v int64, end int, ok bool) {
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
func (r *Reader) unsigned(i int, bits uint, want string) (v uint64, end int, ok bool) {
	v, end = decimal(r.src, i)
	if end < 0 || v<<(64-bits)>>(64-bits) != v {
		return r.unsignedSlow(i, int(bits), want)
	}

	return v, end, true
}

func (r *Reader) unsignedSlow(i, bits int, want string) (v uint64, end int, ok bool) {
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

// decimal reads up to maxDigits digits at i. The end is negative if there are
// none, too many, a leading zero, a fraction or an exponent.
func decimal(src []byte, i int) (u uint64, end int) {
	start := i
	if i+8 <= len(src) {
		w := binary.LittleEndian.Uint64(src[i:]) ^ '0'*ones
		n := leading(w)
		u = number8(w, n)
		i += n
		if n < 8 {
			if n == 0 || n > 1 && byte(w) == 0 || partOfFloat(byte(w>>(8*n))^'0') {
				return 0, invalid
			}

			return u, i
		}
	}
	for ; i < len(src) && src[i]-'0' <= 9; i++ {
		u = u*10 + uint64(src[i]-'0')
	}
	n := i - start
	if n == 0 || n > maxDigits || n > 1 && src[start] == '0' || i < len(src) && partOfFloat(src[i]) {
		return 0, invalid
	}

	return u, i
}

// partOfFloat reports whether a number that goes on with c is no integer.
func partOfFloat(c byte) bool { return c == '.' || c|0x20 == 'e' }

// leading returns how many of eight bytes, from the lowest on, are digits. They
// come less '0' each.
func leading(w uint64) int {
	return bits.TrailingZeros64((w|(w+6*ones))&(0xf0*ones)) / 8
}

// number8 returns the number that so many of eight bytes are the digits of,
// from the lowest on.
func number8(w uint64, digits int) uint64 {
	w <<= 64 - 8*digits
	w = w*10 + w>>8 // each second byte is two digits

	return (w&0x000000ff000000ff*(100+1000000<<32) + w>>16&0x000000ff000000ff*(1+10000<<32)) >> 32
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
	if i+8 <= len(src) {
		if u, places, end = fixed8(binary.LittleEndian.Uint64(src[i:]) ^ '0'*ones); end > 0 {
			return u, places, negative, i + end
		}
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

// fixed8 is fixed for a number that ends within eight bytes, less '0' each. The
// end is 0 if it does not, or is malformed.
func fixed8(w uint64) (u uint64, places, end int) {
	n := leading(w)
	if n == 0 || n > 7 || n > 1 && byte(w) == 0 {
		return 0, 0, 0
	}
	end = n
	if byte(w>>(8*n)) == '.'^'0' {
		whole := uint64(1)<<(8*n) - 1
		w = w&whole | w>>8&^whole // without the point
		digits := min(leading(w), 7)
		places, end = digits-n, digits+1
		if places == 0 || end > 7 {
			return 0, 0, 0
		}
		n = digits
	}
	if byte(w>>(8*n))^'0'|0x20 == 'e' {
		return 0, 0, 0
	}

	return number8(w, n), places, end
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
