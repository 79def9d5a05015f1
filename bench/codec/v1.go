//go:build !goexperiment.jsonv2

package codec

import (
	"github.com/tqgen/tqgen/bench/conform"
	"github.com/tqgen/tqgen/bench/measure"
)

// V2 says whether this binary has encoding/json/v2.
const V2 = false

func v2[T any](string, *T, []byte) []measure.Row { return nil }

func v2Codecs() []conform.Codec { return nil }
