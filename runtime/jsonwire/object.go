package jsonwire

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Fields are the members of an object a decoder knows. The tables are
// read-only.
type Fields struct {
	// Keys are the quoted names with their colon, `"id":`, in the order in which
	// encoders write them. That is the order the Reader expects first.
	Keys []string

	// Paths, if not nil, holds per key what TypeError.Field calls the member:
	// "Base.id" for one promoted from the embedded struct Base.
	Paths []string
}

// place is where a container stands. Containers have no more than four words,
// so that they are made in registers.
type place struct {
	depth int32  // of nesting, its own included; 0 if it was never entered
	sep   uint16 // what stands before the next member or element: the opening bracket, ',' or closed
	plain bool   // of a Map: the current key stands for itself
}

// closed is no byte: the separator of a container that is at its end.
const closed = 1 << 8

// An Object is the reading of one object.
type Object struct {
	Field int // index of the current member in Fields.Keys

	r      *Reader
	fields *Fields
	at     place
}

// Object enters an object. For null, and for a value of another type, which is
// a TypeError, it has no members.
func (r *Reader) Object(f *Fields) Object {
	return Object{Field: -1, r: r, fields: f, at: r.enter('{', "object")}
}

// enter moves to an opening bracket. Any other value is read: null silently,
// the rest as a mismatch.
func (r *Reader) enter(bracket byte, want string) place {
	if r.pos >= len(r.src) || r.src[r.pos] != bracket {
		if r.pos = space(r.src, r.pos); r.pos == len(r.src) || r.src[r.pos] != bracket {
			r.refuse(want)
			return place{sep: closed}
		}
	}
	if r.depth >= r.maxDepth {
		r.tooDeep()
		return place{sep: closed}
	}
	r.depth++

	return place{depth: int32(r.depth), sep: uint16(bracket)}
}

// Next moves to the next member that is one of the Fields and sets Field; the
// value is to be read by the caller. Other members are skipped. Names match
// exactly or else under Unicode simple folding, the first of several.
func (o *Object) Next() bool {
	r := o.r
	i := r.pos
	if r.trouble == 0 && i < len(r.src) && uint16(r.src[i]) == o.at.sep && o.Field+1 < len(o.fields.Keys) {
		key := o.fields.Keys[o.Field+1]
		if end := i + 1 + len(key); end < len(r.src) && string(r.src[i+1:end]) == key {
			r.pos = end
			o.Field++
			o.at.sep = ','

			return true
		}
	}

	return o.search()
}

// Ended reports whether there was an object and all of it has been read.
func (o *Object) Ended() bool { return o.at.sep == closed && o.at.depth > 0 }

// Sensitive hides the value of the current member from an error it may have
// caused. It is called after the member has been read.
func (o *Object) Sensitive() {
	if o.r.trouble != 0 {
		o.r.redact(int(o.at.depth))
	}
}

// search is Next for everything but the member that follows in order.
func (o *Object) search() bool {
	if o.at.sep == closed || o.r.trouble != 0 && !o.r.unwind(int(o.at.depth), o.name()) {
		return false
	}
	for {
		from, to, ok := o.r.member(&o.at)
		if !ok {
			return false
		}
		i := o.lookup(from, to)
		if o.r.trouble&strict != 0 && o.refuses(from, to, i) {
			return false
		}
		if i >= 0 {
			o.Field = i
			return true
		}
		o.r.Skip()
	}
}

// name is what errors call the current member.
func (o *Object) name() string {
	switch {
	case o.Field < 0:
		return ""
	case o.fields.Paths != nil:
		return o.fields.Paths[o.Field]
	}

	return nameOf(o.fields.Keys[o.Field])
}

// nameOf strips the quotes and the colon.
func nameOf(key string) string { return key[1 : len(key)-2] }

// lookup returns the field whose name stands quoted in src[from:to], or -1.
func (o *Object) lookup(from, to int) int {
	name := o.r.unquoted(from, to)
	next := o.Field + 1
	for i := next; i < len(o.fields.Keys); i++ {
		if nameOf(o.fields.Keys[i]) == string(name) {
			return i
		}
	}
	for i := range min(next, len(o.fields.Keys)) {
		if nameOf(o.fields.Keys[i]) == string(name) {
			return i
		}
	}
	for i, key := range o.fields.Keys {
		if equalFold(name, nameOf(key)) {
			return i
		}
	}

	return -1
}

// equalFold is strings.EqualFold for a name that is not a string.
func equalFold(a []byte, b string) bool {
	for len(a) > 0 && len(b) > 0 {
		if a[0] < utf8.RuneSelf && b[0] < utf8.RuneSelf {
			if lower(a[0]) != lower(b[0]) {
				return false
			}
			a, b = a[1:], b[1:]
			continue
		}
		x, n := utf8.DecodeRune(a)
		y, m := utf8.DecodeRuneInString(b)
		if smallestFold(x) != smallestFold(y) {
			return false
		}
		a, b = a[n:], b[m:]
	}

	return len(a) == len(b)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}

	return c
}

// smallestFold returns the smallest rune that r folds to.
func smallestFold(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}

// A Map is the reading of one object whose names are data.
type Map struct {
	r        *Reader
	from, to int // the current key with its quotes
	at       place
}

// Map enters an object, as Object does.
func (r *Reader) Map() Map {
	return Map{r: r, at: r.enter('{', "object")}
}

// Opened reports whether there is an object, be it empty.
func (m *Map) Opened() bool { return m.at.depth > 0 }

// Next moves to the next member. Its value is to be read by the caller, and
// after that its key.
func (m *Map) Next() bool {
	if m.at.sep == closed || m.r.trouble != 0 && !m.r.unwind(int(m.at.depth), "") {
		return false
	}
	var ok bool
	m.from, m.to, ok = m.r.member(&m.at)

	return ok && (m.r.trouble&strict == 0 || !m.refuses())
}

// Key returns the key of the member just read; ok is false if its value has
// ended the reading.
func (m *Map) Key() (key string, ok bool) {
	if m.r.trouble&stopped != 0 {
		return "", false
	}
	if m.at.plain {
		return m.r.share(m.from+1, m.to-1), true
	}

	return m.r.stringAt(m.from, m.to), true
}

// IntKey is Key for signed integers of so many bits. A key that is none is a
// TypeError, and ok is false.
func (m *Map) IntKey(bits int) (key int64, ok bool) {
	text := m.TextKey()
	if text == nil {
		return 0, false
	}
	key, err := strconv.ParseInt(string(text), 10, bits)
	if err != nil {
		m.mismatch(text, "int"+strconv.Itoa(bits))
	}

	return key, err == nil
}

// UintKey is Key for unsigned integers of so many bits. A key that is none is a
// TypeError, and ok is false.
func (m *Map) UintKey(bits int) (key uint64, ok bool) {
	text := m.TextKey()
	if text == nil {
		return 0, false
	}
	key, err := strconv.ParseUint(string(text), 10, bits)
	if err != nil {
		m.mismatch(text, "uint"+strconv.Itoa(bits))
	}

	return key, err == nil
}

func (m *Map) mismatch(key []byte, want string) {
	if m.r.err == nil {
		m.r.note(&TypeError{Value: "number " + string(key), Type: want, Offset: int64(m.from + 1)})
	}
}

// TextKey returns the key for an UnmarshalText, whose error goes to Check. It
// is nil if the value has ended the reading, and valid until the next read.
func (m *Map) TextKey() []byte {
	if m.r.trouble&stopped != 0 {
		return nil
	}

	return m.r.unquoted(m.from, m.to)
}

// RawKey returns the key as it stands in the document, quotes included, for key
// types whose UnmarshalJSON goes before their UnmarshalText. It is nil if the
// value has ended the reading.
func (m *Map) RawKey() []byte {
	if m.r.trouble&stopped != 0 {
		return nil
	}

	return m.r.src[m.from:m.to:m.to]
}

// member moves past the separator, the name and the colon of the next member
// and returns where the name stands, quotes included. It is not ok at the end
// of the object, which is then left, and once the reading has ended.
func (r *Reader) member(at *place) (from, to int, ok bool) {
	src, i := r.src, r.pos
	if i+1 < len(src) && uint16(src[i]) == at.sep && src[i+1] == '"' {
		if end := plain(src, i+2); end+1 < len(src) && src[end] == '"' && src[end+1] == ':' {
			at.sep, at.plain = ',', true
			r.pos = end + 2

			return i + 1, end + 1, true
		}
	}

	return r.anyMember(at)
}

// anyMember is member for white space, names that do not stand for themselves,
// the end and errors.
func (r *Reader) anyMember(at *place) (from, to int, ok bool) {
	at.plain = false
	i, more := r.separator(at, '}')
	if !more {
		return 0, 0, false
	}
	if i >= len(r.src) || r.src[i] != '"' {
		r.fail()
		return 0, 0, false
	}
	end := skipString(r.src, i)
	if end < 0 {
		r.fail()
		return 0, 0, false
	}
	colon := space(r.src, end)
	if colon == len(r.src) || r.src[colon] != ':' {
		r.fail()
		return 0, 0, false
	}
	r.pos = colon + 1

	return i, end, true
}

// separator moves past what stands before the next member or element and
// returns where that starts; or leaves the container at its closing bracket.
func (r *Reader) separator(at *place, end byte) (start int, more bool) {
	i := space(r.src, r.pos)
	if i == len(r.src) {
		r.fail()
		return 0, false
	}
	first := at.sep != ','
	if uint16(r.src[i]) == at.sep {
		at.sep = ','
		i = space(r.src, i+1)
		if !first || i == len(r.src) || r.src[i] != end {
			return i, true
		}
	}
	if r.src[i] != end {
		r.fail()
		return 0, false
	}
	at.sep = closed
	r.pos = i + 1
	r.depth--

	return 0, false
}
