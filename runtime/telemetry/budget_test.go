package telemetry

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Within any second there are no more spans than the budget allows, as it is
// set and changed; and as many as that, if so many are asked for. Invariant 40.
func TestInvariant40BudgetOverAnySecond(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 40))
			limit := random.IntN(60)
			b, now := NewBudget(limit), time.Unix(1e9, 0)
			pace := time.Duration(1 + random.IntN(100e6))
			latest := now
			var spent []time.Time
			for i := range 3000 {
				now = now.Add(time.Duration(random.Int64N(int64(pace))))
				switch random.IntN(300) {
				case 0:
					limit = random.IntN(60) - 2
					b.Set(limit)
				case 1:
					now = now.Add(time.Duration(random.Int64N(2e9)))
				}
				asked := now
				if random.IntN(10) == 0 { // another goroutine read the clock before
					asked = now.Add(-time.Duration(random.Int64N(1e6)))
				}
				if asked.After(latest) {
					latest = asked
				}
				spent = slices.DeleteFunc(spent, func(s time.Time) bool { return latest.Sub(s) >= time.Second })
				within := len(spent)
				switch allowed := b.Allow(asked); {
				case allowed && within >= limit:
					t.Fatalf("call %d: %d spans within a second, the budget is %d", i, within+1, limit)
				case !allowed && within < limit:
					t.Fatalf("call %d: refused after %d spans within a second, the budget is %d", i, within, limit)
				case allowed:
					spent = append(spent, latest)
				}
			}
		})
	}
}
