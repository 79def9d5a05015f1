package crosspackage_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/crosspackage"
	"github.com/tqgen/tqgen/golden/accept/crosspackage/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[crosspackage.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
	})
}
