package diagnostics

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// samples bounds the measurements of one interval that quantiles are of, and
// those that attempts are of.
const samples = 4096

// attemptBounds are the upper bounds of [QueueStats.Attempts].
var attemptBounds = [...]int64{1, 2, 3, 5, 10, 25}

// QueueStats is one queue at one time.
type QueueStats struct {
	Queue      string    `json:"queue"`
	ObservedAt time.Time `json:"observedAt"`

	Pending  int `json:"pending"` // ready and delayed
	Delayed  int `json:"delayed"`
	Active   int `json:"active"`
	Dead     int `json:"dead"`
	Capacity int `json:"capacity"`
	High     int `json:"highWatermark"`
	Low      int `json:"lowWatermark"`

	Paused bool   `json:"paused"` // no tasks are granted
	State  string `json:"state"`  // "open", "drained", "closed", or "deposed" by another owner

	OldestAgeSeconds float64 `json:"oldestAgeSeconds"` // of the task that is ready longest
	// Waits are those from ready to leased since the time before, of at most
	// 4,096 measurements; zero if there were none.
	WaitP50Seconds float64 `json:"waitP50Seconds"`
	WaitP99Seconds float64 `json:"waitP99Seconds"`

	WaitingProducers int `json:"waitingProducers"`
	WaitingConsumers int `json:"waitingConsumers"`

	// Attempts counts the tasks that came to their end since the queue was
	// attached, of at most 4,096 in an interval, by how many attempts it took: 1,
	// 2, 3, up to 5, up to 10, up to 25, more. AttemptsLost is how many others
	// there were.
	Attempts     [7]uint64 `json:"attempts"`
	AttemptsLost uint64    `json:"attemptsLost"`

	Total   Outcomes `json:"total"`     // since the queue was opened
	PerSec  Rates    `json:"perSecond"` // since the time before
	Readers int      `json:"readers"`
	Lag     uint64   `json:"slowestLag"` // events the slowest reader has not read

	Replication []Replication `json:"replication"` // sources and sinks of the queue that are attached
}

// Outcomes count what became of tasks.
type Outcomes struct {
	Enqueued     uint64 `json:"enqueued"`
	Leased       uint64 `json:"leased"`
	Completed    uint64 `json:"completed"`
	Failed       uint64 `json:"failed"`
	Requeued     uint64 `json:"requeued"`
	Expired      uint64 `json:"expired"`
	DeadLettered uint64 `json:"deadLettered"`
	Rejected     uint64 `json:"rejected"` // enqueues refused
}

// Rates are Outcomes by second.
type Rates struct {
	Enqueued     float64 `json:"enqueued"`
	Leased       float64 `json:"leased"`
	Completed    float64 `json:"completed"`
	Failed       float64 `json:"failed"`
	Requeued     float64 `json:"requeued"`
	Expired      float64 `json:"expired"`
	DeadLettered float64 `json:"deadLettered"`
	Rejected     float64 `json:"rejected"`
}

// queue is an attached queue.
type queue struct {
	name   string
	probe  *tq.Probe
	waits  *tq.Meter // of waits alone
	ends   *tq.Meter // of attempts alone
	cancel context.CancelFunc
	done   chan struct{} // closed when dead letters are not followed any more

	mu       sync.Mutex
	samples  []tq.Sample
	latest   QueueStats
	attempts [len(attemptBounds) + 1]uint64
	lost     uint64 // attempts that were not kept
}

// look reads the queue and compares with the last time.
func (q *queue) look(now time.Time) QueueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := q.latest
	s := q.now(now)
	q.count()
	s.Attempts, s.AttemptsLost = q.attempts, q.lost
	q.samples, _ = q.waits.Take(q.samples[:0])
	s.WaitP50Seconds, s.WaitP99Seconds = waits(q.samples)
	if elapsed := now.Sub(before.ObservedAt).Seconds(); !before.ObservedAt.IsZero() && elapsed > 0 {
		s.PerSec = rates(before.Total, s.Total, elapsed)
	}
	q.latest = s

	return s
}

// count takes the attempts of tasks that have come to their end; mu is held.
func (q *queue) count() {
	samples, lost := q.ends.Take(q.samples[:0])
	for _, sample := range samples {
		i, _ := slices.BinarySearch(attemptBounds[:], sample.Value)
		q.attempts[i]++
	}
	q.samples = samples
	q.lost += lost
}

func (q *queue) close() error { return errors.Join(q.waits.Close(), q.ends.Close()) }

// show is the queue now, with rates and waits of the last look.
func (q *queue) show(now time.Time) QueueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.now(now)
	s.WaitP50Seconds, s.WaitP99Seconds, s.PerSec = q.latest.WaitP50Seconds, q.latest.WaitP99Seconds, q.latest.PerSec
	s.Attempts, s.AttemptsLost = q.attempts, q.lost

	return s
}

// now reads the queue.
func (q *queue) now(now time.Time) QueueStats {
	s, o, r := q.probe.Stats(), q.probe.Options(), q.probe.Refusals()

	return QueueStats{
		Queue: q.name, ObservedAt: now,
		Pending: s.Pending(), Delayed: s.Delayed, Active: s.Active(), Dead: s.Dead, Capacity: s.Capacity,
		Paused: s.Paused, State: state(q.probe.Closed()),
		High: o.High, Low: max(o.Low, 0), OldestAgeSeconds: s.OldestReady.Seconds(),
		WaitingProducers: s.WaitingProducers, WaitingConsumers: s.WaitingConsumers,
		Total: Outcomes{
			s.Enqueued, s.Granted, s.Completed, s.Failed, s.Requeued, s.Expired, s.DeadLettered,
			r.Full + r.Closed + r.Drained + r.Deposed + r.Cancelled + r.TimedOut,
		},
		Readers: s.Readers, Lag: uint64(s.SlowestLag), Replication: []Replication{},
	}
}

// state is QueueStats.State.
func state(closed error) string {
	switch {
	case closed == nil:
		return "open"
	case errors.Is(closed, tq.ErrDeposed):
		return "deposed"
	case errors.Is(closed, tq.ErrDrained):
		return "drained"
	default:
		return "closed"
	}
}

func rates(from, to Outcomes, seconds float64) Rates {
	rate := func(from, to uint64) float64 { return float64(to-from) / seconds }

	return Rates{
		rate(from.Enqueued, to.Enqueued), rate(from.Leased, to.Leased), rate(from.Completed, to.Completed),
		rate(from.Failed, to.Failed), rate(from.Requeued, to.Requeued), rate(from.Expired, to.Expired),
		rate(from.DeadLettered, to.DeadLettered), rate(from.Rejected, to.Rejected),
	}
}

// waits are the median and the 99th percentile.
func waits(samples []tq.Sample) (p50, p99 float64) {
	if len(samples) == 0 {
		return 0, 0
	}
	all := make([]int64, len(samples))
	for i, s := range samples {
		all[i] = s.Value
	}
	slices.Sort(all)
	at := func(percent int) float64 {
		return time.Duration(all[min(len(all)*percent/100, len(all)-1)]).Seconds()
	}

	return at(50), at(99)
}

// lastDead is the number of the latest dead letter; of those that are gone where
// there is none.
func (q *queue) lastDead() uint64 {
	refs, err := q.probe.DeadLetters(0, q.probe.Options().Dead)
	if err == nil && len(refs) > 0 {
		return refs[len(refs)-1].Number
	}
	now, cancel := context.WithCancel(context.Background())
	cancel() // it is not to wait
	gone, err := q.probe.NextDead(now, 0)
	if !errors.Is(err, tq.ErrGap) {
		return 0
	}

	return gone.Number
}

// DeadLetter is a dead letter without its payload.
type DeadLetter struct {
	Queue      string    `json:"queue"`
	Number     uint64    `json:"number"` // counts the dead letters of the queue
	Task       string    `json:"task"`
	Attempts   int       `json:"attempts"`
	EnqueuedAt time.Time `json:"enqueuedAt"`
	Owner      string    `json:"owner,omitempty"`
	Code       string    `json:"code"`
	Error      string    `json:"error"`
}

func letter(queue string, ref tq.TaskRef) DeadLetter {
	l := DeadLetter{
		Queue: queue, Number: ref.Number, Task: ref.ID.String(), Attempts: ref.Attempt, EnqueuedAt: ref.EnqueuedAt,
		Owner: ref.Owner,
	}
	if ref.LastError != nil {
		l.Code, l.Error = ref.LastError.Code, ref.LastError.Message
	}

	return l
}
