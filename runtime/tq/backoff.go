package tq

import (
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// Backoff is the delay between a failed attempt and the next one. The zero
// Backoff means the directive's; [NoBackoff] means none.
type Backoff struct {
	kind      uint8
	jitter    uint8 // percent
	base, max time.Duration
}

const (
	backoffUnset = iota
	backoffNone
	backoffConst
	backoffExp
)

// NoBackoff makes a failed task ready again at once.
var NoBackoff = Backoff{kind: backoffNone}

// ConstBackoff waits d after every failed attempt. d is above 0, at most 24 hours.
func ConstBackoff(d time.Duration) Backoff { return Backoff{kind: backoffConst, base: d} }

// ExpBackoff waits base after the first failed attempt and twice as long after
// each further one, up to limit; every delay is then lengthened or shortened
// by up to jitter percent, 0 to 100, and never exceeds limit. The jitter is
// drawn from the task's identity and the attempt, so a replay waits as long.
func ExpBackoff(base, limit time.Duration, jitter int) Backoff {
	if jitter < 0 || jitter > 100 {
		return Backoff{kind: backoffExp, base: base, max: limit, jitter: 255}
	}

	return Backoff{kind: backoffExp, base: base, max: limit, jitter: uint8(jitter)}
}

// String is the backoff as the directive writes it.
func (b Backoff) String() string {
	switch b.kind {
	case backoffConst:
		return fmt.Sprintf("const(%v)", b.base)
	case backoffExp:
		return fmt.Sprintf("exp(%v,%v,%d%%)", b.base, b.max, b.jitter)
	default:
		return "none"
	}
}

// Check says what is out of range; nil if nothing is.
func (b Backoff) Check() error {
	switch {
	case b.kind == backoffUnset || b.kind == backoffNone:
		return nil
	case b.base <= 0 || b.base > 24*time.Hour:
		return fmt.Errorf("delay %v is not in 1ns…24h", b.base)
	case b.kind == backoffConst:
		return nil
	case b.max < b.base || b.max > 24*time.Hour:
		return fmt.Errorf("longest delay %v is not in %v…24h", b.max, b.base)
	case b.jitter > 100:
		return errors.New("jitter is not in 0…100 percent")
	}

	return nil
}

// Delay is how long to wait after the given attempt of a task failed, the first
// one being 1. It is 0 for the zero Backoff.
func (b Backoff) Delay(task TaskID, attempt int) time.Duration {
	return b.delay(task, attempt).duration()
}

// delay is how long a task waits after its attempt failed.
func (b Backoff) delay(task TaskID, attempt int) Instant {
	switch b.kind {
	case backoffConst:
		return wholeTicks(Instant(b.base))
	case backoffExp:
		return wholeTicks(b.exponential(task, attempt))
	default:
		return 0
	}
}

// wholeTicks rounds up.
func wholeTicks(i Instant) Instant { return (i + tick - 1) / tick * tick }

func (b Backoff) exponential(task TaskID, attempt int) Instant {
	d := uint64(b.base)
	shift := uint(attempt - 1)
	if shift >= uint(bits.LeadingZeros64(d)) || d<<shift > uint64(b.max) {
		d = uint64(b.max)
	} else {
		d <<= shift
	}
	if b.jitter == 0 {
		return Instant(d)
	}
	span := d * uint64(b.jitter) / 100 // 24h in ns times 100 fits easily
	d = d - span + mix(uint64(task.Origin)^task.Sequence<<17^uint64(attempt))%(2*span+1)

	return Instant(min(d, uint64(b.max)))
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb

	return x ^ x>>31
}
