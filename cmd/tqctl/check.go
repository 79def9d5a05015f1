package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tqgen/tqgen/runtime/diagnostics"
)

// share is a number, or a part of the capacity.
type share struct {
	n       uint64
	percent bool
	set     bool
}

// Set reads N or N%.
func (s *share) Set(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return errors.New("want a number such as 500, or a part of the capacity such as 80%")
	}
	*s = share{n, percent, true}

	return nil
}

func (s *share) String() string {
	switch {
	case !s.set:
		return ""
	case s.percent:
		return fmt.Sprintf("%d%%", s.n)
	default:
		return strconv.FormatUint(s.n, 10)
	}
}

// Type is the name of the value in the help.
func (s *share) Type() string { return "N|N%" }

// of is the limit for a queue of that capacity.
func (s *share) of(capacity int) float64 {
	if s.percent {
		return float64(s.n) * float64(capacity) / 100
	}

	return float64(s.n)
}

// checking are the flags of check.
type checking struct {
	connection *connection
	s          surroundings
	queues     []string
	json       bool

	oldest, wait    time.Duration
	behindFor       time.Duration
	pending, active share
	dead, lag       uint64
	healthy, calm   bool
	going           bool

	given func(flag string) bool
}

func newCheck(c *connection, s surroundings) *cobra.Command {
	k := &checking{connection: c, s: s}
	command := &cobra.Command{
		Use:   "check",
		Short: "hold queues to limits, for probes and scripts",
		Long: `Hold queues to limits, for probes and scripts.

Each queue named by --queue, or each there is, is held to each limit given. The
exit status is 0 if all hold, 1 if one is exceeded, and 2 if that cannot be told:
there is no answer, no such queue, or no limit.`,
		Example: `  tqctl check --queue resource-lease --max-oldest-age 30s
  tqctl check --max-pending 80% --max-dead 0 --no-backpressure --json`,
		Args: cobra.NoArgs,
		RunE: k.run,

		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := command.Flags()
	f.SortFlags = false
	f.StringSliceVar(&k.queues, "queue", nil, "`name` of a queue to check; repeatable; all if not given")
	f.DurationVar(&k.oldest, "max-oldest-age", 0, "how long the oldest task may have been ready")
	f.DurationVar(&k.wait, "max-wait-p99", 0, "how long tasks may have waited of late, but for one in a hundred")
	f.Var(&k.pending, "max-pending", "how many tasks may be pending")
	f.Var(&k.active, "max-active", "how many tasks may be leased")
	f.Uint64Var(&k.dead, "max-dead", 0, "how many dead letters there may be")
	f.Uint64Var(&k.lag, "max-lag", 0, "how many events readers, sources and sinks may be behind")
	f.DurationVar(&k.behindFor, "max-lag-time", 0, "how old the last event of a peer may have been when a sink applied it")
	f.BoolVar(&k.calm, "no-backpressure", false, "no monitor of the queue may say that it is under backpressure")
	f.BoolVar(&k.going, "not-paused", false, "the queue must grant tasks")
	f.BoolVar(&k.healthy, "healthy", false, "the host must call the queue healthy, by its thresholds")
	f.BoolVar(&k.json, "json", false, "print one JSON object, for programs")

	return command
}

// complete has shells complete the values of a flag.
func complete(c *cobra.Command, flag string, values ...string) {
	// The error is a flag that is not there: the tests would show that.
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// finding is one queue held to one limit.
type finding struct {
	Queue string  `json:"queue"`
	Limit string  `json:"limit"` // the flag
	OK    bool    `json:"ok"`
	Value float64 `json:"value"`
	Max   float64 `json:"max"`
	// Unit is "s", "{task}", "{event}", "{monitor}", "{queue}", or "{level}": 0 is healthy, 1
	// degraded, 2 unhealthy.
	Unit string `json:"unit"`

	text string
}

// report is the JSON of a check.
type report struct {
	OK         bool      `json:"ok"`
	URL        string    `json:"url"`
	ObservedAt time.Time `json:"observedAt"`
	Checks     []finding `json:"checks"`
}

func (k *checking) run(command *cobra.Command, _ []string) error {
	k.given = command.Flags().Changed
	if err := k.check(); err != nil {
		return err
	}
	h, err := k.connection.open()
	if err != nil {
		return err
	}
	_, s, err := h.snapshot(command.Context())
	if err != nil {
		return err
	}
	r := report{OK: true, URL: h.name(), ObservedAt: s.ObservedAt, Checks: []finding{}}
	queues, err := choose(h, s, k.queues)
	if err != nil {
		return err
	}
	for i := range queues {
		found, err := k.hold(&queues[i], s)
		if err != nil {
			return &failure{fmt.Errorf("%s: %w", h.name(), err), ""}
		}
		r.Checks = append(r.Checks, found...)
	}
	r.OK = !slices.ContainsFunc(r.Checks, func(f finding) bool { return !f.OK })
	if err := r.print(k.s.stdout, k.json); err != nil {
		return &failure{fmt.Errorf("standard output: %w", err), ""}
	}
	if !r.OK {
		return errViolated
	}

	return nil
}

func (k *checking) check() error {
	limits := []string{"max-oldest-age", "max-wait-p99", "max-pending", "max-active", "max-dead", "max-lag", "max-lag-time"}
	switch {
	case !slices.ContainsFunc(limits, k.given) && !k.calm && !k.going && !k.healthy:
		return errors.New("check: no limit is given, such as --max-oldest-age 30s or --healthy")
	case k.oldest < 0 || k.wait < 0 || k.behindFor < 0:
		return errors.New("--max-oldest-age, --max-wait-p99 and --max-lag-time are not below zero")
	}

	return nil
}

// snapshot is what there is now, as it came and as it is understood.
func (h *host) snapshot(ctx context.Context) ([]byte, diagnostics.Snapshot, error) {
	text, err := h.get(ctx, "/snapshot", nil)
	if err != nil {
		return nil, diagnostics.Snapshot{}, err
	}
	s, err := parse[diagnostics.Snapshot](text)
	if err == nil && s.Queues == nil {
		err = errors.New("it has no queues")
	}
	if err != nil {
		return nil, s, &failure{
			fmt.Errorf("%s/snapshot: not as a diagnostics host answers: %w", h.name(), err), "--url says where the host is",
		}
	}

	return text, s, nil
}

// subject is a queue that is held to limits.
type subject struct {
	name        string
	stats       *diagnostics.QueueStats // nil if only its sources and sinks are attached
	replication []diagnostics.Replication
}

// subjects are all queues in a snapshot, those that are attached first.
func subjects(s diagnostics.Snapshot) []subject {
	var all []subject
	for i := range s.Queues {
		q := &s.Queues[i]
		all = append(all, subject{q.Queue, q, replicationOf(s, q.Queue)})
	}
	for _, r := range s.Replication {
		if !slices.ContainsFunc(all, func(o subject) bool { return o.name == r.Queue }) && r.Queue != "" {
			all = append(all, subject{r.Queue, nil, replicationOf(s, r.Queue)})
		}
	}

	return all
}

// choose are the queues of those names, in that order; all if there are none.
func choose(h *host, s diagnostics.Snapshot, names []string) ([]subject, error) {
	there := subjects(s)
	if len(there) == 0 {
		return nil, &failure{
			fmt.Errorf("%s: no queue is attached to the host", h.name()), "Host.AttachQueue attaches one",
		}
	}
	if len(names) == 0 {
		return there, nil
	}
	var known []string
	for _, q := range there {
		known = append(known, q.name)
	}
	var chosen []subject
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 {
			return nil, &failure{
				fmt.Errorf("%s: no queue is named %q", h.name(), name), "there are " + strings.Join(known, ", "),
			}
		}
		chosen = append(chosen, there[i])
	}

	return chosen, nil
}

// hold is a queue held to all limits given. The error says that one has nothing
// to look at.
func (k *checking) hold(q *subject, s diagnostics.Snapshot) ([]finding, error) {
	var all []finding
	limit := func(flag, what string, value, most float64, unit string, show func(float64) string) {
		if !k.given(flag) {
			return
		}
		text := fmt.Sprintf("%s %s, at most %s", what, show(value), show(most))
		all = append(all, finding{q.name, flag, value <= most, value, most, unit, text})
	}
	number := func(f float64) string { return count(uint64(f)) }
	if err := k.visible(q); err != nil {
		return nil, err
	}
	if stats := q.stats; stats != nil {
		limit("max-oldest-age", "oldest ready for", stats.OldestAgeSeconds, k.oldest.Seconds(), "s", seconds)
		limit("max-wait-p99", "p99 of waits", stats.WaitP99Seconds, k.wait.Seconds(), "s", seconds)
		limit("max-pending", "pending", float64(stats.Pending), k.pending.of(stats.Capacity), "{task}", number)
		limit("max-active", "active", float64(stats.Active), k.active.of(stats.Capacity), "{task}", number)
		limit("max-dead", "dead", float64(stats.Dead), float64(k.dead), "{task}", number)
	}
	events, age := q.lag()
	limit("max-lag", "events behind:", float64(events), float64(k.lag), "{event}", number)
	limit("max-lag-time", "behind by", age, k.behindFor.Seconds(), "s", seconds)
	if k.going {
		all = append(all, holdGoing(q))
	}
	if k.calm {
		f, err := holdCalm(q.name, s)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	if k.healthy {
		f, err := holdHealthy(q.name, s)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}

	return all, nil
}

// lag is how far behind the slowest is that follows the queue.
func (q *subject) lag() (events uint64, seconds float64) {
	if q.stats != nil {
		events = q.stats.Lag
	}
	for _, r := range q.replication {
		events = max(events, r.Behind)
		for _, p := range r.Peers {
			if r.Role == diagnostics.RoleSink {
				seconds = max(seconds, p.LagSeconds)
			}
		}
	}

	return events, seconds
}

// visible says whether the limits given have something to look at.
func (k *checking) visible(q *subject) error {
	nothing := func(flag, what string) error {
		return fmt.Errorf("%s: %s: --%s has nothing to look at", q.name, what, flag)
	}
	if q.stats == nil {
		for _, flag := range []string{"max-oldest-age", "max-wait-p99", "max-pending", "max-active", "max-dead", "not-paused"} {
			if k.given(flag) {
				return nothing(flag, "only sources and sinks are attached, not the queue")
			}
		}
	}
	sinks := slices.ContainsFunc(q.replication, func(r diagnostics.Replication) bool {
		return r.Role == diagnostics.RoleSink
	})
	switch {
	case k.given("max-lag") && len(q.replication) == 0 && (q.stats == nil || q.stats.Readers == 0):
		return nothing("max-lag", "nobody reads its events")
	case k.given("max-lag-time") && !sinks:
		return nothing("max-lag-time", "no sink is attached")
	default:
		return nil
	}
}

func holdGoing(q *subject) finding {
	if q.stats.Paused {
		return finding{q.name, "not-paused", false, 1, 0, "{queue}", "paused"}
	}

	return finding{q.name, "not-paused", true, 0, 0, "{queue}", "not paused"}
}

func holdCalm(queue string, s diagnostics.Snapshot) (finding, error) {
	monitors, active := 0, 0
	for _, m := range s.Backpressure {
		if m.Queue != queue {
			continue
		}
		monitors++
		if m.Active {
			active++
		}
	}
	if monitors == 0 {
		return finding{}, fmt.Errorf("%s: no monitor is attached: --no-backpressure has nothing to look at", queue)
	}
	text := "not under backpressure"
	if active > 0 {
		text = "under backpressure"
	}

	return finding{queue, "no-backpressure", active == 0, float64(active), 0, "{monitor}", text}, nil
}

func holdHealthy(queue string, s diagnostics.Snapshot) (finding, error) {
	for _, h := range s.Health.Queues {
		if h.Queue != queue {
			continue
		}
		level := slices.Index([]string{"healthy", "degraded", "unhealthy"}, h.Status)
		if level < 0 {
			return finding{}, fmt.Errorf("the health of %s is %q, which tqctl does not know", queue, h.Status)
		}
		text := h.Status
		if len(h.Reasons) > 0 {
			text += ": " + strings.Join(h.Reasons, "; ")
		}

		return finding{queue, "healthy", level == 0, float64(level), 0, "{level}", text}, nil
	}

	return finding{}, fmt.Errorf("the host does not tell the health of %s", queue)
}

// print writes the report.
func (r *report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		text, err := appendJSON(nil, r)
		if err != nil {
			return err
		}
		_, err = w.Write(text)

		return err
	}
	t := table{columns: []column{{}, {}, {}}}
	for _, f := range r.Checks {
		verdict := "ok"
		if !f.OK {
			verdict = "exceeded"
		}
		t.rows = append(t.rows, row{cells: []cell{{text: verdict}, {text: clean(f.Queue)}, {text: clean(f.text)}}})
	}
	widths := t.layout(1 << 20)
	for _, row := range t.rows {
		if _, err := io.WriteString(w, t.line(row, widths, false, false)+"\n"); err != nil {
			return err
		}
	}

	return nil
}
