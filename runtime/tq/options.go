package tq

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/tqgen/tqgen/runtime/jsonwire"
)

// Limits of a policy.
const (
	MaxCapacity = 1 << 24
	MaxAttempts = 1000
	MinLease    = time.Millisecond
	MaxLease    = 24 * time.Hour
	MaxCooldown = 24 * time.Hour
)

// Where zero itself is wanted, which in Options means the directive's value.
const (
	// UntilEmpty as Low: backpressure ends when no task waits.
	UntilEmpty = -1
	// NoCooldown as Cooldown: each end of backpressure is told at once.
	NoCooldown time.Duration = -1
)

// Options is the policy of a queue. In generated packages a zero field means
// what the directive says, or what the field's comment says where a directive
// cannot say it.
type Options struct {
	Name      string        // of the queue, in events and errors: 1 to 128 bytes, letters, digits, inner spaces, . _ - /
	Capacity  int           // live tasks (ready, delayed and leased), 1 to MaxCapacity
	Lease     time.Duration // how long a grant holds without a heartbeat, MinLease to MaxLease
	Heartbeat time.Duration // interval at which Run beats, below Lease/2; follows Lease unless set
	Attempts  int           // grants before a task is dead, 1 to MaxAttempts
	Backoff   Backoff       // delay before the next attempt
	Dead      int           // dead letters kept, 1 to MaxCapacity; the oldest are purged

	// High is how many pending tasks make backpressure begin, 1 to Capacity; Low
	// is how few end it, below High. They are what a monitor of this queue has
	// that is given no others. High follows Capacity unless set (three
	// quarters), Low follows High (half).
	High, Low int
	// Cooldown is how long a monitor's listeners are left alone after each
	// signal, up to MaxCooldown.
	Cooldown time.Duration

	// Incarnation names this life of the queue in identities and tokens. It
	// must never repeat for one name. 0 draws a random one.
	Incarnation Incarnation
	// MaxWaiting bounds the producers that wait for room; beyond it they get
	// ErrFull at once. 0 means 1024.
	MaxWaiting int
	// LogEntries bounds the events kept for readers. 0 means 4096.
	LogEntries int
	// LogBytes bounds the payload bytes kept only because a reader has not
	// come by yet. 0 means 16 MiB.
	LogBytes int64
	// Decode bounds what the queue's Decoder reads as JSON, and may make it
	// strict. The zero value reads as encoding/json does.
	Decode jsonwire.Options
	// TraceParent gives the W3C trace context that a producer is in, from the
	// context of its call, for the task to carry: events, snapshots and leases
	// show it. What is no traceparent of 55 characters is dropped, and a panic is
	// none. Each call of a producer calls it, with no lock held.
	// telemetry.TraceParent is OpenTelemetry's. nil: tasks carry none.
	TraceParent func(context.Context) string
	// CoarseClock reads a clock that is up to 1 ms late instead of the exact
	// one: cheaper, and deadlines are as much later. It costs a goroutine
	// that Close ends.
	CoarseClock bool
}

// Or gives o with every zero field taken from def.
func (o Options) Or(def Options) Options {
	if o.Heartbeat == 0 && o.Lease != 0 {
		o.Heartbeat = o.Lease / 3
	}
	if o.High == 0 && o.Capacity > 0 {
		o.High = max(1, o.Capacity*3/4)
	}
	if o.Low == 0 && o.High != 0 {
		o.Low = halfOf(o.High)
	}
	o.Name = or(o.Name, def.Name)
	o.Capacity = orInt(o.Capacity, def.Capacity)
	o.Lease = time.Duration(orInt64(int64(o.Lease), int64(def.Lease)))
	o.Heartbeat = time.Duration(orInt64(int64(o.Heartbeat), int64(def.Heartbeat)))
	o.Attempts = orInt(o.Attempts, def.Attempts)
	o.Dead = orInt(o.Dead, def.Dead)
	o.High = orInt(o.High, def.High)
	o.Low = orInt(o.Low, def.Low)
	o.Cooldown = time.Duration(orInt64(int64(o.Cooldown), int64(def.Cooldown)))
	o.MaxWaiting = orInt(o.MaxWaiting, def.MaxWaiting)
	o.LogEntries = orInt(o.LogEntries, def.LogEntries)
	o.LogBytes = orInt64(o.LogBytes, def.LogBytes)
	if o.Backoff == (Backoff{}) {
		o.Backoff = def.Backoff
	}
	if o.Incarnation == 0 {
		o.Incarnation = def.Incarnation
	}
	if o.Decode == (jsonwire.Options{}) {
		o.Decode = def.Decode
	}
	if o.TraceParent == nil {
		o.TraceParent = def.TraceParent
	}
	o.CoarseClock = o.CoarseClock || def.CoarseClock

	return o
}

// halfOf is the low watermark that follows from a high one.
func halfOf(high int) int {
	if high/2 == 0 {
		return UntilEmpty
	}

	return high / 2
}

func or(s, def string) string {
	if s == "" {
		return def
	}

	return s
}

func orInt(n, def int) int { return int(orInt64(int64(n), int64(def))) }

func orInt64(n, def int64) int64 {
	if n == 0 {
		return def
	}

	return n
}

// defaults are what no directive says.
var defaults = Options{MaxWaiting: 1024, LogEntries: 4096, LogBytes: 16 << 20, Cooldown: 5 * time.Second}

// check says which field is out of range. All fields are set by now.
func (o *Options) check() error {
	if !validName(o.Name) {
		return fmt.Errorf("tq: Name %q is not 1…128 bytes of letters, digits, inner spaces and . _ - /", o.Name)
	}
	for _, f := range [...]struct {
		name     string
		value    int64
		min, max int64
	}{
		{"Capacity", int64(o.Capacity), 1, MaxCapacity},
		{"Attempts", int64(o.Attempts), 1, MaxAttempts},
		{"Dead", int64(o.Dead), 1, MaxCapacity},
		{"MaxWaiting", int64(o.MaxWaiting), 1, MaxCapacity},
		{"LogEntries", int64(o.LogEntries), 1, MaxCapacity},
		{"LogBytes", o.LogBytes, 1, 1 << 50},
		{"Decode.Bytes", int64(o.Decode.Bytes), 0, math.MaxInt},
		{"Decode.Depth", int64(o.Decode.Depth), 0, jsonwire.MaxDepth},
		{"Decode.Elements", int64(o.Decode.Elements), 0, math.MaxInt},
	} {
		if f.value < f.min || f.value > f.max {
			return fmt.Errorf("tq: queue %q: %s %d is not in %d…%d", o.Name, f.name, f.value, f.min, f.max)
		}
	}
	if o.Lease < MinLease || o.Lease > MaxLease {
		return fmt.Errorf("tq: queue %q: Lease %v is not in %v…%v", o.Name, o.Lease, MinLease, MaxLease)
	}
	if o.Heartbeat <= 0 || o.Heartbeat >= o.Lease/2 {
		return fmt.Errorf("tq: queue %q: Heartbeat %v must be less than half of Lease %v", o.Name, o.Heartbeat, o.Lease)
	}
	if err := o.checkWatermarks(); err != nil {
		return err
	}
	if err := o.Backoff.Check(); err != nil {
		return fmt.Errorf("tq: queue %q: Backoff: %w", o.Name, err)
	}

	return nil
}

func (o *Options) checkWatermarks() error {
	switch {
	case o.High < 1 || o.High > o.Capacity:
		return fmt.Errorf("tq: queue %q: High %d is not in 1…Capacity, %d", o.Name, o.High, o.Capacity)
	case o.Low != UntilEmpty && (o.Low < 1 || o.Low >= o.High):
		return fmt.Errorf("tq: queue %q: Low %d must be at least 1 and less than High, %d, or tq.UntilEmpty",
			o.Name, o.Low, o.High)
	case o.Cooldown != NoCooldown && (o.Cooldown < 0 || o.Cooldown > MaxCooldown):
		return fmt.Errorf("tq: queue %q: Cooldown %v is not in 0…%v, nor tq.NoCooldown", o.Name, o.Cooldown, MaxCooldown)
	default:
		return nil
	}
}

func validName(name string) bool {
	odd := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-/ ", r)
	}

	return name != "" && len(name) <= 128 && strings.TrimSpace(name) == name && !strings.ContainsFunc(name, odd)
}

// slots is how many slots can be in use at once: live and dead tasks, as many
// again that were drained and whose events are still held, tasks that are gone
// but not from the log, and tasks of producers that wait for room.
func (o *Options) slots() int { return 2*(o.Capacity+o.Dead) + o.LogEntries + o.MaxWaiting }
