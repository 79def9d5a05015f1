package conformance_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tqgen/tqgen/golden/accept/conformance"
	"github.com/tqgen/tqgen/golden/accept/conformance/taskqueue"
	"github.com/tqgen/tqgen/golden/internal/jsondiff"
	"github.com/tqgen/tqgen/runtime/jsonwire"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// decoder is that of a queue with such options.
func decoder(t *testing.T, o jsonwire.Options) taskqueue.Decoder {
	t.Helper()
	q, err := taskqueue.New(taskqueue.Options{Decode: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })

	return q.Decoder()
}

// forms are all that can hold a payload, with the ways to read them.
func forms(t *testing.T, payload string) map[string]func(taskqueue.Decoder) error {
	t.Helper()
	at := time.Unix(1, 0).UTC()
	put := func(document []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}

		return []byte(strings.ReplaceAll(string(document), `"value":"@"`, `"value": `+payload))
	}
	mark := func(dst []byte) ([]byte, error) { return append(dst, `"@"`...), nil }
	event := put(replication.AppendEvent(nil, &replication.Header{Sequence: 1, Attempt: 1, OccurredAt: at}, mark))
	state := tq.TaskState{ID: tq.TaskID{Sequence: 1, Origin: 1}, State: tq.Ready, EnqueuedAt: at}
	one := put(tq.AppendTask(nil, &state, mark))
	header := tq.SnapshotHeader{Version: tq.SnapshotVersion, Queue: "q", Incarnation: 1}
	snapshot := put(tq.AppendSnapshot(nil, &header, 3, func(dst []byte, i int) ([]byte, error) {
		state.ID.Sequence = uint64(i + 1)
		if i == 2 {
			return tq.AppendTask(dst, &state, mark)
		}

		return tq.AppendTask(dst, &state, func(dst []byte) ([]byte, error) { return append(dst, "{}"...), nil })
	}))

	return map[string]func(taskqueue.Decoder) error{
		"parse": func(d taskqueue.Decoder) error {
			_, err := d.ParseJSON([]byte(payload))
			return err
		},
		"decode":   func(d taskqueue.Decoder) error { return d.DecodeJSON([]byte(payload), new(task)) },
		"event":    func(d taskqueue.Decoder) error { return d.DecodeEvent(event, new(taskqueue.Event)) },
		"task":     func(d taskqueue.Decoder) error { return d.DecodeTask(one, new(taskqueue.Task)) },
		"snapshot": func(d taskqueue.Decoder) error { return d.DecodeSnapshot(snapshot, new(taskqueue.Snapshot)) },
	}
}

func TestConformance24QueueLimits(t *testing.T) {
	t.Parallel()
	const document = `{"parts":{"Ints":[1,2,3,4],"Slice":[{"S":"x"}]},"unknown":[[[1]]]}` // 66 bytes, 5 deep, 12 elements
	for name, read := range forms(t, document) {
		for _, test := range []struct {
			just, less jsonwire.Limits
			what       string
		}{
			{jsonwire.Limits{Bytes: 66}, jsonwire.Limits{Bytes: 65}, "bytes"},
			{jsonwire.Limits{Depth: 4}, jsonwire.Limits{Depth: 3}, "depth"},
			{jsonwire.Limits{Elements: 13}, jsonwire.Limits{Elements: 12}, "elements"},
		} {
			if err := read(decoder(t, jsonwire.Options{Limits: test.just})); err != nil {
				t.Errorf("%s, %+v: %v", name, test.just, err)
			}
			var limit *jsonwire.LimitError
			err := read(decoder(t, jsonwire.Options{Limits: test.less}))
			if !errors.As(err, &limit) || limit.What != test.what {
				t.Errorf("%s, %+v: %v", name, test.less, err)
			}
		}
		if err := read(decoder(t, jsonwire.Options{})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	got := task{Text: conformance.Text{S: "kept"}, Parts: conformance.Parts{Ints: []int{7}}}
	want := task{Text: conformance.Text{S: "kept"}, Parts: conformance.Parts{Ints: []int{7}}}
	err := decoder(t, jsonwire.Options{Limits: jsonwire.Limits{Depth: 3}}).DecodeJSON([]byte(document), &got)
	if err == nil || !reflect.DeepEqual(want, got) {
		t.Errorf("%v, %+v", err, got)
	}
	for _, l := range []jsonwire.Limits{{Bytes: -1}, {Depth: -1}, {Depth: jsonwire.MaxDepth + 1}, {Elements: -1}} {
		if _, err := taskqueue.New(taskqueue.Options{Decode: jsonwire.Options{Limits: l}}); err == nil {
			t.Errorf("%+v is taken", l)
		}
	}
}

func TestConformance26Strict(t *testing.T) {
	t.Parallel()
	for document, field := range map[string]string{
		`{"floats":{"F64":1},"text":{"S":"x"}}`:              "text",
		`{"floats":{"f64":1}}`:                               "floats.f64",
		`{"floats":{"F64":1,"more":2}}`:                      "floats.more",
		`{"floats":{"F64":1,"F64":2}}`:                       "floats.F64",
		`{"floats":{},"keys":{},"floats":{}}`:                "floats",
		`{"keys":{"Strings":{"a":1,"a":2}}}`:                 "keys.Strings",
		`{"parts":{"Slice":[{"S":"x"},{"s":"x"}]}}`:          "parts.Slice.s",
		`{"node":{"next":{"list":[{"map":{"a":{"b":1}}}]}}}`: "node.next.list.map.b",
		`{"wide":{"F45":[],"F44":[],"F45":[]}}`:              "wide.F45",
		`{"methods":{"Raw":{"a":1,"a":2}}}`:                  "methods.Raw",
	} {
		for name, read := range forms(t, document) {
			var member *jsonwire.MemberError
			err := read(decoder(t, jsonwire.Options{Strict: true}))
			if !errors.As(err, &member) || !strings.HasSuffix(member.Field, field) || member.Offset == 0 {
				t.Errorf("%s of %s: %v, want one at %s", name, document, err, field)
			}
			if err := read(taskqueue.Decoder{}); err != nil {
				t.Errorf("%s of %s: not asked for, and refused: %v", name, document, err)
			}
		}
	}
	for name, read := range forms(t, `{"folded":{"key":1,"KEY":2},"keys":{"Strings":{"a":1,"A":2}},"quoted":{"Int":"1"}}`) {
		if err := read(decoder(t, jsonwire.Options{Strict: true})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A Decoder that asks for nothing reads as encoding/json does.
func TestZeroDecoder(t *testing.T) {
	t.Parallel()
	jsondiff.Run(t, jsondiff.Codec[task]{
		Append: taskqueue.AppendJSON, Parse: taskqueue.Decoder{}.ParseJSON, Decode: taskqueue.Decoder{}.DecodeJSON, Values: 50,
	})
}

// One with limits that nothing exceeds does, too.
func TestWideDecoder(t *testing.T) {
	t.Parallel()
	d := taskqueue.Decoder{Limits: jsonwire.Limits{Bytes: 1 << 30, Depth: jsonwire.MaxDepth, Elements: 1 << 30}}
	jsondiff.Run(t, jsondiff.Codec[task]{Append: taskqueue.AppendJSON, Parse: d.ParseJSON, Decode: d.DecodeJSON, Values: 50})
}
