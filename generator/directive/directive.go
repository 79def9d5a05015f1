// Package directive reads //tqgen: comments: text in, values and positions out.
//
// The grammar is Go's own for directives, as go/ast reads it:
//
//	//tqgen:NAME key=value "key=value with spaces"
//
// The comment stands directly above what it is about, without a space after
// the slashes. Everything that begins like that belongs to tqgen, so what is
// unknown, misplaced or repeated is refused, and so are comments that a reader
// would take for a directive though Go does not. Prose that mentions one is
// left alone.
//
// What a value may be is not decided here: see package plan.
package directive

import "go/token"

// Directive is one parsed //tqgen:NAME line.
type Directive struct {
	Pos  token.Pos // of the //
	Name string    // "queue", "sensitive"
	Args []Arg     // in written order, keys known and not repeated

	Faulty bool // an argument has been reported and is not in Args
}

// Arg is one key=value, its value still text and not empty.
type Arg struct {
	Key      string
	Value    string
	KeyPos   token.Pos
	ValuePos token.Pos
}

// Arg gives the argument of a key, and whether the directive has it.
func (d Directive) Arg(key string) (Arg, bool) {
	for _, a := range d.Args {
		if a.Key == key {
			return a, true
		}
	}

	return Arg{}, false
}
