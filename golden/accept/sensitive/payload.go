// Package sensitive has fields that no log shows, at every depth.
package sensitive

import (
	"time"

	"github.com/tqgen/tqgen/golden/accept/sensitive/vault"
)

// Order is paid for.
//
//tqgen:queue
type Order struct {
	ID      string        `json:"id"`
	Number  int           `json:"number"`
	Weight  float32       `json:"weight"`
	Size    uint8         `json:"size"`
	Express bool          `json:"express"`
	At      time.Time     `json:"at"`
	Within  time.Duration `json:"within"`
	State   State         `json:"state"`
	Level   Level         `json:"level"`
	Tags    []string      `json:"tags"`

	//tqgen:sensitive
	Note string `json:"note"`

	Card   Card            `json:"card"`
	Spare  *Card           `json:"spare"`
	Cards  []Card          `json:"cards"`
	ByName map[string]Card `json:"byName"`
	Pair   [2]Card         `json:"pair"`
	Key    vault.Key       `json:"key"`

	Contact
	*Origin

	Cache map[string]string `json:"-"`
}

// Card holds what must not be seen, two levels down.
type Card struct {
	Bank string `json:"bank"`
	Code Code   `json:"code"`
}

// Code is half secret.
type Code struct {
	Length int `json:"length"`
	//tqgen:sensitive
	Digits string `json:"digits"`
}

// Contact is embedded.
type Contact struct {
	Name string `json:"name"`
	//tqgen:sensitive
	Phone string `json:"phone"`
}

// Origin is embedded by pointer.
type Origin struct {
	Country string `json:"country"`
}

// State says itself how it looks.
type State int

// String is the state's name.
func (s State) String() string { return [...]string{"open", "closed"}[s] }

// Level is a plain number.
type Level int16
