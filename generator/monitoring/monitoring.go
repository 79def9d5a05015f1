// Package monitoring makes what Grafana and Prometheus need to watch queues: a
// dashboard, alerts, and the alerts' own tests. Every metric in it is a row of
// the table in internal/instrument, spelled as Prometheus exposes it.
//
// It is written by hand, without a library for YAML or for dashboards: what is
// emitted has few shapes, and the tool's users inherit what it requires.
package monitoring

import (
	"time"

	"github.com/tqgen/tqgen/generator/model"
)

// Options says how the sheets are made. The zero value is for production.
type Options struct {
	// Drill divides the windows and holds of all rules, so that an alert can be
	// seen within seconds; 0 and 1 leave them.
	Drill int
}

// File is one sheet.
type File struct {
	Name string
	Body []byte
}

// The names of the sheets.
const (
	Dashboard = "dashboard.json"
	Rules     = "rules.yaml"
	RuleTests = "rules_test.yaml"
)

// Render makes the sheets for queues, whose names differ. What they say of
// queues of other names is made from the defaults of the directive.
func Render(queues []*model.Queue, o Options) ([]File, error) {
	known := make([]limits, len(queues))
	for i, q := range queues {
		known[i] = limitsOf(q.Name, q.Policy.Lease)
	}
	s := sheets{known: known, drill: max(o.Drill, 1)}
	board, err := s.dashboard()
	if err != nil {
		return nil, err
	}

	return []File{
		{Dashboard, seal(board)},
		{Rules, seal(s.rules())},
		{RuleTests, seal(s.ruleTests())},
	}, nil
}

// sheets is the state of one Render.
type sheets struct {
	known []limits
	drill int
}

// span is a window or hold of a rule as the sheets spell it.
func (s *sheets) span(d time.Duration) string {
	return promDuration(d / time.Duration(s.drill))
}
