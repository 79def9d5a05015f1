// Package mapkeys has maps with every kind of key.
package mapkeys

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Task has them all.
//
//tqgen:queue
type Task struct {
	Strings  map[string]int
	Named    map[Zone]Peer
	Ints     map[int]string
	Int8s    map[int8]bool
	Codes    map[Code]*Peer
	Uints    map[uint]string
	Uint8s   map[uint8][]string
	Ptrs     map[uintptr]int
	Words    map[Word]int
	Points   map[Point]string
	Addrs    map[netip.Addr]string
	Times    map[time.Duration]int
	Both     map[Both]int
	Numbers  map[json.Number]int
	Nested   map[string]map[int]map[Zone][]byte
	Values   map[string]Peer
	Pointers map[string]*int
	Arrays   map[string][2]int
	Slices   map[string][]Peer
}

// Zone is a string without methods.
type Zone string

// Code is an integer without methods.
type Code int16

// Peer is a value.
type Peer struct{ ID string }

// Word is a string: its MarshalText is not asked, its UnmarshalText is.
type Word string

// MarshalText is never called.
func (w Word) MarshalText() ([]byte, error) { return []byte("text of " + string(w)), nil }

// UnmarshalText takes all but one.
func (w *Word) UnmarshalText(text []byte) error {
	if string(text) == "refused" {
		return errors.New("refused")
	}
	*w = Word(text)

	return nil
}

// Point is a struct with a text form.
type Point struct{ X, Y int8 }

// MarshalText fails for one point.
func (p Point) MarshalText() ([]byte, error) {
	if p == (Point{7, 7}) {
		return nil, errors.New("no seven")
	}

	return []byte(strconv.Itoa(int(p.X)) + "/" + strconv.Itoa(int(p.Y))), nil
}

// UnmarshalText is not the inverse of MarshalText.
func (p *Point) UnmarshalText(text []byte) error {
	p.X = int8(len(text))

	return nil
}

// Both is an integer that is read by UnmarshalJSON.
type Both int

// MarshalText adds a letter.
func (b Both) MarshalText() ([]byte, error) { return []byte("b" + strconv.Itoa(int(b))), nil }

// UnmarshalText is never called.
func (b *Both) UnmarshalText([]byte) error { return errors.New("never") }

// UnmarshalJSON is given the quoted name.
func (b *Both) UnmarshalJSON(raw []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(raw), `"b`))
	*b = Both(n)

	return err
}
