package jsonwire

import (
	"unicode/utf16"
	"unicode/utf8"
)

// String reads a string.
func (r *Reader) String(p *string) {
	if i := r.pos; i < len(r.src) && r.src[i] == '"' {
		if end := plain(r.src, i+1); end < len(r.src) && r.src[end] == '"' {
			*p = r.share(i+1, end)
			r.pos = end + 1

			return
		}
	}
	r.string(p)
}

func (r *Reader) string(p *string) {
	from, to, ok := r.quotes("string")
	if ok {
		*p = r.stringAt(from, to)
	}
}

// quotes reads a string and returns where it stands, quotes included. It is
// not ok for null and for values of another type than want, which is a string.
func (r *Reader) quotes(want string) (from, to int, ok bool) {
	i := space(r.src, r.pos)
	if i >= len(r.src) || r.src[i] != '"' {
		r.refuse(want)
		return 0, 0, false
	}
	end := skipString(r.src, i)
	if end < 0 {
		r.fail()
		return 0, 0, false
	}
	r.pos = end

	return i, end, true
}

// share returns src[from:to] as a string.
func (r *Reader) share(from, to int) string {
	if r.text != "" {
		return r.text[from:to]
	}

	return string(r.src[from:to])
}

// stringAt returns the string that stands quoted in src[from:to].
func (r *Reader) stringAt(from, to int) string {
	from, to = from+1, to-1
	if end := plain(r.src[:to], from); end == to || isText(r.src[end:to]) {
		return r.share(from, to)
	}
	r.scratch = appendUnquoted(r.scratch[:0], r.src[from:to])

	return string(r.scratch)
}

// unquoted is stringAt for a look at the bytes, which are valid until the next
// read and never nil.
func (r *Reader) unquoted(from, to int) []byte {
	from, to = from+1, to-1
	if end := plain(r.src[:to], from); end == to || isText(r.src[end:to]) {
		return r.src[from:to:to]
	}
	r.scratch = appendUnquoted(r.scratch[:0], r.src[from:to])

	return r.scratch
}

// isText reports whether body stands for itself: no escapes, valid UTF-8.
func isText(body []byte) bool { return text(body, 0) == len(body) && utf8.Valid(body) }

// appendUnquoted appends what body, the inside of a valid string, stands for.
// Lone surrogates and invalid UTF-8 become U+FFFD.
func appendUnquoted(dst, body []byte) []byte {
	for i := 0; i < len(body); {
		end := plain(body, i)
		dst = append(dst, body[i:end]...)
		if i = end; i == len(body) {
			break
		}
		if body[i] != '\\' {
			r, n := utf8.DecodeRune(body[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		if body[i+1] == 'u' {
			var r rune
			r, i = escapedRune(body, i)
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, unescaped(body[i+1]))
		i += 2
	}

	return dst
}

// escapedRune reads \uXXXX at i, or the two of a surrogate pair.
func escapedRune(body []byte, i int) (r rune, next int) {
	r = hex4(body, i+2)
	next = i + 6
	if !utf16.IsSurrogate(r) {
		return r, next
	}
	if next+6 <= len(body) && body[next] == '\\' && body[next+1] == 'u' {
		if pair := utf16.DecodeRune(r, hex4(body, next+2)); pair != utf8.RuneError {
			return pair, next + 6
		}
	}

	return utf8.RuneError, next
}

// unescaped returns what stands behind a backslash.
func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}

	return c
}

// Text reads a string for an UnmarshalText, whose error goes to Check. It is
// nil for null, which leaves the value as it is, for a value of another type,
// which is a TypeError, and if the reading has ended. The bytes are valid until
// the next read.
func (r *Reader) Text() []byte {
	from, to, ok := r.quotes("text")
	if !ok {
		return nil
	}

	return r.unquoted(from, to)
}

// Plain reads any value as text: a string as what it says, everything else as
// it is written.
func (r *Reader) Plain(p *string) {
	i := space(r.src, r.pos)
	if i < len(r.src) && r.src[i] == '"' {
		r.String(p)
		return
	}
	if raw := r.Raw(); raw != nil {
		*p = string(raw)
	}
}

// Strings reads an array of strings over *p, keeping its room.
func (r *Reader) Strings(p *[]string) {
	if r.Null() {
		*p = nil
		return
	}
	// Room is made once, at the end, for up to as many as there are here.
	var first [8]string
	v, more := *p, first[:0]
	a := r.Array()
	for a.Next() {
		switch {
		case a.Index < cap(v):
			v = v[:max(len(v), a.Index+1)]
			r.String(&v[a.Index])
		case len(more) < cap(more):
			more = more[:len(more)+1]
			r.String(&more[len(more)-1])
		default:
			v = append(append(v, more...), "")
			more = more[:0]
			r.String(&v[a.Index])
		}
	}
	if a.Empty() {
		v = []string{}
	}
	v = append(v, more...)
	*p = v[:a.Cut(len(v))]
}

// StringMap reads an object of strings into *p, which keeps its entries.
func (r *Reader) StringMap(p *map[string]string) {
	if r.Null() {
		*p = nil
		return
	}
	m := r.Map()
	if m.Opened() && *p == nil {
		*p = make(map[string]string)
	}
	for m.Next() {
		var v string
		r.String(&v)
		if k, ok := m.Key(); ok {
			(*p)[k] = v
		}
	}
}

// IsString reports whether the next value is a string. It reads nothing.
func (r *Reader) IsString() bool {
	r.pos = space(r.src, r.pos)

	return r.pos < len(r.src) && r.src[r.pos] == '"'
}
