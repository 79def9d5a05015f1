package mapkeys_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/tqgen/tqgen/golden/accept/mapkeys"
	"github.com/tqgen/tqgen/golden/accept/mapkeys/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[mapkeys.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
		Make: map[string]jsondiff.Gen{
			"netip.Addr":    func(r *rand.Rand) any { return netip.AddrFrom4([4]byte{byte(r.Uint32()), 1, 2, 3}) },
			"mapkeys.Point": func(r *rand.Rand) any { return mapkeys.Point{X: int8(r.IntN(8)), Y: 7} },
		},
		Documents: []string{
			`{"Ints":{"1":"a","x":"b","2":"c"}}`,
			`{"Int8s":{"128":true}}`,
			`{"Uints":{"-1":"a"}}`,
			`{"Words":{"refused":1,"a":2}}`,
			`{"Both":{"b1":1,"x":2}}`,
			`{"Codes":{"1":{"ID":1},"x":null}}`,
			`{"Points":{"":"x"}}`,
			`{"Values":{"a":{"ID":1},"b":null}}`,
			`{"Strings":null,"Named":[]}`,
			`{"Nested":{"a":{"x":{"b":1}}}}`,
			`{"Ints":{" 1":"a","01":"b","+2":"c","0x1":"d"}}`,
			`{"Uints":{"01":"b","+2":"c"}}`,
			`{"Addrs":{"x":"y"}}`,
			`{"Addrs":{"127.0.0.1":"y"}}`,
		},
	})
}
