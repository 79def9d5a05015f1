package jsonwire

import (
	"encoding/binary"
	"math/bits"
)

// Eight bytes are looked at as one word. A subtraction borrows out of a byte
// exactly when the byte is smaller than what is subtracted, and the borrow may
// spoil the bytes above it: only the lowest mark is sure, which is the one
// asked for.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// marks returns the high bit of each byte that is a quote, a backslash or a
// control character. Bytes from 0x80 are never marked.
func marks(w uint64) uint64 {
	return ((w - 0x20*ones) | ((w ^ '"'*ones) - ones) | ((w ^ '\\'*ones) - ones)) &^ w & highs
}

// marksASCII is marks with bytes from 0x80 marked too, which is cheaper.
func marksASCII(w uint64) uint64 {
	return (w | (w - 0x20*ones) | ((w ^ '"'*ones) - ones) | ((w ^ '\\'*ones) - ones)) & highs
}

// plain returns the index of the first byte at or after i that is a quote, a
// backslash, a control character or not ASCII; len(src) if there is none.
func plain(src []byte, i int) int {
	for ; i+8 <= len(src); i += 8 {
		if m := marksASCII(binary.LittleEndian.Uint64(src[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(src); i++ {
		if c := src[i]; c < ' ' || c >= 0x80 || c == '"' || c == '\\' {
			break
		}
	}

	return i
}

// text returns the index of the first byte at or after i that is a quote, a
// backslash or a control character; len(src) if there is none.
func text(src []byte, i int) int {
	for ; i+8 <= len(src); i += 8 {
		if m := marks(binary.LittleEndian.Uint64(src[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(src); i++ {
		if c := src[i]; c < ' ' || c == '"' || c == '\\' {
			break
		}
	}

	return i
}

// What scanning functions return instead of an index.
const (
	invalid = -1
	tooDeep = -2
)

// skip returns the index after the value that starts at i. No more than room
// levels may be in it.
func skip(src []byte, i, room int) int {
	if i >= len(src) {
		return invalid
	}
	switch src[i] {
	case '"':
		return skipString(src, i)
	case '{':
		if room <= 0 {
			return tooDeep
		}
		return skipObject(src, i, room-1)
	case '[':
		if room <= 0 {
			return tooDeep
		}
		return skipArray(src, i, room-1)
	case 't':
		return skipWord(src, i, "true")
	case 'f':
		return skipWord(src, i, "false")
	case 'n':
		return skipWord(src, i, "null")
	}

	return skipNumber(src, i)
}

func skipWord(src []byte, i int, word string) int {
	if !hasPrefix(src, i, word) {
		return invalid
	}

	return i + len(word)
}

func skipObject(src []byte, i, room int) int {
	i = space(src, i+1)
	if i < len(src) && src[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(src) || src[i] != '"' {
			return invalid
		}
		if i = skipString(src, i); i < 0 {
			return i
		}
		if i = space(src, i); i >= len(src) || src[i] != ':' {
			return invalid
		}
		if i = skip(src, space(src, i+1), room); i < 0 {
			return i
		}
		i = space(src, i)
		switch {
		case i >= len(src):
			return invalid
		case src[i] == '}':
			return i + 1
		case src[i] != ',':
			return invalid
		}
		i = space(src, i+1)
	}
}

func skipArray(src []byte, i, room int) int {
	i = space(src, i+1)
	if i < len(src) && src[i] == ']' {
		return i + 1
	}
	for {
		if i = skip(src, i, room); i < 0 {
			return i
		}
		i = space(src, i)
		switch {
		case i >= len(src):
			return invalid
		case src[i] == ']':
			return i + 1
		case src[i] != ',':
			return invalid
		}
		i = space(src, i+1)
	}
}

// skipString returns the index after the string whose opening quote is at i.
func skipString(src []byte, i int) int {
	for i = text(src, i+1); i < len(src); i = text(src, i) {
		switch src[i] {
		case '"':
			return i + 1
		case '\\':
			if i = skipEscape(src, i); i < 0 {
				return invalid
			}
		default:
			return invalid
		}
	}

	return invalid
}

// skipEscape returns the index after the escape whose backslash is at i.
func skipEscape(src []byte, i int) int {
	if i+1 >= len(src) {
		return invalid
	}
	switch src[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if hex4(src, i+2) >= 0 {
			return i + 6
		}
	}

	return invalid
}

// hex4 returns the number in the four hexadecimal digits at i, or a negative
// one.
func hex4(src []byte, i int) rune {
	if i+4 > len(src) {
		return -1
	}
	var r rune
	for _, c := range src[i : i+4] {
		d := hexDigit(c)
		if d < 0 {
			return -1
		}
		r = r<<4 | d
	}

	return r
}

func hexDigit(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c - 'a' + 10)
	case 'A' <= c && c <= 'F':
		return rune(c - 'A' + 10)
	}

	return -1
}

// skipNumber returns the index after the number that starts at i.
func skipNumber(src []byte, i int) int {
	if i < len(src) && src[i] == '-' {
		i++
	}
	start := i
	i = digits(src, i)
	if i == start || i-start > 1 && src[start] == '0' {
		return invalid
	}
	if i < len(src) && src[i] == '.' {
		start = i + 1
		if i = digits(src, start); i == start {
			return invalid
		}
	}
	if i < len(src) && src[i]|0x20 == 'e' {
		if i++; i < len(src) && (src[i] == '+' || src[i] == '-') {
			i++
		}
		start = i
		if i = digits(src, start); i == start {
			return invalid
		}
	}

	return i
}

// digits returns the index of the first byte at or after i that is no digit.
func digits(src []byte, i int) int {
	for i < len(src) && src[i]-'0' <= 9 {
		i++
	}

	return i
}

// moreElements reports whether a document has more elements and members than
// limit. What it says of a malformed one does not matter.
func moreElements(src []byte, limit int) bool {
	n := 0
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '"':
			end := skipString(src, i)
			if end < 0 {
				return false
			}
			i = end - 1
		case '[', '{':
			if j := space(src, i+1); j < len(src) && src[j] != ']' && src[j] != '}' {
				n++
			}
		case ',':
			n++
		}
		if n > limit {
			return true
		}
	}

	return false
}

// Valid reports whether src is one JSON value.
func Valid(src []byte) bool {
	end := skip(src, space(src, 0), MaxDepth)

	return end >= 0 && space(src, end) == len(src)
}

// Validate returns a *SyntaxError unless src is one JSON value. A decoder into
// a value that must stay untouched otherwise starts with it.
func Validate(src []byte) error {
	if Valid(src) {
		return nil
	}

	return explain(src)
}
