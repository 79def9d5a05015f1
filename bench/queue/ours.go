package queue

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
	_ "unsafe" // for linkname

	"github.com/tqgen/tqgen/bench/measure"
	"github.com/tqgen/tqgen/bench/payload"
	"github.com/tqgen/tqgen/bench/payload/leasequeue"
	"github.com/tqgen/tqgen/runtime/tq"
)

// read is a queue somebody watches, and copies every event of.
type read struct {
	ours
	cancel context.CancelFunc
	reader sync.WaitGroup
}

func openRead(p *payload.Lease) (*read, error) {
	o, err := openOurs(p, leasequeue.Options{LogEntries: 1 << 16})
	if err != nil {
		return nil, err
	}
	r, err := o.q.Watch(0)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	rd := &read{ours: o, cancel: cancel}
	rd.reader.Go(func() {
		events := make([]leasequeue.Event, 256)
		for {
			switch _, err := r.Read(ctx, events); {
			case errors.Is(err, tq.ErrGap): // fell behind: goes on where the queue is
				_ = r.Close()
				_, r = o.q.WatchNow()
			case err != nil:
				_ = r.Close()
				return
			}
		}
	})

	return rd, nil
}

func (r *read) close() {
	r.ours.close()
	r.cancel()
	r.reader.Wait()
}

// fused is a queue whose workers complete a task and lease the next in one
// step, as Run's do, without what Run does for handlers.
type fused struct{ ours }

func openFused(p *payload.Lease, opt leasequeue.Options) (fused, error) {
	o, err := openOurs(p, opt)
	return fused{o}, err
}

func (f fused) worker() worker { return &fusedWorker{q: f.q} }

type fusedWorker struct {
	q    *leasequeue.Local
	held leasequeue.Lease
	next tq.Outcome
}

// settleLease is what Run calls. It is reached past the package's door, which
// has no other use for it.
//
//go:linkname settleLease github.com/tqgen/tqgen/bench/payload/leasequeue.(*Local).settleLease
func settleLease(
	q *leasequeue.Local, ctx context.Context, l *leasequeue.Lease, o tq.Outcome, owner string,
) (settled, err error)

func (w *fusedWorker) handle(ctx context.Context) error {
	settled, err := settleLease(w.q, ctx, &w.held, w.next, "")
	w.next = tq.Outcome{Verb: tq.Complete}
	if settled != nil {
		return settled
	}

	return err
}

func (w *fusedWorker) finish(ctx context.Context) error {
	if w.next.Verb != tq.Complete {
		return nil // it never had one
	}

	return w.held.Complete(ctx)
}

// runRows are cycles through Run: handlers with a context of their own,
// heartbeats behind them.
func runRows(p *payload.Lease) []measure.Row {
	var rows []measure.Row
	for _, k := range []struct {
		name   string
		ratios bool
		o      leasequeue.Options
	}{
		{"tqgen Run", true, leasequeue.Options{}},
		{"tqgen Run coarse clock", false, leasequeue.Options{CoarseClock: true}},
	} {
		for _, load := range loads {
			rows = append(rows, measure.Row{
				Name: "queue/" + k.name + "/" + load.name, Ratios: k.ratios,
				Measure: measure.Loop(func() (func(int) error, func(), error) {
					o, err := openOurs(p, k.o)
					if err != nil {
						return nil, nil, err
					}

					return func(n int) error { return run(o, load.each, n) }, o.close, nil
				}),
			})
		}
	}

	return rows
}

// run has n tasks handled. Alone it is the handler that enqueues the next one.
func run(o ours, each, n int) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var handled atomic.Int64
	handler := func(ctx context.Context, _ *leasequeue.Lease) error {
		switch {
		case handled.Add(1) == int64(n):
			cancel()
		case each == 0:
			return o.enqueue(ctx)
		}

		return nil
	}

	var producers sync.WaitGroup
	var errs [16]error
	if each == 0 {
		errs[0] = o.enqueue(ctx)
	}
	for i := range each {
		producers.Go(func() {
			for range (n + i) / each {
				if errs[i] = o.enqueue(ctx); errs[i] != nil {
					return
				}
			}
		})
	}
	err := leasequeue.Run(ctx, o.q, leasequeue.RunOptions{Workers: max(1, each), Grace: time.Minute}, handler)
	producers.Wait()

	return errors.Join(append(errs[:], err)...)
}
