// Package minimal is the least a payload can be.
package minimal

// Task is one piece of work.
//
//tqgen:queue
type Task struct {
	ID    string `json:"id"`
	Count int    `json:"count"`
}
