package golden_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/tqgen/tqgen/generator"
	"github.com/tqgen/tqgen/generator/diag"
	"github.com/tqgen/tqgen/internal/testmodule"
)

// several is a module with payloads of several packages, one of which joins its
// payload's, and with code that needs the output.
const several = `
-- lease/lease.go --
package lease

import (
	"time"

	"example.com/m/letter"
)

// ResourceLease asks a worker to hold one resource.
//
//tqgen:queue package=leasequeue backoff=exp(1s,1m,20%)
type ResourceLease struct {
	ResourceID string            ` + "`json:\"resourceId\"`" + `
	Attributes map[string]string ` + "`json:\"attributes,omitempty\"`" + `
	Since      time.Time
	Letters    []*letter.Letter
	Left, Right *ResourceLease
}

// Second shares the package.
//
//tqgen:queue
type Second struct{ N int }
-- letter/letter.go --
package letter

// Letter is written to somebody.
//
//tqgen:queue out=.
type Letter struct{ To, From string }
-- app/app.go --
package app

import "example.com/m/lease/leasequeue"

var _ leasequeue.Queue
`

// module lays out an archive as a module.
func module(t testing.TB, archive string) (dir string) {
	t.Helper()
	dir = testmodule.Dir(t)
	testmodule.Write(t, dir, txtar.File{Name: "go.mod", Data: []byte(testmodule.GoMod)})
	testmodule.Write(t, dir, txtar.Parse([]byte(archive)).Files...)

	return dir
}

// generated runs the generator in dir and gives the files of the output by
// their path below root.
func generated(t testing.TB, root, dir string, patterns ...string) map[string]string {
	t.Helper()
	r, err := generator.Generate(t.Context(), generator.Config{Dir: dir, Patterns: patterns})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range r.Files {
		name, err := filepath.Rel(root, f.Path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.ToSlash(name)] = string(f.Body)
	}

	return files
}

// tree reads every file below dir.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(content)

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	return files
}

// write generates ./... in dir and writes the output.
func write(t testing.TB, dir string) {
	t.Helper()
	r, err := generator.Generate(t.Context(), generator.Config{Dir: dir, Patterns: []string{"./..."}})
	if err == nil {
		err = r.Write(false)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestInvariant42SameBytes(t *testing.T) {
	t.Parallel()
	a, b := module(t, several), module(t, several)
	want := generated(t, a, a, "./...")
	if len(want) < 3*5 {
		t.Fatalf("three payloads give %d files", len(want))
	}
	check := func(how string, got map[string]string) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-first +now):\n%s", how, diff)
		}
	}
	check("again", generated(t, a, a, "./..."))
	check("in another folder", generated(t, b, b, "./..."))
	check("arguments in another order", generated(t, b, b, "./letter", "./lease"))
	check("import paths, repeated", generated(t, b, b, "example.com/m/lease", "./...", "example.com/m/letter"))
	check("from a folder below", generated(t, b, filepath.Join(b, "app"), "../lease", "../letter"))

	write(t, a)
	check("with the output on disk", generated(t, a, a, "./..."))
	if !contains(tree(t, a), want) {
		t.Error("what is on disk is not what was rendered")
	}
	alone := generated(t, b, b, "./letter")
	for name, body := range alone {
		if want[name] != body {
			t.Errorf("%s differs when its package is generated alone", name)
		}
	}
}

// contains reports whether all of part is in whole.
func contains(whole, part map[string]string) bool {
	for name, content := range part {
		if whole[name] != content {
			return false
		}
	}

	return true
}

func TestInvariant43NothingWrittenUnlessAllRendered(t *testing.T) {
	t.Parallel()
	bad := map[string]string{
		"payload":   "//tqgen:queue\ntype Bad struct{ C chan int }",
		"directive": "//tqgen:queue lease=soon\ntype Bad struct{ N int }",
		"placement": "//tqgen:queue\ntype bad struct{ N int }",
		"output":    "//tqgen:queue out=../lease\ntype Bad struct{ N int }",
		"type":      "//tqgen:queue\ntype Bad struct{ N Missing }",
	}
	for name, decl := range bad {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := module(t, several+"-- zoo/zoo.go --\npackage zoo\n\n"+decl+"\n")
			before := tree(t, dir)
			r, err := generator.Generate(t.Context(), generator.Config{Dir: dir, Patterns: []string{"./..."}})
			var list diag.List
			if !errors.As(err, &list) || r != nil {
				t.Fatalf("got %v and %v, want diagnostics and no result to write", r, err)
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("files changed (-before +after):\n%s", diff)
			}
		})
	}
}

// damages are what can happen to a file of ours; each gives the content it
// leaves, nil for no file.
var damages = map[string]func(random *rand.Rand, content, older []byte) []byte{
	"deleted":   func(*rand.Rand, []byte, []byte) []byte { return nil },
	"emptied":   func(*rand.Rand, []byte, []byte) []byte { return []byte{} },
	"truncated": func(r *rand.Rand, content, _ []byte) []byte { return content[:r.IntN(len(content))] },
	"older":     func(_ *rand.Rand, _, older []byte) []byte { return older },
	"conflict": func(r *rand.Rand, content, older []byte) []byte {
		lines := bytes.SplitAfter(content, []byte("\n"))
		at := r.IntN(len(lines))

		return bytes.Join([][]byte{
			bytes.Join(lines[:at], nil), []byte("<<<<<<< HEAD\n"), bytes.Join(lines[at:], nil),
			[]byte("=======\n"), older, []byte(">>>>>>> other\n"),
		}, nil)
	},
}

// However the output was damaged, the next run makes it what it should be.
func TestInvariant45Repair(t *testing.T) {
	t.Parallel()
	older := module(t, strings.ReplaceAll(several, "Since      time.Time", "Started    time.Time"))
	old := generated(t, older, older, "./...")
	dir := module(t, several)
	write(t, dir)
	want := tree(t, dir)
	random := rand.New(rand.NewPCG(4, 5))
	for name, damage := range damages {
		for range 3 {
			for file, content := range generated(t, dir, dir, "./...") {
				if random.IntN(3) == 0 {
					continue
				}
				path := filepath.Join(dir, file)
				damaged := damage(random, []byte(content), []byte(old[file]))
				err := os.Remove(path)
				if damaged != nil {
					err = os.WriteFile(path, damaged, 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			write(t, dir)
			if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
				t.Fatalf("%s: after the next run (-want +got):\n%s", name, diff)
			}
		}
	}
}

// How many random payloads TestInvariant44 tries, and which.
var (
	payloadCount = flag.Int("payloads", 40, "random payloads to generate")
	payloadSeed  = flag.Uint64("seed", 44, "seed of the random payloads")
)

// Random payloads, half of which have something in them that is not supported:
// what is refused has a diagnostic within its own declaration, and what is
// accepted compiles.
func TestInvariant44RefusedOrCompiles(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(*payloadSeed, 0))
	payloads := *payloadCount
	dir := module(t, "")
	for i := range payloads {
		source := randomPackage(random, i)
		testmodule.Write(t, dir, txtar.File{Name: fmt.Sprintf("p%d/p.go", i), Data: []byte(source)})
	}
	_, err := generator.Generate(t.Context(), generator.Config{Dir: dir, Patterns: []string{"./..."}})
	var list diag.List
	if !errors.As(err, &list) {
		t.Fatalf("got %v, want diagnostics of some of the payloads", err)
	}
	refused := map[string]bool{}
	for _, d := range list {
		folder, file := filepath.Split(filepath.FromSlash(d.Pos.Filename))
		if folder == "" || file != "p.go" || d.Pos.Line == 0 || d.Pos.Column == 0 {
			t.Errorf("not at a line of a payload: %v", d)

			continue
		}
		source, err := os.ReadFile(filepath.Join(dir, d.Pos.Filename))
		if err != nil {
			t.Fatal(err)
		}
		if at := strings.Split(string(source), "\n")[d.Pos.Line-1]; !strings.Contains(at, "refused") {
			t.Errorf("at a line without a fault: %v\n%s", d, at)
		}
		refused[filepath.Clean(folder)] = true
	}
	for i := range payloads {
		folder := fmt.Sprintf("p%d", i)
		source, _ := os.ReadFile(filepath.Join(dir, folder, "p.go"))
		if faulty := bytes.Contains(source, []byte("refused")); faulty != refused[folder] {
			t.Errorf("refused: %v, want %v:\n%s", refused[folder], faulty, source)
		}
		if refused[folder] {
			if err := os.RemoveAll(filepath.Join(dir, folder)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(refused); n < payloads/5 || n > payloads*4/5 {
		t.Errorf("%d of %d payloads are refused: that tests little", n, payloads)
	}

	write(t, dir)
	cmd := exec.Command("go", "build", "./...")
	cmd.Dir, cmd.Env = dir, testmodule.Env()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("accepted, but: %v\n%s", err, out)
	}
}

// good and bad are types of fields; the bad ones have no queue.
var (
	good = []string{
		"bool", "int8", "uint64", "float32", "string", "[]byte", "[3]byte", "time.Time", "time.Duration",
		"json.RawMessage", "json.Number", "big.Int", "*big.Int", "netip.Addr", "url.URL", "Named", "*Node", "Inner",
		"map[string]int", "map[int32]Inner", "map[Key]*Node", "Text", "*Custom",
		"Pair[int, string]", "struct{ A, B int }",
	}
	bad = []string{
		"chan int", "func()", "complex64", "any", "error", "sync.Mutex", "map[float64]int", "map[string]any",
		"[]chan bool",
		"uintptr2", "interface{ F() }", "*hidden2", "[2]sync.RWMutex",
	}
	wrappers = []string{"%s", "%s", "*%s", "[]%s", "[2]%s", "map[string]%s", "**%s", "[][]%s"}
	tags     = []string{
		"", "", "`json:\"%s\"`", "`json:\"%s,omitempty\"`", "`json:\",omitzero\"`", "`json:\"a b<%s>\"`",
	}
	arguments = []string{"", "", " out=.", " out=./deep/er package=er", " capacity=7 backoff=const(2s)"}
	names     = []string{"Field", "Queue", "Lease", "Len", "Dst"}
)

// randomPackage is a package with one payload. Lines with a fault say so.
func randomPackage(random *rand.Rand, n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "package p%d\n\n%s\n", n, declarations)
	fmt.Fprintf(&b, "//tqgen:queue%s\ntype Payload%d struct {\n", pick(random, arguments), n)
	faulty := random.IntN(2) == 0
	fields := 1 + random.IntN(8)
	fault := random.IntN(fields)
	for i := range fields {
		typ, remark := pick(random, good), ""
		if faulty && i == fault {
			typ, remark = pick(random, bad), " // refused"
		} else {
			typ = fmt.Sprintf(pick(random, wrappers), typ)
		}
		tag := pick(random, tags)
		if strings.Contains(typ, "big.Int") && strings.Contains(tag, "omitzero") {
			tag = "" // not comparable outside of its package: refused
		}
		if strings.Contains(tag, "%s") {
			tag = fmt.Sprintf(tag, pick(random, []string{"id", "len", "type", "q", "ünï", "x"})+fmt.Sprint(i))
		}
		fmt.Fprintf(&b, "\t%s%d %s %s%s\n", pick(random, names), i, typ, tag, remark)
	}
	if random.IntN(3) == 0 {
		b.WriteString("\tInner\n")
	}
	b.WriteString("\tignored int\n\tSkipped chan int `json:\"-\"`\n}\n")

	return b.String()
}

func pick(random *rand.Rand, list []string) string { return list[random.IntN(len(list))] }

// declarations are the types that fields of random payloads have.
const declarations = `import (
	"encoding/json"
	"math/big"
	"net/netip"
	"net/url"
	"sync"
	"time"
)

var (
	_ json.Number
	_ big.Int
	_ netip.Addr
	_ url.URL
	_ sync.Mutex
	_ time.Time
)

type Named int16

type Key string

type Inner struct {
	X, Y int
	Deep []Named
}

type Node struct {
	Value string
	Next  *Node
	All   map[string]Node
}

type Pair[A, B any] struct {
	First  A
	Second B
}

type Text struct{ s string }

func (t Text) MarshalText() ([]byte, error)      { return []byte(t.s), nil }
func (t *Text) UnmarshalText(src []byte) error { t.s = string(src); return nil }

type Custom struct{ s string }

func (c *Custom) MarshalJSON() ([]byte, error)    { return json.Marshal(c.s) }
func (c *Custom) UnmarshalJSON(src []byte) error { return json.Unmarshal(src, &c.s) }
`
