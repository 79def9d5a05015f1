package tq_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Each series is one combination of values, the last label's first.
func TestLabels(t *testing.T) {
	t.Parallel()
	if got := (tq.Labels{}).Series(); got != 1 {
		t.Errorf("without labels there are %d series, want 1", got)
	}
	labels := tq.Labels{{"region", []string{"eu", "us"}}, {"urgent", []string{"true"}}}
	var got [][2]string
	for series := range labels.Series() {
		got = append(got, [2]string{labels.Value(0, series), labels.Value(1, series)})
	}
	want := [][2]string{
		{"eu", "true"}, {"eu", "other"}, {"us", "true"}, {"us", "other"}, {"other", "true"}, {"other", "other"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
	q := openQueue(t, policy())
	if l := q.Probe().Labels(); l != nil {
		t.Errorf("a store without labels has %v", l)
	}
}
