// Package shared has the payloads with their strings read as parts of one copy
// of the document.
package shared

import "github.com/tqgen/tqgen/bench/payload"

//go:generate go tool tqgen

// Small is payload.Small.
//
//tqgen:queue package=smallqueue strings=shared
type Small payload.Small

// Lease is payload.Lease.
//
//tqgen:queue package=leasequeue strings=shared
type Lease payload.Lease

// Large is payload.Large.
//
//tqgen:queue package=largequeue strings=shared
type Large payload.Large
