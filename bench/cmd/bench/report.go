package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tqgen/tqgen/bench/codec"
	"github.com/tqgen/tqgen/bench/conform"
)

// The block of the README that is rewritten stands between these lines.
const (
	begin = "<!-- measured: begin (make bench rewrites it) -->\n"
	end   = "<!-- measured: end -->\n"
)

// report prints the tables, and puts them into the README.
func (c *config) report(r *results, stdout io.Writer, took time.Duration) error {
	var b strings.Builder
	c.machine(&b, took)
	b.WriteString("\n### Goals\n\n| ratio | measured | goal | | |\n|---|---|---|---|---|\n")
	for _, g := range goals() {
		v := g.measured(r)
		fmt.Fprintf(&b, "| %s | %.2f | %s %v | %s | %s |\n", g.name, v, sign(g.sign()), g.bound, g.verdict(v), g.note)
	}
	b.WriteString("\n### JSON\n\nNanoseconds, the median of all processes and [min–max]; allocations if there are any.\n")
	for _, way := range []string{"encode", "decode"} {
		r.table(&b, "json/"+way+"/", way, []string{"small", "lease", "large"}, func(rest string) (row, column string) {
			column, row, _ = strings.Cut(rest, "/")
			return row, column
		})
	}
	b.WriteString("\n### Queues\n\nNanoseconds for one task, from being enqueued to being completed.\n")
	last := func(rest string) (row, column string) {
		i := strings.LastIndexByte(rest, '/')
		return rest[:i], rest[i+1:]
	}
	r.table(&b, "queue/", "cycle", loads, last)
	b.WriteString("\nWith much in the queue, nanoseconds for one operation:\n")
	r.table(&b, "queue/", "operation", []string{"1k", "100k", "1M"}, last)
	b.WriteString("\n### Generators\n\nMilliseconds of a run, 20 structs in 10 packages.\n")
	b.WriteString("\n| | |\n|---|---|\n")
	for _, name := range r.names {
		if what, ok := strings.CutPrefix(name, "generate/"); ok {
			v := r.of[name]
			fmt.Fprintf(&b, "| %s | %.0f [%.0f–%.0f] |\n", strings.TrimSuffix(what, "/20"), v.Median/1e6, v.Min/1e6, v.Max/1e6)
		}
	}
	if err := c.conformanceTable(&b); err != nil {
		return err
	}

	fmt.Fprint(stdout, b.String())
	if c.readme == "" {
		return nil
	}

	return rewrite(c.readme, b.String())
}

func sign(s string) string {
	switch s {
	case ">=":
		return "≥"
	case "<=":
		return "≤"
	}

	return ""
}

// machine says where, when and with what was measured.
func (c *config) machine(b *strings.Builder, took time.Duration) {
	fmt.Fprintf(b, "%s, %s/%s, %d cores (%s). Commit %s. %d processes, %v a row, %v in all. "+
		"Load of the machine: %s before, %s after.\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor(),
		command("git", "describe", "--always", "--dirty"), c.processes, c.budget, took.Round(time.Second),
		c.load, load())
	var versions []string
	for dir, modules := range map[string][]string{
		c.dir: {
			"github.com/bytedance/sonic", "github.com/goccy/go-json", "github.com/google/uuid", "github.com/mailru/easyjson",
			"github.com/segmentio/encoding", "github.com/tinylib/msgp", "k8s.io/client-go",
		},
		filepath.Join(c.dir, "tools"): {
			"github.com/jmattheis/goverter", "golang.org/x/tools", "sigs.k8s.io/controller-tools",
		},
	} {
		for _, m := range modules {
			versions = append(versions, command("go", "-C", dir, "list", "-m", m))
		}
	}
	slices.Sort(versions)
	fmt.Fprintf(b, "\n%s.\n", strings.Join(versions, ", "))
}

// load is how many threads wanted to run, on average over the last minute.
func load() string {
	info, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(info), " ")

	return one
}

func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, ok := strings.CutPrefix(line, "model name\t: "); ok {
			return strings.TrimSpace(name)
		}
	}

	return "unknown"
}

// table writes the rows that begin with prefix, in columns.
func (r *results) table(
	b *strings.Builder, prefix, what string, columns []string, split func(string) (row, column string),
) {
	var rows []string
	cells := map[[2]string]string{}
	for _, name := range r.names {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		row, column := split(rest)
		if !slices.Contains(columns, column) {
			continue
		}
		if !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
		v := r.of[name]
		cell := fmt.Sprintf("%s [%s–%s]", short(v.Median), short(v.Min), short(v.Max))
		if v.Allocs >= 0.5 {
			cell += fmt.Sprintf(", %.0f", v.Allocs)
		}
		cells[[2]string{row, column}] = cell
	}
	fmt.Fprintf(b, "\n| %s | %s |\n|---|%s\n", what, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |", row)
		for _, column := range columns {
			fmt.Fprintf(b, " %s |", cells[[2]string{row, column}])
		}
		b.WriteByte('\n')
	}
}

func short(ns float64) string {
	if ns < 100 {
		return fmt.Sprintf("%.3g", ns)
	}

	return fmt.Sprintf("%.0f", ns)
}

// conformanceTable asks every codec all questions.
func (c *config) conformanceTable(b *strings.Builder) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	type asking struct{ program, name string }
	var codecs []asking
	for _, k := range codec.Codecs() {
		if k.Name != "encoding/json" {
			codecs = append(codecs, asking{self, k.Name})
		}
	}
	if c.v2 != "" {
		for _, name := range codec.V2Names {
			codecs = append(codecs, asking{c.v2, name})
		}
	}
	asked := map[int]int{}
	for _, k := range conform.Cases() {
		asked[k.Line]++
	}
	lines := conform.Lines()
	fmt.Fprintf(b, "\n### Conformance\n\nHow many of %d questions a codec answers in another way than encoding/json, by line of the list"+
		" at the end of this file. A codec that takes the process down has failed the question it died of.\n\n| line, questions |",
		len(conform.Cases()))
	for _, n := range lines {
		fmt.Fprintf(b, " %d, %d |", n, asked[n])
	}
	fmt.Fprintf(b, " all |\n|---|%s\n", strings.Repeat("---|", len(lines)+1))
	for _, k := range codecs {
		failed, err := conformance(k.program, k.name)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "| %s |", k.name)
		all := 0
		for _, n := range lines {
			all += failed[n]
			if failed[n] == 0 {
				b.WriteString(" |")
				continue
			}
			fmt.Fprintf(b, " %d |", failed[n])
		}
		fmt.Fprintf(b, " %d |\n", all)
	}

	return nil
}

// rewrite puts the block into a file.
func rewrite(path, block string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s has no block to rewrite", path)
	}

	return os.WriteFile(path, []byte(head+begin+"\n"+block+"\n"+end+tail), 0o644)
}
