// Package vault has a sensitive field in a type of another package.
package vault

// Key opens something.
type Key struct {
	ID string `json:"id"`
	//tqgen:sensitive
	Bits []byte `json:"bits"`
}
