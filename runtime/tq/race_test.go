//go:build race

package tq_test

// fewer is by how much random tests are shorter under the race detector: most of
// them run in bubbles, one goroutine at a time.
const fewer = 5
