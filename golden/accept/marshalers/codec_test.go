package marshalers_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tqgen/tqgen/golden/accept/marshalers"
	"github.com/tqgen/tqgen/golden/accept/marshalers/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
)

func TestCodec(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[marshalers.Task]{
		Append: taskqueue.AppendJSON,
		Parse:  taskqueue.ParseJSON,
		Decode: taskqueue.DecodeJSON,
		Make: map[string]jsondiff.Gen{
			"marshalers.Stamp": func(r *rand.Rand) any {
				return marshalers.Stamp{Time: time.Unix(r.Int64N(1e9), 0).UTC()}
			},
		},
		Documents: []string{
			`{"Value":null,"ValuePtr":null,"Pointer":null,"PtrPtr":null}`,
			`{"Text":null,"TextPtr":null,"IDs":null}`,
			`{"Text":1}`,
			`{"Text":"x","Value":1}`,
			`{"TextPtr":[]}`,
			`{"IDs":"a,b"}`,
			`{"IDs":["a"]}`,
			`{"Value":13,"Text":1}`,
			`{"Pointer":"x"}`,
			`{"Deep":1}`,
			`{"Deep":null}`,
			`{"Read":1}`,
			`{"Read":"a","ReadPtr":"b"}`,
			`{"Named":{"N":1}}`,
			`{"Named":1}`,
			`{"Quoted":1}`,
			`{"Quoted":"12"}`,
			`{"Quoted":null}`,
			`{"QuotedPtr":"12"}`,
			`{"QuotedPtr":"null"}`,
			`{"Quoted":""}`,
			`{"Anonymous":{"n":1}}`,
			`{"Anonymous":1}`,
			`{"AnonPtr":1}`,
			`{"Map":{"a":1,"b":null},"MapPtr":{"a":1,"b":null}}`,
			`{"Stamp":"2020-01-02T03:04:05Z"}`,
			`{"Stamp":1}`,
			`{"Letters":["a",null,"c"]}`,
			`{"MapStruct":{"a":{"P":1,"T":["x"]}}}`,
			`{"Value" :  [ 1 , 2 ] }`,
			`{"List":[1,2,"x",3]}`,
		},
	})
}
