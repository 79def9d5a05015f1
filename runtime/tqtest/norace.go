//go:build !race

package tqtest

const raceEnabled = false
