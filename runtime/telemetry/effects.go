package telemetry

import (
	"context"
	"slices"

	"github.com/tqgen/tqgen/internal/instrument"
	"github.com/tqgen/tqgen/runtime/effect"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Effects gives what an [effect.Recorder] is to tell of its effects: it is for
// effect.Options.Observe. It counts them and records how long they took, by
// their outcome and name, until Close. Names are those of m; all others are
// [tq.OtherValue]. With no provider it is nil, and a recorder tells nobody.
func (r *Registration) Effects(m tq.Metrics) func(effect.Observation) {
	if r.meter == nil {
		return nil
	}
	e := &effects{r: r, names: m.Effects, outcomes: effect.Outcomes()}
	kv := r.config.set(m.Queue, "")
	for i := range len(m.Effects) + 1 {
		name := tq.OtherValue
		if i < len(m.Effects) {
			name = m.Effects[i]
		}
		for _, o := range e.outcomes {
			e.labels = append(e.labels, newLabels(kv, keyEffect.String(name), keyOutcome.String(string(o))))
		}
	}

	return e.observe
}

// effects are those of one recorder.
type effects struct {
	r        *Registration
	names    []string
	outcomes []effect.Outcome
	labels   []labels // by name, then by outcome
}

func (e *effects) observe(o effect.Observation) {
	if e.r.over.Load() || !e.r.on(Throughput) {
		return
	}
	name, outcome := slices.Index(e.names, o.Scope.Effect), slices.Index(e.outcomes, o.Outcome)
	if name < 0 {
		name = len(e.names)
	}
	l := &e.labels[name*len(e.outcomes)+max(outcome, 0)]
	e.r.effects.Add(context.Background(), 1, l.add...)
	e.r.recordDuration(instrument.EffectDuration, int64(o.Took), 1e9, l)
}
