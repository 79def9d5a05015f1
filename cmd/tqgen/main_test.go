package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/tqgen/tqgen/internal/testmodule"
)

// Flags may stand anywhere before a "--".
func TestParse(t *testing.T) {
	t.Parallel()
	type parsed struct {
		Verb, Type, Dir, Tags string
		Packages              []string
		Force, JSON, V        bool
		Err                   string
	}
	tests := map[string]parsed{
		"":                     {},
		"./...":                {Packages: []string{"./..."}},
		"-v ./a -json ./b":     {Packages: []string{"./a", "./b"}, V: true, JSON: true},
		"./a -force":           {Packages: []string{"./a"}, Force: true},
		"check":                {Verb: "check"},
		"check -tags x,y ./a":  {Verb: "check", Tags: "x,y", Packages: []string{"./a"}},
		"-tags=x check":        {Verb: "check", Tags: "x"},
		"-C sub explain T ./a": {Verb: "explain", Dir: "sub", Type: "T", Packages: []string{"./a"}},
		"explain -v T":         {Verb: "explain", Type: "T", V: true},
		"./check":              {Packages: []string{"./check"}},
		"-- check":             {Verb: "check"},
		"./a -- -v":            {Packages: []string{"./a", "-v"}},
		"-h":                   {Verb: "help"},
		"check --help":         {Verb: "help"},
		"version":              {Verb: "version"},
		"version x":            {Err: "version takes no arguments"},
		"explain":              {Err: "explain wants the name of a type"},
		"check -force":         {Err: "-force does not go with check"},
		"-x":                   {Err: "flag provided but not defined: -x"},
		"./a -tags":            {Err: "flag needs an argument: -tags"},
	}
	for args, want := range tests {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			var c command
			got := parsed{}
			if err := c.parse(strings.Fields(args)); err != nil {
				got.Err = err.Error()
			} else {
				got = parsed{
					Verb: c.verb, Type: c.typ, Dir: c.dir, Tags: c.tags,
					Packages: c.packages, Force: c.force, JSON: c.json, V: c.v,
				}
			}
			if len(got.Packages) == 0 {
				got.Packages = nil
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("parsed (-want +got):\n%s", diff)
			}
		})
	}
}

// -v tells what was done; it is the one thing that differs between two runs.
func TestVerbose(t *testing.T) {
	t.Parallel()
	dir := testmodule.Dir(t)
	testmodule.Write(t, dir, txtar.File{Name: "go.mod", Data: []byte(testmodule.GoMod)})
	payload := []byte("package p\n\n//tqgen:queue\ntype T struct{ N int }\n")
	testmodule.Write(t, dir, txtar.File{Name: "p/p.go", Data: payload})
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"-v", "-C", dir, "./..."}, &stdout, &stderr)
	if status != exitOK || stdout.Len() > 0 {
		t.Fatalf("status %d, stdout %q, stderr:\n%s", status, &stdout, &stderr)
	}
	for _, stage := range []string{"list", "load", "plan", "render", "verify", "compare", "remember", "write"} {
		if !regexp.MustCompile(`(?m)^` + stage + ` +\d+\.\dms$`).Match(stderr.Bytes()) {
			t.Errorf("nothing about stage %s in\n%s", stage, &stderr)
		}
	}
	if !strings.Contains(stderr.String(), "written   p/tqueue/queue.tq.go\n") {
		t.Errorf("nothing about the written file in\n%s", &stderr)
	}
}

// A panic is reported as a bug of ours, with the stack, and status 2.
func TestPanicIsABug(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	status := run(t.Context(), []string{"help"}, panics{}, &stderr)
	if status != exitFailure {
		t.Errorf("status %d, want %d", status, exitFailure)
	}
	for _, part := range []string{"tqgen: a bug of tqgen", "out of ink", "(*command).help", "please report it"} {
		if !strings.Contains(stderr.String(), part) {
			t.Errorf("no %q in\n%s", part, &stderr)
		}
	}
}

// panics is a writer that does.
type panics struct{}

func (panics) Write([]byte) (int, error) { panic("out of ink") }

// What git apply makes of the output on disk and the diff of check is the output.
func TestCheckDiffApplies(t *testing.T) {
	t.Parallel()
	dir := testmodule.Dir(t)
	payload := func(fields string) {
		testmodule.Write(t, dir, txtar.File{
			Name: "p/p.go", Data: []byte("package p\n\n//tqgen:queue\ntype T struct{ " + fields + " }\n"),
		})
	}
	tqgen := func(args ...string) (status int, stdout, stderr string) {
		var out, errs bytes.Buffer
		status = run(t.Context(), append([]string{"-C", dir}, args...), &out, &errs)

		return status, out.String(), errs.String()
	}
	testmodule.Write(t, dir, txtar.File{Name: "go.mod", Data: []byte(testmodule.GoMod)})
	payload("N int")
	if status, _, stderr := tqgen("./..."); status != exitOK {
		t.Fatal(stderr)
	}
	payload("N int; S string; M map[string]int")
	if err := os.Remove(filepath.Join(dir, "p/tqueue/queue.tq.go")); err != nil {
		t.Fatal(err)
	}
	status, diff, stderr := tqgen("check", "./...")
	if status != exitFindings {
		t.Fatalf("status %d:\n%s", status, stderr)
	}
	applyPatch(t, dir, diff)
	if status, diff, stderr := tqgen("check", "./..."); status != exitOK {
		t.Errorf("findings after the patch:\n%s%s", stderr, diff)
	}
}

func applyPatch(t *testing.T, dir, diff string) {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("no git command")
	}
	cmd := exec.Command(git, "apply", "-p1", "-")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(diff)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git apply: %v\n%s\n%s", err, out, diff)
	}
}
