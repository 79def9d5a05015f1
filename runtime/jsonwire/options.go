package jsonwire

import "strconv"

// Options say how values are read. The zero value reads as encoding/json does,
// bounded by MaxDepth alone.
type Options struct {
	Limits

	// Strict refuses, as a *MemberError, what encoding/json lets pass: a name
	// in other letters than the field's, a member no field is for, and a name
	// that its object has already, keys of maps included.
	Strict bool
}

// A MemberError says why reading strictly has refused a member.
type MemberError struct {
	Offset  int64  // just after the name
	Field   string // path of the member, as in TypeError; of a map's key that of the map
	Problem string // "unknown member"
}

// Error implements error.
func (e *MemberError) Error() string { return describe(e.Field, e.Problem, e.Offset) }

// Apply has the value at i, with all that is in it, read as o says. Beyond the
// limits the reading ends before the value, with a *LimitError. Applying the
// zero Options where the value has ended has what follows read as ever.
func (r *Reader) Apply(i int, o Options) {
	if r.strict || o != (Options{}) {
		r.apply(i, o)
	}
}

func (r *Reader) apply(i int, o Options) {
	if r.trouble&stopped != 0 {
		return
	}
	r.src = r.src[:r.size]
	r.twice = span{}
	if err := o.exceeded(r.src, i); err != nil {
		r.stop(err, i)
		return
	}
	if r.strict = o.Strict; !o.Strict {
		return
	}
	// The document ends for the decoder where a name is repeated: nothing can
	// pass there, and no fast path has to look out for it.
	if at, end := repeatedName(r.src, space(r.src, i), MaxDepth-r.depth); at > 0 {
		r.twice = span{at, end}
		r.src = r.src[:end]
	}
}

const givenTwice = "member given twice"

// nameRepeated has the error say what the member is called at which an object
// has just ended, if it is one given twice.
func (r *Reader) nameRepeated(f *Fields) {
	if err, ok := r.err.(*MemberError); ok {
		err.Field = f.called(r, r.twice)
	}
}

// refuseMember reports whether reading strictly does not take the member of that
// name, which was found to be of the field, or of none if it is negative. Then
// it stops the reading and leaves the object.
func (r *Reader) refuseMember(key span, field int, f *Fields) bool {
	name := string(r.unquoted(key))
	problem := "unknown member"
	if field >= 0 {
		known := f.Names[field]
		if name == known {
			return false
		}
		problem += ", for its letters: " + strconv.Quote(known) + " is one"
	}
	r.stop(&MemberError{Offset: int64(key.to), Field: name, Problem: problem}, key.from)
	r.depth--

	return true
}

// Check returns a *LimitError if the first value of src is beyond l. It tells
// nothing of what is no JSON.
func (l Limits) Check(src []byte) error {
	if err := l.exceeded(src, 0); err != nil {
		return err
	}

	return nil
}

// exceeded says which limit the value at or after from is beyond, nil if none.
// White space round the value does not count.
func (l Limits) exceeded(src []byte, from int) *LimitError {
	from = space(src, from)
	if rest := len(src) - from; l.Depth <= 0 && l.Elements <= 0 && (l.Bytes <= 0 || rest <= l.Bytes) {
		return nil
	}
	m := measure{Limits: l, src: src}
	end := m.value(from)
	if m.err == nil && l.Bytes > 0 && end-from > l.Bytes {
		return &LimitError{What: "bytes", Max: l.Bytes}
	}

	return m.err
}

// measure counts what is in a value.
type measure struct {
	Limits
	src             []byte
	depth, elements int
	err             *LimitError
}

// value returns the index after the value at i, or where a limit is exceeded or
// the document is found to be malformed.
func (m *measure) value(i int) int {
	start := i
	for m.err == nil && i < len(m.src) && (m.Bytes <= 0 || i-start <= m.Bytes) {
		switch c := m.src[i]; c {
		case '"':
			end := skipString(m.src, i)
			if end < 0 {
				return i
			}
			i = end - 1
		case '[', '{':
			m.open(i)
		case ']', '}':
			if m.depth--; m.depth < 0 {
				return i // of what the value is in
			}
		case ',':
			if m.depth == 0 {
				return i
			}
			m.element()
		case ':', ' ', '\t', '\r', '\n':
		default:
			i = literal(m.src, i) - 1
		}
		if i++; m.depth == 0 {
			return i
		}
	}

	return i
}

func (m *measure) open(i int) {
	if m.depth++; m.Depth > 0 && m.depth > m.Depth {
		m.err = &LimitError{What: "depth", Max: m.Depth}
	} else if j := space(m.src, i+1); j < len(m.src) && m.src[j] != ']' && m.src[j] != '}' {
		m.element()
	}
}

func (m *measure) element() {
	if m.elements++; m.Elements > 0 && m.elements > m.Elements {
		m.err = &LimitError{What: "elements", Max: m.Elements}
	}
}

// literal returns the index after the number or word at i, which is at least
// one byte.
func literal(src []byte, i int) int {
	for i++; i < len(src); i++ {
		switch src[i] {
		case ',', ']', '}', ':', '"', '[', '{', ' ', '\t', '\r', '\n':
			return i
		}
	}

	return i
}

// repeatedName looks in the value at i, in which no more than room levels are
// to be, for the first name that its object has had before. It returns where
// that name stands, 0 if there is none, and the index after the value, or a
// negative one if the document is malformed: whoever reads it will tell.
func repeatedName(src []byte, i, room int) (at, end int) {
	switch {
	case i < len(src) && src[i] == '{' && room > 0:
		return repeatedInObject(src, i, room-1)
	case i < len(src) && src[i] == '[' && room > 0:
		return repeatedInArray(src, i, room-1)
	default:
		return 0, skip(src, i, room)
	}
}

func repeatedInArray(src []byte, i, room int) (at, end int) {
	if i = space(src, i+1); i < len(src) && src[i] == ']' {
		return 0, i + 1
	}
	for {
		if at, i = repeatedName(src, i, room); at > 0 || i < 0 {
			return at, i
		}
		if i = space(src, i); i >= len(src) || src[i] != ',' {
			return 0, i + 1
		}
		i = space(src, i+1)
	}
}

func repeatedInObject(src []byte, i, room int) (at, end int) {
	var had names
	if i = space(src, i+1); i < len(src) && src[i] == '}' {
		return 0, i + 1
	}
	for i < len(src) && src[i] == '"' {
		name := i
		if i = skipString(src, i); i < 0 {
			return 0, invalid
		}
		if had.add(src[name+1 : i-1]) {
			return name, i
		}
		if i = space(src, i); i >= len(src) || src[i] != ':' {
			return 0, invalid
		}
		if at, i = repeatedName(src, space(src, i+1), room); at > 0 || i < 0 {
			return at, i
		}
		if i = space(src, i); i >= len(src) || src[i] != ',' {
			return 0, i + 1
		}
		i = space(src, i+1)
	}

	return 0, invalid
}

// names are those of one object, unquoted. Few are compared one by one.
type names struct {
	few  [][]byte
	many map[string]bool
}

// add adds the name in body, the inside of a valid string, and reports whether
// it was there.
func (n *names) add(body []byte) bool {
	if plain(body, 0) < len(body) {
		body = appendUnquoted(nil, body)
	}
	if n.many != nil {
		had := n.many[string(body)]
		n.many[string(body)] = true

		return had
	}
	for _, name := range n.few {
		if string(name) == string(body) {
			return true
		}
	}
	if n.few = append(n.few, body); len(n.few) > few {
		n.many = make(map[string]bool, 4*few)
		for _, name := range n.few {
			n.many[string(name)] = true
		}
	}

	return false
}
