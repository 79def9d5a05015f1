package codec

import (
	"encoding/json"
	"unsafe"

	"github.com/bytedance/sonic"
	gojson "github.com/goccy/go-json"
	"github.com/mailru/easyjson"
	segmentio "github.com/segmentio/encoding/json"

	"github.com/tqgen/tqgen/bench/conform"
	"github.com/tqgen/tqgen/bench/conform/document"
	"github.com/tqgen/tqgen/bench/conform/document/documentqueue"
	"github.com/tqgen/tqgen/bench/peer/easydocument"
)

type doc = document.Document

// V2Names are the two ways in which encoding/json/v2 is measured, in a binary that
// has it: as it comes, but for what the payloads need, and as version 1.
var V2Names = []string{"json/v2", "json/v2 as v1"}

// easyDoc is v for easyjson: a type of the same memory with other methods.
func easyDoc(v *doc) *easydocument.Document {
	return (*easydocument.Document)(unsafe.Pointer(v))
}

// Codecs are those whose conformance is looked at. A binary with V2 has two more,
// those of V2Names.
func Codecs() []conform.Codec {
	return append([]conform.Codec{
		{
			Name:   "tqgen",
			Encode: func(v *doc) ([]byte, error) { return documentqueue.AppendJSON(nil, v) },
			Decode: documentqueue.DecodeJSON,
		},
		{
			Name:   "goccy",
			Encode: func(v *doc) ([]byte, error) { return gojson.Marshal(v) },
			Decode: func(src []byte, v *doc) error { return gojson.Unmarshal(src, v) },
		},
		{
			Name: "segmentio",
			Encode: func(v *doc) ([]byte, error) {
				return segmentio.Append(nil, v, segmentio.EscapeHTML|segmentio.SortMapKeys)
			},
			Decode: func(src []byte, v *doc) error { return segmentio.Unmarshal(src, v) },
		},
		{
			Name:   "sonic std",
			Encode: func(v *doc) ([]byte, error) { return sonic.ConfigStd.Marshal(v) },
			Decode: func(src []byte, v *doc) error { return sonic.ConfigStd.Unmarshal(src, v) },
		},
		{
			Name:   "sonic fastest",
			Encode: func(v *doc) ([]byte, error) { return sonic.ConfigFastest.Marshal(v) },
			Decode: func(src []byte, v *doc) error { return sonic.ConfigFastest.Unmarshal(src, v) },
		},
		{
			Name:   "easyjson",
			Encode: func(v *doc) ([]byte, error) { return easyjson.Marshal(easyDoc(v)) },
			Decode: func(src []byte, v *doc) error { return easyjson.Unmarshal(src, easyDoc(v)) },
		},
		{
			Name:   "encoding/json",
			Encode: func(v *doc) ([]byte, error) { return json.Marshal(v) },
			Decode: func(src []byte, v *doc) error { return json.Unmarshal(src, v) },
		},
	}, v2Codecs()...)
}
