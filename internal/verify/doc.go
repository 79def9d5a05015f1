// Package verify holds tests only: those that need more than Go and the root
// module.
package verify
