package replicationhttp

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
)

// acknowledger tells the source of one stream which of its events were taken,
// one request at a time. The zero value tells nobody.
type acknowledger struct {
	client *Client
	query  url.Values
	at     atomic.Uint64 // the last event that was taken
	more   chan struct{} // holds one: there is something to tell
	ended  sync.WaitGroup
}

// begin goes on behind after, which the source knows of. It ends with ctx; an
// error ends the stream by stop.
func (a *acknowledger) begin(
	ctx context.Context, stop context.CancelCauseFunc, c *Client, answer http.Header, after uint64,
) error {
	id, life := answer.Get(headerStream), answer.Get(headerIncarnation)
	if id == "" {
		return errors.New("replicationhttp: the source takes no acknowledgements")
	}
	a.client, a.query, a.more = c, url.Values{"stream": {id}, "incarnation": {life}}, make(chan struct{}, 1)
	a.at.Store(after)
	a.ended.Go(func() {
		if err := a.run(ctx); err != nil {
			stop(err)
		}
	})

	return nil
}

// taken says that the next event was.
func (a *acknowledger) taken() {
	if a.client == nil {
		return
	}
	a.at.Add(1) // a stream has no holes
	select {
	case a.more <- struct{}{}:
	default: // what is told next includes it
	}
}

// wait returns once nothing is told any more.
func (a *acknowledger) wait() { a.ended.Wait() }

func (a *acknowledger) run(ctx context.Context) error {
	for {
		select {
		case <-a.more:
		case <-ctx.Done():
			return nil
		}
		if err := a.tell(ctx); err != nil {
			return err
		}
	}
}

// tell tells of all that was taken, and returns once the source knows.
func (a *acknowledger) tell(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, a.client.o.Silence, errSlow)
	defer cancel()
	a.query.Set("after", strconv.FormatUint(a.at.Load(), 10))
	res, err := a.client.ask(ctx, http.MethodPost, "acknowledge", a.query)
	if err != nil {
		return err
	}

	return res.Body.Close()
}
