package main

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// TestRun is the whole demo in little: it must balance, and everything it is to
// show must have happened, if not at once then in a longer run.
func TestRun(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	var missing []string
	for length := 600 * time.Millisecond; length < time.Minute; length *= 3 {
		out.Reset()
		if status := run([]string{"-for", length.String(), "-seed", "7", "-workers", "4"}, &out); status != 0 {
			t.Errorf("status %d", status)
		}
		missing = nil
		for _, what := range []string{"retried", "expired", "dead-lettered", "redriven", "purged"} {
			if !regexp.MustCompile(`(?m)^ *` + what + ` +[1-9]`).MatchString(out.String()) {
				missing = append(missing, what)
			}
		}
		if t.Failed() || missing == nil {
			break
		}
	}
	if missing != nil {
		t.Errorf("nothing was %q", missing)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := lines[len(lines)-1]
	form := `^conserved: accepted=[1-9]\d* completed=[1-9]\d* dead=\d+ purged=\d+ pending=\d+ leased=0 lost=0$`
	if !regexp.MustCompile(form).MatchString(last) {
		t.Errorf("last line %q", last)
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// TestPage shows that the page is where the demo says, and has its queues.
func TestPage(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	d := newDemo(settings{length: time.Second, page: "127.0.0.1:0"}, &out)
	closePage, err := d.servePage()
	if err != nil {
		t.Fatal(err)
	}
	defer closePage()
	for _, name := range []string{"first", "second"} {
		q, err := d.open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
	}
	url, ok := strings.CutPrefix(strings.TrimSpace(out.String()), "page: ")
	if !ok {
		t.Fatalf("the demo says %q", &out)
	}
	for path, want := range map[string]string{"": "<h1>Task queues</h1>", "taskqueue/snapshot": `"queue":"second"`} {
		response, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s%s: %v, %s", url, path, err, body)
		}
	}
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		args   []string
		status int
		want   string
	}{
		"help":            {[]string{"-h"}, 0, "-seed"},
		"unknown flag":    {[]string{"-fro", "1s"}, 2, "-fro"},
		"argument":        {[]string{"now"}, 2, `unexpected argument "now"`},
		"too short":       {[]string{"-for", "1ms"}, 2, "below 50ms"},
		"no such address": {[]string{"-page", "nowhere"}, 2, "page: "},
		"nobody at work":  {[]string{"-workers", "0"}, 2, "at least 1"},
		"nothing to send": {[]string{"-producers", "0"}, 2, "at least 1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			if status := run(c.args, &out); status != c.status || !strings.Contains(out.String(), c.want) {
				t.Errorf("status %d, output %q; want %d and %q", status, &out, c.status, c.want)
			}
		})
	}
}

// TestVerdict shows that what is amiss is said, and ends with status 1.
func TestVerdict(t *testing.T) {
	t.Parallel()
	good := func() *result {
		return &result{
			books: sums{accepted: 10, completed: 6, purged: 1}, waits: new(waits), took: time.Second,
			pending: 2, dead: 1,
		}
	}
	queues := tq.Stats{Ready: 2, Dead: 1, Counters: tq.Counters{Enqueued: 10, Completed: 6, Purged: 1}}
	cases := map[string]struct {
		spoil  func(*result, *tq.Stats)
		holds  bool
		within string
	}{
		"balanced": {
			spoil: func(*result, *tq.Stats) {}, holds: true,
			within: "\nconserved: accepted=10 completed=6 dead=1 purged=1 pending=2 leased=0 lost=0\n",
		},
		"lost": {
			spoil: func(r *result, _ *tq.Stats) { r.lost = 3 }, within: "\nNOT conserved, 0 counted twice: ",
		},
		"twice": {
			spoil: func(r *result, _ *tq.Stats) { r.twice = 1 }, within: "\nNOT conserved, 1 counted twice: ",
		},
		"the queue counted otherwise": {
			spoil:  func(_ *result, s *tq.Stats) { s.Completed++ },
			within: "\ndiffers: completed: the books say 6, the queues 7\n",
		},
		"payloads mixed up": {
			spoil: func(r *result, _ *tq.Stats) { r.books.mixed = 2 }, within: "differs: 2 tasks had another's payload",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, counted := good(), queues
			c.spoil(r, &counted)
			r.compare(tq.Stats{}, counted)
			var out strings.Builder
			r.print(&out)
			if r.holds() != c.holds || !strings.Contains(out.String(), c.within) {
				t.Errorf("holds: %t, want %t; want %q in\n%s", r.holds(), c.holds, c.within, &out)
			}
		})
	}
}

func TestWriting(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", 999: "999ns", 123456: "123µs", 12345678: "12.3ms", 12345678901: "12.3s"} {
		if got := short(d).String(); got != want {
			t.Errorf("short(%d) = %s, want %s", d, got, want)
		}
	}
	if terminal(io.Discard) {
		t.Error("io.Discard is a terminal")
	}
}
