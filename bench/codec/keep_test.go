package codec

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	gojson "github.com/goccy/go-json"
	segmentio "github.com/segmentio/encoding/json"

	"github.com/tqgen/tqgen/bench/payload"
	"github.com/tqgen/tqgen/bench/payload/leasequeue"
)

// TestKeepers holds that the codecs that tqgen's encoders are compared with
// write the bytes of encoding/json for the payloads.
func TestKeepers(t *testing.T) {
	for _, c := range []struct {
		name   string
		encode func(any) ([]byte, error)
	}{
		{"goccy", gojson.Marshal},
		{"segmentio", func(v any) ([]byte, error) {
			return segmentio.Append(nil, v, segmentio.EscapeHTML|segmentio.SortMapKeys)
		}},
		{"tqgen", func(v any) ([]byte, error) {
			if l, ok := v.(*payload.Lease); ok {
				return leasequeue.AppendJSON(nil, l)
			}
			return json.Marshal(v)
		}},
	} {
		random := rand.New(rand.NewPCG(1, 2))
		differ := 0
		for range 3000 {
			l := randomLease(random)
			large := payload.Large{Name: l.ResourceID, Items: []payload.Item{{
				ID: l.ResourceID, Seq: random.Int64(), Score: random.NormFloat64(), Label: l.PartitionKey, At: l.Deadline,
			}}}
			for _, v := range []any{l, &large} {
				if v == any(l) && c.name == "segmentio" {
					continue // writes durations in words, and is no keeper there
				}
				want, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := c.encode(v); err != nil || !bytes.Equal(got, want) {
					if differ++; differ < 3 {
						t.Errorf("%s writes\n%s, %v, want\n%s", c.name, got, err, want)
					}
				}
			}
		}
	}
}

func randomLease(r *rand.Rand) *payload.Lease {
	pieces := []string{"a", "hello world", "<&>", "\"\\", "\n\t\r", "\x00\x1f", "é日本", "\u2028", "😀", "0123456789abcdef", ""}
	text := func() string {
		var b []byte
		for range r.IntN(5) {
			b = append(b, pieces[r.IntN(len(pieces))]...)
		}

		return string(b)
	}
	l := &payload.Lease{
		ResourceType: text(), ResourceID: text(), PartitionKey: text(), PayloadEncoding: text(),
		Attributes: map[string]string{}, Priority: int32(r.Uint32()),
		Deadline: time.Unix(r.Int64N(4e9), r.Int64N(1e9)).UTC(), Timeout: time.Duration(r.Int64() >> r.IntN(64)),
		RequestedBy: &payload.Peer{ID: text(), Zone: text(), Weight: r.NormFloat64() * 1e3}, State: payload.State(r.IntN(9)),
	}
	for range r.IntN(12) {
		l.Attributes[text()] = text()
		l.Tags = append(l.Tags, text())
		l.Body = append(l.Body, byte(r.Uint32()))
	}

	return l
}
