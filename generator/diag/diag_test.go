package diag

import (
	"errors"
	"fmt"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func at(file string, line, column int) token.Position {
	return token.Position{Filename: file, Line: line, Column: column}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	var l List
	l.Addf(at("b.go", 2, 1), "TQ104", "unknown key %q for tqgen:queue", "leese").
		Helpf("did you mean %q?", "lease").
		Helpf("keys: %s", "name, lease")
	l.Addf(at("b.go", 0, 0), "TQ401", "edited since it was generated")
	l.Addf(at("a.go", 9, 0), "TQ506", "expected ';'")
	l.Addf(at("", 0, 0), "TQ501", "no go.mod")
	l.Sort()
	want := strings.Join([]string{
		"tqgen: TQ501: no go.mod",
		"a.go:9: TQ506: expected ';'",
		"b.go: TQ401: edited since it was generated",
		`b.go:2:1: TQ104: unknown key "leese" for tqgen:queue`,
		"\thelp: did you mean \"lease\"?",
		"\thelp: keys: name, lease",
	}, "\n")
	if d := cmp.Diff(want, l.Error()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// The order does not depend on that of discovery, and what is said twice of a
// line is said once.
func TestSort(t *testing.T) {
	t.Parallel()
	add := func(order ...int) string {
		var l List
		for _, i := range order {
			switch i {
			case 0:
				l.Addf(at("a.go", 10, 1), "TQ203", "x")
			case 1:
				l.Addf(at("a.go", 9, 7), "TQ203", "x")
			case 2:
				l.Addf(at("a.go", 9, 5), "TQ203", "x")
			case 3:
				l.Addf(at("a.go", 9, 5), "TQ201", "y")
			case 4:
				l.Addf(at("a.go", 9, 5), "TQ203", "w")
			case 5:
				l.Addf(at("A.go", 99, 5), "TQ203", "x")
			}
		}
		l.Sort()

		return l.Error()
	}
	want := strings.Join([]string{
		"A.go:99:5: TQ203: x", "a.go:9:5: TQ201: y", "a.go:9:5: TQ203: w", "a.go:9:5: TQ203: x", "a.go:10:1: TQ203: x",
	}, "\n")
	for _, order := range [][]int{{0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}, {2, 2, 0, 1, 5, 3, 4, 0}} {
		if d := cmp.Diff(want, add(order...)); d != "" {
			t.Errorf("%v (-want +got)\n%s", order, d)
		}
	}
}

func TestUnwrap(t *testing.T) {
	t.Parallel()
	var l List
	if err := l.Err(); err != nil {
		t.Errorf("the empty list is the error %v", err)
	}
	l.Addf(at("a.go", 1, 1), "TQ104", "x")
	l.Addf(at("a.go", 2, 1), "TQ201", "y")
	l.Addf(at("a.go", 3, 1), "TQ999", "z")
	err := fmt.Errorf("generate: %w", l.Err())
	for _, kind := range []error{ErrDirective, ErrUnsupportedType} {
		if !errors.Is(err, kind) {
			t.Errorf("%v is missing", kind)
		}
	}
	if errors.Is(err, ErrOutput) {
		t.Error("ErrOutput is there")
	}
	var d *Diagnostic
	if !errors.As(err, &d) || d.Code != "TQ104" {
		t.Errorf("the first diagnostic is %v", d)
	}
}

// Every code has a title and a section in docs/errors.md, and the sections are
// in order.
func TestDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	last := -1
	for _, c := range Codes() {
		if Title(c) == "" || kinds[c].err == nil {
			t.Errorf("%s has no title or no kind", c)
		}
		i := strings.Index(string(text), "\n### "+string(c)+"\n")
		if i < 0 {
			t.Errorf("docs/errors.md has no section for %s (%s)", c, Title(c))
		} else if i < last {
			t.Errorf("docs/errors.md: %s is out of order", c)
		}
		last = max(last, i)
	}
}
