// Package embedded has embedded structs with every rule of dominance.
package embedded

// Task embeds by value, by pointer, with and without tags.
//
//tqgen:queue
type Task struct {
	Base
	*Pointed
	inner
	Tagged `json:"tagged"`
	Twice1
	Twice2
	Left
	Right
	State
	*Shade
	Renamed
	Shadow string
	Own    string `json:"own"`
}

// Base is promoted; its Shadow is hidden by the outer one.
type Base struct {
	ID     string `json:"id"`
	Shadow int
	Deep
}

// Deep is two levels down.
type Deep struct {
	Zone string
	ID   int `json:"id"` // hidden by Base.ID
	*Deeper
}

// Deeper is behind a pointer, two levels down.
type Deeper struct {
	Bottom string `json:"bottom,omitempty"`
	Count  int
}

// Pointed is allocated when one of its fields is decoded.
type Pointed struct {
	Note  string
	Score float64 `json:",omitempty"`
	Extra *Extra
}

// Extra is no embedded struct.
type Extra struct{ A, B int }

type inner struct {
	Exported string
	hidden   string
}

// Tagged is a member of its own, since it is tagged.
type Tagged struct{ A string }

// Twice1 and Twice2 embed one type: its fields vanish.
type (
	Twice1 struct{ Twin }
	Twice2 struct{ Twin }
	Twin   struct{ Lost string }
)

// Left and Right have fields of one name: both vanish, unless one is tagged.
type (
	Left struct {
		Both string
		Won  string
	}
	Right struct {
		Both string
		Lost string `json:"Won"`
	}
)

// State is no struct: it is a member by its type's name.
type State int

// Shade is one behind a pointer.
type Shade string

// Renamed has a tag that hides a field of another name.
type Renamed struct {
	Else string `json:"own"`
	Last bool
}

var _ = inner{hidden: ""}.hidden
