package codec

import (
	"testing"
	"time"
)

// TestRows runs every row once.
func TestRows(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rows() {
		if seen[r.Name] {
			t.Errorf("two rows %s", r.Name)
		}
		seen[r.Name] = true
		s, err := r.Measure(2 * time.Millisecond)
		if err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		t.Log(r.Name, s)
	}
}

// TestSizes holds what the documentation says of the payloads.
func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		v        any
		min, max int
	}{{Small(), 40, 80}, {Lease(), 865, 865}, {Large(), 13500, 14500}} {
		if n := len(mustMarshal(tt.v)); n < tt.min || n > tt.max {
			t.Errorf("%T has %d bytes of JSON, want %d to %d", tt.v, n, tt.min, tt.max)
		}
	}
}
