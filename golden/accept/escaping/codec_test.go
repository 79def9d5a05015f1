package escaping_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/escaping"
	"github.com/tqgen/tqgen/golden/accept/escaping/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[escaping.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
		Documents: []string{
			`{"kelvin":"k"}`,
			`{"K":"k"}`,
			`{"k":"k"}`,
			`{"\u212a":"k"}`,
			`{"A<B>&C":"x"}`,
			`{"a\u003cb>&c":"x"}`,
			`{"-":"x"}`,
			`{"größe":"x","GRÖSSE":"y"}`,
			`{"a\"b":"x"}`,
			`{"Quote":"x"}`,
			`{"КЛЮЧ 日本":"x"}`,
		},
	})
}
