package replicationgrpc

import (
	"context"
	"sync"
	"sync/atomic"

	replicationpb "github.com/tqgen/tqgen/adapters/grpc/proto/tqgen/replication/v1"
)

// acknowledger tells the source of one stream which of its events were taken.
type acknowledger struct {
	rpc   replicationpb.Replication_EventsClient
	at    atomic.Uint64 // the last event that was taken
	more  chan struct{} // holds one: there is something to tell
	ended sync.WaitGroup
}

// begin goes on behind after, which the source knows of. It ends with ctx.
func (a *acknowledger) begin(ctx context.Context, rpc replicationpb.Replication_EventsClient, after uint64) {
	a.rpc, a.more = rpc, make(chan struct{}, 1)
	a.at.Store(after)
	a.ended.Go(func() { a.run(ctx) })
}

// taken says that the next event was.
func (a *acknowledger) taken() {
	a.at.Add(1) // a stream has no holes
	select {
	case a.more <- struct{}{}:
	default: // what is told next includes it
	}
}

// wait returns once nothing is told any more.
func (a *acknowledger) wait() { a.ended.Wait() }

// run tells of all that was taken, again and again. Where it cannot any more the
// stream is over, and reading it says why.
func (a *acknowledger) run(ctx context.Context) {
	for {
		select {
		case <-a.more:
		case <-ctx.Done():
			return
		}
		said := &replicationpb.Acknowledge{Sequence: a.at.Load()}
		err := a.rpc.Send(&replicationpb.EventsRequest{Request: &replicationpb.EventsRequest_Acknowledge{Acknowledge: said}})
		if err != nil {
			return
		}
	}
}
