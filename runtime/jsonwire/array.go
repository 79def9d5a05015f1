package jsonwire

// An Array is the reading of one array.
type Array struct {
	Index int // of the current element

	r     *Reader
	start int // where the array starts
	at    place
}

// Array enters an array. For null, and for a value of another type, which is a
// TypeError, it has no elements.
func (r *Reader) Array() Array {
	at := r.enter('[', "array")

	return Array{Index: -1, r: r, start: r.pos, at: at}
}

// Next moves to the next element, which is to be read by the caller.
func (a *Array) Next() bool {
	r := a.r
	if r.trouble == 0 && a.at.sep == ',' && r.pos < len(r.src) && r.src[r.pos] == ',' {
		r.pos++
		a.Index++

		return true
	}

	return a.next()
}

func (a *Array) next() bool {
	if a.at.sep == closed || a.r.trouble != 0 && !a.r.unwind(int(a.at.depth), "") {
		return false
	}
	i, more := a.r.separator(&a.at, ']')
	if !more {
		return false
	}
	a.r.pos = i
	a.Index++

	return true
}

// ended reports whether the closing bracket has been read.
func (a *Array) ended() bool { return a.at.sep == closed && a.at.depth > 0 }

// Empty reports whether there was an array, and it had no elements.
func (a *Array) Empty() bool { return a.ended() && a.Index < 0 }

// Cut returns how many of n elements the array has set: the rest is to be cut
// off a slice or zeroed in an array. It is n if there was no array or its
// reading has ended early.
func (a *Array) Cut(n int) int {
	if !a.ended() {
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
	size := max(1, (a.r.pos-a.start)/a.Index)

	return min(1+(len(a.r.src)-a.r.pos)/size, 3*a.Index)
}
