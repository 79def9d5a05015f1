package tq

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Incarnation names one life of a queue, from New to the end of its process.
// It is random unless given, and never 0.
type Incarnation uint64

// String is the incarnation's 16 hexadecimal digits.
func (i Incarnation) String() string { return fmt.Sprintf("%016x", uint64(i)) }

func newIncarnation() Incarnation {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails
		if i := Incarnation(binary.BigEndian.Uint64(b[:])); i != 0 {
			return i
		}
	}
}

// TaskID is a task's identity, for ever: the incarnation that accepted it and
// its number there, from 1. It survives restore, failover and a change of
// engine. The zero TaskID names no task.
type TaskID struct {
	Origin   Incarnation
	Sequence uint64
}

// String is "incarnation-sequence", which [ParseTaskID] reads.
func (t TaskID) String() string { return t.Origin.String() + "-" + strconv.FormatUint(t.Sequence, 10) }

// ParseTaskID reads what [TaskID.String] wrote.
func ParseTaskID(s string) (TaskID, error) {
	origin, seq, ok := strings.Cut(s, "-")
	o, err := strconv.ParseUint(origin, 16, 64)
	n, err2 := strconv.ParseUint(seq, 10, 64)
	if !ok || len(origin) != 16 || err != nil || err2 != nil {
		return TaskID{}, fmt.Errorf("tq: %q is no task id: want 16 hexadecimal digits, a dash and a number", s)
	}

	return TaskID{Incarnation(o), n}, nil
}

// Epoch orders the grants of one queue strictly, over restarts and failovers:
// its high 16 bits are the term, which promotion and restore raise, its low 48
// bits count the grants of that term.
type Epoch uint64

// MaxTerm is the last term there can be.
const MaxTerm = 1<<termBits - 1

const (
	termBits  = 16
	grantBits = 64 - termBits
	grantMask = 1<<grantBits - 1
)

func firstOfTerm(term uint64) Epoch { return Epoch(term << grantBits) }

// Term is the epoch's high 16 bits.
func (e Epoch) Term() uint64 { return uint64(e) >> grantBits }

// Token fences one grant: who presents it may settle the lease until the
// deadline, and nobody after the next grant of the same task. Tokens are
// comparable, and whole on any wire. The zero Token settles nothing.
type Token struct {
	Task        TaskID
	Attempt     int         // of the grant, from 1
	Incarnation Incarnation // that granted it
	Epoch       Epoch
}

// Slot is a task's place in its queue, for as long as anything refers to it.
type Slot int32

const noSlot = Slot(-1)

// Instant is elapsed time in nanoseconds since the queue opened. It never
// runs backwards.
type Instant int64

// Sequence numbers the events of one incarnation, from 1, without holes.
type Sequence uint64

func (i Instant) duration() time.Duration { return time.Duration(i) }
