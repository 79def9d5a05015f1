package arrays_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/arrays"
	"github.com/tqgen/tqgen/golden/accept/arrays/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[arrays.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
		Documents: []string{
			`{"Ints":[1]}`,
			`{"Ints":[1,2,3,4,5]}`,
			`{"Ints":[]}`,
			`{"Ints":null}`,
			`{"Ints":"x"}`,
			`{"Bytes":"AQID"}`,
			`{"Bytes":[1,2,3,4,5]}`,
			`{"Ints":[1,"x",3]}`,
			`{"Structs":[{"A":"x"},{"B":1},{"A":"dropped"}]}`,
			`{"Ptr":[1],"SliceP":[1],"MapP":{"a":1}}`,
			`{"None":[1,"x"]}`,
			`{"Ptr":null,"SliceP":null,"MapP":null}`,
			`{"Slices":[[1],null,[2]]}`,
		},
	})
}
