package plan

import (
	"go/types"

	"github.com/tqgen/tqgen/generator/model"
)

// keep gives the conditions under which a field is written: those of omitempty
// and omitzero turned round. None means always.
func (c *codecPlanner) keep(f *field) []model.Test {
	var tests []model.Test
	t := f.variable().Type()
	if f.omitEmpty {
		if test, ok := notEmpty(t); ok {
			tests = append(tests, test)
		}
	}
	if f.omitZero {
		switch test := c.notZero(t); {
		case len(tests) == 0 || test.Kind == model.NotNilIsZero: // which says more than NotNil
			tests = []model.Test{test}
		case tests[0] != test:
			tests = []model.Test{joinable(tests[0], t), test}
		}
	}

	return tests
}

// notEmpty is what omitempty asks of a t; a struct is never empty.
func notEmpty(t types.Type) (test model.Test, ok bool) {
	switch u := t.Underlying().(type) {
	case *types.Array:
		return model.Test{Kind: model.Never}, u.Len() == 0
	case *types.Slice, *types.Map:
		return model.Test{Kind: model.HasLength}, true
	case *types.Basic:
		hasEmpty := u.Info()&types.IsComplex == 0 && u.Kind() != types.UnsafePointer

		return notZeroScalar(t), hasEmpty
	case *types.Pointer:
		return notZeroScalar(t), true
	default:
		return model.Test{}, false
	}
}

// notZeroScalar is the test of a type that is compared with false, 0, "" or nil.
func notZeroScalar(t types.Type) model.Test {
	basic, ok := t.Underlying().(*types.Basic)
	switch {
	case !ok || basic.Kind() == types.UnsafePointer:
		return model.Test{Kind: model.NotNil}
	case basic.Info()&types.IsBoolean != 0:
		return model.Test{Kind: model.IsTrue}
	case basic.Info()&types.IsString != 0:
		return model.Test{Kind: model.NotString}
	default:
		return model.Test{Kind: model.NotNumber}
	}
}

// notZero is what omitzero asks of a t: its IsZero method if it has one, else
// that it differs from its zero value.
func (c *codecPlanner) notZero(t types.Type) model.Test {
	switch {
	case isPointer(t) && types.Implements(t, zeroer):
		return model.Test{Kind: model.NotNilIsZero}
	case !isPointer(t) && types.Implements(types.NewPointer(t), zeroer):
		return model.Test{Kind: model.NotIsZero}
	default:
		return c.notZeroValue(t)
	}
}

// notZeroValue is the test that t differs from its zero value.
func (c *codecPlanner) notZeroValue(t types.Type) model.Test {
	switch t.Underlying().(type) {
	case *types.Array, *types.Struct:
		if alwaysZero(t) {
			return model.Test{Kind: model.Never}
		}
	default:
		return notZeroScalar(t)
	}

	if types.Comparable(t) && c.spellable(t) {
		return model.Test{Kind: model.NotLiteral, Type: c.scope.typeString(t)}
	}

	return model.Test{Kind: model.NotZeroFunc, Func: c.zeroFunc(t)}
}

// joinable is a test of a t that can stand beside others: Go does not join a
// bool type of another name with them.
func joinable(test model.Test, t types.Type) model.Test {
	if _, plain := types.Unalias(t).(*types.Basic); test.Kind == model.IsTrue && !plain {
		test.Type = types.Typ[types.Bool].Name()
	}

	return test
}

// alwaysZero reports whether a t has nothing in it that could differ.
func alwaysZero(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Array:
		return u.Len() == 0 || alwaysZero(u.Elem())
	case *types.Struct:
		for v := range u.Fields() {
			if v.Name() != "_" && !alwaysZero(v.Type()) {
				return false
			}
		}

		return true
	default:
		return false
	}
}

// zeroFunc gives the function that tells whether a t is zero, and plans it when
// it is asked for first.
func (c *codecPlanner) zeroFunc(t types.Type) string {
	if name, ok := c.zeros.At(t).(string); ok {
		return name
	}

	name := c.scope.function("isZero" + c.word(t))
	c.zeros.Set(t, name)
	if !c.usable(t) {
		return name
	}

	at := len(c.codec.Zeros)
	c.codec.Zeros = append(c.codec.Zeros, model.Zero{Name: name, Type: c.scope.typeString(t)})
	if array, ok := t.Underlying().(*types.Array); ok {
		test := c.notZeroValue(array.Elem())
		c.codec.Zeros[at].Array, c.codec.Zeros[at].Parts = true, []model.Part{{Test: test}}
	} else {
		parts := c.zeroParts(t.Underlying().(*types.Struct))
		c.codec.Zeros[at].Parts = parts
	}

	return name
}

// zeroParts are the tests of a struct's fields. One that cannot be read makes
// omitzero impossible.
func (c *codecPlanner) zeroParts(s *types.Struct) []model.Part {
	var parts []model.Part
	for v := range s.Fields() {
		switch {
		case v.Name() == "_":
		case !c.visible(v):
			c.refuse("TQ211", ": omitzero cannot be decided, since field %s of its type is unexported", v.Name()).
				Helpf("give the type an IsZero method, make the field a pointer, or use omitempty")

			return nil
		default:
			if test := c.notZeroValue(v.Type()); test.Kind != model.Never {
				parts = append(parts, model.Part{Selector: v.Name(), Test: joinable(test, v.Type())})
			}
		}
	}

	return parts
}
