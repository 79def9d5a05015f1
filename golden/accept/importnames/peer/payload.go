// Package peer has a namesake among the packages of its fields.
package peer

import (
	second "github.com/tqgen/tqgen/golden/accept/importnames/other/peer"
)

// Peer is greeted.
//
//tqgen:queue
type Peer struct {
	Own   Name        `json:"own"`
	Other second.Name `json:"other"`
	All   []second.Peer
}

// Name is what it is called here.
type Name struct {
	Text string `json:"text"`
}
