// Package ownmethods has a payload that is its own codec.
package ownmethods

import (
	"encoding/json"
	"errors"
)

// Task has a field without a JSON form, which its methods take care of.
//
//tqgen:queue
type Task struct {
	ID   string
	Done chan struct{}
}

// MarshalJSON writes the ID alone, and not every one.
func (t *Task) MarshalJSON() ([]byte, error) {
	if t.ID == "a" {
		return nil, errors.New("no a")
	}

	return json.Marshal(t.ID)
}

// UnmarshalJSON reads the ID.
func (t *Task) UnmarshalJSON(src []byte) error { return json.Unmarshal(src, &t.ID) }
