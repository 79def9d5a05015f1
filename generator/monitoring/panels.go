package monitoring

import "github.com/tqgen/tqgen/internal/instrument"

// which tells the queues of a chart apart.
const which = "{{<name>}} {{<shard>}}"

// rows are the dashboard. The first is there once for each queue.
func rows() []row {
	return []row{
		{"$queue", "queue", depth()},
		{"Throughput", "", throughput()},
		{"Waiting and working", "", durations()},
		{"What goes wrong", "", failures()},
		{"Replication", "", replicated()},
		{"Effects", "", effects()},
		{"Diagnostics", "", diagnostics()},
	}
}

func depth() []chart {
	return []chart{
		{
			title: "Pending against limit", unit: "short", width: 9,
			text: "Tasks that are ready or delayed, the capacity, and the watermarks between which backpressure begins and ends.",
			curves: []curve{
				{"pending {{<shard>}}", total(instrument.Pending)},
				{"limit", total(instrument.PendingLimit)},
				{"high watermark", total(instrument.HighWatermark)},
				{"low watermark", total(instrument.LowWatermark)},
			},
			dashed: []string{"limit", "high watermark", "low watermark"},
		},
		{
			title: "Backpressure", width: 5, states: true,
			text:   "Whether producers are held back.",
			curves: []curve{{which, most(instrument.BackpressureActive)}},
		},
		{
			title: "Active", unit: "short", width: 5,
			text:   "Tasks that are leased.",
			curves: []curve{{which, total(instrument.Active)}},
		},
		{
			title: "Age of the oldest ready task", unit: "s", width: 5,
			text: "How long the task waits that waits longest, and what is too long.",
			curves: []curve{
				{which, most(instrument.OldestAge)},
				{"too long", limitLine(ageLimit)},
			},
			dashed: []string{"too long"},
		},
	}
}

// limitLine is the limit of the queues that are chosen.
func limitLine(record string) string {
	const chosen = `{<name>=~"$queue"}`

	return "max by (<name>) (" + record + chosen + " or on (<name>) " + record + defaults + chosen + ")"
}

func throughput() []chart {
	return []chart{
		{
			title: "In", unit: "ops", width: 8, text: "Tasks accepted a second, and those put back from a snapshot.",
			curves: []curve{
				{"enqueued " + which, rate(instrument.Enqueued)},
				{"restored " + which, rate(instrument.Restored)},
			},
		},
		{
			title: "Out", unit: "ops", width: 8, text: "Tasks that leave a second: completed, drained, or dead letters removed.",
			curves: []curve{
				{"completed " + which, rate(instrument.Completed)},
				{"drained " + which, rate(instrument.Drained)},
				{"purged " + which, rate(instrument.Purged)},
			},
		},
		{
			title: "Outcomes", unit: "ops", width: 8, text: "How leases end, a second, and how many are granted.",
			curves: []curve{
				{"leased " + which, rate(instrument.Leased)},
				{"completed " + which, rate(instrument.Completed)},
				{"failed " + which, rate(instrument.Failed)},
				{"expired " + which, rate(instrument.Expired)},
				{"released " + which, rate(instrument.Released)},
				{"given up " + which, rate(instrument.Deadlettered)},
			},
		},
	}
}

func durations() []chart {
	return []chart{
		{
			title: "Wait", unit: "s", width: 6, text: "From ready to leased.",
			curves: []curve{
				{"p50 " + which, quantile("0.5", instrument.WaitDuration)},
				{"p99 " + which, quantile("0.99", instrument.WaitDuration)},
			},
		},
		{
			title: "Lease", unit: "ms", width: 6, text: "From leased to settled or lost.",
			curves: []curve{
				{"p50 " + which, quantile("0.5", instrument.LeaseDuration)},
				{"p99 " + which, quantile("0.99", instrument.LeaseDuration)},
			},
		},
		{
			title: "Attempts", unit: "short", width: 6, text: "How often tasks were leased before they were completed or given up.",
			curves: []curve{
				{"p50 " + which, quantile("0.5", instrument.DeliveryAttempts)},
				{"p99 " + which, quantile("0.99", instrument.DeliveryAttempts)},
			},
		},
		{
			title: "Producers held up", unit: "s", width: 6, text: "How long an enqueue that found no room waited for it.",
			curves: []curve{
				{"p50 " + which, quantile("0.5", instrument.BlockedDuration)},
				{"p99 " + which, quantile("0.99", instrument.BlockedDuration)},
			},
		},
	}
}

func failures() []chart {
	return []chart{
		{
			title: "Expired and requeued", unit: "ops", width: 6, text: "Leases lost to their deadline a second, and tasks that are tried again.",
			curves: []curve{
				{"expired " + which, rate(instrument.Expired)},
				{"requeued " + which, rate(instrument.Requeued)},
			},
		},
		{
			title: "Dead letters", unit: "short", width: 6, text: "Tasks that were given up and are kept.",
			curves: []curve{{which, total(instrument.DeadPending)}},
		},
		{
			title: "Stale settlements", unit: "ops", width: 6, text: "What workers try with leases that are over, a second.",
			curves: []curve{{"{{" + Label(instrument.KeyOperation) + "}} " + which, rate(instrument.Stale, instrument.KeyOperation)}},
		},
		{
			title: "Rejected", unit: "ops", width: 6, text: "Enqueues refused a second, and why.",
			curves: []curve{{"{{" + Label(instrument.KeyError) + "}} " + which, rate(instrument.Rejected, instrument.KeyError)}},
		},
	}
}

func replicated() []chart {
	peer := "{{" + Label(instrument.KeyPeer) + "}} " + which

	return []chart{
		{
			title: "Lag", unit: "s", width: 8, text: "From the record of an event to its application, and what is too late.",
			curves: []curve{
				{"p50 " + which, quantile("0.5", instrument.ReplicationDelay) + " / 1000"},
				{"p99 " + which, quantile("0.99", instrument.ReplicationDelay) + " / 1000"},
				{"too late", limitLine(lagLimit)},
			},
			dashed: []string{"too late"},
		},
		{
			title: "Events behind", unit: "short", width: 8, text: "How many events were still to come when one was read or applied.",
			curves: []curve{
				{"p50 " + which, quantile("0.5", instrument.ReplicationLag)},
				{"p99 " + which, quantile("0.99", instrument.ReplicationLag)},
			},
		},
		{
			title: "Read", unit: "ops", width: 8, text: "Events that sources read, a second.",
			curves: []curve{{"{{" + Label(instrument.KeyKind) + "}} " + which, rate(instrument.ReplicationEvents, instrument.KeyKind)}},
		},
		{
			title: "Applied", unit: "ops", width: 8, text: "Events that sinks apply, a second.",
			curves: []curve{{peer, rate(instrument.ReplicationApplied, instrument.KeyPeer)}},
		},
		{
			title: "Checkpoint distance", unit: "short", width: 8, text: "Events applied since the last checkpoint: what a restart applies again.",
			curves: []curve{{peer, total(instrument.CheckpointDistance, instrument.KeyPeer)}},
		},
		{
			title: "Gaps and duplicates", unit: "ops", width: 8,
			text: "Events that were refused because others are missing before them, or passed over as applied before, a second.",
			curves: []curve{
				{"gaps " + peer, rate(instrument.ReplicationGaps, instrument.KeyPeer)},
				{"duplicates " + peer, rate(instrument.ReplicationDuplicates, instrument.KeyPeer)},
			},
		},
	}
}

func effects() []chart {
	effect := "{{" + Label(instrument.KeyEffect) + "}} "

	return []chart{
		{
			title: "Calls for effects", unit: "ops", width: 12, text: "What calls for effects came to, a second.",
			curves: []curve{{
				effect + "{{" + Label(instrument.KeyOutcome) + "}} " + which,
				rate(instrument.Effects, instrument.KeyEffect, instrument.KeyOutcome),
			}},
		},
		{
			title: "Duration of effects", unit: "s", width: 12, text: "How long calls for effects took.",
			curves: []curve{
				{"p50 " + effect + which, quantile("0.5", instrument.EffectDuration, instrument.KeyEffect)},
				{"p99 " + effect + which, quantile("0.99", instrument.EffectDuration, instrument.KeyEffect)},
			},
		},
	}
}

// diagnostics are of hosts, which no queue is an attribute of, and of the
// measurements themselves.
func diagnostics() []chart {
	const host = `{instance=~"$instance"}`

	return []chart{
		{
			title: "Subscribers", unit: "short", width: 8, text: "Open streams of diagnostics.",
			curves: []curve{{"{{instance}}", "sum by (instance) (<" + string(instrument.Subscribers) + ">" + host + ")"}},
		},
		{
			title: "Gaps in streams", unit: "ops", width: 8, text: "Gaps in what streams of diagnostics gave, a second.",
			curves: []curve{{
				"{{instance}}", "sum by (instance) (rate(<" + string(instrument.StreamGaps) + ">" + host + "[$__rate_interval]))",
			}},
		},
		{
			title: "Measurements left out", unit: "ops", width: 8,
			text:   "What histograms miss, a second, because a queue was faster than they can be told. Counters miss nothing.",
			curves: []curve{{which, rate(instrument.TelemetryLost)}},
		},
	}
}
