// Package tqtest holds a generated queue to what every generated queue
// promises, whatever its payload: order, leases and fencing, retries and dead
// letters, drain and restore by way of JSON, events, and how Run treats
// handlers.
//
// It knows payloads by number. A test gives it a [Queue] over the generated
// package, in which payload n is any value that carries n and can be told from
// the others:
//
//	func TestConformance(t *testing.T) {
//		tqtest.Run(t, func(t testing.TB, o tq.Options) tqtest.Queue { … })
//	}
//
// [RunReplicas] does the same for the package's replicas.
//
// Checks that depend on time run in a bubble of testing/synctest, so none of
// them sleeps.
package tqtest

import (
	"context"
	"testing"
	"time"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Lease is what every generated *Lease has.
type Lease interface {
	Complete(ctx context.Context) error
	Heartbeat(ctx context.Context) (until time.Time, err error)
	Fail(ctx context.Context, cause error) error
	Release(ctx context.Context) error
	DeadLetter(ctx context.Context, cause error) error
	Deadline() time.Time
	Owner() string
	TraceParent() string
}

// Grant is a generated lease with its fields.
type Grant struct {
	Lease
	Number     int // of its payload
	Token      tq.Token
	Attempt    int
	EnqueuedAt time.Time
	LastError  *tq.TaskError
}

// Task is a generated task.
type Task struct {
	tq.TaskState
	Number int
}

// DeadLetter is a generated dead letter. Place is what it calls its number.
type DeadLetter struct {
	Task
	Place uint64
}

// Event is a generated event.
type Event struct {
	replication.Header
	Number int // of the payload; -1 where the event leaves it out
}

// Plain is what every generated Local has that no payload affects.
type Plain interface {
	Redrive(ctx context.Context, id tq.TaskID) error
	Purge(ctx context.Context, id tq.TaskID) error
	Reopen() error
	Stats(ctx context.Context) (tq.Stats, error)
	Probe() *tq.Probe
	Feed() replication.Feed
	Close() error
}

// Queue is a generated Local with payloads that have numbers. Each method is
// the generated one of that name.
type Queue interface {
	Plain

	Enqueue(ctx context.Context, n int) (tq.TaskID, error)
	TryEnqueue(ctx context.Context, n int) (tq.TaskID, error)
	EnqueueAt(ctx context.Context, n int, when time.Time) (tq.TaskID, error)
	EnqueueBatch(ctx context.Context, ns []int, ids []tq.TaskID) (accepted int, err error)

	Lease(ctx context.Context) (Grant, error)
	TryLease(ctx context.Context) (Grant, error)
	LeaseBatch(ctx context.Context, limit int) ([]Grant, error)
	Resume(ctx context.Context, token tq.Token) (Grant, error)

	DeadLetters(ctx context.Context, after uint64, limit int) ([]DeadLetter, error)

	// Drain gives the snapshot's JSON, Restore takes it.
	Drain(ctx context.Context, grace time.Duration) ([]byte, error)
	Restore(ctx context.Context, snapshot []byte) error

	// Watch and WatchNow give a reader; WatchNow also the tasks of its snapshot.
	Watch(after tq.Sequence) (Reader, error)
	WatchNow() (tq.SnapshotHeader, []Task, Reader)

	// Run is the generated function over the queue.
	Run(ctx context.Context, o tq.RunOptions, handler func(context.Context, Grant) error) error

	// Cycle enqueues a payload made before, leases and completes it, and does
	// nothing else: the hot path.
	Cycle(ctx context.Context) error

	// EnqueueBytes enqueues a payload that holds size bytes. It reports false
	// if this payload cannot.
	EnqueueBytes(ctx context.Context, size int) (possible bool, err error)
}

// Reader is a generated Reader.
type Reader interface {
	Next(ctx context.Context) (Event, error)
	Close() error
}

// Open opens an empty queue of the generated package.
type Open func(t testing.TB, o tq.Options) Queue

// checks are the promises, in the order in which Run looks at them.
var checks = []struct {
	name  string
	check func(*testing.T, Open)
}{
	{"tasks are leased in order", checkOrder},
	{"a batch is accepted and leased in order", checkBatch},
	{"a task that is due later waits", checkDelay},
	{"a full queue refuses and makes wait", checkFull},
	{"a settled lease is over", checkSettled},
	{"a failed task comes back until its attempts are spent", checkFail},
	{"a released task comes first and keeps its attempts", checkRelease},
	{"a dead letter is paged, redriven and purged", checkDeadLetters},
	{"an expired lease is lost, and its task leased anew", checkExpiry},
	{"a heartbeat prolongs a lease", checkHeartbeat},
	{"a token comes back as its lease", checkResume},
	{"drain and restore by way of JSON change nothing", checkDrain},
	{"a watch follows the depth of the queue", checkDepth},
	{"a closed queue wakes who waits and lets leases settle", checkClose},
	{"events follow the state, in order", checkEvents},
	{"tasks carry the trace of their producers, events the schema", checkTrace},
	{"a reader that fell behind is told", checkGap},
	{"a snapshot and its reader fit together", checkWatchNow},
	{"run settles as the handler says", checkRun},
	{"run cancels the handler of a lost lease", checkRunLost},
	{"run lets handlers finish when it ends", checkRunGrace},
	{"the hot path allocates nothing", checkAllocs},
	{"a stalled reader holds a bounded heap", checkHeap},
}

// Run holds the queues that open gives to every promise, each in a subtest.
func Run(t *testing.T, open Open) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.check(t, open) })
	}
}
