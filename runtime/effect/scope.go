package effect

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Scope is what an effect belongs to. It is made by [ForEvent], [ForTask] or
// [Named]; the fields are there for the ID function.
type Scope struct {
	Queue       string
	Incarnation tq.Incarnation // of an event
	Sequence    tq.Sequence    // of an event
	Task        tq.TaskID      // of an event, too
	Effect      string         // "" for an event as a whole

	kind scopeKind
	step string // change and version, of a step of Execute
}

// scopeKind is the part of an id behind the prefix.
type scopeKind string

const (
	eventScope scopeKind = ".replication"
	taskScope  scopeKind = ".task"
	stepScope  scopeKind = ".step"
	namedScope scopeKind = ".named"
)

// ForEvent is the scope of an effect of one event.
func ForEvent(queue string, source tq.Incarnation, sequence tq.Sequence, task tq.TaskID, effect string) Scope {
	return Scope{
		Queue: queue, Incarnation: source, Sequence: sequence, Task: task, Effect: effect, kind: eventScope,
	}
}

// ForTask is the scope of an effect of one task, whoever holds its lease.
func ForTask(queue string, task tq.TaskID, effect string) Scope {
	return Scope{Queue: queue, Task: task, Effect: effect, kind: taskScope}
}

// Named is the scope of an effect that has an identity of its own, such as
// "invoice-17".
func Named(effect string) Scope { return Scope{Effect: effect, kind: namedScope} }

// DefaultPrefix begins the ids of recorders whose options say nothing else.
const DefaultPrefix = "taskqueue"

// intentSuffix makes the key of an intent out of an effect's id.
const intentSuffix = "#intent"

// ID is under which key the outcome of an effect is recorded: what the ID
// function of the options gives; where there is none, or it gives "", the
// prefix and what is in the scope:
//
//	taskqueue.replication::<queue>::<incarnation>::<sequence>[::<effect>]
//	taskqueue.task::<queue>::<origin>::<sequence>::<effect>
//	taskqueue.step::<change>::v<version>::<step>
//	taskqueue.named::<effect>
//
// The error matches [ErrScope].
func (r *Recorder) ID(s Scope) (string, error) {
	id := ""
	if r.o.ID != nil && s.kind != stepScope {
		id = r.o.ID(s)
	}
	if id == "" {
		if fault := s.fault(); fault != "" {
			return "", fmt.Errorf("%w: %s", ErrScope, fault)
		}
		id = r.o.Prefix + s.String()
	}
	if len(id)+len(intentSuffix) > MaxKey || strings.HasSuffix(id, intentSuffix) {
		return "", fmt.Errorf("%w: id %.80q is longer than %d bytes, or ends in %s",
			ErrScope, id, MaxKey-len(intentSuffix), intentSuffix)
	}

	return id, nil
}

// String is the scope as ids have it behind their prefix.
func (s Scope) String() string {
	parts := []string{string(s.kind)}
	switch s.kind {
	case eventScope:
		parts = append(parts, s.Queue, s.Incarnation.String(), strconv.FormatUint(uint64(s.Sequence), 10))
		if s.Effect == "" {
			return strings.Join(parts, "::")
		}
	case taskScope:
		parts = append(parts, s.Queue, s.Task.Origin.String(), strconv.FormatUint(s.Task.Sequence, 10))
	case stepScope:
		parts = append(parts, s.step)
	}

	return strings.Join(append(parts, s.Effect), "::")
}

// fault says why a scope is the identity of nothing.
func (s Scope) fault() string {
	switch {
	case s.kind == eventScope && s.Incarnation == 0:
		return "the event has no incarnation, and its sequence alone comes again: set Options.ID"
	case s.kind == eventScope && s.Sequence == 0:
		return "the event has no sequence"
	case s.kind == taskScope && s.Task == tq.TaskID{}:
		return "the lease holds no task"
	case s.kind != eventScope && s.Effect == "":
		return "the effect has no name"
	case strings.Contains(s.Queue, "::"):
		return "the name of the queue has :: in it"
	case s.kind == "":
		return "the scope was not made by ForEvent, ForTask or Named"
	default:
		return ""
	}
}

// idempotencyKey is what the outside is told an effect by: short, of letters
// and digits alone, and the same whenever the same effect is tried.
func idempotencyKey(id string) string {
	sum := sha256.Sum256([]byte(id))

	return hex.EncodeToString(sum[:16])
}
