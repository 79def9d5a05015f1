package scalars_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/scalars"
	"github.com/tqgen/tqgen/golden/accept/scalars/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[scalars.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
		Documents: []string{
			`{"Int8":127}`,
			`{"Int8":128}`,
			`{"Int8":-128}`,
			`{"Int8":-129}`,
			`{"Uint8":256}`,
			`{"Uint":-1}`,
			`{"Int":1.0}`,
			`{"Int":1e3}`,
			`{"Int":-0}`,
			`{"Int":00}`,
			`{"Float32":1e39}`,
			`{"Float64":1e309}`,
			`{"Bytes":[1,2,256]}`,
			`{"Bytes":"AQ="}`,
			`{"Bytes":"A\nQ=="}`,
			`{"Bytes":"\u0041Q=="}`,
			`{"Bytes":{}}`,
			`{"Strings":[1,"a"]}`,
			`{"Map":{"a":1,"b":"c"}}`,
			`{"String":"\ud800\u0041"}`,
			`{"Uintptr":18446744073709551615}`,
		},
	})
}
