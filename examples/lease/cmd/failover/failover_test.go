package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestMain lets the test binary be each of the processes.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestFailover is the demo itself, small.
func TestFailover(t *testing.T) {
	t.Parallel()
	for _, sync := range []bool{false, true} {
		t.Run(fmt.Sprint("sync ", sync), func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if status := run([]string{"-seed", "7", "-tasks", "50", fmt.Sprint("-sync=", sync)}, &stdout, &stderr); status != 0 {
				t.Fatalf("status %d\n%s%s", status, &stdout, &stderr)
			}
			want := []string{"promoted: term 2", "term 2 of \"resource-lease\"", "exactly one recorded effect"}
			if sync {
				want = append(want, "never replicated 0\n")
			}
			for _, want := range want {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("%q is not in\n%s", want, &stdout)
				}
			}
		})
	}
}

// TestFaults breaks each part of an account that holds.
func TestFaults(t *testing.T) {
	t.Parallel()
	sound := func() *account {
		a := &account{
			within: map[string]bool{"b": true}, seen: map[string]bool{"a": true, "b": true}, completed: map[string]int{"a": 1, "b": 1},
			finished: true, recorded: map[string]bool{"a": true, "b": true}, acknowledged: []string{"a", "b", "c"},
			calls: map[string][]call{"a": {{key: "1"}}, "b": {{key: "2"}, {key: "2", inDoubt: true, by: "follower"}}},
		}

		return a
	}
	if faults := sound().faults(false); len(faults) > 0 {
		t.Fatalf("faults of an account that holds: %v", faults)
	}
	if out := new(bytes.Buffer); len(sound().faults(true)) != 1 || sound().write(out, settings{sync: true}) {
		t.Errorf("a task that was lost though operations waited:\n%s", out)
	}
	for name, breakIt := range map[string]func(*account){
		"not finished":         func(a *account) { a.finished = false },
		"not completed":        func(a *account) { a.completed["a"] = 0 },
		"completed twice":      func(a *account) { a.completed["a"] = 2 },
		"no record":            func(a *account) { a.recorded["a"] = false },
		"no call":              func(a *account) { a.calls["a"] = nil },
		"another key":          func(a *account) { a.calls["b"][1].key = "3" },
		"not in doubt":         func(a *account) { a.calls["b"][1].inDoubt = false },
		"in doubt at first":    func(a *account) { a.calls["a"][0] = call{key: "1", inDoubt: true, by: "owner"} },
		"none was tried again": func(a *account) { a.calls["b"] = a.calls["b"][:1] },
	} {
		a := sound()
		breakIt(a)
		var out bytes.Buffer
		if len(a.faults(false)) != 1 || a.write(&out, settings{}) {
			t.Errorf("%s: %v", name, a.faults(false))
		}
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]int{"-h": 0, "x": 2, "-tasks 0": 2, "-role king": 2, "-role owner": 2, "-role follower -dir x": 2} {
		var out bytes.Buffer
		if got := run(strings.Fields(args), &out, &out); got != want {
			t.Errorf("%s: status %d\n%s", args, got, &out)
		}
	}
}
