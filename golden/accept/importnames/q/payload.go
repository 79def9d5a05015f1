// Package q is named like the receiver of a generated method.
package q

// Letter is written.
//
//tqgen:queue
type Letter struct {
	Body Body `json:"body"`
}

// Body is what it says.
type Body struct {
	Lines []string `json:"lines"`
}
