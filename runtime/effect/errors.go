package effect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Sentinels. Errors of this package match them with errors.Is.
var (
	// ErrMismatch: what is recorded under an id is of another kind or schema
	// than what is asked for. A *MismatchError names both.
	ErrMismatch = errors.New("effect: record of another kind or schema")
	// ErrCorrupt: what is stored is no record, or a damaged one.
	ErrCorrupt = errors.New("effect: damaged record")
	// ErrConflict: the version that a change was recorded with is not one the
	// caller supports. A *ConflictError has the details.
	ErrConflict = errors.New("effect: version conflict")
	// ErrNoBranch: no branch of Execute is for the recorded version.
	ErrNoBranch = errors.New("effect: no branch for the version")
	// ErrScope: an effect has no identity: its event has no incarnation, its
	// lease holds no task, or a name in it cannot be used.
	ErrScope = errors.New("effect: no identity")
)

// Codes of errors on the wire, beside those of package tq.
const (
	CodeMismatch = "error.deterministic.replay"
	CodeConflict = "error.version.conflict"
)

// MismatchError says what is recorded under an id and what was expected there.
type MismatchError struct {
	ID                 string
	Kind, WantKind     string
	Schema, WantSchema string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("effect: %s is recorded as kind %q with schema %q, and kind %q with schema %q is expected",
		e.ID, e.Kind, e.Schema, e.WantKind, e.WantSchema)
}

// Unwrap gives [ErrMismatch].
func (e *MismatchError) Unwrap() error { return ErrMismatch }

// Code is [CodeMismatch].
func (e *MismatchError) Code() string { return CodeMismatch }

// CorruptError says which file or record is damaged, and how.
type CorruptError struct {
	Key   string
	Path  string // "" if the store gave the value and the value is no record
	Fault string
}

func (e *CorruptError) Error() string {
	where := ""
	if e.Path != "" {
		where = " (" + e.Path + ")"
	}

	return fmt.Sprintf("effect: %q%s is damaged: %s", e.Key, where, e.Fault)
}

// Unwrap gives [ErrCorrupt].
func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// ConflictError says that a change was recorded with a version outside of what
// the caller supports.
type ConflictError struct {
	Change          string
	Version         int // recorded
	RecordedAt      time.Time
	Lowest, Highest int // supported
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("effect: %s was started with version %d, and versions %d to %d are supported",
		e.Change, e.Version, e.Lowest, e.Highest)
}

// Unwrap gives [ErrConflict].
func (e *ConflictError) Unwrap() error { return ErrConflict }

// Code is [CodeConflict].
func (e *ConflictError) Code() string { return CodeConflict }

// Metadata is the error as plain values.
func (e *ConflictError) Metadata() map[string]tq.Plain {
	return map[string]tq.Plain{
		"changeId":      tq.PlainString(e.Change),
		"storedVersion": tq.PlainInt(int64(e.Version)),
		"minVersion":    tq.PlainInt(int64(e.Lowest)),
		"maxVersion":    tq.PlainInt(int64(e.Highest)),
	}
}

// Failure is a final failure as it was recorded. Every caller gets it, the one
// whose function failed included: what the function's own error was besides
// message, code and metadata is gone for those who come later, so nobody gets
// to rely on it.
type Failure struct {
	ID         string
	RecordedAt time.Time
	Err        *tq.TaskError
}

// Error is the recorded message.
func (f *Failure) Error() string { return f.Err.Message }

// Unwrap gives message, code and metadata.
func (f *Failure) Unwrap() error { return f.Err }

// Final marks err as one that no further attempt can mend: it is recorded, and
// replayed ever after. It says what err says. Final of nil is nil.
//
// Recorded are message, code and metadata: the code as tq.ErrorCode gives it,
// the metadata of the first error in the tree that is a *tq.TaskError or has a
// method Metadata() map[string]tq.Plain.
func Final(err error) error {
	if err == nil {
		return nil
	}

	return &finalError{err}
}

type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

// IsFinal reports whether an error in err's tree was marked by [Final] or is a
// [*Failure] replayed.
func IsFinal(err error) bool {
	var marked *finalError
	var failure *Failure

	return errors.As(err, &marked) || errors.As(err, &failure)
}

// recordable reports whether an effect's error ends it. Cancellation says that
// somebody gave up, not how the effect came out.
func recordable(err error) bool {
	return IsFinal(err) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// maxMessage bounds what a record keeps of a message, in bytes.
const maxMessage = 4 << 10

// sanitised is what is recorded of an error.
func sanitised(err error) *tq.TaskError {
	kept := &tq.TaskError{Message: err.Error(), Code: tq.ErrorCode(err)}
	if len(kept.Message) > maxMessage {
		kept.Message = strings.ToValidUTF8(kept.Message[:maxMessage], "") + "…"
	}
	var described interface{ Metadata() map[string]tq.Plain }
	var before *tq.TaskError
	switch {
	case errors.As(err, &described):
		kept.Metadata = maps.Clone(described.Metadata())
	case errors.As(err, &before) && before != nil:
		kept.Cause, kept.Metadata = before.Cause, before.Metadata
	}

	return kept
}

// storeError says which operation of the store failed.
func storeError(op, id string, err error) error { return fmt.Errorf("effect: %s %s: %w", op, id, err) }

// checkKey refuses keys that stores need not take.
func checkKey(key string) error {
	if key == "" || len(key) > MaxKey {
		return errors.New("effect: a key has 1 to " + strconv.Itoa(MaxKey) + " bytes, not " + strconv.Itoa(len(key)))
	}

	return nil
}
