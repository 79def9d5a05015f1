package main

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tqgen/tqgen/bench/codec"
	"github.com/tqgen/tqgen/bench/measure"
	"github.com/tqgen/tqgen/bench/queue"
	"github.com/tqgen/tqgen/bench/replica"
	"github.com/tqgen/tqgen/bench/stream"
)

const readme = "../../README.md"

// measured is every row with one figure: goals whose row is misspelled have no
// number then.
func measured() *results {
	r := &results{of: map[string]measure.Result{}}
	for _, row := range slices.Concat(codec.Rows(), queue.Rows(), stream.Rows(), replica.Rows()) {
		if row.Ratios {
			r.of[row.Name] = measure.Summarize([]measure.Sample{{Ns: 100, Allocs: 6}, {Ns: 100, Allocs: 6}})
		}
	}
	for _, name := range []string{"generate/go list/20", "generate/tqgen unchanged/20"} {
		r.of[name] = measure.Result{Median: 1, Min: 1, Max: 1}
	}

	return r
}

// Every goal has one line, with a number out of rows that -ratios measures.
func TestGoals(t *testing.T) {
	t.Parallel()
	r := measured()
	c := config{dir: "../.."}
	var out bytes.Buffer
	if err := c.printGoals(&out, r); err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^ratio (\S+) \d+\.\d\d goal (<=|>=)?\d+(\.\d+)? (ok|MISS)$`)
	seen := map[string]bool{}
	for text := range strings.Lines(out.String()) {
		text = strings.TrimSuffix(text, "\n")
		if !strings.HasPrefix(text, "ratio ") {
			continue
		}
		m := line.FindStringSubmatch(text)
		if m == nil {
			t.Errorf("no line of a goal: %q", text)
		} else if seen[m[1]] {
			t.Errorf("two lines of %s", m[1])
		} else {
			seen[m[1]] = true
		}
	}
	if len(seen) != len(goals()) {
		t.Errorf("%d lines of %d goals", len(seen), len(goals()))
	}
}

// Sections on missed goals name goals there are.
func TestExplanationsNameGoals(t *testing.T) {
	t.Parallel()
	headings, err := explanations(readme)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headings {
		names := quoted.FindAllStringSubmatch(h, -1)
		if len(names) == 0 {
			t.Errorf("section %q names no goal", h)
		}
		for _, m := range names {
			found := false
			for _, g := range goals() {
				ok, err := path.Match(m[1], g.name)
				if err != nil {
					t.Errorf("section %q: %v", h, err)
				}
				found = found || ok
			}
			if !found {
				t.Errorf("section %q: there is no goal %s", h, m[1])
			}
		}
	}
}

func TestExplanation(t *testing.T) {
	t.Parallel()
	headings := []string{"`cycle-*`, `run-alone`", "`json-decode-*`"}
	for goal, want := range map[string]string{
		"cycle-4+4": headings[0], "run-alone": headings[0], "run-1+1": "", "json-decode-small": headings[1],
		"json-encode-small": "",
	} {
		if got := explanation(headings, goal); got != want {
			t.Errorf("%s is explained by %q, want %q", goal, got, want)
		}
	}
}
