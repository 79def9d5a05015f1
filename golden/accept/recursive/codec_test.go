package recursive_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/recursive"
	"github.com/tqgen/tqgen/golden/accept/recursive/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[recursive.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
		Values: 100,
		Documents: []string{
			`{"List":{"Value":1,"Next":{"Value":"x"}}}`,
			`{"Forest":[[],[[]],null,1]}`,
			`{"Deep":1}`,
			`{"Deep":"x"}`,
			`{"children":[{"children":[{"name":1}]}]}`,
		},
	})
}
