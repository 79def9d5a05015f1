package tq

import (
	"strconv"
	"time"
)

// Kind says what happened to a task. The numbers are those of the wire.
type Kind uint8

// Kinds of state changes.
const (
	Enqueued     Kind = 0
	LeaseGranted Kind = 1
	Heartbeat    Kind = 2
	Completed    Kind = 3
	Failed       Kind = 4
	Requeued     Kind = 5
	DeadLettered Kind = 6
	LeaseExpired Kind = 7
	Drained      Kind = 8
	Released     Kind = 100
	Restored     Kind = 101
	Redriven     Kind = 102
	Purged       Kind = 103

	// PassedOver is a snapshot that was restored and of which every task was here
	// already. It stands with one of them, to which nothing happened, so that
	// those who follow know the snapshot as restored.
	PassedOver Kind = 104
)

var kindNames = map[Kind]string{
	Enqueued: "Enqueued", LeaseGranted: "LeaseGranted", Heartbeat: "Heartbeat", Completed: "Completed",
	Failed: "Failed", Requeued: "Requeued", DeadLettered: "DeadLettered", LeaseExpired: "LeaseExpired",
	Drained: "Drained", Released: "Released", Restored: "Restored", Redriven: "Redriven", Purged: "Purged",
	PassedOver: "PassedOver",
}

// String is the kind's name, or its number if this version does not know it.
func (k Kind) String() string {
	if n, ok := kindNames[k]; ok {
		return n
	}

	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// ParseKind is the kind of a name that [Kind.String] gives.
func ParseKind(name string) (Kind, bool) {
	for k, n := range kindNames {
		if n == name {
			return k, true
		}
	}

	return 0, false
}

// Flags qualify a kind. They stand on every event of an operation.
type Flags uint8

// Flags of state changes. AtHead is on Restored alone: the task comes before
// those that are merely ready, as released tasks do.
const (
	FromExpiration Flags = 1
	FromDrain      Flags = 2
	DeadLetter     Flags = 4
	AtHead         Flags = 8
)

// Record is one state change without the payload, which is at Slot for as long
// as the lock is held. Fields that a kind does not have are zero.
type Record struct {
	Sequence    Sequence
	Kind        Kind
	Flags       Flags
	More        bool // further records of the same operation follow
	Slot        Slot
	Task        TaskID
	Attempt     int // of the grant, 0 before the first; on Enqueued, Requeued, Drained, Restored and Redriven, the next one's
	At          time.Time
	EnqueuedAt  time.Time
	AvailableAt time.Time  // when a delayed task will be ready; on Restored also since when a ready one is
	Token       Token      // of the grant this is about; of the last one on Drained and Restored
	Deadline    time.Time  // of the lease, on LeaseGranted and Heartbeat
	Owner       string     // of the lease
	Err         *TaskError // why the attempt failed; on Drained and Restored the last error
	Term        uint64     // on Restored: that of later grants, or of an earlier one if nothing raised it
	TraceParent string     // of whoever enqueued the task: see Options.TraceParent
	Snapshot    string     // on Restored and PassedOver: the id of the snapshot
}

// State is where a task stands.
type State uint8

// States of a task. Released tasks are ready, before all others.
const (
	Ready State = iota + 1
	ReadyFirst
	Delayed
	Leased
	Dead
)

var stateNames = [...]string{Ready: "ready", ReadyFirst: "released", Delayed: "delayed", Leased: "leased", Dead: "dead"}

// String is the state's name on the wire.
func (s State) String() string {
	if int(s) < len(stateNames) && stateNames[s] != "" {
		return stateNames[s]
	}

	return "State(" + strconv.Itoa(int(s)) + ")"
}

// ParseState is the state of a name that [State.String] gives.
func ParseState(name string) (State, bool) {
	for i, n := range stateNames {
		if n == name && n != "" {
			return State(i), true
		}
	}

	return 0, false
}

// TaskState is a task without its payload, as snapshots and dead letters show
// it. It is enough to put the task back exactly as it was.
type TaskState struct {
	ID          TaskID
	State       State
	Attempt     int // grants so far that count
	EnqueuedAt  time.Time
	AvailableAt time.Time  // since when it is ready, or when it will be; zero for leased and dead
	Deadline    time.Time  // of a leased task; zero otherwise
	Owner       string     // of a leased task
	LastError   *TaskError // nil if no attempt has failed
	LastToken   Token      // of the last grant; zero if there was none
	TraceParent string     // of whoever enqueued it: see Options.TraceParent
}

// TaskRef is a task and where its payload lies while the lock is held.
type TaskRef struct {
	TaskState
	Slot   Slot
	Number uint64 // of a dead letter: counts them, from 1; 0 for other tasks
}

// SnapshotVersion is the version of snapshots this runtime writes.
const SnapshotVersion = 1

// SnapshotHeader says what a snapshot is of. One that was looked at is the state
// right after the event Sequence; one that was drained has what that event and
// those before it took out.
type SnapshotHeader struct {
	Version      int
	Queue        string
	Incarnation  Incarnation
	Sequence     Sequence
	HighestEpoch Epoch
	ID           string      // the same state has the same id; "" and what is longer than MaxSnapshotID is never remembered
	Restored     SnapshotIDs // what the queue has restored, and would pass over
}

// Stats is one reading of a queue.
type Stats struct {
	Exact  bool // all figures are of one moment
	Paused bool // nothing is granted: see Probe.Pause

	Ready, Delayed, Leased, Dead int
	Capacity                     int
	WaitingProducers             int
	WaitingConsumers             int
	OldestReady                  time.Duration // how long the task has been ready that has been longest; 0 if none is

	Counters

	Sequence     Sequence // of the last event
	LogEntries   int      // events kept for readers
	LogBytes     int64    // payload bytes kept only for readers
	Readers      int
	SlowestLag   Sequence // events the slowest reader has not read
	HighestEpoch Epoch
}

// Pending is ready plus delayed.
func (s Stats) Pending() int { return s.Ready + s.Delayed }

// Active is leased.
func (s Stats) Active() int { return s.Leased }

// Live is what capacity bounds: ready, delayed and leased.
func (s Stats) Live() int { return s.Ready + s.Delayed + s.Leased }

// Counters only grow. At every moment Enqueued + Restored equals ready +
// delayed + leased + dead + Completed + Purged + Drained.
type Counters struct {
	Enqueued, Granted, Heartbeats, Completed, Failed, Requeued, DeadLettered uint64
	Expired, Released, Drained, Restored, Redriven, Purged                   uint64
}
