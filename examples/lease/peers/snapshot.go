package peers

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

//go:generate go run ../../../cmd/tqgen

// Snapshot is all peers at one moment.
//
//tqgen:codec
type Snapshot struct {
	ObservedAt           time.Time `json:"observedAt"`
	HealthyPeers         int       `json:"healthyPeers"`
	UnhealthyPeers       int       `json:"unhealthyPeers"`
	PendingReassignments int       `json:"pendingReassignments"`
	Peers                []Peer    `json:"peers"` // by name
}

// Peer is one of them.
type Peer struct {
	PeerID    string `json:"peerId"`
	IsHealthy bool   `json:"isHealthy"`
	// IsEligible says whether it should be given a lease.
	IsEligible bool `json:"isEligible"`
	IsBarred   bool `json:"isBarred,omitempty"`
	// IsWaiting says that it waits for a task at this moment.
	IsWaiting bool `json:"isWaiting"`

	LastSeen         time.Time `json:"lastSeen"`
	LastHeartbeat    time.Time `json:"lastHeartbeat,omitzero"`
	LastDisconnect   time.Time `json:"lastDisconnect,omitzero"`
	DisconnectReason string    `json:"disconnectReason,omitempty"`

	ActiveAssignments int `json:"activeAssignments"`
	// PendingReassignments are tasks that it had and that wait for somebody.
	PendingReassignments int `json:"pendingReassignments"`
	// Leases are the tokens of its assignments, at most a hundred of them, in the
	// order of the grants.
	Leases []tq.Token `json:"leases"`
}

// maxLeases is how many leases of a peer a snapshot shows.
const maxLeases = 100

// Snapshot shows all peers as they are now.
func (t *Tracker) Snapshot() Snapshot {
	now := t.o.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgetSilent(now)
	s := Snapshot{ObservedAt: now, Peers: make([]Peer, 0, len(t.peers))}
	for _, p := range t.peers {
		shown := t.show(p, now)
		s.PendingReassignments += p.pending
		if shown.IsHealthy {
			s.HealthyPeers++
		} else {
			s.UnhealthyPeers++
		}
		s.Peers = append(s.Peers, shown)
	}
	slices.SortFunc(s.Peers, func(a, b Peer) int { return strings.Compare(a.PeerID, b.PeerID) })

	return s
}

func (t *Tracker) show(p *peer, now time.Time) Peer {
	healthy := t.healthy(p, now)
	shown := Peer{
		PeerID: p.name, IsHealthy: healthy, IsEligible: healthy && !p.penalised(now), IsBarred: p.barred,
		IsWaiting: p.waits > 0,
		LastSeen:  p.seen, LastHeartbeat: p.beaten, LastDisconnect: p.downAt, DisconnectReason: p.reason,
		ActiveAssignments: len(p.leases), PendingReassignments: p.pending,
		Leases: make([]tq.Token, 0, len(p.leases)),
	}
	for _, token := range p.leases {
		shown.Leases = append(shown.Leases, token)
	}
	slices.SortFunc(shown.Leases, func(a, b tq.Token) int { return cmp.Compare(a.Epoch, b.Epoch) })
	shown.Leases = shown.Leases[:min(len(shown.Leases), maxLeases)]

	return shown
}

// summary is a Snapshot's numbers alone.
func (t *Tracker) summary() (healthy, unhealthy, pending int64) {
	now := t.o.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgetSilent(now)
	for _, p := range t.peers {
		pending += int64(p.pending)
		if t.healthy(p, now) {
			healthy++
		} else {
			unhealthy++
		}
	}

	return healthy, unhealthy, pending
}
