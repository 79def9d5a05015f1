package generator

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnifiedDiff(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before, after []byte
		want          string
	}{
		"new file": {nil, []byte("a\nb\n"), "--- /dev/null\n+++ b/f\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
		"gone":     {[]byte("a\n"), nil, "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"},
		"one line": {
			[]byte("1\n2\n3\n4\n5\n6\n7\n8\n9\n"), []byte("1\n2\n3\n4\nfive\n6\n7\n8\n9\n"),
			"--- a/f\n+++ b/f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n",
		},
		"no line end": {
			[]byte("a\nb"), []byte("a\nb\n"),
			"--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n",
		},
		"two hunks": {
			[]byte("x\n1\n2\n3\n4\n5\n6\n7\ny\n"), []byte("1\n2\n3\n4\n5\n6\n7\n"),
			"--- a/f\n+++ b/f\n@@ -1,4 +1,3 @@\n-x\n 1\n 2\n 3\n@@ -6,4 +5,3 @@\n 5\n 6\n 7\n-y\n",
		},
		"contexts that touch": {
			[]byte("x\n1\n2\n3\n4\n5\n6\ny\n"), []byte("1\n2\n3\n4\n5\n6\n"),
			"--- a/f\n+++ b/f\n@@ -1,8 +1,6 @@\n-x\n 1\n 2\n 3\n 4\n 5\n 6\n-y\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, string(unified("f", test.before, test.after))); diff != "" {
				t.Errorf("unified diff (-want +got):\n%s", diff)
			}
		})
	}
}

// What patch makes of the old file and the diff is the new file.
func TestUnifiedDiffApplies(t *testing.T) {
	t.Parallel()
	patch, err := exec.LookPath("patch")
	if err != nil {
		t.Skip("no patch command")
	}
	random := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	for range 40 {
		before, after := randomText(random), randomText(random)
		if random.IntN(2) == 0 {
			after = mutateText(random, before)
		}
		if bytes.Equal(before, after) || len(before) == 0 || len(after) == 0 {
			continue
		}
		if err := os.WriteFile(file, before, 0o600); err != nil {
			t.Fatal(err)
		}
		diff := unified("f", before, after)
		cmd := exec.Command(patch, "-p1", "--quiet")
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(diff)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("patch: %v\n%s\n%s", err, out, diff)
		}
		if got, _ := os.ReadFile(file); !bytes.Equal(got, after) {
			t.Fatalf("patch made %q of %q, want %q, by\n%s", got, before, after, diff)
		}
	}
}

func randomText(random *rand.Rand) []byte {
	var text strings.Builder
	for range random.IntN(40) {
		text.WriteString(strings.Repeat("x", random.IntN(12)) + "\n")
	}

	return []byte(text.String())
}

func mutateText(random *rand.Rand, text []byte) []byte {
	lines := strings.SplitAfter(string(text), "\n")
	for range 1 + random.IntN(4) {
		lines[random.IntN(len(lines))] = strings.Repeat("new\n", random.IntN(3))
	}

	return []byte(strings.Join(lines, ""))
}
