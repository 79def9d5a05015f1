package taskqueue

import (
	"testing"

	"github.com/tqgen/tqgen/golden/accept/recursive"
)

// TestPayloadSize shows what counts, and that a cycle ends.
func TestPayloadSize(t *testing.T) {
	t.Parallel()
	empty := payloadSize(&recursive.Task{})
	node := &recursive.Node{Value: 1, Next: &recursive.Node{}}
	for name, c := range map[string]struct {
		task recursive.Task
		held int
	}{
		"string":   {recursive.Task{Name: "four"}, 4},
		"list":     {recursive.Task{List: node}, 2 * 16},
		"children": {recursive.Task{Children: make([]recursive.Task, 1, 3)}, 3 * empty},
		"even":     {recursive.Task{Even: &recursive.Even{Odd: &recursive.Odd{Name: "odd"}}}, 8 + 24 + 3},
	} {
		if got := payloadSize(&c.task) - empty; got != c.held {
			t.Errorf("%s: holds %d, want %d", name, got, c.held)
		}
	}

	node.Next.Next = node
	if got := payloadSize(&recursive.Task{List: node}); got < 1<<16 {
		t.Errorf("a cycle counts as %d bytes", got)
	}
}
