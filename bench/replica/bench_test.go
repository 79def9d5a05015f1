package replica

import "testing"

// BenchmarkTransports runs the rows of streams for go test's profiles.
func BenchmarkTransports(b *testing.B) {
	for _, row := range []struct {
		name  string
		setUp func() (func(int) error, func(), error)
	}{
		{"copy", copies},
		{"http/stream", streams(overHTTP)}, {"grpc/stream", streams(overGRPC)},
		{"http/follow", follows(overHTTP)}, {"grpc/follow", follows(overGRPC)},
	} {
		b.Run(row.name, func(b *testing.B) {
			do, done, err := row.setUp()
			if err != nil {
				b.Fatal(err)
			}
			defer done()
			b.ReportAllocs()
			b.ResetTimer()
			if err := do(b.N); err != nil {
				b.Fatal(err)
			}
		})
	}
}
