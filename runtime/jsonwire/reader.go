package jsonwire

import "strings"

// A Reader reads one document. Errors are kept until Finish, so decoders need
// not look at them: after one that ends the reading every method does nothing,
// and every Next reports false.
//
// A Reader is good for one document and one goroutine.
type Reader struct {
	src      []byte
	text     string // copy of src all strings share; "" if each string is its own
	pos      int    // next byte to read; len(src) once stopped
	depth    int    // arrays and objects open round pos
	maxDepth int

	trouble trouble
	twice   int      // while reading strictly: where a name stands that its object has already, 0 if there is none
	outer   int      // while an error travels outward: depth of the outermost container that knows of it
	path    []string // names it has collected on the way, innermost first
	err     error    // the first mismatch, or what stopped the reading; nil for a malformed document
	scratch []byte   // unquoted text, until the next value
}

// trouble is zero while all is well, which is all that fast paths look at.
type trouble uint8

const (
	noted     trouble = 1 << iota // a mismatch is recorded, reading goes on
	stopped                       // nothing is read any more
	malformed                     // the document is no JSON
	strict                        // no trouble yet, but members are looked at
)

// Limits bound what a Reader accepts. A field that is zero sets no bound of
// its own; depth is bounded by MaxDepth in any case.
type Limits struct {
	Bytes    int // length of the document
	Depth    int // nesting of arrays and objects
	Elements int // elements of arrays and members of objects, all together
}

// NewReader returns a Reader at the start of src. src must not change while
// it is read; what is read does not refer to it.
func NewReader(src []byte) Reader {
	return Reader{src: src, maxDepth: MaxDepth}
}

// Limit makes a document beyond l fail with a *LimitError, before anything is
// read from it except as far as its depth goes. Call it first.
func (r *Reader) Limit(l Limits) {
	if l.Depth > 0 {
		r.maxDepth = min(l.Depth, MaxDepth)
	}
	if l.Bytes > 0 && len(r.src) > l.Bytes {
		r.stop(&LimitError{What: "bytes", Max: l.Bytes})
		return
	}
	if l.Elements > 0 && moreElements(r.src, l.Elements) {
		r.stop(&LimitError{What: "elements", Max: l.Elements})
	}
}

// ShareText makes all strings read from here on parts of one copy of the
// document: one allocation, which lives as long as any of them. It pays for
// documents that are mostly strings which stay together.
func (r *Reader) ShareText() {
	if r.text == "" {
		r.text = string(r.src)
	}
}

// Finish ends the reading and returns its error: a *SyntaxError if the document
// is malformed, anything but white space after its value included; else what
// stopped the reading; else the first *TypeError or *ValueError; else nil.
func (r *Reader) Finish() error {
	if r.trouble&stopped == 0 {
		if r.pos = space(r.src, r.pos); r.pos < len(r.src) {
			r.fail()
		}
	}
	if _, limited := r.err.(*LimitError); r.trouble&stopped != 0 && !limited {
		// The reading ended early: what follows may be malformed too.
		if err := explain(r.src); err != nil {
			r.trouble |= malformed
			return err
		}
		if r.trouble&malformed != 0 {
			panic("jsonwire: a decoder left a value unread or read one too many")
		}
	}
	if len(r.path) > 0 {
		r.place()
	}

	return r.err
}

// Malformed reports whether Finish has returned a *SyntaxError.
func (r *Reader) Malformed() bool { return r.trouble&malformed != 0 }

// Check stops the reading if err, of a type's own method, is not nil; else it
// reports true. As with encoding/json, Finish returns err itself; a *TypeError
// gets the path of the value in front of its Field.
func (r *Reader) Check(err error) bool {
	if err != nil {
		r.stop(err)
	}

	return err == nil
}

// Reject records err for the next value, unless there is an error already, and
// skips the value.
func (r *Reader) Reject(err error) {
	if r.Skip(); r.trouble&stopped == 0 {
		r.reject(err)
	}
}

// reject records err for the value before pos.
func (r *Reader) reject(err error) {
	if r.err == nil {
		r.note(&ValueError{Offset: int64(r.pos), Err: err})
	}
}

// note records the first error that does not end the reading.
func (r *Reader) note(err error) {
	if r.err == nil {
		r.err = err
		r.trouble |= noted
		r.outer = r.depth + 1
	}
}

// fail stops the reading: the document is malformed. Where and how is found
// out by Finish.
func (r *Reader) fail() {
	if r.trouble&stopped == 0 {
		r.stop(nil)
		r.trouble |= malformed
	}
}

// stop ends the reading. From here on pos is at the end, where no fast path
// finds anything.
func (r *Reader) stop(err error) {
	if r.trouble&stopped != 0 {
		return
	}
	r.trouble |= stopped
	r.err = err
	r.outer = r.depth + 1
	r.path = r.path[:0]
	r.pos = len(r.src)
}

// unwind is called by each container round an error, innermost first, before
// it goes on. It adds the name of the member the error is in, "" for none, and
// reports whether there is anything to go on with.
func (r *Reader) unwind(depth int, name string) bool {
	if depth < r.outer {
		r.outer = depth
		if name != "" {
			r.path = append(r.path, name)
		}
	}

	return r.trouble&stopped == 0
}

// place puts the collected path into the error.
func (r *Reader) place() {
	switch err := r.err.(type) {
	case *TypeError:
		err.Field = r.joined(err.Field)
	case *ValueError:
		err.Field = r.joined(err.Field)
	case *MemberError:
		err.Field = r.joined(err.Field)
	}
	r.path = nil
}

func (r *Reader) joined(inner string) string {
	var b strings.Builder
	for i := len(r.path) - 1; i >= 0; i-- {
		b.WriteString(r.path[i])
		if i > 0 || inner != "" {
			b.WriteByte('.')
		}
	}
	b.WriteString(inner)

	return b.String()
}

// redact hides the value in an error that came up in the current member of
// the container at depth.
func (r *Reader) redact(depth int) {
	if depth >= r.outer {
		return
	}
	switch err := r.err.(type) {
	case nil, *LimitError:
	case *TypeError:
		err.Value, _, _ = strings.Cut(err.Value, " ")
	case *MemberError:
		err.Field = ""
	case *ValueError:
		err.Err = redacted{err.Err}
	default:
		r.err = redacted{err}
	}
}

// mismatch records that the value before pos, or the one just entered, is not
// of the wanted type.
func (r *Reader) mismatch(value, want string) {
	if r.err == nil {
		r.note(&TypeError{Value: value, Type: want, Offset: int64(r.pos)})
	}
}

// refuse skips the next value, which is not of the wanted type. A null is no
// mismatch.
func (r *Reader) refuse(want string) {
	r.pos = space(r.src, r.pos)
	if r.pos == len(r.src) {
		r.fail()
		return
	}
	switch c := r.src[r.pos]; c {
	case '{', '[':
		kind := "array"
		if c == '{' {
			kind = "object"
		}
		if r.err == nil {
			r.note(&TypeError{Value: kind, Type: want, Offset: int64(r.pos + 1)})
		}
		r.Skip()
	case '"':
		r.refuseLiteral("string", want)
	case 't', 'f':
		r.refuseLiteral("bool", want)
	case 'n':
		r.Skip()
	default:
		r.refuseLiteral("number", want)
	}
}

func (r *Reader) refuseLiteral(value, want string) {
	if r.Skip(); r.trouble&stopped == 0 {
		r.mismatch(value, want)
	}
}

// Null reads a null and reports true, or reads nothing and reports false.
func (r *Reader) Null() bool {
	if i := r.pos; i < len(r.src) && r.src[i] > ' ' && r.src[i] != 'n' {
		return false
	}

	return r.null()
}

func (r *Reader) null() bool {
	i := space(r.src, r.pos)
	if i < len(r.src) && r.src[i] != 'n' {
		return false
	}
	if !hasPrefix(r.src, i, "null") {
		r.fail()
		return false
	}
	r.pos = i + len("null")

	return true
}

// Raw reads any value and returns its bytes, which are part of the document;
// nil if the reading has ended.
func (r *Reader) Raw() []byte {
	start := space(r.src, r.pos)
	if r.Skip(); r.trouble&strict != 0 {
		r.refuseRepeated()
	}
	if r.trouble&stopped != 0 {
		return nil
	}

	return r.src[start:r.pos:r.pos]
}

// Skip reads any value and drops it.
func (r *Reader) Skip() {
	switch end := skip(r.src, space(r.src, r.pos), r.maxDepth-r.depth); {
	case end >= 0:
		r.pos = end
	case end == tooDeep:
		r.tooDeep()
	default:
		r.fail()
	}
}

// tooDeep stops the reading. The bound everybody has counts as syntax.
func (r *Reader) tooDeep() {
	if r.maxDepth == MaxDepth {
		r.fail()
		return
	}
	r.stop(&LimitError{What: "depth", Max: r.maxDepth})
}

// hasPrefix reports whether src continues with word at i.
func hasPrefix(src []byte, i int, word string) bool {
	return len(src)-i >= len(word) && string(src[i:i+len(word)]) == word
}

// space returns the index of the first byte at or after i that is not white
// space.
func space(src []byte, i int) int {
	for i < len(src) && src[i] <= ' ' {
		switch src[i] {
		case ' ', '\t', '\n', '\r':
			i++
		default:
			return i
		}
	}

	return i
}
