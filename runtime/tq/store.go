package tq

import "time"

// Store is the typed side of a queue: payloads by slot. Generated code
// implements it; the engine calls it with the lock held that guards the slot.
// Other slots may be guarded by another lock, so their payloads must be apart.
type Store interface {
	// Grow is called before a slot is used for the first time, and while
	// nobody uses any other.
	Grow(Slot)
	// Clear drops the payload at the slot.
	Clear(Slot)
	// Size is how many bytes the payload at the slot holds.
	Size(Slot) int
}

// Grant is one lease, as the engine hands it to generated code.
type Grant struct {
	Held       Held
	Token      Token
	EnqueuedAt time.Time
	LastError  *TaskError
	Slot       Slot
}

// Outcome is how a worker leaves the lease it has, before it takes the next.
type Outcome struct {
	Verb  Verb
	Cause error // of Fail and DeadLetter
}

// Verb settles a lease.
type Verb uint8

// Verbs of an Outcome. Nothing is for a worker that has no lease yet, or one
// that was settled already.
const (
	Nothing Verb = iota
	Complete
	Fail
	Release
	MoveToDead
)
