package embedded_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/embedded"
	"github.com/tqgen/tqgen/golden/accept/embedded/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[embedded.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
		Documents: []string{
			`{"Note":1}`,
			`{"Count":"x"}`,
			`{"bottom":1}`,
			`{"id":1}`,
			`{"Extra":{"A":"x"}}`,
			`{"tagged":{"A":1}}`,
			`{"Exported":1}`,
			`{"Note":null}`,
			`{"Shade":null,"State":null}`,
			`{"Shade":"x","State":"x"}`,
			`{"Lost":"x","Both":"x","Won":"y"}`,
		},
	})
}
