package stdtypes_test

import (
	"math/big"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/tqgen/tqgen/golden/accept/stdtypes"
	"github.com/tqgen/tqgen/golden/accept/stdtypes/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[stdtypes.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
		Make: map[string]jsondiff.Gen{
			"big.Int":        func(r *rand.Rand) any { return *big.NewInt(r.Int64()) },
			"*big.Float":     func(r *rand.Rand) any { return big.NewFloat(float64(r.IntN(1000)) / 8) },
			"big.Rat":        func(r *rand.Rand) any { return *big.NewRat(r.Int64N(1000), 1+r.Int64N(1000)) },
			"netip.Addr":     func(r *rand.Rand) any { return addr(r) },
			"netip.AddrPort": func(r *rand.Rand) any { return netip.AddrPortFrom(addr(r), uint16(r.Uint32())) },
			"netip.Prefix":   func(r *rand.Rand) any { return netip.PrefixFrom(addr(r), r.IntN(33)) },
		},
		Documents: []string{
			`{"Time":"2020-01-02T03:04:05.123456789+01:30"}`,
			`{"Time":"x"}`,
			`{"Time":1}`,
			`{"Time":null,"TimePtr":null}`,
			`{"TimePtr":"2020-01-02T03:04:05Z"}`,
			`{"Duration":1.5}`,
			`{"Raw": [ 1 , 2 ],"RawPtr":null}`,
			`{"Raw":null,"Raws":[null,1,{}]}`,
			`{"Number":1.50}`,
			`{"Number":"1"}`,
			`{"Number":"x"}`,
			`{"Number":""}`,
			`{"Number":null}`,
			`{"NumberPtr":1e5}`,
			`{"Quoted":"1"}`,
			`{"Quoted":1}`,
			`{"Int":123456789012345678901234567890}`,
			`{"Int":"1"}`,
			`{"Int":null,"IntPtr":null}`,
			`{"IntPtr":1.5}`,
			`{"Addr":"127.0.0.1","AddrPtr":"::1"}`,
			`{"Addr":""}`,
			`{"Addr":"x"}`,
			`{"Addr":1}`,
			`{"IP":"127.0.0.1"}`,
			`{"IP":null}`,
			`{"URL":{"Host":"x","User":{"a":1}}}`,
			`{"URL":"http://x"}`,
			`{"Null":{"String":"x","Valid":true}}`,
			`{"Strings":{"a":["b"],"c":null}}`,
		},
	})
}

func addr(r *rand.Rand) netip.Addr {
	if r.IntN(4) == 0 {
		return netip.Addr{}
	}

	return netip.AddrFrom4([4]byte{byte(r.Uint32()), byte(r.Uint32()), 0, 1})
}
