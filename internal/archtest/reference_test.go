package archtest

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/generator/directive"
)

var update = flag.Bool("update", false, "write what documents have from the code")

// referenced are the packages whose options docs/reference.md lists, in its
// order, and how it calls them.
var referenced = []struct{ dir, name, about string }{
	{"runtime/tq", "tq", "The queue. A generated package has `Options` and `RunOptions` under these names."},
	{"runtime/jsonwire", "jsonwire", "Reading JSON: `tq.Options.Decode` and the generated `Decoder`."},
	{"examples/lease/leasequeue", "the generated package", "Besides those that are `tq`'s and `replication`'s."},
	{"runtime/replication", "replication", "Sources, sinks, followers and files of events."},
	{"runtime/replicationhttp", "replicationhttp", "Events over HTTP."},
	{"runtime/effect", "effect", "Effects whose outcome is recorded once."},
	{"runtime/backpressure", "backpressure", "Watermarks and who is told."},
	{"runtime/backpressurehttp", "backpressurehttp", "The middleware."},
	{"adapters/grpc/replicationgrpc", "replicationgrpc", "Events over gRPC."},
	{"adapters/grpc/diagnosticsgrpc", "diagnosticsgrpc", "The stream over gRPC."},
	{"adapters/grpc/backpressuregrpc", "backpressuregrpc", "The interceptors."},
	{"runtime/telemetry", "telemetry", "Instruments and spans: arguments of `telemetry.New`."},
	{"runtime/diagnostics", "diagnostics", "The host of stream, queries and page."},
	{"runtime/diagnostics/client", "client", "A reader of the stream."},
}

// knobs are the structs with options beside those called so.
var knobs = regexp.MustCompile(`^([A-Z]\w*)?Options$|^(Limits|Takeover|Stamp|Thresholds|Client)$`)

// TestReference holds docs/reference.md to what the code says of each option.
// With -update it is written.
func TestReference(t *testing.T) {
	t.Parallel()
	const path = "docs/reference.md"
	want := reference(t)
	if *update {
		if err := os.WriteFile(filepath.Join(root, path), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, read(t, path)); diff != "" {
		t.Errorf("%s is stale, make reference writes it (-want +got):\n%s", path, diff)
	}
}

const referenceHead = `# Reference

Every knob there is: keys of directives, which are fixed when a queue is
generated, and fields of options, which are given when the program runs. It is
made from the code and from [directives.md](directives.md) by ` + "`make reference`" + `.

`

func reference(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(referenceHead)
	writeDirectives(&b, read(t, "docs/directives.md"))
	b.WriteString("## Environment and flags of the command\n\n`go tool tqgen help` prints its flags and what `TQGENCACHE` does.\n")
	for _, p := range referenced {
		writePackage(t, &b, p.dir, p.name, p.about)
	}

	return b.String()
}

// writeDirectives writes a table for each directive. What holds where a key is
// left out, and its range, is said once: in its section of directives.md.
func writeDirectives(b *strings.Builder, text string) {
	b.WriteString("## Directives\n")
	for _, spec := range directive.Specs {
		fmt.Fprintf(b, "\n### //tqgen:%s\n\nOn %v: %s. [More](directives.md#tqgen%s).\n", spec.Name, spec.Place, spec.Doc, spec.Name)
		if len(spec.Keys) == 0 {
			continue
		}
		b.WriteString("\n| Key | Effect | Default and range | Example |\n|---|---|---|---|\n")
		for _, k := range spec.Keys {
			heading := k.Name
			if !strings.Contains(text, "\n### "+heading+"\n") || spec.Name == "effect" && k.Name == "name" {
				heading = k.Name + " of an " + spec.Name
			}
			anchor := strings.ReplaceAll(heading, " ", "-")
			fmt.Fprintf(b, "| [`%s`](directives.md#%s) | %s | %s | `%s=%s` |\n",
				k.Name, anchor, k.Doc, cell(defaultOf(text, heading)), k.Name, k.Example)
		}
	}
	b.WriteByte('\n')
}

var bullet = regexp.MustCompile(`(?ms)^- (.*?)\n(?:- |\n|#)`)

// defaultOf is the first point of a key's section, which says its default.
func defaultOf(text, heading string) string {
	_, section, _ := strings.Cut(text, "\n### "+heading+"\n")
	if end := strings.Index(section, "\n#"); end >= 0 {
		section = section[:end+2]
	}
	if m := bullet.FindStringSubmatch(section); m != nil {
		return m[1]
	}

	return ""
}

func writePackage(t *testing.T, b *strings.Builder, dir, name, about string) {
	t.Helper()
	p := documented(t, dir)
	fmt.Fprintf(b, "\n## %s\n\n%s\n", name, about)
	found := false
	for _, typ := range p.Types {
		spec := typ.Decl.Specs[0].(*ast.TypeSpec)
		fields, ok := spec.Type.(*ast.StructType)
		if !ok || !knobs.MatchString(typ.Name) || len(fields.Fields.List) == 0 {
			continue
		}
		found = true
		fmt.Fprintf(b, "\n### %s.%s\n\n%s\n\n| Field | Type | |\n|---|---|---|\n", p.Name, typ.Name, prose(typ.Doc))
		for _, f := range fields.Fields.List {
			writeField(b, f)
		}
	}
	var options []*doc.Func
	for _, typ := range p.Types {
		options = append(options, typ.Funcs...)
	}
	options = slices.DeleteFunc(append(options, p.Funcs...), func(f *doc.Func) bool { return !strings.HasPrefix(f.Name, "With") })
	for i, f := range options {
		if i == 0 {
			b.WriteString("\n| Option | |\n|---|---|\n")
		}
		f.Decl.Doc, f.Decl.Body = nil, nil
		signature := strings.TrimSuffix(strings.TrimPrefix(source(f.Decl), "func "), " Option")
		fmt.Fprintf(b, "| `%s` | %s |\n", strings.ReplaceAll(signature, "|", `\|`), cell(f.Doc))
	}
	if !found && len(options) == 0 {
		t.Errorf("%s has no options", dir)
	}
}

// writeField writes the row of a field, or of several that share a comment.
func writeField(b *strings.Builder, f *ast.Field) {
	text := f.Doc.Text()
	if f.Comment != nil {
		text += " " + f.Comment.Text()
	}
	var names []string
	for _, n := range f.Names {
		if n.IsExported() {
			names = append(names, "`"+n.Name+"`")
		}
	}
	if len(f.Names) == 0 { // embedded: its fields are listed under its own name
		names, text = []string{"its fields"}, "see there"
	}
	if len(names) > 0 {
		fmt.Fprintf(b, "| %s | `%s` | %s |\n", strings.Join(names, ", "), strings.ReplaceAll(source(f.Type), "|", `\|`), cell(text))
	}
}

// documented is a package as go doc sees it.
func documented(t *testing.T, dir string) *doc.Package {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(dir), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(set, files, "github.com/tqgen/tqgen/"+dir, doc.PreserveAST)
	if err != nil {
		t.Fatal(err)
	}

	return p
}

var docLink = regexp.MustCompile(`\[(\*?[\w.]+)\]`)

// prose is a doc comment as Markdown.
func prose(text string) string { return docLink.ReplaceAllString(strings.TrimSpace(text), "`$1`") }

// cell is it in a table.
func cell(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if !strings.Contains(text, "](") {
		text = prose(text)
	}

	return strings.ReplaceAll(strings.ReplaceAll(text, "](#", "](directives.md#"), "|", `\|`)
}

func source(node ast.Node) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, token.NewFileSet(), node); err != nil {
		return err.Error()
	}

	return strings.Join(strings.Fields(b.String()), " ")
}
