package tq

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels. Errors of this package and of generated code match them with
// errors.Is.
var (
	// ErrClosed: the queue was closed. Producers and workers get it; leases
	// can still be settled.
	ErrClosed = errors.New("tq: queue is closed")
	// ErrDrained: the queue was drained and neither restored nor reopened
	// since. Producers and workers get it, waiting ones included.
	ErrDrained = errors.New("tq: queue is drained")
	// ErrFull: there is no room for another task and the call does not wait
	// for it, or as many producers wait already as may, or a restore or
	// redrive finds no room.
	ErrFull = errors.New("tq: queue is full")
	// ErrEmpty: no task is ready and the call does not wait for one.
	ErrEmpty = errors.New("tq: no task is ready")
	// ErrLeaseLost: the lease is over: settled, expired, revoked or drained.
	// Nothing was changed.
	ErrLeaseLost = errors.New("tq: lease lost")
	// ErrGap: what comes next for this reader is no longer held. Go on from a
	// snapshot.
	ErrGap = errors.New("tq: events are no longer held")
	// ErrUncertain: whether the operation took effect cannot be known from
	// here. Repeating it is safe where it carries an identity.
	ErrUncertain = errors.New("tq: outcome is uncertain")
	// ErrDeposed: another owner with a higher term has taken over the queue.
	// Everything that would change this one answers it, and so do its leases,
	// whose errors match ErrLeaseLost, too.
	ErrDeposed = errors.New("tq: deposed by a later term")
	// ErrForeign: the event or snapshot is of another queue, or of a life of it
	// that is not the one followed. A snapshot begins a new one.
	ErrForeign = errors.New("tq: not of the queue followed")
	// ErrDiverged: the event does not fit the state it comes upon: it came
	// twice, out of order, or the two have parted. Go on from a snapshot.
	ErrDiverged = errors.New("tq: event does not fit the state")
	// ErrDuplicate: a task with this identity is in the queue already.
	ErrDuplicate = errors.New("tq: duplicate task")
	// ErrUnknownTask: no dead letter has this identity; it was redriven,
	// purged or never died here.
	ErrUnknownTask = errors.New("tq: no such dead letter")
	// ErrExhausted: a counter that must never repeat has reached its end
	// (2^48 grants in one term, or 2^16 terms).
	ErrExhausted = errors.New("tq: epochs are exhausted")
)

// errRevoked is what leases of a deposed owner answer.
var errRevoked = fmt.Errorf("%w: %w", ErrDeposed, ErrLeaseLost)

// lossError is ErrLeaseLost, and what ended the lease.
type lossError struct{ code, text string }

func (e *lossError) Error() string { return ErrLeaseLost.Error() + ": " + e.text }

// Code is the stable code.
func (e *lossError) Code() string { return e.code }

func (e *lossError) Unwrap() error { return ErrLeaseLost }

// What a token that came back from outside may be refused for.
var (
	errExpired     = &lossError{CodeLeaseExpired, "the deadline has passed"}
	errDeadLetter  = &lossError{CodeDeadLettered, "the task is a dead letter"}
	errTaskUnknown = &lossError{CodeUnknownTask, "no such task is in the queue"}
)

// Codes are what errors are called on the wire. They stay the same over
// releases.
const (
	CodeFailed       = "error.taskqueue.failed"        // a handler's error without a code of its own
	CodePanic        = "error.taskqueue.panic"         // a handler panicked
	CodeLeaseExpired = "error.taskqueue.lease_expired" // the deadline passed without a heartbeat
	CodeLeaseLost    = "error.taskqueue.lease_inactive"
	CodeClosed       = "error.taskqueue.disposed"
	CodeDeadLettered = "error.taskqueue.deadlettered" // the task of the lease is a dead letter
	CodeDrained      = "error.taskqueue.drained"
	CodeFull         = "error.taskqueue.full"
	CodeEmpty        = "error.taskqueue.empty"
	CodeGap          = "error.taskqueue.gap"
	CodeUncertain    = "error.taskqueue.uncertain"
	CodeDeposed      = "error.taskqueue.deposed"
	CodeForeign      = "error.taskqueue.foreign"
	CodeDiverged     = "error.taskqueue.diverged"
	CodeDuplicate    = "error.taskqueue.duplicate"
	CodeUnknownTask  = "error.taskqueue.unknown_task"
	CodeExhausted    = "error.taskqueue.exhausted"
)

// ErrorCode is the stable code of err: that of the first error in its tree
// with a method Code() string, else that of the sentinel it matches, else
// [CodeFailed]. It is "" for nil.
func ErrorCode(err error) string {
	if err == nil {
		return ""
	}
	var coded interface{ Code() string }
	if errors.As(err, &coded) {
		return coded.Code()
	}
	var kept *TaskError
	if errors.As(err, &kept) && kept != nil {
		return kept.Code
	}
	for _, s := range [...]struct {
		err  error
		code string
	}{
		{ErrDeposed, CodeDeposed}, {ErrLeaseLost, CodeLeaseLost}, {ErrClosed, CodeClosed}, {ErrDrained, CodeDrained}, {ErrFull, CodeFull},
		{ErrEmpty, CodeEmpty}, {ErrGap, CodeGap}, {ErrUncertain, CodeUncertain},
		{ErrForeign, CodeForeign}, {ErrDiverged, CodeDiverged}, {ErrDuplicate, CodeDuplicate}, {ErrUnknownTask, CodeUnknownTask}, {ErrExhausted, CodeExhausted},
	} {
		if errors.Is(err, s.err) {
			return s.code
		}
	}

	return CodeFailed
}

// TaskError is why an attempt failed, as leases, events, dead letters and
// snapshots carry it. It is never changed once made, so it may be shared.
type TaskError struct {
	Message  string           // at most 4 KiB of what the cause says
	Code     string           // one of the codes of this package, or the cause's own
	Cause    string           // the type and message of what lies below, "" if unknown
	Metadata map[string]Plain // nil if there is none
}

// Error is the message.
func (e *TaskError) Error() string { return e.Message }

// newTaskError keeps what an error says; nil stays nil. It calls the error's
// own methods, so never with a lock held.
func newTaskError(err error) *TaskError {
	if err == nil {
		return nil
	}
	kept, ok := err.(*TaskError) //nolint:errorlint // the error itself: one that wraps it says more
	if ok && (kept == nil || len(kept.Message) <= maxMessage) {
		return kept
	}
	message := err.Error()
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}

	return &TaskError{Message: message, Code: ErrorCode(err)}
}

// maxMessage bounds what an error may hold on to: it lives as long as its task
// and its events do.
const maxMessage = 4 << 10

// LeaseError says which lease an operation was refused for. It unwraps to a
// sentinel.
type LeaseError struct {
	Op    string // "complete", "heartbeat", "fail", "release", "dead-letter", "resume"
	Queue string
	Token Token
	Err   error
}

func (e *LeaseError) Error() string {
	return fmt.Sprintf("%s %s %s: %v", e.Op, e.Queue, e.Token.Task, e.Err)
}

// Unwrap gives the sentinel.
func (e *LeaseError) Unwrap() error { return e.Err }
