// Package geo has the name of another package.
package geo

// Point has another shape than its namesake.
type Point struct {
	Lat, Long float32
	Label     string `json:"label,omitempty"`
}
