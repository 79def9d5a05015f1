//go:build goexperiment.jsonv2

package codec

import (
	jsonv1 "encoding/json"
	"encoding/json/v2"

	"github.com/tqgen/tqgen/bench/measure"
)

// V2 says whether this binary has encoding/json/v2.
const V2 = true

// v2 are the rows of encoding/json/v2, with its own semantics and with those of
// version 1. In this binary encoding/json itself runs on it, too.
func v2[T any](size string, v *T, doc []byte) []measure.Row {
	var rows []measure.Row
	for _, c := range []struct {
		name string
		o    json.Options
	}{
		{"json/v2", json.JoinOptions(json.FormatNilSliceAsNull(true), jsonv1.FormatDurationAsNano(true))},
		{"json/v2 as v1", jsonv1.DefaultOptionsV1()},
	} {
		rows = append(
			rows,
			encode(size, c.name, false, func(n int) error {
				for range n {
					if _, err := json.Marshal(v, c.o); err != nil {
						return err
					}
				}

				return nil
			}),
			decode(size, c.name, false, func(n int) error {
				p := new(T)
				for range n {
					var zero T
					*p = zero
					if err := json.Unmarshal(doc, p, c.o); err != nil {
						return err
					}
				}

				return nil
			}),
		)
	}

	return rows
}
