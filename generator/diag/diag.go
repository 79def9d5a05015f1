// Package diag is how tqgen says what is wrong with its input: a code that
// stays the same over releases, a position, one sentence, and what to do.
//
// All problems of a run are reported together, ordered by position. Nothing
// here prints to a stream or ends the process.
package diag

import (
	"cmp"
	"fmt"
	"go/token"
	"slices"
	"strings"
)

// Code names one kind of diagnostic, such as "TQ104". Codes are stable:
// TQ1xx directive, TQ2xx payload, TQ3xx schema change, TQ4xx output,
// TQ5xx loading and modules.
type Code string

// Diagnostic is one refusal of the input, or one finding about the output.
type Diagnostic struct {
	Pos  token.Position // where; the file name is relative to the working folder
	Code Code
	Text string   // one sentence, lower case, no full stop
	Help []string // what to do, each printed on a line of its own
}

// Error prints the diagnostic as path:line:col: CODE: text, without its help.
func (d *Diagnostic) Error() string {
	return fmt.Sprintf("%s: %s: %s", position(d.Pos), d.Code, d.Text)
}

// Unwrap gives the sentinel of the code, for errors.Is; nil for an unknown code.
func (d *Diagnostic) Unwrap() error { return kinds[d.Code].err }

// String prints the diagnostic with its help lines.
func (d *Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(d.Error())
	for _, h := range d.Help {
		b.WriteString("\n\thelp: ")
		b.WriteString(h)
	}

	return b.String()
}

// position leaves out what is unknown: a diagnostic about a whole file has no
// line, one about a module has no column.
func position(p token.Position) string {
	switch {
	case p.Filename == "":
		return "tqgen"
	case p.Line == 0:
		return p.Filename
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.Filename, p.Line)
	default:
		return fmt.Sprintf("%s:%d:%d", p.Filename, p.Line, p.Column)
	}
}

// List collects diagnostics. The zero List is empty and ready to use; it is
// not safe for concurrent use.
type List []*Diagnostic

// Addf appends a diagnostic without help and returns it, so that help can be added.
func (l *List) Addf(pos token.Position, code Code, format string, args ...any) *Diagnostic {
	d := &Diagnostic{Pos: pos, Code: code, Text: fmt.Sprintf(format, args...)}
	*l = append(*l, d)

	return d
}

// Helpf adds a help line and returns d.
func (d *Diagnostic) Helpf(format string, args ...any) *Diagnostic {
	d.Help = append(d.Help, fmt.Sprintf(format, args...))

	return d
}

// Sort orders the list by file, line, column, code and text. Of several
// diagnostics that say the same of one line, as they arise when a type is
// reached from two payloads or a fault is met in two stages, the first stays.
func (l *List) Sort() {
	slices.SortStableFunc(*l, compare)
	type key struct {
		file string
		line int
		code Code
		text string
	}
	seen := make(map[key]bool, len(*l))
	*l = slices.DeleteFunc(*l, func(d *Diagnostic) bool {
		k := key{d.Pos.Filename, d.Pos.Line, d.Code, d.Text}
		again := seen[k]
		seen[k] = true

		return again
	})
}

func compare(a, b *Diagnostic) int {
	return cmp.Or(
		cmp.Compare(a.Pos.Filename, b.Pos.Filename),
		cmp.Compare(a.Pos.Line, b.Pos.Line),
		cmp.Compare(a.Pos.Column, b.Pos.Column),
		cmp.Compare(a.Code, b.Code),
		cmp.Compare(a.Text, b.Text),
	)
}

// Err is nil for an empty list, else the list itself.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}

	return l
}

// Error prints every diagnostic with its help, one after another.
func (l List) Error() string {
	var b strings.Builder
	for i, d := range l {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(d.String())
	}

	return b.String()
}

// Unwrap gives every diagnostic of the list, for errors.Is and errors.As.
func (l List) Unwrap() []error {
	errs := make([]error, len(l))
	for i, d := range l {
		errs[i] = d
	}

	return errs
}
