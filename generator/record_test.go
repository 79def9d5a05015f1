package generator_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/tqgen/tqgen/generator"
	"github.com/tqgen/tqgen/generator/diag"
	"github.com/tqgen/tqgen/internal/testmodule"
)

// recorded is a module m with one payload, which leads into another package of
// the module and, by a replace, into another module.
const recorded = `
-- m/go.mod --
module example.com/m

go 1.26.0

require (
	example.com/dep v0.0.0
	github.com/tqgen/tqgen v0.0.0
)

replace example.com/dep => ../dep

replace github.com/tqgen/tqgen => $REPO
-- m/p/p.go --
package p

import (
	"example.com/dep"
	"example.com/m/own"
)

//tqgen:queue lease=30s
type T struct {
	Part   dep.Part
	Detail own.Detail
}
-- m/p/special.go --
//go:build special

package p

const Special = 1
-- m/p/excluded.go --
//go:build excluded

package p

type X struct{ N int }
-- m/own/own.go --
package own

type Detail struct {
	Secret string
}
-- m/other/other.go --
package other

type U struct{ N int }
-- dep/go.mod --
module example.com/dep

go 1.26.0
-- dep/dep.go --
package dep

type Part struct{ Name string }
-- copy/go.mod --
module example.com/dep

go 1.26.0
-- copy/dep.go --
package dep

type Part struct{ Name string }
`

// bench is recorded on disk, and where its records are.
type bench struct {
	t            testing.TB
	dir, records string
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t, testmodule.Dir(t), t.TempDir()}
	testmodule.Write(t, b.dir, txtar.Parse([]byte(recorded)).Files...)

	return b
}

func (b *bench) config() generator.Config {
	return generator.Config{Dir: filepath.Join(b.dir, "m"), Patterns: []string{"./..."}, Records: b.records}
}

// generate runs as the command does. It reports whether a record said that there
// is nothing to do.
func (b *bench) generate(c generator.Config) (settled bool) {
	b.t.Helper()
	r, err := generator.Generate(b.t.Context(), c)
	if err == nil {
		settled = r.Settled
		err = r.Write(false)
	}
	if list := (diag.List)(nil); err != nil && !errors.As(err, &list) {
		b.t.Fatal(err)
	}

	return settled
}

// settle runs until there is nothing to do.
func (b *bench) settle() {
	b.t.Helper()
	for range 3 {
		if b.generate(b.config()) {
			return
		}
	}
	b.t.Fatal("there is always something to do")
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, filepath.FromSlash(name)) }

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	testmodule.Write(b.t, b.dir, txtar.File{Name: name, Data: []byte(text)})
}

func (b *bench) remove(name string) { b.t.Helper(); b.must(os.RemoveAll(b.path(name))) }

func (b *bench) replace(name, from, to string) {
	b.t.Helper()
	text, err := os.ReadFile(b.path(name))
	b.must(err)
	if !strings.Contains(string(text), from) {
		b.t.Fatalf("no %q in %s", from, name)
	}
	b.write(name, strings.Replace(string(text), from, to, 1))
}

// restore makes folder to what folder from is.
func restore(t testing.TB, from, to string) {
	t.Helper()
	err := os.RemoveAll(to)
	if err == nil {
		err = os.CopyFS(to, os.DirFS(from))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// changes are ways in which a run may have something to do although another
// one just had nothing to do. Each of them has to make it look.
var changes = map[string]func(b *bench, c *generator.Config){
	"payload file": func(b *bench, _ *generator.Config) { b.replace("m/p/p.go", "Part   dep.Part", "Part   *dep.Part") },
	"comment": func(b *bench, _ *generator.Config) {
		b.replace("m/p/p.go", "//tqgen:", "// T is a thing.\n//\n//tqgen:")
	},
	"directive":       func(b *bench, _ *generator.Config) { b.replace("m/p/p.go", "30s", "31s") },
	"payload removed": func(b *bench, _ *generator.Config) { b.replace("m/p/p.go", "//tqgen:queue lease=30s\n", "") },
	"type of module":  func(b *bench, _ *generator.Config) { b.replace("m/own/own.go", "Secret string", "Secret int") },
	"field directive": func(b *bench, _ *generator.Config) {
		b.replace("m/own/own.go", "\tSecret", "\t//tqgen:sensitive\n\tSecret")
	},
	"replaced module": func(b *bench, _ *generator.Config) { b.replace("dep/dep.go", "Name string", "Name []byte") },
	"another replace": func(b *bench, _ *generator.Config) { b.replace("m/go.mod", "../dep", "../copy") },
	"go version":      func(b *bench, _ *generator.Config) { b.replace("m/go.mod", "go 1.26.0", "go 1.25.0") },
	"runtime gone":    func(b *bench, _ *generator.Config) { b.replace("m/go.mod", "=> "+testmodule.Repo(), "=> ../copy") },
	"workspace":       func(b *bench, _ *generator.Config) { b.write("m/go.work", "go 1.26.0\n\nuse (\n\t.\n\t../dep\n)\n") },
	"annotated type":  func(b *bench, _ *generator.Config) { b.replace("m/other/other.go", "type U", "//tqgen:queue\ntype U") },
	"near miss":       func(b *bench, _ *generator.Config) { b.replace("m/other/other.go", "type U", "// tqgen:queue\ntype U") },
	"file": func(b *bench, _ *generator.Config) {
		b.write("m/p/more.go", "package p\n\n//tqgen:queue\ntype V struct{ N int }\n")
	},
	"file of another": func(b *bench, _ *generator.Config) {
		b.write("dep/more.go", "package dep\n\nfunc (Part) IsZero() bool { return false }\n")
	},
	"file removed": func(b *bench, _ *generator.Config) { b.remove("m/p/p.go") },
	"package": func(b *bench, _ *generator.Config) {
		b.write("m/q/q.go", "package q\n\n//tqgen:queue\ntype V struct{ N int }\n")
	},
	"package removed": func(b *bench, _ *generator.Config) { b.remove("m/other") },
	"package gone": func(b *bench, _ *generator.Config) {
		b.remove("m/p/p.go")
		b.remove("m/p/special.go")
		b.remove("m/p/excluded.go")
	},
	"test file": func(b *bench, _ *generator.Config) {
		b.write("m/p/p_test.go", "package p\n\n//tqgen:queue\ntype V struct{ N int }\n")
	},
	"excluded file": func(b *bench, _ *generator.Config) { b.replace("m/p/excluded.go", "type X", "//tqgen:queue\ntype T") },
	"constraint": func(b *bench, _ *generator.Config) {
		b.replace("m/p/p.go", "package p", "//go:build !special\n\npackage p")
	},
	"tags":             func(_ *bench, c *generator.Config) { c.Tags = "special" },
	"tags by GOFLAGS":  func(b *bench, _ *generator.Config) { b.t.(*testing.T).Setenv("GOFLAGS", "-tags=special") },
	"patterns":         func(_ *bench, c *generator.Config) { c.Patterns = []string{"./p"} },
	"working folder":   func(_ *bench, c *generator.Config) { c.Dir = filepath.Join(c.Dir, "p") },
	"no records":       func(_ *bench, c *generator.Config) { c.Records = "" },
	"relative records": func(_ *bench, c *generator.Config) { c.Records = "records" },

	"output deleted":     func(b *bench, _ *generator.Config) { b.remove("m/p/tqueue/queue.tq.go") },
	"all output deleted": func(b *bench, _ *generator.Config) { b.remove("m/p/tqueue") },
	"output edited":      func(b *bench, _ *generator.Config) { b.replace("m/p/tqueue/queue.tq.go", "Queue", "queue") },
	"output truncated":   func(b *bench, _ *generator.Config) { b.must(os.Truncate(b.path("m/p/tqueue/queue.tq.go"), 2000)) },
	"output a link": func(b *bench, _ *generator.Config) {
		b.must(os.Rename(b.path("m/p/tqueue/queue.tq.go"), b.path("dep/queue")))
		b.must(os.Symlink(b.path("dep/queue"), b.path("m/p/tqueue/queue.tq.go")))
	},
	"output's folder a link": func(b *bench, _ *generator.Config) {
		b.must(os.Rename(b.path("m/p/tqueue"), b.path("dep/tqueue")))
		b.must(os.Symlink(b.path("dep/tqueue"), b.path("m/p/tqueue")))
	},
	"hand-written file": func(b *bench, _ *generator.Config) {
		b.write("m/p/tqueue/more.go", "package tqueue\n\ntype Queue int\n")
	},
	"hand-written file, test": func(b *bench, _ *generator.Config) { b.write("m/p/tqueue/x_test.go", "package wrong\n") },
	"go.mod in output":        func(b *bench, _ *generator.Config) { b.write("m/p/tqueue/go.mod", "module example.com/q\n") },
	"orphan": func(b *bench, _ *generator.Config) {
		text, err := os.ReadFile(b.path("m/p/tqueue/queue.tq.go"))
		b.must(err)
		b.must(os.Mkdir(b.path("m/old"), 0o755))
		b.must(os.WriteFile(b.path("m/old/queue.tq.go"), text, 0o644))
	},
	"left by a killed run": func(b *bench, _ *generator.Config) { b.write("m/p/tqueue/.tqgen-1-1.tmp", "") },
}

// Invariant 45, and every other reason for which a run has something to do: a
// record never hides it. Nor does a record depend on anything but contents.
//
// It is not parallel, since one case sets the environment.
func TestRecordHidesNothing(t *testing.T) {
	b := newBench(t)
	b.settle()
	pristine, records := t.TempDir(), t.TempDir()
	restore(t, b.dir, pristine)
	restore(t, b.records, records)
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			restore(t, pristine, b.dir)
			restore(t, records, b.records)
			b := &bench{t, b.dir, b.records}
			if !b.generate(b.config()) {
				t.Fatal("something to do without a change")
			}
			c := b.config()
			if change(b, &c); b.generate(c) {
				t.Error("nothing to do, says the record")
			}
		})
	}
}

// Nothing is recorded of runs that had something to report, to write or to
// remove.
func TestRecordOfSettledRunsAlone(t *testing.T) {
	t.Parallel()
	prepare := map[string]func(*bench){
		"output missing": func(*bench) {},
		"diagnostics":    func(b *bench) { b.replace("m/p/p.go", "lease=", "leese=") },
		"output edited": func(b *bench) {
			b.generate(generator.Config{Dir: b.path("m"), Patterns: []string{"./..."}})
			b.replace("m/p/tqueue/queue.tq.go", "Queue", "queue")
		},
		"orphan": func(b *bench) {
			b.generate(generator.Config{Dir: b.path("m"), Patterns: []string{"./..."}})
			b.replace("m/p/p.go", "//tqgen:queue lease=30s\n", "")
		},
	}
	for name, prepare := range prepare {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			prepare(b)
			b.generate(b.config())
			entries, err := os.ReadDir(b.records)
			if b.must(err); len(entries) > 0 {
				t.Errorf("recorded nevertheless: %v", entries)
			}
		})
	}
}

// A folder that cannot hold records is as good as none.
func TestRecordsNowhere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.records = b.path("dep/dep.go/records")
	for range 3 {
		if b.generate(b.config()) {
			t.Fatal("a record out of nowhere")
		}
	}
}

// Runs side by side neither fail nor leave half a record.
func TestRecordsConcurrently(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.generate(b.config())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2 {
				if _, err := generator.Generate(t.Context(), b.config()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if !b.generate(b.config()) {
		t.Error("no record after all these runs")
	}
	if entries, err := os.ReadDir(b.records); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v: want one record", entries, err)
	}
}
