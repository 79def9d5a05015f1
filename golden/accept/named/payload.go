// Package named has types with names of their own, and enums.
package named

// Task has them all.
//
//tqgen:queue
type Task struct {
	State   State
	Flag    Flag
	Ratio   Ratio
	Small   Small
	ID      ID
	Blob    Blob
	Octets  []Octet
	Tags    Tags
	IDs     []ID
	Labels  Labels
	Index   Index
	Matrix  Matrix
	Pair    Pair
	PairPtr *Pair
	Ref     Ref
	Refs    []Ref
	Peers   Peers
	StatePt *State
	Never   [0]int
	Empty   struct{}
	None    None
}

// State is an enum.
type State int

// The states.
const (
	Queued State = iota
	Running
	Done
)

type (
	// Flag is a bool.
	Flag bool
	// Ratio is a float32.
	Ratio float32
	// Small is a uint8.
	Small uint8
	// ID is a string.
	ID string
	// Blob is base64.
	Blob []byte
	// Octet is a byte of its own: a slice of it is base64 too.
	Octet byte
	// Tags are strings.
	Tags []string
	// Labels are strings by string.
	Labels map[string]string
	// Index is a map of a named type.
	Index map[ID]State
	// Matrix is an array of arrays.
	Matrix [2][2]float64
	// Pair is a struct.
	Pair struct{ A, B ID }
	// Ref is a pointer with a name.
	Ref *Pair
	// Peers is a slice with a name.
	Peers []*Pair
	// None has no fields.
	None struct{}
)
