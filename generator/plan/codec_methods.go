package plan

import (
	"go/token"
	"go/types"
)

// The interfaces encoding/json looks for, and the one of omitzero.
var (
	jsonMarshaler   = byteser("MarshalJSON")
	textMarshaler   = byteser("MarshalText")
	jsonUnmarshaler = byteTaker("UnmarshalJSON")
	textUnmarshaler = byteTaker("UnmarshalText")
	zeroer          = oneMethod("IsZero", nil, []types.Type{types.Typ[types.Bool]})
)

var (
	bytesType = types.NewSlice(types.Typ[types.Byte])
	errorType = types.Universe.Lookup("error").Type()
)

// byteser is interface{ name() ([]byte, error) }.
func byteser(name string) *types.Interface {
	return oneMethod(name, nil, []types.Type{bytesType, errorType})
}

// byteTaker is interface{ name([]byte) error }.
func byteTaker(name string) *types.Interface {
	return oneMethod(name, []types.Type{bytesType}, []types.Type{errorType})
}

func oneMethod(name string, params, results []types.Type) *types.Interface {
	signature := types.NewSignatureType(nil, nil, nil, tuple(params), tuple(results), false)
	method := types.NewFunc(token.NoPos, nil, name, signature)

	return types.NewInterfaceType([]*types.Func{method}, nil).Complete()
}

func tuple(list []types.Type) *types.Tuple {
	vars := make([]*types.Var, len(list))
	for i, t := range list {
		vars[i] = types.NewParam(token.NoPos, nil, "", t)
	}

	return types.NewTuple(vars...)
}

// method is the pair of methods that stands for a type in JSON.
type method uint8

const (
	noMethod method = iota
	jsonMethod
	textMethod
)

// appendMethod says which method encodes a t. A method of *t counts where the
// value is addressable.
func appendMethod(t types.Type, addressable bool) method {
	byAddress := addressable && !isPointer(t)
	switch {
	case byAddress && types.Implements(types.NewPointer(t), jsonMarshaler), types.Implements(t, jsonMarshaler):
		return jsonMethod
	case byAddress && types.Implements(types.NewPointer(t), textMarshaler), types.Implements(t, textMarshaler):
		return textMethod
	default:
		return noMethod
	}
}

// decodeMethod says which method of the pointer type p decodes what it points
// to.
func decodeMethod(p types.Type) method {
	switch {
	case types.Implements(p, jsonUnmarshaler):
		return jsonMethod
	case types.Implements(p, textUnmarshaler):
		return textMethod
	default:
		return noMethod
	}
}

// dependsOnAddress reports whether the JSON of a t is another one where the
// value is not addressable, as within a map: it holds, by value, something
// whose method has a pointer receiver.
func dependsOnAddress(t types.Type) bool {
	if isPointer(t) {
		return false
	}
	if appendMethod(t, true) != appendMethod(t, false) {
		return true
	}
	if appendMethod(t, true) != noMethod {
		return false
	}

	switch u := t.Underlying().(type) {
	case *types.Array:
		return dependsOnAddress(u.Elem())
	case *types.Struct:
		for _, f := range jsonFields(t).list {
			if len(f.pointers()) == 0 && dependsOnAddress(f.variable().Type()) {
				return true
			}
		}
	}

	return false
}

func isPointer(t types.Type) bool {
	_, ok := t.Underlying().(*types.Pointer)

	return ok
}

// isNamed reports whether t has a name, as reflect has it: predeclared and
// instantiated types do.
func isNamed(t types.Type) bool {
	switch types.Unalias(t).(type) {
	case *types.Named, *types.Basic:
		return true
	default:
		return false
	}
}

// isType reports whether t is the type name of the package at path.
func isType(t types.Type, path, name string) bool {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok {
		return false
	}
	object := named.Obj()

	return object.Name() == name && object.Pkg() != nil && object.Pkg().Path() == path
}
