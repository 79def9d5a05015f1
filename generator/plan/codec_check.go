package plan

import (
	"go/types"
	"slices"
	"strings"
)

const methodsHelp = `tag it json:"-" or give the type MarshalJSON and UnmarshalJSON`

// usable reports and refuses a type the codec cannot take: one without a JSON
// form, or one the output cannot name. Its parts are looked at where they are
// planned.
func (c *codecPlanner) usable(t types.Type) bool {
	if basic, ok := t.Underlying().(*types.Basic); ok && basic.Kind() == types.Invalid {
		if !c.target.Broken { // else load has said more of it
			c.refuse("TQ203", " has a type that is not defined")
		}

		return false
	}
	if !c.nameable(t) {
		return false
	}
	if appendMethod(t, true) != noMethod && decodeMethod(types.NewPointer(t)) != noMethod {
		return !c.isInterface(t)
	}

	if types.IsInterface(t) {
		return !c.isInterface(t)
	}
	if !hasForm(t) {
		c.refuseKind(t)
		return false
	}

	return true
}

// hasForm reports whether a t has a JSON form without methods, its parts aside.
func hasForm(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Chan, *types.Signature:
		return false
	case *types.Pointer:
		return !endless(t)
	case *types.Basic:
		return u.Info()&types.IsComplex == 0 && u.Kind() != types.UnsafePointer
	default:
		return true
	}
}

// hasPlainForm reports and refuses a t whose only JSON form is that of methods
// which do not count where it stands.
func (c *codecPlanner) hasPlainForm(t types.Type, where, help string) bool {
	if hasForm(t) {
		return true
	}
	c.refuse("TQ201", ": %s has no JSON form %s", c.plainName(t), where).Helpf("%s", help)

	return false
}

// endless reports whether t leads to nothing but pointers, as type P *P does.
func endless(t types.Type) bool {
	var seen []types.Type
	for {
		pointer, ok := t.Underlying().(*types.Pointer)
		if !ok {
			return false
		}
		if slices.ContainsFunc(seen, func(s types.Type) bool { return types.Identical(s, t) }) {
			return true
		}
		seen = append(seen, t)
		t = pointer.Elem()
	}
}

func (c *codecPlanner) refuseKind(t types.Type) {
	c.refuse("TQ201", ": %s has no JSON form", c.plainName(t)).Helpf(methodsHelp)
}

func (c *codecPlanner) isInterface(t types.Type) bool {
	if !types.IsInterface(t) {
		return false
	}
	c.refuse("TQ204", ": %s is an interface, so its JSON form is not known here", c.plainName(t)).
		Helpf("give the field one concrete type, or json.RawMessage for JSON that is passed through").
		Helpf(`tag it json:"-" if it need not leave memory`)

	return true
}

func (c *codecPlanner) refuseKey(t types.Type) {
	if !c.usable(t) {
		return
	}
	c.refuse("TQ205", ": %s cannot be the key of a JSON object", c.plainName(t)).
		Helpf("keys are strings, integers, or types with MarshalText and UnmarshalText")
}

// plainName spells t as the payload's own package does.
func (c *codecPlanner) plainName(t types.Type) string {
	name := types.TypeString(t, func(p *types.Package) string {
		if p == c.target.Package.Types {
			return ""
		}

		return p.Name()
	})

	return strings.ReplaceAll(name, "interface{}", "any")
}

// nameable reports and refuses a type that the output cannot name, with its
// type arguments. What a pointer, slice or map is made of is planned for
// itself.
func (c *codecPlanner) nameable(t types.Type) bool {
	var object *types.TypeName
	var args *types.TypeList
	switch t := t.(type) {
	case *types.Named:
		object, args = t.Obj(), t.TypeArgs()
	case *types.Alias:
		object, args = t.Obj(), t.TypeArgs()
	case *types.Struct:
		return c.nameableFields(t)
	default:
		return true
	}

	for arg := range args.Types() {
		if !c.nameable(arg) {
			return false
		}
	}

	return object.Pkg() == nil || c.nameableObject(object)
}

func (c *codecPlanner) nameableFields(s *types.Struct) bool {
	for v := range s.Fields() {
		if !c.visible(v) {
			c.refuse("TQ207", ": its type is an unnamed struct with the unexported field %s", v.Name()).
				Helpf("declare a type for it, with a name that begins with a capital letter")

			return false
		}
	}

	return true
}

func (c *codecPlanner) nameableObject(object *types.TypeName) bool {
	pkg := object.Pkg()
	switch {
	case !c.visible(object):
		c.refuse("TQ207", ": type %s is unexported, so package %s cannot name it",
			c.plainName(object.Type()), c.scope.path).
			Helpf("export the type, or %s", c.into("put the output into its package with out=."))
	case pkg.Path() == c.scope.path && slices.Contains(c.locals(), object.Name()):
		c.refuse("TQ213", ": generated code has variables named %s, which would hide the type", object.Name()).
			Helpf("rename the type, or %s", c.into("give the output a package of its own"))
	case pkg.Path() != c.scope.path && pkg.Name() == "main":
		c.refuse("TQ208", ": package %s, of type %s, cannot be imported", pkg.Path(), object.Name()).
			Helpf("move the type into a package of its own")
	case len(c.path) > 0 && !canImport(c.scope.path, pkg.Path()): // of the payload itself reachable tells
		c.refuse("TQ208", ": type %s.%s is internal to %s, so package %s cannot import it",
			pkg.Name(), object.Name(), internalRoot(pkg.Path()), c.scope.path).
			Helpf("move the type out of internal, or %s", c.into("move the output below "+internalRoot(pkg.Path())+" with out="))
	default:
		return true
	}

	return false
}

// selectable reports and refuses a field that generated code cannot reach.
func (c *codecPlanner) selectable(t types.Type, f *field) bool {
	for _, i := range f.pointers() {
		if v := f.path[i]; !v.Exported() {
			c.refuse("TQ210", ": decoding cannot allocate the embedded pointer to the unexported struct %s",
				v.Name()).
				Helpf("embed the struct by value, or export it")

			return false
		}
	}

	switch v := f.variable(); {
	case !c.visible(v):
		c.refuse("TQ207", ": type %s is unexported, so package %s cannot name the field", v.Name(), c.scope.path).
			Helpf("export the type, or remove the json tag to promote its fields").
			Helpf("or put the output into its package with out=.")
	case !c.selects(t, f.path, f.index):
		c.refuse("TQ212", ": package %s cannot select it, since another field or method has its Go name",
			c.scope.path).
			Helpf("export the embedded struct it is promoted from, rename one of the two, or tag it json:\"-\"")
	default:
		return true
	}

	return false
}

// locals are the variables of the output.
func (p *planner) locals() []string {
	if p.codecOnly {
		return codecLocals
	}

	return reservedLocals
}

// into is the advice to move the output, which a codec cannot follow that
// belongs where its type is.
func (p *planner) into(advice string) string {
	if p.codecOnly {
		return "leave tqgen:codec away"
	}

	return advice
}

// checkLocks reports every lock that a copy of a t would copy, and whether there
// is one.
func (c *codecPlanner) checkLocks(t types.Type) (found bool) {
	shape, isStruct := t.Underlying().(*types.Struct)
	if array, ok := t.Underlying().(*types.Array); ok {
		return c.checkLocks(array.Elem())
	}
	if !isStruct || ofSync(t) {
		return false
	}

	for v := range shape.Fields() {
		c.within([]*types.Var{v}, func() {
			// A struct that embeds a lock is one too: the lock itself is reported.
			if c.checkLocks(v.Type()) {
				found = true
			} else if isLock(element(v.Type())) {
				found = true
				c.refuse("TQ206", ": %s is a lock, held by value", c.plainName(element(v.Type()))).
					Helpf("a payload is copied: hold a pointer to it, or keep the lock elsewhere")
			}
		})
	}

	return found
}

// element is what an array is made of, or t itself.
func element(t types.Type) types.Type {
	for {
		array, ok := t.Underlying().(*types.Array)
		if !ok {
			return t
		}
		t = array.Elem()
	}
}

// isLock reports whether a t must not be copied: it has the methods of a lock,
// or is one of the types that keep one inside.
func isLock(t types.Type) bool {
	if types.IsInterface(t) || t.Underlying() == types.Typ[types.Invalid] {
		return false
	}

	return ofSync(t) || types.Implements(types.NewPointer(t), locker) && !types.Implements(t, locker)
}

// ofSync reports whether t is a struct of the packages for synchronisation,
// none of which may be copied.
func ofSync(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() == nil || !isStruct(t) {
		return false
	}
	path := named.Obj().Pkg().Path()

	return path == "sync" || path == "sync/atomic"
}

var locker = types.NewInterfaceType([]*types.Func{
	oneMethod("Lock", nil, nil).Method(0),
	oneMethod("Unlock", nil, nil).Method(0),
}, nil).Complete()
