// Package context is named like a package that every method's signature needs.
package context

// Value is kept.
//
//tqgen:queue
type Value struct {
	Key  string         `json:"key"`
	More map[Key][]byte `json:"more"`
}

// Key is what more values are found by.
type Key string
