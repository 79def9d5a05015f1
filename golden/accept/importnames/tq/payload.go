// Package tq is named like the runtime.
package tq

// Call is made.
//
//tqgen:queue
type Call struct {
	Number Number `json:"number"`
	Peer   *Call  `json:"peer,omitempty"`
}

// Number is whom it is made to.
type Number string
