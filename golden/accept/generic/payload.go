// Package generic has instantiated generic types, one of them the payload.
package generic

// Task is an instantiation.
//
//tqgen:queue
type Task Box[Order]

// Box holds a T.
type Box[T any] struct {
	Value T            `json:"value"`
	List  []T          `json:"list,omitempty"`
	Next  *Box[T]      `json:"next,omitempty"`
	Pair  Pair[T, int] `json:"pair"`
	Names Pair[string, []string]
	Opt   Opt[Order]
	Zero  Opt[int] `json:",omitzero"`
}

// Pair has two parameters.
type Pair[A, B any] struct {
	First  A
	Second B
	Map    map[string]B
}

// Opt is a value that may be missing.
type Opt[T any] struct {
	Set   bool
	Value T
}

// Order is an argument.
type Order struct {
	ID  string
	Sum float64
}
