package lease_test

import (
	"testing"

	"github.com/tqgen/tqgen/examples/lease/leasequeue"
)

// BenchmarkCycle is one task from Enqueue to Complete.
func BenchmarkCycle(b *testing.B) {
	for _, bb := range []struct {
		name string
		o    leasequeue.Options
	}{
		{"exact clock", leasequeue.Options{}},
		{"coarse clock", leasequeue.Options{CoarseClock: true}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			q, err := leasequeue.New(bb.o)
			if err != nil {
				b.Fatal(err)
			}
			defer q.Close()

			p := request(1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := q.Enqueue(b.Context(), p); err != nil {
					b.Fatal(err)
				}
				l, err := q.Lease(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if err := l.Complete(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
