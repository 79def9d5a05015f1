package omit_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/omit"
	"github.com/tqgen/tqgen/golden/accept/omit/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[omit.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
		Documents: []string{
			`{"Quoted":{"Int":"1","Bool":"true","Float":"1.5","String":"\"x\""}}`,
			`{"Quoted":{"Int":1}}`,
			`{"Quoted":{"Int":"x"}}`,
			`{"Quoted":{"Bool":"x"}}`,
			`{"Quoted":{"Bool":true}}`,
			`{"Quoted":{"String":"x"}}`,
			`{"Quoted":{"String":"1"}}`,
			`{"Quoted":{"Int":"null","IntPtr":"null","String":"null"}}`,
			`{"Quoted":{"IntPtr":null,"StrPtr":"\"a\""}}`,
			`{"Quoted":{"IntPtr":1}}`,
			`{"Quoted":{"Int8":"128"}}`,
			`{"Quoted":{"Int":""}}`,
			`{"Quoted":{"Int":" 1"}}`,
			`{"Quoted":{"String":"\"\\ud800\""}}`,
			`{"Quoted":{"Deep":1,"Slice":[1]}}`,
			`{"Quoted":{"Int":"01"}}`,
			`{"Quoted":{"Float":"0x1p4"}}`,
		},
	})
}
