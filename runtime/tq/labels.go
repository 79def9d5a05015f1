package tq

import "context"

// Metrics is what telemetry may know of the payloads of a queue: names and sets
// that are closed when the queue is generated.
type Metrics struct {
	Queue   string   // the queue's name; the directive's, unless somebody sets another
	Labels  Labels   // in the order of the payload's fields
	Effects []string // names of the directives' effects
}

// Label is a field of a payload by which measurements may be told apart.
type Label struct {
	Name   string   // of the field, in snake case
	Values []string // those with a name of their own; all else is [OtherValue]
}

// OtherValue is what every value is called that a [Label] does not list.
const OtherValue = "other"

// Labels are those of one payload. Each combination of their values is a
// series; they are numbered from 0, the last label's values first. Without
// labels there is one series.
type Labels []Label

// Series is how many there are.
func (l Labels) Series() int {
	n := 1
	for i := range l {
		n *= len(l[i].Values) + 1
	}

	return n
}

// Value is what the label at index i is in a series.
func (l Labels) Value(i, series int) string {
	for _, later := range l[i+1:] {
		series /= len(later.Values) + 1
	}
	if at := series % (len(l[i].Values) + 1); at < len(l[i].Values) {
		return l[i].Values[at]
	}

	return OtherValue
}

// Labelled is a [Store] whose payloads have labels. Series is called as Size is.
type Labelled interface {
	Labels() Labels
	Series(Slot) int // of the payload at the slot
}

// LabelledWorker is a [Worker] of payloads with labels. Series is called as Lease
// is.
type LabelledWorker interface {
	Worker
	Series() int // of the payload of the present lease
}

// Instrument takes measurements by series. Telemetry makes those that generated
// code gives a typed face. It is safe for concurrent use.
type Instrument interface {
	Record(ctx context.Context, series int, value float64)
}

// Labels are those of the queue's payloads; empty if they have none.
func (p *Probe) Labels() Labels {
	if labelled := p.core.labelled; labelled != nil {
		return labelled.Labels()
	}

	return nil
}

// series is that of the task at i; 0 for no slot, and where there are no labels.
func (c *core) series(i Slot) uint16 {
	if c.labelled == nil || i < 0 {
		return 0
	}

	return uint16(c.labelled.Series(i))
}
