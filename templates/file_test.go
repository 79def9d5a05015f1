package templates

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/generator/model"
)

func TestWrap(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct{ name, text, want string }{
		{"short", "it ends", "// it ends"},
		{"long", "one two three four five six seven", "// one two three\n// four five six\n// seven"},
		{"line ends mean nothing", "one\ntwo", "// one two"},
		{"paragraphs", "one\n\ntwo", "// one\n//\n// two"},
		{"code", "one\n\n\tif x {\n\t}\n\ntwo", "// one\n//\n//\tif x {\n//\t}\n//\n// two"},
		{"list", "one\n\n  - a\n  - b c d e f g h i j k l", "// one\n//\n//   - a\n//   - b c d e f g h i j k l"},
		{"a word too long", "averyveryveryverylongword b", "// averyveryveryverylongword\n// b"},
		{"width counts runes", "ääää öööö üüü", "// ääää öööö üüü"},
	} {
		if diff := cmp.Diff(tt.want, strings.Join(wrap(tt.text, 16), "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestUsedImports(t *testing.T) {
	t.Parallel()

	body := `
// time.Time in a comment, and fmt.Sprint
func f(q *Local, ctx context.Context) {
	x := "slog.Any in a string"
	q.iter.Next(lease.A{}.time.B)
	tq := 1
}
`
	imports := []model.Import{
		{Name: "context", Path: "context"},
		{Name: "fmt", Path: "fmt"},
		{Name: "iter", Path: "iter"},
		{Name: "lease", Path: "example.test/lease"},
		{Name: "slog", Path: "log/slog"},
		{Name: "time", Path: "time"},
		{Name: "tq", Path: "example.test/tq"},
	}
	want := []model.Import{imports[0], imports[3]}
	if diff := cmp.Diff(want, usedImports([]byte(body), imports)); diff != "" {
		t.Errorf("used imports (-want +got):\n%s", diff)
	}
}

func TestImportBlock(t *testing.T) {
	t.Parallel()

	var b bytes.Buffer
	writeImports(&b, []model.Import{
		{Name: "tq", Path: "github.com/tqgen/tqgen/runtime/tq"},
		{Name: "slog", Path: "log/slog"},
		{Name: "peer", Path: "example.test/go-peer", Spelled: true},
		{Name: "context", Path: "context"},
	})
	want := `import (
"context"
"log/slog"

peer "example.test/go-peer"
"github.com/tqgen/tqgen/runtime/tq"
)
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("import block (-want +got):\n%s", diff)
	}
}

func TestDurationExpr(t *testing.T) {
	t.Parallel()

	for d, want := range map[time.Duration]string{
		30 * time.Second:         "30 * time.Second",
		time.Minute:              "time.Minute",
		90 * time.Second:         "90 * time.Second",
		24 * time.Hour:           "24 * time.Hour",
		1500 * time.Millisecond:  "1500 * time.Millisecond",
		333333 * time.Nanosecond: "333333 * time.Nanosecond",
	} {
		if got := durationExpr(d); got != want {
			t.Errorf("durationExpr(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestTagLiteral(t *testing.T) {
	t.Parallel()

	if got := tagLiteral(`json:"a"`); got != "`json:\"a\"`" {
		t.Errorf("plain tag is spelled %s", got)
	}
	if got := tagLiteral("json:\"a`b\""); got != `"json:\"a`+"`"+`b\""` {
		t.Errorf("tag with a backquote is spelled %s", got)
	}
}
