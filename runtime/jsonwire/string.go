package jsonwire

import (
	"unicode/utf16"
	"unicode/utf8"
)

// String reads a string.
func (r *Reader) String(i int, p *string) int {
	if i < len(r.src) && r.src[i] == '"' {
		if end := plain(r.src, i+1); end < len(r.src) && r.src[end] == '"' {
			*p = r.share(i+1, end)
			return end + 1
		}
	}

	return r.string(i, p)
}

func (r *Reader) string(i int, p *string) int {
	quotes, end := r.quotes(i, "string")
	if quotes.to > 0 {
		*p = r.stringAt(quotes)
	}

	return end
}

// quotes reads a string and returns where it stands, quotes included; nowhere
// if it is null or no string, which is what is wanted.
func (r *Reader) quotes(i int, want string) (quotes span, end int) {
	i = space(r.src, i)
	if i >= len(r.src) || r.src[i] != '"' {
		return span{}, r.refuse(i, want)
	}
	if end = skipString(r.src, i); end < 0 {
		return span{}, r.fail()
	}

	return span{i, end}, end
}

// share returns src[from:to] as a string.
func (r *Reader) share(from, to int) string {
	if r.text != "" {
		return r.text[from:to]
	}

	return string(r.src[from:to])
}

// stringAt returns the string that stands there with its quotes.
func (r *Reader) stringAt(quotes span) string {
	from, to := quotes.from+1, quotes.to-1
	if end := plain(r.src[:to], from); end == to || isText(r.src[end:to]) {
		return r.share(from, to)
	}
	r.scratch = appendUnquoted(r.scratch[:0], r.src[from:to])

	return string(r.scratch)
}

// unquoted is stringAt for a look at the bytes, which are valid until the next
// read and never nil.
func (r *Reader) unquoted(quotes span) []byte {
	from, to := quotes.from+1, quotes.to-1
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
func (r *Reader) Text(i int) (text []byte, end int) {
	quotes, end := r.quotes(i, "text")
	if quotes.to == 0 {
		return nil, end
	}

	return r.unquoted(quotes), end
}

// Plain reads any value as text: a string as what it says, everything else as
// it is written.
func (r *Reader) Plain(i int, p *string) int {
	if r.IsString(i) {
		return r.String(space(r.src, i), p)
	}
	raw, end := r.Raw(i)
	if raw != nil {
		*p = string(raw)
	}

	return end
}

// Strings reads an array of strings over *p, keeping its room.
func (r *Reader) Strings(i int, p *[]string) int {
	if end, null := r.Null(i); null {
		*p = nil
		return end
	}
	// Room is made once, at the end, for up to as many as there are here.
	var first [8]string
	v, more := *p, first[:0]
	a := r.Array(i)
	for a.Next() {
		switch {
		case a.Index < cap(v):
			v = v[:max(len(v), a.Index+1)]
			a.Pos = r.String(a.Pos, &v[a.Index])
		case len(more) < cap(more):
			more = more[:len(more)+1]
			a.Pos = r.String(a.Pos, &more[len(more)-1])
		default:
			v = append(append(v, more...), "")
			more = more[:0]
			a.Pos = r.String(a.Pos, &v[a.Index])
		}
	}
	if a.Empty() {
		v = []string{}
	}
	v = append(v, more...)
	*p = v[:a.Cut(len(v))]

	return a.Pos
}

// StringMap reads an object of strings into *p, which keeps its entries.
func (r *Reader) StringMap(i int, p *map[string]string) int {
	if end, null := r.Null(i); null {
		*p = nil
		return end
	}
	m := r.Map(i)
	if m.Opened() && *p == nil {
		*p = make(map[string]string)
	}
	for m.Next() {
		var v string
		m.Pos = r.String(m.Pos, &v)
		if k, ok := m.Key(); ok {
			(*p)[k] = v
		}
	}

	return m.Pos
}

// IsString reports whether the value at i is a string. It reads nothing.
func (r *Reader) IsString(i int) bool {
	i = space(r.src, i)

	return i < len(r.src) && r.src[i] == '"'
}
