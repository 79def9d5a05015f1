package queue

import (
	"context"
	"testing"

	"github.com/tqgen/tqgen/bench/payload/leasequeue"
)

// BenchmarkCycle runs ours for go test's profiles:
//
//	go test ./queue -run - -bench 'Cycle/exact/4.4' -cpuprofile cpu.prof
func BenchmarkCycle(b *testing.B) {
	for _, bb := range []struct {
		name string
		open func() (cycler, error)
	}{
		{"exact", func() (cycler, error) { return openOurs(request(), leasequeue.Options{}) }},
		{"coarse", func() (cycler, error) { return openOurs(request(), leasequeue.Options{CoarseClock: true}) }},
		{"fused", func() (cycler, error) { return openFused(request(), leasequeue.Options{}) }},
		{"instrumented", func() (cycler, error) { return openInstrumented(request()) }},
		{"reader", func() (cycler, error) { return openRead(request()) }},
	} {
		for _, load := range loads {
			b.Run(bb.name+"/"+load.name, func(b *testing.B) {
				c, err := bb.open()
				if err != nil {
					b.Fatal(err)
				}
				defer c.close()
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				b.ReportAllocs()
				if load.each == 0 {
					err = alone(ctx, c, b.N)
				} else {
					err = apart(ctx, c, load.each, b.N)
				}
				if err != nil {
					b.Fatal(err)
				}
			})
		}
	}
	b.Run("batch", func(b *testing.B) {
		do, done, err := batches(request())()
		if err != nil {
			b.Fatal(err)
		}
		defer done()
		if err := do(b.N); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("run", func(b *testing.B) {
		o, err := openOurs(request(), leasequeue.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer o.close()
		b.ReportAllocs()
		if err := run(o, 0, b.N); err != nil {
			b.Fatal(err)
		}
	})
}
