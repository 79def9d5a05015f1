package queue

import (
	"flag"
	"testing"
	"time"
)

var all = flag.Bool("all", false, "run the rows with much in the queue, too")

// TestRows runs every row once.
func TestRows(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rows() {
		if seen[r.Name] {
			t.Errorf("two rows %s", r.Name)
		}
		seen[r.Name] = true
		if size := r.Name[len(r.Name)-1]; !*all && (size == 'M' || size == 'k') {
			continue
		}
		start := time.Now()
		s, err := r.Measure(2 * time.Millisecond)
		if err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		t.Logf("%s: %.1f ns, %.2f allocs, took %v", r.Name, s.Ns, s.Allocs, time.Since(start))
	}
}
