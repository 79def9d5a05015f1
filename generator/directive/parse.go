package directive

import (
	"fmt"
	"go/ast"
	"go/token"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tqgen/tqgen/generator/diag"
)

const tool = "tqgen"

// reader reads the comments of one file.
type reader struct {
	at    func(token.Pos) token.Position
	diags diag.List
}

func (r *reader) errorf(pos token.Pos, code diag.Code, format string, args ...any) *diag.Diagnostic {
	return r.diags.Addf(r.at(pos), code, format, args...)
}

// parse gives the directive in c and its declaration. Both are nil for a comment
// that is none of ours or of no use. Where it stands is for the caller to judge.
func (r *reader) parse(c *ast.Comment) (*Directive, *Spec) {
	if strings.TrimRightFunc(c.Text, unicode.IsSpace) == "//"+tool+":" {
		r.errorf(c.Slash+token.Pos(len("//")), "TQ101", "directive without a name").
			Helpf("directives: %s", directory())

		return nil, nil
	}
	d, ok := ast.ParseDirective(c.Slash, c.Text)
	if !ok || d.Tool != tool {
		r.nearMiss(c)

		return nil, nil
	}
	spec, ok := Lookup(d.Name)
	if !ok {
		r.unknown(d)

		return nil, nil
	}

	before := len(r.diags)
	args := r.args(d, spec)

	return &Directive{Pos: d.Slash, Name: d.Name, Args: args, Faulty: len(r.diags) > before}, spec
}

func (r *reader) unknown(d ast.Directive) {
	p := r.errorf(d.Slash+token.Pos(len("//")), "TQ101", "unknown directive tqgen:%s", d.Name)
	if n := diag.Nearest(d.Name, specNames()); n != "" {
		p.Helpf("did you mean tqgen:%s? directives: %s", n, directory())
	} else {
		p.Helpf("directives: %s", directory())
	}
}

// args reads the arguments of d. What it reports is left out, so that every
// mistake of a line is found in one run.
func (r *reader) args(d ast.Directive, spec *Spec) (args []Arg) {
	a := &arguments{reader: r, spec: spec, seen: map[string]token.Pos{}}
	d.Args = a.quotes(d)
	words, err := d.ParseArgs()
	if err != nil {
		r.errorf(d.ArgsPos, "TQ110", "%v", err)

		return nil
	}
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		if strings.HasPrefix(w.Arg, "//") {
			r.errorf(w.Pos, "TQ104", "a comment cannot stand behind tqgen:%s", spec.Name).
				Helpf("a directive is the whole line: put the comment on one of its own")

			return args
		}
		key, value, ok := strings.Cut(w.Arg, "=")
		if !ok || value == "" {
			n, apart := spec.spaced(key, ok, words)
			words = words[n:]
			a.noValue(w, key, apart)

			continue
		}
		if key == "" {
			a.unknownKey(w.Arg, key, w.Pos)

			continue
		}
		if !a.key(key, w.Pos) {
			continue
		}
		if n := a.spec.torn(key, value, words); n > 0 {
			a.torn(key, w, words[:n])
			words = words[n:]

			continue
		}
		keyPos := w.Pos
		if d.Args[w.Pos-d.ArgsPos] != key[0] {
			keyPos++ // the quote
		}
		args = append(args, Arg{key, value, keyPos, keyPos + token.Pos(len(key)+1)})
	}

	return args
}

// arguments is the state of reading the arguments of one directive.
type arguments struct {
	*reader
	spec *Spec
	seen map[string]token.Pos // keys so far
}

// spaced tells whether an assignment was written with spaces round its sign:
// how many of the following words belong to it, and the value among them.
func (s *Spec) spaced(key string, sign bool, words []ast.DirectiveArg) (n int, value string) {
	if len(words) == 0 || key == "" {
		return 0, ""
	}
	next := words[0].Arg
	if _, ok := s.key(next); ok {
		return 0, ""
	}
	switch {
	case sign && !strings.Contains(next, "="):
		return 1, next
	case !sign && next == "=" && len(words) > 1:
		return 2, words[1].Arg
	case !sign && len(next) > 1 && next[0] == '=':
		return 1, next[1:]
	default:
		return 0, ""
	}
}

// torn tells how many of the following words belong to a value whose
// parenthesis was opened and not closed, since there are spaces in it.
func (s *Spec) torn(key, value string, words []ast.DirectiveArg) int {
	if k, ok := s.key(key); !ok || k.Kind != Backoff || !strings.Contains(value, "(") || strings.Contains(value, ")") {
		return 0
	}
	for i, w := range words {
		switch {
		case strings.Contains(w.Arg, "="):
			return 0
		case strings.Contains(w.Arg, ")"):
			return i + 1
		}
	}

	return 0
}

// torn reports such a value.
func (a *arguments) torn(key string, w ast.DirectiveArg, rest []ast.DirectiveArg) {
	spaced, dense := w.Arg, w.Arg
	for _, r := range rest {
		spaced += " " + r.Arg
		dense += r.Arg
	}
	a.errorf(w.Pos+token.Pos(len(key)+1), "TQ124", "the value of %q has spaces in it", key).
		Helpf("write %s, without spaces, or quote the whole argument: %q", dense, spaced)
}

// noValue reports a word that gives no key a value. apart is the value if it
// stands behind spaces.
func (a *arguments) noValue(w ast.DirectiveArg, key, apart string) {
	k, ok := a.spec.key(key)
	switch {
	case !ok:
		a.unknownKey(w.Arg, key, w.Pos)
	case apart != "":
		a.errorf(w.Pos, "TQ108", "key %q has no value", key).
			Helpf("write %s=%s, without spaces", key, apart)
	default:
		a.errorf(w.Pos, "TQ108", "key %q has no value", key).
			Helpf("write %s=%s, or remove the key for its default", key, k.Example)
	}
}

// key reports whether the directive has key and not had it before.
func (a *arguments) key(key string, pos token.Pos) bool {
	if _, ok := a.spec.key(key); !ok {
		a.unknownKey(key, key, pos)

		return false
	}
	if first, ok := a.seen[key]; ok {
		a.errorf(pos, "TQ105", "key %q is given twice", key).
			Helpf("it was first given in column %d", a.at(first).Column)

		return false
	}
	a.seen[key] = pos

	return true
}

// unknownKey reports key, written as word.
func (a *arguments) unknownKey(word, key string, pos token.Pos) {
	spec := a.spec
	if key == "" {
		a.errorf(pos, "TQ104", "%q names no key of tqgen:%s", word, spec.Name).
			Helpf("keys: %s", strings.Join(spec.keyNames(), ", "))

		return
	}
	p := a.errorf(pos, "TQ104", "unknown key %q for tqgen:%s", key, spec.Name)
	n := diag.Nearest(key, spec.keyNames())
	switch {
	case len(spec.Keys) == 0:
		p.Helpf("tqgen:%s has no keys", spec.Name)
	case n != "":
		p.Helpf("did you mean %q? keys: %s", n, strings.Join(spec.keyNames(), ", "))
	default:
		p.Helpf("keys: %s", strings.Join(spec.keyNames(), ", "))
	}
}

// quotes reports the quoted strings that ParseArgs would refuse or take apart,
// and gives the arguments with blanks in their place.
func (a *arguments) quotes(d ast.Directive) string {
	rest := d.Args
	if !strings.ContainsAny(rest, "\"`") {
		return rest
	}
	sound := []byte(rest)
	for rest != "" {
		size := 0 // of the word at the beginning of rest
		pos := d.ArgsPos + token.Pos(len(d.Args)-len(rest))
		switch first, n := utf8.DecodeRuneInString(rest); {
		case unicode.IsSpace(first):
			rest = rest[n:]

			continue
		case first == '"' || first == '`':
			var ok bool
			if size, ok = a.quotedWord(rest, pos); ok {
				rest = rest[size:]

				continue
			}
		default:
			size = word(rest)
			at := strings.IndexAny(rest[:size], "\"`")
			if at < 1 || rest[at-1] != '=' {
				rest = rest[size:]

				continue
			}
			size = a.quotedValue(rest, at, pos)
		}
		blank(sound[len(d.Args)-len(rest):], size)
		rest = rest[size:]
	}

	return string(sound)
}

// quotedWord reports the word that begins with a quote unless it is sound. It
// gives its length.
func (r *reader) quotedWord(s string, pos token.Pos) (size int, ok bool) {
	q, err := strconv.QuotedPrefix(s)
	if err != nil {
		r.errorf(pos, "TQ110", "quoted string is not closed, or has an escape that Go does not know").
			Helpf("quote the whole argument as Go does: \"key=a value\"")

		return len(s), false
	}
	if next, _ := utf8.DecodeRuneInString(s[len(q):]); len(s) > len(q) && !unicode.IsSpace(next) {
		r.errorf(pos, "TQ110", "no space after the quoted string %s", q).
			Helpf("quote the whole argument as Go does: \"key=a value\"")

		return len(q) + word(s[len(q):]), false
	}

	return len(q), true
}

// quotedValue reports key="value", whose quote is at offset at of s, and gives
// its length.
func (a *arguments) quotedValue(s string, at int, pos token.Pos) (size int) {
	key := s[:at-1]
	q, err := strconv.QuotedPrefix(s[at:])
	if err != nil {
		a.errorf(pos+token.Pos(at), "TQ110", "quoted string is not closed, or has an escape that Go does not know").
			Helpf("quote the whole argument as Go does: \"%s=a value\"", key)

		return len(s)
	}
	if a.key(key, pos) {
		value, _ := strconv.Unquote(q) // a quoted prefix always can be
		a.errorf(pos+token.Pos(at), "TQ109", "only the value of %q is quoted", key).
			Helpf("quote the whole argument: write %s", assignment(key, value))
	}

	return at + len(q) + word(s[at+len(q):])
}

// assignment spells key=value as it may stand in a directive.
func assignment(key, value string) string {
	s := key + "=" + value
	if strings.ContainsFunc(s, unicode.IsSpace) || strings.ContainsAny(s, "\"`") {
		return strconv.Quote(s)
	}

	return s
}

// word is the length of the word s begins with, 0 if it begins with a space.
func word(s string) int {
	if i := strings.IndexFunc(s, unicode.IsSpace); i >= 0 {
		return i
	}

	return len(s)
}

func blank(b []byte, n int) {
	for i := range b[:n] {
		b[i] = ' '
	}
}

// nearMiss reports a comment that is meant to be a directive but is none for
// Go. Prose does not count: there, other words than arguments follow.
func (r *reader) nearMiss(c *ast.Comment) {
	m, ok := cutMiss(c.Text)
	if !ok {
		return
	}
	name := strings.ToLower(m.name)
	known := name
	if n := diag.Nearest(name, specNames()); n != "" {
		known = n
	}
	line := fmt.Sprintf("//%s:%s", tool, known)
	if m.args != "" {
		line += " " + m.args
	}
	p := r.errorf(c.Slash, "TQ103", "\"%s\" is no directive", m.text)
	switch {
	case strings.HasPrefix(c.Text, "/*"):
		p.Helpf("a directive is a line comment: write %s", line)
	case m.lead != "":
		p.Helpf("nothing stands between // and tqgen: write %s", line)
	default:
		p.Helpf("a directive is in lower case and has no spaces round the colon: write %s", line)
	}
}

// miss is a comment taken apart: lead, then tqgen and the name, then args.
type miss struct {
	lead, name, args string
	text             string // from its beginning up to the name
}

// cutMiss takes a comment apart that begins almost as a directive does.
func cutMiss(text string) (m miss, ok bool) {
	body := text[2:]
	if text[1] == '*' {
		body = strings.TrimSpace(strings.TrimSuffix(body, "*/"))
	}
	rest := strings.TrimLeft(body, "+ ")
	m.lead = body[:len(body)-len(rest)]
	if strings.Count(m.lead, " ") > 2 || strings.Contains(m.lead, "  ") {
		return miss{}, false // an indented block of a doc comment
	}
	if len(rest) < len(tool) || !strings.EqualFold(rest[:len(tool)], tool) {
		return miss{}, false
	}
	after := rest[len(tool):]
	name := strings.TrimLeft(after, " :")
	gap := after[:len(after)-len(name)]
	n := word(name)
	m.args = strings.TrimRightFunc(strings.TrimLeftFunc(name[n:], unicode.IsSpace), unicode.IsSpace)
	m.name = name[:n]
	shown := strings.Index(text, rest) + len(rest) - len(name) + n
	m.text = strings.TrimSpace(text[:shown])

	return m, gap != "" && m.directive(gap, text[1] == '*')
}

// directive tells a directive from prose. gap is what separates tqgen from the
// name.
func (m *miss) directive(gap string, block bool) bool {
	if m.name == "" || strings.ContainsFunc(m.name, func(c rune) bool {
		return c != '-' && c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c)
	}) {
		return false
	}
	_, known := Lookup(strings.ToLower(m.name))
	first := m.args[:word(m.args)]
	key, _, assigned := strings.Cut(strings.TrimLeft(first, "\"`"), "=")
	assigned = assigned && key != ""
	switch {
	case gap == " " || !strings.Contains(gap, ":"):
		return known && (assigned || m.args == "" && m.lead != " ")
	case m.args == "":
		return known || gap == ":"
	case assigned:
		return true
	default:
		return gap == ":" && !block && !strings.Contains(m.lead, " ")
	}
}
