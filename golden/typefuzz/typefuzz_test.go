// Package typefuzz holds the codec of random payload types against
// encoding/json: tqgen generates it, one test binary for many types compares.
//
//	go test ./golden/typefuzz -count=1 -types=500 -seed=7 -v
//
// A type that fails is printed with what it takes to run it alone.
package typefuzz

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/tqgen/tqgen/generator"
	"github.com/tqgen/tqgen/generator/diag"
	"github.com/tqgen/tqgen/golden/internal/typegen"
	"github.com/tqgen/tqgen/internal/testmodule"
)

var (
	count  = flag.Int("types", 20, "how many random types")
	first  = flag.Int("first", 0, "number of the first of them")
	seed   = flag.Uint64("seed", 3, "seed of the types")
	values = flag.Int("values", 20, "random values of each type; each makes some documents")
	batch  = flag.Int("batch", 50, "types in one test binary")
	keep   = flag.String("keep", "", "folder that the modules are left in")
)

// module is the path of the module the types are in: below golden, so that it
// may import what is internal there.
const module = "github.com/tqgen/tqgen/golden/typefuzz/random"

func TestRandomTypes(t *testing.T) {
	total := report{tally: map[string]int64{}, hits: map[string]int{}}
	for at := *first; at < *first+*count && !t.Failed(); at += *batch {
		var types []typegen.Type
		for n := at; n < min(at+*batch, *first+*count); n++ {
			types = append(types, typegen.New(module, *seed, n))
		}
		total.run(t, types)
	}

	t.Logf("seed %d: %d types run, %d refused", *seed, total.types, total.refused)
	t.Logf("documents by what encoding/json says: %v", total.tally)
	total.coverage(t)
	if total.refused > *count/5 {
		t.Errorf("%d of %d types are refused: that tests little", total.refused, *count)
	}
}

// report is what has been run.
type report struct {
	types, refused int
	tally          map[string]int64
	hits           map[string]int
}

// coverage prints how many types have each feature.
func (r *report) coverage(t *testing.T) {
	var b strings.Builder
	for _, f := range typegen.Features {
		fmt.Fprintf(&b, "\n%5d  %-45s %5d", f.Line, f.Name, r.hits[f.Name])
		if r.hits[f.Name] == 0 && r.types >= 300 {
			t.Errorf("no type has: %s", f.Name)
		}
	}
	t.Logf("types by line of the conformance list and feature:%s", b.String())
}

// run generates the codecs of some types and compares each.
func (r *report) run(t *testing.T, types []typegen.Type) {
	t.Helper()
	dir := *keep
	if dir == "" {
		dir = testmodule.Dir(t)
	}
	goMod(t, dir)
	for _, typ := range types {
		testmodule.Write(t, dir, txtar.File{Name: typ.Name + "/payload.go", Data: []byte(typ.Source)},
			txtar.File{Name: typ.Name + "/other/other.go", Data: []byte(typ.Other)})
	}
	types, files := r.generate(t, dir, types)
	for name, body := range files {
		testmodule.Write(t, dir, txtar.File{Name: name, Data: body})
	}
	binary := filepath.Join(dir, "types.test")
	types = r.build(t, dir, binary, types)
	run := exec.CommandContext(t.Context(), binary, "-values="+strconv.Itoa(*values),
		"-test.parallel="+strconv.Itoa(runtime.GOMAXPROCS(0)))
	run.Dir, run.Env = dir, testmodule.Env()
	out, err := run.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s%s", err, out, sources(types, string(out), `(?:--- FAIL: TestTypes/|random/)(p\d+)\b`))
	}
	r.add(t, types, string(out))
}

// compilerBug is what the compiler says of a type it cannot compile itself,
// whatever is generated for it.
var compilerBug = regexp.MustCompile(`(?m)^# \S+/(p\d+)(?:/other)?\n.*internal compiler error`)

// build compiles the test of some types, and gives those that are in it.
func (r *report) build(t *testing.T, dir, binary string, types []typegen.Type) []typegen.Type {
	t.Helper()
	for {
		testmodule.Write(t, dir, txtar.File{Name: "types_test.go", Data: testFile(types)})
		build := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-c", "-ldflags=-s -w", "-o", binary, ".")
		build.Dir, build.Env = dir, testmodule.Env()
		out, err := build.CombinedOutput()
		if err == nil {
			return types
		}
		broken := compilerBug.FindAllSubmatch(out, -1)
		if len(broken) == 0 {
			t.Fatalf("%v\n%s%s", err, out, sources(types, string(out), `(?m)(?:^|/)(p\d+)/`))
		}
		for _, m := range broken {
			t.Logf("left out, for the compiler fails: %s", m[1])
			r.refused++
			types = slices.DeleteFunc(types, func(typ typegen.Type) bool { return typ.Name == string(m[1]) })
		}
	}
}

// goMod writes the go.mod of a module that finds this repository, with all it
// requires.
func goMod(t *testing.T, dir string) {
	t.Helper()
	own, err := os.ReadFile(filepath.Join(testmodule.Repo(), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	_, requires, _ := strings.Cut(string(own), "\n")
	requires, _, _ = strings.Cut(requires, "\ntool ")
	text := "module " + module + "\n" + requires +
		"\nrequire github.com/tqgen/tqgen v0.0.0\n\nreplace github.com/tqgen/tqgen => $REPO\n"
	testmodule.Write(t, dir, txtar.File{Name: "go.mod", Data: []byte(text)})
}

// expected are the codes with which tqgen refuses what it cannot support and
// random types run into.
var expected = []diag.Code{"TQ201", "TQ205", "TQ207", "TQ210", "TQ211", "TQ212", "TQ214"}

// generate gives the types tqgen accepts, and their codecs by path. The queues
// are left out: they would take longer to compile than all else.
func (r *report) generate(t *testing.T, dir string, types []typegen.Type) ([]typegen.Type, map[string][]byte) {
	t.Helper()
	config := generator.Config{Dir: dir, Patterns: []string{"./..."}}
	result, err := generator.Generate(t.Context(), config)
	var list diag.List
	if errors.As(err, &list) {
		for _, d := range list {
			if !slices.Contains(expected, d.Code) {
				name, _, _ := strings.Cut(filepath.ToSlash(d.Pos.Filename), "/")
				t.Fatalf("%v\n%s", d, sources(types, name, `(p\d+)`))
			}
			t.Logf("refused: %v", d)
		}
		types = slices.DeleteFunc(types, func(typ typegen.Type) bool {
			refused := slices.ContainsFunc(list, func(d *diag.Diagnostic) bool {
				return strings.HasPrefix(filepath.ToSlash(d.Pos.Filename), typ.Name+"/")
			})
			if refused {
				r.refused++
				_ = os.RemoveAll(filepath.Join(dir, typ.Name))
			}

			return refused
		})
		result, err = generator.Generate(t.Context(), config)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, sources(types, err.Error(), `random/(p\d+)\b`))
	}
	files := map[string][]byte{}
	for _, f := range result.Files {
		if path.Base(f.Name) == "codec.tq.go" || strings.HasSuffix(f.Name, "_codec.tq.go") {
			files[f.Name] = f.Body
		}
	}

	return types, files
}

// testFile is the source of a test of all types.
func testFile(types []typegen.Type) []byte {
	var imports, cases strings.Builder
	for _, typ := range types {
		codec, word := typ.Name+"queue", ""
		if typ.Inside {
			codec, word = typ.Name, "Task"
		} else {
			fmt.Fprintf(&imports, "\t%s \"%s/%s/taskqueue\"\n", codec, module, typ.Name)
		}
		fmt.Fprintf(&imports, "\t\"%s/%s\"\n", module, typ.Name)
		fmt.Fprintf(&cases, `	t.Run(%q, func(t *testing.T) {
		t.Parallel()
		jsondiff.Run(t, jsondiff.Codec[%s.Task]{
			Append: %s.Append%sJSON, Parse: %[3]s.Parse%[4]sJSON, Decode: %[3]s.Decode%[4]sJSON, Values: *values,
		})
	})
`, typ.Name, typ.Name, codec, word)
	}

	return fmt.Appendf(nil, `package random

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/tqgen/tqgen/golden/internal/jsondiff"
%s)

var values = flag.Int("values", 20, "")

func TestTypes(t *testing.T) {
%s}

func TestMain(m *testing.M) {
	code := m.Run()
	tally, _ := json.Marshal(jsondiff.Tally())
	fmt.Printf("\ntally %%s\n", tally)
	os.Exit(code)
}
`, imports.String(), cases.String())
}

// sources are the types that what a command said names, as their source.
func sources(types []typegen.Type, out, pattern string) string {
	var b strings.Builder
	var shown []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(out, -1) {
		for _, typ := range types {
			if typ.Name != m[1] || slices.Contains(shown, m[1]) || len(shown) == 3 {
				continue
			}
			shown = append(shown, m[1])
			fmt.Fprintf(&b, "\n--- go test ./golden/typefuzz -seed=%d -first=%s -types=1 -values=%d\n%s", *seed,
				typ.Name[1:], *values, typ.Source+"\n--- other\n"+typ.Other)
		}
	}

	return b.String()
}

// add counts what a test of types has printed.
func (r *report) add(t *testing.T, types []typegen.Type, out string) {
	t.Helper()
	r.types += len(types)
	for _, typ := range types {
		for name := range typ.Hits {
			r.hits[name]++
		}
	}
	for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
		text, ok := strings.CutPrefix(lines.Text(), "tally ")
		if !ok {
			continue
		}
		counts := map[string]int64{}
		if err := json.Unmarshal([]byte(text), &counts); err != nil {
			t.Error(err)
		}
		for kind, n := range counts {
			r.tally[kind] += n
		}
	}
}
