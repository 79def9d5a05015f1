package backpressure

import "time"

// Report is how the two sources of a [Canary] compare since shadow began. Its
// counts and sums only grow until the next shadow begins.
type Report struct {
	Mode     string  `json:"mode"`
	Selected string  `json:"selected"`
	Seconds  float64 `json:"seconds"` // since shadow began

	// Disagreements is how often one said what the other did not, if only until
	// it followed; DisagreementSeconds is for how long, by the times of their
	// signals.
	Disagreements       uint64  `json:"disagreements"`
	DisagreementSeconds float64 `json:"disagreementSeconds"`
	// Skew is how much later the new one made the same change, in seconds;
	// below zero where it was earlier.
	Skew Distribution `json:"skewSeconds"`

	Old SideReport `json:"old"`
	New SideReport `json:"new"`
}

// SideReport is one source of a [Canary].
type SideReport struct {
	Active      bool   `json:"isActive"` // as told last
	Transitions uint64 `json:"transitions"`
	// Unmatched is how many of them were taken back before the other source had
	// followed.
	Unmatched uint64 `json:"unmatched"`
	// Latency is how long signals took to arrive, in seconds.
	Latency Distribution `json:"latencySeconds"`
	// What it cost, where the source has a method Cost() [Cost]; else zero.
	Evaluations          uint64  `json:"evaluations"`
	EvaluationsPerSecond float64 `json:"evaluationsPerSecond"`
	BusySeconds          float64 `json:"busySeconds"`
}

// Distribution sums up durations, in seconds.
type Distribution struct {
	Count uint64  `json:"count"`
	Sum   float64 `json:"sum"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
}

// Mean is 0 if there is nothing.
func (d Distribution) Mean() float64 { return d.Sum / float64(max(d.Count, 1)) }

func (d *Distribution) add(duration time.Duration) {
	seconds := duration.Seconds()
	if d.Count == 0 {
		d.Min, d.Max = seconds, seconds
	}
	d.Count++
	d.Sum += seconds
	d.Min, d.Max = min(d.Min, seconds), max(d.Max, seconds)
}

// Report is the comparison so far. In mode Off it is that of the old source
// alone.
func (c *Canary) Report() Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	d := &c.compared
	r := Report{
		Mode: c.mode.String(), Selected: c.picked.String(),
		Disagreements: d.times, DisagreementSeconds: d.duration.Seconds(), Skew: d.skew,
	}
	if !d.since.IsZero() {
		r.Seconds = now.Sub(d.since).Seconds()
	}
	if d.apart && c.mode == Shadow {
		r.DisagreementSeconds += now.Sub(d.apartAt).Seconds()
	}
	r.Old = c.sides[PickOld].report(r.Seconds)
	if s := c.sides[PickNew]; s != nil {
		r.New = s.report(r.Seconds)
	}

	return r
}

func (s *side) report(seconds float64) SideReport {
	cost := costOf(s.source)
	cost.Evaluations -= s.costBefore.Evaluations
	cost.Busy -= s.costBefore.Busy
	r := SideReport{
		Active: s.last.Active, Transitions: s.transitions, Unmatched: s.unmatched, Latency: s.latency,
		Evaluations: cost.Evaluations, BusySeconds: cost.Busy.Seconds(),
	}
	if seconds > 0 {
		r.EvaluationsPerSecond = float64(cost.Evaluations) / seconds
	}

	return r
}

// costOf is what a source says it has cost.
func costOf(s Source) Cost {
	if c, ok := s.(interface{ Cost() Cost }); ok {
		return c.Cost()
	}

	return Cost{}
}
