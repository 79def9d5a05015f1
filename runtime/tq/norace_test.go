//go:build !race

package tq_test

const fewer = 1
