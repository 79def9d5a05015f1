package tq

// heapEntry is a slot and the two keys it is ordered by.
type heapEntry struct {
	key1 int64
	key2 uint64
	slot Slot
}

func (a heapEntry) before(b heapEntry) bool {
	return a.key1 < b.key1 || a.key1 == b.key1 && a.key2 < b.key2
}

// heap is a binary min-heap. Entries hold their keys, so sifting reads no slot,
// and nothing is ever removed but the top.
type heap []heapEntry

func (h *heap) push(e heapEntry) {
	*h = append(*h, e)
	a := *h
	k := len(a) - 1
	for k > 0 {
		p := (k - 1) / 2
		if !e.before(a[p]) {
			break
		}
		a[k] = a[p]
		k = p
	}
	a[k] = e
}

func (h *heap) pop() Slot {
	a := *h
	top, n := a[0].slot, len(a)-1
	e := a[n]
	a = a[:n]
	*h = a
	if n == 0 {
		return top
	}
	k := 0
	for {
		c := 2*k + 1
		if c >= n {
			break
		}
		if c+1 < n && a[c+1].before(a[c]) {
			c++
		}
		if !a[c].before(e) {
			break
		}
		a[k] = a[c]
		k = c
	}
	a[k] = e

	return top
}
