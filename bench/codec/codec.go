// Package codec measures JSON codecs on the payloads, and finds out in which
// respects they are not encoding/json.
package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/bytedance/sonic"
	gojson "github.com/goccy/go-json"
	"github.com/mailru/easyjson"
	"github.com/mailru/easyjson/jlexer"
	"github.com/mailru/easyjson/jwriter"
	segmentio "github.com/segmentio/encoding/json"
	"github.com/tinylib/msgp/msgp"

	"github.com/tqgen/tqgen/bench/measure"
	"github.com/tqgen/tqgen/bench/payload"
	"github.com/tqgen/tqgen/bench/payload/largequeue"
	"github.com/tqgen/tqgen/bench/payload/leasequeue"
	"github.com/tqgen/tqgen/bench/payload/smallqueue"
	"github.com/tqgen/tqgen/bench/peer/easy"
	"github.com/tqgen/tqgen/bench/peer/msg"
)

// Rows are all rows of codecs: json/<encode or decode>/<size>/<codec>.
func Rows() []measure.Row {
	small, lease, large := Small(), Lease(), Large()

	var rows []measure.Row
	rows = append(rows, ours("small", &small, smallqueue.AppendJSON, appendSmall, parseSmall)...)
	rows = append(rows, ours("lease", &lease, leasequeue.AppendJSON, appendLease, parseLease)...)
	rows = append(rows, ours("large", &large, largequeue.AppendJSON, appendLarge, parseLarge)...)
	rows = append(rows, shared("small", &small, shareSmall))
	rows = append(rows, shared("lease", &lease, shareLease))
	rows = append(rows, shared("large", &large, shareLarge))
	rows = append(rows, reflective("small", &small)...)
	rows = append(rows, reflective("lease", &lease)...)
	rows = append(rows, reflective("large", &large)...)
	rows = append(rows, generated[easy.Small, msg.Small]("small", &small)...)
	rows = append(rows, generated[easy.Lease, msg.Lease]("lease", &lease)...)
	rows = append(rows, generated[easy.Large, msg.Large]("large", &large)...)

	return rows
}

// encode and decode make one row each.
func encode(size, codec string, ratios bool, do func(n int) error) measure.Row {
	return row("json/encode/"+size+"/"+codec, ratios, do)
}

func decode(size, codec string, ratios bool, do func(n int) error) measure.Row {
	return row("json/decode/"+size+"/"+codec, ratios, do)
}

func row(name string, ratios bool, do func(n int) error) measure.Row {
	return measure.Row{Name: name, Ratios: ratios, Measure: measure.Loop(
		func() (func(int) error, func(), error) { return do, nil, nil },
	)}
}

// mustMarshal is the document all codecs read.
func mustMarshal(v any) []byte {
	doc, err := json.Marshal(v)
	if err != nil {
		panic(err) //nolint:forbidigo // fixtures have a JSON form
	}

	return doc
}

// ours are the rows of generated codecs. The loops are written for each payload
// so that they call what users call, and nothing in between.
func ours[T any](
	size string, v *T, one func([]byte, *T) ([]byte, error),
	enc func(v *T, n int) error, dec func(doc []byte, n int) error,
) []measure.Row {
	doc := mustMarshal(v)
	if got, err := one(nil, v); err != nil || !bytes.Equal(got, doc) {
		panic(fmt.Sprintf("bench: %s: tqgen writes %s, %v", size, got, err)) //nolint:forbidigo // that would be a bug of ours
	}

	return []measure.Row{
		encode(size, "tqgen", true, func(n int) error { return enc(v, n) }),
		decode(size, "tqgen", true, func(n int) error { return dec(doc, n) }),
	}
}

func appendSmall(v *payload.Small, n int) (err error) {
	var b []byte
	for range n {
		if b, err = smallqueue.AppendJSON(b[:0], v); err != nil {
			return err
		}
	}

	return nil
}

func appendLease(v *payload.Lease, n int) (err error) {
	var b []byte
	for range n {
		if b, err = leasequeue.AppendJSON(b[:0], v); err != nil {
			return err
		}
	}

	return nil
}

func appendLarge(v *payload.Large, n int) (err error) {
	var b []byte
	for range n {
		if b, err = largequeue.AppendJSON(b[:0], v); err != nil {
			return err
		}
	}

	return nil
}

func parseSmall(doc []byte, n int) error {
	for range n {
		if _, err := smallqueue.ParseJSON(doc); err != nil {
			return err
		}
	}

	return nil
}

func parseLease(doc []byte, n int) error {
	for range n {
		if _, err := leasequeue.ParseJSON(doc); err != nil {
			return err
		}
	}

	return nil
}

func parseLarge(doc []byte, n int) error {
	for range n {
		if _, err := largequeue.ParseJSON(doc); err != nil {
			return err
		}
	}

	return nil
}

// reflective are the rows of codecs that take any type. Each gets the fastest
// way it has to be called, into a destination that is there already.
func reflective[T any](size string, v *T) []measure.Row {
	doc := mustMarshal(v)
	rows := []measure.Row{
		encode(size, "encoding/json", true, func(n int) error {
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			for range n {
				b.Reset()
				if err := e.Encode(v); err != nil {
					return err
				}
			}

			return nil
		}),
		decode(size, "encoding/json", true, func(n int) error {
			p := new(T)
			for range n {
				var zero T
				*p = zero
				if err := json.Unmarshal(doc, p); err != nil {
					return err
				}
			}

			return nil
		}),
		encode(size, "goccy", true, func(n int) error {
			for range n {
				if _, err := gojson.Marshal(v); err != nil {
					return err
				}
			}

			return nil
		}),
		encode(size, "goccy MarshalOf", true, func(n int) error {
			for range n {
				if _, err := gojson.MarshalOf(*v); err != nil {
					return err
				}
			}

			return nil
		}),
		encode(size, "goccy Encoder", true, func(n int) error {
			var b bytes.Buffer
			e := gojson.NewEncoder(&b)
			for range n {
				b.Reset()
				if err := e.Encode(v); err != nil {
					return err
				}
			}

			return nil
		}),
		decode(size, "goccy", true, func(n int) error {
			p := new(T)
			for range n {
				var zero T
				*p = zero
				if err := gojson.Unmarshal(doc, p); err != nil {
					return err
				}
			}

			return nil
		}),
		decode(size, "goccy UnmarshalOf", true, func(n int) error {
			for range n {
				var v T
				if err := gojson.UnmarshalOf(doc, &v); err != nil {
					return err
				}
			}

			return nil
		}),
		encode(size, "segmentio", true, func(n int) (err error) {
			var b []byte
			for range n {
				if b, err = segmentio.Append(b[:0], v, segmentio.EscapeHTML|segmentio.SortMapKeys); err != nil {
					return err
				}
			}

			return nil
		}),
		encode(size, "segmentio no flags", false, func(n int) (err error) {
			var b []byte
			for range n {
				if b, err = segmentio.Append(b[:0], v, 0); err != nil {
					return err
				}
			}

			return nil
		}),
		decode(size, "segmentio", true, func(n int) error {
			p := new(T)
			for range n {
				var zero T
				*p = zero
				if err := segmentio.Unmarshal(doc, p); err != nil {
					return err
				}
			}

			return nil
		}),
	}
	for _, c := range []struct {
		name   string
		ratios bool
		api    sonic.API
	}{
		{"sonic std", true, sonic.ConfigStd},
		{"sonic fastest", false, sonic.ConfigFastest},
	} {
		rows = append(
			rows,
			encode(size, c.name, c.ratios, func(n int) error {
				for range n {
					if _, err := c.api.Marshal(v); err != nil {
						return err
					}
				}

				return nil
			}),
			decode(size, c.name, c.ratios, func(n int) error {
				p := new(T)
				for range n {
					var zero T
					*p = zero
					if err := c.api.Unmarshal(doc, p); err != nil {
						return err
					}
				}

				return nil
			}),
		)
	}

	return append(rows, v2(size, v, doc)...)
}

// easyType and msgType are what the peers' generators have written.
type easyType[T any] interface {
	*T
	easyjson.Marshaler
	easyjson.Unmarshaler
}

type msgType[T any] interface {
	*T
	msgp.Marshaler
	msgp.Unmarshaler
}

// generated are the rows of the peers that generate code.
func generated[E, M any, EP easyType[E], MP msgType[M]](size string, v any) []measure.Row {
	doc := mustMarshal(v)
	e, m := new(E), new(M)
	mustUnmarshal(doc, e)
	mustUnmarshal(doc, m)
	packed, err := MP(m).MarshalMsg(nil)
	if err != nil {
		panic(err) //nolint:forbidigo // fixtures have a msgpack form
	}

	return []measure.Row{
		encode(size, "easyjson", true, func(n int) error {
			for range n {
				var w jwriter.Writer
				EP(e).MarshalEasyJSON(&w)
				if _, err := w.DumpTo(io.Discard); err != nil {
					return err
				}
			}

			return nil
		}),
		decode(size, "easyjson", true, func(n int) error {
			p := new(E)
			for range n {
				var zero E
				*p = zero
				l := jlexer.Lexer{Data: doc}
				EP(p).UnmarshalEasyJSON(&l)
				if err := l.Error(); err != nil {
					return err
				}
			}

			return nil
		}),
		encode(size, "msgp", false, func(n int) (err error) {
			var b []byte
			for range n {
				if b, err = MP(m).MarshalMsg(b[:0]); err != nil {
					return err
				}
			}

			return nil
		}),
		decode(size, "msgp", false, func(n int) error {
			p := new(M)
			for range n {
				var zero M
				*p = zero
				if _, err := MP(p).UnmarshalMsg(packed); err != nil {
					return err
				}
			}

			return nil
		}),
	}
}

func mustUnmarshal(doc []byte, v any) {
	if err := json.Unmarshal(doc, v); err != nil {
		panic(err) //nolint:forbidigo // fixtures can be read
	}
}

// Small is the small payload that is measured.
func Small() payload.Small {
	return payload.Small{ID: "task-0000-1234", Count: 1234567, Ratio: 0.875, OK: true}
}

// Lease is the middle one.
func Lease() payload.Lease {
	body := make([]byte, 300)
	for i := range body {
		body[i] = byte(i * 37)
	}

	return payload.Lease{
		ResourceType: "compute.instance", ResourceID: "urn:res:1234567890-abcde", PartitionKey: "tenant-4711",
		PayloadEncoding: "application/octet-stream",
		Attributes: map[string]string{
			"region": "eu-central-1", "flavor": "m5.2xlarge", "image": "debian-13", "network": "vpc-0a1b2c3d",
		},
		Body: body, Priority: 7, Deadline: time.Date(2026, 3, 14, 15, 9, 26, 535897932, time.UTC),
		Timeout:     90 * time.Second,
		RequestedBy: &payload.Peer{ID: "worker-17", Zone: "eu-central-1a", Weight: 0.75},
		Tags:        []string{"blue", "canary", "batch-2026-03"}, State: 2,
	}
}

// Large is the large one.
func Large() payload.Large {
	v := payload.Large{Name: "batch"}
	at := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	for i := range 64 {
		v.Items = append(v.Items, payload.Item{
			ID: fmt.Sprintf("item-%06d", i), Seq: int64(i) * 1_000_003, Score: float64(i*37%1000) / 8,
			Active: i%3 != 0, Label: fmt.Sprintf("label number %d of the batch of the day, retried", i),
			At:    at.Add(time.Duration(i) * 1500 * time.Millisecond),
			Owner: payload.Peer{ID: fmt.Sprintf("worker-%02d", i%16), Zone: "eu-central-1a", Weight: float64(i%10) / 10},
		})
	}

	return v
}
