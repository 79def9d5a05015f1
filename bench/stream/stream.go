// Package stream measures what it costs to hand a queue's events to a sink.
//
// All rows are per event. Those called alone are one goroutine: some cycles of
// a queue, three events each, then their events are applied. In those called 1+1
// another goroutine applies them meanwhile. What the events cost is the
// difference to the same cycles with nobody attached.
package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tqgen/tqgen/bench/measure"
	"github.com/tqgen/tqgen/bench/payload"
	"github.com/tqgen/tqgen/bench/payload/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

const (
	perCycle = 3  // events
	cycles   = 64 // before their events are applied
	batch    = perCycle * cycles
)

// Rows are all rows of streams.
func Rows() []measure.Row {
	row := func(name string, setUp func() (func(int) error, func(), error)) measure.Row {
		return measure.Row{Name: "stream/" + name, Ratios: true, Measure: measure.Loop(setUp)}
	}

	return []measure.Row{
		row("cycles", nobody),
		row("cycles to a reader/alone", toReader),
		row("cycles to a sink/alone", toSink),
		row("cycles to a sink/1+1", toSinkApart),
		row("channel of events/alone", channel),
		row("channel of events/1+1", channelApart),
		row("replaced design/alone", replacedDesign),
		row("mutations, 1 reader", func() (func(int) error, func(), error) { return mutations(1) }),
		row("mutations, 4 readers", func() (func(int) error, func(), error) { return mutations(4) }),
	}
}

// queue is one that cycles.
type queue struct {
	*leasequeue.Local
	p *payload.Lease
}

func open() (queue, error) {
	q, err := leasequeue.New(leasequeue.Options{})

	return queue{q, request()}, err
}

func request() *payload.Lease {
	return &payload.Lease{
		ResourceType: "compute.instance", ResourceID: "urn:res:1234567890", PartitionKey: "tenant-4711",
		PayloadEncoding: "application/octet-stream",
		Attributes:      map[string]string{"region": "eu-central-1"},
		Body:            []byte("a body"), Priority: 7, Timeout: 90 * time.Second,
		RequestedBy: &payload.Peer{ID: "worker-17", Zone: "eu-central-1a", Weight: 0.75},
		Tags:        []string{"blue", "canary"}, State: 2,
	}
}

// cycle makes three events.
func (q queue) cycle(ctx context.Context) error {
	if _, err := q.Enqueue(ctx, *q.p); err != nil {
		return err
	}
	l, err := q.Lease(ctx)
	if err != nil {
		return err
	}

	return l.Complete(ctx)
}

func (q queue) cycles(ctx context.Context) error {
	for range cycles {
		if err := q.cycle(ctx); err != nil {
			return err
		}
	}

	return nil
}

func nobody() (func(int) error, func(), error) {
	q, err := open()
	if err != nil {
		return nil, nil, err
	}

	return func(n int) error {
		for done := 0; done < n; done += batch {
			if err := q.cycles(context.Background()); err != nil {
				return err
			}
		}

		return nil
	}, func() { _ = q.Close() }, nil
}

// applied is what sinks apply events to.
type applied struct {
	count int
	last  tq.Sequence
}

func (a *applied) apply(_ context.Context, e *leasequeue.Event) error {
	a.count++
	a.last = e.Sequence + tq.Sequence(len(e.Payload.Body))

	return nil
}

func toReader() (func(int) error, func(), error) {
	q, err := open()
	if err != nil {
		return nil, nil, err
	}
	reader, err := q.Watch(tq.Latest)
	if err != nil {
		return nil, nil, err
	}
	ctx, a, events := context.Background(), new(applied), make([]leasequeue.Event, 64)

	return func(n int) error {
		for done := 0; done < n; {
			if err := q.cycles(ctx); err != nil {
				return err
			}
			for end := done + batch; done < end; {
				got, err := reader.Read(ctx, events)
				if err != nil {
					return err
				}
				for i := range got {
					_ = a.apply(ctx, &events[i])
				}
				done += got
			}
		}

		return nil
	}, func() { _ = q.Close() }, nil
}

// attach is a queue with a source and a sink for its events.
func attach(apply func(context.Context, *leasequeue.Event) error) (queue, *leasequeue.Source, *leasequeue.Sink, error) {
	q, err := leasequeue.New(leasequeue.Options{LogEntries: 2 * ahead})
	if err != nil {
		return queue{}, nil, nil, err
	}
	reader, err := q.Watch(0)
	if err != nil {
		return queue{}, nil, nil, err
	}
	source := leasequeue.NewSource(reader, leasequeue.SourceOptions{Stamp: replication.Stamp{Peer: "a", Owner: "b", Shard: "c"}})
	sink, err := leasequeue.NewSink(leasequeue.SinkOptions{Stream: "s"}, apply)

	return queue{q, request()}, source, sink, err
}

// ahead is how many events the cycles may be ahead of a sink that reads along.
const ahead = 1 << 14

// toSinkApart is toSink with the sink in a goroutine of its own.
func toSinkApart() (func(int) error, func(), error) {
	var a applied
	var seen atomic.Int64
	q, source, sink, err := attach(func(ctx context.Context, e *leasequeue.Event) error {
		seen.Store(int64(e.Sequence))

		return a.apply(ctx, e)
	})
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var applying sync.WaitGroup
	applying.Go(func() { _ = sink.Follow(ctx, source) })
	made := int64(0)
	wait := func(within int64) {
		for made-seen.Load() > within {
			runtime.Gosched()
		}
	}

	return func(n int) error {
			for done := 0; done < n; done += batch {
				if err := q.cycles(ctx); err != nil {
					return err
				}
				made += batch
				wait(ahead)
			}
			wait(0)

			return nil
		}, func() {
			cancel()
			applying.Wait()
			_ = q.Close()
		}, nil
}

// channelApart is channel with the receiver in a goroutine of its own.
func channelApart() (func(int) error, func(), error) {
	e, err := example()
	if err != nil {
		return nil, nil, err
	}
	events, done, a := make(chan leasequeue.Event, batch), make(chan struct{}), new(applied)
	go func() {
		for got := range events {
			if got.Sequence == 0 {
				done <- struct{}{}
				continue
			}
			_ = a.apply(context.Background(), &got)
		}
	}()

	return func(n int) error {
		for range n {
			e.Sequence++
			events <- e
		}
		events <- leasequeue.Event{}
		<-done

		return nil
	}, func() { close(events) }, nil
}

// toSink has the events of a source applied by a sink with checkpoints in
// memory. Applying the last one of a batch makes the next batch.
func toSink() (func(int) error, func(), error) {
	var a applied
	var applyLast func() error
	q, source, sink, err := attach(func(ctx context.Context, e *leasequeue.Event) error {
		if err := a.apply(ctx, e); err != nil || a.count%batch != 0 {
			return err
		}

		return applyLast()
	})
	if err != nil {
		return nil, nil, err
	}

	return func(n int) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		done := 0
		applyLast = func() error {
			if done += batch; done >= n {
				cancel()
				return nil
			}

			return q.cycles(ctx)
		}
		if err := q.cycles(ctx); err != nil {
			return err
		}
		if err := sink.Follow(ctx, source); !errors.Is(err, context.Canceled) {
			return err
		}

		return nil
	}, func() { _ = q.Close() }, nil
}

// example is an event as the queue makes them.
func example() (leasequeue.Event, error) {
	q, err := open()
	if err != nil {
		return leasequeue.Event{}, err
	}
	defer q.Close()
	reader, err := q.Watch(0)
	if err != nil {
		return leasequeue.Event{}, err
	}
	ctx := context.Background()
	if err := q.cycle(ctx); err != nil {
		return leasequeue.Event{}, err
	}
	for range perCycle - 1 {
		if _, err := reader.Next(ctx); err != nil {
			return leasequeue.Event{}, err
		}
	}

	return reader.Next(ctx)
}

// channel is the yardstick: the same struct through a buffered channel.
func channel() (func(int) error, func(), error) {
	e, err := example()
	if err != nil {
		return nil, nil, err
	}
	events, a, ctx := make(chan leasequeue.Event, batch), new(applied), context.Background()

	return func(n int) error {
		for done := 0; done < n; done += batch {
			for range batch {
				e.Sequence++
				events <- e
			}
			for range batch {
				got := <-events
				if err := a.apply(ctx, &got); err != nil {
					return err
				}
			}
		}

		return nil
	}, nil, nil
}

// replacedDesign is how events came to a sink before: boxed, through a channel
// without a bound, with a checkpoint cloned and written for each.
func replacedDesign() (func(int) error, func(), error) {
	e, err := example()
	if err != nil {
		return nil, nil, err
	}
	var events unbounded
	store, a, ctx := checkpoints{}, new(applied), context.Background()

	return func(n int) error {
		for done := 0; done < n; done += batch {
			for range batch {
				boxed := e
				boxed.Sequence++
				events.send(&boxed)
			}
			for range batch {
				got, ok := events.receive().(*leasequeue.Event)
				if !ok {
					return fmt.Errorf("no event")
				}
				if err := a.apply(ctx, got); err != nil {
					return err
				}
				store.write(got)
			}
		}

		return nil
	}, nil, nil
}

// unbounded is a channel that never makes a sender wait.
type unbounded struct {
	mu    sync.Mutex
	items []any
}

func (u *unbounded) send(v any) {
	u.mu.Lock()
	u.items = append(u.items, v)
	u.mu.Unlock()
}

func (u *unbounded) receive() any {
	u.mu.Lock()
	defer u.mu.Unlock()
	v := u.items[0]
	u.items[0] = nil
	u.items = u.items[1:]

	return v
}

// checkpoints is a store in memory, as it was: read, cloned and written anew for
// each event.
type checkpoints struct{ saved map[string]*checkpoint }

type checkpoint struct {
	stream    string
	position  tq.Sequence
	updatedAt time.Time
	peers     map[string]tq.Sequence
}

func (c *checkpoints) write(e *leasequeue.Event) {
	if c.saved == nil {
		c.saved = map[string]*checkpoint{"s": {stream: "s", peers: map[string]tq.Sequence{"a": 1, "b": 2, "c": 3}}}
	}
	next := *c.saved["s"]
	next.peers = maps.Clone(next.peers)
	next.position, next.updatedAt = e.Sequence, time.Now()
	next.peers[e.OwnerPeer] = e.Sequence
	c.saved["s"] = &next
}

// mutations are cycles while readers read along, each in a goroutine of its own.
func mutations(readers int) (func(int) error, func(), error) {
	q, err := open()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	for range readers {
		reader, err := q.Watch(tq.Latest)
		if err != nil {
			cancel()
			return nil, nil, err
		}
		reading.Go(func() { follow(ctx, reader) })
	}
	done := func() {
		cancel()
		reading.Wait()
		_ = q.Close()
	}

	return func(n int) error {
		for done := 0; done < n; done += batch {
			if err := q.cycles(ctx); err != nil {
				return err
			}
		}

		return nil
	}, done, nil
}

// follow reads until ctx is done, past gaps.
func follow(ctx context.Context, r *leasequeue.Reader) {
	events := make([]leasequeue.Event, 64)
	for {
		switch _, err := r.Read(ctx, events); {
		case errors.Is(err, tq.ErrGap):
			r.Snapshot()
		case err != nil:
			return
		}
	}
}
