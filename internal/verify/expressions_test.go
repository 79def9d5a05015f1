package verify

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"go.opentelemetry.io/otel/attribute"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.yaml.in/yaml/v3"

	"github.com/tqgen/tqgen/generator"
	"github.com/tqgen/tqgen/generator/monitoring"
	"github.com/tqgen/tqgen/internal/instrument"
	"github.com/tqgen/tqgen/runtime/telemetry"
)

// sheets are what tqgen observability makes for the example, in a folder.
func sheets(t *testing.T, drill int) (folder string) {
	t.Helper()
	folder = t.TempDir()
	result, err := generator.Observability(t.Context(),
		generator.Config{Dir: "../..", Patterns: []string{"./examples/lease"}}, generator.Sheets{Out: folder, Drill: drill})
	must(t, err)
	must(t, result.Write(false))

	return folder
}

// exposed is what Prometheus finds: the labels of each metric, histograms as the
// three that they are made of.
type exposed map[string]map[string]bool

// gather reads a registry.
func gather(t testing.TB, registry *prometheus.Registry) exposed {
	t.Helper()
	families, err := registry.Gather()
	must(t, err)
	found := exposed{}
	add := func(name string, l map[string]bool) {
		if found[name] == nil {
			found[name] = map[string]bool{}
		}
		maps.Copy(found[name], l)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			l := map[string]bool{"job": true, "instance": true} // which Prometheus adds
			for _, p := range m.GetLabel() {
				l[p.GetName()] = true
			}
			if m.GetHistogram() == nil {
				add(f.GetName(), l)

				continue
			}
			add(f.GetName()+"_sum", l)
			add(f.GetName()+"_count", l)
			l = maps.Clone(l)
			l["le"] = true
			add(f.GetName()+"_bucket", l)
		}
	}

	return found
}

// exporter is a provider that Prometheus reads.
func exporter(t testing.TB) (*sdk.MeterProvider, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	e, err := promexporter.New(promexporter.WithRegisterer(registry))
	must(t, err)
	p := sdk.NewMeterProvider(sdk.WithReader(e))
	t.Cleanup(func() { _ = p.Shutdown(bg) })

	return p, registry
}

// The names that dashboards and alerts use are those of the exporter, for every
// row of the table and every attribute of it.
func TestExposedNames(t *testing.T) {
	t.Parallel()
	for _, s := range instrument.Table {
		p, registry := exporter(t)
		measure(t, p.Meter("test"), s)
		name := monitoring.Exposed(s)
		if s.Kind == instrument.Histogram {
			name += "_bucket"
		}
		found := gather(t, registry)
		delete(found, "target_info")
		if found[name] == nil {
			t.Errorf("%s is not %s: %v", s.Name, name, slices.Sorted(maps.Keys(found)))
		}
		for _, key := range append([]string{instrument.KeyName, instrument.KeyShard}, s.Attributes...) {
			if !found[name][monitoring.Label(key)] {
				t.Errorf("%s: attribute %s is not %s: %v", s.Name, key, monitoring.Label(key), found[name])
			}
		}
	}
}

// measure records one value of an instrument, with all attributes.
func measure(t *testing.T, m metric.Meter, s instrument.Spec) {
	t.Helper()
	unit := s.Unit
	if s.Omni {
		unit = instrument.Plain(unit)
	}
	var kv []attribute.KeyValue
	for _, key := range append([]string{instrument.KeyName, instrument.KeyShard}, s.Attributes...) {
		kv = append(kv, attribute.String(key, "x"))
	}
	with, u, n := metric.WithAttributes(kv...), metric.WithUnit(unit), string(s.Name)
	switch s.Kind {
	case instrument.Counter:
		i, err := m.Int64Counter(n, u)
		must(t, err)
		i.Add(bg, 1, with)
	case instrument.UpDown:
		i, err := m.Int64UpDownCounter(n, u)
		must(t, err)
		i.Add(bg, 1, with)
	case instrument.Gauge:
		i, err := m.Int64Gauge(n, u)
		must(t, err)
		i.Record(bg, 1, with)
	case instrument.Histogram:
		i, err := m.Int64Histogram(n, u)
		must(t, err)
		i.Record(bg, 1, with)
	}
}

// expression is one of a sheet's.
type expression struct {
	where, text string
	labels      []string // that whoever shows the result asks for
}

// ruleFile is what Prometheus reads of one, as far as it matters here.
type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Record, Alert, Expr string
			Labels, Annotations map[string]string
		}
	}
}

var (
	variable = regexp.MustCompile(`\$labels\.(\w+)`)
	legend   = regexp.MustCompile(`{{(\w+)}}`)
	valuesOf = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
)

// expressions are all that the sheets of a folder ask Prometheus. Those that
// rules record are metrics, too.
func expressions(t *testing.T, folder string) (all []expression, recorded map[string]expression) {
	t.Helper()
	recorded = map[string]expression{}
	text, err := os.ReadFile(folder + "/" + monitoring.Rules)
	must(t, err)
	var rules ruleFile
	must(t, yaml.Unmarshal(text, &rules))
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			e := expression{where: r.Record + r.Alert, text: r.Expr}
			for _, a := range r.Annotations {
				for _, m := range variable.FindAllStringSubmatch(a, -1) {
					e.labels = append(e.labels, m[1])
				}
			}
			if r.Record != "" {
				e.labels = append(e.labels, slices.Collect(maps.Keys(r.Labels))...)
				recorded[r.Record] = e
			}
			all = append(all, e)
		}
	}

	return append(all, charted(t, folder)...), recorded
}

// charted are the expressions of the dashboard.
func charted(t *testing.T, folder string) (all []expression) {
	t.Helper()
	text, err := os.ReadFile(folder + "/" + monitoring.Dashboard)
	must(t, err)
	var board struct {
		Templating struct {
			List []struct{ Name, Definition string }
		}
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	must(t, json.Unmarshal(text, &board))
	for _, v := range board.Templating.List {
		if m := valuesOf.FindStringSubmatch(v.Definition); m != nil {
			all = append(all, expression{"variable " + v.Name, m[1], []string{m[2]}})
		}
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			e := expression{where: p.Title, text: strings.ReplaceAll(target.Expr, "$__rate_interval", "1m")}
			for _, m := range legend.FindAllStringSubmatch(target.LegendFormat, -1) {
				e.labels = append(e.labels, m[1])
			}
			all = append(all, e)
		}
	}

	return all
}

// everything is attached to a registration whose measurements Prometheus reads,
// until each instrument has told something.
func everything(t *testing.T) exposed {
	t.Helper()
	p, registry := exporter(t)
	r, err := telemetry.New(telemetry.WithMeterProvider(p), telemetry.WithShard("eu"), telemetry.WithOmniRelayNames())
	must(t, err)
	t.Cleanup(func() { r.Close() })
	all(t, r)
	for end := time.Now().Add(patience); ; {
		found := gather(t, registry)
		missing := slices.DeleteFunc(slices.Clone(instrument.Table), func(s instrument.Spec) bool {
			return found[monitoring.Exposed(s)] != nil || found[monitoring.Exposed(s)+"_bucket"] != nil
		})
		if len(missing) == 0 {
			return found
		}
		if time.Now().After(end) {
			t.Fatalf("never measured: %v", missing)
		}
	}
}

// Every metric of every expression of the rules and of the dashboard is one that
// a queue with everything attached exposes, or that the rules record; and has
// the labels that are asked for.
func TestExpressionsNameWhatThereIs(t *testing.T) {
	t.Parallel()
	there := everything(t)
	all, recorded := expressions(t, sheets(t, 1))
	if len(all) < 40 || len(recorded) < 5 {
		t.Fatalf("%d expressions, %d of them recorded: this test holds nothing", len(all), len(recorded))
	}
	for name, e := range recorded {
		there[name] = map[string]bool{}
		for _, l := range append(e.labels, carried(t, e.text)...) {
			there[name][l] = true
		}
	}
	for _, e := range all {
		for _, fault := range faults(t, e, there) {
			t.Errorf("%s: %s\n%s", e.where, fault, e.text)
		}
	}
}

// carried are the labels that an expression is grouped by.
func carried(t *testing.T, text string) (names []string) {
	t.Helper()
	parser.Inspect(parsed(t, text), func(n parser.Node, _ []parser.Node) error {
		if a, ok := n.(*parser.AggregateExpr); ok {
			names = append(names, a.Grouping...)
		}

		return nil
	})

	return names
}

func parsed(t *testing.T, text string) parser.Expr {
	t.Helper()
	e, err := parser.ParseExpr(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}

	return e
}

// faults are what an expression names and is not there.
func faults(t *testing.T, e expression, there exposed) (found []string) {
	t.Helper()
	expr := parsed(t, e.text)
	has := func(n parser.Node, label string) {
		for _, v := range selectors(n) {
			if !there[v.Name][label] {
				found = append(found, fmt.Sprintf("%s has no label %s", v.Name, label))
			}
		}
	}
	for _, v := range selectors(expr) {
		if there[v.Name] == nil {
			found = append(found, fmt.Sprintf("there is no metric %q", v.Name))

			continue
		}
		for _, m := range v.LabelMatchers {
			if m.Name != model.MetricNameLabel && !there[v.Name][m.Name] {
				found = append(found, fmt.Sprintf("%s has no label %s", v.Name, m.Name))
			}
		}
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.AggregateExpr:
			for _, l := range n.Grouping {
				has(n.Expr, l)
			}
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				for _, l := range n.VectorMatching.MatchingLabels {
					has(n, l)
				}
			}
		}

		return nil
	})
	for _, l := range e.labels {
		has(labelled(expr), l)
	}

	return found
}

// labelled is the part of an expression whose labels the result has.
func labelled(e parser.Expr) parser.Expr {
	if b, ok := e.(*parser.BinaryExpr); ok && b.VectorMatching != nil && b.VectorMatching.Card == parser.CardManyToOne {
		return labelled(b.LHS)
	}

	return e
}

func selectors(n parser.Node) (all []*parser.VectorSelector) {
	parser.Inspect(n, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			all = append(all, v)
		}

		return nil
	})

	return all
}

// TestFaultsOfExpressions breaks each rule once.
func TestFaultsOfExpressions(t *testing.T) {
	t.Parallel()
	there := exposed{"a_total": {"x": true}, "b": {"x": true, "y": true}}
	for text, want := range map[string][]string{
		`sum by (x) (rate(a_total[1m])) > on (x) b`: nil,
		`sum by (y) (rate(a_total[1m]))`:            {"a_total has no label y"},
		`a > b`:                                     {`there is no metric "a"`},
		`b{z="1"}`:                                  {"b has no label z"},
		`b > on (y) a_total`:                        {"a_total has no label y"},
	} {
		if diff := cmp.Diff(want, faults(t, expression{text: text}, there)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	if got := faults(t, expression{text: "b", labels: []string{"z"}}, there); len(got) != 1 {
		t.Errorf("a legend with a label that is not there: %v", got)
	}
}
