package jsonwire

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
)

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

var (
	// base64Pairs maps 12 bits to two digits, the first in the low byte.
	base64Pairs = makeBase64Pairs()

	// base64Values maps each of four digits to its bits within 24; what is no
	// digit has notBase64.
	base64Values = makeBase64Values()
)

const notBase64 = 1 << 31

func makeBase64Pairs() (pairs [1 << 12]uint16) {
	for i := range pairs {
		pairs[i] = uint16(base64Digits[i>>6]) | uint16(base64Digits[i&63])<<8
	}

	return pairs
}

func makeBase64Values() (values [4][256]uint32) {
	for place := range values {
		for c := range values[place] {
			values[place][c] = notBase64
		}
		for v := range len(base64Digits) {
			values[place][base64Digits[v]] = uint32(v) << (18 - 6*place)
		}
	}

	return values
}

// AppendBytes appends b as a quoted base64 string, nil as null.
func AppendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, "null"...)
	}

	return append(AppendBase64(append(dst, '"'), b), '"')
}

// AppendBase64 appends b as base64 without quotes.
func AppendBase64(dst, b []byte) []byte {
	n := len(dst)
	if need := base64.StdEncoding.EncodedLen(len(b)); need <= cap(dst)-n {
		dst = dst[:n+need]
	} else {
		dst = append(dst, make([]byte, need)...)
	}
	d := dst[n:]
	for len(b) >= 8 && len(d) >= 8 { // six bytes of a word at a time
		v := binary.BigEndian.Uint64(b)
		w := uint64(base64Pairs[v>>52]) | uint64(base64Pairs[v>>40&0xfff])<<16 |
			uint64(base64Pairs[v>>28&0xfff])<<32 | uint64(base64Pairs[v>>16&0xfff])<<48
		binary.LittleEndian.PutUint64(d, w)
		b, d = b[6:], d[8:]
	}
	base64.StdEncoding.Encode(d, b)

	return dst
}

// Bytes reads a byte slice: a base64 string into a new one, an array of numbers
// over *p, null as nil.
func (r *Reader) Bytes(i int, p *[]byte) int {
	i = space(r.src, i)
	if i < len(r.src) && r.src[i] == '[' {
		return r.byteArray(i, p)
	}
	if end, null := r.Null(i); null {
		*p = nil
		return end
	}
	b, end := r.Base64(i)
	if b != nil {
		*p = b
	}

	return end
}

// Base64 reads a base64 string into a new slice. It is nil for anything else:
// broken base64 is a ValueError, a value of another type a TypeError.
func (r *Reader) Base64(i int) (b []byte, end int) {
	if i < len(r.src) && r.src[i] == '"' {
		if n := bytes.IndexByte(r.src[i+1:], '"'); n >= 0 {
			if b, ok := decodeBase64(r.src[i+1 : i+1+n]); ok {
				return b, i + n + 2
			}
		}
	}

	return r.base64(i)
}

// base64 is Base64 for escapes, line breaks and errors.
func (r *Reader) base64(i int) (b []byte, end int) {
	quotes, end := r.quotes(i, "bytes")
	if quotes.to == 0 {
		return nil, end
	}
	body := r.unquoted(quotes)
	b = make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(b, body)
	if err != nil {
		r.reject(end, err)
		return nil, end
	}

	return b[:n], end
}

// byteArray reads an array of numbers.
func (r *Reader) byteArray(i int, p *[]byte) int {
	v := *p
	a := r.Array(i)
	for a.Next() {
		if a.Index == cap(v) {
			v = append(v, 0)
		}
		v = v[:max(len(v), a.Index+1)]
		a.Pos = r.Uint8(a.Pos, &v[a.Index])
	}
	if a.Empty() {
		v = []byte{}
	}
	*p = v[:a.Cut(len(v))]

	return a.Pos
}

// decodeBase64 decodes what has no line breaks in it.
func decodeBase64(s []byte) (b []byte, ok bool) {
	if len(s)&3 != 0 {
		return nil, false
	}
	if len(s) == 0 {
		return []byte{}, true
	}
	padding := 0
	for padding < 2 && s[len(s)-1-padding] == '=' {
		padding++
	}
	b = make([]byte, len(s)/4*3-padding)
	d := b
	var bad uint32
	for len(s) > 8 && len(d) >= 8 { // six bytes of a word at a time; the next word overwrites the other two
		hi := base64Values[0][s[0]] | base64Values[1][s[1]] | base64Values[2][s[2]] | base64Values[3][s[3]]
		lo := base64Values[0][s[4]] | base64Values[1][s[5]] | base64Values[2][s[6]] | base64Values[3][s[7]]
		bad |= hi | lo
		binary.BigEndian.PutUint64(d, uint64(hi)<<40|uint64(lo)<<16)
		s, d = s[8:], d[6:]
	}
	for len(s) > 4 {
		w := base64Values[0][s[0]] | base64Values[1][s[1]] | base64Values[2][s[2]] | base64Values[3][s[3]]
		bad |= w
		d[0], d[1], d[2] = byte(w>>16), byte(w>>8), byte(w)
		s, d = s[4:], d[3:]
	}
	w := base64Values[0][s[0]] | base64Values[1][s[1]]
	if padding < 2 {
		w |= base64Values[2][s[2]]
	}
	if padding < 1 {
		w |= base64Values[3][s[3]]
	}
	bad |= w
	for i := range d {
		d[i] = byte(w >> (16 - 8*i))
	}

	return b, bad&notBase64 == 0
}
