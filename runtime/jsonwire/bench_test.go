package jsonwire

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"
)

type peer struct {
	ID     string  `json:"id"`
	Zone   string  `json:"zone"`
	Weight float64 `json:"weight"`
}

// resource is a payload of the usual size.
type resource struct {
	ResourceType    string            `json:"resourceType"`
	ResourceID      string            `json:"resourceId"`
	PartitionKey    string            `json:"partitionKey,omitempty"`
	PayloadEncoding string            `json:"payloadEncoding"`
	Attributes      map[string]string `json:"attributes"`
	Body            []byte            `json:"body"`
	Priority        int32             `json:"priority"`
	Deadline        time.Time         `json:"deadline"`
	Timeout         time.Duration     `json:"timeout"`
	RequestedBy     *peer             `json:"requestedBy"`
	Tags            []string          `json:"tags"`
	State           int               `json:"state"`
}

type entry struct {
	ID     string    `json:"id"`
	Seq    int64     `json:"seq"`
	Score  float64   `json:"score"`
	Active bool      `json:"active"`
	Label  string    `json:"label"`
	At     time.Time `json:"at"`
	Owner  peer      `json:"owner"`
}

type listing struct {
	Name    string  `json:"name"`
	Entries []entry `json:"entries"`
}

var (
	peerFields     = Fields{Names: []string{"id", "zone", "weight"}}
	resourceFields = Fields{Names: []string{
		"resourceType", "resourceId", "partitionKey", "payloadEncoding", "attributes", "body",
		"priority", "deadline", "timeout", "requestedBy", "tags", "state",
	}}
	entryFields = Fields{Names: []string{
		"id", "seq", "score", "active", "label", "at", "owner",
	}}
	listingFields = Fields{Names: []string{"name", "entries"}}
)

func decodePeer(r *Reader, i int, p *peer) int {
	start, more := r.Open(i)
	for i = start; more; i, more = r.Rest(i, start, &peerFields) {
		if v := r.First(i, "id"); v > 0 {
			i = r.String(v, &p.ID)
		}
		if v := r.Then(i, "zone"); v > 0 {
			i = r.String(v, &p.Zone)
		}
		if v := r.Then(i, "weight"); v > 0 {
			i = r.Float64(v, &p.Weight)
		}
	}

	return i
}

func decodeResource(r *Reader, i int, p *resource) int {
	start, more := r.Open(i)
	for i = start; more; i, more = r.Rest(i, start, &resourceFields) {
		if v := r.First(i, "resourceType"); v > 0 {
			i = r.String(v, &p.ResourceType)
		}
		if v := r.Then(i, "resourceId"); v > 0 {
			i = r.String(v, &p.ResourceID)
		}
		if v := r.Then(i, "partitionKey"); v > 0 {
			i = r.String(v, &p.PartitionKey)
		}
		if v := r.Then(i, "payloadEncoding"); v > 0 {
			i = r.String(v, &p.PayloadEncoding)
		}
		if v := r.Then(i, "attributes"); v > 0 {
			i = r.StringMap(v, &p.Attributes)
		}
		if v := r.Then(i, "body"); v > 0 {
			i = r.Bytes(v, &p.Body)
		}
		if v := r.Then(i, "priority"); v > 0 {
			i = r.Int32(v, &p.Priority)
		}
		if v := r.Then(i, "deadline"); v > 0 {
			i = r.Time(v, &p.Deadline)
		}
		if v := r.Then(i, "timeout"); v > 0 {
			i = r.Int64(v, (*int64)(&p.Timeout))
		}
		if v := r.Then(i, "requestedBy"); v > 0 {
			if end, null := r.Null(v); null {
				i, p.RequestedBy = end, nil
			} else {
				if p.RequestedBy == nil {
					p.RequestedBy = new(peer)
				}
				i = decodePeer(r, v, p.RequestedBy)
			}
		}
		if v := r.Then(i, "tags"); v > 0 {
			i = r.Strings(v, &p.Tags)
		}
		if v := r.Then(i, "state"); v > 0 {
			i = r.Int(v, &p.State)
		}
	}

	return i
}

func decodeEntry(r *Reader, i int, p *entry) int {
	start, more := r.Open(i)
	for i = start; more; i, more = r.Rest(i, start, &entryFields) {
		if v := r.First(i, "id"); v > 0 {
			i = r.String(v, &p.ID)
		}
		if v := r.Then(i, "seq"); v > 0 {
			i = r.Int64(v, &p.Seq)
		}
		if v := r.Then(i, "score"); v > 0 {
			i = r.Float64(v, &p.Score)
		}
		if v := r.Then(i, "active"); v > 0 {
			i = r.Bool(v, &p.Active)
		}
		if v := r.Then(i, "label"); v > 0 {
			i = r.String(v, &p.Label)
		}
		if v := r.Then(i, "at"); v > 0 {
			i = r.Time(v, &p.At)
		}
		if v := r.Then(i, "owner"); v > 0 {
			i = decodePeer(r, v, &p.Owner)
		}
	}

	return i
}

func decodeListing(r *Reader, i int, p *listing) int {
	start, more := r.Open(i)
	for i = start; more; i, more = r.Rest(i, start, &listingFields) {
		if v := r.First(i, "name"); v > 0 {
			i = r.String(v, &p.Name)
		}
		if v := r.Then(i, "entries"); v > 0 {
			i = decodeEntries(r, v, &p.Entries)
		}
	}

	return i
}

func decodeEntries(r *Reader, i int, s *[]entry) int {
	if end, null := r.Null(i); null {
		*s = nil
		return end
	}
	v := *s
	a := r.Array(i)
	for a.Next() {
		if a.Index == cap(v) {
			v = slices.Grow(v, a.Room())
		}
		v = v[:max(len(v), a.Index+1)]
		a.Pos = decodeEntry(r, a.Pos, &v[a.Index])
	}
	if a.Empty() {
		v = []entry{}
	}
	*s = v[:a.Cut(len(v))]

	return a.Pos
}

func appendPeer(dst []byte, p *peer) (_ []byte, err error) {
	dst = append(dst, `{"id":"`...)
	dst = AppendStringBody(dst, p.ID)
	dst = append(dst, `","zone":"`...)
	dst = AppendStringBody(dst, p.Zone)
	dst = append(dst, `","weight":`...)
	if dst, err = AppendFloat64(dst, p.Weight); err != nil {
		return dst, err
	}

	return append(dst, '}'), nil
}

func appendResource(dst []byte, p *resource) (_ []byte, err error) {
	dst = append(dst, `{"resourceType":"`...)
	dst = AppendStringBody(dst, p.ResourceType)
	dst = append(dst, `","resourceId":"`...)
	dst = AppendStringBody(dst, p.ResourceID)
	dst = append(dst, '"')
	if p.PartitionKey != "" {
		dst = append(dst, `,"partitionKey":"`...)
		dst = AppendStringBody(dst, p.PartitionKey)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"payloadEncoding":"`...)
	dst = AppendStringBody(dst, p.PayloadEncoding)
	dst = append(dst, `","attributes":`...)
	dst = AppendStringMap(dst, p.Attributes)
	dst = append(dst, `,"body":`...)
	dst = AppendBytes(dst, p.Body)
	dst = append(dst, `,"priority":`...)
	dst = strconv.AppendInt(dst, int64(p.Priority), 10)
	dst = append(dst, `,"deadline":`...)
	if dst, err = AppendTime(dst, p.Deadline); err != nil {
		return dst, err
	}
	dst = append(dst, `,"timeout":`...)
	dst = strconv.AppendInt(dst, int64(p.Timeout), 10)
	dst = append(dst, `,"requestedBy":`...)
	if p.RequestedBy == nil {
		dst = append(dst, "null"...)
	} else if dst, err = appendPeer(dst, p.RequestedBy); err != nil {
		return dst, err
	}
	dst = append(dst, `,"tags":`...)
	dst = AppendStrings(dst, p.Tags)
	dst = append(dst, `,"state":`...)
	dst = strconv.AppendInt(dst, int64(p.State), 10)

	return append(dst, '}'), nil
}

func newResource() *resource {
	body := make([]byte, 256)
	for i := range body {
		body[i] = byte(i * 7)
	}

	return &resource{
		ResourceType: "virtual-machine", ResourceID: "i-0123456789abcdef0", PartitionKey: "eu-west-1",
		PayloadEncoding: "application/octet-stream",
		Attributes: map[string]string{
			"region": "eu-west-1", "tenant": "acme-production", "trace-id": "4bf92f3577b34da6a3ce929d0e0e4736",
			"content-type": "application/octet-stream",
		},
		Body: body, Priority: 5, Deadline: time.Date(2026, 11, 21, 13, 14, 15, 123456000, time.UTC), Timeout: 30 * time.Second,
		RequestedBy: &peer{ID: "worker-7", Zone: "eu-west-1a", Weight: 0.75},
		Tags:        []string{"gpu", "spot", "batch"}, State: 2,
	}
}

func newListing() *listing {
	l := &listing{Name: "entries"}
	for i := range 64 {
		l.Entries = append(l.Entries, entry{
			ID: "entry-" + strconv.Itoa(i), Seq: int64(i) * 1_000_003, Score: float64(i) * 1.3, Active: i%2 == 0,
			Label: "a label of some length, number " + strconv.Itoa(i),
			At:    time.Date(2026, 11, 21, 13, i%60, 15, 123456000, time.UTC),
			Owner: peer{ID: "worker-" + strconv.Itoa(i%8), Zone: "eu-west-1a", Weight: float64(i) / 4},
		})
	}

	return l
}

func BenchmarkDecode(b *testing.B) {
	lease, _ := json.Marshal(newResource())
	large, _ := json.Marshal(newListing())
	indented, _ := json.MarshalIndent(newResource(), "", "  ")
	for _, c := range []struct {
		name  string
		src   []byte
		fresh func() any
		own   func(*Reader) int
	}{
		{"lease", lease, func() any { return new(resource) }, func(r *Reader) int { var p resource; return decodeResource(r, 0, &p) }},
		{"indented", indented, func() any { return new(resource) }, func(r *Reader) int { var p resource; return decodeResource(r, 0, &p) }},
		{"large", large, func() any { return new(listing) }, func(r *Reader) int { var p listing; return decodeListing(r, 0, &p) }},
	} {
		b.Run(c.name+"/jsonwire", func(b *testing.B) {
			b.SetBytes(int64(len(c.src)))
			b.ReportAllocs()
			for b.Loop() {
				r := NewReader(c.src)
				if err := r.Finish(c.own(&r)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/share", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := NewReader(c.src)
				r.ShareText()
				c.own(&r)
			}
		})
		b.Run(c.name+"/validate", func(b *testing.B) {
			for b.Loop() {
				if err := Validate(c.src); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/encoding-json", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := json.Unmarshal(c.src, c.fresh()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	p := newResource()
	b.Run("lease/jsonwire", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf, _ = appendResource(buf[:0], p)
		}
	})
	b.Run("lease/encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(p)
		}
	})
}

func BenchmarkParts(b *testing.B) {
	var buf []byte
	at := time.Date(2026, 11, 21, 13, 14, 15, 123456000, time.UTC)
	timeText, _ := AppendTime(nil, at)
	body := newResource().Body
	bodyText := AppendBytes(nil, body)
	long := `"` + string(make([]byte, 0)) + "the quick brown fox jumps over the lazy dog, again and again and again" + `"`
	parts := []struct {
		name string
		run  func()
	}{
		{"time/append", func() { buf, _ = AppendTime(buf[:0], at) }},
		{"time/read", func() { r := NewReader(timeText); var t time.Time; r.Time(0, &t) }},
		{"float/append", func() { buf, _ = AppendFloat64(buf[:0], 12.625) }},
		{"float/read", func() { r := NewReader([]byte("12.625")); var f float64; r.Float64(0, &f) }},
		{"bytes/append", func() { buf = AppendBytes(buf[:0], body) }},
		{"bytes/read", func() { r := NewReader(bodyText); var v []byte; r.Bytes(0, &v) }},
		{"string/append", func() { buf = AppendString(buf[:0], long[1:]) }},
		{"string/read", func() { r := NewReader([]byte(long)); var v string; r.String(0, &v) }},
		{"map/append", func() { buf = AppendStringMap(buf[:0], map4) }},
	}
	for _, part := range parts {
		b.Run(part.name, func(b *testing.B) {
			for b.Loop() {
				part.run()
			}
		})
	}
}

var map4 = newResource().Attributes

func TestBenchmarkedCodecs(t *testing.T) {
	t.Parallel()
	want := newResource()
	src, err := appendResource(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	oracle, _ := json.Marshal(want)
	if string(src) != string(oracle) {
		t.Errorf("encoded %s, want %s", src, oracle)
	}
	var got resource
	r := NewReader(src)
	if err := r.Finish(decodeResource(&r, 0, &got)); err != nil || !reflect.DeepEqual(&got, want) {
		t.Errorf("decoded %+v, %v", got, err)
	}
}
