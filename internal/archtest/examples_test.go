package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// example is a block of code below a comment that names the declaration it
// shows: a function, of which it is the body, or a type with its methods.
var example = regexp.MustCompile("(?ms)(^<!-- example: (\\S+) (\\w+) -->\n```go\n)(.*?)(^```$)")

// TestDocsQuoteExamples holds the documents' code to examples that are run.
// With -update the documents are written.
func TestDocsQuoteExamples(t *testing.T) {
	t.Parallel()
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range documents {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got := string(text)
		want := example.ReplaceAllStringFunc(got, func(block string) string {
			found++
			m := example.FindStringSubmatch(block)

			return m[1] + declared(t, m[2], m[3]) + m[5]
		})
		if *update && want != got {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			got = want
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s quotes code otherwise, make reference mends it (-code +text):\n%s", filepath.Base(path), diff)
		}
	}
	if found == 0 {
		t.Error("no document quotes an example")
	}
}

var output = regexp.MustCompile(`(?s)\n\t// (Unordered output|Output):.*`)

// declared is the source of a declaration in the tests of a folder.
func declared(t *testing.T, dir, name string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(dir), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, path := range paths {
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		between := func(from, to token.Pos) string {
			return string(text[set.Position(from).Offset:set.Position(to).Offset])
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				switch {
				case d.Recv == nil && d.Name.Name == name:
					body := strings.Trim(output.ReplaceAllString(between(d.Body.Lbrace+1, d.Body.Rbrace), ""), "\n")
					b.WriteString(strings.ReplaceAll(strings.TrimPrefix(body, "\t"), "\n\t", "\n") + "\n")
				case d.Recv != nil && strings.Trim(source(d.Recv.List[0].Type), "*") == name:
					b.WriteString("\n" + between(start(d, d.Doc), d.End()) + "\n")
				}
			case *ast.GenDecl:
				if typ, ok := d.Specs[0].(*ast.TypeSpec); ok && typ.Name.Name == name {
					b.WriteString(between(start(d, d.Doc), d.End()) + "\n")
				}
			}
		}
	}
	if b.Len() == 0 {
		t.Errorf("%s has no %s", dir, name)
	}

	return b.String()
}

// start is where a declaration begins, its comment included.
func start(n ast.Node, doc *ast.CommentGroup) token.Pos {
	if doc != nil {
		return doc.Pos()
	}

	return n.Pos()
}
