// Package conformance holds the transports of replication to the same promises: its
// tests run each case over HTTP and over gRPC. It has tests only.
package conformance
