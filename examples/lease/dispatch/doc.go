// Package dispatch leases resources to peers over HTTP: enqueue, lease,
// complete, heartbeat, fail, release, drain and restore, each a POST of JSON
// below a namespace, and health and stats.
//
//	q, err := leasequeue.New(leasequeue.Options{})
//	…
//	service, err := dispatch.New(dispatch.Options{Queue: q})
//	…
//	err = dispatch.Serve(ctx, listener, service, dispatch.ServeOptions{})
//
// A task is leased to one peer at a time, and again only after its lease was
// lost or an attempt has failed: the promises are those of package leasequeue.
// The lease's token is the peer's handle. It is good on every node that has the
// queue's state, after a promotion too, and on none once it is stale.
//
// The service keeps no state of its own but one: what drain took out is given
// again to who asks again, until the queue is restored or the process ends, so
// that an answer that was lost loses no task.
//
// [Client] is the other side, with [Run] for workers. docs/dispatch.md has the
// procedures with their bodies, statuses and codes.
package dispatch
