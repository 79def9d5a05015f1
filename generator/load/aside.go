package load

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"

	"github.com/tqgen/tqgen/generator/directive"
)

// testFiles refuses payloads in the test files of a package: what is declared
// there cannot be imported.
func (p *Program) testFiles(u *unit) {
	l := p.loader
	entries, err := l.disk.ReadDir(u.list.Dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !isTest(e.Name()) || hidden(e.Name()) {
			continue
		}
		s := l.scan(u, filepath.Join(u.list.Dir, e.Name()))
		if s == nil {
			continue
		}
		u.annotated = u.annotated || s.concerns()
		l.directives(s)
		for _, t := range s.found.Types {
			l.diags.Addf(l.at(t.Directives[0].Pos), "TQ233", "%s stands in a test file", t.Spec.Name.Name).
				Helpf("move it to a file whose name does not end in _test.go: " +
					"a generated package cannot import it from there")
		}
	}
}

// scan reads the directives of a file that is not part of the package. It gives
// nil if there are none.
func (l *loader) scan(u *unit, path string) *source {
	content, err := l.disk.ReadFile(path)
	if err != nil || !mentions(content) {
		return nil
	}
	if _, ours := ownHeader(content); ours || ownName(path) {
		return nil
	}
	f, err := parser.ParseFile(l.fset, path, content, parser.SkipObjectResolution|parser.ParseComments)
	if f == nil {
		return nil
	}

	return &source{
		unit: u, path: path, ast: f, err: err, found: directive.File(f, l.at), annotated: hasDirective(content),
	}
}

// unlisted reports files of a package that the go command could not read far
// enough to list them, if they have directives: what is declared there is
// unknown, and must not pass for removed.
func (l *loader) unlisted(u *unit) {
	entries, err := l.disk.ReadDir(u.list.Dir)
	if err != nil || len(u.list.Errors) == 0 {
		return
	}
	for _, e := range entries {
		path := filepath.Join(u.list.Dir, e.Name())
		if filepath.Ext(path) != ".go" || isTest(path) || hidden(e.Name()) ||
			slices.Contains(u.list.GoFiles, path) || slices.Contains(u.list.IgnoredFiles, path) {
			continue
		}
		if s := l.scan(u, path); s != nil && s.annotated {
			u.annotated = true
			if l.syntax(s); s.err == nil {
				l.listed(token.Position{Filename: l.relative(path)}, "TQ506", "", u.list.Errors[0].Msg)
			}
		}
	}
}

// excludedFiles looks for annotated types in files that build constraints
// exclude from this run.
func (p *Program) excludedFiles(u *unit) {
	for _, path := range u.list.IgnoredFiles {
		if filepath.Ext(path) != ".go" || isTest(path) {
			continue
		}
		s := p.loader.scan(u, path)
		if s == nil {
			continue
		}
		if s.err != nil && s.annotated {
			p.loader.syntax(s) // what is annotated there would pass for removed
		}
		for _, t := range s.found.Types {
			u.annotated = true
			p.Elsewhere[u.path+"."+t.Spec.Name.Name] = true
			p.twice(u, t, s)
		}
	}
}

// twice refuses a type that is annotated under this run's build constraints and
// under others: there is one output for both.
func (p *Program) twice(u *unit, elsewhere directive.Type, s *source) {
	for _, t := range p.Targets {
		if t.Package.Path == u.path && t.Spec.Name.Name == elsewhere.Spec.Name.Name {
			at := p.Position(elsewhere.Directives[0].Pos)
			p.loader.diags.Addf(p.Position(t.Directives[0].Pos), "TQ234",
				"%s is annotated under two build constraints", t.Spec.Name.Name).
				Helpf("the other one is %s:%d (%s): declare the type once for all, or give it two names",
					at.Filename, at.Line, constraintOf(s))
		}
	}
}
