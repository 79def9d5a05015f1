package tq

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/jsonwire"
)

const wireSource Incarnation = 0x6f1c2a7e9b0d4c55

func wireToken() Token {
	return Token{Task: TaskID{Origin: wireSource, Sequence: 17}, Attempt: 2, Incarnation: wireSource, Epoch: 0x1_00000000002a}
}

func wireTime(seconds int) time.Time {
	return time.Date(2026, 11, 21, 12, 22, 19, 123456789, time.UTC).Add(time.Duration(seconds) * time.Second)
}

func TestTokenForms(t *testing.T) {
	t.Parallel()
	restored := wireToken()
	restored.Task.Origin = 0xabc
	for _, c := range []struct {
		token      Token
		text, json string
	}{
		{
			wireToken(), "17:2:6f1c2a7e9b0d4c55000100000000002a",
			`{"sequenceId":17,"attempt":2,"leaseId":"6f1c2a7e-9b0d-4c55-0001-00000000002a"}`,
		},
		{
			restored, "17:2:6f1c2a7e9b0d4c55000100000000002a:0000000000000abc",
			`{"sequenceId":17,"attempt":2,"leaseId":"6f1c2a7e-9b0d-4c55-0001-00000000002a","origin":"0000000000000abc"}`,
		},
		{Token{}, "0:0:00000000000000000000000000000000", "null"},
	} {
		if got := c.token.String(); got != c.text {
			t.Errorf("text %s, want %s", got, c.text)
		}
		if got, err := ParseToken(c.text); err != nil || got != c.token {
			t.Errorf("parsed %s as %+v, %v", c.text, got, err)
		}
		got, err := json.Marshal(c.token)
		if err != nil || string(got) != c.json {
			t.Errorf("JSON %s, %v, want %s", got, err, c.json)
		}
		var read Token
		if err := read.UnmarshalJSON(got); err != nil || read != c.token {
			t.Errorf("read %s as %+v, %v", got, read, err)
		}
	}
	if got, err := ParseToken("17:2:6f1c2a7e-9b0d-4c55-0001-00000000002a"); err != nil || got != wireToken() {
		t.Errorf("with dashes: %+v, %v", got, err)
	}
	lower := wireToken()
	if err := lower.UnmarshalJSON([]byte(`{"LEASEID":"6F1C2A7E9B0D4C55000100000000002A","attempt":2,"later":[{}],"sequenceId":17}`)); err != nil ||
		lower != wireToken() {
		t.Errorf("another spelling: %+v, %v", lower, err)
	}
}

func TestTokenRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "17", "17:2", "17:2:", "17:2:6f1c", "-1:2:6f1c2a7e9b0d4c55000100000000002a", "17:x:6f1c2a7e9b0d4c55000100000000002a",
		"17:-2:6f1c2a7e9b0d4c55000100000000002a", "17:2:6f1c2a7e9b0d4c55000100000000002g", "17:2:6f1c2a7e9b0d4c55000100000000002a:",
		"17:2:6f1c2a7e9b0d4c55000100000000002a:12:3", "17:2:6f1c2a7e9b0d4c55000100000000002a00",
	} {
		if got, err := ParseToken(text); err == nil || got != (Token{}) {
			t.Errorf("%q accepted as %+v", text, got)
		}
	}
	for doc, part := range map[string]string{
		`{}`:                           "lacks sequenceId, attempt, leaseId",
		`{"sequenceId":1,"attempt":1}`: "lacks leaseId",
		`{"sequenceId":1,"attempt":1,"leaseId":""}`:           "no lease id",
		`{"sequenceId":1,"attempt":1,"leaseId":7}`:            "leaseId",
		`{"sequenceId":1,"attempt":1,"leaseId":"` + "\x00":    "invalid character",
		`{"sequenceId":null,"attempt":1,"leaseId":"6f1c-2a"}`: "no lease id",
		`[]`: "array",
	} {
		read := wireToken()
		if err := read.UnmarshalJSON([]byte(doc)); err == nil || !strings.Contains(err.Error(), part) || read != wireToken() {
			t.Errorf("%s: %v, token %v", doc, err, read)
		}
	}
}

func TestTaskErrorForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  *TaskError
		json string
	}{
		{nil, `null`},
		{&TaskError{}, `{"message":"","code":""}`},
		{
			&TaskError{Message: "a<b", Code: CodeFailed, Cause: "*fs.PathError: open x: gone", Metadata: map[string]Plain{"b": `"2"`, "a": "1"}},
			`{"message":"a\u003cb","code":"error.taskqueue.failed","cause":{"type":"*fs.PathError","message":"open x: gone"},` +
				`"metadata":{"a":1,"b":"2"}}`,
		},
		{&TaskError{Message: "m", Cause: "gone"}, `{"message":"m","code":"","cause":{"message":"gone"}}`},
		{&TaskError{Message: "m", Cause: ": gone"}, `{"message":"m","code":"","cause":{"message":": gone"}}`},
	} {
		got := c.err.AppendJSON(nil)
		if string(got) != c.json {
			t.Errorf("%s, want %s", got, c.json)
		}
		r := jsonwire.NewReader(got)
		read, end := ReadTaskError(&r, 0)
		if err := r.Finish(end); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(c.err, read); diff != "" {
			t.Errorf("(-written +read)\n%s", diff)
		}
	}
	var read TaskError
	err := read.UnmarshalJSON([]byte(`{"message":"m","code":"c","metadata":{"attempt":1,"ok":true,"none":null,"list":[1, 2]},"cause":null}`))
	want := TaskError{
		Message: "m", Code: "c", Metadata: map[string]Plain{"attempt": "1", "ok": "true", "none": "null", "list": "[1, 2]"},
	}
	if diff := cmp.Diff(want, read); err != nil || diff != "" {
		t.Errorf("%v, (-want +got)\n%s", err, diff)
	}
}

// typedTask and the functions below are what a generated package has.
type typedTask struct {
	TaskState
	Payload string
}

func appendTyped(dst []byte, t *typedTask) ([]byte, error) {
	return AppendTask(dst, &t.TaskState, func(dst []byte) ([]byte, error) { return jsonwire.AppendString(dst, t.Payload), nil })
}

func decodeTyped(r *jsonwire.Reader, i int, t *typedTask) int {
	return DecodeTask(r, i, &t.TaskState, func(r *jsonwire.Reader, i int) int { return r.String(i, &t.Payload) })
}

func appendTypedSnapshot(h *SnapshotHeader, tasks []typedTask) ([]byte, error) {
	return AppendSnapshot(nil, h, len(tasks), func(dst []byte, i int) ([]byte, error) { return appendTyped(dst, &tasks[i]) })
}

func decodeTypedSnapshot(src []byte) (h SnapshotHeader, tasks []typedTask, err error) {
	err = DecodeSnapshot(src, &h, func(r *jsonwire.Reader, i int) int {
		var t typedTask
		i = decodeTyped(r, i, &t)
		tasks = append(tasks, t)

		return i
	})

	return h, tasks, err
}

const wireTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func wireTasks() []typedTask {
	failed := &TaskError{Message: "refused", Code: CodeFailed}

	return []typedTask{
		{TaskState{ID: TaskID{wireSource, 1}, State: Ready, EnqueuedAt: wireTime(0), AvailableAt: wireTime(0)}, "a"},
		{TaskState{
			ID: TaskID{0xabc, 1 << 60}, State: ReadyFirst, Attempt: 3, EnqueuedAt: wireTime(-100), AvailableAt: wireTime(1),
			LastError: failed, LastToken: wireToken(), TraceParent: wireTrace,
		}, "b"},
		{TaskState{ID: TaskID{wireSource, 3}, State: Delayed, EnqueuedAt: wireTime(2), AvailableAt: wireTime(60)}, "c"},
		{TaskState{
			ID: TaskID{wireSource, 4}, State: Leased, Attempt: 1, EnqueuedAt: wireTime(3), Deadline: wireTime(33), Owner: "w<1>",
			LastToken: wireToken(), TraceParent: wireTrace,
		}, "d"},
		{TaskState{ID: TaskID{wireSource, 5}, State: Dead, Attempt: 5, EnqueuedAt: wireTime(4), LastError: failed}, ""},
	}
}

func TestSnapshotForm(t *testing.T) {
	t.Parallel()
	h := SnapshotHeader{
		Version: SnapshotVersion, Queue: "dispatch", Incarnation: wireSource, Sequence: 99, HighestEpoch: 1<<63 + 7, ID: "s-1",
		Restored: `"a","b \"1\""`,
	}
	for _, tasks := range [][]typedTask{nil, wireTasks()} {
		src, err := appendTypedSnapshot(&h, tasks)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(src) {
			t.Fatalf("not JSON: %s", src)
		}
		gotHeader, gotTasks, err := decodeTypedSnapshot(src)
		if err != nil {
			t.Fatalf("%s: %v", src, err)
		}
		if diff := cmp.Diff(h, gotHeader); diff != "" {
			t.Errorf("(-written +read)\n%s", diff)
		}
		if diff := cmp.Diff(tasks, gotTasks); diff != "" {
			t.Errorf("(-written +read)\n%s", diff)
		}
	}
}

func TestTaskForm(t *testing.T) {
	t.Parallel()
	const want = `{"value":"d","attempt":1,"enqueuedAt":"2026-11-21T12:22:22.123456789Z","lastError":null,"sequenceId":4,` +
		`"lastOwnershipToken":{"sequenceId":17,"attempt":2,"leaseId":"6f1c2a7e-9b0d-4c55-0001-00000000002a"},` +
		`"origin":"6f1c2a7e9b0d4c55","state":"leased","leaseExpiration":"2026-11-21T12:22:52.123456789Z","ownerPeerId":"w\u003c1\u003e",` +
		`"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}`
	got, err := appendTyped(nil, &wireTasks()[3])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// A task as the established format has it, but for the origin: it waits.
	const established = `{"value":"x","attempt":1,"enqueuedAt":"2026-11-21T13:22:19.1234567+01:00","lastError":null,"sequenceId":7,` +
		`"lastOwnershipToken":null,"origin":"6f1c2a7e9b0d4c55","unknown":{}}`
	var task typedTask
	r := jsonwire.NewReader([]byte(established))
	if err := r.Finish(decodeTyped(&r, 0, &task)); err != nil {
		t.Fatal(err)
	}
	wantTask := typedTask{TaskState{
		ID: TaskID{wireSource, 7}, State: Ready, EnqueuedAt: time.Date(2026, 11, 21, 12, 22, 19, 123456700, time.UTC),
	}, "x"}
	if diff := cmp.Diff(wantTask, task); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A snapshot that cannot be written says which task is to blame.
func TestSnapshotNotWritten(t *testing.T) {
	t.Parallel()
	refused := errors.New("no form for that")
	tasks := wireTasks()
	year := tasks[1]
	year.EnqueuedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		task  TaskState
		err   error
		cause error
		why   string
	}{
		"payload": {tasks[1].TaskState, refused, refused, "no form for that"},
		"time":    {year.TaskState, nil, nil, "year outside of range"},
	} {
		_, err := AppendSnapshot(nil, &SnapshotHeader{}, 2, func(dst []byte, i int) ([]byte, error) {
			state, cause := tasks[0].TaskState, error(nil)
			if i == 1 {
				state, cause = c.task, c.err
			}

			return AppendTask(dst, &state, func(dst []byte) ([]byte, error) { return append(dst, '0'), cause })
		})
		want := "tq: task " + c.task.ID.String() + ": "
		if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), c.why) ||
			c.cause != nil && !errors.Is(err, c.cause) {
			t.Errorf("%s: %v, want %s… %s", name, err, want, c.why)
		}
	}
}

func TestSnapshotRefused(t *testing.T) {
	t.Parallel()
	h := SnapshotHeader{Version: 1, Queue: "q", Incarnation: wireSource}
	src, err := appendTypedSnapshot(&h, wireTasks()[:1])
	if err != nil {
		t.Fatal(err)
	}
	valid := string(src)
	for _, c := range []struct{ old, new, want string }{
		{`"version":1`, `"version":2`, "snapshot has version 2, this runtime reads 1"},
		{`"version":1`, `"version":2,"tasks":"of another kind"`, "snapshot has version 2"},
		{`"version":1,`, ``, "snapshot lacks version"},
		{`"queueName":"q",`, ``, "snapshot lacks queueName"},
		{`"incarnation":"6f1c2a7e9b0d4c55",`, ``, "snapshot lacks incarnation"},
		{`"sequenceNumber":0,`, ``, "snapshot lacks sequenceNumber"},
		{`"highestEpoch":0`, `"highestEpoch":null`, "snapshot lacks highestEpoch"},
		{`"tasks":`, `"task":`, "snapshot lacks tasks"},
		{`"value":"a",`, ``, "task lacks value"},
		{`"attempt":1,`, ``, "task lacks attempt"},
		{`"attempt":1,`, `"attempt":0,`, "attempt below 1"},
		{`"sequenceId":1,`, ``, "task lacks sequenceId"},
		{`"origin":"6f1c2a7e9b0d4c55",`, ``, "task lacks origin"},
		{`"state":"ready"`, `"state":"lost"`, `"lost" is no state`},
		{`"state":"ready"`, `"leaseExpiration":"9999-12-31T23:00:00-01:00"`, "tasks.leaseExpiration: the year of 9999-12-31 23:00:00 -0100 -0100 is not in 0…9999 in UTC"},
		{`"state":"ready"`, `"leaseExpiration":"0000-01-01T00:00:00+01:00"`, "is not in 0…9999 in UTC"},
		{`"value":"a"`, `"value":5`, "tasks.value: cannot read number as string"},
		{`"value":"a"`, `"value":"a`, "invalid character"},
		{`[{`, `[7,{`, "cannot read number as object"},
		{valid, valid + "x", "after top-level value"},
	} {
		doc := strings.Replace(valid, c.old, c.new, 1)
		if doc == valid {
			t.Fatalf("%q is not in %s", c.old, valid)
		}
		got, _, err := decodeTypedSnapshot([]byte(doc))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s: %v, want %q", c.new, c.old, err, c.want)
		}
		if got != (SnapshotHeader{}) {
			t.Errorf("%s: header %+v", c.new, got)
		}
	}
	var version *VersionError
	_, _, err = decodeTypedSnapshot([]byte(strings.Replace(valid, `"version":1`, `"version":2`, 1)))
	if !errors.As(err, &version) || version.Version != 2 {
		t.Errorf("%v", err)
	}
}

func TestWireAllocates(t *testing.T) {
	task := wireTasks()[1]
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf, _ = appendTyped(buf[:0], &task) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func ExampleToken_String() {
	fmt.Println(Token{Task: TaskID{Origin: 0xa, Sequence: 17}, Attempt: 2, Incarnation: 0xa, Epoch: 0x1_00000000002a})
	// Output: 17:2:000000000000000a000100000000002a
}
