package ownmethods_test

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/ownmethods"
	"github.com/tqgen/tqgen/golden/accept/ownmethods/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[ownmethods.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
		Documents: []string{
			`"x"`,
			`{"ID":"x"}`,
			`"\ud800"`,
		},
	})
}
