// Package arrays has arrays of every kind.
package arrays

// Task has them.
//
//tqgen:queue
type Task struct {
	Bytes   [4]byte
	Ints    [3]int
	Strings [2]string
	Nested  [2][3]float64
	Structs [2]Peer
	Ptrs    [2]*Peer
	Slices  [2][]int
	Maps    [1]map[string]int
	None    [0]string
	InSlice [][2]int
	InMap   map[string][2]Peer
	Ptr     *[2]int
	SliceP  *[]int
	MapP    *map[string]int
}

// Peer is an element.
type Peer struct{ A, B string }
