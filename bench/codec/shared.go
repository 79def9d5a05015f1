package codec

import (
	"github.com/tqgen/tqgen/bench/measure"
	"github.com/tqgen/tqgen/bench/payload/shared/largequeue"
	"github.com/tqgen/tqgen/bench/payload/shared/leasequeue"
	"github.com/tqgen/tqgen/bench/payload/shared/smallqueue"
)

// shared is the row of a codec generated with strings=shared.
func shared(size string, v any, dec func(doc []byte, n int) error) measure.Row {
	doc := mustMarshal(v)

	return decode(size, "tqgen shared", true, func(n int) error { return dec(doc, n) })
}

func shareSmall(doc []byte, n int) error {
	for range n {
		if _, err := smallqueue.ParseJSON(doc); err != nil {
			return err
		}
	}

	return nil
}

func shareLease(doc []byte, n int) error {
	for range n {
		if _, err := leasequeue.ParseJSON(doc); err != nil {
			return err
		}
	}

	return nil
}

func shareLarge(doc []byte, n int) error {
	for range n {
		if _, err := largequeue.ParseJSON(doc); err != nil {
			return err
		}
	}

	return nil
}
