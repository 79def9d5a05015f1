package templates

// emitFileLog prints the file of events, sink and source at once.
func emitFileLog(f *file) {
	emitFileLogType(f)
	emitFileLogAppend(f)
	emitReplay(f)
}

// emitFileLogType prints the log and how it is opened: golden/accept/minimal.
func emitFileLogType(f *file) {
	f.declare(`
$FileLogOptions say how a $FileLog writes. The zero value leaves it to Sync and
Close to make what was written last.`, `
type $FileLogOptions = replication.FileLogOptions`)
	f.declare(`
$FileLog is a file of events, and of snapshots where events are missing: one line
each, with a checksum, in order, none twice. It is a sink by its Append and a
source by its All. Its methods are safe for concurrent use; one $FileLog at a time
has the file open.`, `
type $FileLog struct {
	log *replication.FileLog
}`)
	f.declare(`
$OpenFileLog opens the log at path, and makes it if it is not there. The error is
a *replication.CorruptError if it is damaged as no crash does it, and matches
replication.ErrLocked if the log is open already.`, `
func $OpenFileLog(path string, o $FileLogOptions) (*$FileLog, error) {
	log, err := replication.OpenFileLog(path, o)
	if err != nil {
		return nil, err
	}

	return &$FileLog{log: log}, nil
}`)
	f.declare(`
Dropped is how many bytes there were behind the last record that the log goes on
from when it was opened: what a crash has left of those that were not
synchronised.`, `
func (l *$FileLog) Dropped() int64 { return l.log.Dropped() }`)
	f.declare(`
Position is that of the last record: the event after it comes next.`, `
func (l *$FileLog) Position() tq.Position { return l.log.Position() }`)
}

// emitFileLogAppend prints how the log grows: golden/accept/minimal.
func emitFileLogAppend(f *file) {
	f.declare(`
Append writes an event, unless it is in the file. It fits $NewSink, with Sync as
the sink's Flush and no Parallel, and Pump. The error is tq.ErrGap if an event is
missing in between: then a snapshot comes first.`, `
func (l *$FileLog) Append(_ context.Context, e *$Event) error {
	return l.log.Append(&e.Header, e.AppendJSON)
}`)
	f.declare(`
AppendSnapshot writes a snapshot: the log goes on with the event after it.`, `
func (l *$FileLog) AppendSnapshot(_ context.Context, s $Snapshot) error {
	return l.log.AppendSnapshot(&s.SnapshotHeader, s.AppendJSON)
}`)
	f.declare(`
Sync makes all that was appended last.`, `
func (l *$FileLog) Sync(context.Context) error { return l.log.Sync() }`)
	f.declare(`
Close makes all that was appended last, and lets go of the file.`, `
func (l *$FileLog) Close() error { return l.log.Close() }`)
	f.declare(`
All gives the events that are in the file, without the snapshots among them. It
ends with ctx, or with the first error, which comes with a zero $Event.`, `
func (l *$FileLog) All(ctx context.Context) iter.Seq2[$Event, error] {
	return func(yield func($Event, error) bool) {
		err := l.log.Read(ctx, func(record *replication.LogRecord) (more bool, err error) {
			var e $Event
			if record.Snapshot {
				return true, nil
			}
			if err := record.Decode(e.UnmarshalJSON); err != nil {
				return false, err
			}

			return yield(e, nil), nil
		})
		if err != nil {
			yield($Event{}, err)
		}
	}
}`)
}

// emitReplay prints how a file is applied to something else: golden/accept/minimal.
func emitReplay(f *file) {
	f.declare(`
$Replay gives what the log at path has to whoever makes a state of it, such as the
Apply and ApplySnapshot of a $Replica: events to apply, and snapshots to restore,
which take the place of all before. Where another life of the queue follows, with
its event 1, apply has to begin anew. The log may be open for writing. What a
crash has left at its end is left out; torn says how many bytes that is.`, `
func $Replay(
	path string, apply func(*$Event) error, restore func(*$Snapshot) error,
) (torn int64, err error) {
	return replication.ReadFileLog(path, func(record *replication.LogRecord) error {
		if record.Snapshot {
			var s $Snapshot
			if err := record.Decode(s.UnmarshalJSON); err != nil {
				return err
			}

			return restore(&s)
		}

		var e $Event
		if err := record.Decode(e.UnmarshalJSON); err != nil {
			return err
		}

		return apply(&e)
	})
}`)
}
