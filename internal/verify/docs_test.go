package verify

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The queries in the docs ask for what Prometheus is shown, and for labels that
// it has.
func TestDocumentedQueries(t *testing.T) {
	t.Parallel()
	golden, err := os.ReadFile("testdata/prometheus.txt")
	must(t, err)
	known := map[string]bool{}
	for _, word := range regexp.MustCompile("[a-z_]+").FindAllString(string(golden), -1) {
		known[word] = true
	}
	name := regexp.MustCompile(`(?:hugo_)?taskqueue_[a-z_]+`)
	for _, file := range []string{"../../docs/backpressure.md", "../../docs/diagnostics.md"} {
		text, err := os.ReadFile(file)
		must(t, err)
		found := name.FindAllString(string(text), -1)
		if len(found) < 10 {
			t.Errorf("%s has %d names, so this test shows nothing", file, len(found))
		}
		for _, n := range found {
			if !known[strings.TrimSuffix(n, "_bucket")] {
				t.Errorf("%s: there is no %s", file, n)
			}
		}
	}
}
