// Package time is named like a package that generated code imports, and has
// fields of that package's types.
package time

import "time"

// Alarm rings.
//
//tqgen:queue
type Alarm struct {
	At     time.Time     `json:"at"`
	Snooze time.Duration `json:"snooze"`
	Zone   Zone          `json:"zone"`
}

// Zone is where it rings.
type Zone struct {
	Name string `json:"name"`
}
