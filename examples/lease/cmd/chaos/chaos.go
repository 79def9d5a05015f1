package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/tq"
)

const (
	capacity  = 2048
	high, low = 1024, 256

	workers = 4
	work    = time.Millisecond     // on a task
	burst   = 24                   // tasks a producer brings at a time: twice what is worked off
	pause   = 3 * time.Millisecond // between two bursts
	patient = 5 * time.Minute      // for what must come
)

// storm is a queue that is driven into backpressure and out of it.
type storm struct {
	settings
	out      io.Writer
	begin    time.Time
	queue    *leasequeue.Local
	monitor  *backpressure.Monitor
	site     *site
	changed  chan struct{} // holds a token when there was a signal
	spiking  atomic.Bool
	produced atomic.Int64
	done     atomic.Int64
}

// chaos is the whole of it. It returns what the client saw, and how many
// transitions there were: the monitor counts them under the queue's lock.
func chaos(ctx context.Context, s settings, out io.Writer) (_ *sight, transitions uint64, err error) {
	q, err := leasequeue.New(leasequeue.Options{
		Name: "chaos", Capacity: capacity, High: high, Low: low, Cooldown: tq.NoCooldown,
	})
	if err != nil {
		return nil, 0, err
	}
	m, err := backpressure.New(q, backpressure.Options{})
	if err != nil {
		return nil, 0, err
	}
	defer m.Close() //nolint:errcheck // it has nothing to lose
	c := &storm{settings: s, out: out, begin: time.Now(), queue: q, monitor: m, changed: make(chan struct{}, 1)}
	if c.site, err = serve(s.page, q, m); err != nil {
		return nil, 0, err
	}
	defer c.site.close()
	fmt.Fprintf(out, "page: %s\n", c.site.url+"/diagnostics/")

	seen := follow(ctx, c.site.url+"/diagnostics/taskqueue")
	if err := seen.begun(ctx); err != nil {
		return nil, 0, err
	}
	m.Subscribe(c.tell)
	err = c.run(ctx)
	transitions = m.State().Generation
	if err == nil {
		seen.await(ctx, transitions)
	}
	seen.end()

	return seen, transitions, errors.Join(err, q.Close())
}

// run has producers and workers at work through all spikes.
func (c *storm) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	failed := make(chan error, 2)
	all.Go(func() { failed <- c.produce(ctx) })
	all.Go(func() {
		failed <- leasequeue.Run(ctx, c.queue, leasequeue.RunOptions{Workers: workers, Grace: time.Second}, c.handle)
	})
	err := c.spikes(ctx)
	cancel()
	all.Wait()

	return errors.Join(err, <-failed, <-failed)
}

func (c *storm) spikes(ctx context.Context) error {
	for i := range c.settings.spikes {
		c.spiking.Store(true)
		if err := c.until(ctx, true); err != nil {
			return fmt.Errorf("spike %d: %w", i+1, err)
		}
		c.report(i+1, "spikes")
		c.rest(ctx, c.hold)
		c.site.cut() // the client is away when it recovers, or has just come back
		c.spiking.Store(false)
		if err := c.until(ctx, false); err != nil {
			return fmt.Errorf("recovery %d: %w", i+1, err)
		}
		c.report(i+1, "recovers")
		c.rest(ctx, c.hold)
	}

	return nil
}

// until waits until backpressure is as it should be.
func (c *storm) until(ctx context.Context, active bool) error {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	for c.monitor.Active() != active {
		select {
		case <-c.changed:
		case <-ctx.Done():
			return fmt.Errorf("backpressure is still %v: %w", !active, ctx.Err())
		}
	}

	return nil
}

// tell is the monitor's listener.
func (c *storm) tell(context.Context, backpressure.Signal) error {
	select {
	case c.changed <- struct{}{}:
	default: // there is a token already
	}

	return nil
}

func (c *storm) report(i int, what string) {
	s := c.monitor.State()
	fmt.Fprintf(c.out, "%7.3fs  %d %-8s  backpressure %-5v  transition %d, %d of %d pending, %d in, %d done\n",
		time.Since(c.begin).Seconds(), i, what, s.Active, s.Generation, s.Pending, capacity, c.produced.Load(), c.done.Load())
}

func (c *storm) rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// produce brings tasks while it spikes, and waits for room where there is none.
func (c *storm) produce(ctx context.Context) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		for range burst {
			if !c.spiking.Load() {
				break
			}
			_, err := c.queue.Enqueue(ctx, lease.ResourceLease{ResourceType: "spike"})
			if ctx.Err() != nil {
				return nil //nolint:nilerr // that is all it means
			}
			if err != nil {
				return err
			}
			c.produced.Add(1)
		}
	}
}

func (c *storm) handle(ctx context.Context, _ *leasequeue.Lease) error {
	c.rest(ctx, work)
	c.done.Add(1)

	return nil
}
