package plan

import "github.com/tqgen/tqgen/generator/model"

// settle decides, now that every function is known, which append functions can
// fail and which can reach themselves, and notes it wherever they are called.
func settle(codec *model.Codec) {
	calls := map[string][]string{}
	fails := map[string]bool{}
	for i := range codec.Appenders {
		f := &codec.Appenders[i]
		walk(&f.Elem, func(e *model.Elem) {
			if e.Func != "" {
				calls[f.Name] = append(calls[f.Name], e.Func)
			}
			if canFail(e) {
				fails[f.Name] = true
			}
		})
	}

	recursive := map[string]bool{}
	for name := range calls {
		if reaches(calls, name, name) {
			recursive[name], fails[name] = true, true
		}
	}
	spread(fails, calls)

	for i := range codec.Appenders {
		f := &codec.Appenders[i]
		walk(&f.Elem, func(e *model.Elem) {
			e.CanFail = canFail(e) || fails[e.Func]
			e.Recursive = recursive[e.Func]
		})
		f.Elem.CanFail, f.Elem.Recursive = fails[f.Name], recursive[f.Name]
	}
}

// spread marks every function that calls a marked one.
func spread(marked map[string]bool, calls map[string][]string) {
	for changed := true; changed; {
		changed = false
		for name, called := range calls {
			for _, other := range called {
				if marked[other] && !marked[name] {
					marked[name], changed = true, true
				}
			}
		}
	}
}

// canFail reports whether appending e can fail by itself, its parts aside.
func canFail(e *model.Elem) bool {
	if e.Shared {
		return true
	}
	switch e.Kind {
	case model.Float, model.Time, model.RawMessage, model.Number, model.JSONMarshaler, model.TextMarshaler:
		return true
	case model.Map:
		return e.Key != nil && e.Key.Kind == model.TextKey
	default:
		return false
	}
}

// walk visits e and its parts, the parts first.
func walk(e *model.Elem, visit func(*model.Elem)) {
	if e.Elem != nil {
		walk(e.Elem, visit)
	}
	if e.Struct != nil {
		for i := range e.Struct.Fields {
			walk(&e.Struct.Fields[i].Elem, visit)
		}
	}
	visit(e)
}

// reaches reports whether a chain of calls leads from one function to another.
func reaches(calls map[string][]string, from, to string) bool {
	seen := map[string]bool{}
	var follow func(name string) bool
	follow = func(name string) bool {
		for _, called := range calls[name] {
			if called == to {
				return true
			}
			if !seen[called] {
				seen[called] = true
				if follow(called) {
					return true
				}
			}
		}

		return false
	}

	return follow(from)
}
