package replication

import (
	"errors"
	"fmt"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Sentinels. Errors of this package match them with errors.Is.
var (
	// ErrConflict: the stored checkpoint is not the one this writer goes on
	// from. Somebody else writes the same stream.
	ErrConflict = errors.New("replication: another writer has saved a checkpoint of the stream")
	// ErrRunning: the stream is being applied already. One run at a time.
	ErrRunning = errors.New("replication: the stream has a run already")
	// ErrLocked: another process, or another value in this one, has the files
	// open. It lets go when it is closed or dies.
	ErrLocked = errors.New("replication: the files are in use")
	// ErrCorrupt: a file was damaged after it was written. A [*CorruptError]
	// says where.
	ErrCorrupt = errors.New("replication: file is damaged")
	// ErrStopped: who took the events of a synchronous source takes no more.
	ErrStopped = errors.New("replication: the sink has stopped")
	// ErrBackwards: a position was to be moved behind where it is.
	ErrBackwards = errors.New("replication: positions do not go backwards")
	// ErrAcknowledgement: a follower has acknowledged an event that it was not
	// sent, or one before that which it has acknowledged.
	ErrAcknowledgement = errors.New("replication: the acknowledgement cannot be")
)

// GapError says which event was expected and which came. It matches tq.ErrGap:
// what lies between is not to be had from this stream, so the state has to come
// from a snapshot.
type GapError struct {
	Want, Got Position
}

func (e *GapError) Error() string {
	if e.Want.Incarnation == e.Got.Incarnation {
		return fmt.Sprintf("replication: event %d of %v where %d is next: take a snapshot and go on from there",
			e.Got.Sequence, e.Got.Incarnation, e.Want.Sequence)
	}

	return fmt.Sprintf("replication: event %d of incarnation %v, and %d of %v is next: take a snapshot and go on from there",
		e.Got.Sequence, e.Got.Incarnation, e.Want.Sequence, e.Want.Incarnation)
}

// Unwrap gives tq.ErrGap.
func (e *GapError) Unwrap() error { return tq.ErrGap }

// ApplyError is why a sink stopped: the event it could not apply, without its
// payload, and the cause.
type ApplyError struct {
	Event    Header
	Attempts int
	Err      error
}

func (e *ApplyError) Error() string {
	return fmt.Sprintf("replication: apply event %d (%v of task %v), attempt %d: %v",
		e.Event.Sequence, e.Event.Kind, e.Event.Task, e.Attempts, e.Err)
}

// Unwrap gives the cause.
func (e *ApplyError) Unwrap() error { return e.Err }

// CorruptError says where a file is damaged.
type CorruptError struct {
	Path   string
	Offset int64 // of the first byte that cannot be read
	Fault  string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("replication: %s is damaged at offset %d: %s", e.Path, e.Offset, e.Fault)
}

// Unwrap gives [ErrCorrupt].
func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// PanicError is what user code panicked with, where the panic ended no more
// than what called it.
type PanicError struct {
	What  string // "apply", "Applied"
	Value any
}

// caught is to be deferred: it makes an error of a panic.
func caught(what string, err *error) {
	if value := recover(); value != nil {
		*err = &PanicError{What: what, Value: value}
	}
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("replication: %s panicked: %v", e.What, e.Value)
}

// Unwrap gives the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)

	return err
}
