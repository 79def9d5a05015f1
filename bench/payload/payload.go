// Package payload has the values all codecs and queues are measured with, in
// three sizes. They have no methods: what a codec needs is generated elsewhere.
package payload

import "time"

//go:generate go tool tqgen

// Small is a handful of scalars: 58 bytes of JSON.
//
//tqgen:queue package=smallqueue capacity=4096 lease=30s heartbeat=5s attempts=5 backoff=none
type Small struct {
	ID    string  `json:"id"`
	Count int64   `json:"count"`
	Ratio float64 `json:"ratio"`
	OK    bool    `json:"ok"`
}

// Lease asks for a resource: 176 bytes of Go and 865 of JSON.
//
//tqgen:queue package=leasequeue capacity=4096 lease=30s heartbeat=5s attempts=5 backoff=none
type Lease struct {
	ResourceType    string            `json:"resourceType"`
	ResourceID      string            `json:"resourceId"`
	PartitionKey    string            `json:"partitionKey,omitempty"`
	PayloadEncoding string            `json:"payloadEncoding"`
	Attributes      map[string]string `json:"attributes"`
	Body            []byte            `json:"body"`
	Priority        int32             `json:"priority"`
	Deadline        time.Time         `json:"deadline"`
	Timeout         time.Duration     `json:"timeout"`
	RequestedBy     *Peer             `json:"requestedBy"`
	Tags            []string          `json:"tags"`
	State           State             `json:"state"`
}

// State is an enumeration.
type State int

// Peer is who asks.
type Peer struct {
	ID     string  `json:"id"`
	Zone   string  `json:"zone"`
	Weight float64 `json:"weight"`
}

// Large is a list of structs: 14 kB of JSON.
//
//tqgen:queue package=largequeue capacity=4096 lease=30s heartbeat=5s attempts=5 backoff=none
type Large struct {
	Name  string `json:"name"`
	Items []Item `json:"items"`
}

// Item is one element of a Large.
type Item struct {
	ID     string    `json:"id"`
	Seq    int64     `json:"seq"`
	Score  float64   `json:"score"`
	Active bool      `json:"active"`
	Label  string    `json:"label"`
	At     time.Time `json:"at"`
	Owner  Peer      `json:"owner"`
}
