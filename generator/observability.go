package generator

import (
	"context"
	"fmt"
	"go/token"
	"path/filepath"
	"time"

	"github.com/tqgen/tqgen/generator/diag"
	"github.com/tqgen/tqgen/generator/model"
	"github.com/tqgen/tqgen/generator/monitoring"
	"github.com/tqgen/tqgen/generator/record"
)

// Sheets says what Observability makes.
type Sheets struct {
	Out   string // folder, relative to the working folder
	Drill int    // divides the rules' windows and holds; 0 and 1 leave them
}

// Observability renders the dashboard, the alerts and the alerts' tests for the
// queues that the patterns name, all below the working folder if there are
// none, and compares them with the disk. The errors are those of Generate;
// Records are not used.
func Observability(ctx context.Context, c Config, s Sheets) (*Result, error) {
	if len(c.Patterns) == 0 {
		c.Patterns = []string{"./..."}
	}
	r := &run{Config: c, record: record.Open("")}
	r.disk = r.record.Disk()
	r.Records = ""
	stages := []struct {
		name string
		do   func(context.Context) error
	}{
		{"list", r.list},
		{"load", r.load},
		{"plan", r.plan},
		{"render", func(context.Context) error { return r.sheets(s) }},
	}
	for _, stage := range stages {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := stage.do(ctx); err != nil {
			return nil, err
		}
		r.result.Stages = append(r.result.Stages, Stage{stage.name, time.Since(start), ""})
	}

	return &r.result, nil
}

// sheets renders them and compares them with the disk.
func (r *run) sheets(s Sheets) error {
	queues, err := r.watched()
	if err != nil {
		return err
	}
	files, err := monitoring.Render(queues, monitoring.Options{Drill: s.Drill})
	if err != nil {
		return &Bug{Doing: "render dashboards and alerts", What: err}
	}
	out := s.Out
	if !filepath.IsAbs(out) {
		out = filepath.Join(r.Dir, out)
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	r.result.folders = []string{out}
	for _, f := range files {
		if err := r.add(File{Path: filepath.Join(out, f.Name), Body: f.Body, sheet: true}); err != nil {
			return err
		}
	}

	return nil
}

// watched are the queues of the run. Metrics tell them apart by name alone.
func (r *run) watched() ([]*model.Queue, error) {
	var queues []*model.Queue
	var list diag.List
	byName := map[string]*model.Queue{}
	for _, q := range r.result.Queues {
		if q.CodecOnly {
			continue
		}
		if other := byName[q.Name]; other != nil {
			list.Addf(r.prog.Position(r.target(q).Object.Pos()), "TQ416",
				"%s and %s are queues of one name, %q, which is all that metrics know of them", other.Source, q.Source, q.Name).
				Helpf("give one of them another name=, or name the packages of one service: tqgen observability ./orders/...")

			continue
		}
		byName[q.Name] = q
		queues = append(queues, q)
	}
	if len(queues) == 0 && len(list) == 0 {
		list.Addf(token.Position{Filename: r.name(r.workingFolder())}, "TQ417", "no queue to watch in %s", patterns(r.Patterns)).
			Helpf("name the packages of annotated structs, or ./... for all below this folder")
	}

	return queues, list.Err()
}

func (r *run) workingFolder() string {
	dir, err := filepath.Abs(r.Dir)
	if err != nil {
		return r.Dir
	}

	return dir
}

// patterns names packages as they were given.
func patterns(list []string) string {
	if len(list) == 1 {
		return list[0]
	}

	return fmt.Sprint(list)
}

// sheetFindings is findings for dashboards and alerts.
var sheetFindings = map[Class]finding{
	New:     {"TQ411", "missing", "run tqgen observability"},
	Stale:   {"TQ412", "stale: the directive of a queue or tqgen changed since", "run tqgen observability"},
	Damaged: {"TQ413", "damaged: not the file that was generated", "run tqgen observability"},
}
