package replication

import (
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/jsonwire"
	"github.com/tqgen/tqgen/runtime/tq"
)

var update = flag.Bool("update", false, "rewrite testdata")

const source tq.Incarnation = 0x6f1c2a7e9b0d4c55

func at(seconds int) time.Time {
	return time.Date(2026, 11, 21, 12, 22, 19, 123456700, time.UTC).Add(time.Duration(seconds) * time.Second)
}

// examples has one event of each kind, as a queue's log holds it.
func examples() map[string]Header {
	token := tq.Token{Task: tq.TaskID{Origin: source, Sequence: 17}, Attempt: 2, Incarnation: source, Epoch: 0x1_00000000002a}
	expired := &tq.TaskError{
		Message: "Lease expired without heartbeat.", Code: tq.CodeLeaseExpired, Metadata: map[string]tq.Plain{"owner": `"worker-7"`},
	}
	failed := &tq.TaskError{Message: "dial <tcp>: refused", Code: tq.CodeFailed, Cause: "*net.OpError: refused"}
	records := []tq.Record{
		{Kind: tq.Enqueued, Attempt: 1, EnqueuedAt: at(0), AvailableAt: at(60)},
		{Kind: tq.LeaseGranted, Attempt: 2, Token: token, Deadline: at(30), Owner: "worker-7", EnqueuedAt: at(-60)},
		{Kind: tq.Heartbeat, Attempt: 2, Token: token, Deadline: at(60), Owner: "worker-7"},
		{Kind: tq.Completed, Attempt: 2, Token: token, Owner: "worker-7"},
		{Kind: tq.Failed, Attempt: 2, Token: token, Err: failed, More: true},
		{Kind: tq.Requeued, Attempt: 3, AvailableAt: at(2), Err: failed},
		{Kind: tq.DeadLettered, Attempt: 2, Flags: tq.FromExpiration | tq.DeadLetter, Err: expired},
		{Kind: tq.LeaseExpired, Attempt: 2, Token: token, Flags: tq.FromExpiration, Err: expired, More: true},
		{Kind: tq.Drained, Attempt: 2, Token: token, Flags: tq.FromDrain},
		{Kind: tq.Released, Attempt: 2, Token: token},
		{Kind: tq.Restored, Attempt: 2, Flags: tq.AtHead, Task: tq.TaskID{Origin: 0xabc, Sequence: 3}},
		{Kind: tq.Redriven, Attempt: 1},
		{Kind: tq.Purged, Attempt: 5},
		{Kind: tq.PassedOver, Attempt: 2, Snapshot: "0000000000000abc-9"},
	}
	events := make(map[string]Header)
	for i, r := range records {
		r.Sequence, r.At = tq.Sequence(42+i), at(i)
		if r.Task == (tq.TaskID{}) {
			r.Task = token.Task
		}
		events[r.Kind.String()] = HeaderOf(r, "dispatch", source)
	}
	full := HeaderOf(tq.Record{
		Sequence: 9, Kind: tq.LeaseGranted, At: at(0), Task: tq.TaskID{Origin: 1, Sequence: 2}, Attempt: 1, Err: failed,
		Token:    tq.Token{Task: tq.TaskID{Origin: 1, Sequence: 2}, Attempt: 1, Incarnation: source, Epoch: 1},
		Deadline: at(30), Owner: "w", Flags: tq.FromDrain, EnqueuedAt: at(-1), AvailableAt: at(-1), More: true,
	}, "dispatch", source)
	full.SourceEvent, full.SourcePeer, full.Shard, full.Schema = 7, "node-a", "s-1", "lease.v1"
	full.TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	full.Term, full.Snapshot = 3, "0000000000000abc-9"
	full.Metadata = map[string]string{"principal": "alice", "a": "<b>"}
	events["full"] = full

	return events
}

const payload = `{"resourceType":"vm","body":"AQI="}`

func appendPayload(dst []byte) ([]byte, error) { return append(dst, payload...), nil }

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, h := range examples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := AppendEvent(nil, &h, appendPayload)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			var read Header
			var value []byte
			err = DecodeEvent(want, &read, func(r *jsonwire.Reader, i int) int {
				value, i = r.Raw(i)
				return i
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(h, read); diff != "" {
				t.Errorf("(-written +read)\n%s", diff)
			}
			if string(value) != payload {
				t.Errorf("payload %s", value)
			}
		})
	}
}

func skip(r *jsonwire.Reader, i int) int { return r.Skip(i) }

// parse decodes a document made of a valid event's members with some replaced;
// an empty text removes one.
func parse(t *testing.T, replace map[string]string) (Header, error) {
	t.Helper()
	h := examples()["full"]
	doc, err := AppendEvent(nil, &h, appendPayload)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(doc, &members); err != nil {
		t.Fatal(err)
	}
	for name, text := range replace {
		if members[name] = json.RawMessage(text); text == "" {
			delete(members, name)
		}
	}
	doc, err = json.MarshalIndent(members, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	var read Header
	err = DecodeEvent(doc, &read, skip)

	return read, err
}

// Invariant 28: a decoder refuses an event that lacks a required field.
func TestRequired(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sequenceNumber", "queueName", "kind", "occurredAt", "taskSequenceId", "attempt"} {
		for _, text := range []string{"", "null"} {
			h, err := parse(t, map[string]string{name: text})
			var missing *jsonwire.MissingError
			if !errors.As(err, &missing) || len(missing.Names) != 1 || missing.Names[0] != name {
				t.Errorf("%s as %q: %v", name, text, err)
			}
			if diff := cmp.Diff(Header{}, h); diff != "" {
				t.Errorf("%s: header is not zero\n%s", name, diff)
			}
		}
	}
	for _, name := range []string{
		"sourceEventId", "sourcePeerId", "ownerPeerId", "recordedAt", "value", "error", "ownershipToken", "leaseExpiration", "flags",
		"incarnation", "origin", "shard", "schema", "enqueuedAt", "availableAt", "more", "traceparent", "metadata",
	} {
		for _, text := range []string{"", "null"} {
			if _, err := parse(t, map[string]string{name: text}); err != nil {
				t.Errorf("without %s: %v", name, err)
			}
		}
	}
}

func TestLenient(t *testing.T) {
	t.Parallel()
	plain, err := parse(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		replace map[string]string
		change  func(*Header)
	}{
		{"unknown members", map[string]string{"later": `{"a":[1,{"b":null}]}`}, func(*Header) {}},
		{"kind by name", map[string]string{"kind": `"DeadLettered"`}, func(h *Header) { h.Kind = tq.DeadLettered }},
		{"unknown kind", map[string]string{"kind": "211"}, func(h *Header) { h.Kind = 211 }},
		{"flags by name", map[string]string{"flags": `"FromDrain, DeadLetter"`}, func(h *Header) { h.Flags = tq.FromDrain | tq.DeadLetter }},
		{"no flags by name", map[string]string{"flags": `"None"`}, func(h *Header) { h.Flags = 0 }},
		{"unknown flags", map[string]string{"flags": "129"}, func(h *Header) { h.Flags = 129 }},
		{"offset", map[string]string{"occurredAt": `"2026-11-21T13:22:19.1234567+01:00"`}, func(h *Header) { h.OccurredAt = at(0) }},
		{"zero offset", map[string]string{"occurredAt": `"2026-11-21T12:22:19.1234567+00:00"`}, func(h *Header) { h.OccurredAt = at(0) }},
		{"not relayed", map[string]string{"sourceEventId": ""}, func(h *Header) { h.SourceEvent = h.Sequence }},
		{"origin", map[string]string{"origin": ""}, func(h *Header) { h.Task.Origin = source }},
		{"plain metadata", map[string]string{"metadata": `{"attempt":1,"ok":true}`}, func(h *Header) {
			h.Metadata = map[string]string{"attempt": "1", "ok": "true"}
		}},
	} {
		want := plain
		c.change(&want)
		got, err := parse(t, c.replace)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
}

// An event as another implementation of the established format writes it.
func TestEstablished(t *testing.T) {
	t.Parallel()
	const doc = `{"sequenceNumber":42,"sourceEventId":42,"queueName":"dispatch","kind":1,"sourcePeerId":"node-a","ownerPeerId":"worker-7",
		"occurredAt":"2026-11-21T12:22:19.1234567+00:00","recordedAt":"2026-11-21T12:22:19.1234570+00:00","taskSequenceId":17,"attempt":2,
		"value":{"resourceType":"vm"},"error":{"message":"Lease expired without heartbeat.","code":"error.taskqueue.lease_expired",
		"metadata":{"attempt":1}},"ownershipToken":{"sequenceId":17,"attempt":2,"leaseId":"6f1c2a7e-9b0d-4c55-0001-00000000002a"},
		"leaseExpiration":"2026-11-21T12:22:49.1234567+00:00","flags":0,"incarnation":"6f1c2a7e9b0d4c55","enqueuedAt":"2026-11-21T12:20:01Z"}`
	task := tq.TaskID{Origin: source, Sequence: 17}
	want := Header{
		Sequence: 42, SourceEvent: 42, Queue: "dispatch", Kind: tq.LeaseGranted, SourcePeer: "node-a", OwnerPeer: "worker-7",
		OccurredAt: at(0), RecordedAt: at(0).Add(300), Task: task, Attempt: 2,
		Error: &tq.TaskError{
			Message: "Lease expired without heartbeat.", Code: tq.CodeLeaseExpired, Metadata: map[string]tq.Plain{"attempt": "1"},
		},
		Token:    tq.Token{Task: task, Attempt: 2, Incarnation: source, Epoch: 0x1_00000000002a},
		Deadline: at(30), Incarnation: source, EnqueuedAt: time.Date(2026, 11, 21, 12, 20, 1, 0, time.UTC),
	}
	var got Header
	err := DecodeEvent([]byte(doc), &got, skip)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, (-want +got)\n%s", err, diff)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"kind": `"Exploded"`, "flags": `"FromDrain,Sideways"`, "incarnation": `"xyz"`, "origin": `"6F1C"`,
		"ownershipToken": `{"sequenceId":1,"attempt":1}`, "occurredAt": `"yesterday"`, "attempt": `1.5`, "taskSequenceId": `-1`,
		"metadata": `{"0":0,"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0}`,
	} {
		h, err := parse(t, map[string]string{name: text})
		if err == nil {
			t.Errorf("%s: %s accepted", name, text)
		}
		if diff := cmp.Diff(Header{}, h); diff != "" {
			t.Errorf("%s: header is not zero\n%s", name, diff)
		}
	}
	var mismatch *jsonwire.TypeError
	_, err := parse(t, map[string]string{"error": `{"message":{}}`})
	if !errors.As(err, &mismatch) || mismatch.Field != "error.message" {
		t.Errorf("field of %v", err)
	}
	h := Header{Metadata: make(map[string]string)}
	for c := range MaxMetadata + 1 {
		h.Metadata[string(rune('a'+c))] = ""
	}
	if _, err := AppendEvent(nil, &h, nil); err == nil {
		t.Error("too much metadata written")
	}
}

// An event that cannot be written says which it is.
func TestEventNotWritten(t *testing.T) {
	t.Parallel()
	refused := errors.New("no form for that")
	h := Header{Sequence: 7, Kind: tq.Failed, Task: tq.TaskID{Origin: 1, Sequence: 3}}
	_, err := AppendEvent(nil, &h, func(dst []byte) ([]byte, error) { return dst, refused })
	want := "replication: event 7 (Failed of task 0000000000000001-3): no form for that"
	if !errors.Is(err, refused) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// Hostile input: never a panic, never anything but an error or an event that
// can be written again.
func TestHostile(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	h := examples()["full"]
	doc, _ := AppendEvent(nil, &h, appendPayload)
	const noise = "\"\\{}[]:,0-x \x00\xffntf"
	for range 20_000 {
		src := append([]byte(nil), doc...)
		for range 1 + rng.IntN(3) {
			src[rng.IntN(len(src))] = noise[rng.IntN(len(noise))]
		}
		if rng.IntN(4) == 0 {
			src = src[:rng.IntN(len(src))]
		}
		var read Header
		err := DecodeEvent(src, &read, skip)
		if err != nil {
			continue
		}
		again, err := AppendEvent(nil, &read, nil)
		if err != nil {
			t.Fatalf("%s: %v", src, err)
		}
		var reread Header
		if err := DecodeEvent(again, &reread, skip); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if diff := cmp.Diff(read, reread); diff != "" {
			t.Fatalf("%s\n%s", src, diff)
		}
	}
}

func TestAppendAllocates(t *testing.T) {
	h := examples()["LeaseGranted"]
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf, _ = AppendEvent(buf[:0], &h, appendPayload) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestFillHeader holds that nothing of an earlier event stays in a header that
// is filled anew.
func TestFillHeader(t *testing.T) {
	t.Parallel()
	at := time.Unix(1, 0).UTC()
	used := Header{
		Sequence: 1, SourceEvent: 2, Queue: "q", Kind: tq.Failed, SourcePeer: "a", OwnerPeer: "b", OccurredAt: at,
		RecordedAt: at, Task: tq.TaskID{Sequence: 3}, Attempt: 4, Error: new(tq.TaskError), Token: tq.Token{Epoch: 5},
		Deadline: at, Flags: tq.AtHead, Incarnation: 6, Shard: "c", Schema: "d", EnqueuedAt: at, AvailableAt: at,
		More: true, TraceParent: "e", Metadata: map[string]string{"f": "g"}, Term: 7, Snapshot: "h",
	}
	fields := reflect.ValueOf(used)
	for i := range fields.NumField() {
		if fields.Field(i).IsZero() {
			t.Errorf("field %s is not tried", fields.Type().Field(i).Name)
		}
	}
	FillHeader(&used, new(tq.Record), "", 0)
	if diff := cmp.Diff(Header{}, used); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
