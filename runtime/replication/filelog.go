package replication

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/tqgen/tqgen/runtime/internal/durable"
	"github.com/tqgen/tqgen/runtime/jsonwire"
	"github.com/tqgen/tqgen/runtime/tq"
)

// FileLogOptions say how a file log writes.
type FileLogOptions struct {
	// SyncEvery is after how many records the file is synchronised: 1 makes
	// each last before its Append returns. 0 leaves it to Sync and Close.
	SyncEvery int
}

// FileLog is the payload-free half of a generated FileLog: a file of events and
// snapshots that grows at its end, one line each with a checksum. Its methods
// are safe for concurrent use; one FileLog at a time has the file open.
type FileLog struct {
	path string
	o    FileLogOptions
	lock *lock

	mu       sync.Mutex
	file     *os.File                       // nil once it is closed; guarded by mu
	size     int64                          // up to here the file is whole; guarded by mu
	at       Position                       // of the last record; guarded by mu
	ends     map[tq.Incarnation]tq.Sequence // where earlier incarnations ended; guarded by mu
	unsynced int                            // records; guarded by mu
	unmarked bool                           // no mark follows the last record; guarded by mu
	dropped  int64                          // guarded by mu
	broken   error                          // what can no longer be relied upon; guarded by mu
	line     []byte                         // guarded by mu
}

const (
	logMagic    = "tqgen-events/1\n"
	recordHead  = len("E 01234567 ")
	maxRecord   = 64 << 20
	eventRecord = 'E'
	stateRecord = 'S'

	// syncedMark stands behind records that were synchronised before it was written, so
	// that no crash has damaged them.
	syncedMark = "M synchronised\n"

	sector = 512 // no disk writes less at a time, nor begins elsewhere
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// OpenFileLog opens the log at path to append to it, and makes it if it is not
// there. What a crash has left of records that were not synchronised is dropped,
// from the first that is not whole: Dropped says how much. The error is a
// *CorruptError if anything else is damaged, and matches ErrLocked if the log is
// open already.
func OpenFileLog(path string, o FileLogOptions) (*FileLog, error) {
	held, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("replication: open log %s: %w", path, err)
	}
	l := &FileLog{path: path, o: o, lock: held, ends: map[tq.Incarnation]tq.Sequence{}}
	if err := l.open(); err != nil {
		if l.file != nil {
			_ = l.file.Close()
		}
		_ = held.release()

		return nil, err
	}

	return l, nil
}

// open reads what is there and cuts off what is not whole.
func (l *FileLog) open() (err error) {
	if l.file, err = os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	end, torn, err := scan(l.path, l.file, func(r *LogRecord) error { return l.pass(r) })
	if err != nil {
		return err
	}
	l.size, l.dropped = end, torn
	if torn > 0 {
		if err := l.file.Truncate(end); err != nil {
			return err
		}
	}
	if end == 0 {
		if _, err := l.file.WriteAt([]byte(logMagic), 0); err != nil {
			return err
		}
		l.size = int64(len(logMagic))
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	if l.size > int64(len(logMagic)) {
		last := make([]byte, len(syncedMark))
		if _, err := l.file.ReadAt(last, l.size-int64(len(last))); err != nil {
			return err
		}
		l.unmarked = string(last) != syncedMark
	}

	return durable.SyncFolder(filepath.Dir(l.path))
}

// pass goes over a record that is in the file.
func (l *FileLog) pass(r *LogRecord) error {
	at, err := r.Position()
	if err != nil {
		return r.damaged(err)
	}
	l.moveTo(at)

	return nil
}

func (l *FileLog) moveTo(at Position) {
	if at.Incarnation != l.at.Incarnation && l.at.Incarnation != 0 {
		l.ends[l.at.Incarnation] = l.at.Sequence
	}
	l.at = at
}

// Dropped is how many bytes there were behind the last record that the log goes
// on from when it was opened.
func (l *FileLog) Dropped() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.dropped
}

// Position is that of the last record. The event after it comes next.
func (l *FileLog) Position() Position {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.at
}

// Append writes an event, unless it is in the file. It takes them in order:
// *GapError if one is missing in between. On an error the event is not in the
// file; after one of Sync it is not known what is, and nothing is taken any
// more.
func (l *FileLog) Append(h *Header, encode func(dst []byte) ([]byte, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	at := Position{Incarnation: h.Incarnation, Sequence: h.Sequence}
	end, over := l.ends[at.Incarnation]
	switch {
	case at.Incarnation == l.at.Incarnation && at.Sequence <= l.at.Sequence, over && at.Sequence <= end:
		return nil
	case over,
		at.Incarnation == l.at.Incarnation && at.Sequence != l.at.Sequence+1,
		at.Incarnation != l.at.Incarnation && at.Sequence != 1:
		return &GapError{Want: Position{Incarnation: l.at.Incarnation, Sequence: l.at.Sequence + 1}, Got: at}
	}

	return l.write(eventRecord, at, encode)
}

// AppendSnapshot writes a snapshot: the log goes on with the event after it.
func (l *FileLog) AppendSnapshot(h *tq.SnapshotHeader, encode func(dst []byte) ([]byte, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	at := Position{Incarnation: h.Incarnation, Sequence: h.Sequence}
	if _, over := l.ends[at.Incarnation]; over || at.Incarnation == l.at.Incarnation && at.Sequence < l.at.Sequence {
		return fmt.Errorf("%w: the log is at %d of %v", ErrBackwards, l.at.Sequence, l.at.Incarnation)
	}

	return l.write(stateRecord, at, encode)
}

// write writes one record; mu is held.
func (l *FileLog) write(kind byte, at Position, encode func(dst []byte) ([]byte, error)) error {
	text := l.line[:0]
	if l.unmarked && l.unsynced == 0 {
		text = append(text, syncedMark...)
	}
	start := len(text)
	text, err := encode(append(append(text, kind), " 01234567 "...))
	line := text[start:]
	switch {
	case err != nil:
		return err
	case len(line) > maxRecord:
		return fmt.Errorf("replication: a record of %d bytes is too long for the log", len(line))
	case bytes.IndexByte(line, '\n') >= 0:
		return errors.New("replication: a record with a line break in it does not fit the log")
	}
	putChecksum(line)
	text = append(text, '\n')
	l.line = text[:0]
	if cap(text) > 1<<20 {
		l.line = nil // one large record does not stay for ever
	}
	if err := l.put(text); err != nil {
		return err
	}
	l.moveTo(at)
	l.unmarked = true
	if l.unsynced++; l.o.SyncEvery > 0 && l.unsynced >= l.o.SyncEvery {
		return l.sync()
	}

	return nil
}

// put writes text at the end of the file, or nothing of it.
func (l *FileLog) put(text []byte) error {
	if _, err := l.file.WriteAt(text, l.size); err != nil {
		if cut := l.file.Truncate(l.size); cut != nil {
			l.broken = errors.Join(err, cut)
		}

		return fmt.Errorf("replication: append to %s: %w", l.path, err)
	}
	l.size += int64(len(text))

	return nil
}

// putChecksum fills in the checksum of a line's kind and text.
func putChecksum(line []byte) {
	var sum [4]byte
	hex.Encode(line[2:recordHead-1], checksum(sum[:0], line))
}

func checksum(dst, line []byte) []byte {
	sum := crc32.Update(crc32.Checksum(line[:1], castagnoli), castagnoli, line[recordHead:])

	return append(dst, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
}

func (l *FileLog) usable() error {
	switch {
	case l.file == nil:
		return fmt.Errorf("replication: log %s: %w", l.path, fs.ErrClosed)
	case l.broken != nil:
		return fmt.Errorf("replication: log %s has to be opened anew: %w", l.path, l.broken)
	default:
		return nil
	}
}

// Sync makes all that was appended last.
func (l *FileLog) Sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}

	return l.sync()
}

// sync is Sync; mu is held. After a failure the system may have dropped what
// was to be written, and say nothing the next time.
func (l *FileLog) sync() error {
	if l.unsynced == 0 {
		return nil
	}
	if err := l.file.Sync(); err != nil {
		l.broken = err
		return fmt.Errorf("replication: sync %s: %w", l.path, err)
	}
	l.unsynced = 0

	return nil
}

// Close makes what was appended last and lets go of the file. Closing twice is
// no error.
func (l *FileLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.broken
	if err == nil {
		err = l.finish()
	}
	err = errors.Join(err, l.file.Close(), l.lock.release())
	l.file = nil

	return err
}

// finish makes all that was appended last, and marks it. What is synchronised is
// so without a mark, where there is no room for one.
func (l *FileLog) finish() error {
	err := l.sync()
	if err != nil || !l.unmarked || l.put([]byte(syncedMark)) != nil {
		return err
	}

	return l.file.Sync()
}

// errEnough ends reading without being an error.
var errEnough = errors.New("replication: enough was read")

// Read gives the records that are in the log, until visit wants no more or
// returns an error, which it returns, or ctx is done.
func (l *FileLog) Read(ctx context.Context, visit func(*LogRecord) (more bool, err error)) error {
	_, err := ReadFileLog(l.path, func(r *LogRecord) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := visit(r)
		if err == nil && !more {
			err = errEnough
		}

		return err
	})
	if errors.Is(err, errEnough) {
		return nil
	}

	return err
}

// LogRecord is one record of a file log.
type LogRecord struct {
	Path     string
	Offset   int64
	Snapshot bool   // else it is an event
	Text     []byte // its wire form, valid until the call returns that got it
}

// Position is the event's, or up to where the snapshot is true.
func (r *LogRecord) Position() (Position, error) {
	if r.Snapshot {
		var h tq.SnapshotHeader
		err := tq.DecodeSnapshot(r.Text, &h, (*jsonwire.Reader).Skip)

		return Position{Incarnation: h.Incarnation, Sequence: h.Sequence}, err
	}
	var h Header
	err := DecodeEvent(r.Text, &h, (*jsonwire.Reader).Skip)

	return Position{Incarnation: h.Incarnation, Sequence: h.Sequence}, err
}

// Decode has the record read by the UnmarshalJSON of what it is. Its error is
// that of a damaged file.
func (r *LogRecord) Decode(unmarshal func([]byte) error) error {
	if err := unmarshal(r.Text); err != nil {
		return r.damaged(err)
	}

	return nil
}

func (r *LogRecord) damaged(err error) error {
	return &CorruptError{Path: r.Path, Offset: r.Offset, Fault: err.Error()}
}

// ReadFileLog gives the records of the log at path, until visit returns an
// error, which it returns. torn is how many bytes follow the last record that was
// given: a crash has left them of records that were not synchronised, or one who
// writes is about to write the rest. The error is a *CorruptError if anything
// else is damaged; what is before was given.
func ReadFileLog(path string, visit func(*LogRecord) error) (torn int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	_, torn, err = scan(path, file, visit)

	return torn, err
}

// scan visits the records of a file. What is whole ends at end, and torn bytes
// follow.
func scan(path string, file *os.File, visit func(*LogRecord) error) (end, torn int64, err error) {
	in := bufio.NewReaderSize(file, 64<<10)
	head := make([]byte, len(logMagic))
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, 0, err
	}
	switch {
	case string(head[:n]) != logMagic[:n]:
		return 0, 0, &CorruptError{Path: path, Fault: "it does not begin like a tqgen-events/1"}
	case n < len(logMagic):
		return 0, int64(n), nil
	}

	return scanRecords(path, in, int64(n), visit)
}

func scanRecords(
	path string, in *bufio.Reader, offset int64, visit func(*LogRecord) error,
) (end, torn int64, err error) {
	var line []byte
	bad, fault, lost := int64(-1), "", false // the first one that cannot be read; lost: a crash may have left it so
	for {
		line, err = readLine(in, line[:0])
		if len(line) == 0 {
			break
		}
		wrong, marked := check(line), string(line) == syncedMark
		switch {
		case wrong != "" && bad < 0:
			bad, fault, lost = offset, wrong, neverWritten(line, offset)
		case wrong == "" && bad >= 0 && (marked || !lost): // it was written before what is there
			return bad, 0, &CorruptError{Path: path, Offset: bad, Fault: fault}
		case wrong == "" && bad < 0 && !marked:
			r := &LogRecord{
				Path: path, Offset: offset, Snapshot: line[0] == stateRecord, Text: line[recordHead : len(line)-1],
			}
			if err := visit(r); err != nil {
				return offset, 0, err
			}
		}
		offset += int64(len(line))
		if err != nil {
			break
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	switch {
	case bad < 0:
		return offset, 0, nil
	case !lost:
		return bad, 0, &CorruptError{Path: path, Offset: bad, Fault: fault}
	default:
		return bad, offset - bad, nil
	}
}

// readLine reads up to a line break, or as much as a record may have.
func readLine(in *bufio.Reader, line []byte) ([]byte, error) {
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) || len(line) > maxRecord {
			return line, ignoreFull(err)
		}
	}
}

func ignoreFull(err error) error {
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil
	}

	return err
}

// neverWritten says whether the line at offset may be what a crash leaves where
// it came before all was written: it has no end, or zeros up to where the disk
// was written next. Pages are not written in order, so whole records may follow.
func neverWritten(line []byte, offset int64) bool {
	if line[len(line)-1] != '\n' {
		return true
	}
	for i := 0; i < len(line); i++ {
		if line[i] == 0 && (i+1 == len(line) || line[i+1] != 0) && (offset+int64(i)+1)%sector == 0 {
			return true
		}
	}

	return false
}

// check says what is wrong with a line, "" if nothing is.
func check(line []byte) string {
	switch {
	case string(line) == syncedMark:
		return ""
	case line[len(line)-1] != '\n':
		return "the record has no end"
	case len(line) <= recordHead+1 || line[1] != ' ' || line[recordHead-1] != ' ',
		line[0] != eventRecord && line[0] != stateRecord:
		return "this is no record"
	}
	var sum [4]byte
	want := hex.AppendEncode(nil, checksum(sum[:0], line[:len(line)-1]))
	if !bytes.Equal(line[2:recordHead-1], want) {
		return "the checksum is that of another record"
	}

	return ""
}
