// Package generator turns annotated structs into the packages of their queues:
// list, load, plan, render, verify, compare. It keeps everything in memory; only
// Result.Write touches the disk, and a record of runs that had nothing to do,
// which saves the next one all but the list.
package generator

import (
	"cmp"
	"context"
	"go/build"
	"go/token"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/tqgen/tqgen/generator/diag"
	"github.com/tqgen/tqgen/generator/load"
	"github.com/tqgen/tqgen/generator/model"
	"github.com/tqgen/tqgen/generator/plan"
	"github.com/tqgen/tqgen/generator/record"
	"github.com/tqgen/tqgen/generator/verify"
	"github.com/tqgen/tqgen/templates"
)

// Config says what to generate.
type Config struct {
	Dir      string   // working folder; paths in messages are relative to it; "" is the process's
	Patterns []string // packages, as for go build; none means "."
	Tags     string   // build tags, separated by commas
	Records  string   // folder for records, absolute; "" keeps and trusts none
}

// Generate renders the output of every payload the patterns name and compares
// it with the disk, which it does not change. With Records it renders nothing if
// nothing has changed since a run that found every file as it should be.
//
// A diag.List tells what is wrong with the input. A *Bug is a fault of tqgen;
// any other error a failure of the go command or of the file system.
func Generate(ctx context.Context, c Config) (*Result, error) {
	r := &run{Config: c}
	if err := r.generate(ctx); err != nil {
		return nil, err
	}

	return &r.result, nil
}

// run is the state of one Generate.
type run struct {
	Config
	listing  *load.Listing
	record   *record.Record
	disk     *record.Disk // what everything is read through
	prog     *load.Program
	relative func(path string) string // to the working folder
	packages []rendered
	note     string // of the stage, for Result.Stages
	result   Result
}

// rendered is one payload's output.
type rendered struct {
	queue *model.Queue
	files []templates.File
}

func (r *run) generate(ctx context.Context) error {
	stages := []struct {
		name string
		do   func(context.Context) error
	}{
		{"list", r.list},
		{"recall", r.recall},
		{"load", r.load},
		{"plan", r.plan},
		{"render", r.render},
		{"verify", r.verify},
		{"compare", r.compare},
		{"remember", r.remember},
	}
	for _, s := range stages {
		if err := ctx.Err(); err != nil || r.result.Settled {
			return err
		}
		start := time.Now()
		if err := s.do(ctx); err != nil {
			return err
		}
		r.result.Stages = append(r.result.Stages, Stage{s.name, time.Since(start), r.note})
		r.note = ""
	}

	return nil
}

// list asks the go command which packages there are. Meanwhile the record of an
// earlier run is compared with the disk.
func (r *run) list(ctx context.Context) error {
	r.record = record.Open(r.Records, r.key()...)
	r.disk = r.record.Disk()
	var err error
	r.listing, err = load.List(ctx, load.Config{Dir: r.Dir, Patterns: r.Patterns, Tags: r.Tags, Disk: r.disk})

	return err
}

// key is what the output depends on besides the program, the disk and the answer
// of the go command.
func (r *run) key() []string {
	dir, err := filepath.Abs(r.Dir)
	if err != nil {
		dir = "" // list will say so
	}

	return append([]string{dir, r.Tags, build.Default.GOARCH}, r.Patterns...)
}

// recall ends the run if an earlier one had nothing to do and nothing has
// changed since.
func (r *run) recall(context.Context) error {
	r.result.Settled, r.note = r.record.Holds(r.listing.Digest())

	return nil
}

// remember makes a record of a run that has nothing to do.
func (r *run) remember(context.Context) error {
	if len(r.result.Findings()) == 0 {
		r.record.Keep(r.listing.Digest())
	}

	return nil
}

// load reads the program. Problems it finds do not keep plan from looking for
// more, so that one run tells all.
func (r *run) load(context.Context) error {
	var err error
	r.prog, err = r.listing.Load()
	r.relative = r.prog.Relative
	if list, ok := err.(diag.List); ok {
		return r.refuse(list)
	}

	return err
}

// refuse joins what load found with what plan finds in the rest.
func (r *run) refuse(list diag.List) error {
	_, more := plan.Plan(r.prog)
	list = append(slices.Clip(list), more...)
	list.Sort()

	return list
}

func (r *run) plan(context.Context) error {
	queues, diags := plan.Plan(r.prog)
	diags = append(diags, r.obstacles(queues)...)
	diags.Sort()
	r.result.Queues = queues

	return diags.Err()
}

// render renders the packages, several at a time.
func (r *run) render(context.Context) error {
	queues := r.result.Queues
	r.packages = make([]rendered, len(queues))
	errs := make([]error, len(queues))
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i, q := range queues {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			r.packages[i].queue = q
			r.packages[i].files, errs[i] = render(q)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}

	return nil
}

// render renders one package. What goes wrong there is a bug.
func render(q *model.Queue) (files []templates.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Bug{"render " + q.Source, p, debug.Stack()}
		}
	}()
	if files, err = templates.Render(q); err != nil {
		return nil, &Bug{Doing: "render " + q.Source, What: err}
	}

	return files, nil
}

// verify type-checks what was rendered, package by package.
func (r *run) verify(context.Context) error {
	if len(r.packages) == 0 {
		return nil
	}
	if clashes := r.clashes(); len(clashes) > 0 {
		return clashes
	}
	importer := r.prog.Importer(r.shared()...)
	from, to, ok := verify.Window(importer, load.RuntimePath)
	if ok && (templates.Generation < from || to < templates.Generation) {
		return r.otherGeneration(from, to)
	}
	if err := verify.Check(r.prog.Fset, importer, r.outputs()); err != nil {
		return &Bug{Doing: "type-check what was generated", What: err}
	}

	return nil
}

// otherGeneration says that output of this tqgen would not compile with the
// runtime the payloads' module requires.
func (r *run) otherGeneration(from, to int64) diag.List {
	module := r.prog.Targets[0].Package.Module
	var list diag.List
	list.Addf(token.Position{Filename: r.name(filepath.Join(module.Dir, "go.mod"))}, "TQ415",
		"this tqgen writes output of generation %d, and the runtime of module %s serves %d to %d",
		templates.Generation, module.Path, from, to).
		Helpf("run the tqgen of the runtime: go get -tool github.com/tqgen/tqgen/cmd/tqgen && go tool tqgen").
		Helpf("or take the runtime of this tqgen: go get github.com/tqgen/tqgen@latest").
		Helpf(load.HelpReplace)

	return list
}

// outputs gives the rendered packages for verification. Payloads of one package
// with out=. share one.
func (r *run) outputs() []verify.Package {
	var list []verify.Package
	for _, p := range r.packages {
		i := slices.IndexFunc(list, func(v verify.Package) bool { return v.Path == p.queue.Package.Path })
		if i < 0 {
			i = len(list)
			list = append(list, r.outputPackage(p.queue))
		}
		list[i].Files = append(list[i].Files, p.verified(r)...)
	}

	return list
}

// shared gives the codecs that other outputs may call.
func (r *run) shared() []load.Rendered {
	var list []load.Rendered
	for _, p := range r.packages {
		if !p.queue.CodecOnly {
			continue
		}
		for _, f := range p.verified(r) {
			list = append(list, load.Rendered{Package: p.queue.Package.Path, Name: f.Name, Body: f.Body})
		}
	}

	return list
}

// verified gives the files of one output as verification takes them.
func (p *rendered) verified(r *run) []verify.File {
	files := make([]verify.File, len(p.files))
	for i, f := range p.files {
		files[i] = verify.File{Name: r.name(filepath.Join(p.queue.Package.Dir, f.Name)), Body: f.Body}
	}

	return files
}

// outputPackage is the package q's output makes or joins, without the output.
func (r *run) outputPackage(q *model.Queue) verify.Package {
	out := verify.Package{Path: q.Package.Path}
	pkg := r.target(q).Package
	if pkg.Module != nil {
		out.GoVersion = pkg.Module.GoVersion
	}
	if !q.Package.Own {
		out.Joined = pkg.Files
	}

	return out
}

// source spells a target as the Source line of its output does.
func source(t *load.Target) string { return t.Package.Path + "." + t.Object.Name() }

// compare classifies every file of the output, and finds what is left of
// earlier runs.
func (r *run) compare(context.Context) error {
	ours := map[string]bool{}
	for _, p := range r.packages {
		for _, f := range p.files {
			file := File{Path: filepath.Join(p.queue.Package.Dir, f.Name), Source: p.queue.Source, Body: f.Body}
			if err := r.add(file); err != nil {
				return err
			}
			ours[r.real(file.Path)] = true
		}
	}
	for _, o := range r.prog.Outputs {
		if !ours[r.real(o.Path)] && r.orphaned(o) {
			if err := r.add(File{Path: o.Path, Source: o.Source}); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(r.result.Files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	r.result.folders = r.folders()

	return nil
}

// name spells an absolute path as messages do: relative to the working folder,
// with slashes.
func (r *run) name(path string) string { return filepath.ToSlash(r.relative(path)) }
