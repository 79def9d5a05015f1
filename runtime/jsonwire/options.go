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

// Apply has the next value, with all that is in it, read as o says. Beyond the
// limits the reading ends before the value, with a *LimitError. Applying the
// zero Options after the value has what follows read as ever.
func (r *Reader) Apply(o Options) {
	if r.trouble&strict != 0 {
		r.leaveStrict()
	}
	if r.trouble&stopped != 0 {
		return
	}
	if err := o.exceeded(r.src, r.pos); err != nil {
		r.stop(err)
	} else if o.Strict {
		r.trouble |= strict
		r.twice, _ = repeatedName(r.src, space(r.src, r.pos), MaxDepth)
	}
}

// leaveStrict ends the strict part.
func (r *Reader) leaveStrict() {
	r.refuseRepeated()
	r.trouble &^= strict
	r.twice = 0
}

// refuseRepeated stops the reading if it has passed a repeated name that nobody
// came by: it stands in a value that was taken, or dropped, as a whole.
func (r *Reader) refuseRepeated() {
	if r.twice > 0 && r.twice < r.pos && r.trouble&stopped == 0 && r.err == nil {
		r.stop(&MemberError{Offset: int64(skipString(r.src, r.twice)), Problem: givenTwice})
	}
}

const givenTwice = "member given twice"

// refuses reports whether reading strictly does not take the member whose name
// stands quoted in src[from:to]: it was found to be that of field i, or of none
// if i is negative.
func (o *Object) refuses(from, to, i int) bool {
	r := o.r
	name := string(r.unquoted(from, to))
	problem := "unknown member"
	switch {
	case i >= 0 && from == r.twice:
		problem = givenTwice
	case i >= 0 && name == nameOf(o.fields.Keys[i]):
		return false
	case i >= 0:
		problem += ", for its letters: " + strconv.Quote(nameOf(o.fields.Keys[i])) + " is one"
	}
	r.stop(&MemberError{Offset: int64(to), Field: name, Problem: problem})

	return true
}

// refuses is the same for the current key, of which any will do.
func (m *Map) refuses() bool {
	if m.from != m.r.twice {
		return false
	}
	m.r.stop(&MemberError{Offset: int64(m.to), Problem: "key given twice"})

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
