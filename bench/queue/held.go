package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/tqgen/tqgen/bench/measure"
	"github.com/tqgen/tqgen/bench/payload"
	"github.com/tqgen/tqgen/bench/payload/leasequeue"
	"github.com/tqgen/tqgen/bench/payload/smallqueue"
	"github.com/tqgen/tqgen/bench/queue/replaced"
	"github.com/tqgen/tqgen/runtime/tq"
)

// heldRows measure a queue with much in it: queue/tqgen <what>/<how much>.
func heldRows(p *payload.Lease) []measure.Row {
	return []measure.Row{
		{Name: "queue/tqgen batch of 64/alone", Ratios: true, Measure: measure.Loop(batches(p))},
		{Name: "queue/tqgen outstanding/1k", Ratios: true, Measure: measure.Loop(outstanding(p, 1000))},
		{Name: "queue/tqgen outstanding/100k", Ratios: true, Measure: measure.Loop(outstanding(p, 100_000))},
		{Name: "queue/tqgen nothing due/1k", Ratios: true, Measure: measure.Loop(nothingDue(1000))},
		{Name: "queue/tqgen nothing due/1M", Ratios: true, Measure: measure.Loop(nothingDue(1_000_000))},
		{Name: "queue/tqgen expiry/100k", Ratios: true, Measure: expiry},
		{Name: "queue/tqgen delayed Fail/1k", Ratios: true, Measure: delayedFail(1000)},
		{Name: "queue/tqgen delayed Fail/1M", Ratios: true, Measure: delayedFail(1_000_000)},
		{Name: "queue/tqgen becoming due/1k", Ratios: true, Measure: becomingDue(1000)},
		{Name: "queue/tqgen becoming due/1M", Ratios: true, Measure: becomingDue(1_000_000)},
		{Name: "queue/replaced design nothing due/1k", Measure: measure.Loop(sweep(1000))},
		{Name: "queue/replaced design nothing due/100k", Measure: measure.Loop(sweep(100_000))},
	}
}

type setUp = func() (do func(int) error, done func(), err error)

// batches is the cycle of tasks that are enqueued, leased and completed 64 at a time.
func batches(p *payload.Lease) setUp {
	return func() (func(int) error, func(), error) {
		o, err := openOurs(p, leasequeue.Options{})
		if err != nil {
			return nil, nil, err
		}
		ctx, cancel := context.WithCancel(context.Background())
		ps := make([]payload.Lease, 64)
		for i := range ps {
			ps[i] = *p
		}
		leases := make([]leasequeue.Lease, 64)

		return func(n int) error {
			for ; n > 0; n -= 64 {
				if _, err := o.q.EnqueueBatch(ctx, ps, nil); err != nil {
					return err
				}
				k, err := o.q.LeaseBatch(ctx, leases)
				if err != nil {
					return err
				}
				if _, err := leasequeue.CompleteAll(ctx, leases[:k]); err != nil {
					return err
				}
			}

			return nil
		}, func() { o.close(); cancel() }, nil
	}
}

// outstanding is the cycle while many tasks are leased; the one that is
// completed is the one that was leased longest ago.
func outstanding(p *payload.Lease, many int) setUp {
	return func() (func(int) error, func(), error) {
		q, err := leasequeue.New(leasequeue.Options{Capacity: many + capacity, Lease: time.Hour})
		if err != nil {
			return nil, nil, err
		}
		ctx, cancel := context.WithCancel(context.Background())
		leases := make([]leasequeue.Lease, many)
		next := func(l *leasequeue.Lease) (err error) {
			if _, err = q.Enqueue(ctx, *p); err != nil {
				return err
			}
			*l, err = q.Lease(ctx)

			return err
		}
		for i := range leases {
			if err := next(&leases[i]); err != nil {
				cancel()
				return nil, nil, err
			}
		}
		at := 0

		return func(n int) error {
			for range n {
				l := &leases[at]
				if err := l.Complete(ctx); err != nil {
					return err
				}
				if err := next(l); err != nil {
					return err
				}
				if at++; at == many {
					at = 0
				}
			}

			return nil
		}, func() { _ = q.Close(); cancel() }, nil
	}
}

// holding is a queue of which many tasks are leased for an hour.
func holding(many int) (*smallqueue.Local, error) {
	q, err := smallqueue.New(smallqueue.Options{Capacity: many + capacity, Lease: time.Hour})
	if err != nil {
		return nil, err
	}
	for range many {
		if _, err := q.Enqueue(context.Background(), payload.Small{}); err != nil {
			return nil, err
		}
		if _, err := q.Lease(context.Background()); err != nil {
			return nil, err
		}
	}

	return q, nil
}

// nothingDue is a look for a task, and for leases that are over, while there
// are none.
func nothingDue(many int) setUp {
	return func() (func(int) error, func(), error) {
		q, err := holding(many)
		if err != nil {
			return nil, nil, err
		}

		return func(n int) error {
			for range n {
				if _, err := q.TryLease(context.Background()); !errors.Is(err, tq.ErrEmpty) {
					return fmt.Errorf("TryLease: %w", err)
				}
			}

			return nil
		}, func() { _ = q.Close() }, nil
	}
}

// sweep is the same in the design that was replaced: one sweep.
func sweep(many int) setUp {
	return func() (func(int) error, func(), error) {
		q := replaced.New[payload.Small](replaced.Options{
			Capacity: capacity, Lease: time.Hour, Sweep: time.Hour, MaxAttempts: 5,
		})
		for range many {
			if err := q.Enqueue(context.Background(), payload.Small{}); err != nil {
				return nil, nil, err
			}
			if _, err := q.Lease(context.Background()); err != nil {
				return nil, nil, err
			}
		}

		return func(n int) error {
			for range n {
				q.Sweep()
			}

			return nil
		}, q.Close, nil
	}
}

// cpuOnce is measure.Once by processor time: for what happens on its own while
// do waits for it.
func cpuOnce(n int, do func() error) (measure.Sample, error) {
	start := cpuTime()
	err := do()

	return measure.Sample{Ns: float64((cpuTime() - start).Nanoseconds()) / float64(n)}, err
}

// expiry is what it costs that leases run out. A closed queue has no timer any
// more, so the next call does all of what the timer would have done, and can be
// timed; the process's other threads take longer than what is to be measured.
func expiry(time.Duration) (measure.Sample, error) {
	const rounds, many = 5, 100_000

	var all []measure.Sample
	for range rounds {
		s, err := expiries(many)
		if err != nil {
			return measure.Sample{}, err
		}
		all = append(all, s)
	}

	return measure.Middle(all), nil
}

func expiries(many int) (measure.Sample, error) {
	const lease = 100 * time.Millisecond

	q, err := smallqueue.New(smallqueue.Options{Capacity: many, Lease: lease, Heartbeat: lease / 4})
	if err != nil {
		return measure.Sample{}, err
	}
	defer q.Close()
	for range many {
		if _, err := q.Enqueue(context.Background(), payload.Small{}); err != nil {
			return measure.Sample{}, err
		}
	}
	runtime.GC()
	leases := make([]smallqueue.Lease, many)
	if n, err := q.LeaseBatch(context.Background(), leases); n != many {
		return measure.Sample{}, fmt.Errorf("leased %d: %w", n, err)
	}
	if err := q.Close(); err != nil {
		return measure.Sample{}, err
	}
	time.Sleep(lease)

	return measure.Once(many, func() error {
		stats, err := q.Stats(context.Background())
		if err == nil && stats.Expired != uint64(many) {
			err = fmt.Errorf("%d leases have expired, of %d", stats.Expired, many)
		}

		return err
	})
}

// far is a time at which nothing becomes due while we measure.
func far() time.Time { return time.Now().Add(time.Hour + rand.N(2*time.Hour)) }

// delaying is a queue with many tasks that are delayed, at random.
func delaying(many int) (*smallqueue.Local, error) {
	q, err := smallqueue.New(smallqueue.Options{
		Capacity: many + capacity, Lease: time.Hour, Backoff: tq.ExpBackoff(2*time.Hour, 3*time.Hour, 50),
	})
	if err != nil {
		return nil, err
	}
	for range many {
		if _, err := q.EnqueueAt(context.Background(), payload.Small{}, far()); err != nil {
			return nil, err
		}
	}

	return q, nil
}

var errTransient = errors.New("transient")

// delayedFail is a Fail that delays its task among as many others.
func delayedFail(many int) func(time.Duration) (measure.Sample, error) {
	return func(time.Duration) (measure.Sample, error) {
		const rounds, each = 9, 200

		var all []measure.Sample
		var q *smallqueue.Local
		for range rounds {
			if q == nil || many < 100*each { // few are no longer so few after a round
				var err error
				if q, err = delaying(many); err != nil {
					return measure.Sample{}, err
				}
				defer q.Close()
			}
			runtime.GC()
			var leases [each]smallqueue.Lease
			for i := range leases {
				if _, err := q.Enqueue(context.Background(), payload.Small{}); err != nil {
					return measure.Sample{}, err
				}
				var err error
				if leases[i], err = q.Lease(context.Background()); err != nil {
					return measure.Sample{}, err
				}
			}
			s, err := measure.Once(each, func() error {
				for i := range leases {
					if err := leases[i].Fail(context.Background(), errTransient); err != nil {
						return err
					}
				}

				return nil
			})
			if err != nil {
				return measure.Sample{}, err
			}
			all = append(all, s)
		}

		return measure.Middle(all), nil
	}
}

// becomingDue is what it costs that a delayed task becomes due and is leased,
// among as many others.
func becomingDue(many int) func(time.Duration) (measure.Sample, error) {
	return func(time.Duration) (measure.Sample, error) {
		const rounds, each = 7, 1000

		q, err := delaying(many - each)
		if err != nil {
			return measure.Sample{}, err
		}
		defer q.Close()
		runtime.GC()
		var all []measure.Sample
		leases := make([]smallqueue.Lease, each)
		for range rounds {
			due := time.Now().Add(20 * time.Millisecond)
			for range each {
				at := due.Add(rand.N(time.Millisecond))
				if _, err := q.EnqueueAt(context.Background(), payload.Small{}, at); err != nil {
					return measure.Sample{}, err
				}
			}
			s, err := cpuOnce(each, func() error {
				time.Sleep(time.Until(due) + 2*time.Millisecond)
				if n, err := q.LeaseBatch(context.Background(), leases); n != each {
					return fmt.Errorf("%d of %d are due: %w", n, each, err)
				}

				return nil
			})
			if err != nil {
				return measure.Sample{}, err
			}
			all = append(all, s)
			for i := range leases {
				if err := leases[i].Complete(context.Background()); err != nil {
					return measure.Sample{}, err
				}
			}
		}

		return measure.Middle(all), nil
	}
}
