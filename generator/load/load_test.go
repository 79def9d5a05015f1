package load

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"go/types"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/tqgen/tqgen/generator/diag"
)

var update = flag.Bool("update", false, "record what was loaded as wanted")

func TestMain(m *testing.M) {
	flag.Parse()
	for k, v := range map[string]string{
		"GOPROXY": "off", "GOSUMDB": "off", "GOFLAGS": "", "GOWORK": "", "GOTOOLCHAIN": "local",
	} {
		os.Setenv(k, v)
	}
	os.Exit(m.Run())
}

// scenario is one archive of testdata: the files of a module, and before them
// lines of the form "key: value":
//
//	dir      working folder, "." by default
//	patterns arguments, separated by spaces
//	tags     build tags
//	runtime  "none" leaves the runtime out of go.mod
//	run      a command to run before, in the working folder
//	imports  print what of this module is reachable from each package
//
// The file "want" is what Load gives, as dump prints it.
type scenario struct {
	archive *txtar.Archive
	options map[string]string
	root    string // where it was materialised
}

func TestLoad(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no archives", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := materialise(t, path)
			prog, err := s.load()
			s.compare(t, path, s.dump(prog, err))
		})
	}
}

func materialise(t *testing.T, path string) *scenario {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &scenario{archive: archive, options: map[string]string{}, root: t.TempDir()}
	for line := range strings.Lines(string(archive.Comment)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && !strings.Contains(key, " ") {
			s.options[key] = value
		}
	}
	for _, f := range archive.Files {
		if f.Name != "want" {
			if f.Name == "go.mod" && s.options["runtime"] != "none" {
				f.Data = append(slices.Clone(f.Data), runtimeRequirement...)
			}
			s.write(t, filepath.Join("m", f.Name), f.Data)
		}
	}
	s.write(t, "tqgen/go.mod", []byte("module github.com/tqgen/tqgen\n\ngo 1.26.0\n"))
	for _, name := range []string{"tq", "jsonwire", "effect", "replication"} {
		s.write(t, "tqgen/runtime/"+name+"/doc.go", []byte("package "+name+"\n"))
	}
	if run := s.options["run"]; run != "" {
		c := exec.Command("sh", "-c", run)
		c.Dir = s.dir()
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", run, err, out)
		}
	}

	return s
}

const runtimeRequirement = `
require github.com/tqgen/tqgen v0.0.0

replace github.com/tqgen/tqgen => ../tqgen
`

func (s *scenario) write(t *testing.T, name string, data []byte) {
	t.Helper()
	path := filepath.Join(s.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

func (s *scenario) dir() string { return filepath.Join(s.root, "m", s.options["dir"]) }

func (s *scenario) load() (*Program, error) {
	return Load(context.Background(), Config{
		Dir: s.dir(), Patterns: strings.Fields(s.options["patterns"]), Tags: s.options["tags"],
	})
}

func (s *scenario) compare(t *testing.T, path, got string) {
	t.Helper()
	i := slices.IndexFunc(s.archive.Files, func(f txtar.File) bool { return f.Name == "want" })
	if i < 0 {
		s.archive.Files = append(s.archive.Files, txtar.File{Name: "want"})
		i = len(s.archive.Files) - 1
	}
	if *update {
		on, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s.archive.Files[i].Data = []byte(got)
		on.Files = append(on.Files[:min(i, len(on.Files))], s.archive.Files[i])
		if err := os.WriteFile(path, txtar.Format(on), 0o666); err != nil {
			t.Fatal(err)
		}

		return
	}
	if d := cmp.Diff(string(s.archive.Files[i].Data), got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// dump prints a program.
func (s *scenario) dump(p *Program, err error) string {
	var b bytes.Buffer
	for _, pkg := range p.Packages {
		fmt.Fprintf(&b, "package %s %s in %s\n", pkg.Name, pkg.Path, pkg.Module.Path)
		if s.options["imports"] != "" {
			for _, path := range slices.Sorted(maps.Keys(pkg.Imports)) {
				if strings.Contains(path, ".") {
					fmt.Fprintf(&b, "\timports %s\n", path)
				}
			}
		}
	}
	for _, t := range p.Targets {
		dumpTarget(&b, p, t)
	}
	for _, o := range p.Outputs {
		fmt.Fprintf(&b, "output %s of %q\n", filepath.ToSlash(p.Relative(o.Path)), o.Source)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Elsewhere)) {
		fmt.Fprintf(&b, "elsewhere %s\n", name)
	}
	switch list, ok := err.(diag.List); {
	case ok:
		fmt.Fprintf(&b, "%v\n", list)
	case err != nil:
		fmt.Fprintf(&b, "failure %v\n", err)
	}

	return strings.ReplaceAll(b.String(), s.root, "$ROOT")
}

func dumpTarget(b *bytes.Buffer, p *Program, t *Target) {
	fmt.Fprintf(b, "target %v", p.Position(t.Object.Pos()))
	for _, d := range t.Directives {
		fmt.Fprintf(b, " %s", d.Name)
		for _, a := range d.Args {
			fmt.Fprintf(b, " %s=%s", a.Key, a.Value)
		}
	}
	if t.Constraint != "" {
		fmt.Fprintf(b, " constraint %q", t.Constraint)
	}
	if t.Broken {
		b.WriteString(" broken")
	}
	b.WriteByte('\n')
	if t.Doc != "" {
		fmt.Fprintf(b, "\tdoc %q\n", t.Doc)
	}
	name := func(q *types.Package) string { return q.Path() }
	fmt.Fprintf(b, "\ttype %s\n", types.TypeString(t.Object.Type(), name))
	for f := range t.Object.Type().Underlying().(*types.Struct).Fields() {
		fmt.Fprintf(b, "\t%s %s", f.Name(), types.TypeString(f.Type(), name))
		if n, ok := types.Unalias(f.Type()).(*types.Named); ok {
			fmt.Fprintf(b, " = %s", types.TypeString(n.Underlying(), name))
			for m := range n.Methods() {
				fmt.Fprintf(b, " %s", m.Name())
			}
		}
		for _, d := range p.FieldDirectives(f) {
			fmt.Fprintf(b, " //%s", d.Name)
		}
		b.WriteByte('\n')
	}
	dumpEffects(b, t)
}

// dumpEffects prints what the effects of a target give, and what that is.
func dumpEffects(b *bytes.Buffer, t *Target) {
	name := func(q *types.Package) string { return q.Path() }
	for _, d := range t.Directives {
		if d.Name != "effect" {
			continue
		}
		effect, _ := d.Arg("name")
		result := t.EffectResult(effect.Value)
		if result == nil {
			fmt.Fprintf(b, "\teffect %s unknown\n", effect.Value)
			continue
		}
		fmt.Fprintf(b, "\teffect %s %s = %s\n", effect.Value, types.TypeString(result, name),
			types.TypeString(result.Underlying(), name))
	}
}

// The packages that outputs import are checked without their function bodies,
// and come out without an error.
func TestImporter(t *testing.T) {
	t.Parallel()
	s := materialise(t, "testdata/plain.txtar")
	p, err := s.load()
	if err != nil {
		t.Fatal(err)
	}
	i := p.Importer().(*outputImporter)
	for _, path := range append(slices.Clone(outputImports), "example.com/m") {
		pkg, err := i.Import(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		} else if pkg.Path() != path {
			t.Errorf("%s is %s", path, pkg.Path())
		}
	}
	for _, e := range i.errs {
		if !noise(e) && !strings.HasPrefix(e.Fset.Position(e.Pos).Filename, s.root) {
			t.Error(e)
		}
	}
	if _, err := i.Import("net/http"); err == nil {
		t.Error("net/http was loaded, and nothing asked for it")
	}
	clock, _ := i.Import("time")
	if lookup(clock, "Time", "Add") == nil {
		t.Error("time.Time has no Add")
	}
}

func lookup(p *types.Package, name, method string) types.Object {
	o, _, _ := types.LookupFieldOrMethod(p.Scope().Lookup(name).Type(), true, p, method)

	return o
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Load(ctx, Config{Dir: t.TempDir()})
	if _, ok := err.(diag.List); ok || err == nil {
		t.Errorf("error is %v, want the context's", err)
	}
}

// The load itself may take what the go command takes, and little on top.
func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	files := map[string]string{
		"go.mod":    "module example.com/m\n\ngo 1.26.0\n",
		"m/mail.go": benchmarkFile,
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			b.Fatal(err)
		}
	}
	c := Config{Dir: filepath.Join(dir, "m")}
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			l, err := newLoader(context.Background(), c)
			if err != nil {
				b.Fatal(err)
			}
			if err := l.list(c); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			if p, _ := Load(context.Background(), c); len(p.Targets) != 1 {
				b.Fatal("nothing loaded")
			}
		}
	})
}

const benchmarkFile = `package m

import (
	"encoding/json"
	"math/big"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

//tqgen:queue
type Mail struct {
	At  time.Time
	Sum *big.Int
	IP  netip.Addr
	URL url.URL
	Raw json.RawMessage
}

func Serve(http.ResponseWriter, *http.Request) {}
`
