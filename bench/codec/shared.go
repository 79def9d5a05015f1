package codec

import (
	_ "unsafe" // for linkname

	"github.com/tqgen/tqgen/bench/measure"
	"github.com/tqgen/tqgen/bench/payload"
	"github.com/tqgen/tqgen/runtime/jsonwire"
)

// One shared copy of the document is not yet an option of the directive. The
// runtime has it, and these are the generated decoders, reached past their
// packages' doors until it is.

//go:linkname decodeSmall github.com/tqgen/tqgen/bench/payload/smallqueue.decodeSmall
func decodeSmall(r *jsonwire.Reader, i int, p *payload.Small) int

//go:linkname decodeLease github.com/tqgen/tqgen/bench/payload/leasequeue.decodeLease
func decodeLease(r *jsonwire.Reader, i int, p *payload.Lease) int

//go:linkname decodeLarge github.com/tqgen/tqgen/bench/payload/largequeue.decodeLarge
func decodeLarge(r *jsonwire.Reader, i int, p *payload.Large) int

// shared is the row of a generated decoder whose strings are parts of one copy
// of the document.
func shared[T any](size string, v *T, dec func(r *jsonwire.Reader, i int, p *T) int) []measure.Row {
	doc := mustMarshal(v)

	return []measure.Row{decode(size, "tqgen shared", true, func(n int) error { return sharedLoop(doc, dec, n) })}
}

func sharedLoop[T any](doc []byte, dec func(r *jsonwire.Reader, i int, p *T) int, n int) error {
	p := new(T)
	for range n {
		var zero T
		*p = zero
		r := jsonwire.NewReader(doc)
		r.ShareText()
		if err := r.Finish(dec(&r, 0, p)); err != nil {
			return err
		}
	}

	return nil
}
