package plan

import (
	"go/types"

	"github.com/tqgen/tqgen/generator/model"
)

// decodeRoot plans the function for the payload, by its methods if it has any.
func (c *codecPlanner) decodeRoot(t types.Type) {
	body := c.decodeMethods(t)
	if body.Kind == noKind {
		c.decodeFunc(t)
		return
	}
	name := c.scope.function("decode" + c.word(t))
	c.codec.Decoders = append(c.codec.Decoders, model.Func{Name: name, Elem: body})
}

// decodeFunc gives the function that decodes into a t, its own methods aside,
// and plans it when it is asked for first.
func (c *codecPlanner) decodeFunc(t types.Type) string {
	if name, ok := c.decodes.At(t).(string); ok {
		return name
	}

	word := c.word(t)
	f := model.Func{Name: c.scope.function("decode" + word)}
	c.decodes.Set(t, f.Name)
	at := len(c.codec.Decoders)
	c.codec.Decoders = append(c.codec.Decoders, f)
	f.Elem = c.decodeBody(t)
	if f.Elem.Kind == model.StructKind {
		f.Table = c.scope.function(lowerFirst(word) + "Fields")
		f.Parts = c.parts(f.Name, f.Elem.Struct)
	}
	c.codec.Decoders[at] = f

	return f.Name
}

// noKind is the kind of an Elem that has none yet.
const noKind = model.Kind(255)

// decodeMethods is how a t with methods of its own is decoded. They count for
// types with a name, since encoding/json takes the address of those alone.
func (c *codecPlanner) decodeMethods(t types.Type) model.Elem {
	e := c.elem(t)
	e.Kind = noKind
	if isPointer(t) || !isNamed(t) {
		return e
	}

	if m := decodeMethod(types.NewPointer(t)); m != noMethod {
		e.Kind = methodKind(t, m)
		e.Nilable = m == textMethod && isNilable(t)
	}

	return e
}

// decodeBody is how a t is decoded in full, its own methods aside.
func (c *codecPlanner) decodeBody(t types.Type) model.Elem {
	e := c.elem(t)
	switch u := t.Underlying().(type) {
	case *types.Struct:
		e.Kind = model.StructKind
		e.Struct = c.structure(t, func(f *field) model.Elem {
			return c.decodeElem(f.variable().Type(), f.quoted)
		})
	case *types.Slice:
		e.Kind, e.Elem = model.Slice, part(c.decodeElem(u.Elem(), false))
		if isByte(u.Elem()) { // encoding/json reads base64 whatever methods the bytes have
			e.ByteType = e.Elem.Type
		}
	case *types.Array:
		e.Kind, e.Length = model.Array, u.Len()
		e.Elem = part(c.decodeElem(u.Elem(), false))
	case *types.Map:
		e.Kind, e.Key = model.Map, c.decodeKey(u.Key())
		e.Elem = part(c.decodeElem(u.Elem(), false))
	default:
		return c.decodeElem(t, false)
	}

	return e
}

// decodeElem is how a t is decoded where it stands: in place, or by a call.
func (c *codecPlanner) decodeElem(t types.Type, quoted bool) model.Elem {
	if !c.usable(t) {
		return c.elem(t)
	}
	if pointer, ok := t.Underlying().(*types.Pointer); ok {
		return c.decodePointer(t, pointer.Elem(), quoted)
	}

	e := c.decodeMethods(t)
	if e.Kind == noKind {
		e = c.decodePlain(t, quoted)
	}
	e.Quoted = quoted

	return e
}

// decodePlain is decodeElem of a type whose methods do not count.
func (c *codecPlanner) decodePlain(t types.Type, quoted bool) model.Elem {
	e := c.elem(t)
	if !c.usable(t) || !c.hasPlainForm(t, "behind a pointer type with a name, which hides its methods",
		"use a pointer type without a name") || c.scalar(&e, t, quoted) {
		return e
	}
	e.Kind = compositeKind(t)
	if e.Func = c.sharedCodec("Read", t); e.Func != "" {
		e.Shared = true
	} else {
		e.Func = c.decodeFunc(t)
	}

	return e
}

// decodePointer is how a pointer and what it points to are decoded. Methods of
// what it points to count unless the pointer type has a name: then it has none.
func (c *codecPlanner) decodePointer(t, to types.Type, quoted bool) model.Elem {
	e := c.elem(t)
	e.Kind = model.Pointer
	switch m := decodeMethod(t); {
	case isPointer(to):
		e.Elem = part(c.decodeElem(to, quoted))
	case m != noMethod && c.usable(to):
		inner := c.elem(to)
		inner.Kind, inner.GoType, inner.Quoted = methodKind(to, m), e.GoType, quoted
		e.Elem = &inner
	default:
		e.Elem = part(c.decodePlain(to, quoted))
		e.Elem.Quoted = quoted
	}

	return e
}

// decodeKey is how names become the keys of a map.
func (c *codecPlanner) decodeKey(t types.Type) *model.Key {
	key := c.key(t)
	address := types.NewPointer(t)
	basic, isBasic := t.Underlying().(*types.Basic)
	switch {
	case types.Implements(address, textUnmarshaler) && types.Implements(address, jsonUnmarshaler):
		key.Kind = model.JSONKey
	case types.Implements(address, textUnmarshaler):
		key.Kind = model.TextKey
	case isBasic && basic.Info()&types.IsString != 0:
		key.Kind = model.StringKey
	case isBasic && basic.Info()&types.IsUnsigned != 0:
		key.Kind = model.UintKey
	case isBasic && basic.Info()&types.IsInteger != 0:
		key.Kind = model.IntKey
	case types.Implements(t, textMarshaler):
		c.refuse("TQ205", ": %s can be written as the key of a JSON object, but not read", c.plainName(t)).
			Helpf("give %s the method UnmarshalText", c.plainName(t))
	}

	return key
}

func isNilable(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Slice, *types.Map:
		return true
	default:
		return false
	}
}
