package stream

import "testing"

// BenchmarkStream runs the rows for go test's profiles.
func BenchmarkStream(b *testing.B) {
	for name, setUp := range map[string]func() (func(int) error, func(), error){
		"nobody": nobody, "reader": toReader, "channel": channel, "replaced": replacedDesign,
		"sink": toSink, "sink apart": toSinkApart, "channel apart": channelApart,
	} {
		b.Run(name, func(b *testing.B) {
			do, done, err := setUp()
			if err != nil {
				b.Fatal(err)
			}
			if done != nil {
				defer done()
			}
			if err := do(b.N); err != nil {
				b.Fatal(err)
			}
		})
	}
}
