package templates

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dave/jennifer/jen"

	"github.com/tqgen/tqgen/generator/model"
)

// Generation is the form of the output, which the runtime must serve.
const Generation = 1

// emitPackage prints what concerns the package as a whole: its comment, the
// policy of the directive, and the guards.
func emitPackage(f *file) {
	if f.queue.Package.Own {
		f.doc = f.fill(packageDoc(f.queue))
	}

	f.declare(`
$Options override the directive's policy. A zero field means the directive's
value; where zero itself is wanted there is a constant, such as tq.NoBackoff.`, `
type $Options = tq.Options`)
	f.declare(`
$RunOptions say how $Run works. The zero value is one worker.`, `
type $RunOptions = tq.RunOptions`)
	emitDirective(f)
	emitWindow(f)
	emitGuards(f)
}

// packageDoc is the package comment of an output that has its package to itself.
func packageDoc(q *model.Queue) string {
	return `
Package $package is the task queue of $Payload payloads, named
` + strconv.Quote(q.Name) + ` in events and logs.

Producers add payloads with [Queue.Enqueue]. Workers take them with
[Queue.Lease], or hand a function to [Run]. A task is leased to one worker at a
time. If the worker neither settles nor prolongs its lease in time, the task
goes to another one, so every task is worked on at least once, and again only
after a lease was lost or an attempt has failed. A worker whose lease is lost
cannot change the task any more: whatever it calls answers tq.ErrLeaseLost.
Tasks are leased in the order in which they became ready.

[New] opens a queue in the memory of this process, [Local]. What it accepted is
in it until it is completed, purged or drained, and is lost with the process.
Close wakes everybody who waits, and lets leases settle.

From Enqueue on a payload's slices, maps and pointers are shared by the queue,
its leases and its events: nobody writes to them any more.` + memoryOnly(q)
}

// memoryOnly says which fields are not in JSON.
func memoryOnly(q *model.Queue) string {
	if len(q.Payload.MemoryOnly) == 0 {
		return ""
	}

	return "\n\nNot part of the JSON form, and so gone after Drain and Restore by way of JSON: " +
		strings.Join(q.Payload.MemoryOnly, ", ") + "."
}

// emitDirective prints the policy of the directive as options:
// golden/accept/several.
func emitDirective(f *file) {
	f.Line()
	f.comment("$directive is the policy of the tqgen:queue directive.")
	f.Func().Id(f.names.Directive).Params().Id(f.names.Options).Block(
		jen.Return(jen.Id(f.names.Options).Custom(fields, policyFields(f.queue)...)),
	)
}

// fields is a composite literal with a field a line.
var fields = jen.Options{Open: "{", Close: "}", Separator: ",", Multi: true}

// policyFields are the options the directive decides.
func policyFields(q *model.Queue) []jen.Code {
	policy := q.Policy
	list := []jen.Code{
		jen.Id("Name: " + strconv.Quote(q.Name)),
		jen.Id("Capacity: " + strconv.Itoa(policy.Capacity)),
		jen.Id("Lease: " + durationExpr(policy.Lease)),
		jen.Id("Heartbeat: " + durationExpr(policy.Heartbeat)),
		jen.Id("Attempts: " + strconv.Itoa(policy.Attempts)),
		jen.Id("Dead: " + strconv.Itoa(policy.Dead)),
	}
	if policy.Backoff.Kind != model.NoBackoff {
		list = append(list, jen.Id("Backoff: "+backoffExpr(policy.Backoff)))
	}

	return append(list, watermarkFields(policy)...)
}

// watermarkFields are the options of backpressure, whose zeros have names.
func watermarkFields(policy model.Policy) []jen.Code {
	low, cooldown := strconv.Itoa(policy.Low), durationExpr(policy.Cooldown)
	if policy.Low == 0 {
		low = "tq.UntilEmpty"
	}
	if policy.Cooldown == 0 {
		cooldown = "tq.NoCooldown"
	}

	return []jen.Code{
		jen.Id("High: " + strconv.Itoa(policy.High)), jen.Id("Low: " + low), jen.Id("Cooldown: " + cooldown),
	}
}

// backoffExpr spells b.
func backoffExpr(b model.Backoff) string {
	if b.Kind == model.ConstBackoff {
		return "tq.ConstBackoff(" + durationExpr(b.Base) + ")"
	}

	return fmt.Sprintf("tq.ExpBackoff(%s, %s, %d)", durationExpr(b.Base), durationExpr(b.Max), b.JitterPercent)
}

// durationExpr spells d in the largest unit that divides it.
func durationExpr(d time.Duration) string {
	units := []struct {
		size time.Duration
		name string
	}{
		{time.Hour, "time.Hour"}, {time.Minute, "time.Minute"}, {time.Second, "time.Second"},
		{time.Millisecond, "time.Millisecond"}, {time.Microsecond, "time.Microsecond"},
	}
	for _, u := range units {
		if d%u.size == 0 {
			return product(int64(d/u.size), u.name)
		}
	}

	return product(int64(d), "time.Nanosecond")
}

func product(n int64, unit string) string {
	if n == 1 {
		return unit
	}

	return strconv.FormatInt(n, 10) + " * " + unit
}

// emitWindow prints the constants that overflow unless runtime and output fit:
// golden/accept/minimal.
func emitWindow(f *file) {
	n := strconv.Itoa(Generation)
	f.declare(`
These constants overflow where this file and the runtime do not fit. If it is
the first one, the file is too old: run go generate. If it is the second one, the
runtime is too old: run

	go get github.com/tqgen/tqgen@latest`, `
const (
	_ = tq.EnforceGeneration(`+n+` - tq.MinGeneration)
	_ = tq.EnforceGeneration(tq.MaxGeneration - `+n+`)
)`)
}

// emitGuards prints one declaration a type that stops compiling when the type
// changes: golden/accept/several.
func emitGuards(f *file) {
	for _, g := range f.queue.Guards {
		f.Line()
		f.comment("If this does not compile, " + g.Name +
			" has changed since the codec was generated: run go generate.")
		switch g.Kind {
		case model.GuardStruct:
			f.Var().Id("_").Id(g.Type).Op("=").Struct(guardShape(g.Fields)...).Values()
		case model.GuardFields:
			f.Func().Id("_").Params(jen.Id("v").Op("*").Id(g.Type)).Block(fieldGuards(g.Fields)...)
		case model.GuardScalar:
			f.Id("var _ = (*" + g.Basic + ")((*" + g.Type + ")(nil))")
		}
	}
}

// fieldGuards takes the address of each field by a pointer of its type.
func fieldGuards(fields []model.GuardField) []jen.Code {
	guards := make([]jen.Code, len(fields))
	for i, field := range fields {
		guards[i] = jen.Var().Id("_").Op("*").Id(parenthesised(field.Type)).Op("=").Op("&").Id("v." + field.Name)
	}

	return guards
}

// guardShape is a struct type as its fields, tags included.
func guardShape(fields []model.GuardField) []jen.Code {
	shape := make([]jen.Code, len(fields))
	for i, field := range fields {
		line := strings.TrimLeft(field.Name+" "+field.Type, " ")
		if field.Tag != "" {
			line += " " + tagLiteral(field.Tag)
		}
		shape[i] = jen.Id(line)
	}

	return shape
}

// tagLiteral spells a struct tag as people do, in backquotes where they can
// hold it.
func tagLiteral(tag string) string {
	if strconv.CanBackquote(tag) {
		return "`" + tag + "`"
	}

	return strconv.Quote(tag)
}

// parenthesised keeps a pointer to t apart from what t begins with.
func parenthesised(t string) string {
	if strings.HasPrefix(t, "<-") || strings.HasPrefix(t, "func") {
		return "(" + t + ")"
	}

	return t
}
