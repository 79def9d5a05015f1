package plan

import (
	"go/types"

	"github.com/tqgen/tqgen/generator/model"
)

// appendFunc gives the function that appends a t, and plans it when it is asked
// for first. Where a method makes a difference between values that have an
// address and those that have none, there are two functions.
func (c *codecPlanner) appendFunc(t types.Type, addressable bool) string {
	known, suffix := &c.appends, ""
	if !addressable && dependsOnAddress(t) {
		known, suffix = &c.inMaps, "InMap"
	} else {
		addressable = true
	}
	if name, ok := known.At(t).(string); ok {
		return name
	}

	name := c.scope.function("append" + c.word(t) + suffix)
	known.Set(t, name)
	at := len(c.codec.Appenders)
	c.codec.Appenders = append(c.codec.Appenders, model.Func{Name: name})
	f := model.Func{Name: name, Elem: c.appendBody(t, addressable)}
	if f.Elem.Kind == model.StructKind {
		f.Parts = c.parts(name, f.Elem.Struct)
	}
	c.codec.Appenders[at] = f

	return name
}

// appendBody is how a t is appended, in full.
func (c *codecPlanner) appendBody(t types.Type, addressable bool) model.Elem {
	e := c.elem(t)
	if m := appendMethod(t, addressable); m != noMethod {
		e.Kind = methodKind(t, m)

		return e
	}

	switch u := t.Underlying().(type) {
	case *types.Struct:
		e.Kind = model.StructKind
		e.Struct = c.structure(t, func(f *field) model.Elem {
			reached := addressable || len(f.pointers()) > 0

			return c.appendElem(f.variable().Type(), reached, f.quoted)
		})
	case *types.Slice:
		e.Kind, e.Elem = model.Slice, part(c.appendElem(u.Elem(), true, false))
		if isBase64(u.Elem()) {
			e.Kind, e.ByteType, e.Elem = model.Bytes, e.Elem.Type, nil
		}
	case *types.Array:
		e.Kind, e.Length = model.Array, u.Len()
		e.Elem = part(c.appendElem(u.Elem(), addressable, false))
	case *types.Map:
		c.checkLocks(u.Elem())
		e.Kind, e.Key = model.Map, c.appendKey(u.Key())
		e.Elem = part(c.appendElem(u.Elem(), false, false))
	default:
		return c.appendElem(t, addressable, false)
	}

	return e
}

// appendElem is how a t is appended where it stands: in place, or by a call.
func (c *codecPlanner) appendElem(t types.Type, addressable, quoted bool) model.Elem {
	e := c.elem(t)
	if !c.usable(t) {
		return e
	}

	pointer, isPointer := t.Underlying().(*types.Pointer)
	method := appendMethod(t, addressable)
	switch {
	case isPointer:
		e.Kind = model.Pointer
		e.Elem = part(c.appendElem(pointer.Elem(), true, quoted))
	case method != noMethod:
		e.Kind = methodKind(t, method)
		if e.Kind == model.JSONMarshaler || e.Kind == model.TextMarshaler {
			e.Func = c.appendFunc(t, addressable)
		}
	case !c.hasPlainForm(t, "in a map, since its methods have pointer receivers",
		"give the method that writes it a value receiver, or hold pointers to it"):
	case c.scalar(&e, t, quoted):
	default:
		e.Kind = compositeKind(t)
		if addressable || !dependsOnAddress(t) {
			e.Func = c.sharedCodec("Append", t)
		}
		if e.Shared = e.Func != ""; !e.Shared {
			e.Func = c.appendFunc(t, addressable)
		}
	}

	return e
}

// appendKey is how the keys of a map become names.
func (c *codecPlanner) appendKey(t types.Type) *model.Key {
	key := c.key(t)
	basic, isBasic := t.Underlying().(*types.Basic)
	switch {
	case isBasic && basic.Info()&types.IsString != 0:
		key.Kind = model.StringKey
	case types.Implements(t, textMarshaler) && !types.IsInterface(t):
		key.Kind, key.Pointer = model.TextKey, isPointer(t)
	case isBasic && basic.Info()&types.IsUnsigned != 0:
		key.Kind = model.UintKey
	case isBasic && basic.Info()&types.IsInteger != 0:
		key.Kind = model.IntKey
	default:
		c.refuseKey(t)
	}

	return key
}
