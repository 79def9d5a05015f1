// Package recursive has types that lead to themselves.
package recursive

// Task is a tree.
//
//tqgen:queue
type Task struct {
	Name     string `json:"name"`
	Parent   *Task  `json:"parent,omitempty"`
	Children []Task `json:"children,omitempty"`
	Named    map[string]*Task
	List     *Node
	Forest   Forest
	Even     *Even
	Peer     Peer
	Deep     ***int
}

// Node is a linked list.
type Node struct {
	Value int
	Next  *Node
}

// Forest is a slice of itself.
type Forest []Forest

// Even and Odd lead to each other.
type (
	Even struct{ Odd *Odd }
	Odd  struct {
		Even *Even
		Name string
	}
)

// Peer leads to nothing.
type Peer struct{ ID string }
