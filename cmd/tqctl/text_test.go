package main

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain äöü 漢字 🙂":              "plain äöü 漢字 🙂",
		"\x1b[2J\x1b]0;title\a":       `\x1b[2J\x1b]0;title\a`,
		"two\nlines\tand\rreturn":     `two\nlines\tand\rreturn`,
		"c1 \u009b31m, raw \x9b31m":   `c1 \u009b31m, raw \x9b31m`,
		"\u202eright to left\u2066":   `\u202eright to left\u2066`,
		"zero\u200bwidth\ufeff\u00ad": `zero\u200bwidth\ufeff\u00ad`,
		"no\u00a0break\u2028":         `no break\u2028`,
		"\ufffd \x00 \x7f \U000e0041": `\ufffd \x00 \x7f \U000e0041`,
		"":                            "",
	} {
		if got := clean(text); got != want {
			t.Errorf("clean(%q) = %s, want %s", text, got, want)
		}
	}
	if diff := cmp.Diff([]string{"a", `b    c\x1b`, ""}, cleanLines("a\r\nb\tc\x1b\n")); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// JSON is the same to a parser, and nothing in it moves a cursor.
func TestCleanJSON(t *testing.T) {
	t.Parallel()
	text := strings.Builder{}
	for r := rune(0x20); r < 0x2100; r++ {
		if r != '"' && r != '\\' {
			text.WriteRune(r)
		}
	}
	text.WriteString("🙂\U000e0041")
	src := []byte(`{"` + text.String() + `": ["` + text.String() + `", 1e3]}` + "\n")
	got := appendCleanJSON(nil, src)
	for _, r := range string(got) {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%q is left", r)
		}
	}
	var before, after any
	must(t, json.Unmarshal(src, &before))
	must(t, json.Unmarshal(got, &after))
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("parsed (-before +after):\n%s", diff)
	}
	if got := appendCleanJSON(nil, []byte("\"\x9b\xff\"")); string(got) != `"\ufffd\ufffd"` || !utf8.Valid(got) {
		t.Errorf("broken UTF-8: %s", got)
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	got := []string{
		count(0), count(999), count(1000), count(-1234567), count(uint64(1<<64 - 1)), plural(1, "event"), plural(2000, "event"),
		rate(0), rate(0.25), rate(3), rate(12345.6), seconds(0), seconds(1e-9), seconds(12.3e-6), seconds(0.0456), seconds(1.5),
		seconds(99.96), seconds(600), seconds(7300), seconds(1e6), sparkline([]int{0, 1, 4, 8}), sparkline([]int{math.MinInt, math.MaxInt}), sparkline(nil),
		head("héllo", 6), head("héllo", 2),
		"[" + fit("漢字漢字", 5, false) + "]", "[" + fit("ab", 4, true) + "]", fit("ab", 0, true),
	}
	want := []string{
		"0", "999", "1,000", "-1,234,567", "18,446,744,073,709,551,615", "1 event", "2,000 events",
		"0", "0.2", "3", "12,346", "0 s", "<1 µs", "12.3 µs", "45.6 ms", "1.50 s", "100.0 s", "10 min", "2 h", "11 d", "▁▁▄█", "▁█", "",
		"héllo", "h…",
		"[漢字…]", "[  ab]", "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
}
