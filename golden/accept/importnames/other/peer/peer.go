// Package peer is the namesake.
package peer

// Name is what a peer is called elsewhere.
type Name struct {
	First string `json:"first"`
	Last  string `json:"last"`
}

// Peer is a type of the payload's name.
type Peer struct {
	Name Name `json:"name"`
}
