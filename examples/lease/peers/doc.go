// Package peers knows how the peers are that lease tasks: who holds what, who
// has been heard of lately, and who should get no more.
//
//	tracker, err := peers.New(peers.Options{})
//	…
//	go tracker.Follow(ctx, q)
//	service, err := dispatch.New(dispatch.Options{Queue: q, Peers: tracker})
//
// The events of queues say who is granted a lease, prolongs it, settles it or
// loses it, wherever that was asked for; a dispatcher adds who waits for a task
// and whose connection breaks off meanwhile. Peers are known by the names that
// own leases.
//
// A peer is healthy while it is heard of: it waits for a task, or was granted,
// has prolonged or settled a lease within the grace period. It is not after a
// lease of its has expired or its connection was lost, until it is heard of
// again. Peers that hold nothing are forgotten after a while.
package peers
