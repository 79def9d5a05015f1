//go:build race

package jsonwire

const (
	raceEnabled = true
	fewer       = 10 // by how much random tests are shorter: there is one goroutine in each
)
