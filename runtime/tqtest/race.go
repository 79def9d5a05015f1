//go:build race

package tqtest

const raceEnabled = true
