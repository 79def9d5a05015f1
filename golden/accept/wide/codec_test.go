package wide_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/wide"
	"github.com/tqgen/tqgen/golden/accept/wide/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[wide.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
		Values: 60,
		Documents: []string{
			`{"f0":"a","f199":1}`,
			`{"f199":"a","f198":2,"F4":true}`,
			`{"f10":[1]}`,
		},
	})
}
