//go:build !goexperiment.jsonv2 && !go1.27

package jsonwire

// invalidUTF8 is what the toolchain's encoding/json writes for a byte that is
// no UTF-8.
const invalidUTF8 = `\ufffd`
