// Command bench measures tqgen and its peers and prints a table, or one line
// for each goal:
//
//	go run ./cmd/bench [-ratios] [-readme README.md] [-processes n] [-budget d] [-run regexp]
//
// It starts itself several times over. Each process measures all rows, in an
// order of its own; a figure is the median over the processes.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/tqgen/tqgen/bench/codec"
	"github.com/tqgen/tqgen/bench/conform"
	"github.com/tqgen/tqgen/bench/generators"
	"github.com/tqgen/tqgen/bench/measure"
	"github.com/tqgen/tqgen/bench/queue"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// config is what the flags say.
type config struct {
	ratios    bool
	readme    string
	processes int
	budget    time.Duration
	limit     time.Duration // no process starts later
	match     *regexp.Regexp
	dir       string // of the module
	temp      string // for what is built
	load      string // of the machine, before
	profile   string // file for a worker's profile
	v2        string // the binary with encoding/json/v2, "" if there is none

	stderr io.Writer
}

func run(args []string, stdout, stderr io.Writer) error {
	c := config{stderr: stderr}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.BoolVar(&c.ratios, "ratios", false, "measure what the goals need and print a line for each of them")
	fs.StringVar(&c.readme, "readme", "", "`file` whose marked block is to be rewritten")
	fs.IntVar(&c.processes, "processes", 0, "how many processes measure (9)")
	fs.DurationVar(&c.budget, "budget", 0, "time for a row in one process (150ms, with -ratios 100ms)")
	fs.DurationVar(&c.limit, "limit", 0, "start no process after this `time` (with -ratios 3m30s)")
	match := fs.String("run", "", "measure rows that match a `regexp`, and print them")
	fs.StringVar(&c.dir, "dir", ".", "`directory` of the module bench")
	worker := fs.Uint64("worker", 0, "measure in this process, in the order of this `seed`")
	fs.StringVar(&c.profile, "cpuprofile", "", "write a profile of a worker to this `file`")
	ask := fs.String("conform", "", "ask the named `codec` how it conforms, in this process")
	from := fs.Int("from", 0, "number of the first question")
	if err := fs.Parse(args); err != nil {
		return err
	}
	var err error
	if c.match, err = regexp.Compile(*match); err != nil {
		return err
	}
	if c.processes == 0 {
		c.processes = 9
	}
	if c.budget == 0 {
		c.budget = pick(c.ratios, 100*time.Millisecond, 150*time.Millisecond)
	}

	if c.limit == 0 {
		c.limit = pick(c.ratios, 210*time.Second, 24*time.Hour)
	}

	switch {
	case *worker != 0:
		return c.work(*worker, stdout)
	case *ask != "":
		return answer(*ask, *from, stdout)
	}
	if c.temp, err = os.MkdirTemp("", "tqgen-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(c.temp)
	c.v2 = c.buildV2()
	start := time.Now()
	c.load = load()
	r, err := c.measure(start.Add(c.limit))
	if err != nil {
		return err
	}
	if *match != "" {
		r.print(stdout)
		return nil
	}
	if c.ratios {
		fmt.Fprintf(stderr, "bench: %d processes, %v\n", c.processes, time.Since(start).Round(time.Second))

		return c.printGoals(stdout, r)
	}
	return c.report(r, stdout, time.Since(start))
}

func pick[T any](first bool, a, b T) T {
	if first {
		return a
	}

	return b
}

// rows are those a process measures.
func (c *config) rows() (rows []measure.Row) {
	for _, r := range append(codec.Rows(), queue.Rows()...) {
		if c.wants(r) {
			rows = append(rows, r)
		}
	}

	return rows
}

func (c *config) wants(r measure.Row) bool {
	return (r.Ratios || !c.ratios) && c.match.MatchString(r.Name)
}

// line is what a process says of a row.
type line struct {
	Name string
	measure.Sample
}

// work measures in this process.
func (c *config) work(seed uint64, w io.Writer) error {
	rows := c.rows()
	random := rand.New(rand.NewPCG(seed, 0))
	random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	if c.profile != "" {
		f, err := os.Create(c.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	enc := json.NewEncoder(w)
	for _, r := range rows {
		s, err := r.Measure(c.budget)
		if err != nil { // some rows give up if the machine is too busy
			s, err = r.Measure(c.budget)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		if err := enc.Encode(line{r.Name, s}); err != nil {
			return err
		}
	}

	return nil
}

// results are all figures, and the rows in the order of their tables.
type results struct {
	of    map[string]measure.Result
	names []string
}

// measure starts the processes, one after another, and generators in between.
// Those that would start after until are left out, but for the first three.
func (c *config) measure(until time.Time) (*results, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	binaries := []struct{ path, match string }{{self, c.match.String()}}
	if c.v2 != "" {
		binaries = append(binaries, struct{ path, match string }{c.v2, "json/v2"})
	}
	rows := c.rows()
	gen, err := c.generators()
	if err != nil {
		return nil, err
	}

	samples := map[string][]measure.Sample{}
	r := &results{of: map[string]measure.Result{}}
	add := func(name string, s measure.Sample) {
		if samples[name] == nil {
			r.names = append(r.names, name)
		}
		samples[name] = append(samples[name], s)
	}
	for _, row := range rows { // the order of the tables
		r.names = append(r.names, row.Name)
		samples[row.Name] = []measure.Sample{}
	}
	for i := range c.processes {
		if i >= 3 && time.Now().After(until) {
			fmt.Fprintf(c.stderr, "bench: %v are over\n", c.limit)
			c.processes = i

			break
		}
		for _, b := range binaries {
			args := []string{
				"-worker", fmt.Sprint(i + 1), "-budget", c.budget.String(), "-run", b.match, fmt.Sprintf("-ratios=%t", c.ratios),
			}
			if err := c.collect(b.path, args, add); err != nil {
				return nil, err
			}
		}
		for _, row := range gen {
			s, err := row.Measure(0)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", row.Name, err)
			}
			add(row.Name, s)
		}
		fmt.Fprintf(c.stderr, "bench: %d of %d\n", i+1, c.processes)
	}
	for name, s := range samples {
		r.of[name] = measure.Summarize(s)
	}

	return r, nil
}

// generators are the rows of generators, which are built if there are any.
func (c *config) generators() (rows []measure.Row, err error) {
	g := new(generators.Generators)
	for _, r := range g.Rows() {
		if c.wants(r) {
			rows = append(rows, r)
		}
	}
	if len(rows) > 0 {
		err = g.Build(c.temp, c.dir)
	}

	return rows, err
}

// buildV2 is this program built with encoding/json/v2, "" if it is not wanted
// or the toolchain has none.
func (c *config) buildV2() string {
	if c.ratios || codec.V2 || !c.match.MatchString("json/encode/small/json/v2") {
		return ""
	}
	path := filepath.Join(c.temp, "benchv2")
	build := exec.Command("go", "build", "-o", path, "./cmd/bench")
	build.Dir = c.dir
	build.Env = append(os.Environ(), "GOEXPERIMENT=jsonv2")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(c.stderr, "bench: no encoding/json/v2: %v\n%s", err, out)
		return ""
	}

	return path
}

// collect runs a process and gives on what it says.
func (c *config) collect(path string, args []string, add func(string, measure.Sample)) error {
	cmd := exec.Command(path, args...)
	cmd.Stderr = c.stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	lines := json.NewDecoder(bytes.NewReader(out))
	for {
		var l line
		switch err := lines.Decode(&l); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		add(l.Name, l.Sample)
	}
}

// print prints all figures.
func (r *results) print(w io.Writer) {
	for _, name := range r.names {
		v := r.of[name]
		fmt.Fprintf(w, "%-44s %10.1f ns  [%.1f–%.1f]  %.1f allocs\n", name, v.Median, v.Min, v.Max, v.Allocs)
	}
}

// answer asks a codec all questions from one on, in this process.
func answer(name string, from int, w io.Writer) error {
	for _, c := range codec.Codecs() {
		if c.Name != name {
			continue
		}
		for i, k := range conform.Cases() {
			if i < from {
				continue
			}
			fmt.Fprintf(w, "ask %d\n", i)
			if err := k.Check(c); err != nil {
				fmt.Fprintf(w, "fails %d\n", i)
			}
		}

		return nil
	}

	return fmt.Errorf("there is no codec %s", name)
}

// conformance is how many questions of each line a codec fails. One that takes
// the process down has failed that question; the next process goes on after it.
// Program is the binary that has the codec.
func conformance(program, name string) (failed map[int]int, err error) {
	cases := conform.Cases()
	failed = map[int]int{}
	for from := 0; from < len(cases); {
		cmd := exec.Command(program, "-conform", name, "-from", fmt.Sprint(from))
		out, runErr := cmd.Output()
		last := from
		for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
			var verb string
			if _, err := fmt.Sscan(lines.Text(), &verb, &last); err != nil {
				return nil, fmt.Errorf("%s: %q: %w", name, lines.Text(), err)
			}
			if verb == "fails" {
				failed[cases[last].Line]++
			}
		}
		if runErr == nil {
			break
		}
		if !cases[last].Fatal {
			return nil, fmt.Errorf("%s died of %s: %w", name, cases[last].Name, runErr)
		}
		failed[cases[last].Line]++
		from = last + 1
	}

	return failed, nil
}

func command(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}

	return strings.TrimSpace(string(out))
}
