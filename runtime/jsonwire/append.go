package jsonwire

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// CheckDepth returns an *UnsupportedValueError once depth is more than
// MaxDepth.
func CheckDepth(depth int) error {
	if depth > MaxDepth {
		return errTooDeep
	}

	return nil
}

var errTooDeep error = &UnsupportedValueError{
	Value: "nested deeper than " + strconv.Itoa(MaxDepth) + " levels",
}

// AppendString appends s quoted. As encoding/json does, it escapes <, >, &,
// U+2028 and U+2029 too, and replaces invalid UTF-8 by U+FFFD.
func AppendString(dst []byte, s string) []byte {
	return append(AppendStringBody(append(dst, '"'), s), '"')
}

// AppendStringBody is AppendString without the quotes.
func AppendStringBody(dst []byte, s string) []byte {
	if len(s) < 8 {
		for i := range len(s) {
			if !safe[s[i]] {
				return appendEscaped(dst, s, i)
			}
		}

		return append(dst, s...)
	}
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if unsafe8(word(s, i)) {
			return appendEscaped(dst, s, i)
		}
	}
	if unsafe8(word(s, len(s)-8)) { // what is left, with bytes seen before
		return appendEscaped(dst, s, i)
	}

	return append(dst, s...)
}

// safe tells which bytes stand for themselves.
var safe = makeSafe()

func makeSafe() (safe [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		safe[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}

	return safe
}

// word loads eight bytes of s.
func word(s string, i int) uint64 {
	_ = s[i+7]
	return uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
		uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
}

// unsafe8 reports whether one of eight bytes does not stand for itself. Setting
// one bit makes '<' and '>' one case, and '"' and '&' another.
func unsafe8(w uint64) bool {
	return (w|(w-' '*ones)|(((w|0x02*ones)^'>'*ones)-ones)|
		(((w|0x04*ones)^'&'*ones)-ones)|((w^'\\'*ones)-ones))&highs != 0
}

const hexDigits = "0123456789abcdef"

// appendEscaped appends s, of which the first i bytes stand for themselves.
func appendEscaped(dst []byte, s string, i int) []byte {
	start := 0
	for i < len(s) {
		c := s[i]
		if safe[c] {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			if r != '\u2028' && r != '\u2029' && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
			dst = append(dst, s[start:i]...)
			if r == utf8.RuneError {
				dst = append(dst, invalidUTF8...)
			} else {
				dst = append(dst, '\\', 'u', '2', '0', '2', hexDigits[r&15])
			}
		} else {
			dst = appendEscape(append(dst, s[start:i]...), c)
		}
		i += size
		start = i
	}

	return append(dst, s[start:]...)
}

// appendEscape appends an ASCII character that does not stand for itself.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}

	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// AppendQuotedString appends the string of a ",string" member: the JSON of s
// as a JSON string.
func AppendQuotedString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	n := len(dst)
	dst = AppendString(dst, s)
	// The inner form is clean text but for quotes and backslashes. They get
	// their backslash from the end on, so that nothing is overwritten.
	extra := 0
	for _, c := range dst[n:] {
		if c == '"' || c == '\\' {
			extra++
		}
	}
	from := len(dst) - 1
	for range extra {
		dst = append(dst, 0)
	}
	for to := len(dst) - 1; from < to; from-- {
		dst[to] = dst[from]
		to--
		if c := dst[from]; c == '"' || c == '\\' {
			dst[to] = '\\'
			to--
		}
	}

	return append(dst, '"')
}

// AppendBool appends true or false.
func AppendBool(dst []byte, v bool) []byte { return strconv.AppendBool(dst, v) }

// AppendFloat64 appends f. NaN and infinities are *UnsupportedValueError.
func AppendFloat64(dst []byte, f float64) ([]byte, error) {
	// A decimal of at most 15 digits is the shortest for the float it reads as.
	if a := math.Abs(f); a < 1e9 && a >= 1e-6 {
		if n := uint64(a*1e6 + 0.5); float64(n)/1e6 == a {
			return appendMillionths(dst, f < 0, n), nil
		}
	}

	return appendFloat(dst, f, 64)
}

// AppendFloat32 is AppendFloat64 for a float32.
func AppendFloat32(dst []byte, f float32) ([]byte, error) {
	// So is one of at most 6 digits for a float32.
	if a := float32(math.Abs(float64(f))); a < 1e3 && a >= 1e-3 {
		if n := uint64(a*1e3 + 0.5); float32(n)/1e3 == a {
			return appendMillionths(dst, f < 0, n*1e3), nil
		}
	}

	return appendFloat(dst, float64(f), 32)
}

// appendMillionths appends n/10^6 without trailing zeros.
func appendMillionths(dst []byte, negative bool, n uint64) []byte {
	if negative {
		dst = append(dst, '-')
	}
	dst = strconv.AppendUint(dst, n/1e6, 10)
	places := uint(n % 1e6)
	if places == 0 {
		return dst
	}
	dst = appendTwo(appendTwo(appendTwo(append(dst, '.'), places/1e4), places/100%100), places%100)

	return trimZeros(dst)
}

// appendFloat appends any float of so many bits in the form of ES6.
func appendFloat(dst []byte, f float64, bits int) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, &UnsupportedValueError{Value: strconv.FormatFloat(f, 'g', -1, bits)}
	}
	format := byte('f')
	abs := math.Abs(f)
	small, large := abs < 1e-6, abs >= 1e21
	if bits == 32 {
		small, large = float32(abs) < 1e-6, float32(abs) >= 1e21
	}
	if abs != 0 && (small || large) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, bits)
	if n := len(dst); format == 'e' && n >= 4 && string(dst[n-4:n-1]) == "e-0" { // e-09 is e-9
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}

	return dst, nil
}

// AppendNumber appends a json.Number: as it is, 0 if it is empty. What is no
// number is an *UnsupportedValueError.
func AppendNumber(dst []byte, n string) ([]byte, error) {
	if n == "" {
		return append(dst, '0'), nil
	}
	if !isNumber(n) {
		return dst, &UnsupportedValueError{Value: "json.Number that is no number"}
	}

	return append(dst, n...), nil
}

// AppendStrings appends an array of strings, nil as null.
func AppendStrings(dst []byte, v []string) []byte {
	if v == nil {
		return append(dst, "null"...)
	}
	if len(v) == 0 {
		return append(dst, "[]"...)
	}
	separator := `["`
	for _, s := range v {
		dst = AppendStringBody(append(dst, separator...), s)
		separator = `","`
	}

	return append(dst, `"]`...)
}

// AppendStringMap appends an object of strings, its keys sorted, nil as null.
func AppendStringMap(dst []byte, m map[string]string) []byte {
	if m == nil {
		return append(dst, "null"...)
	}
	if len(m) == 0 {
		return append(dst, "{}"...)
	}
	if len(m) == 1 {
		for k, v := range m {
			dst = AppendStringBody(append(dst, `{"`...), k)
			dst = AppendStringBody(append(dst, `":"`...), v)
		}

		return append(dst, `"}`...)
	}
	if len(m) <= few {
		return appendFewStrings(dst, m)
	}
	keys := BorrowKeys()
	for k := range m {
		keys.Strings = append(keys.Strings, k)
	}
	separator := `{"`
	for _, k := range keys.SortedStrings() {
		dst = AppendStringBody(append(dst, separator...), k)
		dst = AppendStringBody(append(dst, `":"`...), m[k])
		separator = `","`
	}
	keys.Release()

	return append(dst, `"}`...)
}

// few members are sorted on the stack, each with its value, so that none is
// looked up again.
const few = 8

func appendFewStrings(dst []byte, m map[string]string) []byte {
	var members [few]struct{ key, value string }
	n := 0
	for k, v := range m {
		i := n
		for ; i > 0 && k < members[i-1].key; i-- {
			members[i] = members[i-1]
		}
		members[i].key, members[i].value = k, v
		n++
	}
	separator := `{"`
	for i := range members[:n] {
		dst = AppendStringBody(append(dst, separator...), members[i].key)
		dst = AppendStringBody(append(dst, `":"`...), members[i].value)
		separator = `","`
	}

	return append(dst, `"}`...)
}

// AppendRawMessage appends a json.RawMessage, compacted and escaped, nil as
// null. What is no JSON is a *MarshalerError.
func AppendRawMessage(dst, raw []byte) ([]byte, error) {
	if raw == nil {
		return append(dst, "null"...), nil
	}

	return AppendMarshaled(dst, "json.RawMessage", raw, nil)
}

// AppendMarshaled appends what MarshalJSON of the named Go type has returned,
// compacted and escaped. An error, or what is no JSON, is a *MarshalerError.
func AppendMarshaled(dst []byte, goType string, raw []byte, err error) ([]byte, error) {
	if err == nil {
		err = Validate(raw)
	}
	if err != nil {
		return dst, &MarshalerError{Type: goType, Func: "MarshalJSON", Err: err}
	}

	return appendCompact(dst, raw), nil
}

// AppendMarshaledText appends what MarshalText of the named Go type has
// returned, as a string. An error is a *MarshalerError.
func AppendMarshaledText(dst []byte, goType string, text []byte, err error) ([]byte, error) {
	if err != nil {
		return dst, &MarshalerError{Type: goType, Func: "MarshalText", Err: err}
	}

	return AppendString(dst, string(text)), nil
}

// appendCompact appends valid JSON without white space, and with the
// characters escaped that AppendString escapes in valid text.
func appendCompact(dst, src []byte) []byte {
	for i := 0; i < len(src); {
		switch c := src[i]; c {
		case ' ', '\t', '\n', '\r':
			i++
		case '"':
			end := skipString(src, i)
			dst = appendHTMLEscaped(dst, src[i:end])
			i = end
		default:
			dst = append(dst, c)
			i++
		}
	}

	return dst
}

func appendHTMLEscaped(dst, s []byte) []byte {
	start := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '<' || c == '>' || c == '&':
			dst = appendEscape(append(dst, s[start:i]...), c)
			start = i + 1
		case c == 0xE2 && i+2 < len(s) && s[i+1] == 0x80 && s[i+2]&^1 == 0xA8: // U+2028, U+2029
			dst = append(dst, s[start:i]...)
			dst = append(dst, '\\', 'u', '2', '0', '2', hexDigits[s[i+2]&15])
			start = i + 3
		}
	}

	return append(dst, s[start:]...)
}
