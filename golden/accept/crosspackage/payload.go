// Package crosspackage has types of other packages and aliases.
package crosspackage

import (
	"go/token"
	"image"
	"net/url"

	"github.com/tqgen/tqgen/golden/accept/crosspackage/geo"
	other "github.com/tqgen/tqgen/golden/accept/crosspackage/other/geo"
)

// Task has types of everywhere.
//
//tqgen:queue
type Task struct {
	geo.Base
	Point    geo.Point
	Other    other.Point
	Aliased  Here
	AliasPtr *Here
	Aliases  []Here
	Names    StringMap
	Hidden   geo.Shown
	Position token.Position
	Rect     image.Rectangle
	Link     url.URL
	LinkPtr  *url.URL
	Embeds   Embeds
}

// Here is a point by another name.
type Here = geo.Point

// StringMap is no type of its own.
type StringMap = map[string]geo.Point

// Embeds embeds an alias.
type Embeds struct {
	Here
	Name string
}
