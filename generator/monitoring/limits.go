package monitoring

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tqgen/tqgen/internal/instrument"
)

// limits are what a queue's alerts compare with. They follow from its lease
// timeout, which says how long a task of it may take.
type limits struct {
	queue string
	age   time.Duration // of the oldest task that is ready
	wait  float64       // seconds; a bound of the histogram of waits
	lag   time.Duration // of a replica
}

// defaultLease is that of a directive without lease=.
const defaultLease = 30 * time.Second

func limitsOf(queue string, lease time.Duration) limits {
	return limits{
		queue: queue,
		age:   min(max(10*lease, time.Minute), time.Hour),
		wait:  bound(instrument.WaitDuration, lease.Seconds()),
		lag:   min(max(lease/3, time.Second), 10*time.Second),
	}
}

// bound is the highest bound of a histogram that does not exceed v, or else the
// lowest one.
func bound(of instrument.Name, v float64) float64 {
	i := slices.IndexFunc(instrument.Table, func(s instrument.Spec) bool { return s.Name == of })
	bounds := instrument.Table[i].Bounds
	for _, b := range slices.Backward(bounds) {
		if b <= v {
			return b
		}
	}

	return bounds[0]
}

// others are the limits of queues that no directive tells of.
func (s *sheets) others() limits { return limitsOf("", defaultLease) }

// le selects a bucket. Prometheus 3 spells whole bounds with a fraction.
func le(bound float64) string {
	text := number(bound)
	if strings.Contains(text, ".") {
		return `le="` + text + `"`
	}

	return `le=~"` + text + `|` + text + `\\.0"`
}

// named selects queues by name.
func named(queues ...string) string {
	quoted := make([]string, len(queues))
	for i, n := range queues {
		quoted[i] = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(regexp.QuoteMeta(n))
	}

	return `<name>=~"` + strings.Join(quoted, "|") + `"`
}
