// Package sharedstrings has a payload whose strings are read as parts of one
// copy of the document.
package sharedstrings

// Task is mostly strings that are dropped together.
//
//tqgen:queue strings=shared
type Task struct {
	ID     string            `json:"id"`
	Names  []string          `json:"names"`
	Labels map[string]string `json:"labels"`
	Word   Word              `json:"word"`
	Part   Part              `json:"part"`
	Raw    []byte            `json:"raw"`
}

// Word is a string.
type Word string

// Part has a codec of its own, which follows the reader.
//
//tqgen:codec
type Part struct {
	Text string `json:"text"`
}
