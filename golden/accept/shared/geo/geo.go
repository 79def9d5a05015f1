// Package geo has structs with codecs of their own, for the payloads of other
// packages.
package geo

import "time"

// Place has what nobody else could name, or show.
//
//tqgen:codec
type Place struct {
	ID    string    `json:"id"`
	Since time.Time `json:"since,omitzero"`
	State status    `json:"state"`
	Lat   float64   `json:"lat"`
	Code  int       `json:"code"`
	zone
}

type status struct {
	Open bool `json:"open,string"`
	Tags []tag
}

type tag string

type zone struct{ Zone string }

// Route holds other shared structs, and itself.
//
//tqgen:codec
type Route struct {
	Start, End Place
	Stops      []Place
	ByName     map[string]Place
	Next       *Route `json:",omitempty"`
	Twin       *[2]Place
}

// Road and Crossing hold each other: each codec has functions for both.
//
//tqgen:codec
type Road struct {
	Name string
	Ends []Crossing
}

// Crossing is where roads meet.
//
//tqgen:codec
type Crossing struct {
	At    Place
	Roads map[string]*Road
}

// Box is generic: its instantiations can have codecs.
type Box[T any] struct {
	Value T
	More  []T
}

// PlaceBox is one.
//
//tqgen:codec
type PlaceBox Box[Place]

// Marked has a method that counts where the value has an address.
//
//tqgen:codec
type Marked struct {
	Mark Mark
	At   Place
}

// Mark is written as a string where it has an address.
type Mark struct{ N int }

// MarshalText has a pointer receiver.
func (m *Mark) MarshalText() ([]byte, error) { return []byte{'m', byte('0' + m.N&7)}, nil }

// UnmarshalText undoes it.
func (m *Mark) UnmarshalText(text []byte) error {
	if len(text) > 1 {
		m.N = int(text[1] - '0')
	}

	return nil
}

// Vault has something to hide.
//
//tqgen:codec
type Vault struct {
	Name string
	//tqgen:sensitive
	PIN int
}

// Empty has no members.
//
//tqgen:codec
type Empty struct{}

// Sum uses what is unexported.
func Sum(p Place) string { return p.Zone }
