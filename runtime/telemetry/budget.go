package telemetry

import (
	"context"
	"sync"
	"time"
)

// DefaultBudget is how many spans are started in a second unless told otherwise.
const DefaultBudget = 250

// Budget bounds how many spans begin within any second, wherever that second
// starts: not so many on average, never more. Its methods are safe for
// concurrent use.
type Budget struct {
	mu    sync.Mutex
	limit int
	from  time.Time     // what times are counted from
	now   time.Duration // the latest time there was; time does not go back
	spent []time.Duration
	head  int // of the spent within the last second, the oldest
	n     int
}

// NewBudget gives a budget of perSecond spans; 0 or less is none at all.
func NewBudget(perSecond int) *Budget { return &Budget{limit: perSecond} }

// Set changes the budget from now on. What was spent before counts.
func (b *Budget) Set(perSecond int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit = perSecond
}

// Allow spends one span of the second that ends now, if there is one left. A
// time before that of an earlier call counts as that one.
func (b *Budget) Allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.spend(now)
}

// allowNow is Allow of the present, which it reads under the lock, so that
// times do not overtake each other.
func (b *Budget) allowNow() (now time.Time, allowed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now = time.Now()

	return now, b.spend(now)
}

// spend needs mu.
func (b *Budget) spend(now time.Time) bool {
	if b.from.IsZero() {
		b.from = now
	}
	b.now = max(b.now, now.Sub(b.from))
	for b.n > 0 && b.now-b.spent[b.head] >= time.Second {
		b.head = (b.head + 1) % len(b.spent)
		b.n--
	}
	if b.n >= b.limit {
		return false
	}
	if b.n == len(b.spent) {
		b.grow()
	}
	b.spent[(b.head+b.n)%len(b.spent)] = b.now
	b.n++

	return true
}

// paidKey is for the contexts that providers are shown, and no others, of spans
// that a budget was asked for. The value is that budget.
type paidKey struct{}

// Paid is for samplers: whether the span that is to begin in ctx is one for
// which this budget was asked already.
func (b *Budget) Paid(ctx context.Context) bool { return ctx.Value(paidKey{}) == b }

// grow makes room, the oldest first. It needs mu.
func (b *Budget) grow() {
	bigger := make([]time.Duration, max(16, 2*len(b.spent)))
	n := copy(bigger, b.spent[b.head:])
	copy(bigger[n:], b.spent[:b.head])
	b.spent, b.head = bigger, 0
}
