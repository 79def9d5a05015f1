package jsonwire

import "strconv"

// Members tagged ",string" have their value's JSON inside a string. The methods
// here read such a member; they are not ok for null, for a string that says
// null, and for what is a ValueError or TypeError. What encoding/json lets pass
// passes: inside the string leading zeros and hexadecimal floats do.

// NullQuoted reads a null, or a string that says null, and reports true; or
// reads nothing and reports false. It is asked first where the member is a
// pointer.
func (r *Reader) NullQuoted() bool {
	if r.nullLiteral() {
		return true
	}
	item, end := r.peekString()
	if string(item) != "null" {
		return false
	}
	r.pos = end

	return true
}

// Quoted reports whether the next value is a string that would make
// encoding/json allocate a nil pointer before it looks closer. It reads
// nothing.
func (r *Reader) Quoted() bool {
	item, _ := r.peekString()

	return len(item) > 0 && item[0] != 'n'
}

// peekString returns the text of the next value, which it does not read, and
// where it ends; nil if it is no string.
func (r *Reader) peekString() (item []byte, end int) {
	i := space(r.src, r.pos)
	if i >= len(r.src) || r.src[i] != '"' {
		return nil, 0
	}
	if end = skipString(r.src, i); end < 0 {
		return nil, 0
	}

	return r.unquoted(i, end), end
}

// QuotedBool reads a ",string" boolean.
func (r *Reader) QuotedBool() (v, ok bool) {
	switch item, kind := r.quoted(); kind {
	case quotedBool:
		return item[0] == 't', true
	case quotedString:
		r.mismatch("string", "bool")
	case quotedNumber:
		r.stopQuoted()
	}

	return false, false
}

// QuotedInt reads a ",string" integer of so many bits.
func (r *Reader) QuotedInt(bits int) (v int64, ok bool) {
	want := "int" + strconv.Itoa(bits)
	item, ok := r.quotedNumber(want)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseInt(string(item), 10, bits)
	if err != nil {
		r.badNumber(item, want)
	}

	return v, err == nil
}

// QuotedUint reads a ",string" integer of so many bits that is not negative.
func (r *Reader) QuotedUint(bits int) (v uint64, ok bool) {
	want := "uint" + strconv.Itoa(bits)
	item, ok := r.quotedNumber(want)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseUint(string(item), 10, bits)
	if err != nil {
		r.badNumber(item, want)
	}

	return v, err == nil
}

// QuotedFloat reads a ",string" number of so many bits.
func (r *Reader) QuotedFloat(bits int) (v float64, ok bool) {
	want := "float" + strconv.Itoa(bits)
	item, ok := r.quotedNumber(want)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(item), bits)
	if err != nil || bits == 32 && overflows32(v) {
		r.badNumber(item, want)
		return 0, false
	}

	return v, true
}

// QuotedString reads a ",string" string.
func (r *Reader) QuotedString() (v string, ok bool) {
	switch item, kind := r.quoted(); kind {
	case quotedString:
		return string(item), true
	case quotedBool:
		r.rejectQuoted()
	case quotedNumber:
		r.stopQuoted()
	}

	return "", false
}

// QuotedNumber reads a ",string" json.Number.
func (r *Reader) QuotedNumber() (v string, ok bool) {
	switch item, kind := r.quoted(); kind {
	case quotedNumber:
		return string(item), true
	case quotedString:
		if isNumber(string(item)) {
			return string(item), true
		}
		r.stopQuoted()
	case quotedBool:
		r.rejectQuoted()
	}

	return "", false
}

// QuotedRaw reads a ",string" member of a type with UnmarshalJSON: what is in
// the string, or null. It is nil for a ValueError.
func (r *Reader) QuotedRaw() []byte {
	if r.nullLiteral() {
		return []byte("null")
	}
	item := r.unwrap()
	if len(item) == 0 {
		return nil
	}

	return item
}

// QuotedPointerRaw is QuotedRaw for a member that is a pointer, which NullQuoted
// was asked of first: what begins as null does is a ValueError there.
func (r *Reader) QuotedPointerRaw() []byte {
	item := r.unwrap()
	switch {
	case len(item) == 0:
		return nil
	case item[0] == 'n':
		r.rejectQuoted()
		return nil
	}

	return item
}

// QuotedText reads a ",string" member of a type with UnmarshalText. It is nil
// for null and for a ValueError.
func (r *Reader) QuotedText() []byte {
	if r.NullQuoted() {
		return nil
	}
	item := r.unwrap()
	switch {
	case len(item) == 0:
		return nil
	case item[0] != '"':
		r.rejectQuoted()
		return nil
	}
	text, ok := unquoteInner(item)
	if !ok {
		r.stopQuoted()
		return nil
	}

	return text
}

// quotedNumber is quoted for the kinds of numbers.
func (r *Reader) quotedNumber(want string) (item []byte, ok bool) {
	item, kind := r.quoted()
	switch kind {
	case quotedNumber:
		return item, true
	case quotedString:
		r.mismatch("string", want)
	case quotedBool:
		r.rejectQuoted()
	}

	return nil, false
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

func (r *Reader) rejectQuoted() { r.reject(quotedProblem) }

func (r *Reader) stopQuoted() {
	r.stop(&ValueError{Offset: int64(r.pos), Err: quotedProblem})
}

// quoted reads a ",string" member.
func (r *Reader) quoted() (item []byte, kind quotedKind) {
	if r.nullLiteral() {
		return nil, quotedNone
	}
	item = r.unwrap()
	if len(item) == 0 {
		return nil, quotedNone
	}
	switch c := item[0]; c {
	case 'n':
		if string(item) != "null" {
			r.rejectQuoted()
		}
	case 't', 'f':
		if string(item) == "true" || string(item) == "false" {
			return item, quotedBool
		}
		r.rejectQuoted()
	case '"':
		if text, ok := unquoteInner(item); ok {
			return text, quotedString
		}
		r.stopQuoted()
	default:
		if c == '-' || c-'0' <= 9 {
			return item, quotedNumber
		}
		r.stopQuoted()
	}

	return nil, quotedNone
}

// unwrap reads a string with something in it and returns its text. Anything
// else is a ValueError and gives nil.
func (r *Reader) unwrap() []byte {
	i := space(r.src, r.pos)
	if r.Skip(); r.trouble&stopped != 0 {
		return nil
	}
	if r.src[i] != '"' {
		r.rejectQuoted()
		return nil
	}
	item := r.unquoted(i, r.pos)
	if len(item) == 0 {
		r.rejectQuoted()
		return nil
	}

	return item
}

// nullLiteral reads a null outside a string. To encoding/json, which reads
// the member as an any to find out what it is, a number beyond float64 is one
// too, after it has complained, a byte too far.
func (r *Reader) nullLiteral() bool {
	if r.Null() {
		return true
	}
	i := space(r.src, r.pos)
	if i >= len(r.src) || r.src[i] != '-' && r.src[i]-'0' > 9 {
		return false
	}
	end := skipNumber(r.src, i)
	if end < 0 {
		return false
	}
	literal := string(r.src[i:end])
	if _, err := strconv.ParseFloat(literal, 64); err == nil {
		return false
	}
	r.pos = end
	if r.err == nil {
		r.note(&TypeError{Value: "number " + literal, Type: "float64", Offset: int64(end + 1)})
	}

	return true
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
