package jsonwire

import "strings"

// A Reader reads one document. It does not remember where it is: every method
// that reads takes the index where a value starts and returns the one where it
// ends, so that a decoder has it in a register.
//
// Errors are kept until Finish, so decoders need not look at them: after one
// that ends the reading there is nothing more to read at any index.
//
// A Reader is good for one document and one goroutine.
type Reader struct {
	src      []byte // empty once stopped
	text     string // copy of src all strings share; "" if each string is its own
	size     int    // of the document
	depth    int    // arrays and objects that are open
	maxDepth int

	// What Rest has found for a line of the decoder that does not see it itself.
	name  string // the member's, "" for none
	value int    // where its value starts

	strict bool // names must be exact
	twice  span // a name that its object has had before, at which src is cut off; empty if there is none

	trouble trouble
	err     error  // the first mismatch, or what stopped the reading; nil for a malformed document
	where   *where // of the error
	scratch []byte // unquoted text, until the next value
}

// where tells where an error came up, and what encloses it.
type where struct {
	at    int
	open  []span   // names of the members it is in, by depth; those of arrays are empty
	outer int      // while it travels outward: depth of the outermost container that knows of it
	path  []string // what the members are called, innermost first
}

// A span is a part of the document.
type span struct{ from, to int }

// trouble is zero while all is well, which is all that fast paths look at.
type trouble uint8

const (
	noted     trouble = 1 << iota // a mismatch is recorded, reading goes on
	stopped                       // nothing is read any more
	malformed                     // the document is no JSON
)

// Limits bound what a Reader accepts. A field that is zero sets no bound of
// its own; depth is bounded by MaxDepth in any case.
type Limits struct {
	Bytes    int // length of the document
	Depth    int // nesting of arrays and objects
	Elements int // elements of arrays and members of objects, all together
}

// NewReader returns a Reader of src, whose value starts at 0. src must not
// change while it is read; what is read does not refer to it.
func NewReader(src []byte) Reader {
	return Reader{src: src, size: len(src), maxDepth: MaxDepth}
}

// Init makes the zero Reader one of src: NewReader in place, which is faster.
func (r *Reader) Init(src []byte) {
	r.src = src
	r.size = len(src)
	r.maxDepth = MaxDepth
}

// Limit makes a document beyond l fail with a *LimitError, before anything is
// read from it except as far as its depth goes. Call it first.
func (r *Reader) Limit(l Limits) {
	if l.Depth > 0 {
		r.maxDepth = min(l.Depth, MaxDepth)
	}
	if l.Bytes > 0 && len(r.src) > l.Bytes {
		r.stop(&LimitError{What: "bytes", Max: l.Bytes}, 0)
		return
	}
	if l.Elements > 0 && moreElements(r.src, l.Elements) {
		r.stop(&LimitError{What: "elements", Max: l.Elements}, 0)
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

// Finish ends the reading, which has come to i, and returns its error: a
// *SyntaxError if the document is malformed, anything but white space after its
// value included; else what stopped the reading; else the first *TypeError or
// *ValueError; else nil.
func (r *Reader) Finish(i int) error {
	if r.trouble == 0 && i == len(r.src) {
		return nil
	}

	return r.finish(i)
}

func (r *Reader) finish(i int) error {
	if space(r.src, i) < len(r.src) {
		r.fail()
	}
	if _, limited := r.err.(*LimitError); r.trouble&stopped != 0 && !limited {
		// The reading ended early: what follows may be malformed too.
		if err := explain(r.src[:r.size]); err != nil {
			r.trouble |= malformed
			return err
		}
		if r.trouble&malformed != 0 {
			panic("jsonwire: a decoder left a value unread or read one too many")
		}
	}
	if r.where != nil && len(r.where.path) > 0 {
		r.place()
	}

	return r.err
}

// Malformed reports whether Finish has returned a *SyntaxError.
func (r *Reader) Malformed() bool { return r.trouble&malformed != 0 }

// Check stops the reading if err, of a type's own method for the value that
// ends at i, is not nil; else it reports true. As with encoding/json, Finish
// returns err itself; a *TypeError gets the path of the value in front of its
// Field.
func (r *Reader) Check(i int, err error) bool {
	if err != nil {
		r.stop(err, i)
	}

	return err == nil
}

// Reject records err for the value at i, unless there is an error already, and
// skips the value.
func (r *Reader) Reject(i int, err error) int {
	i = r.Skip(i)
	if r.trouble&stopped == 0 {
		r.reject(i, err)
	}

	return i
}

// reject records err for the value that ends at i.
func (r *Reader) reject(i int, err error) {
	if r.err == nil {
		r.note(&ValueError{Offset: int64(i), Err: err}, i)
	}
}

// note records the first error that does not end the reading. It came up at i.
func (r *Reader) note(err error, i int) {
	if r.err == nil {
		r.trouble |= noted
		r.found(err, i)
	}
}

// fail stops the reading: the document is malformed. Where and how is found
// out by Finish. A document that is cut off at a repeated name was well formed
// up to there.
func (r *Reader) fail() int {
	if r.trouble&stopped != 0 {
		return 0
	}
	if r.twice.to > 0 {
		r.stop(&MemberError{Offset: int64(r.twice.to), Problem: givenTwice}, r.twice.from)
		return 0
	}
	r.stop(nil, 0)
	r.trouble |= malformed

	return 0
}

// stop ends the reading for an error that came up at i. From here on there is
// nothing to be read at any index.
func (r *Reader) stop(err error, i int) {
	if r.trouble&stopped != 0 {
		return
	}
	r.trouble |= stopped
	r.found(err, i)
	r.src = r.src[:0]
}

func (r *Reader) found(err error, i int) {
	r.err = err
	r.where = &where{at: i, open: openNames(r.src, i), outer: r.depth + 1}
}

// openNames returns by depth where the names stand of the members that are
// open at end. What is before it has been read and is well formed.
func openNames(src []byte, end int) (open []span) {
	for i := 0; i < end; {
		switch src[i] {
		case '{', '[':
			open = append(open, span{})
			i++
		case '}', ']':
			open = open[:len(open)-1]
			i++
		case '"':
			from := i
			i = skipString(src, i)
			if colon := space(src, i); len(open) > 0 && colon < len(src) && src[colon] == ':' {
				open[len(open)-1] = span{from, i}
			}
		default:
			i++
		}
	}

	return open
}

// unwind is called by each container round an error, innermost first, before
// it goes on: with the members it may know, or nil. It adds what the member is
// called that the error is in, and reports whether there is anything to go on
// with.
func (r *Reader) unwind(f *Fields) bool {
	if w := r.where; r.depth < w.outer {
		w.outer = r.depth
		if f != nil && r.depth <= len(w.open) {
			if name := f.called(r, w.open[r.depth-1]); name != "" {
				w.path = append(w.path, name)
			}
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
	r.where.path = nil
}

func (r *Reader) joined(inner string) string {
	var b strings.Builder
	path := r.where.path
	for i := len(path) - 1; i >= 0; i-- {
		b.WriteString(path[i])
		if i > 0 || inner != "" {
			b.WriteByte('.')
		}
	}
	b.WriteString(inner)

	return b.String()
}

// Sensitive hides the value at i, which has been read, from an error it may have
// caused.
func (r *Reader) Sensitive(i int) {
	if r.trouble != 0 && r.where.at >= i {
		r.redact()
	}
}

func (r *Reader) redact() {
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

// mismatch records that the value which ends at i is not of the wanted type.
func (r *Reader) mismatch(i int, value, want string) {
	if r.err == nil {
		r.note(&TypeError{Value: value, Type: want, Offset: int64(i)}, i)
	}
}

// refuse skips the value at i, which is not of the wanted type. A null is no
// mismatch.
func (r *Reader) refuse(i int, want string) int {
	if i = space(r.src, i); i >= len(r.src) {
		return r.fail()
	}
	switch r.src[i] {
	case '{':
		r.mismatch(i+1, "object", want)
		return r.Skip(i)
	case '[':
		r.mismatch(i+1, "array", want)
		return r.Skip(i)
	case '"':
		return r.refuseLiteral(i, "string", want)
	case 't', 'f':
		return r.refuseLiteral(i, "bool", want)
	case 'n':
		return r.Skip(i)
	}

	return r.refuseLiteral(i, "number", want)
}

func (r *Reader) refuseLiteral(i int, value, want string) int {
	end := r.Skip(i)
	if r.trouble&stopped == 0 {
		r.mismatch(end, value, want)
	}

	return end
}

// Null reads a null and reports true, or reads nothing and reports false.
func (r *Reader) Null(i int) (end int, null bool) {
	if i < len(r.src) && r.src[i] > ' ' && r.src[i] != 'n' {
		return i, false
	}

	return r.null(i)
}

func (r *Reader) null(i int) (end int, null bool) {
	i = space(r.src, i)
	if i < len(r.src) && r.src[i] != 'n' {
		return i, false
	}
	if !hasPrefix(r.src, i, "null") {
		return r.fail(), false
	}

	return i + len("null"), true
}

// Raw reads any value and returns its bytes, which are part of the document;
// nil if the reading has ended.
func (r *Reader) Raw(i int) (raw []byte, end int) {
	start := space(r.src, i)
	if end = r.Skip(start); r.trouble&stopped != 0 {
		return nil, end
	}

	return r.src[start:end:end], end
}

// Skip reads any value and drops it.
func (r *Reader) Skip(i int) int {
	switch end := skip(r.src, space(r.src, i), r.maxDepth-r.depth); end {
	case invalid:
		return r.fail()
	case tooDeep:
		return r.tooDeep()
	default:
		return end
	}
}

// tooDeep stops the reading. The bound everybody has counts as syntax.
func (r *Reader) tooDeep() int {
	if r.maxDepth == MaxDepth {
		return r.fail()
	}
	r.stop(&LimitError{What: "depth", Max: r.maxDepth}, 0)

	return 0
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
