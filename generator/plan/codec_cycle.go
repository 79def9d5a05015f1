package plan

import (
	"go/types"

	"golang.org/x/tools/go/types/typeutil"
)

// deepest is how far instantiations may be nested in each other's arguments.
// Whoever writes types stays far below it; one that makes ever larger
// instantiations of itself, which the compiler refuses, does not.
const deepest = 50

// expands says whether t is part of an instantiation cycle, which a walk over
// the types would follow for ever. The compiler refuses it, and so did load.
func expands(t types.Type, seen *typeutil.Map) bool {
	if nesting(t, 0) > deepest {
		return true
	}
	if seen.Set(t, true) != nil {
		return false
	}
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		return expands(u.Elem(), seen)
	case *types.Slice:
		return expands(u.Elem(), seen)
	case *types.Array:
		return expands(u.Elem(), seen)
	case *types.Map:
		return expands(u.Key(), seen) || expands(u.Elem(), seen)
	case *types.Struct:
		for v := range u.Fields() {
			if expands(v.Type(), seen) {
				return true
			}
		}
	}

	return false
}

// nesting is how deep the type arguments of t are nested.
func nesting(t types.Type, depth int) int {
	if depth > deepest {
		return depth
	}
	switch u := types.Unalias(t).(type) {
	case *types.Pointer:
		return nesting(u.Elem(), depth+1)
	case *types.Slice:
		return nesting(u.Elem(), depth+1)
	case *types.Array:
		return nesting(u.Elem(), depth+1)
	case *types.Map:
		return max(nesting(u.Key(), depth+1), nesting(u.Elem(), depth+1))
	case *types.Named:
		most := depth
		for a := range u.TypeArgs().Types() {
			most = max(most, nesting(a, depth+1))
		}

		return most
	}

	return depth
}
