// Package shared has payloads of structs that have codecs of their own.
package shared

import "github.com/tqgen/tqgen/golden/accept/shared/geo"

// Task holds shared structs in every way, and is one.
//
//tqgen:queue
//tqgen:codec
type Task struct {
	Place  geo.Place             `json:"place"`
	Ptr    *geo.Place            `json:"ptr"`
	Slice  []geo.Place           `json:"slice"`
	Array  [2]geo.Place          `json:"array"`
	Map    map[int8]geo.Place    `json:"map"`
	Ptrs   map[string]*geo.Road  `json:"ptrs"`
	Route  geo.Route             `json:"route"`
	Box    geo.PlaceBox          `json:"box"`
	Other  geo.Box[geo.Place]    `json:"other"`
	Marked geo.Marked            `json:"marked"`
	Marks  map[string]geo.Marked `json:"marks"`
	Here   Here                  `json:"here"`
	Empty  geo.Empty             `json:"empty"`
	geo.Crossing
}

// Here is a place by another name.
type Here = geo.Place

// Errand has its queue in this package, and holds what is a payload elsewhere.
//
//tqgen:queue out=.
type Errand struct {
	Task  Task
	Tasks []Task
	Place geo.Place
}

// Safe holds what is sensitive, and is sensitive about what it holds.
//
//tqgen:queue package=safequeue
type Safe struct {
	Vault geo.Vault
	//tqgen:sensitive
	Place geo.Place
}
