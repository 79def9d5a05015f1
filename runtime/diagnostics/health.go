package diagnostics

import (
	"fmt"
	"net/http"
	"slices"
)

// Health is how the attached queues are.
type Health struct {
	Status string        `json:"status"` // that of the worst: "healthy", "degraded" or "unhealthy"
	Queues []QueueHealth `json:"queues"`
}

// QueueHealth is how one queue is.
type QueueHealth struct {
	Queue   string   `json:"queue"`
	Status  string   `json:"status"`
	Pending int      `json:"pending"`
	Active  int      `json:"active"`
	Reasons []string `json:"reasons,omitempty"`
}

// levels are the values of Status, by badness.
var levels = [...]string{"healthy", "degraded", "unhealthy"}

// Health holds every queue to the thresholds.
func (h *Host) Health() Health {
	h.mu.Lock()
	queues := slices.Clone(h.queues)
	h.mu.Unlock()
	worst, all := 0, Health{Queues: []QueueHealth{}}
	t := h.o.Thresholds
	for _, q := range queues {
		s := q.probe.Stats()
		one := QueueHealth{Queue: q.name, Pending: s.Pending(), Active: s.Active()}
		level := max(
			one.hold("pending", s.Pending(), t.PendingDegraded, t.PendingUnhealthy),
			one.hold("active", s.Active(), t.ActiveDegraded, t.ActiveUnhealthy),
		)
		one.Status = levels[level]
		worst = max(worst, level)
		all.Queues = append(all.Queues, one)
	}
	all.Status = levels[worst]

	return all
}

func (q *QueueHealth) hold(what string, n, degraded, unhealthy int) int {
	switch {
	case n >= unhealthy:
		q.Reasons = append(q.Reasons, fmt.Sprintf("%d %s, unhealthy from %d", n, what, unhealthy))
		return 2
	case n >= degraded:
		q.Reasons = append(q.Reasons, fmt.Sprintf("%d %s, degraded from %d", n, what, degraded))
		return 1
	default:
		return 0
	}
}

// ready is 503 while a queue is unhealthy. Who may not read gets the status alone,
// for probes cannot sign in.
func (h *Host) ready(w http.ResponseWriter, r *http.Request) {
	health, status := h.Health(), http.StatusOK
	if health.Status == "unhealthy" {
		status = http.StatusServiceUnavailable
	}
	if h.o.Authorize != nil && h.o.Authorize(r, Read) != nil {
		health.Queues = []QueueHealth{}
	}
	replyStatus(w, status, health)
}
