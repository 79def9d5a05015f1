//go:build goexperiment.jsonv2 || go1.27

package jsonwire

// invalidUTF8 is what the toolchain's encoding/json writes for a byte that is
// no UTF-8: since it stands on encoding/json/v2, the character itself.
const invalidUTF8 = "\ufffd"
