package plan

import (
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"strconv"
	"strings"
	"unicode"

	"github.com/tqgen/tqgen/generator/directive"
	"github.com/tqgen/tqgen/generator/model"
)

const (
	maxValues  = 16      // of a label
	maxSeries  = 256     // that the labels of a payload make together
	otherValue = "other" // what values are called that are not listed; tq.OtherValue
	labelHelp  = "a label is a string, an integer or a bool, or a type of one of these kinds"
	valuesHelp = "list the values that are told apart: values=eu,us"
)

// labels plans the labels of the payload, in the order of its fields.
func (p *planner) labels(payload *types.Named) []model.Label {
	fields, ok := payload.Underlying().(*types.Struct)
	if !ok {
		return nil
	}

	var list []model.Label
	series, taken := 1, map[string]string{}
	for f := range fields.Fields() {
		d, ok := p.labelled(f)
		if !ok {
			continue
		}
		l, ok := p.label(f, d)
		if first := taken[l.Name]; first != "" {
			p.errorf(d.Pos, "TQ151", "the labels of %s and %s are both called %s", first, l.Field, l.Name).
				Helpf("rename one of the fields")
		}
		taken[l.Name] = l.Field
		if before := series; ok {
			series *= len(l.Values) + 1
			if before <= maxSeries && series > maxSeries {
				p.errorf(d.Pos, "TQ150", "the labels of %s make %d series up to here", p.target.Object.Name(), series).
					Helpf("their combinations, other included, are at most %d: leave values out, or a label", maxSeries)
			}
		}
		l.Func = p.scope.function("label" + l.Field)
		list = append(list, l)
	}
	p.strayLabels(payload)

	return list
}

// labelled gives the label of a field.
func (p *planner) labelled(f *types.Var) (directive.Directive, bool) {
	for _, d := range p.prog.FieldDirectives(f) {
		if d.Name == "label" {
			return d, true
		}
	}

	return directive.Directive{}, false
}

// label plans one label and reports whether it is sound.
func (p *planner) label(f *types.Var, d directive.Directive) (model.Label, bool) {
	l := model.Label{Name: snake(f.Name()), Field: f.Name()}
	before := len(p.diags)
	switch {
	case p.sensitive(f):
		p.errorf(d.Pos, "TQ154", "%s is sensitive, and its values would be in metrics", f.Name()).
			Helpf("keep one of tqgen:sensitive and tqgen:label")
	case !f.Exported() && p.scope.path != f.Pkg().Path():
		p.errorf(d.Pos, "TQ154", "%s is unexported: the output cannot read it", f.Name()).
			Helpf("call it %s, or generate into its own package with out=.", upperFirst(f.Name()))
	}
	basic, _ := f.Type().Underlying().(*types.Basic)
	const kinds = types.IsString | types.IsInteger | types.IsBoolean
	if basic == nil || basic.Info()&kinds == 0 {
		if basic == nil || basic.Kind() != types.Invalid {
			p.errorf(d.Pos, "TQ148", "%s cannot be a label: it is a %s", f.Name(), p.scope.typeString(f.Type())).
				Helpf(labelHelp)
		}

		return l, false
	}
	l.Text = basic.Info()&types.IsString != 0
	l.Values = p.labelValues(basic, d)

	return l, len(p.diags) == before
}

// labelValues reads values, for a field of the given kind.
func (p *planner) labelValues(kind *types.Basic, d directive.Directive) (values []string) {
	arg, given := argumentsOf(d)["values"]
	if !given {
		if !d.Faulty {
			p.errorf(d.Pos, "TQ149", "tqgen:label has no values").Helpf(valuesHelp)
		}

		return nil
	}
	pos := arg.ValuePos
	first := map[string]bool{}
	for value := range strings.SplitSeq(arg.Value, ",") {
		switch fault := valueFault(kind, value); {
		case value == "":
			p.errorf(pos, "TQ149", "values=%s has an empty value", arg.Value).
				Helpf("put one comma between two values, and none at an end: values=eu,us")
		case fault != "":
			p.errorf(pos, "TQ153", "%s is no value of a label: %s", strconv.Quote(value), fault).
				Helpf("%s", valueHelp(kind))
		case first[value]:
			p.errorf(pos, "TQ151", "%s is given twice", strconv.Quote(value)).Helpf("leave one of them out")
		}
		first[value] = true
		values = append(values, value)
		pos += token.Pos(len(value) + 1)
	}
	if len(values) > maxValues {
		p.errorf(arg.ValuePos, "TQ150", "%d values are too many", len(values)).
			Helpf("a label has at most %d: each is a time series of every histogram; all others are %s",
				maxValues, otherValue)
	}

	return values
}

// valueFault says why text is no value of a label of this kind, "" if it is one.
func valueFault(kind *types.Basic, text string) string {
	info := kind.Info()
	switch {
	case text == otherValue:
		return "it stands for all values that are not listed"
	case info&types.IsBoolean != 0 && text != "true" && text != "false":
		return "it is neither true nor false"
	case info&types.IsInteger != 0:
		return numberFault(kind, text)
	case len(text) > maxNameLength:
		return "it is longer than " + strconv.Itoa(maxNameLength) + " bytes"
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }):
		return "it has characters that cannot be printed"
	default:
		return ""
	}
}

// numberFault says why text is not what Go prints a number of this kind as, ""
// if it is. Sizes are those of a 32-bit machine: what compiles there compiles on
// all.
func numberFault(kind *types.Basic, text string) string {
	bits := int(types.SizesFor("gc", "386").Sizeof(kind)) * 8
	var printed string
	var err error
	if kind.Info()&types.IsUnsigned != 0 {
		var n uint64
		n, err = strconv.ParseUint(text, 10, bits)
		printed = strconv.FormatUint(n, 10)
	} else {
		var n int64
		n, err = strconv.ParseInt(text, 10, bits)
		printed = strconv.FormatInt(n, 10)
	}
	switch {
	case errors.Is(err, strconv.ErrRange) && (kind.Kind() == types.Int || kind.Kind() == types.Uint):
		return fmt.Sprintf("it does not fit into %s, which may have 32 bits: %[1]s64 has 64", kind.Name())
	case errors.Is(err, strconv.ErrRange) || err != nil && digits(strings.TrimPrefix(text, "-")):
		return "it does not fit into " + kind.Name()
	case err != nil || printed != text:
		return "it is not a whole number in digits"
	default:
		return ""
	}
}

func valueHelp(kind *types.Basic) string {
	switch info := kind.Info(); {
	case info&types.IsBoolean != 0:
		return "write values=true,false"
	case info&types.IsInteger != 0:
		return "write numbers as Go prints them: values=0,1,2"
	default:
		return valuesHelp
	}
}

// strayLabels reports labels on fields further down, of structs of this module
// that have no queue themselves: nothing would ever read them.
func (p *planner) strayLabels(payload *types.Named) {
	seen := map[types.Type]bool{payload: true}
	for f := range payload.Underlying().(*types.Struct).Fields() {
		p.strayBelow(f.Type(), seen)
	}
	for _, d := range p.target.Directives {
		if name, ok := d.Arg("name"); ok && d.Name == "effect" {
			if result := p.target.EffectResult(name.Value); result != nil {
				p.strayBelow(result, seen)
			}
		}
	}
}

func (p *planner) strayBelow(t types.Type, seen map[types.Type]bool) {
	t = types.Unalias(t)
	if seen[t] || len(seen) > maxTypes {
		return
	}
	seen[t] = true
	named, _ := t.(*types.Named)
	queued := named != nil && p.prog.Queued(named.Origin().Obj())

	switch u := t.Underlying().(type) {
	case *types.Struct:
		for f := range u.Fields() {
			if !queued {
				p.stray(f)
			}
			p.strayBelow(f.Type(), seen)
		}
	case *types.Pointer:
		p.strayBelow(u.Elem(), seen)
	case *types.Slice:
		p.strayBelow(u.Elem(), seen)
	case *types.Array:
		p.strayBelow(u.Elem(), seen)
	case *types.Map:
		p.strayBelow(u.Key(), seen)
		p.strayBelow(u.Elem(), seen)
	}
}

// stray reports the label of a field, once.
func (p *planner) stray(f *types.Var) {
	d, ok := p.labelled(f)
	if !ok || p.strays[d.Pos] || !p.ours(f) {
		return
	}
	p.strays[d.Pos] = true
	p.errorf(d.Pos, "TQ152", "%s is not a field of %s itself", f.Name(), p.target.Object.Name()).
		Helpf("give %s a field of its own for what measurements are to be told apart by", p.target.Object.Name())
}

// ours reports whether a field is declared in the payload's module.
func (p *planner) ours(f *types.Var) bool {
	module := p.target.Package.Module

	return module == nil || f.Pkg().Path() == module.Path || strings.HasPrefix(f.Pkg().Path(), module.Path+"/")
}
