// Package geo has types for the payload of another package.
package geo

// Base is embedded there.
type Base struct {
	ID   string `json:"id"`
	note string
	zone
}

type zone struct{ Zone string }

// Point has fields nobody else can name.
type Point struct {
	X, Y  float64
	cache int
}

// Shown is a type nobody else could name but for it.
type Shown = hidden

type hidden struct{ A, B int }

// Sum uses what is unexported.
func Sum(b Base, p Point) string { return b.note + string(rune(p.cache)) }
