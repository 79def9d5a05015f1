package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/tq"
)

// capacity is small enough that bursts fill the queue and producers wait. Of dead
// letters there is room for more than come while the operator is not run for
// seconds: what the queue purges by itself is in nobody's books.
const (
	capacity = 4096
	dead     = 1 << 16
)

// demo is one run: its books, and what its goroutines share.
type demo struct {
	settings
	out   io.Writer
	lease time.Duration // lease timeout; every pause is a part or a multiple of it

	books   *ledger
	waits   waits         // of first attempts, from accepted to leased
	numbers atomic.Uint64 // of payloads so far
	tooLate atomic.Int64  // settlements refused because the lease was lost
	mended  mended

	host     *diagnostics.Host // of the page; nil if there is none
	monitors []*backpressure.Monitor
}

func newDemo(s settings, out io.Writer) *demo {
	return &demo{
		settings: s,
		out:      out,
		lease:    min(max(s.length/40, 10*time.Millisecond), 250*time.Millisecond),
		books:    newLedger(),
	}
}

func (d *demo) open(name string) (*leasequeue.Local, error) {
	q, err := leasequeue.New(leasequeue.Options{
		Name:     name,
		Capacity: capacity,
		High:     capacity * 3 / 4,
		Low:      capacity / 4,
		Lease:    d.lease,
		Attempts: 4,
		Dead:     dead,
		Backoff:  tq.ExpBackoff(d.lease/50, d.lease/5, 20),
	})
	if err != nil {
		return nil, err
	}

	return q, d.show(q)
}

// run spends half of the time on one queue, hands what is left to another, and
// spends the other half on that. When ctx ends early, so does the load; the
// books are balanced all the same.
func (d *demo) run(ctx context.Context) (*result, error) {
	begin := time.Now()
	first, err := d.open("first")
	if err != nil {
		return nil, err
	}
	second, err := d.open("second")
	if err != nil {
		return nil, err
	}

	c := d.start(ctx, first, begin)
	c.wait(d.length / 2)
	h, err := d.handOver(first, second)
	if err := errors.Join(err, c.end()); err != nil {
		return nil, err
	}

	c = d.start(ctx, second, begin)
	c.wait(d.length / 2)
	if err := c.end(); err != nil {
		return nil, err
	}

	return d.settle(first, second, h, time.Since(begin))
}

// handover is what passed from the first queue to the second.
type handover struct {
	tasks, bytes int
	took         time.Duration
}

// handOver drains from under load and restores into to, through JSON, as a
// process does that ends and one that begins.
func (d *demo) handOver(from, to *leasequeue.Local) (handover, error) {
	begin := time.Now()
	taken, err := from.Drain(context.Background(), d.lease/2)
	if err != nil {
		return handover{}, fmt.Errorf("drain: %w", err)
	}
	document, err := json.Marshal(&taken)
	if err != nil {
		return handover{}, fmt.Errorf("drained tasks: %w", err)
	}
	var read leasequeue.Snapshot
	if err := json.Unmarshal(document, &read); err != nil {
		return handover{}, fmt.Errorf("drained tasks: %w", err)
	}
	if err := to.Restore(context.Background(), read); err != nil {
		return handover{}, fmt.Errorf("restore: %w", err)
	}

	return handover{tasks: len(taken.Tasks), bytes: len(document), took: time.Since(begin)}, nil
}

// crew is everyone who uses one queue.
type crew struct {
	ctx  context.Context
	stop context.CancelCauseFunc
	wg   sync.WaitGroup
}

// start puts everyone to work on q until the crew is ended or q is drained.
func (d *demo) start(ctx context.Context, q *leasequeue.Local, begin time.Time) *crew {
	c := new(crew)
	c.ctx, c.stop = context.WithCancelCause(ctx)
	for i := range d.producers {
		c.work(func(ctx context.Context) error { return d.produce(ctx, q, d.random(i)) })
	}
	c.work(func(ctx context.Context) error { return d.trickle(ctx, q) })
	c.work(func(ctx context.Context) error {
		return leasequeue.Run(ctx, q, leasequeue.RunOptions{Workers: d.workers, Owner: "worker"}, d.handle)
	})
	for i := range 2 {
		c.work(func(ctx context.Context) error { return d.stall(ctx, q, fmt.Sprintf("staller-%d", i+1)) })
	}
	c.work(func(ctx context.Context) error { return d.operate(ctx, q) })
	c.work(func(ctx context.Context) error { return d.progress(ctx, q, begin) })

	return c
}

// errOver is why a crew is stopped when nothing went wrong.
var errOver = errors.New("the shift is over")

// work runs one member; an error that does not come from the end of the shift
// ends the shift for all.
func (c *crew) work(member func(context.Context) error) {
	c.wg.Go(func() {
		err := member(c.ctx)
		if err != nil && c.ctx.Err() == nil && !errors.Is(err, tq.ErrDrained) {
			c.stop(err)
		}
	})
}

// wait lets the crew work for d, or until the shift ends by itself.
func (c *crew) wait(d time.Duration) { _ = pause(c.ctx, d) }

// end stops everyone, waits for them, and returns what ended the shift early.
func (c *crew) end() error {
	c.stop(errOver)
	c.wg.Wait()
	if err := context.Cause(c.ctx); !errors.Is(err, errOver) && !errors.Is(err, context.Canceled) {
		return err
	}

	return nil
}

// pause waits for d, or returns why ctx ended before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
