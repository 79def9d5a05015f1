package templates

// emitReplica prints what follows a queue elsewhere and can take its place.
func emitReplica(f *file) {
	emitReplicaType(f)
	emitReplicaState(f)
	emitPromote(f)
	emitTerms(f)
	emitFeed(f)
	emitFollow(f)
	emitPull(f)
}

// emitReplicaType prints the replica and where it keeps payloads: golden/accept/minimal.
func emitReplicaType(f *file) {
	f.declare(`
$Replica follows a $Local elsewhere by its events. After each whole operation
its state equals the queue's. Nothing happens in it by itself, and it can be
promoted to be the queue.

Its methods are safe for concurrent use.`, `
type $Replica struct {
	state    tq.Replica // of tasks, by slot
	payloads []$Payload // by slot; touched between the state's brackets alone
}`)
	f.declare(`
$NewReplica makes an empty replica, for the queue that o names. It has room for as
many tasks as a queue of these options, so they should be the ones of the queue
it follows. The error says which option is out of range.`, `
func $NewReplica(o $Options) (*$Replica, error) {
	r := new($Replica)
	if err := r.state.Open(o.Or($directive()), (*$replicaStore)(r)); err != nil {
		return nil, err
	}

	return r, nil
}`)
	f.declare(`
$replicaStore is how the state reaches the payloads of a $Replica. It is called with
the lock of the state held.`, `
type $replicaStore $Replica`)
	f.declare("", `
func (s *$replicaStore) Grow(tq.Slot) { s.payloads = append(s.payloads, $zero) }`)
	f.declare("", `
func (s *$replicaStore) Clear(slot tq.Slot) { s.payloads[slot] = $zero }`)
	f.declare("", `
func (s *$replicaStore) Size(slot tq.Slot) int { return $payloadSize(&s.payloads[slot]) }`)
}

// emitReplicaState prints what goes in and out of a replica: golden/accept/minimal.
func emitReplicaState(f *file) {
	f.declare(`
Apply takes the next event. Events of one operation, all but the last of which
say More, take effect together; where an operation was cut off, it may come again
from its beginning.

On an error the state is as it was: tq.ErrGap if events are missing in between,
tq.ErrForeign if the event is of another queue, or of another life of it than the
one followed, tq.ErrDiverged if it does not fit, tq.ErrFull if there is no room,
tq.ErrClosed once the replica was promoted.`, `
func (r *$Replica) Apply(e *$Event) error {
	var record tq.Record
	e.Record(&record)
	slot, err := r.state.Apply(&record, e.Queue, e.Incarnation)
	if err != nil {
		return err
	}
	if slot >= 0 {
		r.payloads[slot] = e.Payload
	}
	r.state.Unlock()

	return nil
}`)
	f.declare(`
ApplySnapshot makes s the state. It is how a replica goes on after a gap, and how
it comes to follow another life of the queue.

On an error the state is as it was: tq.ErrForeign if s is of another queue,
tq.ErrDeposed if it is of an owner that has been succeeded, tq.ErrDiverged if it
is older than the state, tq.ErrFull if it has more tasks than there may be,
tq.ErrClosed once the replica was promoted, or what is wrong with it.`, `
func (r *$Replica) ApplySnapshot(s *$Snapshot) error {
	err := r.state.ApplySnapshot(s.SnapshotHeader, len(s.Tasks), func(i int) *tq.TaskState {
		return &s.Tasks[i].TaskState
	})
	if err != nil {
		return err
	}

	for i := range s.Tasks {
		r.payloads[i] = s.Tasks[i].Payload
	}
	r.state.Unlock()

	return nil
}`)
	f.declare(`
State is the state of the queue, as of the last whole operation that was applied.
It is what [$Local.WatchNow] gave there.`, `
func (r *$Replica) State() $Snapshot {
	header, refs := r.state.State(time.Now())
	s := $Snapshot{SnapshotHeader: header, Tasks: make([]$Task, len(refs))}
	for i, ref := range refs {
		s.Tasks[i] = $Task{TaskState: ref.TaskState, Payload: r.payloads[ref.Slot]}
	}
	r.state.Unlock()

	return s
}`)
	f.declare(`
Position is that of the last whole operation that was applied: where to go on
from.`, `
func (r *$Replica) Position() tq.Position { return r.state.Position() }`)
	f.declare(`
Counters are those of the queue since the replica's first event; tasks of a
snapshot count as restored.`, `
func (r *$Replica) Counters() tq.Counters { return r.state.Counters() }`)
}

// emitPromote prints how a replica becomes a queue: golden/accept/minimal.
func emitPromote(f *file) {
	f.declare(`
Promote makes the replica a queue that goes on where the last whole operation
left it, in a life and a term of its own: every epoch it grants is above those of
the old owner, seen here or not. Options left open are those of the replica. What
becomes of leases, the parameter how says. The replica takes no events any more.

On an error the replica follows on: a *replication.TermError, which matches
tq.ErrDeposed, if another follower was first; tq.ErrFull if the tasks do not fit;
tq.ErrClosed if it was promoted before. Where the error is the store's the
outcome is not known, and Promote with the same options can be tried again.`, `
func (r *$Replica) Promote(
	ctx context.Context, o $Options, how replication.Promotion,
) (*$Local, error) {
	if o.Incarnation == 0 {
		o.Incarnation = r.state.Heir()
	}
	q, err := $New(o.Or(r.state.Options()))
	if err != nil {
		return nil, err
	}

	refs, slots, err := how.Take(ctx, &r.state, &q.engine)
	if err != nil {
		return nil, errors.Join(err, q.Close())
	}
	for i, slot := range slots {
		*q.at(slot) = r.payloads[refs[i].Slot]
	}
	q.engine.Unlock()

	return q, nil
}`)
}

// emitTerms prints what an owner does about its term: golden/accept/minimal.
func emitTerms(f *file) {
	f.declare(`
Own claims the term after the one given, 0 for a first owner, for a queue that
nobody uses yet. If somebody else has it the error is a *replication.TermError,
and the queue answers tq.ErrDeposed from then on.`, `
func (q *$Local) Own(ctx context.Context, t *replication.Terms, after uint64) error {
	return t.Own(ctx, &q.engine, after)
}`)
	f.declare(`
Guard looks at every interval whether another owner has succeeded this one, and
deposes it if so, which is a *replication.TermError. Else it ends with ctx. Errors
of the store are told to failed, unless that is nil.`, `
func (q *$Local) Guard(
	ctx context.Context, t *replication.Terms, every time.Duration, failed func(error),
) error {
	return t.Guard(ctx, &q.engine, every, failed)
}`)
	f.declare(`
Depose says that another owner has taken over with the given term. All leases are
revoked, and everything that would change the queue answers tq.ErrDeposed from
then on, to those who wait, too. WatchNow and Stats still show what was in it. The
error says that the term is not above the queue's own.`, `
func (q *$Local) Depose(term uint64) error { return q.engine.Depose(term) }`)
	f.declare(`
Term is the queue's own: the high bits of the epochs it grants.`, `
func (q *$Local) Term() uint64 { return q.engine.Term() }`)
}

// emitFeed prints what transports read: golden/accept/minimal.
func emitFeed(f *file) {
	f.declare(`
Feed shows the queue to a transport: its events and its state, in their wire
form, sensitive fields included.`, `
func (q *$Local) Feed() replication.Feed { return (*$feed)(q) }`)
	f.declare("", `
type $feed $Local`)
	f.declare("", `
func (f *$feed) Queue() (name string, life tq.Incarnation) {
	o := f.engine.Options()

	return o.Name, o.Incarnation
}`)
	f.declare("", `
func (f *$feed) Lines(after tq.Sequence) (replication.Lines, error) {
	reader, err := (*$Local)(f).Watch(after)
	if err != nil {
		return nil, err
	}

	return &$lines{$Reader: reader}, nil
}`)
	f.declare("", `
func (f *$feed) AppendSnapshot(dst []byte) ([]byte, error) {
	s, reader := (*$Local)(f).WatchNow()
	if err := reader.Close(); err != nil {
		return dst, err
	}

	return s.AppendJSON(dst)
}`)
	f.declare(`
$lines are the events of a reader in their wire form.`, `
type $lines struct {
	*$Reader
	events [256]$Event // read at once
}`)
	f.declare("", `
func (l *$lines) Append(ctx context.Context, dst []byte) ([]byte, error) {
	n, err := l.Read(ctx, l.events[:])
	if err != nil {
		return dst, err
	}
	defer clear(l.events[:n])

	out := dst
	for i := range n {
		if out, err = l.events[i].AppendJSON(out); err != nil {
			return dst, err
		}
		out = append(out, '\n')
	}

	return out, nil
}`)
}

// emitFollow prints how a follower is fed: golden/accept/minimal.
func emitFollow(f *file) {
	f.declare(`
$Follower takes the events and snapshots of a queue: a $Replica, or what else
keeps a state of its own. It does not keep the pointers it gets.`, `
type $Follower interface {
	// Position is where to go on from.
	Position() tq.Position

	// Apply takes the next event. tq.ErrGap and tq.ErrForeign ask for a snapshot;
	// any other error ends Follow.
	Apply(e *$Event) error

	// ApplySnapshot takes a state to go on from.
	ApplySnapshot(s *$Snapshot) error
}`)
	f.declare(`
$Follow keeps to up to date with the queue behind c until ctx ends: see
[replication.Follow].`, `
func $Follow(
	ctx context.Context, c replication.Client, to $Follower, o replication.FollowOptions,
) error {
	return replication.Follow(ctx, c, &$applier{$Follower: to, probe: o.Probe}, o)
}`)
	f.declare(`
$applier reads for a $Follower.`, `
type $applier struct {
	$Follower
	probe *replication.SinkProbe // may be nil
	event $Event
}`)
	f.declare("", `
func (f *$applier) ApplyEvent(_ context.Context, line []byte) error {
	if err := f.event.UnmarshalJSON(line); err != nil {
		return err
	}

	return f.probe.Applied(&f.event.Header, f.Apply(&f.event))
}`)
	f.declare("", `
func (f *$applier) ApplySnapshot(_ context.Context, doc []byte) error {
	var s $Snapshot
	if err := s.UnmarshalJSON(doc); err != nil {
		return err
	}

	if err := f.$Follower.ApplySnapshot(&s); err != nil {
		return err
	}
	f.probe.MovedTo(f.Position())

	return nil
}`)
}

// emitPull prints events from elsewhere as a stream: golden/accept/minimal.
func emitPull(f *file) {
	f.declare(`
$Pull gives the events of the queue behind c after a position, one after another,
and asks anew where the source breaks off. It ends with the first error that this
does not mend, which comes with a zero $Event: ctx's, tq.ErrGap if the events are
not held, tq.ErrForeign if the queue has begun another life.`, `
func $Pull(
	ctx context.Context, c replication.Client, after tq.Position, o replication.FollowOptions,
) iter.Seq2[$Event, error] {
	return func(yield func($Event, error) bool) {
		p := $puller{Order: replication.Order{At: after}, yield: yield}
		if err := replication.Pull(ctx, c, &p, o); !p.ended {
			yield($Event{}, err)
		}
	}
}`)
	f.declare(`
$puller gives events to who ranges over them.`, `
type $puller struct {
	replication.Order
	yield func($Event, error) bool
	ended bool
}`)
	f.declare("", `
func (p *$puller) Position() tq.Position { return p.At }`)
	f.declare("", `
func (p *$puller) ApplyEvent(_ context.Context, line []byte) error {
	var e $Event
	if err := e.UnmarshalJSON(line); err != nil {
		return err
	}
	if err := p.Next(&e.Header); err != nil {
		return err
	}
	if p.ended = !p.yield(e, nil); p.ended {
		return context.Canceled
	}

	return nil
}`)
}
