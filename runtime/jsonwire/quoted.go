package jsonwire

import "strconv"

// Members tagged ",string" have their value's JSON inside a string. The methods
// here read such a member; they are not ok for null, for a string that says
// null, and for what is a ValueError or TypeError. What encoding/json lets pass
// passes: inside the string leading zeros and hexadecimal floats do.

// NullQuoted reads a null, or a string that says null, and reports true; or
// reads nothing and reports false. It is asked first where the member is a
// pointer.
func (r *Reader) NullQuoted(i int) (end int, null bool) {
	if end, null = r.nullLiteral(i); null {
		return end, true
	}
	item, end := r.peekString(i)
	if string(item) != "null" {
		return i, false
	}

	return end, true
}

// Quoted reports whether the value at i is a string that would make
// encoding/json allocate a nil pointer before it looks closer. It reads
// nothing.
func (r *Reader) Quoted(i int) bool {
	item, _ := r.peekString(i)

	return len(item) > 0 && item[0] != 'n'
}

// peekString returns the text of the value at i, and where it ends; nil if it
// is no string.
func (r *Reader) peekString(i int) (item []byte, end int) {
	i = space(r.src, i)
	if i >= len(r.src) || r.src[i] != '"' {
		return nil, 0
	}
	if end = skipString(r.src, i); end < 0 {
		return nil, 0
	}

	return r.unquoted(span{i, end}), end
}

// QuotedBool reads a ",string" boolean.
func (r *Reader) QuotedBool(i int) (v bool, end int, ok bool) {
	item, end, kind := r.quoted(i)
	switch kind {
	case quotedBool:
		return item[0] == 't', end, true
	case quotedString:
		r.mismatch(end, "string", "bool")
	case quotedNumber:
		r.stopQuoted(end)
	}

	return false, end, false
}

// QuotedInt reads a ",string" integer of so many bits.
func (r *Reader) QuotedInt(i, bits int) (v int64, end int, ok bool) {
	want := "int" + strconv.Itoa(bits)
	item, end := r.quotedNumber(i, want)
	if item == nil {
		return 0, end, false
	}
	v, err := strconv.ParseInt(string(item), 10, bits)
	if err != nil {
		r.badNumber(end, item, want)
	}

	return v, end, err == nil
}

// QuotedUint reads a ",string" integer of so many bits that is not negative.
func (r *Reader) QuotedUint(i, bits int) (v uint64, end int, ok bool) {
	want := "uint" + strconv.Itoa(bits)
	item, end := r.quotedNumber(i, want)
	if item == nil {
		return 0, end, false
	}
	v, err := strconv.ParseUint(string(item), 10, bits)
	if err != nil {
		r.badNumber(end, item, want)
	}

	return v, end, err == nil
}

// QuotedFloat reads a ",string" number of so many bits.
func (r *Reader) QuotedFloat(i, bits int) (v float64, end int, ok bool) {
	want := "float" + strconv.Itoa(bits)
	item, end := r.quotedNumber(i, want)
	if item == nil {
		return 0, end, false
	}
	v, err := strconv.ParseFloat(string(item), bits)
	if err != nil || bits == 32 && overflows32(v) {
		r.badNumber(end, item, want)
		return 0, end, false
	}

	return v, end, true
}

// QuotedString reads a ",string" string.
func (r *Reader) QuotedString(i int) (v string, end int, ok bool) {
	item, end, kind := r.quoted(i)
	switch kind {
	case quotedString:
		return string(item), end, true
	case quotedBool:
		r.reject(end, quotedProblem)
	case quotedNumber:
		r.stopQuoted(end)
	}

	return "", end, false
}

// QuotedNumber reads a ",string" json.Number.
func (r *Reader) QuotedNumber(i int) (v string, end int, ok bool) {
	item, end, kind := r.quoted(i)
	switch kind {
	case quotedNumber:
		return string(item), end, true
	case quotedString:
		if isNumber(string(item)) {
			return string(item), end, true
		}
		r.stopQuoted(end)
	case quotedBool:
		r.reject(end, quotedProblem)
	}

	return "", end, false
}

// QuotedRaw reads a ",string" member of a type with UnmarshalJSON: what is in
// the string, or null. It is nil for a ValueError.
func (r *Reader) QuotedRaw(i int) (raw []byte, end int) {
	if end, null := r.nullLiteral(i); null {
		return []byte("null"), end
	}

	return r.unwrap(i)
}

// QuotedPointerRaw is QuotedRaw for a member that is a pointer, which NullQuoted
// was asked of first: what begins as null does is a ValueError there.
func (r *Reader) QuotedPointerRaw(i int) (raw []byte, end int) {
	item, end := r.unwrap(i)
	if item != nil && item[0] == 'n' {
		r.reject(end, quotedProblem)
		return nil, end
	}

	return item, end
}

// QuotedText reads a ",string" member of a type with UnmarshalText. It is nil
// for null and for a ValueError.
func (r *Reader) QuotedText(i int) (text []byte, end int) {
	if end, null := r.NullQuoted(i); null {
		return nil, end
	}
	item, end := r.unwrap(i)
	switch {
	case item == nil:
		return nil, end
	case item[0] != '"':
		r.reject(end, quotedProblem)
		return nil, end
	}
	text, ok := unquoteInner(item)
	if !ok {
		r.stopQuoted(end)
		return nil, end
	}

	return text, end
}

// quotedNumber is quoted for the kinds of numbers.
func (r *Reader) quotedNumber(i int, want string) (item []byte, end int) {
	item, end, kind := r.quoted(i)
	switch kind {
	case quotedNumber:
		return item, end
	case quotedString:
		r.mismatch(end, "string", want)
	case quotedBool:
		r.reject(end, quotedProblem)
	}

	return nil, end
}

// quotedKind is what a string contains, by its first byte.
type quotedKind uint8

const (
	quotedNone   quotedKind = iota // null, or an error that is dealt with
	quotedBool                     // true or false
	quotedString                   // a string, whose text is returned
	quotedNumber                   // begins like a number
)

const quotedProblem = valueProblem(`",string" member without a fitting string`)

// stopQuoted stops the reading for the value that ends at i.
func (r *Reader) stopQuoted(i int) {
	r.stop(&ValueError{Offset: int64(i), Err: quotedProblem}, i)
}

// quoted reads a ",string" member.
func (r *Reader) quoted(i int) (item []byte, end int, kind quotedKind) {
	if end, null := r.nullLiteral(i); null {
		return nil, end, quotedNone
	}
	item, end = r.unwrap(i)
	if item == nil {
		return nil, end, quotedNone
	}
	switch c := item[0]; c {
	case 'n':
		if string(item) != "null" {
			r.reject(end, quotedProblem)
		}
	case 't', 'f':
		if string(item) == "true" || string(item) == "false" {
			return item, end, quotedBool
		}
		r.reject(end, quotedProblem)
	case '"':
		if text, ok := unquoteInner(item); ok {
			return text, end, quotedString
		}
		r.stopQuoted(end)
	default:
		if c == '-' || c-'0' <= 9 {
			return item, end, quotedNumber
		}
		r.stopQuoted(end)
	}

	return nil, end, quotedNone
}

// unwrap reads a string with something in it and returns its text. Anything
// else is a ValueError and gives nil.
func (r *Reader) unwrap(i int) (text []byte, end int) {
	i = space(r.src, i)
	if end = r.Skip(i); r.trouble&stopped != 0 {
		return nil, end
	}
	if r.src[i] == '"' {
		text = r.unquoted(span{i, end})
	}
	if len(text) == 0 {
		r.reject(end, quotedProblem)
		return nil, end
	}

	return text, end
}

// nullLiteral reads a null outside a string. To encoding/json, which reads
// the member as an any to find out what it is, a number beyond float64 is one
// too, after it has complained, a byte too far.
func (r *Reader) nullLiteral(i int) (end int, null bool) {
	if end, null = r.Null(i); null {
		return end, true
	}
	i = space(r.src, i)
	if i >= len(r.src) || r.src[i] != '-' && r.src[i]-'0' > 9 {
		return i, false
	}
	if end = skipNumber(r.src, i); end < 0 {
		return i, false
	}
	literal := string(r.src[i:end])
	if _, err := strconv.ParseFloat(literal, 64); err == nil {
		return i, false
	}
	if r.err == nil {
		r.note(&TypeError{Value: "number " + literal, Type: "float64", Offset: int64(end + 1)}, end)
	}

	return end, true
}

// unquoteInner returns the text of a quoted string that nobody has checked.
// Like encoding/json it takes \' for '.
func unquoteInner(s []byte) (text []byte, ok bool) {
	if len(s) < 2 || s[len(s)-1] != '"' {
		return nil, false
	}
	body := s[1 : len(s)-1]
	for i := 0; i < len(body); {
		switch c := body[i]; {
		case c == '"' || c < ' ':
			return nil, false
		case c != '\\':
			i++
		case i+1 < len(body) && body[i+1] == '\'':
			i += 2
		default:
			if i = skipEscape(body, i); i < 0 {
				return nil, false
			}
		}
	}

	return appendUnquoted(make([]byte, 0, len(body)), body), true
}
