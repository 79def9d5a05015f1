package templates

// emitSink prints what applies a stream of events.
func emitSink(f *file) {
	emitSinkType(f)
	emitSinkRun(f)
	emitSinkPlace(f)
	emitFanout(f)
}

// emitSinkType prints the sink and its constructor: golden/accept/minimal.
func emitSinkType(f *file) {
	f.declare(`
$SinkOptions say how a $Sink applies events, and where it remembers how far it
came. Only Stream must be set.`, `
type $SinkOptions = replication.SinkOptions`)
	f.declare(`
$Sink applies the events of one stream. It passes over an event if, and only if,
it has applied it: what failed comes again, and what a checkpoint has, or this
$Sink itself, does not. After a crash what was applied since the last checkpoint
is applied anew, at most a batch and what was under way, so apply must bear that.

Events of a task are applied in order, and one after another, however many are
applied at a time. Its methods are safe for concurrent use.`, `
type $Sink struct {
	sink  *replication.Sink
	apply func(context.Context, *$Event) error
}`)
	f.declare(`
$NewSink makes a sink that calls apply for each event, which is apply's until it
returns. The error says which option is out of range.`, `
func $NewSink(o $SinkOptions, apply func(context.Context, *$Event) error) (*$Sink, error) {
	sink, err := replication.NewSink(o)
	if err != nil {
		return nil, err
	}

	return &$Sink{sink: sink, apply: apply}, nil
}`)
}

// emitSinkRun prints how events are applied: golden/accept/minimal.
func emitSinkRun(f *file) {
	f.declare(`
Run applies events to their end, or until something stops it: an error that comes
instead of an event, the end of ctx, an event that could not be applied
(*replication.ApplyError), one that is missing (tq.ErrGap), or a checkpoint that
could not be saved (replication.ErrConflict if another writer has). A second run
of the stream is replication.ErrRunning.

If the sink itself stops, Run returns when events give the next one; Feed ends
the wait at once. What was not applied must come again: the events of the next
run begin behind Position.`, `
func (s *$Sink) Run(ctx context.Context, events iter.Seq2[$Event, error]) error {
	return s.Feed(ctx, func(context.Context) iter.Seq2[$Event, error] { return events })
}`)
	f.declare(`
Feed is Run for what takes a context, like the All of a $Source: it ends with the
run.`, `
func (s *$Sink) Feed(
	ctx context.Context, all func(context.Context) iter.Seq2[$Event, error],
) error {
	return s.run(ctx, nil, func(ctx context.Context, take func(context.Context, *$Event) error) error {
		var event $Event
		for e, err := range all(ctx) {
			if err != nil {
				return err
			}
			event = e
			if err := take(ctx, &event); err != nil {
				return err
			}
		}

		return nil
	})
}`)
	f.declare(`
Follow is Feed for a $Source: events are applied where the source has them, and
copied only if several are applied at a time. After an error it may go on with
the same source. The source's operations, if it is synchronous, get the error of
an event that could not be applied.`, `
func (s *$Sink) Follow(ctx context.Context, source *$Source) error {
	return s.run(ctx, source.Probe(), source.Pump)
}`)
	f.declare(`
run applies what pump gives it, from a source if that is known.`, `
func (s *$Sink) run(
	ctx context.Context, from *replication.SourceProbe,
	pump func(ctx context.Context, take func(context.Context, *$Event) error) error,
) error {
	var events []*$Event // by slot
	apply := func(ctx context.Context, slot int) error { return s.apply(ctx, events[slot]) }

	return s.sink.Run(ctx, apply, func(r *replication.SinkRun) error {
		r.From(from)
		events = make([]*$Event, r.Slots())
		if len(events) > 1 {
			for i := range events {
				events[i] = new($Event)
			}
		}

		return pump(r.Context(), func(_ context.Context, e *$Event) error {
			slot, err := r.Slot()
			if err != nil {
				return err
			}
			if len(events) == 1 { // it is applied before pump goes on
				events[slot] = e
			} else {
				*events[slot] = *e
			}

			return r.Apply(slot, &events[slot].Header)
		})
	})
}`)
}

// emitSinkPlace prints where a sink stands: golden/accept/minimal.
func emitSinkPlace(f *file) {
	f.declare(`
Position is where the stream goes on: the event after it comes next.`, `
func (s *$Sink) Position(ctx context.Context) (tq.Position, error) { return s.sink.Position(ctx) }`)
	f.declare(`
MoveTo says that everything up to a position is applied, by way of a snapshot for
one, and saves that. The error is replication.ErrBackwards if the sink is further
or has left that incarnation, replication.ErrRunning while it runs.`, `
func (s *$Sink) MoveTo(ctx context.Context, to tq.Position) error { return s.sink.MoveTo(ctx, to) }`)
	f.declare(`
Stats reads the sink's position and counters, all of one moment.`, `
func (s *$Sink) Stats() replication.SinkStats { return s.sink.Stats() }`)
	f.declare(`
Probe is how telemetry and diagnostics see the sink.`, `
func (s *$Sink) Probe() *replication.SinkProbe { return s.sink.Probe() }`)
}

// emitFanout prints how a queue feeds several sinks: golden/accept/minimal.
func emitFanout(f *file) {
	f.declare(`
$Fanout feeds sinks with the events of a queue, each by a goroutine and a source
of its own, from its position on. What one of them does, or does not, is nothing
to the others: the attachment in its place says what has ended it. That is
tq.ErrGap where the queue has no longer what comes next for a sink, which then
needs a snapshot. The end of ctx ends all.`, `
func $Fanout(
	ctx context.Context, q *$Local, o $SourceOptions, sinks ...*$Sink,
) []*replication.Attachment {
	attached := make([]*replication.Attachment, len(sinks))
	for i, s := range sinks {
		reader, err := s.reader(ctx, q)
		attached[i] = replication.Attach(ctx, func(ctx context.Context) error {
			if err != nil {
				return err
			}
			defer reader.Close()

			return s.Follow(ctx, $NewSource(reader, o))
		})
	}

	return attached
}`)
	f.declare(`
reader reads on where the sink stands, or, if that is not within q's present
life, from the first event on.`, `
func (s *$Sink) reader(ctx context.Context, q *$Local) (*$Reader, error) {
	at, err := s.Position(ctx)
	if err != nil {
		return nil, err
	}
	if at.Incarnation != q.engine.Options().Incarnation {
		return q.Watch(0)
	}

	return q.Watch(at.Sequence)
}`)
}
