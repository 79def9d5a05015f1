package templates

import (
	"strconv"

	"github.com/tqgen/tqgen/generator/model"
)

// emitCoordinator prints what runs effects once, with a method for each effect
// of the directives: golden/accept/effects.
func emitCoordinator(f *file) {
	emitCoordinatorType(f)
	for i := range f.queue.Effects {
		emitEffect(f, &f.queue.Effects[i])
	}
}

// emitCoordinatorType prints the Coordinator and what every payload has of it:
// golden/accept/minimal.
func emitCoordinatorType(f *file) {
	f.declare(`
$Coordinator runs effects of tasks and events once, and replays their recorded
outcome to whoever asks again: a later attempt, a worker that took over, another
process on the same store. An effect may run more than once where a process died
or an attempt failed; what is recorded is exactly one outcome. See package
effect for every detail.

Its methods are safe for concurrent use.`, `
type $Coordinator struct {
	recorder *effect.Recorder
}`)
	f.declare(`
$NewCoordinator gives a coordinator that records as o says. The zero Options.Queue
means the directive's name.`, `
func $NewCoordinator(o effect.Options) (*$Coordinator, error) {
	if o.Queue == "" {
		o.Queue = $directive().Name
	}
	recorder, err := effect.New(o)
	if err != nil {
		return nil, err
	}

	return &$Coordinator{recorder: recorder}, nil
}`)
	f.declare(`
Recorder is what records: for the version gate, and for effects that belong to
neither a task nor an event.`, `
func (c *$Coordinator) Recorder() *effect.Recorder { return c.recorder }`)
	f.declare(`
Do runs do once for the event and the effect of that name, as sinks need it. A
later call returns nil, or the recorded failure, an *effect.Failure. An error of
do is recorded only if effect.Final marked it, and cancellation never.`, `
func (c *$Coordinator) Do(
	ctx context.Context, e *$Event, name string, do func(context.Context, *$Event, effect.Call) error,
) error {
	run := func(ctx context.Context, call effect.Call) error { return do(ctx, e, call) }

	return c.recorder.Do(ctx, c.ofEvent(e, name), run)
}`)
	f.declare(`
DoTask is Do once for the task of the lease, as handlers need it: whoever holds
the task later, also after a failover, gets the outcome that is recorded.`, `
func (c *$Coordinator) DoTask(
	ctx context.Context, l *$Lease, name string, do func(context.Context, *$Lease, effect.Call) error,
) error {
	run := func(ctx context.Context, call effect.Call) error { return do(ctx, l, call) }

	return c.recorder.Do(ctx, c.ofTask(l, name), run)
}`)
	f.declare(`
CaptureEvent records the event itself, payload included, and returns it as it
was recorded first. A record that is no event is an *effect.MismatchError.`, `
func (c *$Coordinator) CaptureEvent(ctx context.Context, e *$Event) ($Event, error) {
	run := func(context.Context, effect.Call) ([]byte, error) { return e.AppendJSON(nil) }
	text, err := c.recorder.Capture(ctx, c.ofEvent(e, ""), "event", run)
	if err != nil {
		return $Event{}, err
	}

	var out $Event
	err = out.UnmarshalJSON(text)

	return out, err
}`)
	f.declare("", `
func (c *$Coordinator) ofEvent(e *$Event, name string) effect.Scope {
	return effect.ForEvent(e.Queue, e.Incarnation, e.Sequence, e.Task, name)
}`)
	f.declare("", `
func (c *$Coordinator) ofTask(l *$Lease, name string) effect.Scope {
	return effect.ForTask(c.recorder.Options().Queue, l.Token.Task, name)
}`)
}

// emitEffect prints the methods of one effect: golden/accept/effects.
func emitEffect(f *file, e *model.Effect) {
	f.words["Effect"], f.words["effect"] = e.Name, strconv.Quote(e.Name)
	f.words["Result"], f.words["schema"] = e.Type, strconv.Quote(e.Schema)
	f.words["decodeResult"] = e.Decode
	f.words["appendResult"] = appendResult(&e.Append)

	f.declare(`
$Effect runs do once for the task of the lease and returns what it gave, at
first and ever after, as its JSON form gives it back. A failure is recorded only
if effect.Final marked it; then it is an *effect.Failure. A result that was
recorded in another form is an *effect.MismatchError.`, `
func (c *$Coordinator) $Effect(
	ctx context.Context, l *$Lease, do func(context.Context, *$Lease, effect.Call) ($Result, error),
) ($Result, error) {
	run := func(ctx context.Context, call effect.Call) ($Result, error) { return do(ctx, l, call) }

	return c.run$Effect(ctx, c.ofTask(l, $effect), run)
}`)
	f.declare(`
${Effect}Event is $Effect in the scope of the event: once for each.`, `
func (c *$Coordinator) ${Effect}Event(
	ctx context.Context, e *$Event, do func(context.Context, *$Event, effect.Call) ($Result, error),
) ($Result, error) {
	run := func(ctx context.Context, call effect.Call) ($Result, error) { return do(ctx, e, call) }

	return c.run$Effect(ctx, c.ofEvent(e, $effect), run)
}`)
	f.declare("", `
func (c *$Coordinator) run$Effect(
	ctx context.Context, s effect.Scope, do func(context.Context, effect.Call) ($Result, error),
) ($Result, error) {
	run := func(ctx context.Context, call effect.Call) ([]byte, error) {
		v, err := do(ctx, call)
		if err != nil {
			return nil, err
		}

		return $appendResult
	}
	var out $Result
	text, err := c.recorder.Capture(ctx, s, $schema, run)
	if err != nil {
		return out, err
	}

	var r jsonwire.Reader
	r.Init(text)
	err = r.Finish($decodeResult(&r, 0, &out))

	return out, err
}`)
}

// appendResult is what returns the JSON of v.
func appendResult(e *model.Elem) string {
	call := e.Func + "(nil, " + passed(e, at("v")) + depthArgument(e, "1") + ")"
	if !e.CanFail {
		call += ", nil"
	}

	return call
}
