package minimal_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/minimal"
	"github.com/tqgen/tqgen/golden/accept/minimal/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[minimal.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
	})
}
