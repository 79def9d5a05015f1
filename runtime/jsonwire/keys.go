package jsonwire

import (
	"cmp"
	"slices"
	"sync"
)

// Keys is borrowed room to sort the keys of one map in:
//
//	keys := jsonwire.BorrowKeys()
//	defer keys.Release()
//	for k := range m {
//		keys.Strings = append(keys.Strings, string(k))
//	}
//	for i, k := range keys.SortedStrings() {
//		…
//	}
//
// Keys whose text comes from MarshalText are sorted by the caller, with their
// values, since two of them may have one text.
type Keys struct {
	Strings []string
	Ints    []int64
	Uints   []uint64
}

var keysPool = sync.Pool{New: func() any { return new(Keys) }}

// maxKeysKept bounds what a returned Keys may hold on to.
const maxKeysKept = 1024

// BorrowKeys returns empty Keys, to be given back by Release.
func BorrowKeys() *Keys { return keysPool.Get().(*Keys) }

// Release gives k back. It must not be used after that.
func (k *Keys) Release() {
	if max(cap(k.Strings), cap(k.Ints), cap(k.Uints)) > maxKeysKept {
		return
	}
	clear(k.Strings)
	k.Strings, k.Ints, k.Uints = k.Strings[:0], k.Ints[:0], k.Uints[:0]
	keysPool.Put(k)
}

// SortedStrings sorts and returns k.Strings.
func (k *Keys) SortedStrings() []string {
	slices.Sort(k.Strings)
	return k.Strings
}

// SortedInts sorts k.Ints by their text, so that 10 goes before 9 as in any
// object, and returns them.
func (k *Keys) SortedInts() []int64 {
	slices.SortFunc(k.Ints, compareInts)
	return k.Ints
}

// SortedUints is SortedInts for k.Uints.
func (k *Keys) SortedUints() []uint64 {
	slices.SortFunc(k.Uints, compareUints)
	return k.Uints
}

func compareInts(a, b int64) int {
	switch {
	case a < 0 && b < 0:
		return compareUints(-uint64(a), -uint64(b))
	case a < 0 || b < 0: // a minus goes before all digits
		return cmp.Compare(a, b)
	}

	return compareUints(uint64(a), uint64(b))
}

// compareUints compares the decimal texts of a and b.
func compareUints(a, b uint64) int {
	// Strip the longer one to the other's length. Equal then means a prefix.
	x, y := a, b
	n, m := digitCount(a), digitCount(b)
	for ; n > m; n-- {
		x /= 10
	}
	for ; m > n; m-- {
		y /= 10
	}
	if c := cmp.Compare(x, y); c != 0 {
		return c
	}

	return cmp.Compare(a, b)
}

func digitCount(n uint64) int {
	count := 1
	for ; n >= 10; n /= 10 {
		count++
	}

	return count
}
