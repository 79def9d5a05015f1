package dispatch_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tqgen/tqgen/examples/lease"
	"github.com/tqgen/tqgen/examples/lease/dispatch"
	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/tq"
)

// TestTask takes one task through all that can become of it, as bytes.
func TestTask(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{Incarnation: 0x6f1c2a7e9b0d4c55, Backoff: tq.NoBackoff})
	url := serve(t, service(t, dispatch.Options{Queue: q})) + "/resourcelease/"

	a := post(t, url+"enqueue", `{"payload":`+vmJSON+`}`)
	want := `{"id":"6f1c2a7e9b0d4c55-1","sequenceId":1,"stats":{"pendingCount":1,"activeLeaseCount":0}}` + "\n"
	if diff := cmp.Diff(want, a.body); diff != "" || a.Status != http.StatusOK {
		t.Errorf("enqueue: status %d (-want +got):\n%s", a.Status, diff)
	}

	granted := func(attempt int) (token string) {
		t.Helper()
		a := post(t, url+"lease", `{"peerId":"worker-7"}`)
		got, err := dispatch.ParseLeaseResponseJSON([]byte(a.body))
		if err != nil || a.Status != http.StatusOK {
			t.Fatalf("lease: status %d, %v", a.Status, err)
		}
		epoch := uint64(1)<<48 + uint64(attempt)
		want := dispatch.LeaseResponse{
			Payload:    vm("i-1"),
			SequenceID: 1, Attempt: attempt, OwnerPeerID: "worker-7",
			OwnershipToken: tq.Token{
				Task:    tq.TaskID{Origin: 0x6f1c2a7e9b0d4c55, Sequence: 1},
				Attempt: attempt, Incarnation: 0x6f1c2a7e9b0d4c55, Epoch: tq.Epoch(epoch),
			},
		}
		want.Payload.Body = []byte{1, 2}
		if attempt > 1 {
			want.LastError = &tq.TaskError{
				Message: "disk full", Code: "disk.full", Metadata: map[string]tq.Plain{"free": `"0"`},
			}
		}
		ignored := cmpopts.IgnoreFields(dispatch.LeaseResponse{}, "EnqueuedAt", "LeaseExpiration", "LeaseSeconds")
		if diff := cmp.Diff(want, got, ignored); diff != "" {
			t.Errorf("lease (-want +got):\n%s", diff)
		}
		if left := time.Until(got.LeaseExpiration); left < 20*time.Second || got.LeaseSeconds > 30 || got.LeaseSeconds < 20 {
			t.Errorf("the lease holds for %v, %v s, want 30 s", left, got.LeaseSeconds)
		}

		return fmt.Sprintf(`"ownershipToken":{"sequenceId":1,"attempt":%d,"leaseId":"6f1c2a7e-9b0d-4c55-0001-%012x"}`,
			attempt, attempt)
	}
	accepted := func(procedure, body string) answer {
		t.Helper()
		a := post(t, url+procedure, body)
		if a.Status != http.StatusOK || !strings.HasPrefix(a.body, `{"success":true`) {
			t.Errorf("%s: status %d, %s", procedure, a.Status, a.body)
		}

		return a
	}

	handle := granted(1)
	beaten := accepted("heartbeat", `{`+handle+`}`)
	ack, err := dispatch.ParseAcknowledgementJSON([]byte(beaten.body))
	if err != nil || time.Until(ack.LeaseExpiration) < 20*time.Second || ack.LeaseSeconds < 20 {
		t.Errorf("heartbeat: %s, %v", beaten.body, err)
	}
	accepted("fail", `{`+handle+`,"reason":"disk full","errorCode":"disk.full","metadata":{"free":"0"}}`)
	handle = granted(2)
	accepted("complete", `{`+handle+`}`)

	empty := post(t, url+"lease", `{"waitSeconds":0}`)
	if empty.Status != http.StatusNoContent || empty.body != "" {
		t.Errorf("lease of an empty queue: status %d, %q", empty.Status, empty.body)
	}
	stats, err := dispatch.ParseStatsJSON([]byte(send(t, http.MethodGet, url+"stats", "", nil).body))
	if err != nil {
		t.Fatal(err)
	}
	wantStats := dispatch.Stats{Capacity: 4096, Enqueued: 1, Leased: 2, Heartbeats: 1, Completed: 1, Failed: 1, Requeued: 1}
	if diff := cmp.Diff(wantStats, stats); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	health := send(t, http.MethodGet, url+"health", "", nil)
	if health.Status != http.StatusOK || health.body != `{"status":"serving"}`+"\n" {
		t.Errorf("health: status %d, %s", health.Status, health.body)
	}
}

// TestReleaseAndDeadLetter is the two ends of an attempt that are not counted,
// and final.
func TestReleaseAndDeadLetter(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	url := serve(t, service(t, dispatch.Options{Queue: q})) + "/resourcelease/"
	enqueue(t, q, vm("i-1"))
	if a := post(t, url+"release", token(take(t, q))); a.Status != http.StatusOK {
		t.Errorf("release: status %d, %s", a.Status, a.body)
	}
	l := take(t, q)
	if l.Attempt != 1 {
		t.Errorf("a released task has attempt %d", l.Attempt)
	}
	if a := post(t, url+"fail", strings.TrimSuffix(token(l), "}")+`,"requeue":false}`); a.Status != http.StatusOK {
		t.Errorf("fail: status %d, %s", a.Status, a.body)
	}
	dead, err := q.DeadLetters(t.Context(), 0, 9)
	want := &tq.TaskError{Message: "lease failed", Code: dispatch.CodeFailed}
	if err != nil || len(dead) != 1 || !cmp.Equal(dead[0].LastError, want) {
		t.Errorf("dead letters are %v, %v", dead, err)
	}
	if a := post(t, url+"complete", token(l)); a.Code != tq.CodeDeadLettered || a.Status != http.StatusConflict {
		t.Errorf("complete of a dead letter: %+v", a.seen())
	}
}

// TestRefusals is every code that a request alone can bring about.
func TestRefusals(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{Capacity: 1, MaxWaiting: 1})
	url := serve(t, service(t, dispatch.Options{
		Queue: q, MaxBody: 1000, MaxRestore: 4000, MaxWait: time.Millisecond,
		Validate: func(p *lease.ResourceLease) error {
			switch p.ResourceType {
			case "moon":
				return errors.New("there is one, and it is taken")
			case "sun":
				return &dispatch.Error{Status: http.StatusUnprocessableEntity, Code: "sun.hot", Message: "hot", Path: "payload.resourceType"}
			}

			return nil
		},
	}))
	enqueue(t, q, vm("held"))
	held := take(t, q)
	good := token(held)
	valid := func(change ...string) string {
		return strings.NewReplacer(change...).Replace(`{"payload":` + vmJSON + `}`)
	}
	const bad, conflict = http.StatusBadRequest, http.StatusConflict
	for name, c := range map[string]struct {
		procedure, body string
		want            answer
	}{
		"no payload":            {"enqueue", `{}`, answer{Status: bad, Code: dispatch.CodePayloadRequired, Path: "payload"}},
		"null payload":          {"enqueue", `{"payload":null}`, answer{Status: bad, Code: dispatch.CodePayloadRequired, Path: "payload"}},
		"null body":             {"enqueue", `null`, answer{Status: bad, Code: dispatch.CodePayloadRequired, Path: "payload"}},
		"no type":               {"enqueue", valid(`"vm"`, `""`), answer{Status: bad, Code: dispatch.CodeResourceTypeRequired, Path: "payload.resourceType"}},
		"blank id":              {"enqueue", valid(`"i-1"`, `" \t"`), answer{Status: bad, Code: dispatch.CodeResourceIDRequired, Path: "payload.resourceId"}},
		"no key":                {"enqueue", valid(`"partitionKey":"eu",`, ``), answer{Status: bad, Code: dispatch.CodePartitionKeyRequired, Path: "payload.partitionKey"}},
		"no encoding":           {"enqueue", valid(`"raw"`, `null`), answer{Status: bad, Code: dispatch.CodeEncodingRequired, Path: "payload.payloadEncoding"}},
		"hook":                  {"enqueue", valid(`"vm"`, `"moon"`), answer{Status: bad, Code: dispatch.CodePayloadInvalid, Path: "payload"}},
		"hook's own":            {"enqueue", valid(`"vm"`, `"sun"`), answer{Status: 422, Code: "sun.hot", Path: "payload.resourceType"}},
		"wrong type":            {"enqueue", valid(`"vm"`, `7`), answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "payload.resourceType"}},
		"wrong type inside":     {"enqueue", valid(`"body"`, `"attributes":{"a":1},"body"`), answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "payload.attributes"}},
		"broken base64":         {"enqueue", valid(`"AQI="`, `"%%"`), answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "payload.body"}},
		"truncated":             {"enqueue", `{"payload":{"resourceType":"v`, answer{Status: bad, Code: dispatch.CodeRequestInvalid}},
		"array":                 {"enqueue", `[]`, answer{Status: bad, Code: dispatch.CodeRequestInvalid}},
		"nothing":               {"enqueue", ``, answer{Status: bad, Code: dispatch.CodeRequestInvalid}},
		"deep":                  {"enqueue", strings.Repeat("[", 900), answer{Status: bad, Code: dispatch.CodeRequestInvalid}},
		"too large":             {"enqueue", valid("AQI=", strings.Repeat("A", 1000)), answer{Status: http.StatusRequestEntityTooLarge, Code: dispatch.CodeTooLarge}},
		"full":                  {"enqueue", valid(), answer{Status: http.StatusTooManyRequests, Code: tq.CodeFull}},
		"negative wait":         {"lease", `{"waitSeconds":-1}`, answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "waitSeconds"}},
		"wait of another type":  {"lease", `{"waitSeconds":"1"}`, answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "waitSeconds"}},
		"long name":             {"lease", `{"peerId":"` + strings.Repeat("p", 129) + `"}`, answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "peerId"}},
		"odd name":              {"lease", `{"peerId":"a\nb"}`, answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "peerId"}},
		"no token":              {"complete", `{}`, answer{Status: bad, Code: dispatch.CodeTokenRequired, Path: "ownershipToken"}},
		"null token":            {"heartbeat", `{"ownershipToken":null}`, answer{Status: bad, Code: dispatch.CodeTokenRequired, Path: "ownershipToken"}},
		"token of another type": {"fail", `{"ownershipToken":"1:1:2"}`, answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "ownershipToken"}},
		"token without lease":   {"release", `{"ownershipToken":{"sequenceId":1,"attempt":1}}`, answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "ownershipToken.leaseId"}},
		"token's attempt":       {"complete", strings.Replace(good, `"attempt":1`, `"attempt":"1"`, 1), answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "ownershipToken.attempt"}},
		"token's lease id":      {"complete", strings.Replace(good, `"leaseId":"`, `"leaseId":"x`, 1), answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "ownershipToken.leaseId"}},
		"token's origin":        {"complete", strings.Replace(good, `"attempt"`, `"origin":"x","attempt"`, 1), answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "ownershipToken.origin"}},
		"token of nobody":       {"complete", strings.Replace(good, `"sequenceId":1`, `"sequenceId":9`, 1), answer{Status: conflict, Code: dispatch.CodeUnknownToken}},
		"token of no grant":     {"complete", strings.Replace(good, `"attempt":1`, `"attempt":3`, 1), answer{Status: conflict, Code: tq.CodeLeaseLost}},
		"long code":             {"fail", strings.TrimSuffix(good, "}") + `,"errorCode":"` + strings.Repeat("c", 129) + `"}`, answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "errorCode"}},
		"much metadata":         {"fail", strings.TrimSuffix(good, "}") + `,"metadata":` + entries(17) + `}`, answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "metadata"}},
		"negative grace":        {"drain", `{"graceSeconds":-1}`, answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "graceSeconds"}},
		"restore of nothing":    {"restore", ``, answer{Status: bad, Code: dispatch.CodeRequestInvalid}},
		"restore of null":       {"restore", `null`, answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "version"}},
		"no tasks":              {"restore", snapshot(``), answer{Status: bad, Code: dispatch.CodePendingItemRequired, Path: "tasks"}},
		"null tasks":            {"restore", snapshot(`,"tasks":null`), answer{Status: bad, Code: dispatch.CodePendingItemRequired, Path: "tasks"}},
		"null task":             {"restore", snapshot(`,"tasks":[null]`), answer{Status: bad, Code: dispatch.CodePendingItemRequired, Path: "tasks.0"}},
		"empty task":            {"restore", snapshot(`,"tasks":[{}]`), answer{Status: bad, Code: dispatch.CodePayloadRequired, Path: "tasks.value"}},
		"task without attempt":  {"restore", snapshot(`,"tasks":[` + strings.Replace(pending(`"value":`+vmJSON+`,`), `"attempt":1,`, ``, 1) + `]`), answer{Status: bad, Code: dispatch.CodePendingItemRequired, Path: "tasks.attempt"}},
		"task without payload":  {"restore", snapshot(`,"tasks":[` + pending(`"value":null,`) + `]`), answer{Status: bad, Code: dispatch.CodeResourceTypeRequired, Path: "tasks.0.value.resourceType"}},
		"task of another type":  {"restore", snapshot(`,"tasks":[` + pending(`"value":{"resourceType":1},`) + `]`), answer{Status: bad, Code: dispatch.CodeRequestInvalid, Path: "tasks.value.resourceType"}},
		"task twice":            {"restore", snapshot(`,"tasks":[` + pending(`"value":`+vmJSON+`,`) + `,` + pending(`"value":`+vmJSON+`,`) + `]`), answer{Status: bad, Code: dispatch.CodeSnapshotInvalid}},
		"other version":         {"restore", strings.Replace(snapshot(`,"tasks":[]`), `"version":1`, `"version":9`, 1), answer{Status: bad, Code: dispatch.CodeRequestInvalid}},
		"restore too large":     {"restore", strings.Repeat(" ", 4001), answer{Status: http.StatusRequestEntityTooLarge, Code: dispatch.CodeTooLarge}},
		"no such procedure":     {"steal", `{}`, answer{Status: http.StatusNotFound, Code: dispatch.CodeUnknownProcedure}},
	} {
		t.Run(name, func(t *testing.T) {
			a := post(t, url+"/resourcelease/"+c.procedure, c.body)
			if diff := cmp.Diff(c.want, a.seen(), cmp.AllowUnexported(answer{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", a.body, diff)
			}
			if again := a.header.Get("Retry-After"); (again != "") != (a.Status == http.StatusTooManyRequests) {
				t.Errorf("status %d with Retry-After %q", a.Status, again)
			}
			if strings.Contains(a.body, "AQI=") || strings.Contains(a.body, "%%") {
				t.Errorf("a sensitive field is shown: %s", a.body)
			}
		})
	}
	if err := held.Complete(t.Context()); err != nil {
		t.Errorf("refused requests have changed something: %v", err)
	}
	if s, _ := q.Stats(t.Context()); s.Live() != 0 || s.Enqueued != 1 {
		t.Errorf("refused requests have changed something: %+v", s)
	}
}

func entries(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":""`, i)
	}

	return "{" + b.String()[1:] + "}"
}

func snapshot(tasks string) string {
	return `{"version":1,"queueName":"resource-lease","incarnation":"00000000000000aa","sequenceNumber":9,` +
		`"highestEpoch":1,"id":"x"` + tasks + `}`
}

func pending(value string) string {
	return `{` + value + `"attempt":1,"enqueuedAt":"2026-01-02T03:04:05Z","sequenceId":1,"origin":"00000000000000aa"}`
}

// TestRequests is what is refused for what is round the body.
func TestRequests(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	url := serve(t, service(t, dispatch.Options{Queue: q, Namespace: "mesh/eu"})) + "/mesh/eu/"
	body := `{"payload":` + vmJSON + `}`
	for name, c := range map[string]struct {
		method, path, media string
		want                answer
		allow               string
	}{
		"get":           {http.MethodGet, "enqueue", "application/json", answer{Status: http.StatusMethodNotAllowed, Code: dispatch.CodeMethod}, "POST"},
		"put":           {http.MethodPut, "stats", "application/json", answer{Status: http.StatusMethodNotAllowed, Code: dispatch.CodeMethod}, "GET, HEAD, POST"},
		"head":          {http.MethodHead, "health", "", answer{Status: http.StatusOK}, ""},
		"form":          {http.MethodPost, "enqueue", "text/plain", answer{Status: http.StatusUnsupportedMediaType, Code: dispatch.CodeMediaType}, ""},
		"no media type": {http.MethodPost, "enqueue", "", answer{Status: http.StatusUnsupportedMediaType, Code: dispatch.CodeMediaType}, ""},
		"charset":       {http.MethodPost, "enqueue", "application/json; charset=utf-8", answer{Status: http.StatusOK}, ""},
		"outside":       {http.MethodPost, "../enqueue", "application/json", answer{Status: http.StatusNotFound, Code: dispatch.CodeUnknownProcedure}, ""},
		"below":         {http.MethodPost, "enqueue/more", "application/json", answer{Status: http.StatusNotFound, Code: dispatch.CodeUnknownProcedure}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := send(t, c.method, url+c.path, c.media, bytes.NewReader([]byte(body)))
			if diff := cmp.Diff(c.want, a.seen(), cmp.AllowUnexported(answer{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", a.body, diff)
			}
			if allow := a.header.Get("Allow"); allow != c.allow {
				t.Errorf("Allow is %q, want %q", allow, c.allow)
			}
		})
	}
}

// TestContentEncoding: a body that is compressed is called so, and one that is
// called not to be is read.
func TestContentEncoding(t *testing.T) {
	t.Parallel()
	q := open(t, leasequeue.Options{})
	url := serve(t, service(t, dispatch.Options{Queue: q})) + "/resourcelease/enqueue"
	for coding, want := range map[string]answer{
		"gzip":     {Status: http.StatusUnsupportedMediaType, Code: dispatch.CodeMediaType},
		"Identity": {Status: http.StatusOK},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"payload":`+vmJSON+`}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Content-Encoding", coding)
		if diff := cmp.Diff(want, do(t, r).seen(), cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", coding, diff)
		}
	}
}

// TestOptions is what New refuses.
func TestOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]dispatch.Options{
		"namespace": {Namespace: "/x/"}, "empty part": {Namespace: "a//b"}, "query": {Namespace: "a?b"},
		"wait": {MaxWait: -1}, "body": {MaxBody: -1}, "restore": {MaxRestore: -1}, "read": {ReadTimeout: -1}, "write": {WriteTimeout: -1},
	} {
		if s, err := dispatch.New(o); err == nil || s != nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for name, o := range map[string]dispatch.ClientOptions{
		"nodes": {}, "url": {Nodes: []string{"localhost:80"}}, "namespace": {Nodes: []string{"http://a"}, Namespace: "/"},
		"timeout": {Nodes: []string{"http://a"}, Timeout: -1}, "answer": {Nodes: []string{"http://a"}, MaxAnswer: -1},
	} {
		if c, err := dispatch.NewClient(o); err == nil || c != nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
