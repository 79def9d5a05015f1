package verify

import (
	"errors"
	"fmt"
	"go/ast"
	constants "go/constant"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// Package is one output package as it was rendered.
type Package struct {
	Path      string // import path
	GoVersion string // of its module, as go.mod spells it; "" for the newest
	Files     []File

	// Joined are the other files of the package, where the output joins one. Of
	// them only what they declare is looked at: their faults are not ours.
	Joined []*ast.File
}

// File is one rendered file.
type File struct {
	Name string // as messages spell it
	Body []byte
}

// Fault says that rendered output is not Go, or does not type-check: a bug of
// tqgen's, since its input was accepted.
type Fault struct {
	Position token.Position
	Text     string
	Source   string // the lines around it, numbered
}

func (f *Fault) Error() string {
	return fmt.Sprintf("%s: %s\n%s", f.Position, f.Text, f.Source)
}

// maxFaults is how many faults of one package are worth printing.
const maxFaults = 5

// Check type-checks rendered output, function bodies included, against the
// packages that importer knows, several of them at a time. The error joins a *Fault for each problem.
// Positions of Joined are in fset.
func Check(fset *token.FileSet, importer types.Importer, packages []Package) error {
	errs := make([]error, len(packages))
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range packages {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = packages[i].checked(fset, importer)
		})
	}
	wg.Wait()

	return errors.Join(errs...)
}

// checked joins the faults of one package.
func (p *Package) checked(fset *token.FileSet, importer types.Importer) (err error) {
	defer func() {
		if r := recover(); r != nil { // nobody else would, in a goroutine
			err = fmt.Errorf("%s: panic: %v\n%s", p.Path, r, debug.Stack())
		}
	}()
	for _, f := range p.check(fset, importer) {
		err = errors.Join(err, f)
	}

	return err
}

// check gives the faults of one package, in order of discovery.
func (p *Package) check(fset *token.FileSet, importer types.Importer) []*Fault {
	var faults []*Fault
	report := func(at token.Position, text string) {
		if body := p.body(at.Filename); body != nil && len(faults) < maxFaults {
			faults = append(faults, &Fault{at, text, excerpt(body, at.Line)})
		}
	}
	files := p.Joined
	for _, f := range p.Files {
		file, err := parser.ParseFile(fset, f.Name, f.Body, parser.SkipObjectResolution)
		if list := (scanner.ErrorList)(nil); errors.As(err, &list) {
			report(list[0].Pos, list[0].Msg)
		}
		files = append(files[:len(files):len(files)], file)
	}
	if len(faults) > 0 {
		return faults
	}

	conf := types.Config{
		Importer: importer,
		Sizes:    types.SizesFor("gc", runtime.GOARCH),
		Error: func(err error) {
			if e := (types.Error{}); errors.As(err, &e) && !strings.HasPrefix(e.Msg, "\t") {
				report(fset.Position(e.Pos), e.Msg)
			}
		},
	}
	if p.GoVersion != "" {
		conf.GoVersion = "go" + p.GoVersion
	}
	_, _ = conf.Check(p.Path, fset, files, nil) // told file by file above

	return faults
}

// body is the text of the rendered file of that name, nil if there is none.
func (p *Package) body(name string) []byte {
	for _, f := range p.Files {
		if f.Name == name {
			return f.Body
		}
	}

	return nil
}

// Window reads from the runtime's package tq which generations of output it
// serves. It reports ok=false if it says nothing about that.
func Window(importer types.Importer, tq string) (from, to int64, ok bool) {
	pkg, err := importer.Import(tq)
	if err != nil {
		return 0, 0, false
	}
	from, okFrom := constant(pkg, "MinGeneration")
	to, okTo := constant(pkg, "MaxGeneration")

	return from, to, okFrom && okTo
}

func constant(pkg *types.Package, name string) (value int64, ok bool) {
	c, ok := pkg.Scope().Lookup(name).(*types.Const)
	if !ok {
		return 0, false
	}

	return constants.Int64Val(c.Val())
}

// excerpt is the text around a line, numbered, with a mark at the line.
func excerpt(body []byte, line int) string {
	const around = 4
	var b strings.Builder
	n := 0
	for text := range strings.Lines(string(body)) {
		if n++; n < line-around || n > line+around {
			continue
		}
		mark := ' '
		if n == line {
			mark = '>'
		}
		fmt.Fprintf(&b, "%c %5d  %s\n", mark, n, strings.TrimRight(text, "\r\n"))
	}

	return b.String()
}
