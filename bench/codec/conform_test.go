package codec

import (
	"testing"

	"github.com/tqgen/tqgen/bench/conform"
)

// TestConformance holds that tqgen has no line to its name, and that the cases
// tell codecs apart.
func TestConformance(t *testing.T) {
	for _, c := range Codecs() {
		failed := 0
		for _, k := range conform.Cases() {
			if k.Fatal && c.Name != "tqgen" && c.Name != "encoding/json" {
				continue
			}
			err := k.Check(c)
			if err == nil {
				continue
			}
			failed++
			if c.Name == "tqgen" || c.Name == "encoding/json" {
				t.Errorf("%s: line %d, %s: %v", c.Name, k.Line, k.Name, err)
			} else {
				t.Logf("%s: line %d, %s: %.200v", c.Name, k.Line, k.Name, err)
			}
		}
		t.Logf("%s: %d", c.Name, failed)
	}
}
