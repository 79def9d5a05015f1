package codec

import (
	"strings"
	"testing"
)

// BenchmarkCodec runs the rows of ours for go test's profiles:
//
//	go test ./codec -run - -bench 'Codec/decode/lease' -cpuprofile cpu.prof
func BenchmarkCodec(b *testing.B) {
	small, lease, large := Small(), Lease(), Large()
	docs := [][]byte{mustMarshal(small), mustMarshal(lease), mustMarshal(large)}
	for _, bb := range []struct {
		name string
		do   func(n int) error
	}{
		{"encode/small", func(n int) error { return appendSmall(&small, n) }},
		{"encode/lease", func(n int) error { return appendLease(&lease, n) }},
		{"encode/large", func(n int) error { return appendLarge(&large, n) }},
		{"decode/small", func(n int) error { return parseSmall(docs[0], n) }},
		{"decode/lease", func(n int) error { return parseLease(docs[1], n) }},
		{"decode/large", func(n int) error { return parseLarge(docs[2], n) }},
		{"shared/lease", func(n int) error { return shareLease(docs[1], n) }},
		{"shared/large", func(n int) error { return shareLarge(docs[2], n) }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(docs[strings.Index("small lease large ", bb.name[7:]+" ")/6])))
			if err := bb.do(b.N); err != nil {
				b.Fatal(err)
			}
		})
	}
}
