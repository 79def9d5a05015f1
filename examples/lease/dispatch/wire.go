package dispatch

import (
	"time"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/runtime/tq"
)

//go:generate go run ../../../cmd/tqgen

// EnqueueRequest is the body of enqueue.
//
//tqgen:codec
type EnqueueRequest struct {
	// Payload is required.
	Payload *lease.ResourceLease `json:"payload"`
}

// EnqueueResponse says which task was accepted.
//
//tqgen:codec
type EnqueueResponse struct {
	// ID is the task's identity, for ever: what tq.ParseTaskID reads.
	ID string `json:"id"`

	// SequenceID is the number of the task at the queue that accepted it.
	SequenceID uint64 `json:"sequenceId"`

	// Stats are the queue's depths afterwards.
	Stats Depths `json:"stats"`
}

// Depths are how many tasks wait and are leased.
type Depths struct {
	PendingCount     int `json:"pendingCount"`
	ActiveLeaseCount int `json:"activeLeaseCount"`
}

// LeaseRequest is the body of lease. It may be left out.
//
//tqgen:codec
type LeaseRequest struct {
	// PeerID names who is to own the lease, where the request does not say it
	// otherwise.
	PeerID string `json:"peerId,omitempty"`

	// WaitSeconds is how long to wait for a task; 0 is not at all. Absent, or
	// above what the service allows, it is what the service allows.
	WaitSeconds *float64 `json:"waitSeconds,omitempty"`
}

// LeaseResponse is a task, leased to the peer that asked.
//
//tqgen:codec
type LeaseResponse struct {
	Payload    lease.ResourceLease `json:"payload"`
	SequenceID uint64              `json:"sequenceId"`
	Attempt    int                 `json:"attempt"`
	EnqueuedAt time.Time           `json:"enqueuedAt"`

	// LastError is why the attempt before failed; null if there was none.
	LastError *tq.TaskError `json:"lastError"`

	// OwnershipToken is to be handed back as it is.
	OwnershipToken tq.Token `json:"ownershipToken"`

	// OwnerPeerID is the peer that owns the lease.
	OwnerPeerID string `json:"ownerPeerId"`

	// LeaseExpiration is until when the lease holds without a heartbeat.
	LeaseExpiration time.Time `json:"leaseExpiration"`

	// LeaseSeconds is how long that is, for those whose clock is another.
	LeaseSeconds float64 `json:"leaseSeconds"`
}

// SettleRequest is the body of complete, heartbeat, release and fail. Only fail
// looks at more than the token.
//
//tqgen:codec
type SettleRequest struct {
	// OwnershipToken is what the lease came with. It is required.
	OwnershipToken tq.Token `json:"ownershipToken"`

	// Reason is why the attempt failed, for people.
	Reason string `json:"reason,omitempty"`

	// ErrorCode is why it failed, for programs; error.resourcelease.failed
	// unless given.
	ErrorCode string `json:"errorCode,omitempty"`

	// Requeue false gives the task up, whatever attempts are left.
	Requeue *bool `json:"requeue,omitempty"`

	// Metadata is kept with the error.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Acknowledgement says that a lease was settled or prolonged.
//
//tqgen:codec
type Acknowledgement struct {
	Success bool `json:"success"`

	// LeaseExpiration is until when the lease now holds; heartbeat alone has it.
	LeaseExpiration time.Time `json:"leaseExpiration,omitzero"`

	// LeaseSeconds is how long that is, for those whose clock is another.
	LeaseSeconds float64 `json:"leaseSeconds,omitzero"`
}

// DrainRequest is the body of drain. It may be left out. The answer is a
// leasequeue.Snapshot, which is the body of restore.
//
//tqgen:codec
type DrainRequest struct {
	// GraceSeconds is how long leases have to be settled before they are taken.
	GraceSeconds float64 `json:"graceSeconds,omitempty"`
}

// RestoreResponse says how many tasks were put in: not those that were there.
//
//tqgen:codec
type RestoreResponse struct {
	RestoredCount uint64 `json:"restoredCount"`
}

// Stats are the queue's numbers at one moment. Counts only grow while the
// process lives.
//
//tqgen:codec
type Stats struct {
	Depths

	Ready            int     `json:"ready"`
	Delayed          int     `json:"delayed"`
	DeadLetters      int     `json:"deadLetters"`
	Capacity         int     `json:"capacity"`
	WaitingProducers int     `json:"waitingProducers"`
	WaitingConsumers int     `json:"waitingConsumers"`
	OldestAgeSeconds float64 `json:"oldestAgeSeconds"`
	Backpressure     bool    `json:"backpressure"`

	Enqueued     uint64 `json:"enqueued"`
	Leased       uint64 `json:"leased"`
	Heartbeats   uint64 `json:"heartbeats"`
	Completed    uint64 `json:"completed"`
	Failed       uint64 `json:"failed"`
	Requeued     uint64 `json:"requeued"`
	Expired      uint64 `json:"expired"`
	DeadLettered uint64 `json:"deadLettered"`
	Released     uint64 `json:"released"`
	Drained      uint64 `json:"drained"`
	Restored     uint64 `json:"restored"`
	Redriven     uint64 `json:"redriven"`
	Purged       uint64 `json:"purged"`
}

// Health says whether this node leases tasks.
//
//tqgen:codec
type Health struct {
	// Status is "serving", "draining" while or after the queue is drained,
	// "following" where another node owns the queue, or "closed".
	Status string `json:"status"`

	// Owner is where the queue is, as far as that is known and is not here.
	Owner string `json:"owner,omitempty"`
}

// ShardList says which shards there are.
//
//tqgen:codec
type ShardList struct {
	Shards []ShardHealth `json:"shards"`
}

// ShardHealth is one of them.
type ShardHealth struct {
	Shard string `json:"shard"`
	Health
}
