package anonymous_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/anonymous"
	"github.com/tqgen/tqgen/golden/accept/anonymous/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[anonymous.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
		Documents: []string{
			`{"Meta":{"a":1}}`,
			`{"Meta":{"Deep":{"B":["x"]}}}`,
			`{"List":[{"id":1},{"id":"x"}]}`,
			`{"Map":{"a":{"X":1.5}}}`,
		},
	})
}
