package templates

import (
	"strconv"
	"strings"

	"github.com/tqgen/tqgen/generator/model"
)

// emitMetrics prints what telemetry may tell apart of a payload's tasks:
// golden/accept/labels, and golden/accept/minimal without labels.
func emitMetrics(f *file) {
	emitMetricsSets(f)
	emitInstrument(f)
	labels := f.queue.Payload.Labels
	if len(labels) == 0 {
		return
	}
	emitSeries(f, labels)
	for i := range labels {
		emitLabel(f, &labels[i])
	}
	emitLabelled(f)
}

// emitMetricsSets prints the closed sets: golden/accept/labels.
func emitMetricsSets(f *file) {
	fields := "Queue: " + strconv.Quote(f.queue.Name)
	if len(f.queue.Payload.Labels)+len(f.queue.Effects) > 0 {
		fields = "\n" + fields + ",\n"
	}
	if labels := f.queue.Payload.Labels; len(labels) > 0 {
		fields += "Labels: tq.Labels{\n"
		for _, l := range labels {
			fields += "{Name: " + strconv.Quote(l.Name) + ", Values: " + stringList(l.Values) + "},\n"
		}
		fields += "},\n"
	}
	if len(f.queue.Effects) > 0 {
		var names []string
		for _, e := range f.queue.Effects {
			names = append(names, e.Name)
		}
		fields += "Effects: " + stringList(names) + ",\n"
	}
	f.words["sets"] = fields
	f.declare(`
$Metrics is what telemetry may tell apart of $PayloadName tasks: sets that are
closed by the directives. A queue that $Options name otherwise needs that name
in Queue.`, `
func $Metrics() tq.Metrics {
	return tq.Metrics{$sets}
}`)
}

// emitInstrument prints the typed face of a service's own instruments:
// golden/accept/labels, and golden/accept/minimal without labels.
func emitInstrument(f *file) {
	f.words["p"], f.words["seriesOf"] = "p", f.names.Series+"(p)"
	f.words["apart"] = "told apart by\nthe labels of the payloads"
	if len(f.queue.Payload.Labels) == 0 {
		f.words["p"], f.words["seriesOf"] = "_", "0"
		f.words["apart"] = "with the\nqueue's attributes; payloads have no labels"
	}
	f.declare(`
$Instrument records figures of a service's own about $PayloadName tasks, $apart.
The zero $Instrument records nothing. It is safe for concurrent use.`, `
type $Instrument struct{ to tq.Instrument }`)
	f.declare(`
$NewInstrument gives to, which telemetry has made for $Metrics, its typed face.`, `
func $NewInstrument(to tq.Instrument) $Instrument { return $Instrument{to} }`)
	f.declare(`
Record records value about p, or adds it where to is a counter.`, `
func (i $Instrument) Record(ctx context.Context, $p *$Payload, value float64) {
	if i.to != nil {
		i.to.Record(ctx, $seriesOf, value)
	}
}`)
}

// emitSeries prints which combination of values a payload has: golden/accept/labels.
func emitSeries(f *file, labels []model.Label) {
	f.words["sum"] = ""
	for i, l := range labels {
		if i > 0 {
			n := strconv.Itoa(len(l.Values) + 1)
			if i > 1 {
				f.words["sum"] = "(" + f.words["sum"] + ")"
			}
			f.words["sum"] += "*" + n + " + "
		}
		f.words["sum"] += l.Func + "(p)"
	}
	f.declare(`
$series is which combination of label values p has, as tq.Labels numbers them.`, `
func $series(p *$Payload) int { return $sum }`)
}

// emitLabel prints the values of one label: golden/accept/labels.
func emitLabel(f *file, l *model.Label) {
	var cases strings.Builder
	for i, value := range l.Values {
		if l.Text {
			value = strconv.Quote(value)
		}
		cases.WriteString("case " + value + ":\nreturn " + strconv.Itoa(i) + "\n")
	}
	f.words["label"], f.words["Field"], f.words["cases"] = l.Func, l.Field, cases.String()
	f.words["rest"] = strconv.Itoa(len(l.Values))
	f.declare("", `
func $label(p *$Payload) int {
	switch p.$Field {
	${cases}default:
		return $rest
	}
}`)
}

// emitLabelled prints how the engine, and what is wrapped round workers, learn of
// labels: golden/accept/labels.
func emitLabelled(f *file) {
	f.declare("", `
func (s *$store) Labels() tq.Labels { return $Metrics().Labels }`)
	f.declare("", `
func (s *$store) Series(slot tq.Slot) int { return $series((*$Local)(s).at(slot)) }`)
	f.declare("", `
func (w *$worker) Series() int { return $series(&w.lease.Payload) }`)
}

// stringList spells a list of strings.
func stringList(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = strconv.Quote(v)
	}

	return "[]string{" + strings.Join(quoted, ", ") + "}"
}
