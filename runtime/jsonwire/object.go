package jsonwire

import (
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Fields are the members of an object a decoder knows. The tables are
// read-only.
type Fields struct {
	// Names are in the order in which encoders write them. That is the order the
	// Reader expects first.
	Names []string

	// Paths, if not nil, holds per name what TypeError.Field calls the member:
	// "Base.id" for one promoted from the embedded struct Base.
	Paths []string
}

// Open enters the object at i and returns where First looks for its first
// member. Null, and a value of another type, which is a TypeError, are read
// instead: then there is nothing more, and start is where the value ends.
func (r *Reader) Open(i int) (start int, more bool) {
	r.value = 0
	if i < len(r.src) && r.src[i] == '{' && r.depth < r.maxDepth {
		r.depth++
		return i, true
	}

	return r.enter(i, '{', "object")
}

// First returns where the value of the named member starts if that is the first
// of the object opened at i; else 0, but for a member that Rest has found.
func (r *Reader) First(i int, name string) (value int) {
	if value = i + len(name) + 4; value < len(r.src) {
		key := r.src[i:value:value]
		if string(key[:2]) == `{"` && string(key[len(key)-2:]) == `":` && string(key[2:len(key)-2]) == name {
			return value
		}
	}
	if r.value > 0 && r.name == name {
		return r.value
	}

	return 0
}

// Then is First for a member that follows the one which ends at i.
func (r *Reader) Then(i int, name string) (value int) {
	if value = i + len(name) + 4; value < len(r.src) {
		key := r.src[i:value:value]
		if string(key[:2]) == `,"` && string(key[len(key)-2:]) == `":` && string(key[2:len(key)-2]) == name {
			return value
		}
	}
	if r.value > 0 && r.name == name {
		return r.value
	}

	return 0
}

// Rest looks at what First and Then have left of the object opened at start,
// which has been read up to i. At its end it returns where that is. Otherwise
// it skips members that are not of f, and there is more: from one that is, by
// its name as it stands or else under Unicode simple folding, the first of
// several. First or Then will find it.
func (r *Reader) Rest(i, start int, f *Fields) (next int, more bool) {
	if r.trouble == 0 && i < len(r.src) && r.src[i] == '}' {
		r.depth--
		r.value = 0

		return i + 1, false
	}

	return r.rest(i, start, f)
}

// rest is Rest for everything but the end of an object without errors.
func (r *Reader) rest(i, start int, f *Fields) (next int, more bool) {
	r.value = 0
	if r.trouble != 0 && !r.unwind(f) {
		r.depth--
		return 0, false
	}
	for separator := opening(i == start); ; separator = ',' {
		var key span
		key, next = r.member(i, separator)
		if key.to == 0 {
			r.nameRepeated(f)
			return next, false
		}
		field := f.lookup(r.unquoted(key))
		if r.strict && r.refuseMember(key, field, f) {
			return 0, false
		}
		if field >= 0 {
			r.name, r.value = f.Names[field], next
			return i, true
		}
		if i = r.Skip(next); r.trouble&stopped != 0 {
			r.depth--
			return 0, false
		}
	}
}

// opening is what stands before the first member of an object, or another.
func opening(first bool) byte {
	if first {
		return '{'
	}

	return ','
}

// lookup returns the field of that name, or -1.
func (f *Fields) lookup(name []byte) int {
	for i, known := range f.Names {
		if known == string(name) {
			return i
		}
	}

	return slices.IndexFunc(f.Names, func(known string) bool { return equalFold(name, known) })
}

// called is what errors call the member whose name stands at key, "" if it is
// none of f.
func (f *Fields) called(r *Reader, key span) string {
	if key.to == 0 {
		return ""
	}
	i := f.lookup(r.unquoted(key))
	switch {
	case i < 0:
		return ""
	case f.Paths != nil:
		return f.Paths[i]
	}

	return f.Names[i]
}

// enter moves to an opening bracket. Any other value is read: null silently,
// the rest as a mismatch.
func (r *Reader) enter(i int, bracket byte, want string) (start int, entered bool) {
	if i = space(r.src, i); i >= len(r.src) || r.src[i] != bracket {
		return r.refuse(i, want), false
	}
	if r.depth >= r.maxDepth {
		return r.tooDeep(), false
	}
	r.depth++

	return i, true
}

// member returns where the name of the member behind the separator at i stands,
// quotes included, and where its value starts. The name is empty at the end of
// the object, which is then left, and if there is an error.
func (r *Reader) member(i int, separator byte) (name span, value int) {
	src := r.src
	if i+1 < len(src) && src[i] == separator && src[i+1] == '"' {
		if end := plain(src, i+2); end+1 < len(src) && src[end] == '"' && src[end+1] == ':' {
			return span{i + 1, end + 1}, end + 2
		}
	}

	return r.anyMember(i, separator)
}

// anyMember is member for white space, names that do not stand for themselves,
// the end and errors.
func (r *Reader) anyMember(i int, separator byte) (name span, value int) {
	i, more := r.separator(i, separator, '}')
	if !more {
		return span{}, i
	}
	if end := skipName(r.src, i); end > 0 {
		if colon := space(r.src, end); colon < len(r.src) && r.src[colon] == ':' {
			return span{i, end}, colon + 1
		}
	}
	r.depth--

	return span{}, r.fail()
}

func skipName(src []byte, i int) int {
	if i >= len(src) || src[i] != '"' {
		return invalid
	}

	return skipString(src, i)
}

// separator moves past what stands before the next member or element and
// returns where that starts; or leaves the container at its closing bracket.
func (r *Reader) separator(i int, want, end byte) (next int, more bool) {
	i = space(r.src, i)
	if i < len(r.src) && r.src[i] == want {
		i = space(r.src, i+1)
		if i < len(r.src) && (want == ',' || r.src[i] != end) {
			return i, true
		}
	}
	r.depth--
	if i >= len(r.src) || r.src[i] != end {
		return r.fail(), false
	}

	return i + 1, false
}

// An Object is the reading of one object for decoders that have something to
// do for each member, whatever it is. Open and what belongs to it are faster.
type Object struct {
	Field int // index of the current member in Fields.Names
	Pos   int // where its value starts, to be set to where that ends; after the last, where the object ends

	r      *Reader
	fields *Fields
	at     place
}

// place is where a container stands.
type place struct {
	open      bool
	separator byte // what stands before the next member or element: the opening bracket or ','
	ended     bool // has been open and read to its end
}

// Object enters the object at i. For null, and for a value of another type,
// which is a TypeError, it has no members.
func (r *Reader) Object(i int, f *Fields) Object {
	i, entered := r.enter(i, '{', "object")

	return Object{Field: -1, Pos: i, r: r, fields: f, at: place{open: entered, separator: '{'}}
}

// Next moves to the next member that is one of the Fields and sets Field and
// Pos. Names match as they do for Rest.
func (o *Object) Next() bool {
	for o.r.goOn(&o.at, o.fields) {
		key, next := o.r.member(o.Pos, o.at.separator)
		o.Pos = next
		if key.to == 0 {
			o.r.nameRepeated(o.fields)
			o.at = place{ended: o.r.trouble&stopped == 0}
			return false
		}
		o.at.separator = ','
		o.Field = o.fields.lookup(o.r.unquoted(key))
		if o.r.strict && o.r.refuseMember(key, o.Field, o.fields) {
			o.at = place{}
			return false
		}
		if o.Field >= 0 {
			return true
		}
		o.Pos = o.r.Skip(next)
	}

	return false
}

// Null reads the value of the current member if it is null, and reports whether
// it is.
func (o *Object) Null() bool {
	end, null := o.r.Null(o.Pos)
	if null {
		o.Pos = end
	}

	return null
}

// Ended reports whether there was an object and all of it has been read.
func (o *Object) Ended() bool { return o.at.ended }

// goOn reports whether a container is open and nothing has ended the reading.
func (r *Reader) goOn(at *place, f *Fields) bool {
	if at.open && r.trouble != 0 && !r.unwind(f) {
		r.depth--
		at.open = false
	}

	return at.open
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
	Pos int // where the value of the current member starts, to be set to where it ends; after the last, where the object ends

	r   *Reader
	key span
	at  place
}

// Map enters the object at i, as Object does.
func (r *Reader) Map(i int) Map {
	i, entered := r.enter(i, '{', "object")

	return Map{Pos: i, r: r, at: place{open: entered, separator: '{'}}
}

// Opened reports whether there is an object, be it empty.
func (m *Map) Opened() bool { return m.at.open || m.at.ended }

// Next moves to the next member. Its value is to be read by the caller, and
// after that its key.
func (m *Map) Next() bool {
	if !m.r.goOn(&m.at, nil) {
		return false
	}
	m.key, m.Pos = m.r.member(m.Pos, m.at.separator)
	if m.key.to == 0 {
		m.at = place{ended: m.r.trouble&stopped == 0}
		return false
	}
	m.at.separator = ','

	return true
}

// Key returns the key of the member just read; ok is false if its value has
// ended the reading.
func (m *Map) Key() (key string, ok bool) {
	if m.r.trouble&stopped != 0 {
		return "", false
	}

	return m.r.stringAt(m.key), true
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
		m.r.note(&TypeError{Value: "number " + string(key), Type: want, Offset: int64(m.key.from + 1)}, m.Pos)
	}
}

// TextKey returns the key for an UnmarshalText, whose error goes to Check. It
// is nil if the value has ended the reading, and valid until the next read.
func (m *Map) TextKey() []byte {
	if m.r.trouble&stopped != 0 {
		return nil
	}

	return m.r.unquoted(m.key)
}

// RawKey returns the key as it stands in the document, quotes included, for key
// types whose UnmarshalJSON goes before their UnmarshalText. It is nil if the
// value has ended the reading.
func (m *Map) RawKey() []byte {
	if m.r.trouble&stopped != 0 {
		return nil
	}

	return m.r.src[m.key.from:m.key.to:m.key.to]
}
