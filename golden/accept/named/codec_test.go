package named_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/named"
	"github.com/tqgen/tqgen/golden/accept/named/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[named.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
		Documents: []string{
			`{"State":"x"}`,
			`{"Octets":"AQID"}`,
			`{"Octets":[1,2]}`,
			`{"Octets":null}`,
			`{"Blob":"AQID"}`,
			`{"Blob":[1]}`,
			`{"Never":[1,2]}`,
			`{"Ref":{"A":"x"},"Refs":[null,{"B":"y"}]}`,
			`{"Empty":{"a":1},"None":1}`,
			`{"Matrix":[[1],[2,3,4],[5]]}`,
			`{"Octets":""}`,
		},
	})
}
