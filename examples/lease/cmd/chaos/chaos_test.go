package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/diagnostics/client"
)

// TestRun is the whole of it in little.
func TestRun(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if status := run([]string{"-spikes", "2", "-hold", "150ms"}, &out); status != 0 {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{
		`(?m)^page: http://127\.0\.0\.1:\d+/diagnostics/$`,
		`1 spikes .* backpressure true `, `1 recovers .* backpressure false`, `2 spikes`, `2 recovers`,
		`made 4 transitions; the client saw 4, in \d+ events over [2-9] connections`,
		`complete: every transition, in order, without a gap\n$`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("%s is not in the output", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// TestCheck shows that what is amiss is found.
func TestCheck(t *testing.T) {
	t.Parallel()
	signal := func(id, generation uint64, active bool) client.Event {
		data := fmt.Sprintf(`{"isActive":%v,"generation":%d}`, active, generation)
		return client.Event{ID: fmt.Sprintf("x.%d", id), Type: diagnostics.TypeBackpressure, Data: []byte(data)}
	}
	begin := client.Event{ID: "x.7", Type: diagnostics.TypeSnapshot}
	figures := client.Event{ID: "x.9", Type: diagnostics.TypeStats}
	for name, c := range map[string]struct {
		events []client.Event
		want   []string
	}{
		"all": {[]client.Event{begin, signal(8, 1, true), figures, signal(10, 2, false)}, nil},
		"the first state, which is none": {
			[]client.Event{begin, signal(8, 0, false), signal(9, 1, true), signal(10, 2, false)}, nil,
		},
		"the last is missing": {[]client.Event{begin, signal(8, 1, true)}, []string{"transitions 2 to 2 were not seen"}},
		"one is missing": {
			[]client.Event{begin, signal(8, 2, false)}, []string{"transition 2 where 1 comes next"},
		},
		"twice": {
			[]client.Event{begin, signal(8, 1, true), signal(9, 1, true)}, []string{"transition 1 where 2 comes next"},
		},
		"not alternating": {
			[]client.Event{begin, signal(8, 1, true), signal(9, 2, true)},
			[]string{"transition 2 tells that backpressure is true"},
		},
		"an event is missing": {
			[]client.Event{begin, signal(8, 1, true), signal(10, 2, false)}, []string{"event 10 came after 8"},
		},
		"a gap": {
			[]client.Event{
				begin, signal(8, 1, true), {Type: diagnostics.TypeGap, ID: "x.8", Data: []byte("9 to 12")}, signal(9, 2, false),
			},
			[]string{"a gap: 9 to 12"},
		},
		"begun anew": {
			[]client.Event{begin, signal(8, 1, true), {ID: "x.8", Type: diagnostics.TypeSnapshot}, signal(9, 2, false)},
			[]string{"a second snapshot, at x.8: the stream has begun anew"},
		},
		"no id": {
			[]client.Event{begin, signal(8, 1, true), {ID: "y", Type: diagnostics.TypeStats}, signal(9, 2, false)},
			[]string{`an event with the id "y"`, "event 0 came after 8"},
		},
	} {
		s := &sight{change: make(chan struct{})}
		for _, e := range c.events {
			s.see(e)
		}
		if diff := cmp.Diff(c.want, s.check(2)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestArguments shows what is misuse.
func TestArguments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		want int
	}{{"-h", 0}, {"-spikes 0", 2}, {"-hold -1s", 2}, {"now", 2}, {"-page nowhere:nothing", 2}} {
		var out strings.Builder
		if got := run(strings.Fields(c.args), &out); got != c.want || out.Len() == 0 {
			t.Errorf("chaos %s: %d, want %d\n%s", c.args, got, c.want, &out)
		}
	}
}
