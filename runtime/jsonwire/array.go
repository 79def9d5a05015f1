package jsonwire

// An Array is the reading of one array.
type Array struct {
	Index int // of the current element
	Pos   int // where it starts, to be set to where it ends; after the last, where the array ends

	r     *Reader
	start int // where the array starts
	at    place
}

// Array enters the array at i. For null, and for a value of another type, which
// is a TypeError, it has no elements.
func (r *Reader) Array(i int) Array {
	i, entered := r.enter(i, '[', "array")

	return Array{Index: -1, Pos: i, r: r, start: i, at: place{open: entered, separator: '['}}
}

// Next moves to the next element, which is to be read by the caller.
func (a *Array) Next() bool {
	r := a.r
	if r.trouble == 0 && a.at.separator == ',' && a.Pos < len(r.src) && r.src[a.Pos] == ',' {
		a.Pos++
		a.Index++

		return true
	}

	return a.next()
}

func (a *Array) next() bool {
	if !a.r.goOn(&a.at, nil) {
		return false
	}
	var more bool
	if a.Pos, more = a.r.separator(a.Pos, a.at.separator, ']'); !more {
		a.at = place{ended: a.r.trouble&stopped == 0}
		return false
	}
	a.at.separator = ','
	a.Index++

	return true
}

// Empty reports whether there was an array, and it had no elements.
func (a *Array) Empty() bool { return a.at.ended && a.Index < 0 }

// Cut returns how many of n elements the array has set: the rest is to be cut
// off a slice or zeroed in an array. It is n if there was no array or its
// reading has ended early.
func (a *Array) Cut(n int) int {
	if !a.at.ended {
		return n
	}

	return min(n, a.Index+1)
}

// Room returns how many elements to make room for, the current one included:
// as many as the rest of the document would hold, within a factor of those
// there are.
func (a *Array) Room() int {
	if a.Index <= 0 {
		return 1
	}
	size := max(1, (a.Pos-a.start)/a.Index)

	return min(1+(len(a.r.src)-a.Pos)/size, 3*a.Index)
}
