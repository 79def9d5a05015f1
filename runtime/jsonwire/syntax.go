package jsonwire

import "strconv"

// explain returns a *SyntaxError for the first thing that is wrong with a
// document, nil if it is one JSON value. It is as slow as it is exact: fast
// paths only notice that something is wrong.
func explain(src []byte) error {
	c := checker{src: src}
	c.value()
	c.space()
	if c.err == nil && c.i < len(src) {
		c.fail("after top-level value")
	}
	if c.err == nil {
		return nil
	}

	return c.err
}

// A checker reads a document byte by byte. Once err is set its methods do
// nothing, since next returns an error byte.
type checker struct {
	src   []byte
	i     int
	depth int
	err   *SyntaxError
}

// fail complains about the byte at i. Inside a token the end of the document
// counts as a space.
func (c *checker) fail(context string) {
	if c.err != nil {
		return
	}
	at, b := c.i+1, byte(' ')
	if c.i < len(c.src) {
		b = c.src[c.i]
	} else {
		at = len(c.src)
	}
	c.err = &SyntaxError{Offset: int64(at), Problem: "invalid character " + quoteByte(b) + " " + context}
}

// ended complains if the document ends at i.
func (c *checker) ended() bool {
	if c.err == nil && c.i >= len(c.src) {
		c.err = &SyntaxError{Offset: int64(len(c.src)), Problem: "unexpected end of JSON input"}
	}

	return c.err != nil
}

func (c *checker) space() { c.i = space(c.src, c.i) }

// take moves past b and reports whether it was there.
func (c *checker) take(b byte) bool {
	if c.err != nil || c.i >= len(c.src) || c.src[c.i] != b {
		return false
	}
	c.i++

	return true
}

func (c *checker) value() {
	if c.space(); c.ended() {
		return
	}
	switch b := c.src[c.i]; {
	case b == '{':
		c.open()
		c.object()
		c.depth--
	case b == '[':
		c.open()
		c.array()
		c.depth--
	case b == '"':
		c.string()
	case b == 't':
		c.word("true")
	case b == 'f':
		c.word("false")
	case b == 'n':
		c.word("null")
	case b == '-' || b-'0' <= 9:
		c.number()
	default:
		c.fail("looking for beginning of value")
	}
}

func (c *checker) open() {
	if c.depth++; c.depth > MaxDepth {
		c.fail("exceeded max depth")
	}
	c.i++
}

func (c *checker) object() {
	if c.space(); c.take('}') {
		return
	}
	for c.err == nil {
		if c.space(); c.ended() {
			return
		}
		if c.src[c.i] != '"' {
			c.fail("looking for beginning of object key string")
			return
		}
		c.string()
		if c.space(); c.ended() {
			return
		}
		if !c.take(':') {
			c.fail("after object key")
		}
		c.value()
		if c.space(); c.take('}') || c.ended() {
			return
		}
		if !c.take(',') {
			c.fail("after object key:value pair")
		}
	}
}

func (c *checker) array() {
	if c.space(); c.take(']') {
		return
	}
	for c.err == nil {
		c.value()
		if c.space(); c.take(']') || c.ended() {
			return
		}
		if !c.take(',') {
			c.fail("after array element")
		}
	}
}

func (c *checker) string() {
	for c.i++; !c.ended() && !c.take('"'); {
		switch b := c.src[c.i]; {
		case b == '\\':
			c.escape()
		case b < ' ':
			c.fail("in string literal")
		default:
			c.i++
		}
	}
}

func (c *checker) escape() {
	c.i++
	if c.i < len(c.src) {
		switch c.src[c.i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			c.i++
			return
		case 'u':
			c.i++
			c.hex()
			return
		}
	}
	c.fail("in string escape code")
}

func (c *checker) hex() {
	for range 4 {
		if c.i >= len(c.src) || hexDigit(c.src[c.i]) < 0 {
			c.fail("in \\u hexadecimal character escape")
			return
		}
		c.i++
	}
}

func (c *checker) word(word string) {
	for i := range len(word) {
		if !c.take(word[i]) {
			c.fail("in literal " + word + " (expecting " + quoteByte(word[i]) + ")")
			return
		}
	}
}

func (c *checker) number() {
	c.take('-')
	if !c.take('0') {
		c.digits("in numeric literal")
	}
	if c.take('.') {
		c.digits("after decimal point in numeric literal")
	}
	if c.take('e') || c.take('E') {
		if !c.take('+') {
			c.take('-')
		}
		c.digits("in exponent of numeric literal")
	}
}

// digits moves past one digit and more.
func (c *checker) digits(context string) {
	end := digits(c.src, c.i)
	if end == c.i {
		c.fail(context)
		return
	}
	c.i = end
}

// quoteByte formats a byte as encoding/json does in its messages.
func quoteByte(b byte) string {
	switch b {
	case '\'':
		return `'\''`
	case '"':
		return `'"'`
	}
	s := strconv.Quote(string(rune(b)))

	return "'" + s[1:len(s)-1] + "'"
}
