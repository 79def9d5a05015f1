package generic_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/generic"
	"github.com/tqgen/tqgen/golden/accept/generic/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[generic.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
		Values: 100,
		Documents: []string{
			`{"pair":{"Second":"x"}}`,
			`{"value":{"Sum":"x"}}`,
			`{"next":{"next":{"value":{"ID":1}}}}`,
		},
	})
}
