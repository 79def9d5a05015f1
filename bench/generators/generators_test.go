package generators

import (
	"flag"
	"testing"
)

var all = flag.Bool("all", false, "run every generator, which builds seven programs first")

// TestRows runs every generator.
func TestRows(t *testing.T) {
	if !*all {
		t.Skip("without -all")
	}
	g := new(Generators)
	if err := g.Build(t.TempDir(), ".."); err != nil {
		t.Fatal(err)
	}
	for _, r := range g.Rows() {
		s, err := r.Measure(0)
		if err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		t.Logf("%s: %.0f ms", r.Name, s.Ns/1e6)
	}
}
