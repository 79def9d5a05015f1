package jsonwire

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// FuzzDecode compares all codecs with encoding/json on arbitrary documents.
func FuzzDecode(f *testing.F) {
	needsFirstEngine(f)
	for i := range payloads {
		d := &documents{Rand: rand.New(rand.NewPCG(1, uint64(i)))}
		for range 8 {
			d.b.Reset()
			d.value(reflect.TypeOf(payloads[i].fresh()).Elem())
			f.Add(d.b.String())
		}
	}
	f.Fuzz(func(t *testing.T, doc string) {
		for _, p := range payloads {
			want := p.fresh()
			wantErr := json.Unmarshal([]byte(doc), want)
			got, err := p.parse([]byte(doc), false)
			same(t, doc, p.name, got, want, err, wantErr)
		}
	})
}

// FuzzStructured compares on documents that fit their types, damaged or not.
func FuzzStructured(f *testing.F) {
	needsFirstEngine(f)
	f.Add(uint64(1), uint64(2), uint8(0))
	f.Fuzz(func(t *testing.T, a, b uint64, which uint8) {
		d := &documents{Rand: rand.New(rand.NewPCG(a, b))}
		compareDecoding(t, d, payloads[int(which)%len(payloads)])
	})
}

// FuzzValid compares validation, compaction and skipping.
func FuzzValid(f *testing.F) {
	needsFirstEngine(f)
	for _, s := range append(append([]string{}, strs...), nums...) {
		f.Add([]byte(s))
		f.Add([]byte(`{"a": [` + s + `, null, true ] }`))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if Valid(doc) != json.Valid(doc) {
			t.Fatalf("Valid %v", Valid(doc))
		}
		if e := sameError(Validate(doc), json.Unmarshal(doc, new(json.RawMessage))); e != nil {
			t.Fatal(e)
		}
		if doc == nil {
			doc = []byte{}
		}
		want, wantErr := json.Marshal(json.RawMessage(doc))
		got, err := AppendRawMessage(nil, doc)
		if (err == nil) != (wantErr == nil) || err == nil && string(got) != string(want) {
			t.Fatalf("compact: %s, %v, want %s, %v", got, err, want, wantErr)
		}
	})
}

// FuzzString goes both ways.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "a", "<>&\u2028\u2029", "\xff\xc3(", "日本語 text of some length", "\x00\x1f\b\f\n\r\t\\\"/", "1234567\"", "12345678\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, _ := json.Marshal(s)
		if got := AppendString(nil, s); string(got) != string(want) {
			t.Fatalf("%s, want %s", got, want)
		}
		quoted, _ := json.Marshal(struct {
			S string `json:",string"`
		}{s})
		if got := AppendQuotedString([]byte(`{"S":`), s); string(got)+"}" != string(quoted) {
			t.Fatalf("%s}, want %s", got, quoted)
		}
		compareScalar(t, want)
		compareScalar(t, []byte(`"`+s+`"`))
	})
}

// FuzzScalar reads arbitrary bytes as numbers, strings, times and base64.
func FuzzScalar(f *testing.F) {
	needsFirstEngine(f)
	for _, s := range append(append([]string{}, strs...), nums...) {
		f.Add([]byte(s))
	}
	f.Fuzz(compareScalar)
}

func compareScalar(t *testing.T, doc []byte) {
	if !firstEngine {
		return
	}
	compareOne(t, doc, (*Reader).String)
	compareOne(t, doc, (*Reader).Bool)
	compareOne(t, doc, (*Reader).Int64)
	compareOne(t, doc, (*Reader).Int8)
	compareOne(t, doc, (*Reader).Uint64)
	compareOne(t, doc, (*Reader).Uint16)
	compareOne(t, doc, (*Reader).Float64)
	compareOne(t, doc, (*Reader).Float32)
	compareOne(t, doc, (*Reader).Bytes)
	compareOne(t, doc, (*Reader).Time)
	compareOne(t, doc, (*Reader).Strings)
	compareOne(t, doc, (*Reader).StringMap)
	compareOne(t, doc, func(r *Reader, i int, p *json.Number) int { return r.Number(i, (*string)(p)) })
	compareOne(t, doc, func(r *Reader, i int, p *json.RawMessage) int { return r.RawMessage(i, (*[]byte)(p)) })
}

func compareOne[T any](t *testing.T, doc []byte, read func(*Reader, int, *T) int) {
	t.Helper()
	var got, want T
	wantErr := json.Unmarshal(doc, &want)
	r := NewReader(doc)
	if err := r.Finish(read(&r, 0, &got)); r.Malformed() {
		var zero T
		got = zero
		same(t, string(doc), "scalar", &got, &want, err, wantErr)
	} else {
		same(t, string(doc), "scalar", &got, &want, err, wantErr)
	}
}

// FuzzFloat goes both ways.
func FuzzFloat(f *testing.F) {
	for _, v := range []float64{0, 1, 0.1, 1e21, 1e-7, 123456.789} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v float64) { checkFloat(t, v) })
}

// FuzzTime goes both ways.
func FuzzTime(f *testing.F) {
	f.Add(int64(0), int64(0), 0)
	f.Add(int64(1_800_000_000), int64(123456700), 3600)
	f.Fuzz(func(t *testing.T, sec, ns int64, offset int) {
		at := time.Unix(sec, ns).UTC()
		if offset != 0 {
			at = at.In(time.FixedZone("", offset%100_000))
		}
		want, wantErr := at.MarshalJSON()
		got, err := AppendTime(nil, at)
		if string(got) != string(want) || (err == nil) != (wantErr == nil) {
			t.Fatalf("%s, %v, want %s, %v", got, err, want, wantErr)
		}
		if err == nil {
			compareOne(t, got, (*Reader).Time)
		}
	})
}

// FuzzBase64 goes both ways.
func FuzzBase64(f *testing.F) {
	needsFirstEngine(f)
	for _, s := range []string{"", "a", "ab", "abc", "hello, world, hello", "AQI=", "A===", "AQ==\\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if body == nil {
			body = []byte{}
		}
		want, _ := json.Marshal(body)
		if got := AppendBytes(nil, body); string(got) != string(want) {
			t.Fatalf("%s, want %s", got, want)
		}
		checkBase64(t, want)
		compareOne(t, []byte(`"`+string(body)+`"`), (*Reader).Bytes)
	})
}
