package plan

import (
	"go/token"
	"go/types"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tqgen/tqgen/generator/model"
)

// fixedImports are the packages the templates name themselves, by qualifier.
// The templates write these qualifiers as they stand here, so no other package
// and no local may have them.
var fixedImports = map[string]string{
	"context":     "context",
	"effect":      runtimePath + "/effect",
	"errors":      "errors",
	"fmt":         "fmt",
	"iter":        "iter",
	"jsonwire":    runtimePath + "/jsonwire",
	"replication": runtimePath + "/replication",
	"slices":      "slices",
	"slog":        "log/slog",
	"strconv":     "strconv",
	"strings":     "strings",
	"time":        "time",
	"tq":          runtimePath + "/tq",
}

const runtimePath = "github.com/tqgen/tqgen/runtime"

// reservedLocals are the receivers, parameters and variables of generated
// functions. A payload package of such a name is imported under another one,
// for within the function the local would hide it. A test compares the list
// with what the templates really declare.
var reservedLocals = []string{
	"a", "after", "all", "apply", "at", "attached", "b", "budget", "c", "call", "cause", "chunk",
	"ctx", "cursor", "d", "depth", "do", "doc", "dst", "e", "end", "entries", "entry", "err",
	"event", "events", "every", "f", "failed", "forward", "from", "g", "grace", "grant", "handler",
	"header", "how", "i", "id", "ids", "key", "keys", "l", "leases", "letter", "letters", "life",
	"limit", "line", "log", "m", "more", "n", "name", "next", "null", "o", "observe", "ok", "out",
	"owner", "p", "path", "ps", "pump", "q", "quoted", "r", "raw", "reader", "record", "recorder",
	"records", "ref", "refs", "restore", "room", "run", "s", "seq", "settled", "sink", "sinks",
	"slot", "slots", "snapshot", "source", "src", "start", "state", "t", "take", "tasks", "term",
	"text", "to", "token", "torn", "until", "v", "value", "w", "when", "yield",
}

// codecLocals are those of them that codecs have.
var codecLocals = []string{
	"a", "b", "depth", "dst", "e", "end", "entries", "entry", "err", "i", "key", "keys", "m",
	"more", "null", "ok", "out", "p", "quoted", "r", "raw", "src", "start", "text", "v", "value",
}

// undeclarable are identifiers that Go lets no import and no function of ours
// have, though a package may be called init.
var undeclarable = []string{"_", "init", "main"}

// scope fixes the names of one output package: import qualifiers and
// unexported functions. Names it gives never clash with each other, with the
// locals of the templates, with predeclared identifiers or, with out=., with
// the payload package's own.
type scope struct {
	path    string // import path of the output
	payload string // with out=., part of every function's name
	taken   map[string]bool
	shared  map[string]bool         // names other outputs of the same package declare; nil if there are none
	imports map[string]model.Import // by import path
}

// newScope starts the scope of the output package at path. With out=. own is
// the package the output joins, and payload is in every name it declares.
func newScope(path string, own *types.Package, payload string) *scope {
	s := &scope{path: path, payload: payload, taken: map[string]bool{}, imports: map[string]model.Import{}}
	for name, path := range fixedImports {
		s.taken[name] = true
		s.imports[path] = model.Import{Name: name, Path: path, Spelled: impliedName(path) != name}
	}

	for _, name := range reservedLocals {
		s.taken[name] = true
	}

	for _, name := range types.Universe.Names() {
		s.taken[name] = true
	}

	for _, name := range undeclarable {
		s.taken[name] = true
	}

	if own != nil {
		for _, name := range own.Scope().Names() {
			s.taken[name] = true
		}
	}

	return s
}

// typeString spells t as the output does, importing what it names.
func (s *scope) typeString(t types.Type) string { return types.TypeString(t, s.qualifier) }

// qualifier gives the name under which the output imports pkg, "" for the
// output's own package.
func (s *scope) qualifier(pkg *types.Package) string {
	if pkg == nil || pkg.Path() == s.path {
		return ""
	}

	return s.use(pkg.Path(), pkg.Name())
}

// use imports the package at path, whose package clause says name, and gives
// its qualifier.
func (s *scope) use(path, name string) string {
	if known, ok := s.imports[path]; ok {
		return known.Name
	}

	qualifier := name
	if s.unusable(qualifier) {
		qualifier = s.free(name + "pkg")
	}

	s.taken[qualifier] = true
	s.imports[path] = model.Import{Name: qualifier, Path: path, Spelled: qualifier != impliedName(path)}

	return qualifier
}

// function gives a free unexported function name that is or ends with want, a
// number apart. With out=. it tells whose output it belongs to.
func (s *scope) function(want string) string {
	if s.payload != "" && !strings.Contains(strings.ToLower(want), strings.ToLower(s.payload)) {
		want = lowerFirst(s.payload) + upperFirst(want)
	}

	name := s.free(want)
	s.taken[name] = true
	if s.shared != nil {
		s.shared[name] = true
	}

	return name
}

// claim takes name as it is and reports whether it was free.
func (s *scope) claim(name string) bool {
	if s.unusable(name) {
		return false
	}
	s.taken[name] = true

	return true
}

// free is want or want followed by the lowest number from 2 that makes it free.
func (s *scope) free(want string) string {
	name := want
	for n := 2; s.unusable(name); n++ {
		name = want + strconv.Itoa(n)
	}

	return name
}

func (s *scope) unusable(name string) bool {
	return s.taken[name] || s.shared[name] || token.IsKeyword(name)
}

// importList is every import of the scope, ordered by path.
func (s *scope) importList() []model.Import {
	list := make([]model.Import, 0, len(s.imports))
	for _, i := range s.imports {
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b model.Import) int { return strings.Compare(a.Path, b.Path) })

	return list
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// impliedName is the package name a reader expects behind an import path.
func impliedName(importPath string) string {
	base := path.Base(importPath)
	if dir := path.Dir(importPath); majorVersion.MatchString(base) && dir != "." {
		base = path.Base(dir)
	}

	return base
}

// kebab turns a Go name into its words in lower case, joined by dashes:
// "HTTPRequest" is "http-request".
func kebab(name string) string { return words(name, '-') }

// snake is kebab with underscores, for file names.
func snake(name string) string { return words(name, '_') }

func words(name string, separator rune) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if r == '_' {
			b.WriteRune(separator)
			continue
		}

		if i > 0 && runes[i-1] != '_' && startsWord(runes, i) {
			b.WriteRune(separator)
		}
		b.WriteRune(unicode.ToLower(r))
	}

	return b.String()
}

// startsWord reports whether a new word begins at runes[i]: an upper-case
// letter after anything else, or the last of several before a lower-case one.
func startsWord(runes []rune, i int) bool {
	if !unicode.IsUpper(runes[i]) {
		return false
	}
	if !unicode.IsUpper(runes[i-1]) {
		return true
	}

	return i+1 < len(runes) && unicode.IsLower(runes[i+1])
}

func upperFirst(name string) string {
	r, size := utf8.DecodeRuneInString(name)

	return string(unicode.ToUpper(r)) + name[size:]
}

// lowerFirst makes name unexported: its leading capitals become lower case, but
// for the one that begins the next word ("HTTPRequest" is "httpRequest").
func lowerFirst(name string) string {
	runes := []rune(name)
	lower := []rune(name)
	for i := range runes {
		if i > 0 && startsWord(runes, i) || !unicode.IsUpper(runes[i]) {
			break
		}
		lower[i] = unicode.ToLower(runes[i])
	}

	return string(lower)
}
