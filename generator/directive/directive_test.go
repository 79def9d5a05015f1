package directive

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/generator/diag"
)

var queueSpec, _ = Lookup("queue")

var update = flag.Bool("update", false, "record what was found as wanted")

func scan(t testing.TB, src string) (*Found, *token.FileSet) {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "m.go", src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}

	return File(f, fset.Position), fset
}

// Every mistake of a file is found in one go, each at its place, and prose is
// left alone.
func TestMistakes(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/mistakes.go.txt")
	if err != nil {
		t.Fatal(err)
	}
	found, fset := scan(t, string(src))
	found.Diags.Sort()
	var b strings.Builder
	for _, d := range found.Types {
		fmt.Fprintf(&b, "type %s\n", d.Spec.Name.Name)
		dump(&b, fset, d.Directives)
	}
	for _, pos := range slices.Sorted(maps.Keys(found.Fields)) {
		fmt.Fprintf(&b, "field at %v\n", fset.Position(pos))
		dump(&b, fset, found.Fields[pos])
	}
	b.WriteString(found.Diags.Error() + "\n")
	compare(t, "testdata/mistakes.want", b.String())
}

func dump(b *strings.Builder, fset *token.FileSet, list []Directive) {
	for _, d := range list {
		fmt.Fprintf(b, "\t%v %s", fset.Position(d.Pos), d.Name)
		for _, a := range d.Args {
			key, value := fset.Position(a.KeyPos).Column, fset.Position(a.ValuePos).Column
			fmt.Fprintf(b, " %s(%d)=%q(%d)", a.Key, key, a.Value, value)
		}
		b.WriteByte('\n')
	}
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}

		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// Positions point at the key and the value as they stand in the file, quoted or
// not.
func TestPositions(t *testing.T) {
	t.Parallel()
	const line = "//tqgen:queue  name=α \"out=./a b\"\t`dead=7` lease=3s"
	found, fset := scan(t, "package m\n\n"+line+"\ntype T struct{}\n")
	if err := found.Diags.Err(); err != nil {
		t.Fatal(err)
	}
	for _, a := range found.Types[0].Directives[0].Args {
		key, value := fset.Position(a.KeyPos).Column-1, fset.Position(a.ValuePos).Column-1
		if !strings.HasPrefix(line[key:], a.Key+"=") || !strings.HasPrefix(line[value:], a.Value) {
			t.Errorf("%s=%s: columns %d and %d", a.Key, a.Value, key+1, value+1)
		}
	}
	if got := len(found.Types[0].Directives[0].Args); got != 4 {
		t.Errorf("%d arguments, want 4", got)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	keys := queueSpec.keyNames()
	for got, want := range map[string]string{
		"leese": "lease", "cap": "capacity", "Capacity": "capacity", "heartbeet": "heartbeat",
		"hartbeat": "heartbeat", "packge": "package", "nmae": "name", "lease:3s": "lease", "zzz": "", "": "", "x": "",
		"color": "", "attempt": "attempts", "max": "", "deadletters": "dead",
	} {
		if n := diag.Nearest(got, keys); n != want {
			t.Errorf("nearest(%q) = %q, want %q", got, n, want)
		}
	}
}

// The table is in order, which help lines and documentation rely on.
func TestTable(t *testing.T) {
	t.Parallel()
	if !slices.IsSorted(specNames()) {
		t.Error("directives are not sorted")
	}
	for _, s := range Specs {
		if !slices.IsSorted(s.keyNames()) {
			t.Errorf("keys of %s are not sorted", s.Name)
		}
		if s.Doc == "" || s.Place == 0 {
			t.Errorf("%s lacks doc or place", s.Name)
		}
		for _, k := range s.Keys {
			if k.Doc == "" || k.Example == "" {
				t.Errorf("%s.%s lacks doc or example", s.Name, k.Name)
			}
		}
	}
}

// Every directive and key has a section, and no other has one.
func TestDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/directives.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Specs {
		if !strings.Contains(string(text), "\n## `//tqgen:"+s.Name+"`") {
			t.Errorf("docs/directives.md has no section for %s", s.Name)
		}
		for _, k := range s.Keys {
			if !strings.Contains(string(text), "\n### "+k.Name+"\n") {
				t.Errorf("docs/directives.md has no section for %s", k.Name)
			}
		}
	}
	sections := 0
	for _, s := range Specs {
		sections += len(s.Keys)
	}
	if got := strings.Count(string(text), "\n### "); got != sections {
		t.Errorf("docs/directives.md has sections for %d keys, want %d", got, sections)
	}
}

// No text makes the reader panic, and what it calls sound comes back.
func FuzzArgs(f *testing.F) {
	f.Add("name=a lease=3s")
	f.Add("name=\"a b\" `dead=7` \"x\"y = =")
	f.Add("capacity= 5 \"lease=3s")
	f.Fuzz(func(t *testing.T, args string) {
		if strings.ContainsAny(args, "\r\n") {
			return
		}
		text := "//tqgen:queue " + args
		r := &reader{at: func(p token.Pos) token.Position { return token.Position{Column: int(p)} }}
		d, _ := r.parse(&ast.Comment{Slash: 1, Text: text})
		if d == nil {
			return
		}
		seen := map[string]bool{}
		for _, a := range d.Args {
			if _, ok := queueSpec.key(a.Key); !ok || a.Value == "" || seen[a.Key] {
				t.Errorf("%q gives %q=%q", text, a.Key, a.Value)
			}
			seen[a.Key] = true
		}
		for _, p := range r.diags {
			if p.Pos.Column < 1 || p.Pos.Column > len(text)+1 {
				t.Errorf("%q: %v is out of the line", text, p)
			}
		}
		(&reader{at: r.at}).parse(&ast.Comment{Slash: 1, Text: "//" + args})
		(&reader{at: r.at}).parse(&ast.Comment{Slash: 1, Text: "/*" + args + "*/"})
	})
}

// A file that does not parse does not make it panic either.
func FuzzFile(f *testing.F) {
	src, err := os.ReadFile("testdata/mistakes.go.txt")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(src))
	f.Add("package m\n//tqgen:queue\ntype ( A struct { //tqgen:sensitive\n X")
	f.Add("package m\nvar (//tqgen:queue\n = 1)\nfunc () {//tqgen:queue\n}")
	f.Fuzz(func(t *testing.T, src string) {
		fset := token.NewFileSet()
		file, _ := parser.ParseFile(fset, "m.go", src, parser.ParseComments|parser.SkipObjectResolution)
		if file != nil {
			File(file, fset.Position)
		}
	})
}
