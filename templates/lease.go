package templates

import (
	"strconv"

	"github.com/dave/jennifer/jen"

	"github.com/tqgen/tqgen/generator/model"
)

// emitLease prints the lease, what logs show of it, and the worker pool.
func emitLease(f *file) {
	emitLeaseType(f)
	emitSettling(f)
	emitLeaseLog(f)
	emitPayloadLog(f)
	emitRun(f)
}

// emitLeaseType prints the lease and its constructor: golden/accept/minimal.
func emitLeaseType(f *file) {
	f.declare(`
$Lease is one task, held by one worker until it settles or the deadline passes.

The zero $Lease holds nothing: its methods answer tq.ErrLeaseLost. A copy is the
same lease. The methods are safe for concurrent use; the first that settles
wins. Logs and formatted output show it without sensitive fields.`, `
type $Lease struct {
	// Payload is what was enqueued. Its slices, maps and pointers are shared:
	// nobody writes to them.
	Payload $Payload

	// Token is the fencing token of this grant. It grows with every grant, so
	// whoever keeps the highest it has seen can refuse a worker that has lost
	// its lease.
	Token tq.Token

	// Attempt counts the grants of this task, this one included, from 1.
	Attempt int

	// EnqueuedAt is when the task was accepted.
	EnqueuedAt time.Time

	// LastError is why the attempt before failed, nil if there was none.
	LastError *tq.TaskError

	held tq.Held
}`)
	f.declare(`
$NewLease is for engines: the lease of a task that g was granted for.`, `
func $NewLease(p $Payload, g tq.Grant) (l $Lease) {
	l.fill(&p, &g)

	return l
}`)
	f.declare(`
fill makes l the lease of p, in place: payload and grant are not small.`, `
func (l *$Lease) fill(p *$Payload, g *tq.Grant) {
	l.Payload = *p
	l.Token = g.Token
	l.Attempt = g.Token.Attempt
	l.EnqueuedAt = g.EnqueuedAt
	l.LastError = g.LastError
	l.held = g.Held
}`)
}

// emitSettling prints the lease's methods: golden/accept/minimal.
func emitSettling(f *file) {
	f.declare(`
Complete removes the task for good. The error matches tq.ErrLeaseLost if the
lease has expired, even if no other worker holds the task yet.`, `
func (l *$Lease) Complete(ctx context.Context) error { return l.held.Complete(ctx, l.Token) }`)
	f.declare(`
$CompleteAll completes leases as Complete does, each for itself, and says how
many were. It takes a lock once for many of them. The error joins those of the
leases that were not completed, and matches tq.ErrLeaseLost if any was lost.`, `
func $CompleteAll(ctx context.Context, leases []$Lease) (n int, err error) {
	var all tq.Completions
	for i := range leases {
		all.Complete(ctx, &leases[i].held, &leases[i].Token)
	}

	return all.End()
}`)
	f.declare(`
Heartbeat prolongs the lease by its full time and returns the deadline that now
holds. The error matches tq.ErrLeaseLost if the lease has expired.`, `
func (l *$Lease) Heartbeat(ctx context.Context) (until time.Time, err error) {
	return l.held.Heartbeat(ctx, l.Token)
}`)
	f.declare(`
Fail ends the attempt. The task is ready again after the policy's backoff, with
cause as its LastError, or dead if this was the last attempt. The error matches
tq.ErrLeaseLost if the lease has expired.`, `
func (l *$Lease) Fail(ctx context.Context, cause error) error {
	return l.held.Fail(ctx, l.Token, cause)
}`)
	f.declare(`
Release gives the task back at once, to be leased next; the attempt does not
count. The error matches tq.ErrLeaseLost if the lease has expired.`, `
func (l *$Lease) Release(ctx context.Context) error { return l.held.Release(ctx, l.Token) }`)
	f.declare(`
DeadLetter gives the task up, whatever attempts are left. The error matches
tq.ErrLeaseLost if the lease has expired.`, `
func (l *$Lease) DeadLetter(ctx context.Context, cause error) error {
	return l.held.DeadLetter(ctx, l.Token, cause)
}`)
	f.declare(`
Deadline is when the lease expires unless it is prolonged; the zero time if it
is lost or settled.`, `
func (l *$Lease) Deadline() time.Time { return l.held.Deadline(l.Token) }`)
	f.declare(`
Owner is whom the lease was granted to, as LeaseAs or RunOptions.Owner named
them; empty if nobody was named, and once the lease is lost or settled.`, `
func (l *$Lease) Owner() string { return l.held.Owner(l.Token) }`)
	f.declare(`
TraceParent is the W3C trace context of whoever enqueued the task, as
Options.TraceParent told it; empty if there was none, and once the lease is lost
or settled.`, `
func (l *$Lease) TraceParent() string { return l.held.TraceParent(l.Token) }`)
}

// emitLeaseLog prints how a lease shows in logs: golden/accept/sensitive.
func emitLeaseLog(f *file) {
	f.declare(`
LogValue is the lease without the sensitive fields of its payload.`, `
func (l $Lease) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("token", l.Token.String()),
		slog.Int("attempt", l.Attempt),
		slog.Time("enqueuedAt", l.EnqueuedAt),
		slog.Attr{Key: "payload", Value: $payloadLog(&l.Payload)},
	)
}`)
	f.declare(`
Format prints what LogValue gives, whatever the verb.`, `
func (l $Lease) Format(s fmt.State, _ rune) { fmt.Fprint(s, l.LogValue()) }`)
}

// emitPayloadLog prints the function that gives logs a payload, field by field,
// without the sensitive ones: golden/accept/sensitive.
func emitPayloadLog(f *file) {
	f.Line()
	f.comment("$payloadLog is a payload as logs show it: without its sensitive fields.")
	f.Func().Id(f.names.PayloadLog).Params(jen.Id("p").Op("*").Id(f.queue.Payload.Type)).Id("slog.Value").Block(
		jen.Return(jen.Id("slog.GroupValue").Custom(multiline, attrs(f.queue.Payload.Fields)...)),
	)
}

// multiline is a call with an argument a line.
var multiline = jen.Options{Open: "(", Close: ")", Separator: ",", Multi: true}

// attrs are the attributes of a group, one a field.
func attrs(fields []model.LogField) []jen.Code {
	list := make([]jen.Code, len(fields))
	for i, field := range fields {
		list[i] = attr(field)
	}

	return list
}

// constructors are the slog functions of the kinds whose value is the field.
var constructors = map[model.LogKind]string{
	model.LogAny:      "slog.Any",
	model.LogString:   "slog.String",
	model.LogPlainInt: "slog.Int",
	model.LogInt:      "slog.Int64",
	model.LogUint:     "slog.Uint64",
	model.LogFloat:    "slog.Float64",
	model.LogBool:     "slog.Bool",
	model.LogTime:     "slog.Time",
	model.LogDuration: "slog.Duration",
}

// attr is one field as an attribute.
func attr(field model.LogField) *jen.Statement {
	name, value := strconv.Quote(field.Name), "p."+field.Expr
	switch field.Kind {
	case model.LogGroup:
		return jen.Id("slog.Attr").Values(jen.Dict{
			jen.Id("Key"):   jen.Id(name),
			jen.Id("Value"): jen.Id("slog.GroupValue").Custom(multiline, attrs(field.Group)...),
		})
	case model.LogLength:
		return jen.Id("slog.Group(" + name + `, slog.Int("len", len(` + value + ")))")
	case model.LogPresence:
		return jen.Id("slog.Group(" + name + `, slog.Bool("set", ` + value + " != nil))")
	}

	if field.Convert != "" {
		value = field.Convert + "(" + value + ")"
	}

	return jen.Id(constructors[field.Kind] + "(" + name + ", " + value + ")")
}

// emitRun prints the worker pool: golden/accept/minimal.
func emitRun(f *file) {
	f.declare(`
$Run leases tasks of q and calls handler for each, o.Workers at a time, until ctx
ends or q answers with an error.

A handler that returns nil completes its task, an error fails it, tq.Permanent
of an error dead-letters it, and a panic fails it. A lease the handler has
settled by itself is left alone. While the handler runs its lease is prolonged;
if that is lost, the handler's context is cancelled with the cause
tq.ErrLeaseLost. The lease is the handler's until it returns.

When ctx ends no more is leased. Handlers may go on for o.Grace; then their
contexts are cancelled and their leases released, with no attempt counted. $Run
returns nil in that case, else the queue's error. See tq.Run for every detail.`, `
func $Run(
	ctx context.Context, q $Queue, o $RunOptions, handler func(context.Context, *$Lease) error,
) error {
	return tq.Run(ctx, o, q.runPolicy(), func() tq.Worker {
		return &$worker{queue: q, owner: o.Owner, handler: handler}
	})
}`)
	f.declare(`
$worker is the typed half of one of $Run's goroutines.`, `
type $worker struct {
	queue   $Queue
	owner   string
	handler func(context.Context, *$Lease) error
	lease   $Lease
}`)
	f.declare("", `
func (w *$worker) Next(ctx context.Context, o tq.Outcome) (settled, err error) {
	return w.queue.settleLease(ctx, &w.lease, o, w.owner)
}`)
	f.declare("", `
func (w *$worker) Handle(ctx context.Context) error { return w.handler(ctx, &w.lease) }`)
	f.declare("", `
func (w *$worker) Lease() (tq.Held, tq.Token) { return w.lease.held, w.lease.Token }`)
}
