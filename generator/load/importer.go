package load

import (
	"fmt"
	"go/token"
	"go/types"
	"sync"
)

// Importer gives packages to check rendered output against: those the payloads
// refer to, and those that outputs import. They are read from source, as
// everything here; of a package that nobody but the output refers to, there is
// what it exports.
//
// Packages that the rendered files belong to have what these export.
//
// Its types are others than those of the Program's objects. It may be used from
// several goroutines. There is one for a Program.
func (p *Program) Importer(rendered ...Rendered) types.Importer {
	o := &outputImporter{prog: p, rendered: rendered}
	o.load = sync.OnceFunc(o.check)

	return o
}

type outputImporter struct {
	prog     *Program
	rendered []Rendered
	load     func()
	packages map[string]*types.Package
	errs     []types.Error
}

func (o *outputImporter) Import(path string) (*types.Package, error) {
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	o.load()
	if p := o.packages[path]; p != nil {
		return p, nil
	}

	return nil, fmt.Errorf("package %s is not among those that were loaded", path)
}

// check type-checks all packages at once, so that their types go together.
func (o *outputImporter) check() {
	l := o.prog.loader
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.newReach(false)
	r.api = true
	for _, t := range o.prog.Targets {
		for _, d := range l.declsOf(t) {
			r.mark(nil, d)
		}
	}
	for _, d := range l.join(o.rendered) {
		r.mark(nil, d)
	}
	units := make([]*unit, 0, len(outputImports))
	for _, path := range outputImports {
		if u := l.units[path]; u != nil {
			units = append(units, u)
		}
	}
	l.parse(units)
	for _, u := range units {
		for name, decls := range u.decls {
			if token.IsExported(name) {
				for _, d := range decls {
					r.mark(nil, d)
				}
			}
		}
	}
	r.run()
	u := newUniverse(r)
	for _, of := range units {
		u.pkg(of)
	}
	o.errs = u.errs
	o.packages = map[string]*types.Package{}
	for of, p := range u.packages {
		if p != nil {
			o.packages[of.path] = p
		}
	}
}
