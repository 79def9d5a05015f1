package plan

import (
	"go/types"

	"github.com/tqgen/tqgen/generator/model"
)

// sizing computes sizes as on a 64-bit machine, wherever the tool runs: output
// is the same everywhere, and the figures bound memory, they do not measure it.
var sizing = types.SizesFor("gc", "amd64")

// mapEntry is what a map keeps of an entry besides its key and value: a control
// byte and its share of free slots.
const mapEntry = 8

// planSize plans the functions that tell how many bytes a payload holds.
func (c *codecPlanner) planSize(t types.Type) {
	c.codec.Bytes = sizing.Sizeof(t)
	c.codec.Held = c.held(t)

	calls := map[string][]string{}
	for _, s := range c.codec.Sizes {
		walkHeld(&s.Held, func(h *model.Held) {
			if h.Func != "" {
				calls[s.Name] = append(calls[s.Name], h.Func)
			}
		})
	}

	bounded := map[string]bool{}
	for name := range calls {
		if reaches(calls, name, name) {
			bounded[name] = true
		}
	}
	spread(bounded, calls)

	mark := func(h *model.Held) { h.Bounded = bounded[h.Func] }
	walkHeld(&c.codec.Held, mark)
	for i := range c.codec.Sizes {
		s := &c.codec.Sizes[i]
		s.Bounded = bounded[s.Name]
		walkHeld(&s.Held, mark)
	}
}

func walkHeld(h *model.Held, visit func(*model.Held)) {
	if h == nil {
		return
	}
	walkHeld(h.Key, visit)
	walkHeld(h.Elem, visit)
	for i := range h.Fields {
		walkHeld(&h.Fields[i], visit)
	}
	visit(h)
}

// held is what a t holds where it stands. Structs with a name have a function.
func (c *codecPlanner) held(t types.Type) model.Held {
	if !holds(t) {
		return model.Held{}
	}

	switch u := t.Underlying().(type) {
	case *types.Basic:
		return model.Held{Kind: model.HeldString}
	case *types.Slice:
		return model.Held{Kind: model.HeldSlice, Bytes: sizing.Sizeof(u.Elem()), Elem: c.heldPart(u.Elem())}
	case *types.Array:
		return model.Held{Kind: model.HeldArray, Elem: c.heldPart(u.Elem())}
	case *types.Map:
		return model.Held{
			Kind:  model.HeldMap,
			Bytes: sizing.Sizeof(u.Key()) + sizing.Sizeof(u.Elem()) + mapEntry,
			Key:   c.heldPart(u.Key()),
			Elem:  c.heldPart(u.Elem()),
		}
	case *types.Pointer:
		return model.Held{Kind: model.HeldPointer, Bytes: sizing.Sizeof(u.Elem()), Elem: c.heldPart(u.Elem())}
	case *types.Struct:
		if isNamed(t) && c.spellable(t) {
			return c.heldCall(t)
		}
		if fields := c.heldFields(t, u); !isNamed(t) && len(fields) > 0 {
			return model.Held{Kind: model.HeldStruct, Fields: fields}
		}
	}

	return model.Held{}
}

// holds reports whether a t holds anything beyond itself that can be counted.
func holds(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Info()&types.IsString != 0
	case *types.Slice, *types.Map:
		return true
	case *types.Pointer:
		return !endless(t)
	case *types.Array:
		return u.Len() > 0 && holds(u.Elem())
	case *types.Struct:
		for v := range u.Fields() {
			if holds(v.Type()) {
				return true
			}
		}
	}

	return false
}

// heldPart is what an element holds, nil if nothing. An element that is looped
// over itself has a function, so that no loop stands in another.
func (c *codecPlanner) heldPart(t types.Type) *model.Held {
	if !holds(t) {
		return nil
	}

	var h model.Held
	switch t.Underlying().(type) {
	case *types.Slice, *types.Array, *types.Map:
		if !c.spellable(t) {
			return nil
		}
		h = c.heldCall(t)
	default:
		h = c.held(t)
	}
	if h.Kind == model.HeldNothing {
		return nil
	}

	return &h
}

// heldCall is a call of the function for t, which is planned when it is asked
// for first.
func (c *codecPlanner) heldCall(t types.Type) model.Held {
	name, ok := c.sizes.At(t).(string)
	if !ok {
		name = c.scope.function("size" + c.word(t))
		c.sizes.Set(t, name)
		at := len(c.codec.Sizes)
		c.codec.Sizes = append(c.codec.Sizes, model.Size{Name: name})
		c.codec.Sizes[at].Held = c.heldBody(t)
		if h := &c.codec.Sizes[at].Held; h.Kind == model.HeldStruct && len(h.Fields) == 0 {
			c.codec.Sizes = c.codec.Sizes[:at] // nothing the output could select
			name = ""
			c.sizes.Set(t, name)
		}
	}
	if name == "" {
		return model.Held{}
	}

	return model.Held{Kind: model.HeldCall, Func: name, ByValue: isNilable(t)}
}

// heldBody is what a t holds, in full.
func (c *codecPlanner) heldBody(t types.Type) model.Held {
	var h model.Held
	if s, ok := t.Underlying().(*types.Struct); ok {
		h = model.Held{Kind: model.HeldStruct, Fields: c.heldFields(t, s)}
	} else {
		h = c.held(t)
	}
	h.Type = c.scope.typeString(t)

	return h
}

// heldFields is what the fields of s hold, a struct that the output knows as
// owner. Fields it cannot select count with their own bytes alone.
func (c *codecPlanner) heldFields(owner types.Type, s *types.Struct) []model.Held {
	var list []model.Held
	for v := range s.Fields() {
		if inner, ok := v.Type().Underlying().(*types.Struct); ok && v.Embedded() && !c.visible(v) {
			list = append(list, c.heldFields(owner, inner)...)
			continue
		}
		if v.Name() == "_" || !c.visible(v) || !selects(owner, v) {
			continue
		}
		c.within([]*types.Var{v}, func() {
			if h := c.held(v.Type()); h.Kind != model.HeldNothing {
				h.Selector = v.Name()
				list = append(list, h)
			}
		})
	}

	return list
}
