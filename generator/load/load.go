// Package load finds annotated types and gives them with their type
// information, whatever state the generated output is in.
//
// One metadata-only query of the go command says which files make which
// package. Everything else is read here, from source: a package is parsed when
// a payload's type reaches it, and of its declarations only those are checked
// that the payload's type refers to, directly or not. So an error that cannot
// affect a payload is never seen, and neither is the release of the export
// data format.
//
// Files that tqgen wrote do not exist for this package, whatever they contain
// by now.
package load

import (
	"context"
	"go/ast"
	"go/token"
	"go/types"

	"github.com/tqgen/tqgen/generator/diag"
	"github.com/tqgen/tqgen/generator/directive"
	"github.com/tqgen/tqgen/generator/record"
)

// RuntimePath is the package every output imports. Its siblings below the same
// parent belong to the runtime too.
const RuntimePath = "github.com/tqgen/tqgen/runtime/tq"

// Config says what to load.
type Config struct {
	Dir      string   // working folder; diagnostics are relative to it
	Patterns []string // as for go list; empty means "."
	Tags     string   // build tags, comma separated, as for go build -tags

	Disk *record.Disk // what everything is read through; nil notes nothing
}

// Program is what one load found. It may be read from several goroutines.
type Program struct {
	Fset     *token.FileSet
	Packages []*Package // those the patterns match, sorted by import path
	Targets  []*Target  // annotated types of them, sorted by package path, then position
	Codecs   []*Target  // types with a tqgen:codec that Targets hold, of other packages of their modules
	Outputs  []Output   // files of ours in the modules of Packages, for orphans; sorted by path

	// Elsewhere holds "pkgpath.Type" of annotated types in files of Packages
	// that the build constraints of this run exclude. Their output is no orphan.
	Elsewhere map[string]bool

	loader *loader
	others []*Package // those of Codecs
	fields map[token.Pos][]directive.Directive
	queued map[token.Pos]bool // types with a tqgen:queue, by the position of their name
	Disk   *record.Disk       // that of Config
}

// Package is one package a pattern matched.
type Package struct {
	Path, Name, Dir string // Dir is absolute
	Module          *Module

	// Types is never nil. Own output is absent from it. Its scope has every
	// package-level name, but only those are typed that a payload refers to;
	// the others are there to be found as taken.
	Types *types.Package

	// Files have no function bodies, and own output is not among them. Comments
	// are there only in files that mention tqgen. A package that never does has
	// no files unless a payload leads to it.
	Files []*ast.File

	// Imports holds the import paths reachable from the package, itself
	// excluded unless it is part of a cycle, own output included. What an own
	// output that does not exist yet would import is not known here.
	Imports map[string]bool
}

// Module is the main module (or workspace module) a package belongs to.
type Module struct {
	Path, Dir, GoVersion string // Dir is absolute
}

// Target is one struct type that carries //tqgen: directives, of those that
// stand on types.
type Target struct {
	Package    *Package
	Object     *types.TypeName
	Spec       *ast.TypeSpec
	Doc        string // doc comment without directives
	Directives []directive.Directive
	Fields     []FieldDirective // directives on fields of its struct
	Constraint string           // the file's //go:build expression, implied by its name too; "" if none
	File       string           // absolute path

	// Broken says that a type it refers to does not type-check. That has been
	// reported: whoever meets an invalid type need not report it again.
	Broken bool
}

// FieldDirective is a directive on one struct field.
type FieldDirective struct {
	Field *types.Var
	directive.Directive
}

// Output is one file that bears our header.
type Output struct {
	Path   string // absolute
	Source string // "pkgpath.Type" of its Source: line, "" if it cannot be read

	// Bereft says that the package of Source has no Go files any more, and that
	// the patterns cover its folder or the output's.
	Bereft bool
}

// Load is List, then Load of what was listed.
func Load(ctx context.Context, c Config) (*Program, error) {
	l, err := List(ctx, c)
	if err != nil {
		return &Program{Fset: token.NewFileSet()}, err
	}

	return l.Load()
}

// Listing is what the go command says of the packages of a run.
type Listing struct {
	loader   *loader
	patterns []string
}

// List asks the go command, and reads nothing else. Errors are those of Load.
func List(ctx context.Context, c Config) (*Listing, error) {
	l, err := newLoader(ctx, c)
	if err != nil {
		return nil, err
	}

	if err := l.list(c); err != nil {
		if list, ok := err.(diag.List); ok {
			list.Sort()
		}

		return nil, err
	}

	return &Listing{l, c.Patterns}, nil
}

// Digest tells two answers of the go command apart if anything in them can make
// a difference to Load.
func (l *Listing) Digest() string { return l.loader.answer }

// Load reads the packages listed. It never returns a nil Program. The error is a
// diag.List for problems of the input, anything else is a failure of the tool or
// of the go command.
//
// Targets with a problem of their directives, or of a type they refer to, are
// among the Program's nevertheless, so that a later stage finds its problems
// in the same run.
func (listing *Listing) Load() (*Program, error) {
	l := listing.loader
	p := &Program{Fset: l.fset, Elsewhere: map[string]bool{}, Disk: l.disk, loader: l}
	l.survey()
	outputs := l.outputs()
	p.packages()
	p.targets()
	u := p.check()
	p.fieldDirectives(u)
	p.finish(u)
	p.Outputs = <-outputs
	l.bereft(listing.patterns, p.Outputs)
	l.unannotated(p)
	l.runtime(p)
	l.diags.Sort()

	return p, l.diags.Err()
}

// Position is a position relative to the working folder, for diagnostics. It
// is the one in the file itself: //line comments do not count.
func (p *Program) Position(pos token.Pos) token.Position {
	if p.loader == nil || !pos.IsValid() {
		return token.Position{}
	}

	return p.loader.at(pos)
}

// Relative gives an absolute path as diagnostics print it.
func (p *Program) Relative(path string) string {
	if p.loader == nil {
		return path
	}

	return p.loader.relative(path)
}

// FieldDirectives gives the directives on any struct field that a payload
// reaches, in whichever package it was declared.
func (p *Program) FieldDirectives(field *types.Var) []directive.Directive {
	return p.fields[field.Origin().Pos()]
}

// Queued reports whether a type that a payload reaches has a queue of its own,
// in whichever package it was declared.
func (p *Program) Queued(t *types.TypeName) bool { return p.queued[t.Pos()] }
