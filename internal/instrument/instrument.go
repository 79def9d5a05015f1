// Package instrument is the table of docs/telemetry.md as plain data: what
// runtime/telemetry reports, and what dashboards and alerts are made from.
package instrument

import "strings"

// Group is a set of instruments that telemetry switches together.
type Group string

// The groups.
const (
	Depth        Group = "Depth"
	Throughput   Group = "Throughput"
	Backpressure Group = "Backpressure"
	Replication  Group = "Replication"
)

// Kind is what an instrument is.
type Kind uint8

// The kinds.
const (
	Counter Kind = iota
	UpDown
	Gauge
	Histogram
)

// Name is the name of an instrument.
type Name string

// The instruments.
const (
	Enqueued           Name = "taskqueue.enqueued"
	Requeued           Name = "taskqueue.requeued"
	Deadlettered       Name = "taskqueue.deadlettered"
	Leased             Name = "taskqueue.leased"
	Completed          Name = "taskqueue.completed"
	Failed             Name = "taskqueue.failed"
	Expired            Name = "taskqueue.expired"
	Heartbeats         Name = "taskqueue.heartbeats"
	Released           Name = "taskqueue.released"
	Drained            Name = "taskqueue.drained"
	Restored           Name = "taskqueue.restored"
	Redriven           Name = "taskqueue.redriven"
	Purged             Name = "taskqueue.purged"
	Rejected           Name = "taskqueue.enqueue.rejected"
	Stale              Name = "taskqueue.lease.stale"
	LeaseDuration      Name = "taskqueue.lease.duration"
	HeartbeatExtension Name = "taskqueue.heartbeat.extension"
	WaitDuration       Name = "taskqueue.wait.duration"
	DeliveryAttempts   Name = "taskqueue.delivery.attempts"
	BlockedDuration    Name = "taskqueue.enqueue.blocked.duration"
	TelemetryLost      Name = "taskqueue.telemetry.lost"

	Effects        Name = "deterministic.effects"
	EffectDuration Name = "deterministic.effect.duration"
	Subscribers    Name = "taskqueue.diagnostics.subscribers"
	StreamGaps     Name = "taskqueue.diagnostics.gaps"

	Pending      Name = "taskqueue.pending"
	Active       Name = "taskqueue.active"
	PendingDepth Name = "taskqueue.pending.depth"
	ActiveDepth  Name = "taskqueue.active.depth"
	OldestAge    Name = "taskqueue.pending.oldest_age"
	PendingLimit Name = "taskqueue.pending.limit"
	DeadPending  Name = "taskqueue.deadletter.pending"

	BackpressureActive      Name = "hugo.taskqueue.backpressure.active"
	BackpressureTransitions Name = "hugo.taskqueue.backpressure.transitions"
	BackpressurePending     Name = "hugo.taskqueue.backpressure.pending"
	BackpressureDuration    Name = "hugo.taskqueue.backpressure.duration"
	HighWatermark           Name = "taskqueue.backpressure.high_watermark"
	LowWatermark            Name = "taskqueue.backpressure.low_watermark"

	ReplicationEvents     Name = "taskqueue.replication.events"
	ReplicationLag        Name = "taskqueue.replication.sequence_lag"
	ReplicationDelay      Name = "taskqueue.replication.wall_clock_lag"
	CheckpointDistance    Name = "taskqueue.replication.checkpoint_distance"
	ReplicationApplied    Name = "taskqueue.replication.applied"
	ReplicationDuplicates Name = "taskqueue.replication.duplicates"
	ReplicationGaps       Name = "taskqueue.replication.gaps"

	OmniReplicationEvents Name = "omnirelay.resourcelease.replication.events"
	OmniReplicationDelay  Name = "omnirelay.resourcelease.replication.lag"

	OmniPending     Name = "omnirelay.resourcelease.pending"
	OmniActive      Name = "omnirelay.resourcelease.active"
	OmniTransitions Name = "omnirelay.resourcelease.backpressure.transitions"
)

// Keys of attributes. Every measurement but those of a host has KeyName; KeyService and KeyShard are
// there where they are configured.
const (
	KeyName      = "taskqueue.name"
	KeyShard     = "taskqueue.shard"
	KeyService   = "service.name"
	KeyError     = "error.type"
	KeyOperation = "taskqueue.operation"
	KeyState     = "state"
	KeyPeer      = "taskqueue.peer"
	KeyKind      = "taskqueue.replication.kind"
	KeyEffect    = "deterministic.effect.name"
	KeyOutcome   = "outcome"

	KeyLabel = "taskqueue.label." // and the label's name

	KeyOmniKind  = "lease.event_type"
	KeyOmniPeer  = "rpc.peer"
	KeyOmniShard = "shard.id" // where there is one
)

// Spec is one row of the table.
type Spec struct {
	Name       Name
	Kind       Kind
	Unit       string // as UCUM has it
	Group      Group
	Attributes []string // besides those that every measurement has
	Text       string
	Bounds     []float64 // of a histogram, in its unit
	Labelled   bool      // of single tasks: told apart by the labels of payloads
	Omni       bool      // only where OmniRelay's names are wanted
}

// Bounds of histograms, in their units.
var (
	pendingBounds = []float64{16, 32, 64, 128, 256, 512, 1024, 4096}
	activeBounds  = []float64{4, 8, 16, 32, 64, 128, 256}
	milliseconds  = []float64{5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000}
	seconds       = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	lagBounds     = []float64{0, 1, 4, 16, 64, 256, 1024, 4096, 16384}
	delayBounds   = []float64{5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000}
	attemptBounds = []float64{1, 2, 3, 5, 10, 25}
)

// Table is every instrument there is. Nobody changes it.
var Table = []Spec{
	{Name: Enqueued, Unit: "{item}", Group: Throughput, Text: "tasks accepted"},
	{Name: Requeued, Unit: "{item}", Group: Throughput, Text: "tasks ready again after a failed attempt or a lost lease"},
	{Name: Deadlettered, Unit: "{item}", Group: Throughput, Text: "tasks given up"},
	{Name: Leased, Unit: "{lease}", Group: Throughput, Text: "leases granted"},
	{Name: Completed, Unit: "{lease}", Group: Throughput, Text: "leases completed"},
	{Name: Failed, Unit: "{lease}", Group: Throughput, Text: "leases failed by their worker"},
	{Name: Expired, Unit: "{lease}", Group: Throughput, Text: "leases whose deadline has passed"},
	{Name: Heartbeats, Unit: "{lease}", Group: Throughput, Text: "heartbeats that prolonged a lease"},
	{Name: Released, Unit: "{item}", Group: Throughput, Text: "tasks given back"},
	{Name: Drained, Unit: "{item}", Group: Throughput, Text: "tasks taken out by a drain"},
	{Name: Restored, Unit: "{item}", Group: Throughput, Text: "tasks put back from a snapshot"},
	{Name: Redriven, Unit: "{item}", Group: Throughput, Text: "dead letters made ready again"},
	{Name: Purged, Unit: "{item}", Group: Throughput, Text: "dead letters removed"},
	{Name: Rejected, Unit: "{item}", Group: Throughput, Attributes: []string{KeyError}, Text: "enqueues refused"},
	{Name: Stale, Unit: "{operation}", Group: Throughput, Attributes: []string{KeyOperation}, Text: "operations on leases that were over"},
	{Name: LeaseDuration, Kind: Histogram, Unit: "ms", Group: Throughput, Bounds: milliseconds, Labelled: true, Text: "from lease to settlement or loss"},
	{Name: HeartbeatExtension, Kind: Histogram, Unit: "ms", Group: Throughput, Bounds: milliseconds, Labelled: true, Text: "by how much a heartbeat moved the deadline"},
	{Name: WaitDuration, Kind: Histogram, Unit: "s", Group: Throughput, Bounds: seconds, Labelled: true, Text: "from ready to leased"},
	{Name: DeliveryAttempts, Kind: Histogram, Unit: "{attempt}", Group: Throughput, Bounds: attemptBounds, Labelled: true, Text: "attempts of tasks that are completed or dead"},
	{Name: BlockedDuration, Kind: Histogram, Unit: "s", Group: Throughput, Bounds: seconds, Text: "how long an enqueue waited for room"},
	{Name: TelemetryLost, Unit: "{sample}", Group: Throughput, Text: "measurements left out of histograms"},
	{Name: Effects, Unit: "{effect}", Group: Throughput, Attributes: []string{KeyEffect, KeyOutcome}, Text: "calls for effects"},
	{Name: EffectDuration, Kind: Histogram, Unit: "s", Group: Throughput, Attributes: []string{KeyEffect, KeyOutcome}, Bounds: seconds, Text: "how long calls for effects took"},
	{Name: Subscribers, Kind: UpDown, Unit: "{subscriber}", Group: Throughput, Text: "open streams of diagnostics"},
	{Name: StreamGaps, Unit: "{event}", Group: Throughput, Text: "gaps in what streams of diagnostics gave"},

	{Name: Pending, Kind: UpDown, Unit: "{item}", Group: Depth, Text: "tasks ready or delayed"},
	{Name: Active, Kind: UpDown, Unit: "{lease}", Group: Depth, Text: "tasks leased"},
	{Name: PendingDepth, Kind: Histogram, Unit: "{item}", Group: Depth, Bounds: pendingBounds, Text: "tasks pending when workers came for more"},
	{Name: ActiveDepth, Kind: Histogram, Unit: "{lease}", Group: Depth, Bounds: activeBounds, Text: "tasks leased at that time"},
	{Name: OldestAge, Kind: Gauge, Unit: "s", Group: Depth, Text: "how long the task is ready that is ready longest"},
	{Name: PendingLimit, Kind: Gauge, Unit: "{item}", Group: Depth, Text: "capacity"},
	{Name: DeadPending, Kind: UpDown, Unit: "{item}", Group: Depth, Text: "dead letters kept"},

	{Name: BackpressureActive, Kind: UpDown, Unit: "{queue}", Group: Backpressure, Text: "1 while there is backpressure"},
	{Name: BackpressureTransitions, Unit: "{transition}", Group: Backpressure, Text: "how often backpressure began or ended"},
	{Name: BackpressurePending, Kind: Histogram, Unit: "{item}", Group: Backpressure, Bounds: pendingBounds, Text: "depth at each signal"},
	{Name: BackpressureDuration, Kind: Histogram, Unit: "ms", Group: Backpressure, Bounds: milliseconds, Text: "how long the state lasted that a signal ends"},
	{Name: HighWatermark, Kind: Gauge, Unit: "{item}", Group: Backpressure, Text: "depth at which backpressure begins"},
	{Name: LowWatermark, Kind: Gauge, Unit: "{item}", Group: Backpressure, Text: "depth at which it ends"},

	{Name: ReplicationEvents, Unit: "{event}", Group: Replication, Attributes: []string{KeyKind}, Text: "events that sources have read"},
	{Name: ReplicationLag, Kind: Histogram, Unit: "{event}", Group: Replication, Bounds: lagBounds, Text: "events still to come when one was read or applied"},
	{Name: ReplicationDelay, Kind: Histogram, Unit: "ms", Group: Replication, Bounds: delayBounds, Text: "from the record of an event to its application"},
	{Name: CheckpointDistance, Kind: Gauge, Unit: "{event}", Group: Replication, Attributes: []string{KeyPeer}, Text: "events applied since the last checkpoint"},
	{Name: ReplicationApplied, Unit: "{event}", Group: Replication, Attributes: []string{KeyPeer}, Text: "events that sinks have applied"},
	{Name: ReplicationDuplicates, Unit: "{event}", Group: Replication, Attributes: []string{KeyPeer}, Text: "events passed over because they were applied before"},
	{Name: ReplicationGaps, Unit: "{event}", Group: Replication, Attributes: []string{KeyPeer}, Text: "events refused because others were missing before them"},

	{Name: OmniReplicationEvents, Unit: "{event}", Group: Replication, Attributes: []string{KeyOmniKind, KeyOmniPeer}, Omni: true, Text: "taskqueue.replication.events"},
	{Name: OmniReplicationDelay, Kind: Histogram, Unit: "ms", Group: Replication, Attributes: []string{KeyOmniKind, KeyOmniPeer}, Bounds: delayBounds, Omni: true, Text: "taskqueue.replication.wall_clock_lag"},

	{Name: OmniPending, Kind: Histogram, Unit: "{item}", Group: Depth, Bounds: pendingBounds, Omni: true, Text: "taskqueue.pending.depth"},
	{Name: OmniActive, Kind: Histogram, Unit: "{lease}", Group: Depth, Bounds: activeBounds, Omni: true, Text: "taskqueue.active.depth"},
	{Name: OmniTransitions, Unit: "{event}", Group: Backpressure, Attributes: []string{KeyState}, Omni: true, Text: "signals"},
}

// kinds are their names in docs/telemetry.md.
var kinds = [...]string{Counter: "counter", UpDown: "updown", Gauge: "gauge", Histogram: "histogram"}

func (k Kind) String() string { return kinds[k] }

// Plain is a unit as it was before units were annotations: items, not {item}.
func Plain(unit string) string {
	if inner, ok := strings.CutPrefix(unit, "{"); ok {
		return strings.TrimSuffix(inner, "}") + "s"
	}

	return unit
}
