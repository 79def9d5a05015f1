package telemetry

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// Groups are sets of instruments that can be switched.
type Groups uint32

// The groups.
const (
	Depth        Groups = 1 << iota // what is in the queue
	Throughput                      // what goes through it, and how long that takes
	Backpressure                    // monitors

	AllGroups = Depth | Throughput | Backpressure
)

// kind is what an instrument is.
type kind uint8

const (
	counter kind = iota
	upDown
	gauge
	histogram
)

// name is the name of an instrument.
type name string

// The instruments.
const (
	enqueued        name = "taskqueue.enqueued"
	requeued        name = "taskqueue.requeued"
	deadlettered    name = "taskqueue.deadlettered"
	leased          name = "taskqueue.leased"
	completed       name = "taskqueue.completed"
	failed          name = "taskqueue.failed"
	expired         name = "taskqueue.expired"
	heartbeats      name = "taskqueue.heartbeats"
	released        name = "taskqueue.released"
	drained         name = "taskqueue.drained"
	restored        name = "taskqueue.restored"
	redriven        name = "taskqueue.redriven"
	purged          name = "taskqueue.purged"
	rejected        name = "taskqueue.enqueue.rejected"
	stale           name = "taskqueue.lease.stale"
	leaseDuration   name = "taskqueue.lease.duration"
	extension       name = "taskqueue.heartbeat.extension"
	waitDuration    name = "taskqueue.wait.duration"
	attempts        name = "taskqueue.delivery.attempts"
	blockedDuration name = "taskqueue.enqueue.blocked.duration"
	lost            name = "taskqueue.telemetry.lost"

	pending      name = "taskqueue.pending"
	active       name = "taskqueue.active"
	pendingDepth name = "taskqueue.pending.depth"
	activeDepth  name = "taskqueue.active.depth"
	oldestAge    name = "taskqueue.pending.oldest_age"
	pendingLimit name = "taskqueue.pending.limit"
	deadPending  name = "taskqueue.deadletter.pending"

	bpActive      name = "hugo.taskqueue.backpressure.active"
	bpTransitions name = "hugo.taskqueue.backpressure.transitions"
	bpPending     name = "hugo.taskqueue.backpressure.pending"
	bpDuration    name = "hugo.taskqueue.backpressure.duration"
	bpHigh        name = "taskqueue.backpressure.high_watermark"
	bpLow         name = "taskqueue.backpressure.low_watermark"

	omniPending     name = "omnirelay.resourcelease.pending"
	omniActive      name = "omnirelay.resourcelease.active"
	omniTransitions name = "omnirelay.resourcelease.backpressure.transitions"
)

// Attribute keys.
const (
	keyName      = attribute.Key("taskqueue.name")
	keyShard     = attribute.Key("taskqueue.shard")
	keyService   = attribute.Key("service.name")
	keyError     = attribute.Key("error.type")
	keyOperation = attribute.Key("taskqueue.operation")
	keyState     = attribute.Key("state")
)

// spec is one row of the table in docs/telemetry.md.
type spec struct {
	name   name
	kind   kind
	unit   string
	group  Groups
	text   string
	bounds []float64 // of a histogram
	omni   bool      // only where OmniRelay's names are wanted
}

// Bounds of histograms, in their units.
var (
	pendingBounds = []float64{16, 32, 64, 128, 256, 512, 1024, 4096}
	activeBounds  = []float64{4, 8, 16, 32, 64, 128, 256}
	milliseconds  = []float64{5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000}
	seconds       = []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	attemptBounds = []float64{1, 2, 3, 5, 10, 25}
)

// specs are the instruments there are.
var specs = []spec{
	{name: enqueued, unit: "{item}", group: Throughput, text: "tasks accepted"},
	{name: requeued, unit: "{item}", group: Throughput, text: "tasks ready again after a failed attempt or a lost lease"},
	{name: deadlettered, unit: "{item}", group: Throughput, text: "tasks given up"},
	{name: leased, unit: "{lease}", group: Throughput, text: "leases granted"},
	{name: completed, unit: "{lease}", group: Throughput, text: "leases completed"},
	{name: failed, unit: "{lease}", group: Throughput, text: "leases failed by their worker"},
	{name: expired, unit: "{lease}", group: Throughput, text: "leases whose deadline has passed"},
	{name: heartbeats, unit: "{lease}", group: Throughput, text: "heartbeats that prolonged a lease"},
	{name: released, unit: "{item}", group: Throughput, text: "tasks given back"},
	{name: drained, unit: "{item}", group: Throughput, text: "tasks taken out by a drain"},
	{name: restored, unit: "{item}", group: Throughput, text: "tasks put back from a snapshot"},
	{name: redriven, unit: "{item}", group: Throughput, text: "dead letters made ready again"},
	{name: purged, unit: "{item}", group: Throughput, text: "dead letters removed"},
	{name: rejected, unit: "{item}", group: Throughput, text: "enqueues refused"},
	{name: stale, unit: "{operation}", group: Throughput, text: "operations on leases that were over"},
	{name: leaseDuration, kind: histogram, unit: "ms", group: Throughput, bounds: milliseconds, text: "from lease to settlement or loss"},
	{name: extension, kind: histogram, unit: "ms", group: Throughput, bounds: milliseconds, text: "by how much a heartbeat moved the deadline"},
	{name: waitDuration, kind: histogram, unit: "s", group: Throughput, bounds: seconds, text: "from ready to leased"},
	{name: attempts, kind: histogram, unit: "{attempt}", group: Throughput, bounds: attemptBounds, text: "attempts of tasks that are completed or dead"},
	{name: blockedDuration, kind: histogram, unit: "s", group: Throughput, bounds: seconds, text: "how long an enqueue waited for room"},
	{name: lost, unit: "{sample}", group: Throughput, text: "measurements left out of histograms"},

	{name: pending, kind: upDown, unit: "{item}", group: Depth, text: "tasks ready or delayed"},
	{name: active, kind: upDown, unit: "{lease}", group: Depth, text: "tasks leased"},
	{name: pendingDepth, kind: histogram, unit: "{item}", group: Depth, bounds: pendingBounds, text: "tasks pending when workers came for more"},
	{name: activeDepth, kind: histogram, unit: "{lease}", group: Depth, bounds: activeBounds, text: "tasks leased at that time"},
	{name: oldestAge, kind: gauge, unit: "s", group: Depth, text: "how long the task is ready that is ready longest"},
	{name: pendingLimit, kind: gauge, unit: "{item}", group: Depth, text: "capacity"},
	{name: deadPending, kind: upDown, unit: "{item}", group: Depth, text: "dead letters kept"},

	{name: bpActive, kind: upDown, unit: "{queue}", group: Backpressure, text: "1 while there is backpressure"},
	{name: bpTransitions, unit: "{transition}", group: Backpressure, text: "how often backpressure began or ended"},
	{name: bpPending, kind: histogram, unit: "{item}", group: Backpressure, bounds: pendingBounds, text: "depth at each signal"},
	{name: bpDuration, kind: histogram, unit: "ms", group: Backpressure, bounds: milliseconds, text: "how long the state lasted that a signal ends"},
	{name: bpHigh, kind: gauge, unit: "{item}", group: Backpressure, text: "depth at which backpressure begins"},
	{name: bpLow, kind: gauge, unit: "{item}", group: Backpressure, text: "depth at which it ends"},

	{name: omniPending, kind: histogram, unit: "{item}", group: Depth, bounds: pendingBounds, omni: true, text: "taskqueue.pending.depth"},
	{name: omniActive, kind: histogram, unit: "{lease}", group: Depth, bounds: activeBounds, omni: true, text: "taskqueue.active.depth"},
	{name: omniTransitions, unit: "{event}", group: Backpressure, omni: true, text: "signals"},
}

// plain is a unit as it was before units were annotations: items, not {item}.
func plain(unit string) string {
	if inner, ok := strings.CutPrefix(unit, "{"); ok {
		return strings.TrimSuffix(inner, "}") + "s"
	}

	return unit
}
