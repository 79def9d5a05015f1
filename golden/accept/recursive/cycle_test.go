package recursive_test

import (
	"errors"
	"testing"

	"github.com/tqgen/tqgen/golden/accept/recursive"
	"github.com/tqgen/tqgen/golden/accept/recursive/taskqueue"
	"github.com/tqgen/tqgen/runtime/jsonwire"
)

// TestCycle shows that encoding a payload that leads back to itself is an
// error, whichever kind of type it goes through.
func TestCycle(t *testing.T) {
	t.Parallel()
	node := &recursive.Node{Value: 1}
	node.Next = node
	even := &recursive.Even{Odd: &recursive.Odd{}}
	even.Odd.Even = even
	forest := recursive.Forest{nil}
	forest[0] = forest
	parent := &recursive.Task{}
	parent.Parent = parent
	named := map[string]*recursive.Task{}
	named["x"] = &recursive.Task{Named: named}

	for name, task := range map[string]*recursive.Task{
		"list": {List: node}, "even": {Even: even}, "forest": {Forest: forest},
		"parent": parent, "map": {Named: named},
	} {
		dst, err := taskqueue.AppendJSON([]byte("x"), task)
		var unsupported *jsonwire.UnsupportedValueError
		if !errors.As(err, &unsupported) {
			t.Errorf("%s: %v", name, err)
		}
		if string(dst) != "x" {
			t.Errorf("%s: %d bytes are left in dst", name, len(dst))
		}
	}
}
