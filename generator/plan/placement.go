package plan

import (
	"go/ast"
	"path"
	"strconv"
	"strings"

	"github.com/tqgen/tqgen/generator/load"
)

// placement reports a payload that stands where no output can import it. It
// reports whether planning can go on.
func (p *planner) placement() bool {
	before := len(p.diags)
	name, pkg := p.target.Object.Name(), p.target.Package
	joined := outputPath(p.target) == pkg.Path
	if pkg.Name == "main" && !joined {
		p.errorf(p.target.Object.Pos(), "TQ236", "%s is in package main, which nothing can import", name).
			Helpf("move it to a package of its own, or add out=. to generate into package main")
	}
	if !p.target.Object.Exported() {
		p.errorf(p.target.Object.Pos(), "TQ237", "%s is unexported: its output could not name it", name).
			Helpf("call it %s", upperFirst(name))
	}
	if !joined {
		p.cycle()
	}

	return len(p.diags) == before
}

// outputPath is the import path of a target's output, whether or not its
// directive is right in everything else.
func outputPath(t *load.Target) string {
	d, ok := t.Directive("queue")
	if !ok {
		return t.Package.Path // a codec alone
	}
	folder := "./" + strings.ToLower(t.Object.Name()) + "queue"
	args := argumentsOf(d)
	if arg, ok := args["package"]; ok {
		folder = "./" + arg.Value
	}
	if arg, ok := args["out"]; ok {
		folder = arg.Value
	}

	return path.Join(t.Package.Path, folder)
}

// cycle reports a payload whose package imports the payload's own output, which
// must import the package in turn. Outputs that do not exist yet count with
// what they will import.
func (p *planner) cycle() {
	pkg, own := p.target.Package, outputPath(p.target)
	if !p.reaches(pkg.Imports, own, map[string]bool{}) {
		return
	}
	pos, via := p.target.Object.Pos(), ""
	for _, spec := range imports(pkg.Files) {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if imported == own {
			pos, via = spec.Pos(), ""

			break
		}
		if via == "" && p.reaches(p.importsOf(imported), own, map[string]bool{}) {
			pos, via = spec.Pos(), ", by way of "+imported
		}
	}
	p.errorf(pos, "TQ238", "package %s imports %s, the output of its own %s%s",
		pkg.Name, own, p.target.Object.Name(), via).
		Helpf("move %s to a package that does not import its output", p.target.Object.Name()).
		Helpf("or generate into package %s itself with out=.", pkg.Name)
}

// reaches reports whether one of the paths in from is want, or an output whose
// payload's package leads there.
func (p *planner) reaches(from map[string]bool, want string, seen map[string]bool) bool {
	if from[want] {
		return true
	}
	for _, t := range p.prog.Targets {
		if out := outputPath(t); from[out] && out != t.Package.Path && !seen[out] {
			seen[out] = true
			if p.reaches(t.Package.Imports, want, seen) {
				return true
			}
		}
	}

	return false
}

// importsOf gives what the package at path reaches, as far as this run knows it.
func (p *planner) importsOf(path string) map[string]bool {
	for _, pkg := range p.prog.Packages {
		if pkg.Path == path {
			return pkg.Imports
		}
	}

	return map[string]bool{path: true}
}

func imports(files []*ast.File) []*ast.ImportSpec {
	var specs []*ast.ImportSpec
	for _, f := range files {
		specs = append(specs, f.Imports...)
	}

	return specs
}
