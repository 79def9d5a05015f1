// Package generators measures how long code generators take for a module of
// twenty structs in ten packages.
package generators

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tqgen/tqgen/bench/measure"
)

const packages, structs = 10, 2

// Generators are built and ready to be run.
type Generators struct {
	dir  string // holds bin and the modules
	root string // of tqgen
	env  []string
}

// New builds the generators below dir, from the module bench in the directory
// benchDir.
func New(dir, benchDir string) (*Generators, error) {
	root, err := filepath.Abs(filepath.Join(benchDir, ".."))
	if err != nil {
		return nil, err
	}
	g := &Generators{dir: dir, root: root, env: append(os.Environ(), "GOFLAGS=-mod=mod", "TQGENCACHE="+filepath.Join(dir, "records"))}
	bin := filepath.Join(dir, "bin") + string(filepath.Separator)
	if err := g.run(filepath.Join(benchDir, "tools"), "go", "build", "-o", bin, "tool"); err != nil {
		return nil, err
	}
	if err := g.run(root, "go", "build", "-o", bin, "./cmd/tqgen"); err != nil {
		return nil, err
	}

	return g, nil
}

// run runs a command, its environment that of the user unless it is in one of
// our modules.
func (g *Generators) run(dir, name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Dir = dir
	if strings.HasPrefix(dir, g.dir) {
		c.Env = g.env
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s %s: %w\n%.2000s", name, strings.Join(args, " "), err, out.String())
	}

	return nil
}

// Rows are all rows of generators: generate/<what>/20. Their nanoseconds are
// those of a whole run.
func (g *Generators) Rows() []measure.Row {
	var rows []measure.Row
	for _, k := range []struct {
		name   string
		ratios bool
		module func(*module)
		anew   string // pattern of files to remove before each run
		args   []string
		per    []string // args come once for each package
	}{
		{name: "go list", ratios: true, module: (*module).queues, args: []string{"go", "list", "./..."}},
		{name: "tqgen unchanged", ratios: true, module: (*module).queues, args: []string{"tqgen", "./..."}},
		{name: "tqgen anew", ratios: true, module: (*module).queues, anew: "*/*/*.tq.go", args: []string{"tqgen", "./..."}},
		{name: "msgp", ratios: true, module: (*module).plain, anew: "*/*_gen.go", per: []string{"msgp", "-tests=false", "-file"}},
		{name: "goverter", ratios: true, module: (*module).converters, anew: "*/generated/*.go", args: []string{"goverter", "gen", "./..."}},
		{
			name: "controller-gen", ratios: true, module: (*module).objects, anew: "*/zz_generated*.go",
			args: []string{"controller-gen", "object", "paths=./..."},
		},
		{name: "stringer", ratios: true, module: (*module).enums, anew: "*/*_string.go", per: []string{"stringer", "-type=A,B"}},
		{name: "easyjson", module: (*module).plain, anew: "*/*_easyjson.go", per: []string{"easyjson", "-all"}},
	} {
		var m *module
		rows = append(rows, measure.Row{
			Name: "generate/" + k.name + "/20", Ratios: k.ratios,
			Measure: func(time.Duration) (s measure.Sample, err error) {
				once := func() error {
					if k.per == nil {
						return g.run(m.dir, g.tool(k.args[0]), k.args[1:]...)
					}
					for i := range packages {
						args := append(k.per[1:len(k.per):len(k.per)], filepath.Join(m.dir, pkg(i), pkg(i)+".go"))
						if err := g.run(filepath.Join(m.dir, pkg(i)), g.tool(k.per[0]), args...); err != nil {
							return err
						}
					}

					return nil
				}
				if m == nil { // the first run fills Go's caches, and is not counted
					if m, err = g.module(strings.ReplaceAll(k.name, " ", "-"), k.module); err != nil {
						return s, err
					}
					if err := once(); err != nil {
						return s, err
					}
					if k.name == "go list" || k.name == "tqgen unchanged" {
						if err := g.run(m.dir, g.tool("tqgen"), "./..."); err != nil {
							return s, err
						}
						if err := once(); err != nil {
							return s, err
						}
					}
				}
				if k.anew != "" {
					if err := m.remove(k.anew); err != nil {
						return s, err
					}
				}
				s, err = measure.Once(1, once)
				s.Allocs = 0 // those of another process are not ours to count

				return s, err
			},
		})
	}

	return rows
}

// tool is the path of a program.
func (g *Generators) tool(name string) string {
	if name == "go" {
		return name
	}

	return filepath.Join(g.dir, "bin", name)
}

// module is a Go module to generate for.
type module struct {
	dir  string
	errs []error
}

func (g *Generators) module(name string, fill func(*module)) (*module, error) {
	m := &module{dir: filepath.Join(g.dir, name)}
	m.write("go.mod", "module bench.test/"+name+`

go 1.26.0

require github.com/tqgen/tqgen v0.0.0

require github.com/mailru/easyjson v0.9.2

require github.com/tinylib/msgp v1.6.5

replace github.com/tqgen/tqgen => `+g.root+"\n")
	for _, sum := range []string{"go.sum", "bench/go.sum", "bench/tools/go.sum"} {
		text, err := os.ReadFile(filepath.Join(g.root, sum))
		if err != nil {
			return nil, err
		}
		m.append("go.sum", string(text))
	}
	fill(m)

	return m, errors.Join(m.errs...)
}

func (m *module) append(name, text string) {
	f, err := os.OpenFile(filepath.Join(m.dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	m.errs = append(m.errs, err)
}

func (m *module) write(name, text string) {
	path := filepath.Join(m.dir, name)
	m.errs = append(m.errs, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
}

// remove deletes what a generator has written.
func (m *module) remove(pattern string) error {
	files, err := filepath.Glob(filepath.Join(m.dir, pattern))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("nothing was generated: %s %w", pattern, err)
	}
	for _, f := range files {
		err = errors.Join(err, os.Remove(f))
	}

	return err
}

func pkg(i int) string { return fmt.Sprintf("p%02d", i) }

// fields of every struct.
const fields = ` struct {
	ID         string            ` + "`json:\"id\"`" + `
	Count      int64             ` + "`json:\"count\"`" + `
	Ratio      float64           ` + "`json:\"ratio\"`" + `
	Attributes map[string]string ` + "`json:\"attributes\"`" + `
	Body       []byte            ` + "`json:\"body\"`" + `
	Tags       []string          ` + "`json:\"tags\"`" + `
	OK         bool              ` + "`json:\"ok\"`" + `
}
`

// each writes the package of every number, with structs told by before.
func (m *module) each(head string, before func(p string, name byte) string) {
	for i := range packages {
		var b strings.Builder
		fmt.Fprintf(&b, "package %s\n\n%s", pkg(i), head)
		for n := range byte(structs) {
			fmt.Fprintf(&b, "\n%stype %c%s", before(pkg(i), 'A'+n), 'A'+n, fields)
		}
		m.write(pkg(i)+"/"+pkg(i)+".go", b.String())
	}
}

func (m *module) queues() {
	m.each("", func(p string, name byte) string {
		return fmt.Sprintf("//tqgen:queue package=%s%cqueue\n", p, name|0x20)
	})
}

func (m *module) plain() { m.each("", func(string, byte) string { return "" }) }

func (m *module) objects() {
	m.each("// +kubebuilder:object:generate=true\n", func(string, byte) string { return "" })
}

func (m *module) converters() {
	m.each("// goverter:converter\ntype Converter interface {\n\tAB(A) B\n\tBA(B) A\n}\n",
		func(string, byte) string { return "" })
}

func (m *module) enums() {
	for i := range packages {
		m.write(pkg(i)+"/"+pkg(i)+".go", "package "+pkg(i)+
			"\n\ntype A int\n\ntype B int\n\nconst (\n\tA1 A = iota\n\tA2\n\tB1 B = iota\n\tB2\n)\n")
	}
}
