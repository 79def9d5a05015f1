package templates

import "strconv"

// emitEvent prints events and their reader, tasks and snapshots, and what reads
// their wire forms.
func emitEvent(f *file) {
	emitEventType(f)
	emitReader(f)
	emitWatch(f)
	emitTask(f)
	emitSnapshot(f)
	emitDecoderType(f)
}

// emitEventType prints events and their wire form: golden/accept/minimal.
func emitEventType(f *file) {
	sparse := f.queue.Policy.Sparse
	payload := `
	// Payload is the task's, shared with the queue: nobody writes to it.`
	without := ""
	if sparse {
		payload = `
	// Payload is the task's on Enqueued and Restored, and zero on the events
	// that follow. It is shared with the queue: nobody writes to it.`
		without = `
	if !replication.HasPayload(e.Kind) {
		return replication.AppendEvent(dst, &e.Header, nil)
	}
`
	}
	f.declare(`
$Event is one state change of one task. The header is the part no payload
affects; it says which task, what happened and when.`, `
type $Event struct {
	replication.Header
`+payload+`
	Payload $Payload
}`)
	f.declare(`
$Schema is the id of the JSON form that payloads have, on every event of a queue
of theirs. It changes when names or kinds of members do, not with names in Go,
the order of fields, the width of numbers, or what may be null or left out.`, `
const $Schema = `+strconv.Quote(f.queue.Codec.Schema))
	f.declare(`
AppendJSON appends the event's wire form to dst.`, `
func (e *$Event) AppendJSON(dst []byte) ([]byte, error) {`+without+`
	return replication.AppendEvent(dst, &e.Header, func(dst []byte) ([]byte, error) {
		return $AppendJSON(dst, &e.Payload)
	})
}`)
	f.declare(`
MarshalJSON is the event's wire form.`, `
func (e $Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil) }`)
	f.declare(`
UnmarshalJSON reads the event's wire form. Kinds it does not know are kept,
members it does not know are skipped; one that lacks a required member is a
*jsonwire.MissingError. After an error the event is good for nothing.`, `
func (e *$Event) UnmarshalJSON(src []byte) error { return $Decoder{}.DecodeEvent(src, e) }`)
	f.declare(`
LogValue is the event without the sensitive fields of its payload.`, `
func (e $Event) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Uint64("sequence", uint64(e.Sequence)),
		slog.String("kind", e.Kind.String()),
		slog.String("task", e.Task.String()),
		slog.Int("attempt", e.Attempt),
		slog.Attr{Key: "payload", Value: $payloadLog(&e.Payload)},
	)
}`)
	f.declare(`
Format prints what LogValue gives, whatever the verb.`, `
func (e $Event) Format(s fmt.State, _ rune) { fmt.Fprint(s, e.LogValue()) }`)
}

// emitReader prints the reader of the log: golden/accept/minimal.
func emitReader(f *file) {
	f.declare(`
$Reader gives the events of a $Local one after another, each exactly once. It is
for one goroutine at a time; Acknowledge, Fail, Lag and Close may be called from
any.

It holds up nobody, unless it is made Synchronous. A reader that has fallen further behind than the log is long
gets tq.ErrGap, and goes on from a snapshot: see [$Local.WatchNow].`, `
type $Reader struct {
	queue       *$Local
	cursor      *tq.Cursor
	name        string // of the queue
	incarnation tq.Incarnation
}`)
	f.declare(`
Next waits for the next event. The error is ctx's, tq.ErrGap, or tq.ErrClosed
when a closed queue has no more for now: leases that settle afterwards, and
Drain, still make events, which a further call gives.`, `
func (r *$Reader) Next(ctx context.Context) (e $Event, err error) {
	records, err := r.cursor.Next(ctx, 1)
	if err != nil {
		return e, err
	}
	r.fill(&e, &records[0])
	r.cursor.Unlock(1)

	return e, nil
}`)
	f.declare(`
Read waits for an event and fills dst with it and those after it that are there.
It is Next for many, with the same errors; dst[:n] is filled.`, `
func (r *$Reader) Read(ctx context.Context, dst []$Event) (n int, err error) {
	if len(dst) == 0 {
		return 0, nil
	}

	records, err := r.cursor.Next(ctx, len(dst))
	if err != nil {
		return 0, err
	}
	for i := range records {
		r.fill(&dst[i], &records[i])
	}
	r.cursor.Unlock(len(records))

	return len(records), nil
}`)
	emitReaderEvent(f)
	f.declare(`
Snapshot gives the queue's state, and the reader goes on with the event after
it, wherever it was before: the way on after tq.ErrGap.`, `
func (r *$Reader) Snapshot() $Snapshot {
	header, refs := r.cursor.Snapshot()
	s := $Snapshot{SnapshotHeader: header, Tasks: r.queue.tasks(refs)}
	r.queue.engine.Unlock()

	return s
}`)
	emitReaderSync(f)
	f.declare(`
Lag is how many events the reader is behind.`, `
func (r *$Reader) Lag() tq.Sequence { return r.cursor.Lag() }`)
	f.declare(`
Close ends the reader and a Next that waits. Once the last reader is closed the
queue keeps no events.`, `
func (r *$Reader) Close() error { return r.cursor.Close() }`)
}

// emitReaderEvent prints how a record becomes an event: golden/accept/minimal,
// and golden/accept/sparse where later events have no payload.
func emitReaderEvent(f *file) {
	if f.queue.Policy.Sparse {
		f.declare("", `
func (r *$Reader) fill(e *$Event, record *tq.Record) {
	replication.FillHeader(&e.Header, record, r.name, r.incarnation)
	e.Schema = $Schema
	e.Payload = $zero
	if replication.HasPayload(e.Kind) {
		e.Payload = *r.queue.at(record.Slot)
	}
}`)

		return
	}

	f.declare("", `
func (r *$Reader) fill(e *$Event, record *tq.Record) {
	replication.FillHeader(&e.Header, record, r.name, r.incarnation)
	e.Schema = $Schema
	e.Payload = *r.queue.at(record.Slot)
}`)
}

// emitReaderSync prints how operations wait for a reader: golden/accept/minimal.
func emitReaderSync(f *file) {
	f.declare(`
Synchronous makes the queue's operations wait for this reader: from now on each
returns once the reader has acknowledged its events, and all before. Where that
fails the operation answers tq.ErrUncertain: it has taken place, but for a lease,
which is given back. It ends with Close, or as o says. See [tq.Cursor.Synchronous].`, `
func (r *$Reader) Synchronous(o tq.SyncOptions) error { return r.cursor.Synchronous(o) }`)
	f.declare(`
Acknowledge says that the events up to seq are where they are to be.`, `
func (r *$Reader) Acknowledge(seq tq.Sequence) { r.cursor.Acknowledge(seq) }`)
	f.declare(`
Fail says that events cannot be taken. It is what operations get that wait for
the reader, until it acknowledges again.`, `
func (r *$Reader) Fail(err error) { r.cursor.Fail(err) }`)
}

// emitWatch prints how readers attach: golden/accept/minimal.
func emitWatch(f *file) {
	f.declare(`
Watch gives the events behind the one numbered after, or with tq.Latest those to
come. The error is tq.ErrGap if they are not held: events are kept only while
somebody reads.`, `
func (q *$Local) Watch(after tq.Sequence) (*$Reader, error) {
	cursor, err := q.engine.Watch(after)
	if err != nil {
		return nil, err
	}

	return q.reader(cursor), nil
}`)
	f.declare(`
WatchNow gives the queue's state and the events that follow upon it, none left
out and none twice.`, `
func (q *$Local) WatchNow() ($Snapshot, *$Reader) {
	header, refs, cursor := q.engine.WatchNow()
	s := $Snapshot{SnapshotHeader: header, Tasks: q.tasks(refs)}
	q.engine.Unlock()

	return s, q.reader(cursor)
}`)
	f.declare("", `
func (q *$Local) reader(cursor *tq.Cursor) *$Reader {
	o := q.engine.Options()

	return &$Reader{queue: q, cursor: cursor, name: o.Name, incarnation: o.Incarnation}
}`)
}

// emitTask prints tasks outside of the queue, dead letters among them: golden/accept/minimal.
func emitTask(f *file) {
	f.declare(`
$Task is one task outside of the queue: its state and its payload. Logs and
formatted output show it without sensitive fields.`, `
type $Task struct {
	tq.TaskState

	// Payload is shared with the queue it came from: nobody writes to it.
	Payload $Payload
}`)
	f.declare(`
AppendJSON appends the task's wire form to dst.`, `
func (t *$Task) AppendJSON(dst []byte) ([]byte, error) {
	return tq.AppendTask(dst, &t.TaskState, func(dst []byte) ([]byte, error) {
		return $AppendJSON(dst, &t.Payload)
	})
}`)
	f.declare(`
MarshalJSON is the task's wire form.`, `
func (t $Task) MarshalJSON() ([]byte, error) { return t.AppendJSON(nil) }`)
	f.declare(`
UnmarshalJSON reads the task's wire form. One that lacks a required member is a
*jsonwire.MissingError. After an error the task is good for nothing.`, `
func (t *$Task) UnmarshalJSON(src []byte) error { return $Decoder{}.DecodeTask(src, t) }`)
	f.declare(`
LogValue is the task without the sensitive fields of its payload.`, `
func (t $Task) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("task", t.ID.String()),
		slog.String("state", t.State.String()),
		slog.Int("attempt", t.Attempt),
		slog.Attr{Key: "payload", Value: $payloadLog(&t.Payload)},
	)
}`)
	f.declare(`
Format prints what LogValue gives, whatever the verb.`, `
func (t $Task) Format(s fmt.State, _ rune) { fmt.Fprint(s, t.LogValue()) }`)
	f.declare(`
$DeadLetter is a task that was given up. Its LastError says why.`, `
type $DeadLetter struct {
	$Task

	// Number counts the dead letters of this queue, from 1, in the order in
	// which they died. It is what DeadLetters and DeadLettered go on from, and
	// no part of the JSON form.
	Number uint64
}`)
}

// emitSnapshot prints all tasks of a queue: golden/accept/minimal.
func emitSnapshot(f *file) {
	f.declare(`
$Snapshot is every task of a queue at one moment, as Drain and WatchNow give it
and Restore takes it. Its JSON form is versioned.`, `
type $Snapshot struct {
	tq.SnapshotHeader
	Tasks []$Task
}`)
	f.declare(`
AppendJSON appends the snapshot's wire form to dst.`, `
func (s *$Snapshot) AppendJSON(dst []byte) ([]byte, error) {
	return tq.AppendSnapshot(dst, &s.SnapshotHeader, len(s.Tasks), func(dst []byte, i int) ([]byte, error) {
		return s.Tasks[i].AppendJSON(dst)
	})
}`)
	f.declare(`
MarshalJSON is the snapshot's wire form.`, `
func (s $Snapshot) MarshalJSON() ([]byte, error) { return s.AppendJSON(nil) }`)
	f.declare(`
UnmarshalJSON reads the snapshot's wire form. A version it does not know is a
*tq.VersionError. After an error the snapshot is good for nothing.`, `
func (s *$Snapshot) UnmarshalJSON(src []byte) error { return $Decoder{}.DecodeSnapshot(src, s) }`)
	f.declare(`
LogValue says what the snapshot is of, and shows no payload.`, `
func (s $Snapshot) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("queue", s.Queue),
		slog.String("incarnation", s.Incarnation.String()),
		slog.Uint64("sequence", uint64(s.Sequence)),
		slog.Int("tasks", len(s.Tasks)),
	)
}`)
	f.declare(`
Format prints what LogValue gives, whatever the verb.`, `
func (s $Snapshot) Format(state fmt.State, _ rune) { fmt.Fprint(state, s.LogValue()) }`)
}
