package templates

// emitSource prints what hands the events of a queue on.
func emitSource(f *file) {
	emitSourceType(f)
	emitSourceNext(f)
	emitSourceFeeds(f)
	emitSourcePlace(f)
}

// emitSourceType prints the source and its options: golden/accept/minimal.
func emitSourceType(f *file) {
	f.declare(`
$SourceOptions say what a $Source puts on events. The zero value changes
nothing.`, `
type $SourceOptions struct {
	replication.Stamp

	// Resolve, if set, says who owns an event and what metadata it has. It must
	// not change the event. If it panics the event goes out with the owner it
	// has without: see [replication.Stamp.Panicked].
	Resolve func(e *$Event) replication.Owner
}`)
	f.declare(`
$Source hands the events of a $Local on, in order and each once, to whoever
replicates them. What is done with an event comes before the next one is asked for. A queue may have any number of sources. Each has its own place,
and none holds up the queue or another source.

A source that has fallen further behind than the queue's log is long gets
tq.ErrGap, and goes on from a Snapshot. A source is for one goroutine at a time;
Observe, Lag and Close may be called from any.`, `
type $Source struct {
	reader  *$Reader
	options $SourceOptions

	events    [16]$Event // read and stamped
	next, end int // events[next:end] were not given yet
	err       error // why the channel of C was closed

	synchronous bool
	applied     tq.Sequence // what is to be acknowledged

	probe replication.SourceProbe
}`)
	f.declare(`
$NewSource makes a source of a reader, which is the source's from then on.`, `
func $NewSource(r *$Reader, o $SourceOptions) *$Source {
	s := &$Source{reader: r, options: o}
	s.probe.Open(r.name, &s.options.Stamp, r.cursor)

	return s
}`)
}

// emitSourceNext prints how events are taken one by one: golden/accept/minimal.
func emitSourceNext(f *file) {
	f.declare(`
Next waits for the next event. The error is ctx's, tq.ErrGap, or tq.ErrClosed
when a closed queue has no more for now: leases that settle afterwards, and
Drain, still make events, which a further call gives.`, `
func (s *$Source) Next(ctx context.Context) (e $Event, err error) {
	next, err := s.peek(ctx)
	if err != nil {
		return e, err
	}
	e = *next
	s.taken()

	return e, nil
}`)
	f.declare(`
peek waits for the next event and leaves it there.`, `
func (s *$Source) peek(ctx context.Context) (*$Event, error) {
	if s.synchronous {
		s.reader.Acknowledge(s.applied)
	}
	if s.next == s.end {
		n, err := s.reader.Read(ctx, s.events[:])
		if err != nil {
			return nil, err
		}
		s.next, s.end = 0, n

		for i := range n {
			s.stamp(&s.events[i])
		}
		s.count(s.events[:n])
	}

	return &s.events[s.next], nil
}`)
	f.declare(`
taken says that the event peek gave need not come again, and lets its payload go.`, `
func (s *$Source) taken() {
	e := &s.events[s.next]
	s.applied = e.Sequence
	e.Payload = $zero
	s.next++
}`)
	f.declare(`
count tells the probe what was read.`, `
func (s *$Source) count(events []$Event) {
	s.probe.Begin()
	for i := range events {
		s.probe.Count(&events[i].Header)
	}
	s.probe.End()
}`)
	f.declare("", `
func (s *$Source) stamp(e *$Event) {
	if s.options.Resolve != nil {
		s.resolve(e)
	}
	s.options.Put(&e.Header)
}`)
	f.declare("", `
func (s *$Source) resolve(e *$Event) {
	defer s.options.Recover(&e.Header)
	e.SetOwner(s.options.Resolve(e))
}`)
}

// emitSourceFeeds prints the other ways to take events: golden/accept/minimal.
func emitSourceFeeds(f *file) {
	f.declare(`
All gives one event after another. It ends with the first error, one of Next's,
which comes with a zero $Event. What it has given does not come again, not even
what the loop was left at.`, `
func (s *$Source) All(ctx context.Context) iter.Seq2[$Event, error] {
	return func(yield func($Event, error) bool) {
		for {
			e, err := s.peek(ctx)
			if err != nil {
				yield($Event{}, err)
				return
			}
			s.next++
			if !yield(*e, nil) {
				s.reader.Fail(replication.ErrStopped)
				return
			}
			s.applied = e.Sequence
			e.Payload = $zero
		}
	}
}`)
	f.declare(`
Pump calls forward for one event after another, and reads no further before that
returns. It ends with the first error: forward's, and then the event was not
taken and comes again, or one of Next's. The event is forward's until it returns.`, `
func (s *$Source) Pump(
	ctx context.Context, forward func(context.Context, *$Event) error,
) error {
	for {
		e, err := s.peek(ctx)
		if err != nil {
			return err
		}
		if err := forward(ctx, e); err != nil {
			s.reader.Fail(err)
			return err
		}
		s.taken()
	}
}`)
	f.declare(`
C gives the events through a channel, which is closed when ctx ends or with the
first error; Err then says which. Until then the source is the channel's.`, `
func (s *$Source) C(ctx context.Context) <-chan $Event {
	events := make(chan $Event, len(s.events))
	go func() {
		defer close(events)
		s.err = s.Pump(ctx, func(ctx context.Context, e *$Event) error {
			select {
			case events <- *e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()

	return events
}`)
	f.declare(`
Err is why the channel of C was closed. It is to be called after that.`, `
func (s *$Source) Err() error { return s.err }`)
	f.declare(`
Observe calls observe for every event from now on, in a goroutine and with a
reader of its own, until the attachment is closed or observe returns an error or
panics. It takes nothing from this source, and nobody waits for it: an observer
that falls behind the log ends with tq.ErrGap.`, `
func (s *$Source) Observe(observe func(context.Context, *$Event) error) *replication.Attachment {
	reader, err := s.reader.queue.Watch(tq.Latest)

	return replication.Attach(context.Background(), func(ctx context.Context) error {
		if err != nil {
			return err
		}
		defer reader.Close()

		return $NewSource(reader, s.options).Pump(ctx, observe)
	})
}`)
}

// emitSourcePlace prints where a source stands, and its end: golden/accept/minimal.
func emitSourcePlace(f *file) {
	f.declare(`
Snapshot gives the queue's state, and the source goes on with the event after
it, wherever it was before: the way to begin, and the way on after tq.ErrGap.`, `
func (s *$Source) Snapshot() $Snapshot {
	s.next, s.end = 0, 0
	snapshot := s.reader.Snapshot()
	s.applied = snapshot.Sequence

	return snapshot
}`)
	f.declare(`
Synchronous makes the queue's operations wait until this source's events were
taken: each is acknowledged when the next one is asked for, and so is a snapshot;
Pump asks when forward has returned nil. One that Pump's forward refuses, or at
which a loop over All ends, is what operations answer tq.ErrUncertain for. See
[$Reader.Synchronous]; a $Sink that applies in parallel needs that one.`, `
func (s *$Source) Synchronous(o tq.SyncOptions) error {
	err := s.reader.Synchronous(o)
	s.synchronous = err == nil

	return err
}`)
	f.declare(`
Lag is how many events of the queue the source has not read yet. Up to 15 that
it has read may be still to be given.`, `
func (s *$Source) Lag() tq.Sequence { return s.reader.Lag() }`)
	f.declare(`
Probe is how telemetry and diagnostics see the source.`, `
func (s *$Source) Probe() *replication.SourceProbe { return &s.probe }`)
	f.declare(`
Close ends the source and a Next that waits. Its observers go on.`, `
func (s *$Source) Close() error { return s.reader.Close() }`)
}
