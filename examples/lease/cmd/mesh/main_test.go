package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestRun builds the mesh and hands on arguments, output and status.
func TestRun(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it builds the mesh, which is a module of its own")
	}
	for args, want := range map[string]struct {
		status int
		stderr string
	}{
		"-h":                       {0, "Usage of mesh"},
		"-role king":               {2, `-role "king" is none`},
		"-role drill -only nobody": {2, `there is no "nobody": want spike`},
	} {
		var stdout, stderr bytes.Buffer
		got := run(strings.Fields(args), &stdout, &stderr)
		if got != want.status || !strings.Contains(stderr.String(), want.stderr) {
			t.Errorf("%s: status %d, want %d\n%s%s", args, got, want.status, &stdout, &stderr)
		}
	}
}
