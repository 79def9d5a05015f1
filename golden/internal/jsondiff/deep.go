package jsondiff

import (
	"math/rand/v2"
	"reflect"
	"strings"
)

// deep is a document that nests about as deep as is allowed, in something the
// type reads again and again if there is such a thing, else in what it skips.
func deep(r *rand.Rand, t reflect.Type) []byte {
	const most = 10000
	in, again, ok := descent(t)
	if !ok || r.IntN(3) == 0 {
		in, again = []string{`{"unknown":`}, []string{`[`, `{"a":`}[r.IntN(2):][:1]
	}
	depth := most - 1 + r.IntN(3)
	var b strings.Builder
	var closing []byte
	open := func(text string) {
		b.WriteString(text)
		switch text[0] {
		case '{':
			closing = append(closing, '}')
		case '[':
			closing = append(closing, ']')
		}
	}
	for _, text := range in {
		open(text)
	}
	for i := 0; len(closing) < depth; i++ {
		open(again[i%len(again)])
	}
	b.WriteString([]string{"null", "{}", "1", "[]"}[r.IntN(4)])
	for i := len(closing) - 1; i >= 0; i-- {
		b.WriteByte(closing[i])
	}

	return []byte(b.String())
}

// descent finds how a document gets from t into a type that contains itself,
// and how from there to itself again.
func descent(t reflect.Type) (in, again []string, ok bool) {
	type step struct {
		typ  reflect.Type
		text string
	}
	var path []step
	done := map[reflect.Type]bool{}
	var visit func(t reflect.Type, text string) bool
	visit = func(t reflect.Type, text string) bool {
		for i, s := range path {
			if s.typ != t {
				continue
			}
			for j, s := range append(path[1:len(path):len(path)], step{t, text}) {
				if j < i {
					in = append(in, s.text)
				} else {
					again = append(again, s.text)
				}
			}

			return true
		}
		if done[t] || len(path) > 20 {
			return false
		}
		done[t] = true
		path = append(path, step{t, text})
		defer func() { path = path[:len(path)-1] }()
		switch t.Kind() {
		case reflect.Pointer:
			return visit(t.Elem(), "")
		case reflect.Slice, reflect.Array:
			return visit(t.Elem(), "[")
		case reflect.Map:
			return visit(t.Elem(), `{"1":`)
		case reflect.Struct:
			for _, f := range named(t, 0) {
				if !strings.ContainsAny(f.name, "\"\\") && visit(f.typ, `{"`+f.name+`":`) {
					return true
				}
			}
		}

		return false
	}
	if !visit(t, "") {
		return nil, nil, false
	}
	nonempty := func(list []string) (out []string) {
		for _, s := range list {
			if s != "" {
				out = append(out, s)
			}
		}

		return out
	}
	in, again = nonempty(in), nonempty(again)

	return in, again, len(again) > 0
}
