package load

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"go/build"
	"go/token"
	"go/types"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/tools/go/packages"

	"github.com/tqgen/tqgen/generator/diag"
	"github.com/tqgen/tqgen/generator/record"
)

// metadata is what `go list -e -deps` answers without building anything: no
// compiler, no cgo, no export data.
const metadata = packages.NeedName | packages.NeedFiles | packages.NeedModule |
	packages.NeedImports | packages.NeedDeps

// loader is the state of one load.
type loader struct {
	ctx      context.Context
	dir      string // absolute working folder
	real     string // the same without symbolic links
	fset     *token.FileSet
	disk     *record.Disk
	answer   string // of the go command, as a digest
	tags     string
	sizes    types.Sizes
	units    map[string]*unit // by import path, of everything listed
	roots    []*unit          // those the patterns match and that are not all ours, sorted
	modules  []*Module        // of all matched packages, also those that are all ours
	covered  map[string]bool  // folders of all matched packages
	cyclic   bool             // go list has found an import cycle
	testOnly []*unit          // matched, of test files alone
	literal  bool             // no pattern is a wildcard
	mu       sync.Mutex       // held while an Importer reads more packages
	diags    diag.List
}

func newLoader(ctx context.Context, c Config) (*loader, error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("working folder: %w", err)
	}
	real, err := c.Disk.EvalSymlinks(dir)
	if err != nil {
		return nil, fmt.Errorf("working folder: %w", err)
	}
	if mode, err := c.Disk.Mode(real); err == nil && !mode.IsDir() {
		return nil, fmt.Errorf("working folder: %s is a file", c.Dir)
	}

	return &loader{
		ctx: ctx, dir: dir, real: real, disk: c.Disk, tags: c.Tags,
		fset:  token.NewFileSet(),
		sizes: types.SizesFor("gc", build.Default.GOARCH),
		units: map[string]*unit{}, covered: map[string]bool{},
	}, nil
}

// list asks the go command which packages there are, in one query.
func (l *loader) list(c Config) error {
	patterns := c.Patterns
	if len(patterns) == 0 {
		patterns = []string{"."}
	}
	l.literal = !slices.ContainsFunc(patterns, wildcard)
	for _, p := range patterns {
		if strings.HasSuffix(p, ".go") {
			l.diags.Addf(token.Position{Filename: p}, "TQ512", "%s is a file", p).
				Helpf("name its folder or package: tqgen works on whole packages")
		}
	}
	if err := l.diags.Err(); err != nil {
		return err
	}
	matched, err := l.query(append(slices.Clone(patterns), outputImports...))
	if err != nil {
		return err
	}
	for _, p := range matched {
		if u := l.units[p.PkgPath]; !slices.Contains(outputImports, u.path) {
			l.root(u)
		} else if slices.Contains(patterns, u.path) && u.std {
			l.foreign(u, "the standard library")
		}
	}
	slices.SortFunc(l.roots, func(a, b *unit) int { return cmp.Compare(a.path, b.path) })

	return nil
}

// query adds packages and all they import to the units.
func (l *loader) query(patterns []string) ([]*packages.Package, error) {
	cfg := &packages.Config{Mode: metadata, Context: l.ctx, Dir: l.dir, Fset: l.fset}
	if l.tags != "" {
		cfg.BuildFlags = []string{"-tags=" + l.tags}
	}
	matched, err := packages.Load(cfg, patterns...)
	if err != nil {
		return nil, l.queryError(err)
	}
	l.answer = digest(matched)
	for p := range packages.Postorder(matched) {
		if _, ok := l.units[p.PkgPath]; !ok {
			l.units[p.PkgPath] = newUnit(p)
		}
		l.cyclic = l.cyclic || slices.ContainsFunc(p.Errors, func(e packages.Error) bool {
			return strings.Contains(e.Msg, "import cycle")
		})
	}

	return matched, nil
}

// digest sums up what the go command said of packages and all they import: all
// of it that is looked at here.
func digest(matched []*packages.Package) string {
	h := sha256.New()
	for _, p := range matched {
		fmt.Fprintf(h, "matched %q\n", p.PkgPath)
	}
	for p := range packages.Postorder(matched) {
		fmt.Fprintf(h, "%q %q %q %q %q\n", p.PkgPath, p.Name, p.Dir, p.GoFiles, p.IgnoredFiles)
		for _, path := range slices.Sorted(maps.Keys(p.Imports)) {
			fmt.Fprintf(h, "\timports %q %q\n", path, p.Imports[path].PkgPath)
		}
		for _, e := range p.Errors {
			fmt.Fprintf(h, "\terror %d %q %q\n", e.Kind, e.Pos, e.Msg)
		}
		if m := p.Module; m != nil {
			fmt.Fprintf(h, "\tmodule %q %q %q %t\n", m.Path, m.Dir, m.GoVersion, m.Main)
		}
	}

	return hex.EncodeToString(h.Sum(nil))
}

// queryError tells a refusal by the go command from its absence.
func (l *loader) queryError(err error) error {
	if l.ctx.Err() != nil {
		return fmt.Errorf("list packages: %w", l.ctx.Err())
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("list packages: %w", err)
	}
	text := err.Error()
	if _, s, ok := strings.Cut(text, "stderr: "); ok {
		text = s
	}
	text = strings.TrimPrefix(strings.TrimSpace(text), "go: ")
	switch {
	case strings.Contains(text, "go.mod file not found") || strings.Contains(text, "cannot find main module"):
		l.noModule()
	case !l.located(text):
		l.listed(token.Position{}, "TQ513", "go list: ", text)
	}

	return l.diags.Err()
}

func (l *loader) noModule() {
	l.diags.Addf(token.Position{}, "TQ501", "no go.mod here or in a folder above").
		Helpf("run tqgen in a module: tqgen -C FOLDER ./...").
		Helpf("this folder is made one by go mod init example.com/name")
}

// moduleless reports whether the working folder is in no module and no
// workspace: then a pattern that matches nothing is not what is wrong.
func (l *loader) moduleless() bool {
	files := []string{"go.mod", "go.work"}
	switch os.Getenv("GOWORK") {
	case "":
	case "off":
		files = files[:1]
	default:
		return false
	}
	for dir := l.dir; ; dir = filepath.Dir(dir) {
		for _, name := range files {
			if l.disk.Exists(filepath.Join(dir, name)) {
				return false
			}
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// inModuleFile is a line of the go command's about a place in a go.mod, go.work or
// go.sum.
var inModuleFile = regexp.MustCompile(`^(.*go\.(?:mod|work|sum)):(\d+)(?::(\d+))?: (.*)$`)

// located reports what the go command says about places in go.mod and its like,
// each at its place. It reports whether there was any.
func (l *loader) located(text string) (found bool) {
	for line := range strings.Lines(l.local(text)) {
		m := inModuleFile.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		at := token.Position{Filename: m[1]}
		at.Line, _ = strconv.Atoi(m[2])   // digits, by the expression
		at.Column, _ = strconv.Atoi(m[3]) // or nothing: no column
		l.diags.Addf(at, "TQ513", "%s", m[4])
		found = true
	}

	return found
}

// listed reports an error of the go command in its own words. What follows the
// first line is what it advises.
func (l *loader) listed(pos token.Position, code diag.Code, prefix, text string) *diag.Diagnostic {
	lines := strings.Split(strings.TrimSpace(l.local(text)), "\n")
	first, _, _ := strings.Cut(lines[0], "; to add")
	d := l.diags.Addf(pos, code, "%s%s", prefix, strings.TrimSuffix(strings.TrimSpace(first), ":"))
	for _, line := range lines[1:] {
		if line = strings.TrimSpace(line); line != "" {
			d.Helpf("%s", line)
		}
	}

	return d
}

// local spells paths in a text of the go command from the working folder.
func (l *loader) local(text string) string {
	text = strings.ReplaceAll(text, l.dir+string(filepath.Separator), "")

	return strings.ReplaceAll(text, l.dir, ".")
}

// wildcard reports whether a pattern may match any number of packages.
func wildcard(p string) bool {
	return strings.Contains(p, "...") || p == "all" || p == "std" || p == "cmd" || p == "work" || p == "tool"
}

// root judges one matched package.
func (l *loader) root(u *unit) {
	if m := u.list.Module; m != nil && m.Main && m.Dir != "" {
		l.cover(u)
	}
	switch {
	case l.literal && l.linked(u):
	case u.list.Module != nil && u.list.Module.Main && len(u.list.GoFiles) > 0:
		l.roots = append(l.roots, u)
	case len(u.list.Errors) > 0 && len(u.list.GoFiles) == 0:
		l.unmatched(u)
	case u.list.Module == nil:
		l.foreign(u, "the standard library")
	case u.list.Module.Main:
		l.testOnly = append(l.testOnly, u)
	default:
		l.foreign(u, "module "+u.list.Module.Path)
	}
}

// cover notes the folder and the module of a matched package.
func (l *loader) cover(u *unit) {
	l.covered[u.list.Dir] = true
	m := u.list.Module
	if !slices.ContainsFunc(l.modules, func(known *Module) bool { return known.Dir == m.Dir }) {
		l.modules = append(l.modules, &Module{Path: m.Path, Dir: m.Dir, GoVersion: m.GoVersion})
	}
}

// linked reports a package of this module whose folder is a link to another one
// in it: what is generated there imports the package by the other one's path.
func (l *loader) linked(u *unit) bool {
	m := u.list.Module
	if m == nil || !m.Main || m.Dir == "" {
		return false
	}
	root, err := l.disk.EvalSymlinks(m.Dir)
	if err != nil {
		return false
	}
	dir, err := l.disk.EvalSymlinks(u.list.Dir)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil || !filepath.IsLocal(rel) {
		return false // elsewhere it has no path but this one
	}
	real := path.Join(m.Path, filepath.ToSlash(rel))
	if real == u.path {
		return false
	}
	l.diags.Addf(token.Position{Filename: l.relative(u.list.Dir)}, "TQ514", "package %s is a link to %s", u.path, real).
		Helpf("name the folder that is linked to, or its import path")

	return true
}

// foreign reports a package that is not ours to generate for, unless it was
// named by a wildcard.
func (l *loader) foreign(u *unit, of string) {
	if l.literal {
		l.diags.Addf(token.Position{Filename: u.path}, "TQ511", "package %s belongs to %s", u.path, of).
			Helpf("name packages of the module tqgen runs in")
	}
}

// unmatched reports a pattern that leads to no package.
func (l *loader) unmatched(u *unit) {
	text := u.list.Errors[0].Msg
	at := token.Position{Filename: filepath.Clean(u.path)}
	if u.list.Dir != "" {
		at.Filename = l.relative(u.list.Dir)
	}
	switch {
	case strings.Contains(text, "build constraints exclude all Go files"):
		l.diags.Addf(at, "TQ504", "build constraints exclude all Go files in %s", at.Filename).
			Helpf("name the tags they need: tqgen -tags …")
	case strings.Contains(text, "no Go files"), strings.Contains(text, "no non-test Go files"):
		l.noFiles(at.Filename, "no Go files in ")
	case strings.Contains(text, "listed in go.work file: "):
		l.listed(token.Position{}, "TQ513", "", strings.TrimPrefix(text, "go: "))
	case l.moduleless():
		if len(l.diags) == 0 { // once, whatever the number of patterns
			l.noModule()
		}
	case u.list.Dir == "" && strings.Contains(text, "is not in std"):
		l.diags.Addf(at, "TQ502", "no package %s in the standard library", u.path).
			Helpf("a package of this module is named by its folder, ./%s, or by its whole import path", u.path)
	default:
		d := l.listed(at, "TQ502", "", text)
		switch {
		case strings.Contains(text, "does not contain package"):
			d.Helpf("run tqgen in the module that does")
		case strings.Contains(text, "does not contain modules listed in go.work"):
			d.Helpf("name folders of modules that go.work lists, such as ./api/..., or add this one to it: go work use -r .")
		}
	}
}

func (l *loader) noFiles(folder, text string) {
	l.diags.Addf(token.Position{Filename: folder}, "TQ503", "%s%s", text, folder).
		Helpf("name the folder of the annotated struct, or ./... for all below this one")
}

// at gives a position relative to the working folder.
func (l *loader) at(pos token.Pos) token.Position {
	p := l.fset.PositionFor(pos, false)
	p.Filename = l.relative(p.Filename)

	return p
}

// relative gives a path relative to the working folder.
func (l *loader) relative(path string) string {
	short := path
	for _, dir := range []string{l.dir, l.real} {
		if rel, err := filepath.Rel(dir, path); err == nil && (short == path || len(rel) < len(short)) {
			short = rel
		}
	}

	return short
}

// unannotated reports packages named one by one that have nothing for us to do.
// Output of theirs that is to go is enough to do.
func (l *loader) unannotated(p *Program) {
	if !l.literal || len(l.diags) > 0 {
		return
	}
	if len(p.Packages) == 0 {
		l.outputAlone(p)
	}
	for _, pkg := range p.Packages {
		u := l.units[pkg.Path]
		if u.annotated || slices.ContainsFunc(p.Outputs, func(o Output) bool {
			return o.Source[:max(0, strings.LastIndexByte(o.Source, '.'))] == pkg.Path
		}) {
			continue
		}
		l.parse([]*unit{u})
		clause := l.at(u.sources[0].ast.Name.Pos())
		l.diags.Addf(clause, "TQ505", "package %s has no //tqgen:queue directive", pkg.Name).
			Helpf("put one above the struct to queue, or name other packages: tqgen ./...")
	}
}

// outputAlone reports packages that are all ours, where nothing else was named.
func (l *loader) outputAlone(p *Program) {
	told := map[string]bool{}
	for _, o := range p.Outputs {
		dir := filepath.Dir(o.Path)
		if o.Bereft || told[dir] || !l.covered[dir] {
			continue
		}
		told[dir] = true
		l.diags.Addf(token.Position{Filename: l.relative(dir)}, "TQ505", "this package is the output of %s", o.Source).
			Helpf("name the package of its payload: tqgen %s", o.Source[:max(0, strings.LastIndexByte(o.Source, '.'))])
	}
}
