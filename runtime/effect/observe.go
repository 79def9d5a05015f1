package effect

import (
	"context"
	"time"
)

// Outcome is how one call for an effect came out.
type Outcome string

// Outcomes.
const (
	OutcomeCompleted Outcome = "completed" // it ran, and success is recorded
	OutcomeFailed    Outcome = "failed"    // it ran, and a final failure is recorded
	OutcomeReplayed  Outcome = "replayed"  // what was recorded before, or by a concurrent call, is returned
	OutcomeRetry     Outcome = "retry"     // it ran and failed or panicked; nothing is recorded, the next call runs it
	OutcomeUncertain Outcome = "uncertain" // it ran, and what is recorded is not known
	OutcomeRefused   Outcome = "refused"   // it did not run: the store, its record, the scope or the context refused
)

// Outcomes are all there are.
func Outcomes() []Outcome {
	return []Outcome{
		OutcomeCompleted, OutcomeFailed, OutcomeReplayed, OutcomeRetry, OutcomeUncertain, OutcomeRefused,
	}
}

// Observation is one call for an effect, for [Options.Observe].
type Observation struct {
	Scope   Scope
	Outcome Outcome
	Took    time.Duration // the whole call, waiting for others included; by Options.Now
}

// observed is Capture with somebody to tell.
func (r *Recorder) observed(
	ctx context.Context, s Scope, schema string, do func(context.Context, Call) ([]byte, error),
) ([]byte, error) {
	begun := r.o.Now()
	o := Observation{Scope: s, Outcome: OutcomeRetry} // if do panics
	defer func() {
		o.Took = r.o.Now().Sub(begun)
		r.tell(o)
	}()
	value, outcome, err := r.capture(ctx, s, schema, do)
	o.Outcome = outcome

	return value, err
}

// tell calls Observe. If that panics it is not the effect that has failed.
func (r *Recorder) tell(o Observation) {
	defer func() { _ = recover() }()
	r.o.Observe(o)
}

// ended is the outcome of an effect that has run, by what its caller is given.
func ended(err error) Outcome {
	switch {
	case err == nil:
		return OutcomeCompleted
	case isFailure(err):
		return OutcomeFailed
	default:
		return OutcomeUncertain
	}
}

// replayed is the outcome where a record was found, or could not be looked up.
func replayed(err error) Outcome {
	if err == nil || isFailure(err) {
		return OutcomeReplayed
	}

	return OutcomeRefused
}

// isFailure reports whether err is a recorded failure itself, not one that
// wraps another effect's.
func isFailure(err error) bool {
	_, ok := err.(*Failure)

	return ok
}
