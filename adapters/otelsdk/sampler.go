// Package otelsdk is for services that have the OpenTelemetry SDK: a sampler
// that shares a budget of spans with queues. It is in a module of its own so
// that others do not inherit the SDK.
package otelsdk

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/tqgen/tqgen/runtime/telemetry"
)

// Sampler is another sampler whose traces can be limited while the service
// runs. Its methods are safe for concurrent use.
//
// While a limit is on, a span with a parent is sampled if that is, from this
// process or another. A span without is sampled if the other sampler says so
// and the budget has one left; one of a queue that has asked the same budget is
// not counted twice. While no limit is on, the other sampler decides alone.
type Sampler struct {
	base   sdk.Sampler
	mu     sync.Mutex
	limits []*Limit              // the last one counts
	last   atomic.Pointer[Limit] // that one; nil if there is none
}

// NewSampler makes a sampler of base, with no limit yet. A nil base is
// sdk.ParentBased(sdk.AlwaysSample()).
func NewSampler(base sdk.Sampler) *Sampler {
	if base == nil {
		base = sdk.ParentBased(sdk.AlwaysSample())
	}

	return &Sampler{base: base}
}

// Limit is one limit of a sampler.
type Limit struct {
	sampler *Sampler
	budget  *telemetry.Budget
}

// Limit puts a limit on until it is closed. Of several the last one counts.
func (s *Sampler) Limit(b *telemetry.Budget) *Limit {
	l := &Limit{s, b}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = append(s.limits, l)
	s.last.Store(l)

	return l
}

// Close takes the limit off: what was there before counts again. Closing twice
// is no error; nor is closing in another order than that of opening.
func (l *Limit) Close() error {
	s := l.sampler
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = slices.DeleteFunc(s.limits, func(other *Limit) bool { return other == l })
	var last *Limit
	if n := len(s.limits); n > 0 {
		last = s.limits[n-1]
	}
	s.last.Store(last)

	return nil
}

// ShouldSample is the SDK's question.
func (s *Sampler) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	limit := s.last.Load()
	if limit == nil {
		return s.base.ShouldSample(p)
	}
	if parent := trace.SpanContextFromContext(p.ParentContext); parent.IsValid() {
		decision := sdk.Drop
		if parent.IsSampled() {
			decision = sdk.RecordAndSample
		}

		return sdk.SamplingResult{Decision: decision, Tracestate: parent.TraceState()}
	}
	result := s.base.ShouldSample(p)
	if result.Decision == sdk.RecordAndSample && !limit.budget.Paid(p.ParentContext) && !limit.budget.Allow(time.Now()) {
		result.Decision = sdk.Drop
	}

	return result
}

// Description names the sampler and the other one.
func (s *Sampler) Description() string { return "TaskQueueBudget{" + s.base.Description() + "}" }
