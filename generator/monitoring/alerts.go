package monitoring

import (
	"strings"
	"time"
)

// alert is one rule, with what its tests feed it.
type alert struct {
	name     string
	severity string // critical: somebody must come; warning: somebody should look
	expr     string // for sheets.expr
	hold     time.Duration
	summary  string // both for text/template as Prometheus has it
	detail   string
	cases    []ruleCase
}

// ruleCase is a unit test of an alert.
type ruleCase struct {
	name   string
	queue  string // "": the first that a directive tells of
	series []series
	at     time.Duration
	fires  []fired // none: the case is a healthy one
}

// series are values of an instrument, in promtool's notation, a minute apart.
// The suffix is _bucket or _count of a histogram.
type series struct {
	metric, labels, values string
}

// fired is an alert that a case expects.
type fired struct {
	severity string
	value    string // what stands in the place of $value, humanized
}

// Holds, windows and shares of the rules. Docs/observability.md says why.
const (
	runbooks = "https://github.com/tqgen/tqgen/blob/main/docs/observability.md#"

	ageLimit = "taskqueue:pending_oldest_age_seconds:limit"
	lagLimit = "taskqueue:replication_lag_seconds:limit"
	late     = "taskqueue:wait_late:ratio_rate"
	defaults = "_default" // of queues that no directive tells of
)

// runbook is where the docs say what to do about an alert.
func (a *alert) runbook() string { return runbooks + strings.ToLower(a.name) }

// alerts are the rules there are.
func (s *sheets) alerts() []alert {
	return []alert{
		s.jammed(), s.tooOld(),
		s.burn("critical", "5m", "1h", 2*time.Minute, 14.4), s.burn("warning", "30m", "6h", 15*time.Minute, 6),
		s.flapping(), s.stuck(), s.lagging(), s.stalled(), s.dying(), s.expiring(),
	}
}

func (s *sheets) jammed() alert {
	fed := func(granted string) []series {
		return []series{
			{"<taskqueue.pending>", "", "7x30"}, {"<taskqueue.pending.oldest_age>", "", "1+1x30"},
			{"<taskqueue.leased>", "", granted}, {"<taskqueue.completed>", "", "40x30"},
		}
	}

	return alert{
		name: "TaskQueueJammed", severity: "critical", hold: 5 * time.Minute,
		expr: `
			sum by (<place>) (<taskqueue.pending>) > 0
			and max by (<place>) (<taskqueue.pending.oldest_age>) > 0
			and sum by (<place>) (increase(<taskqueue.leased>[5m])) == 0
			and sum by (<place>) (increase(<taskqueue.completed>[5m])) == 0`,
		summary: "Nobody works on {{ $labels.<name> }}",
		detail: "{{ $value }} tasks are pending at {{ $labels.instance }}, some of them ready, and for 10 minutes none was " +
			"leased or completed.",
		cases: []ruleCase{
			{name: "nobody leases", series: fed("40x30"), at: 20 * time.Minute, fires: []fired{{"critical", "7"}}},
			{name: "one lease a minute", series: fed("40+1x30"), at: 20 * time.Minute},
			{name: "all tasks are delayed", series: []series{
				{"<taskqueue.pending>", "", "7x30"}, {"<taskqueue.pending.oldest_age>", "", "0x30"},
				{"<taskqueue.leased>", "", "40x30"}, {"<taskqueue.completed>", "", "40x30"},
			}, at: 20 * time.Minute},
		},
	}
}

func (s *sheets) tooOld() alert {
	limit, others := s.probed().age.Seconds(), s.others().age.Seconds()
	fed := func(age float64) []series {
		return []series{
			{"<taskqueue.pending.limit>", "", "512x10"}, {"<taskqueue.pending.oldest_age>", "", number(age) + "x10"},
		}
	}

	return alert{
		name: "TaskQueueOldestTooOld", severity: "critical", hold: time.Minute,
		expr: `
			max by (<place>) (<taskqueue.pending.oldest_age>)
			> on (<name>) group_left () ` + limitOf(ageLimit),
		summary: "A task of {{ $labels.<name> }} waits too long",
		detail:  "The oldest task that is ready at {{ $labels.instance }} waits for {{ $value }} seconds.",
		cases: []ruleCase{
			{name: "older than the limit", series: fed(limit + 1), at: 5 * time.Minute, fires: []fired{{"critical", number(limit + 1)}}},
			{name: "as old as the limit", series: fed(limit), at: 5 * time.Minute},
			{name: "no directive tells of the queue", queue: "stranger", series: fed(others + 1), at: 5 * time.Minute,
				fires: []fired{{"critical", number(others + 1)}}},
		},
	}
}

// objective is the share of tasks that are leased within the limit of waits.
const objective = 0.99

// burn is an alert about the budget of late tasks: it is spent that many times
// too fast over both windows.
func (s *sheets) burn(severity, short, long string, hold time.Duration, times float64) alert {
	allowed := number(times) + " * " + number(round(1-objective))
	wait := s.probed().wait
	fed := func(inTime string) []series {
		return []series{
			{"<taskqueue.wait.duration>_count", "", "0+100x400"},
			{"<taskqueue.wait.duration>_bucket", `le="` + number(wait) + `"`, inTime},
		}
	}
	a := alert{
		name: "TaskQueueWaitBudgetBurn", severity: severity, hold: hold,
		expr: `
			` + lateOf(short) + ` > ` + allowed + `
			and ` + lateOf(long) + ` > ` + allowed,
		summary: "Too many tasks of {{ $labels.<name> }} are leased late",
		detail: "{{ $value | humanizePercentage }} of the tasks of the last " + short + " waited longer than they should; " +
			number(round(100*(1-objective))) + "% may.",
		cases: []ruleCase{
			{name: "half a percent is late", series: fed("0+99.5x400"), at: 370 * time.Minute},
		},
	}
	if severity == "critical" {
		a.cases = append(a.cases, ruleCase{name: "half of them is late", series: fed("0+50x400"), at: 370 * time.Minute,
			fires: []fired{{"critical", "50%"}, {"warning", "50%"}}})
	} else {
		a.cases = append(a.cases, ruleCase{name: "a tenth is late", series: fed("0+90x400"), at: 370 * time.Minute,
			fires: []fired{{"warning", "10%"}}})
	}

	return a
}

func (s *sheets) flapping() alert {
	fed := func(values string) []series {
		return []series{{"<hugo.taskqueue.backpressure.transitions>", "", values}}
	}

	return alert{
		name: "TaskQueueBackpressureFlapping", severity: "warning",
		expr:    `sum by (<place>) (increase(<hugo.taskqueue.backpressure.transitions>[15m])) > 10`,
		summary: "Backpressure of {{ $labels.<name> }} flaps",
		detail:  "It began or ended {{ $value | humanize }} times within 15 minutes at {{ $labels.instance }}.",
		cases: []ruleCase{
			{name: "two transitions a minute", series: fed("0+2x30"), at: 20 * time.Minute, fires: []fired{{"warning", "30"}}},
			{name: "one in two minutes", series: fed("0 0 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9 10"), at: 20 * time.Minute},
		},
	}
}

func (s *sheets) stuck() alert {
	fed := func(values string) []series {
		return []series{{"<hugo.taskqueue.backpressure.active>", "", values}}
	}

	return alert{
		name: "TaskQueueBackpressureStuck", severity: "warning", hold: 15 * time.Minute,
		expr:    `max by (<place>) (<hugo.taskqueue.backpressure.active>) == 1`,
		summary: "Backpressure of {{ $labels.<name> }} does not end",
		detail:  "Producers at {{ $labels.instance }} have been held back for 15 minutes.",
		cases: []ruleCase{
			{name: "active all the time", series: fed("1x30"), at: 20 * time.Minute, fires: []fired{{"warning", "1"}}},
			{name: "with a pause", series: fed("1x10 0 1x20"), at: 20 * time.Minute},
		},
	}
}

func (s *sheets) lagging() alert {
	fed := func(within10s string) []series {
		const lag = "<taskqueue.replication.wall_clock_lag>"

		return []series{
			{lag + "_count", "", "0+60x30"}, {lag + "_bucket", `le="5"`, within10s}, {lag + "_bucket", `le="10000"`, within10s},
			{lag + "_bucket", `le="30000"`, "0+60x30"}, {lag + "_bucket", `le="+Inf"`, "0+60x30"},
		}
	}

	return alert{
		name: "TaskQueueReplicationLag", severity: "warning", hold: 5 * time.Minute,
		expr: `
			histogram_quantile(0.99, sum by (le, <place>) (rate(<taskqueue.replication.wall_clock_lag>_bucket[5m]))) / 1000
			> on (<name>) group_left () ` + limitOf(lagLimit),
		summary: "A replica of {{ $labels.<name> }} lags behind",
		detail:  "Of 100 events one is applied later than {{ $value | humanizeDuration }} after it happened, at {{ $labels.instance }}.",
		cases: []ruleCase{
			{name: "half a minute late", series: fed("0x30"), at: 20 * time.Minute, fires: []fired{{"warning", "29.8s"}}},
			{name: "within milliseconds", series: fed("0+60x30"), at: 20 * time.Minute},
			{name: "no directive tells of the queue", queue: "stranger", series: fed("0x30"), at: 20 * time.Minute,
				fires: []fired{{"warning", "29.8s"}}},
		},
	}
}

func (s *sheets) stalled() alert {
	fed := func(enqueued, applied string) []series {
		return []series{
			{"<taskqueue.enqueued>", "", enqueued}, {"<taskqueue.leased>", "", "5x30"},
			{"<taskqueue.replication.applied>", `taskqueue_peer="a"`, applied},
			{"<taskqueue.replication.applied>", `taskqueue_peer="b"`, "8x30"},
		}
	}

	return alert{
		name: "TaskQueueReplicationStalled", severity: "critical", hold: 5 * time.Minute,
		expr: `
			sum by (<place>) (increase(<taskqueue.replication.applied>[5m])) == 0
			and on (<name>, <shard>) (
			  sum by (<name>, <shard>) (increase(<taskqueue.enqueued>[5m]))
			  + sum by (<name>, <shard>) (increase(<taskqueue.leased>[5m]))
			) > 0`,
		summary: "A replica of {{ $labels.<name> }} stands still",
		detail:  "The queue changes, and at {{ $labels.instance }} no event of it was applied for 10 minutes.",
		cases: []ruleCase{
			{name: "nothing is applied", series: fed("0+9x30", "7x30"), at: 20 * time.Minute, fires: []fired{{"critical", "0"}}},
			{name: "one peer's events are", series: fed("0+9x30", "7+1x30"), at: 20 * time.Minute},
			{name: "nothing happens", series: fed("9x30", "7x30"), at: 20 * time.Minute},
		},
	}
}

func (s *sheets) dying() alert {
	fed := func(dead string) []series {
		return []series{{"<taskqueue.completed>", "", "0+90x40"}, {"<taskqueue.deadlettered>", "", dead}}
	}

	return alert{
		name: "TaskQueueDeadLetterRate", severity: "warning", hold: 5 * time.Minute,
		expr: `
			sum by (<place>) (increase(<taskqueue.deadlettered>[15m]))
			/ (
			  sum by (<place>) (increase(<taskqueue.completed>[15m]))
			  + sum by (<place>) (increase(<taskqueue.deadlettered>[15m]))
			) > 0.05`,
		summary: "Too many tasks of {{ $labels.<name> }} are given up",
		detail:  "{{ $value | humanizePercentage }} of the tasks that ended within 15 minutes at {{ $labels.instance }} are dead letters.",
		cases: []ruleCase{
			{name: "a tenth is dead", series: fed("0+10x40"), at: 30 * time.Minute, fires: []fired{{"warning", "10%"}}},
			{name: "one percent is dead", series: fed("0+1x40"), at: 30 * time.Minute},
			{name: "nothing ends", series: []series{{"<taskqueue.completed>", "", "5x40"}, {"<taskqueue.deadlettered>", "", "5x40"}}, at: 30 * time.Minute},
		},
	}
}

func (s *sheets) expiring() alert {
	fed := func(expired string) []series {
		return []series{{"<taskqueue.leased>", "", "0+100x40"}, {"<taskqueue.expired>", "", expired}}
	}

	return alert{
		name: "TaskQueueExpiryRate", severity: "warning", hold: 5 * time.Minute,
		expr: `
			sum by (<place>) (increase(<taskqueue.expired>[15m]))
			/ sum by (<place>) (increase(<taskqueue.leased>[15m])) > 0.05`,
		summary: "Too many leases of {{ $labels.<name> }} expire",
		detail:  "{{ $value | humanizePercentage }} of the leases granted within 15 minutes at {{ $labels.instance }} were lost to their deadline.",
		cases: []ruleCase{
			{name: "a fifth expires", series: fed("0+20x40"), at: 30 * time.Minute, fires: []fired{{"warning", "20%"}}},
			{name: "one percent expires", series: fed("0+1x40"), at: 30 * time.Minute},
		},
	}
}
