package plan

import (
	"cmp"
	"go/types"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// field is one field of a struct, or of one embedded in it, that stands in
// JSON unless another hides it.
type field struct {
	name   string // member name
	tagged bool   // the name comes from the tag
	path   []*types.Var
	index  []int
	typ    types.Type // the field's, a pointer without a name removed

	omitEmpty, omitZero, quoted bool
	badName                     string // the tag's name, if it is not valid
}

// variable is the field itself.
func (f *field) variable() *types.Var { return f.path[len(f.path)-1] }

// pointers gives the positions in path of embedded pointers before the field.
func (f *field) pointers() []int {
	var list []int
	for i, v := range f.path[:len(f.path)-1] {
		if isPointer(v.Type()) {
			list = append(list, i)
		}
	}

	return list
}

// goName is the selector a person would write: every embedded field named.
func (f *field) goName() string { return joinNames(f.path) }

func joinNames(path []*types.Var) string {
	names := make([]string, len(path))
	for i, v := range path {
		names[i] = v.Name()
	}

	return strings.Join(names, ".")
}

// fieldSet is what encoding/json sees of a struct.
type fieldSet struct {
	list    []field // in order of declaration, embedded structs in their place
	skipped []skippedField
}

type skippedField struct {
	path   []*types.Var
	reason string
}

// embedded is a struct to look into: the payload's, or one embedded in it.
type embedded struct {
	typ   types.Type
	path  []*types.Var
	index []int
}

// jsonFields finds the fields of the struct root by encoding/json's rules: breadth first, each
// struct type once, a type embedded twice at one depth annihilating itself.
func jsonFields(root types.Type) fieldSet {
	var s fieldScan
	next := []embedded{{typ: types.Unalias(root)}}
	for len(next) > 0 {
		current := next
		next = nil
		for _, e := range current {
			if !s.visit(e.typ) {
				continue
			}
			twice := count(current, e.typ) > 1
			for _, found := range s.scan(e, twice) {
				if count(next, found.typ) < 2 {
					next = append(next, found)
				}
			}
		}
	}

	return s.dominant()
}

// count says how often t is among list.
func count(list []embedded, t types.Type) int {
	n := 0
	for _, e := range list {
		if types.Identical(e.typ, t) {
			n++
		}
	}

	return n
}

type fieldScan struct {
	visited []types.Type
	fields  []field
	skipped []skippedField
}

// visit reports whether t has not been looked into yet.
func (s *fieldScan) visit(t types.Type) bool {
	if slices.ContainsFunc(s.visited, func(v types.Type) bool { return types.Identical(v, t) }) {
		return false
	}
	s.visited = append(s.visited, t)

	return true
}

// scan adds the fields of e and gives the structs embedded in it. A field of a
// type that occurs twice at this depth is added twice, so that the two hide
// each other.
func (s *fieldScan) scan(e embedded, twice bool) []embedded {
	var deeper []embedded
	structure := e.typ.Underlying().(*types.Struct)
	for i := range structure.NumFields() {
		v := structure.Field(i)
		path := append(slices.Clip(e.path), v)
		tag, _ := reflect.StructTag(structure.Tag(i)).Lookup("json")
		if reason := skipReason(v, tag); reason != "" {
			s.skipped = append(s.skipped, skippedField{path, reason})
			continue
		}

		f := newField(v, tag)
		f.path = path
		f.index = append(slices.Clip(e.index), i)
		if _, isStruct := f.typ.Underlying().(*types.Struct); v.Embedded() && isStruct && !f.tagged {
			deeper = append(deeper, embedded{f.typ, f.path, f.index})
			continue
		}

		s.fields = append(s.fields, f)
		if twice {
			s.fields = append(s.fields, f)
		}
	}

	return deeper
}

// skipReason says why a field has no place in JSON, "" if it has one.
func skipReason(v *types.Var, tag string) string {
	if !v.Exported() {
		t := v.Type()
		if p, ok := t.Underlying().(*types.Pointer); ok {
			t = p.Elem()
		}
		if _, isStruct := t.Underlying().(*types.Struct); !v.Embedded() || !isStruct {
			return "unexported"
		}
	}
	if tag == "-" {
		return `json:"-": lives in memory only`
	}

	return ""
}

// newField reads a field's type and tag.
func newField(v *types.Var, tag string) field {
	name, options, _ := strings.Cut(tag, ",")
	f := field{
		name:      name,
		tagged:    validName(name),
		typ:       types.Unalias(v.Type()),
		omitEmpty: hasOption(options, "omitempty"),
		omitZero:  hasOption(options, "omitzero"),
	}
	if p, ok := f.typ.(*types.Pointer); ok {
		f.typ = types.Unalias(p.Elem())
	}

	if !f.tagged {
		f.badName, f.name = name, v.Name()
	}
	if basic, ok := f.typ.Underlying().(*types.Basic); ok {
		const kinds = types.IsBoolean | types.IsInteger | types.IsFloat | types.IsString
		f.quoted = hasOption(options, "string") && basic.Info()&kinds != 0
	}

	return f
}

func hasOption(options, name string) bool {
	return slices.Contains(strings.Split(options, ","), name)
}

// validName reports whether a tag's name is one encoding/json takes.
func validName(name string) bool {
	for _, r := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return false
		}
	}

	return name != ""
}

// dominant leaves, of fields with one name, the one that hides the others: the
// least deep, then the tagged one; if two remain, none.
func (s *fieldScan) dominant() fieldSet {
	slices.SortStableFunc(s.fields, func(a, b field) int {
		return cmp.Or(
			strings.Compare(a.name, b.name),
			cmp.Compare(len(a.index), len(b.index)),
			compareTagged(a.tagged, b.tagged),
			slices.Compare(a.index, b.index),
		)
	})

	set := fieldSet{skipped: s.skipped}
	for rest := s.fields; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].name == rest[0].name {
			n++
		}
		set.add(rest[:n])
		rest = rest[n:]
	}
	slices.SortFunc(set.list, func(a, b field) int { return slices.Compare(a.index, b.index) })

	return set
}

func compareTagged(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// add takes the dominant one of fields with the same name, sorted by rank.
func (s *fieldSet) add(same []field) {
	hidden := same
	reason := "ambiguous: another field at its depth is " + strconv.Quote(same[0].name) + " too"
	if len(same) == 1 || len(same[0].index) != len(same[1].index) || same[0].tagged != same[1].tagged {
		s.list = append(s.list, same[0])
		hidden = same[1:]
		reason = "hidden by " + same[0].goName()
	}

	for _, f := range hidden {
		if !slices.ContainsFunc(s.skipped, func(k skippedField) bool { return slices.Equal(k.path, f.path) }) {
			s.skipped = append(s.skipped, skippedField{f.path, reason})
		}
	}
}
