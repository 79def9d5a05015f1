package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// goal is one line of the goals: a ratio of two figures and its bound.
type goal struct {
	name     string
	measured func(*results) float64
	atLeast  bool // else at most
	bound    float64
	note     string
}

// keepers are the codecs that write the bytes of encoding/json for the
// payloads: package codec's tests hold that. Readers are those that answer all
// questions of package conform, but for the one about documents that are no
// JSON, of which they leave a part in the value.
var (
	keepers = map[string][]string{
		"small": {"encoding/json", "goccy", "goccy MarshalOf", "goccy Encoder", "segmentio"},
		"lease": {"encoding/json", "goccy", "goccy MarshalOf", "goccy Encoder"}, // segmentio writes durations in words
		"large": {"encoding/json", "goccy", "goccy MarshalOf", "goccy Encoder", "segmentio"},
	}
	readers = []string{"encoding/json", "goccy", "goccy UnmarshalOf"}
)

const yardstick = "queue/channel in select/"

var loads = []string{"alone", "1+1", "4+4"}

// goals are all of them, in the order in which they were set.
func goals() []goal {
	var all []goal
	add := func(g goal) { all = append(all, g) }
	for i, size := range []string{"small", "lease", "large"} {
		name := "json/encode/" + size + "/"
		add(goal{
			name: "json-encode-" + size, atLeast: true, bound: []float64{2.8, 1.9, 1.6}[i],
			measured: func(r *results) float64 { return r.fastest(name, keepers[size]) / r.median(name+"tqgen") },
		})
		add(goal{
			name: "json-encode-" + size + "-allocs", bound: 0,
			measured: func(r *results) float64 { return math.Round(r.of[name+"tqgen"].Allocs) },
		})
	}
	for i, size := range []string{"small", "lease", "large"} {
		name := "json/decode/" + size + "/"
		add(goal{
			name: "json-decode-" + size, atLeast: true, bound: []float64{2.8, 1.8, 1.8}[i],
			measured: func(r *results) float64 { return r.fastest(name, readers) / r.median(name+"tqgen") },
		})
	}
	for i, size := range []string{"lease", "large"} {
		name := "json/decode/" + size + "/"
		add(goal{
			name: "json-decode-shared-" + size, atLeast: true, bound: []float64{2.0, 2.1}[i],
			measured: func(r *results) float64 { return r.fastest(name, readers) / r.median(name+"tqgen shared") },
		})
	}
	perLoad := func(name, row, over string, median bool, note string, bounds ...float64) {
		for i, load := range loads {
			add(goal{
				name: name + "-" + load, bound: bounds[i], note: note,
				measured: func(r *results) float64 {
					if median {
						return r.median(row+load) / r.median(over+load)
					}

					return r.median(row+load) / r.of[over+load].Min
				},
			})
		}
	}
	perLoad("cycle", "queue/tqgen/", yardstick, false, "", 1.9, 1.6, 1.8)
	for _, load := range loads {
		add(goal{
			name: "cycle-" + load + "-allocs", bound: 0,
			measured: func(r *results) float64 { return math.Round(r.of["queue/tqgen/"+load].Allocs) },
		})
	}
	for _, load := range loads {
		add(goal{
			name: "cycle-" + load + "-spread", bound: 1.3,
			measured: func(r *results) float64 { return r.of["queue/tqgen/"+load].Spread() },
		})
	}
	perLoad("run", "queue/tqgen Run/", yardstick, false, "a handler that does nothing, with all that Run does for one", 1.45, 1.15, 1.3)
	perLoad("fused", "queue/tqgen fused/", yardstick, false, "the step Run makes, without what it does for handlers", 1.45, 1.15, 1.3)
	perLoad("coarse", "queue/tqgen coarse clock/", yardstick, false, "", 1.1, 1.0, 1.2)
	perLoad("replaced", "queue/tqgen/", "queue/replaced design/", true, "", 0.33, 0.3, 0.5)
	for _, load := range loads {
		add(goal{
			name: "replaced-" + load + "-allocs", bound: 0, note: "allocations over its allocations",
			measured: func(r *results) float64 {
				return math.Round(r.of["queue/tqgen/"+load].Allocs) / r.of["queue/replaced design/"+load].Allocs
			},
		})
	}
	single := func(name, row, over string, bound float64, note string) {
		add(goal{name: name, bound: bound, note: note, measured: func(r *results) float64 {
			if over == yardstick {
				return r.median(row) / r.of[over+"alone"].Min
			}

			return r.median(row) / r.median(over)
		}})
	}
	single("batch-64", "queue/tqgen batch of 64/alone", yardstick, 0.35, "")
	single("outstanding-100k", "queue/tqgen outstanding/100k", "queue/tqgen outstanding/1k", 1.6, "the oldest lease is completed, which is the least in the cache")
	single("expiry", "queue/tqgen expiry/100k", yardstick, 0.15, "without the timer: of a closed queue, by the call that finds them overdue")
	single("nothing-due-1M", "queue/tqgen nothing due/1M", "queue/tqgen nothing due/1k", 1.1, "the same, give or take a tenth")
	single("delayed-1M-fail", "queue/tqgen delayed Fail/1M", "queue/tqgen delayed Fail/1k", 3, "")
	single("delayed-1M-due", "queue/tqgen becoming due/1M", "queue/tqgen becoming due/1k", 3, "processor time, leasing included")
	perLoad("reader", "queue/tqgen with reader/", "queue/tqgen/", true, "", 1.4, 1.6, 1.3)
	perLoad("instrumented", "queue/tqgen instrumented/", "queue/tqgen/", true, "all instruments, by the SDK, and a span for each task that is not sampled", 1.25, 1.25, 1.25)
	for _, load := range []string{"alone", "1+1"} {
		add(goal{
			name: "event-to-sink-" + load, bound: 1.5, note: "what a cycle costs more with a sink, for each of its events, to a channel of the same struct",
			measured: func(r *results) float64 {
				return (r.median("stream/cycles to a sink/"+load) - r.median("stream/cycles")) / r.median("stream/channel of events/"+load)
			},
		})
	}
	add(goal{
		name: "event-to-sink-allocs", bound: 0,
		measured: func(r *results) float64 { return math.Round(r.of["stream/cycles to a sink/alone"].Allocs) },
	})
	single("readers-4", "stream/mutations, 4 readers", "stream/mutations, 1 reader", 1.3, "")
	single("replaced-stream", "stream/cycles to a sink/alone", "stream/replaced design/alone", 0.5, "ours with the cycles that make the events")
	single("replica-apply", "replica/apply", "replica/operation", 1.2, "an event applied to the operation that made it")
	add(goal{
		name: "replica-http", atLeast: true, bound: 0.6, note: "the rate of copying the same lines, encoded before, through net/http",
		measured: func(r *results) float64 { return r.median("replica/http/copy") / r.median("replica/http/stream") },
	})
	single("generate-unchanged", "generate/tqgen unchanged/20", "generate/go list/20", 2, "")

	return all
}

func (r *results) median(name string) float64 {
	v, ok := r.of[name]
	if !ok {
		return math.NaN()
	}

	return v.Median
}

// fastest is the best median of some codecs.
func (r *results) fastest(prefix string, codecs []string) float64 {
	best := math.Inf(1)
	for _, c := range codecs {
		best = min(best, r.median(prefix+c))
	}

	return best
}

// met reports whether the goal is reached by what is printed.
func (g *goal) met(v float64) bool {
	if g.atLeast {
		return math.Round(v*100)/100 >= g.bound
	}

	return math.Round(v*100)/100 <= g.bound
}

func (g *goal) sign() string {
	switch {
	case strings.HasSuffix(g.name, "-allocs"):
		return ""
	case g.atLeast:
		return ">="
	}

	return "<="
}

func (g *goal) verdict(v float64) string {
	if g.met(v) {
		return "ok"
	}

	return "MISS"
}

// printGoals prints a line for each goal, then times that have none, then where
// the goals that are missed are explained.
func (c *config) printGoals(w io.Writer, r *results) error {
	sections, err := explanations(filepath.Join(c.dir, "README.md"))
	if err != nil {
		return err
	}
	var missed []string
	for _, g := range goals() {
		v := g.measured(r)
		fmt.Fprintf(w, "ratio %s %.2f goal %s%v %s\n", g.name, v, g.sign(), g.bound, g.verdict(v))
		if !g.met(v) {
			missed = append(missed, g.name)
		}
	}
	for _, name := range r.names {
		if what, ok := strings.CutPrefix(name, "generate/"); ok {
			fmt.Fprintf(w, "time generate/%s %.0f ms\n", what, r.median(name)/1e6)
		}
	}
	for _, name := range missed {
		if s := explanation(sections, name); s != "" {
			fmt.Fprintf(w, "missed %s, explained in bench/README.md: %s\n", name, s)
		} else {
			fmt.Fprintf(w, "missed %s, NOT EXPLAINED in bench/README.md\n", name)
		}
	}

	return nil
}

// Goals that are missed have sections of their own below this heading of the
// README. The heading of a section names them, each in backquotes, with * for
// what differs.
const missedHeading = "\n## Goals that are missed, and why\n"

var (
	sectionHeading = regexp.MustCompile("(?m)^### (.*)$")
	quoted         = regexp.MustCompile("`([^`]*)`")
)

// explanations gives the headings of these sections.
func explanations(readme string) ([]string, error) {
	text, err := os.ReadFile(readme)
	if err != nil {
		return nil, err
	}
	_, rest, ok := strings.Cut(string(text), missedHeading)
	if !ok {
		return nil, fmt.Errorf("%s has no heading %q", readme, strings.TrimSpace(missedHeading))
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	var headings []string
	for _, m := range sectionHeading.FindAllStringSubmatch(rest, -1) {
		headings = append(headings, m[1])
	}

	return headings, nil
}

// explanation gives the heading that names a goal, "" if none does.
func explanation(headings []string, goal string) string {
	for _, h := range headings {
		for _, m := range quoted.FindAllStringSubmatch(h, -1) {
			if ok, err := path.Match(m[1], goal); ok && err == nil {
				return h
			}
		}
	}

	return ""
}
