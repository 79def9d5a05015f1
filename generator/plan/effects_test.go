package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The shape of a JSON form is the same for types that differ in Go alone, and
// differs where a record would be read wrongly. Schema ids in records follow
// from it, so it stays as it is over releases.
func TestShapeOf(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ shape, source string }{
		"scalars": {
			shape: `{"A":bool,"B":integer,"C":integer,"D":number,"E":string,"F":base64,"G":time,"H":json}`,
			source: `import ("encoding/json"; "time")
			type T struct {
				H json.RawMessage; A bool; B int8; C uint64; D float32; E string; F []byte; G time.Time
			}`,
		},
		"names": {
			shape: `{"a":{"x":integer},"b":string}`,
			source: `type T struct { B Name "json:\"b\""; A struct { X *int64 "json:\"x,omitempty\"" } "json:\"a\"" }
				type Name string`,
		},
		"names, other": {
			shape: `{"a":{"x":integer},"b":string}`,
			source: `type T struct { Inner *Other "json:\"a,omitzero\""; Text string "json:\"b\"" }
				type Other struct { Count uint8 "json:\"x\"" }`,
		},
		"lists": {
			shape:  `{"A":[string],"B":{*:string},"C":[[integer]],"D":{*:{"E":bool}},"G":{*:[bool]}}`,
			source: `type T struct { A []string; B map[string]string; C [3][]int; D map[int]struct{ E bool }; G map[string][]bool }`,
		},
		"recursive": {
			shape:  `{"Next":^1,"Peers":[{"Back":^3,"Peers":[^2]}]}`,
			source: `type T struct { Next *T; Peers []U }; type U struct { Back *T; Peers []U }`,
		},
		"recursive, other": {
			shape:  `{"Next":^1,"Peers":[{"Back":^3,"Peers":[^2]}]}`,
			source: `type T struct { Next *T; Peers L }; type L []U; type U struct { Back *T; Peers []*U }`,
		},
		"recursive list": {
			shape:  `{"A":[^1],"B":{*:{*:^2}}}`,
			source: `type T struct { A L; B M }; type L []L; type M map[string]map[string]M`,
		},
		"quoted": {shape: `{"A":quoted integer,"B":integer}`, source: `type T struct { A int "json:\",string\""; B int }`},
		"methods": {shape: `{"A":json,"B":string}`, source: `
			type T struct { A M; B X }
			type M int
			func (M) MarshalJSON() ([]byte, error)
			func (*M) UnmarshalJSON([]byte) error
			type X int
			func (X) MarshalText() ([]byte, error)
			func (*X) UnmarshalText([]byte) error`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			codec := planned(t, c.source)
			if diff := cmp.Diff(c.shape, shapeOf(codec.Appenders, codec.Appenders[0].Name)); diff != "" {
				t.Errorf("shape (-want +got):\n%s", diff)
			}
			if codec.Shape != c.shape || codec.Schema != schemaOf(c.shape) {
				t.Errorf("events have the schema %s, of %s", codec.Schema, codec.Shape)
			}
		})
	}
}
