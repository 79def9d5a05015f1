//go:build !race

package jsonwire

const (
	raceEnabled = false
	fewer       = 1
)
