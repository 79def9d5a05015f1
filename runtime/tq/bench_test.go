package tq_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// body is a payload of 176 bytes, with as many pointers as payloads have.
type body struct {
	Kind, ID, Partition, Encoding string
	Attributes                    map[string]string
	Bytes                         []byte
	Tags                          []string
	Numbers                       [6]int64
}

// box is a queue as the generator would write it for body.
type box struct {
	engine tq.Engine
	bodies []*[boxChunk]body
}

const boxChunk = 512

func (b *box) at(i tq.Slot) *body { return &b.bodies[i/boxChunk][i%boxChunk] }

type boxStore box

func (s *boxStore) Grow(i tq.Slot) {
	if chunk := &s.bodies[i/boxChunk]; *chunk == nil {
		*chunk = new([boxChunk]body)
	}
}

func (s *boxStore) Clear(i tq.Slot)  { *(*box)(s).at(i) = body{} }
func (s *boxStore) Size(tq.Slot) int { return 176 }

// boxLease is a lease as the generator would write it.
type boxLease struct {
	Payload    body
	Token      tq.Token
	Attempt    int
	EnqueuedAt time.Time
	LastError  *tq.TaskError
	held       tq.Held
}

func openBox(tb testing.TB, coarse bool) *box {
	tb.Helper()
	b := new(box)
	err := b.engine.Open(tq.Options{
		Name: "bench", Capacity: benchCapacity, Lease: 30 * time.Second, Heartbeat: 5 * time.Second, Attempts: 5,
		Backoff: tq.ExpBackoff(time.Second, time.Minute, 20), Dead: 1024, CoarseClock: coarse,
	}, (*boxStore)(b))
	if err != nil {
		tb.Fatal(err)
	}
	b.bodies = make([]*[boxChunk]body, b.engine.MaxSlot()/boxChunk+1)

	return b
}

func (b *box) enqueue(ctx context.Context, p body) (tq.TaskID, error) {
	slot, at, err := b.engine.Put(ctx)
	if err != nil {
		return tq.TaskID{}, err
	}
	*b.at(slot) = p

	return b.engine.Enqueue(ctx, slot, at)
}

func (b *box) lease(ctx context.Context) (l boxLease, err error) {
	var g tq.Grant
	if err := b.engine.Take(ctx, "", &g); err != nil {
		return l, err
	}
	l.fill(b.at(g.Slot), &g)
	b.engine.Unlock()

	return l, nil
}

func (l *boxLease) fill(p *body, g *tq.Grant) {
	l.Payload = *p
	l.Token = g.Token
	l.Attempt = g.Token.Attempt
	l.EnqueuedAt = g.EnqueuedAt
	l.LastError = g.LastError
	l.held = g.Held
}

func (b *box) settleLease(ctx context.Context, l *boxLease, o tq.Outcome) (settled, err error) {
	var g tq.Grant
	settled, err = b.engine.SettleTake(ctx, l.held, l.Token, o, "", &g)
	if err != nil {
		*l = boxLease{}
		return settled, err
	}
	l.fill(b.at(g.Slot), &g)
	b.engine.Unlock()

	return settled, nil
}

const benchCapacity = 1024

// rival is a way to hand bodies over: produce puts n, and a consumer takes n.
type rival struct {
	produce  func(ctx context.Context, n int)
	consumer func() func(ctx context.Context, n int)
	close    func()
}

func channel(testing.TB) rival {
	ch := make(chan body, benchCapacity)

	return rival{
		produce: func(_ context.Context, n int) {
			for range n {
				ch <- body{Kind: "vm"}
			}
		},
		consumer: func() func(context.Context, int) {
			return func(_ context.Context, n int) {
				for range n {
					sinkBody(<-ch)
				}
			}
		},
		close: func() {},
	}
}

// channelOrDone is what a channel costs those who must be able to give up.
func channelOrDone(testing.TB) rival {
	ch := make(chan body, benchCapacity)

	return rival{
		produce: func(ctx context.Context, n int) {
			for range n {
				select {
				case ch <- body{Kind: "vm"}:
				case <-ctx.Done():
				}
			}
		},
		consumer: func() func(context.Context, int) {
			return func(ctx context.Context, n int) {
				for range n {
					select {
					case b := <-ch:
						sinkBody(b)
					case <-ctx.Done():
					}
				}
			}
		},
		close: func() {},
	}
}

//go:noinline
func sinkBody(body) {}

// cycle is enqueue, lease and complete.
func cycle(coarse bool) func(testing.TB) rival {
	return func(tb testing.TB) rival {
		b := openBox(tb, coarse)

		return rival{
			produce: b.produce(tb),
			consumer: func() func(context.Context, int) {
				return func(ctx context.Context, n int) {
					for range n {
						l, err := b.lease(ctx)
						if err == nil {
							err = l.held.Complete(ctx, l.Token)
						}
						if err != nil {
							tb.Error(err)
							return
						}
					}
				}
			},
			close: func() { _ = b.engine.Close() },
		}
	}
}

// fused is enqueue, and complete and lease in one step, as Run does.
func fused(coarse bool) func(testing.TB) rival { return monitored(coarse, 0) }

// monitored is fused with so many watches of the depth.
func monitored(coarse bool, watches int) func(testing.TB) rival {
	return func(tb testing.TB) rival {
		b := openBox(tb, coarse)
		for range watches {
			b.engine.Probe().Attach(tq.NewDepthWatch(benchCapacity*3/4, benchCapacity/4, false, func() {}))
		}

		return rival{
			produce: b.produce(tb),
			consumer: func() func(context.Context, int) {
				l, verb := new(boxLease), tq.Nothing

				return func(ctx context.Context, n int) {
					for range n {
						settled, err := b.settleLease(ctx, l, tq.Outcome{Verb: verb})
						if settled != nil || err != nil {
							tb.Error(settled, err)
							return
						}
						verb = tq.Complete
					}
				}
			},
			close: func() { _ = b.engine.Close() },
		}
	}
}

func (b *box) produce(tb testing.TB) func(ctx context.Context, n int) {
	return func(ctx context.Context, n int) {
		for range n {
			if _, err := b.enqueue(ctx, body{Kind: "vm"}); err != nil {
				tb.Error(err)
				return
			}
		}
	}
}

// BenchmarkQueue is one task on its way, beside channels of the same payload:
// alone in one goroutine, and with so many producers and consumers apart. Only
// ratios within one run carry over to another machine.
func BenchmarkQueue(b *testing.B) {
	for _, n := range []int{0, 1, 4} {
		crowd := "alone"
		if n > 0 {
			crowd = string(rune('0'+n)) + "+" + string(rune('0'+n))
		}
		for _, r := range []struct {
			name string
			open func(testing.TB) rival
		}{
			{"channel", channel}, {"select", channelOrDone},
			{"cycle", cycle(false)}, {"fused", fused(false)},
			{"coarse", cycle(true)}, {"coarsefused", fused(true)}, {"monitored", monitored(false, 1)},
		} {
			b.Run(crowd+"/"+r.name, func(b *testing.B) {
				q := r.open(b)
				defer q.close()
				b.ReportAllocs()
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				if n == 0 {
					consume := q.consumer()
					for b.Loop() {
						q.produce(ctx, 1)
						consume(ctx, 1)
					}

					return
				}
				var all sync.WaitGroup
				for i := range n {
					share := (b.N + i) / n
					all.Go(func() { q.produce(ctx, share) })
					consume := q.consumer()
					all.Go(func() { consume(ctx, share) })
				}
				all.Wait()
			})
		}
	}
}
