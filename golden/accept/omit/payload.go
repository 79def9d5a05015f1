// Package omit has the options omitempty, omitzero and string on every kind.
package omit

import "time"

// Task begins with fields that may be left out.
//
//tqgen:queue
type Task struct {
	Empty  Empty
	Zero   Zero
	Both   Both
	Quoted Quoted
	Single Single
	Late   Late
}

// Empty has omitempty on every kind.
type Empty struct {
	Bool   bool           `json:",omitempty"`
	Int    int            `json:",omitempty"`
	Uint   uint8          `json:",omitempty"`
	Float  float64        `json:",omitempty"`
	String string         `json:",omitempty"`
	Bytes  []byte         `json:",omitempty"`
	Slice  []int          `json:",omitempty"`
	Map    map[string]int `json:",omitempty"`
	Ptr    *int           `json:",omitempty"`
	Struct Point          `json:",omitempty"`
	Array  [2]int         `json:",omitempty"`
	None   [0]int         `json:",omitempty"`
	Time   time.Time      `json:",omitempty"`
	Named  Named          `json:",omitempty"`
}

// Zero has omitzero on every kind.
type Zero struct {
	Bool     bool           `json:",omitzero"`
	Int      int            `json:",omitzero"`
	Float    float32        `json:",omitzero"`
	String   string         `json:",omitzero"`
	Slice    []int          `json:",omitzero"`
	Map      map[string]int `json:",omitzero"`
	Ptr      *int           `json:",omitzero"`
	Struct   Point          `json:",omitzero"`
	Array    [2]Point       `json:",omitzero"`
	None     [0]int         `json:",omitzero"`
	Time     time.Time      `json:",omitzero"`
	TimePtr  *time.Time     `json:",omitzero"`
	ByValue  ByValue        `json:",omitzero"`
	ByPtr    ByPtr          `json:",omitzero"`
	ByPtrPtr *ByPtr         `json:",omitzero"`
	Wide     Wide           `json:",omitzero"`
	Wides    [2]Wide        `json:",omitzero"`
	Lists    [2][]int       `json:",omitzero"`
	Unit     struct{}       `json:",omitzero"`
}

// Both has two options at once, and a member that is always there.
type Both struct {
	Slice   []int  `json:"a,omitempty,omitzero"`
	ByPtr   *ByPtr `json:"b,omitempty,omitzero"`
	Time    Named  `json:"c,omitzero,omitempty"`
	Always  int    `json:"d"`
	Trailed string `json:"e,omitempty"`
}

// Quoted has the option string on every kind, with effect and without.
type Quoted struct {
	Bool    bool            `json:",string"`
	Int     int             `json:",string"`
	Int8    int8            `json:",string"`
	Uint64  uint64          `json:",string"`
	Float   float64         `json:",string"`
	Float32 float32         `json:",string"`
	String  string          `json:",string"`
	Named   Named           `json:",string"`
	BoolPtr *bool           `json:",string"`
	IntPtr  *int            `json:",string"`
	StrPtr  *string         `json:",string"`
	Deep    **int           `json:",string"`
	Slice   []int           `json:",string"`
	Struct  Point           `json:",string"`
	Map     map[string]bool `json:",string"`
	Omit    int             `json:"omit,omitempty,string"`
	Uintptr uintptr         `json:",string"`
}

// Single has one field that may be left out.
type Single struct {
	A string `json:"a,omitempty"`
}

// Late has a member that is always there behind others.
type Late struct {
	A string `json:"a,omitempty"`
	B int    `json:"b,omitempty"`
	C bool   `json:"c"`
	*Point
}

// Named is a string.
type Named string

// Point can be compared.
type Point struct{ X, Y int }

// Wide cannot be compared.
type Wide struct {
	List  []int
	Point Point
	Func  func() `json:"-"`
	Any   any    `json:"-"`
	_     int
	Inner struct{ M map[string]int }
}

// ByValue says itself when it is zero.
type ByValue struct{ N int }

// IsZero is true of odd numbers.
func (b ByValue) IsZero() bool { return b.N%2 != 0 }

// ByPtr says itself when it is zero.
type ByPtr struct{ N int }

// IsZero is true of even numbers.
func (b *ByPtr) IsZero() bool { return b.N%2 == 0 }
