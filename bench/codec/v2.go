//go:build goexperiment.jsonv2

package codec

import (
	jsonv1 "encoding/json"
	"encoding/json/v2"

	"github.com/tqgen/tqgen/bench/conform"
	"github.com/tqgen/tqgen/bench/measure"
)

// V2 says whether this binary has encoding/json/v2.
const V2 = true

// v2 are the rows of encoding/json/v2, with its own semantics and with those of
// version 1. In this binary encoding/json itself runs on it, too.
func v2[T any](size string, v *T, doc []byte) []measure.Row {
	var rows []measure.Row
	for i, o := range v2Options() {
		rows = append(
			rows,
			encode(size, V2Names[i], false, func(n int) error {
				for range n {
					if _, err := json.Marshal(v, o); err != nil {
						return err
					}
				}

				return nil
			}),
			decode(size, V2Names[i], false, func(n int) error {
				p := new(T)
				for range n {
					var zero T
					*p = zero
					if err := json.Unmarshal(doc, p, o); err != nil {
						return err
					}
				}

				return nil
			}),
		)
	}

	return rows
}

// v2Options are those behind V2Names.
func v2Options() []json.Options {
	return []json.Options{
		json.JoinOptions(json.FormatNilSliceAsNull(true), jsonv1.FormatDurationAsNano(true)), jsonv1.DefaultOptionsV1(),
	}
}

func v2Codecs() []conform.Codec {
	var codecs []conform.Codec
	for i, o := range v2Options() {
		codecs = append(codecs, conform.Codec{
			Name:   V2Names[i],
			Encode: func(v *doc) ([]byte, error) { return json.Marshal(v, o) },
			Decode: func(src []byte, v *doc) error { return json.Unmarshal(src, v, o) },
		})
	}

	return codecs
}
