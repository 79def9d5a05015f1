package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/types/typeutil"

	"github.com/tqgen/tqgen/generator/directive"
	"github.com/tqgen/tqgen/generator/load"
	"github.com/tqgen/tqgen/generator/model"
)

// coordinatorMethods are the methods every Coordinator has.
var coordinatorMethods = []string{"CaptureEvent", "Do", "DoTask", "Recorder"}

// eventSuffix ends the name of an effect's method for events.
const eventSuffix = "Event"

// withoutQueue reports effects of a type that has no queue.
func (r *run) withoutQueue(target *load.Target) {
	if _, ok := target.Directive("queue"); ok {
		return
	}
	for _, d := range target.Directives {
		if d.Name != "effect" {
			continue
		}
		r.errorf(d.Pos, "TQ145", "tqgen:effect without tqgen:queue on %s", target.Object.Name()).
			Helpf("an effect is one of a queue's tasks: add //tqgen:queue above %s", target.Object.Name())
	}
}

// effects plans the effects of the payload, in the order of their directives.
func (c *codecPlanner) effects() []model.Effect {
	var list []model.Effect
	taken := map[string]token.Pos{}
	for _, d := range c.target.Directives {
		if d.Name != "effect" {
			continue
		}
		args := argumentsOf(d)
		before := len(c.diags)
		e := model.Effect{Name: c.effectName(d, args), Schema: c.schema(args)}
		c.claimEffect(args, e.Name, taken)
		c.result(d, args, &e)
		if len(c.diags) == before {
			list = append(list, e)
		}
	}

	return list
}

// effectName reads name, the method of the Coordinator.
func (c *codecPlanner) effectName(d directive.Directive, args arguments) string {
	arg, given := args["name"]
	switch {
	case !given:
		c.errorf(d.Pos, "TQ146", "tqgen:effect has no name").
			Helpf("name=Notify calls the method of the Coordinator")
	case !token.IsIdentifier(arg.Value) || !token.IsExported(arg.Value) || len(arg.Value) > maxNameLength:
		c.errorf(arg.ValuePos, "TQ141", "name=%s cannot be the name of a method", arg.Value).
			Helpf("write an exported Go name, as in name=Notify")
	}

	return arg.Value
}

// claimEffect reports an effect whose methods there are already.
func (c *codecPlanner) claimEffect(args arguments, name string, taken map[string]token.Pos) {
	if name == "" {
		return
	}
	arg := args["name"]
	for _, method := range []string{name, name + eventSuffix} {
		if slices.Contains(coordinatorMethods, method) {
			c.errorf(arg.ValuePos, "TQ142", "name=%s: every Coordinator has a method %s", name, method).
				Helpf("call the effect by another name")

			return
		}
		if first, ok := taken[method]; ok {
			d := c.errorf(arg.ValuePos, "TQ142", "name=%s: another effect of %s has the method %s",
				name, c.target.Object.Name(), method)
			d.Helpf("it is declared in line %d; each effect has a method for tasks, %s, and one for events, %s",
				c.prog.Position(first).Line, name, name+eventSuffix)

			return
		}
	}
	taken[name], taken[name+eventSuffix] = arg.ValuePos, arg.ValuePos
}

// schema reads schema, "" if it is to follow from the result.
func (c *codecPlanner) schema(args arguments) string {
	arg, given := args["schema"]
	if !given {
		return ""
	}
	odd := func(r rune) bool { return r <= ' ' || r >= 0x7f }
	if len(arg.Value) > maxNameLength || strings.ContainsFunc(arg.Value, odd) {
		c.errorf(arg.ValuePos, "TQ144", "schema=%s is not a schema id", strconv.Quote(arg.Value)).
			Helpf("it has at most %d characters, ASCII without spaces: schema=notify/1", maxNameLength)
	}

	return arg.Value
}

// result plans the codec of what an effect gives.
func (c *codecPlanner) result(d directive.Directive, args arguments, e *model.Effect) {
	arg, given := args["result"]
	if !given {
		c.errorf(d.Pos, "TQ146", "tqgen:effect has no result").
			Helpf("result=NotifyResult is the type of what it gives").
			Helpf("an effect that gives nothing needs no directive: see the Coordinator's DoTask")

		return
	}
	if _, err := parser.ParseExpr(arg.Value); err != nil {
		c.errorf(arg.ValuePos, "TQ143", "result=%s is not a type", arg.Value).
			Helpf("write it as the type of a field: result=NotifyResult, result=[]mail.Receipt, result=*Order")

		return
	}
	t := c.target.EffectResult(e.Name)
	if t == nil || e.Name == "" {
		return // its name was reported
	}

	payload := c.root
	c.root = root{"effect " + e.Name, arg.Value, e.Name + "Result", arg.ValuePos}
	defer func() { c.root = payload }()
	if expands(t, new(typeutil.Map)) { // which was reported
		return
	}
	if c.checkLocks(t); !c.usable(t) {
		return
	}
	e.Type = c.scope.typeString(t)
	e.Append = c.appendResult(t)
	e.Decode = c.decodeResult(t)
	e.Shape = c.shape(t)
	if e.Schema == "" {
		e.Schema = schemaOf(e.Shape)
	}
}

// schemaOf is the id of a JSON form.
func schemaOf(shape string) string {
	sum := sha256.Sum256([]byte(shape))

	return "shape-" + hex.EncodeToString(sum[:8])
}

// appendResult gives the call of the function that appends a t: the shared
// codec's, or one that is planned here. Methods of what a pointer points to are
// called there.
func (c *codecPlanner) appendResult(t types.Type) model.Elem {
	e := c.appendElem(t, true, false)
	switch {
	case e.Func != "":
	case isPointer(t):
		name := c.scope.function("append" + c.word(t))
		c.codec.Appenders = append(c.codec.Appenders, model.Func{Name: name, Elem: e})
		e.Func = name
	default:
		e.Func = c.appendFunc(t, true)
	}

	return e
}

// decodeResult gives the function that decodes a t, by its methods if it has
// any.
func (c *codecPlanner) decodeResult(t types.Type) string {
	e := c.decodeElem(t, false)
	switch {
	case e.Func != "":
		return e.Func
	case e.Kind != model.Pointer && c.decodeMethods(t).Kind == noKind:
		return c.decodeFunc(t)
	}
	name := c.scope.function("decode" + c.word(t))
	c.codec.Decoders = append(c.codec.Decoders, model.Func{Name: name, Elem: e})

	return name
}

// settleEffect completes the call of a function of the codec.
func settleEffect(codec *model.Codec, e *model.Effect) {
	for i := range codec.Appenders {
		if f := &codec.Appenders[i]; f.Name == e.Append.Func && !e.Append.Shared {
			e.Append = f.Elem
			e.Append.Func = f.Name
		}
	}
	e.Append.CanFail = e.Append.CanFail || e.Append.Shared
}

// shape is the JSON form of a t, as text. It does not matter which codecs are
// shared, so it is planned for itself.
func (c *codecPlanner) shape(t types.Type) string {
	alone := *c.run
	alone.codecs, alone.diags = nil, nil
	p := *c.planner
	p.run, p.scope = &alone, newScope(c.scope.path, nil, "")
	s := &codecPlanner{planner: &p, root: c.root, reported: map[string]bool{}}
	e := s.appendResult(t)

	return shapeOf(s.codec.Appenders, e.Func)
}

// shapeOf is the JSON form that a function writes, as text. It is the same for
// types that differ in Go names, in the order of their fields, in the width of
// their numbers, and in what may be null or left out.
func shapeOf(appenders []model.Func, function string) string {
	s := shaper{}
	for i := range appenders {
		s[appenders[i].Name] = &appenders[i].Elem
	}

	return s.shape(&model.Elem{Func: function}, nil)
}

// shaper knows the functions of a codec by name.
type shaper map[string]*model.Elem

// shapes are the forms of values without parts.
var shapes = map[model.Kind]string{
	model.Bool: "bool", model.Int: "integer", model.Uint: "integer", model.Float: "number", model.String: "string",
	model.Bytes: "base64", model.Time: "time", model.RawMessage: "json", model.Number: "number",
	model.JSONMarshaler: "json", model.TextMarshaler: "string",
}

// shape is the form of e. Within are the functions of the objects and arrays it
// is part of, outermost first: a type that holds itself is named by how far out
// it is.
func (s shaper) shape(e *model.Elem, within []string) string {
	if e == nil {
		return shapes[model.String] // the one part the runtime has functions for
	}
	function := e.Func
	if function != "" {
		if i := s.repeats(function, within); i >= 0 {
			return "^" + strconv.Itoa(len(within)-i)
		}
		e = s[function]
	}
	inner := append(slices.Clip(within), function)
	switch e.Kind {
	case model.StructKind:
		return s.object(e.Struct, inner)
	case model.Slice, model.Array:
		return "[" + s.shape(e.Elem, inner) + "]"
	case model.Map:
		return "{*:" + s.shape(e.Elem, inner) + "}"
	case model.Pointer:
		return s.shape(e.Elem, within)
	}
	if e.Quoted {
		return "quoted " + shapes[e.Kind]
	}

	return shapes[e.Kind]
}

// repeats is where a function stands among those it is called from, or -1. A
// list or map that comes again by way of a struct is left to that struct, so
// that it does not matter whether the two have one type.
func (s shaper) repeats(function string, within []string) int {
	i := slices.Index(within, function)
	if i < 0 || s[function].Kind == model.StructKind {
		return i
	}
	for _, f := range within[i:] {
		if f != "" && s[f].Kind == model.StructKind {
			return -1
		}
	}

	return i
}

// object is the form of a struct.
func (s shaper) object(o *model.Struct, within []string) string {
	members := make([]string, len(o.Fields))
	for i := range o.Fields {
		members[i] = strconv.Quote(o.Fields[i].Name) + ":" + s.shape(&o.Fields[i].Elem, within)
	}
	slices.Sort(members)

	return "{" + strings.Join(members, ",") + "}"
}
