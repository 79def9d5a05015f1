package golden_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestStaleOutputDoesNotCompile changes payloads under their output and expects
// the compiler to complain at the guard, whose comment says what to do.
func TestStaleOutputDoesNotCompile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, file, old, changed, output string }{
		{"tag", "several/payload.go", `json:"text"`, `json:"body"`, "several/emailqueue"},
		{"tag option", "several/payload.go", `json:"text"`, `json:"text,omitempty"`, "several/emailqueue"},
		{"name", "several/payload.go", "\tText string", "\tBody string", "several/emailqueue"},
		{"type", "several/payload.go", "\tText string", "\tText []byte", "several/emailqueue"},
		{"field added", "several/payload.go", "\tText string", "\tCc string\n\tText string", "several/emailqueue"},
		{"field removed", "several/payload.go", "\tText string  `json:\"text\"`\n", "", "several/emailqueue"},
		{"order", "several/payload.go", "\tName string `json:\"name\"`\n\tCity string `json:\"city\"`\n",
			"\tCity string `json:\"city\"`\n\tName string `json:\"name\"`\n", "several/out/parcels"},
		{"nested tag", "several/payload.go", `json:"city"`, `json:"town"`, "several/emailqueue"},
		{"type beside an unexported field", "several/payload.go", "Grams int ", "Grams int64 ", "several/out/parcels"},
		{"named scalar", "importnames/tq/payload.go", "type Number string", "type Number []byte", "importnames/tq/callqueue"},
		{"type in another package", "importnames/other/peer/peer.go", `json:"last"`, `json:"surname"`,
			"importnames/peer/peerqueue"},
		{"within the payload's package", "joined/payload.go", `json:"body"`, `json:"text"`, "joined"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := buildWith(t, tt.file, tt.old, tt.changed, tt.output)
			if !strings.Contains(out, "package.tq.go:") {
				t.Errorf("no complaint about the guard:\n%s", out)
			}
		})
	}
}

// buildWith builds output with a changed file and gives what the compiler says.
func buildWith(t *testing.T, file, old, changed, output string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("accept", file))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(source), old) {
		t.Fatalf("%s has no %q", file, old)
	}

	dir := t.TempDir()
	replace := map[string]string{path: filepath.Join(dir, "payload.go")}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"payload.go":   strings.ReplaceAll(string(source), old, changed),
		"overlay.json": string(overlay),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay="+filepath.Join(dir, "overlay.json"), "./accept/"+output)
	out, err := build.CombinedOutput()
	if err == nil {
		t.Fatal("it compiles")
	}

	return string(out)
}
