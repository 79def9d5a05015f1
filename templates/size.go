package templates

import (
	"strconv"

	"github.com/dave/jennifer/jen"

	"github.com/tqgen/tqgen/generator/model"
)

// sizeBudget is how many values of a type that can reach itself are measured at
// most: a cycle has no end.
const sizeBudget = "1 << 16"

// emitSize prints the functions that tell how many bytes a payload holds.
func emitSize(f *file, codec *model.Codec) {
	f.Line()
	f.comment(f.names.PayloadSize + " is about how many bytes p holds on a 64-bit machine: its own, and those " +
		"of the strings, slices, maps and pointers it leads to. What its fields hide counts with its own size alone.")
	f.Func().Id(f.names.PayloadSize).Params(jen.Id("p").Op("*").Id(f.queue.Payload.Type)).Int().
		BlockFunc(func(g *jen.Group) {
			size := strconv.FormatInt(codec.Bytes, 10)
			h := &codec.Held
			if h.Kind == model.HeldNothing {
				g.Return(jen.Id(size))
				return
			}
			if h.Bounded {
				g.Id("budget := " + sizeBudget)
				g.Line()
			}
			g.Return(jen.Id(size).Op("+").Add(sizeCall(h, at("p").below(), "&budget")))
		})

	for i := range codec.Sizes {
		emitSizeFunc(f, &codec.Sizes[i])
	}
}

func emitSizeFunc(f *file, s *model.Size) {
	x := at("p").below()
	if sizeByValue(&s.Held) {
		x = at("v")
	}

	f.Line()
	f.comment(s.Name + " is how many bytes " + x.value + " holds besides its own.")
	f.Func().Id(s.Name).ParamsFunc(func(g *jen.Group) {
		if sizeByValue(&s.Held) {
			g.Id("v").Id(s.Held.Type)
		} else {
			g.Id("p").Op("*").Id(s.Held.Type)
		}
		if s.Bounded {
			g.Id("budget").Op("*").Int()
		}
	}).Int().BlockFunc(func(g *jen.Group) {
		if s.Bounded {
			g.Id("if *budget--; *budget < 0 {\nreturn 0\n}")
			g.Line()
		}
		sizeSum(g, &s.Held, x)
	})
}

// sizeByValue reports whether the function for h takes its value: a slice or a
// map.
func sizeByValue(h *model.Held) bool { return h.Kind == model.HeldSlice || h.Kind == model.HeldMap }

// sizeSum prints the return of what x holds: what needs no statement in one
// sum, the rest after it.
func sizeSum(g *jen.Group, h *model.Held, x place) {
	parts, places := []model.Held{*h}, []place{x}
	if h.Kind == model.HeldStruct {
		parts, places = h.Fields, nil
		for _, f := range parts {
			places = append(places, at(x.methods+"."+f.Selector))
		}
	}

	var sum []jen.Code
	rest := func(*jen.Group) {}
	for i := range parts {
		if term := sizeTerm(&parts[i], places[i]); term != nil {
			sum = append(sum, term)
			continue
		}
		before := rest
		rest = func(g *jen.Group) {
			before(g)
			sizeBody(g, &parts[i], places[i])
		}
	}
	if len(sum) == len(parts) {
		g.Return(added(sum))
		return
	}

	g.Id("n").Op(":=").Add(added(sum))
	rest(g)
	g.Line()
	g.Return(jen.Id("n"))
}

// added is the sum of terms, 0 if there are none, broken where it gets long.
func added(terms []jen.Code) *jen.Statement {
	sum := jen.Id("0")
	for i, term := range terms {
		switch {
		case i == 0:
			sum = jen.Add(term)
		case i%4 == 0:
			sum.Op("+").Line().Add(term)
		default:
			sum.Op("+").Add(term)
		}
	}

	return sum
}

// sizeTerm is what x holds as an expression, nil if it takes statements.
func sizeTerm(h *model.Held, x place) *jen.Statement {
	switch {
	case h.Kind == model.HeldString:
		return jen.Len(jen.Id(x.value))
	case h.Kind == model.HeldCall:
		return sizeCall(h, x, "budget")
	case h.Kind == model.HeldSlice && h.Elem == nil:
		return times(jen.Cap(jen.Id(x.value)), h.Bytes)
	case h.Kind == model.HeldMap && h.Key == nil && h.Elem == nil:
		return times(jen.Len(jen.Id(x.value)), h.Bytes)
	default:
		return nil
	}
}

// sizeBody prints that n grows by what x holds.
func sizeBody(g *jen.Group, h *model.Held, x place) {
	switch h.Kind {
	case model.HeldString, model.HeldCall:
		g.Id("n").Op("+=").Add(sizeTerm(h, x))
	case model.HeldStruct:
		for i := range h.Fields {
			sizeBody(g, &h.Fields[i], at(x.methods+"."+h.Fields[i].Selector))
		}
	case model.HeldPointer:
		g.If(jen.Id(x.value).Op("!=").Nil()).BlockFunc(func(g *jen.Group) {
			g.Id("n").Op("+=").Id(strconv.FormatInt(h.Bytes, 10))
			if h.Elem != nil {
				sizeBody(g, h.Elem, x.below())
			}
		})
	case model.HeldSlice:
		g.Id("n").Op("+=").Add(times(jen.Cap(jen.Id(x.value)), h.Bytes))
		sizeElements(g, h, x)
	case model.HeldArray:
		sizeElements(g, h, x)
	case model.HeldMap:
		g.Id("n").Op("+=").Add(times(jen.Len(jen.Id(x.value)), h.Bytes))
		sizeEntries(g, h, x)
	}
}

// times is count values of so many bytes.
func times(count *jen.Statement, bytes int64) *jen.Statement {
	if bytes == 1 {
		return count
	}

	return count.Op("*").Id(strconv.FormatInt(bytes, 10))
}

func sizeElements(g *jen.Group, h *model.Held, x place) {
	if h.Elem == nil {
		return
	}
	name := x.value
	if h.Kind == model.HeldArray {
		name = x.methods
	}
	g.For(jen.Id("i").Op(":=").Range().Id(name)).BlockFunc(func(g *jen.Group) {
		sizeBody(g, h.Elem, at(indexed(name)))
	})
}

// indexed is the element of name in a loop over it.
func indexed(name string) string {
	if name[0] == '*' {
		name = "(" + name + ")"
	}

	return name + "[i]"
}

func sizeEntries(g *jen.Group, h *model.Held, x place) {
	if h.Key == nil && h.Elem == nil {
		return
	}

	loop := jen.Id("key, value")
	switch {
	case h.Key == nil:
		loop = jen.Id("_, value")
	case h.Elem == nil:
		loop = jen.Id("key")
	}
	g.For(loop.Op(":=").Range().Id(x.value)).BlockFunc(func(g *jen.Group) {
		if h.Key != nil {
			sizeBody(g, h.Key, at("key"))
		}
		if h.Elem != nil {
			sizeBody(g, h.Elem, at("value"))
		}
	})
}

// sizeCall is the call of the function for what x is.
func sizeCall(h *model.Held, x place, budget string) *jen.Statement {
	args := []jen.Code{jen.Id(x.address)}
	if h.ByValue {
		args[0] = jen.Id(x.value)
	}
	if h.Bounded {
		args = append(args, jen.Id(budget))
	}

	return jen.Id(h.Func).Call(args...)
}
