// Package sensitive has fields that no log shows, at every depth.
package sensitive

import (
	"strconv"
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
	//tqgen:sensitive
	Pin Pin `json:"pin"`
}

// Pin says what it is when it refuses to be written, or read.
type Pin struct{ digits string }

// NewPin makes a pin of any text; one that is no number has no JSON form.
func NewPin(digits string) Pin { return Pin{digits} }

// MarshalJSON is the pin's digits.
func (p Pin) MarshalJSON() ([]byte, error) {
	if _, err := strconv.ParseUint("0"+p.digits, 10, 64); err != nil {
		return nil, err
	}

	return strconv.AppendQuote(nil, p.digits), nil
}

// UnmarshalJSON reads the pin's digits.
func (p *Pin) UnmarshalJSON(src []byte) error {
	text, err := strconv.Unquote(string(src))
	if err != nil {
		return err
	}
	if _, err := strconv.ParseUint("0"+text, 10, 64); err != nil {
		return err
	}
	p.digits = text

	return nil
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
