package monitoring

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/generator/model"
	"github.com/tqgen/tqgen/generator/verify"
)

// rendered is what is made for queues with the given lease timeouts.
func rendered(t *testing.T, o Options, leases ...time.Duration) map[string][]byte {
	t.Helper()
	var queues []*model.Queue
	for i, d := range leases {
		queues = append(queues, &model.Queue{Name: fmt.Sprintf("queue.%d", i), Policy: model.Policy{Lease: d}})
	}
	files, err := Render(queues, o)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string][]byte{}
	for _, f := range files {
		byName[f.Name] = f.Body
	}

	return byName
}

// Each sheet is known again, and whether it is as it was written.
func TestInspect(t *testing.T) {
	t.Parallel()
	for name, body := range rendered(t, Options{}, time.Minute) {
		crlf := bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n"))
		cases := map[string]struct {
			content []byte
			want    verify.State
		}{
			"as written":       {body, verify.Intact},
			"other line ends":  {crlf, verify.Intact},
			"one word changed": {bytes.Replace(body, []byte("taskqueue"), []byte("queue"), 1), verify.Edited},
			"cut off":          {body[:len(body)-10], verify.Edited}, // whoever compares it with what it should be sees more
			"conflict":         {append([]byte("<<<<<<< ours\n"), body...), verify.Damaged},
			"conflict below":   {append(bytes.Clone(body), "\n<<<<<<< ours\n"...), verify.Damaged},
			"without the mark": {bytes.Replace(body, []byte("Code generated"), []byte("Exported"), 1), verify.NotOurs},
			"empty":            {nil, verify.Damaged},
		}
		for what, c := range cases {
			if got := Inspect(c.content); got != c.want {
				t.Errorf("%s, %s: %v, want %v", name, what, got, c.want)
			}
		}
	}
}

// Limits follow from lease timeouts.
func TestLimits(t *testing.T) {
	t.Parallel()
	for lease, want := range map[time.Duration]limits{
		time.Millisecond: {age: time.Minute, wait: .001, lag: time.Second},
		5 * time.Second:  {age: time.Minute, wait: 5, lag: 5 * time.Second / 3},
		7 * time.Second:  {age: 70 * time.Second, wait: 5, lag: 7 * time.Second / 3},
		30 * time.Second: {age: 5 * time.Minute, wait: 30, lag: 10 * time.Second},
		24 * time.Hour:   {age: time.Hour, wait: 300, lag: 10 * time.Second},
	} {
		if got := limitsOf("", lease); got != want {
			t.Errorf("lease=%v: %+v, want %+v", lease, got, want)
		}
	}
}

// Prometheus 2 has le="5" where Prometheus 3 has le="5.0".
func TestBucketsOfBothPrometheus(t *testing.T) {
	t.Parallel()
	want := []string{`le="0.5"`, `le=~"5|5\\.0"`}
	if diff := cmp.Diff(want, []string{le(.5), le(5)}); diff != "" {
		t.Errorf("selectors (-want +got):\n%s", diff)
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		6 * time.Hour: "6h", 90 * time.Minute: "90m", 90 * time.Second: "90s", 1500 * time.Millisecond: "1500ms", 1: "1ms",
	} {
		if got := promDuration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// A drill shortens every window and every hold, and nothing else.
func TestDrill(t *testing.T) {
	t.Parallel()
	durations := regexp.MustCompile(`\[\d+[a-z]+\]|for: \d+[a-z]+`)
	usual := string(rendered(t, Options{}, time.Minute)[Rules])
	drill := string(rendered(t, Options{Drill: 60}, time.Minute)[Rules])
	var want []string
	for _, d := range durations.FindAllString(usual, -1) {
		want = append(want, strings.NewReplacer("h", "m", "m", "s").Replace(strings.TrimPrefix(d, "for: ")))
	}
	var got []string
	for _, d := range durations.FindAllString(drill, -1) {
		got = append(got, strings.TrimPrefix(d, "for: "))
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
		t.Errorf("durations (-want +got):\n%s", diff)
	}
	rest := func(s string) string {
		lines := strings.Split(durations.ReplaceAllString(s, ""), "\n")
		return strings.Join(lines[len(lines)-100:], "\n")
	}
	if diff := cmp.Diff(rest(usual), rest(drill)); diff != "" {
		t.Errorf("rules (-usual +drill):\n%s", diff)
	}
}

// One Prometheus may have the rules of several services: none records what another
// one does, unless it is the same.
func TestRulesSideBySide(t *testing.T) {
	t.Parallel()
	records := func(queue string) map[string]string {
		files, err := Render([]*model.Queue{{Name: queue, Policy: model.Policy{Lease: time.Second}}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(files, func(f File) bool { return f.Name == Rules })
		all := map[string]string{}
		text, _, _ := strings.Cut(string(files[i].Body), "- name: taskqueue-alerts")
		for _, record := range strings.Split(text, "- record: ")[1:] {
			name, rest, _ := strings.Cut(record, "\n")
			all[name] = rest
		}

		return all
	}
	one, other := records("orders"), records("mails")
	if len(one) < 12 {
		t.Fatalf("%d records", len(one))
	}
	for name, rest := range one {
		switch {
		case strings.HasSuffix(name, defaults):
			if diff := cmp.Diff(rest, other[name]); diff != "" || strings.Contains(rest, "orders") {
				t.Errorf("%s (-one +other):\n%s", name, diff)
			}
		case !strings.Contains(rest, `"orders"`) || strings.Contains(rest, "!"):
			t.Errorf("%s is not of the service's queue alone:\n%s", name, rest)
		}
	}
}

// Every alert has a heading of its own in the docs, a healthy case and a failing
// one, and a severity.
func TestAlertsAreWhole(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	s := sheets{drill: 1}
	for _, a := range s.alerts() {
		healthy, failing := 0, 0
		for _, c := range a.cases {
			if len(c.fires) == 0 {
				healthy++
			} else {
				failing++
			}
		}
		if healthy == 0 || failing == 0 {
			t.Errorf("%s: %d healthy and %d failing cases", a.name, healthy, failing)
		}
		if a.severity != "critical" && a.severity != "warning" {
			t.Errorf("%s: severity %q", a.name, a.severity)
		}
		if !strings.Contains(string(docs), "\n### "+a.name+"\n") {
			t.Errorf("docs/observability.md has no heading %s", a.name)
		}
	}
}

// Charts have ids and places of their own, and all ask the data source that is
// chosen.
func TestDashboardIsLaidOut(t *testing.T) {
	t.Parallel()
	var b board
	if err := json.Unmarshal(rendered(t, Options{}, time.Minute)[Dashboard], &b); err != nil {
		t.Fatal(err)
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range b.Panels {
		if ids[p.ID] || p.ID == 0 {
			t.Errorf("%s: id %d", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= width {
					t.Fatalf("%s lies at %d,%d, on %q", p.Title, x, y, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if refs[target.RefID] || *target.Datasource != *chosen {
				t.Errorf("%s: target %s of %v", p.Title, target.RefID, target.Datasource)
			}
			refs[target.RefID] = true
		}
		if len(refs) == 0 || *p.Datasource != *chosen {
			t.Errorf("%s: %d targets, of %v", p.Title, len(refs), p.Datasource)
		}
	}
}

// Panels have the fields that Grafana's schema wants them to have, and units that
// it knows.
func TestDashboardIsComplete(t *testing.T) {
	t.Parallel()
	var b struct{ Panels []map[string]any }
	if err := json.Unmarshal(rendered(t, Options{}, time.Minute)[Dashboard], &b); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"row":            {"collapsed", "panels", "gridPos"},
		"timeseries":     {"fieldConfig.overrides", "options.legend.calcs", "options.tooltip.mode", "options.tooltip.sort"},
		"state-timeline": {"fieldConfig.overrides", "options.legend.calcs", "options.tooltip.mode", "options.tooltip.sort"},
	}
	for _, p := range b.Panels {
		if want[p["type"].(string)] == nil {
			t.Errorf("%s: a panel of type %s", p["title"], p["type"])
		}
		for _, path := range want[p["type"].(string)] {
			if at(p, path) == nil {
				t.Errorf("%s has no %s", p["title"], path)
			}
		}
		if unit := at(p, "fieldConfig.defaults.unit"); !slices.Contains([]any{nil, "", "short", "s", "ms", "ops"}, unit) {
			t.Errorf("%s: unit %q", p["title"], unit)
		}
	}
}

// at is what lies at a path in an object; nil if nothing does.
func at(object any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		m, _ := object.(map[string]any)
		object = m[key]
	}

	return object
}

// The same queues give the same bytes, and no queue is needed.
func TestRenderTwice(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(rendered(t, Options{}, 1, 2e9, 3e10), rendered(t, Options{}, 1, 2e9, 3e10)); diff != "" {
		t.Error(diff)
	}
	rendered(t, Options{})
}
