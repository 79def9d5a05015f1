package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tqgen/tqgen/runtime/diagnostics"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	o := quietly
	o.Thresholds = diagnostics.Thresholds{PendingDegraded: 5}
	s := serve(t, o)
	q, mails := s.attach("orders"), s.attach("mails")
	mails.Probe().Pause(true)
	enqueue(t, q, 8)
	fail(t, q, "for good")
	for args, want := range map[string]struct {
		status int
		stdout string
	}{
		"--max-pending 7 --max-dead 1 --max-active 0 --queue orders": {exitOK, `
			ok  orders  pending 7, at most 7
			ok  orders  active 0, at most 0
			ok  orders  dead 1, at most 1`},
		"--max-pending 50% --max-active 10%": {exitOK, `
			ok  orders  pending 7, at most 8
			ok  orders  active 0, at most 1
			ok  mails   pending 0, at most 8
			ok  mails   active 0, at most 1`},
		"--max-dead 0": {exitViolated, `
			exceeded  orders  dead 1, at most 0
			ok        mails   dead 0, at most 0`},
		"--max-pending 25% --queue mails": {exitOK, `
			ok  mails  pending 0, at most 4`},
		"--max-oldest-age 0s --queue mails --max-wait-p99 1m": {exitOK, `
			ok  mails  oldest ready for 0 s, at most 0 s
			ok  mails  p99 of waits 0 s, at most 60.0 s`},
		"--not-paused": {exitViolated, `
			ok        orders  not paused
			exceeded  mails   paused`},
		"--no-backpressure --healthy": {exitViolated, `
			exceeded  orders  under backpressure
			exceeded  orders  degraded: 7 pending, degraded from 5
			ok        mails   not under backpressure
			ok        mails   healthy`},
	} {
		got := tqctl(t, nil, append([]string{"check", "--url", s.URL}, strings.Fields(args)...)...)
		wanted := strings.ReplaceAll(strings.TrimSpace(want.stdout), "\t", "") + "\n"
		if diff := cmp.Diff(wanted, got.stdout); diff != "" || got.status != want.status || got.stderr != "" {
			t.Errorf("%s: status %d, %s; (-want +got):\n%s", args, got.status, got.stderr, diff)
		}
	}
	got := tqctl(t, nil, "check", "--url", s.URL, "--max-oldest-age", "0s", "--queue", "orders", "--json")
	r := decode[report](t, []byte(got.stdout))
	want := report{
		URL:    s.URL + streamPath,
		Checks: []finding{{Queue: "orders", Limit: "max-oldest-age", Unit: "s", Value: r.Checks[0].Value}},
	}
	ignore := cmp.Options{cmpopts.IgnoreFields(report{}, "ObservedAt"), cmpopts.IgnoreUnexported(finding{})}
	if diff := cmp.Diff(want, r, ignore); diff != "" || got.status != exitViolated || time.Since(r.ObservedAt) > time.Minute {
		t.Errorf("as JSON: status %d, %s; (-want +got):\n%s", got.status, got.stdout, diff)
	}
}

// What cannot be told is no violation, and never all right.
func TestCheckCannotTell(t *testing.T) {
	t.Parallel()
	s := serve(t, quietly)
	s.attach("orders")
	for args, want := range map[string]string{
		"":                            "no limit is given",
		"--queue none --healthy":      "no queue is named \"none\"\n\thelp: there are orders",
		"--max-pending some":          "want a number such as 500",
		"--max-pending -1":            "want a number such as 500",
		"--max-oldest-age -1s":        "not below zero",
		"--healthy --url 127.0.0.1:1": "connection refused",
		"--healthy orders":            `unknown command "orders"`,
		"--max-lag 5":                 "orders: nobody reads its events: --max-lag has nothing to look at",
		"--max-lag-time 5s":           "orders: no sink is attached: --max-lag-time has nothing to look at",
	} {
		got := tqctl(t, nil, append([]string{"check", "--url", s.URL}, strings.Fields(args)...)...)
		if got.status != exitFailure || got.stdout != "" || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: status %d, %s%s\nwant %s", args, got.status, got.stdout, got.stderr, want)
		}
	}
	if _, err := holdCalm("orders", diagnostics.Snapshot{}); err == nil {
		t.Error("no monitor is no backpressure")
	}
	odd := diagnostics.Snapshot{Health: diagnostics.Health{Queues: []diagnostics.QueueHealth{{Queue: "orders", Status: "fine"}}}}
	for _, s := range []diagnostics.Snapshot{{}, odd} {
		if f, err := holdHealthy("orders", s); err == nil {
			t.Errorf("health that is not told is %+v", f)
		}
	}
}

// A sink that does not come on is seen by how many events it is behind.
func TestCheckLag(t *testing.T) {
	t.Parallel()
	s := serve(t, quietly)
	q := s.attach("orders")
	apply := s.replicate(q)
	enqueue(t, q, 9)
	apply <- struct{}{}
	apply <- struct{}{} // the first has been applied
	check := func(args ...string) (int, report) {
		got := tqctl(t, nil, append([]string{"check", "--url", s.URL, "--json"}, args...)...)

		return got.status, decode[report](t, []byte(got.stdout))
	}
	if status, r := check("--max-lag", "6"); status != exitViolated || r.Checks[0].Value < 7 || r.Checks[0].Value > 8 {
		t.Errorf("behind: status %d, %+v", status, r)
	}
	if status, r := check("--max-lag", "8", "--max-lag-time", "1m"); status != exitOK || r.Checks[1].Value <= 0 {
		t.Errorf("within limits: status %d, %+v", status, r)
	}
	if status, r := check("--max-lag-time", "0s"); status != exitViolated || r.OK {
		t.Errorf("late: status %d, %+v", status, r)
	}
}

// A follower may have sinks of a queue that is elsewhere.
func TestCheckSinksAlone(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"queues":[],"replication":[{"queue":"","role":"sink"},
			{"queue":"orders","role":"sink","behind":7,"peers":[{"peer":"a","lagSeconds":1},{"peer":"b","lagSeconds":3}]}]}`)
	}))
	defer server.Close()
	got := tqctl(t, nil, "check", "--url", server.URL, "--max-lag", "7", "--max-lag-time", "2s")
	want := "ok        orders  events behind: 7, at most 7\nexceeded  orders  behind by 3.00 s, at most 2.00 s\n"
	if got.stdout != want || got.status != exitViolated {
		t.Errorf("status %d, %s, %s", got.status, got.stdout, got.stderr)
	}
	for flag, args := range map[string][]string{"--max-pending": {"--max-pending=7"}, "--not-paused": {"--not-paused"}} {
		got := tqctl(t, nil, append([]string{"check", "--url", server.URL}, args...)...)
		if got.status != exitFailure || !strings.Contains(got.stderr, flag+" has nothing to look at") {
			t.Errorf("%s: status %d, %s, %s", flag, got.status, got.stdout, got.stderr)
		}
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	s := serve(t, quietly)
	q, _ := s.attach("orders"), s.attach("mails")
	enqueue(t, q, 2)
	got := tqctl(t, nil, "snapshot", "--json", "--url", s.URL, "--queue", "orders")
	all := decode[diagnostics.Snapshot](t, []byte(got.stdout))
	if len(all.Queues) != 1 || all.Queues[0].Pending != 2 || len(all.Backpressure) != 1 || all.ID == "" || got.status != exitOK {
		t.Errorf("one queue: %s%s", got.stdout, got.stderr)
	}
	hostile := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"queues":[{"queue":"mails\u001b[2J"}],"backpressure":[{"queue":"\u009b"}],"health":{"status":"\u001b"}}`)
	}))
	defer hostile.Close()
	got = tqctl(t, nil, "snapshot", "--url", hostile.URL)
	if strings.ContainsAny(got.stdout, "\x1b\u009b") || !strings.Contains(got.stdout, `mails\x1b[2J`) ||
		!strings.Contains(got.stdout, "WAIT P50") || !strings.Contains(got.stdout, "BACKPRESSURE") {
		t.Errorf("as text:\n%s%s", got.stdout, got.stderr)
	}
	for args, want := range map[string]string{"--queue none": "no queue is named", "--json=x": "invalid syntax"} {
		got := tqctl(t, nil, append([]string{"snapshot", "--url", s.URL}, strings.Fields(args)...)...)
		if got.status != exitFailure || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: status %d, %s", args, got.status, got.stderr)
		}
	}
}
