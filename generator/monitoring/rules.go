package monitoring

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// sheet is YAML that is being written.
type sheet struct{ bytes.Buffer }

func (b *sheet) line(format string, args ...any) {
	fmt.Fprintf(b, format, args...)
	b.WriteByte('\n')
}

// field writes a key at an indentation of that many spaces. A value of several
// lines becomes a block.
func (b *sheet) field(indent int, key, value string) {
	pad := strings.Repeat(" ", indent)
	switch {
	case strings.Contains(value, "\n"):
		b.line("%s%s: |-", pad, key)
		for l := range strings.SplitSeq(value, "\n") {
			b.line("%s  %s", pad, l)
		}
	case strings.ContainsAny(value, `"\\`):
		b.line("%s%s: '%s'", pad, key, strings.ReplaceAll(value, "'", "''"))
	default:
		b.line("%s%s: %q", pad, key, value)
	}
}

// dedent removes from each line what all have in common in front.
func dedent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	depth := math.MaxInt
	for _, l := range lines {
		depth = min(depth, len(l)-len(strings.TrimLeft(l, "\t")))
	}
	for i, l := range lines {
		lines[i] = l[depth:]
	}

	return strings.Join(lines, "\n")
}

// round hides what binary fractions add to decimal ones.
func round(f float64) float64 { return math.Round(f*1e6) / 1e6 }

// rules is the file for Prometheus' rule_files.
func (s *sheets) rules() []byte {
	b := &sheet{}
	b.line("# %s", mark)
	if s.drill > 1 {
		b.line("# For a drill: windows and holds are divided by %d.", s.drill)
	}
	b.line("groups:")
	s.limitRules(b)
	s.waitRules(b)
	b.line("  - name: taskqueue-alerts")
	b.line("    rules:")
	for _, a := range s.alerts() {
		s.alertRule(b, &a)
	}

	return b.Bytes()
}

// limitRules says what is too much, queue by queue: the numbers that alerts
// compare with. A Prometheus may have the rules of several services, and each
// sees the queues of all. So a series is either of a queue that is known here,
// which no other file tells of, or the default, which is the same in all.
func (s *sheets) limitRules(b *sheet) {
	b.line("  # What is too much for each queue, as its directive has it; for any other, the default.")
	b.line("  - name: taskqueue-limits")
	b.line("    rules:")
	s.limitRule(b, ageLimit, "<taskqueue.pending.limit>", func(l limits) time.Duration { return l.age })
	s.limitRule(b, lagLimit, "<taskqueue.replication.wall_clock_lag>_count", func(l limits) time.Duration { return l.lag })
}

// limitRule records one limit of each queue, and the default for all that have
// the metric.
func (s *sheets) limitRule(b *sheet, record, metric string, limit func(limits) time.Duration) {
	for _, l := range s.known {
		b.line("      - record: %s", record)
		b.field(8, "expr", "vector("+number(limit(l).Seconds())+")")
		b.line("        labels:")
		b.field(10, expand("<name>"), l.queue)
	}
	b.line("      - record: %s", record+defaults)
	b.field(8, "expr", expand("0 * count by (<name>) ("+metric+") + "+number(limit(s.others()).Seconds())))
}

// limitOf is the limit that holds for a queue.
func limitOf(record string) string {
	return "(" + record + " or on (<name>) " + record + defaults + ")"
}

// waitRules records which share of tasks is leased late.
func (s *sheets) waitRules(b *sheet) {
	b.line("  # Which share of tasks waited longer than it should. Of 100 tasks, one may.")
	b.line("  - name: taskqueue-wait")
	b.line("    rules:")
	for _, w := range []string{"5m", "30m", "1h", "6h"} {
		if len(s.known) > 0 {
			b.line("      - record: %s%s", late, w)
			b.field(8, "expr", s.expr(s.lateness(w)))
		}
		b.line("      - record: %s%s%s", late, w, defaults)
		b.field(8, "expr", s.expr(lateShare(inTime("", s.others().wait, w), w)))
	}
}

// inTime is the rate of the tasks that the selector selects and that waited no
// longer than bound.
func inTime(selector string, bound float64, window string) string {
	return fmt.Sprintf("sum by (<queue>) (rate(<taskqueue.wait.duration>_bucket{%s%s}[%s]))", selector, le(bound), window)
}

func lateShare(inTime, window string) string {
	return "1 - (\n  " + inTime + "\n) / sum by (<queue>) (rate(<taskqueue.wait.duration>_count[" + window + "]))"
}

// lateOf is the share of late tasks by the limit that holds for a queue.
func lateOf(window string) string {
	return "(" + late + window + " or " + late + window + defaults + ")"
}

// lateness is an expression for the share of tasks of the known queues that are
// leased late. Queues with the same limit are looked at together.
func (s *sheets) lateness(window string) string {
	queues := map[float64][]string{}
	var bounds []float64
	for _, l := range s.known {
		if queues[l.wait] == nil {
			bounds = append(bounds, l.wait)
		}
		queues[l.wait] = append(queues[l.wait], l.queue)
	}
	slices.Sort(bounds)
	var all []string
	for _, bound := range bounds {
		all = append(all, inTime(named(queues[bound]...)+",", bound, window))
	}

	return lateShare(strings.Join(all, "\n  or "), window)
}

func (s *sheets) alertRule(b *sheet, a *alert) {
	b.line("      - alert: %s", a.name)
	b.field(8, "expr", s.expr(dedent(a.expr)))
	if a.hold > 0 {
		b.line("        for: %s", s.span(a.hold))
	}
	b.line("        labels:")
	b.line("          severity: %s", a.severity)
	b.line("        annotations:")
	b.field(10, "summary", expand(a.summary))
	b.field(10, "description", expand(a.detail))
	b.field(10, "runbook_url", a.runbook())
}

// probed are the limits of the queue that most tests are about.
func (s *sheets) probed() limits {
	if len(s.known) > 0 {
		return s.known[0]
	}
	l := s.others()
	l.queue = "some-queue"

	return l
}

// ruleTests is the file for promtool test rules.
func (s *sheets) ruleTests() []byte {
	b := &sheet{}
	b.line("# %s", mark)
	b.line("# promtool test rules %s", RuleTests)
	b.line("rule_files:")
	b.line("  - %s", Rules)
	b.line("evaluation_interval: %s", s.span(time.Minute))
	b.line("tests:")
	all := s.alerts()
	for i := range all {
		for _, c := range all[i].cases {
			s.ruleTest(b, all, &all[i], &c)
		}
	}

	return b.Bytes()
}

func (s *sheets) ruleTest(b *sheet, all []alert, a *alert, c *ruleCase) {
	b.field(2, "- name", a.name+": "+c.name)
	b.line("    interval: %s", s.span(time.Minute))
	queue := cmp.Or(c.queue, s.probed().queue)
	b.line("    input_series:")
	for _, in := range c.series {
		labels := labels(queue)
		if in.labels != "" {
			labels += "," + in.labels
		}
		b.field(6, "- series", expand(in.metric)+"{"+labels+"}")
		b.field(8, "values", in.values)
	}
	b.line("    alert_rule_test:")
	b.line("      - eval_time: %s", s.span(c.at))
	b.line("        alertname: %s", a.name)
	if len(c.fires) == 0 {
		b.line("        exp_alerts: []")

		return
	}
	b.line("        exp_alerts:")
	for _, f := range c.fires {
		i := slices.IndexFunc(all, func(other alert) bool { return other.name == a.name && other.severity == f.severity })
		expected(b, &all[i], queue, f)
	}
}

// labels are those of a test's series.
func labels(queue string) string {
	return `job="orders",instance="one",` + expand("<name>") + `="` + queue + `"`
}

// expected writes what an alert looks like that fires.
func expected(b *sheet, a *alert, queue string, f fired) {
	b.line("          - exp_labels:")
	b.line("              severity: %s", a.severity)
	var filled []string
	for _, v := range []string{"$value", "$value | humanize", "$value | humanizePercentage", "$value | humanizeDuration"} {
		filled = append(filled, "{{ "+v+" }}", f.value)
	}
	for l := range strings.SplitSeq(labels(queue), ",") {
		key, value, _ := strings.Cut(l, "=")
		filled = append(filled, "{{ $labels."+key+" }}", strings.Trim(value, `"`))
		if key == "instance" && !strings.Contains(expand(a.expr), "instance") {
			continue // it is about the queue, wherever it is
		}
		b.line("              %s: %s", key, value)
	}
	fill := strings.NewReplacer(filled...)
	b.line("            exp_annotations:")
	b.field(14, "summary", fill.Replace(expand(a.summary)))
	b.field(14, "description", fill.Replace(expand(a.detail)))
	b.field(14, "runbook_url", a.runbook())
}
