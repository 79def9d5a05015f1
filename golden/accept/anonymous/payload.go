// Package anonymous has structs without a name.
package anonymous

// Task has them in every place.
//
//tqgen:queue
type Task struct {
	Meta struct {
		A    string `json:"a"`
		Deep struct{ B []int }
	}
	List []struct {
		ID string `json:"id,omitempty"`
	}
	Map   map[string]struct{ X, Y int }
	Ptr   *struct{ A, B string }
	Array [2]struct{ N int }
	Unit  struct{}
	Same1 struct{ A, B string }
}
