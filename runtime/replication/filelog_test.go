package replication

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/jsonwire"
	"github.com/tqgen/tqgen/runtime/tq"
)

func openLog(t *testing.T, path string, o FileLogOptions) *FileLog {
	t.Helper()
	l, err := OpenFileLog(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })

	return l
}

func appendEvent(l *FileLog, h Header) error {
	if h.Queue == "" {
		h.Queue, h.OccurredAt = "dispatch", at(0)
	}

	return l.Append(&h, func(dst []byte) ([]byte, error) { return AppendEvent(dst, &h, appendPayload) })
}

func event(i tq.Incarnation, q tq.Sequence) Header { return Header{Incarnation: i, Sequence: q} }

// contents gives the positions of the records at path.
func contents(path string) (at []Position, torn int64, err error) {
	torn, err = ReadFileLog(path, func(r *LogRecord) error {
		p, err := r.Position()
		at = append(at, p)

		return err
	})

	return at, torn, err
}

// TestFileLogTakesEachEventOnce holds that events are taken in order and once,
// over incarnations, snapshots and openings.
func TestFileLogTakesEachEventOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events")
	l := openLog(t, path, FileLogOptions{SyncEvery: 1})
	snapshot := func(i tq.Incarnation, q tq.Sequence) error {
		h := tq.SnapshotHeader{Version: tq.SnapshotVersion, Queue: "dispatch", Incarnation: i, Sequence: q}

		return l.AppendSnapshot(&h, func(dst []byte) ([]byte, error) { return tq.AppendSnapshot(dst, &h, 0, nil) })
	}
	steps := []struct {
		do   func() error
		want error
	}{
		{func() error { return appendEvent(l, event(1, 2)) }, tq.ErrGap},
		{func() error { return appendEvent(l, event(1, 1)) }, nil},
		{func() error { return appendEvent(l, event(1, 2)) }, nil},
		{func() error { return appendEvent(l, event(1, 1)) }, nil},
		{func() error { return appendEvent(l, event(1, 4)) }, tq.ErrGap},
		{func() error { return snapshot(1, 9) }, nil},
		{func() error { return snapshot(1, 8) }, ErrBackwards},
		{func() error { return appendEvent(l, event(1, 10)) }, nil},
		{func() error { return appendEvent(l, event(2, 3)) }, tq.ErrGap},
		{func() error { return appendEvent(l, event(2, 1)) }, nil},
		{func() error { return appendEvent(l, event(1, 10)) }, nil},
		{func() error { return appendEvent(l, event(1, 11)) }, tq.ErrGap},
		{func() error { return snapshot(1, 11) }, ErrBackwards},
		{func() error {
			if err := l.Close(); err != nil {
				return err
			}
			if err := appendEvent(l, event(2, 2)); !errors.Is(err, fs.ErrClosed) {
				return errors.New("a closed log takes events")
			}
			l = openLog(t, path, FileLogOptions{})

			return nil
		}, nil},
		{func() error { return appendEvent(l, event(1, 10)) }, nil},
		{func() error { return appendEvent(l, event(2, 1)) }, nil},
		{func() error { return appendEvent(l, event(2, 2)) }, nil},
		{func() error { return l.Sync() }, nil},
	}
	for i, s := range steps {
		if err := s.do(); !errors.Is(err, s.want) {
			t.Errorf("step %d gives %v, want %v", i, err, s.want)
		}
	}
	of := func(i tq.Incarnation, q tq.Sequence) Position { return Position{Incarnation: i, Sequence: q} }
	got, torn, err := contents(path)
	want := []Position{of(1, 1), of(1, 2), of(1, 9), of(1, 10), of(2, 1), of(2, 2)}
	if diff := cmp.Diff(want, got); diff != "" || err != nil || torn != 0 {
		t.Errorf("%v, %d torn (-want +got)\n%s", err, torn, diff)
	}
	if _, err := OpenFileLog(path, FileLogOptions{}); !errors.Is(err, ErrLocked) {
		t.Errorf("opening it twice gives %v", err)
	}
	if l.Position() != of(2, 2) {
		t.Errorf("position is %v", l.Position())
	}
}

// threeEvents is a log of three events, and where each begins and the end.
func threeEvents(t *testing.T, path string) (content []byte, begins []int) {
	t.Helper()
	l := openLog(t, path, FileLogOptions{})
	for q := tq.Sequence(1); q <= 3; q++ {
		if err := appendEvent(l, event(source, q)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range content {
		if b == '\n' {
			begins = append(begins, i+1)
		}
	}

	return content, begins
}

// TestFailedSync holds that an event whose synchronising failed is not taken for
// written when it is tried again: nobody knows what the file has (invariant 21,
// an apply that failed is not passed over).
func TestFailedSync(t *testing.T) {
	t.Parallel()
	l := openLog(t, filepath.Join(t.TempDir(), "events"), FileLogOptions{SyncEvery: 1})
	if err := appendEvent(l, event(1, 1)); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	l.broken = boom // what sync leaves
	for _, s := range []tq.Sequence{1, 2} {
		if err := appendEvent(l, event(1, s)); !errors.Is(err, boom) {
			t.Errorf("event %d: %v, want %v", s, err, boom)
		}
	}
	if err := l.Close(); !errors.Is(err, boom) {
		t.Errorf("close: %v, want %v", err, boom)
	}
	if err := appendEvent(l, event(1, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after it was closed: %v, want %v", err, fs.ErrClosed)
	}
}

// TestTornTail is invariant 29: wherever the file is cut off, the events before
// are there, the rest is dropped and said so, and the log goes on.
func TestTornTail(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events")
	content, begins := threeEvents(t, path)
	for n := range content {
		write(t, path, content[:n])
		whole, end := 0, 0
		for i, b := range begins {
			if b <= n {
				whole, end = i, b
			}
		}
		if at, torn, err := contents(path); err != nil || len(at) != whole || torn != int64(n-end) {
			t.Fatalf("cut off at %d: read %d events, %d torn, %v", n, len(at), torn, err)
		}
		l := openLog(t, path, FileLogOptions{})
		if l.Dropped() != int64(n-end) {
			t.Errorf("cut off at %d: %d bytes dropped, want %d", n, l.Dropped(), n-end)
		}
		for q := l.Position().Sequence + 1; q <= 3; q++ {
			if err := appendEvent(l, event(source, q)); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if at, torn, err := contents(path); err != nil || len(at) != 3 || torn != 0 {
			t.Fatalf("cut off at %d: the log has %d events, %d torn, %v", n, len(at), torn, err)
		}
	}
}

// TestUnwrittenSectors is invariant 29 where power was lost before all was
// written, which need not be in order: what is zero was not. Behind the last
// record that is known to be synchronised, the log ends before the first such
// place. Anywhere else it is damage.
func TestUnwrittenSectors(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events")
	l := openLog(t, path, FileLogOptions{SyncEvery: 4})
	for q := tq.Sequence(1); q <= 19; q++ {
		if err := appendEvent(l, event(source, q)); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path) // as power was lost
	if err != nil || l.Close() != nil {
		t.Fatal(err, l.Close())
	}
	closed, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(closed, content) || bytes.Count(content, []byte(syncedMark)) != 4 {
		t.Fatalf("%v, the log is %q", err, closed)
	}
	synced := bytes.LastIndex(content, []byte(syncedMark))
	at, _, err := contents(path)
	if err != nil || len(at) != 19 {
		t.Fatalf("%d events, %v", len(at), err)
	}
	for from := sector; from < len(content); from += sector {
		lost := bytes.Clone(content)
		clear(lost[from:min(from+sector, len(lost))])
		want := bytes.LastIndexByte(content[:from], '\n') + 1
		events := bytes.Count(content[:want], []byte("\nE "))
		write(t, path, lost)
		l, err := OpenFileLog(path, FileLogOptions{})
		if from+sector <= synced {
			if _, _, read := contents(path); !errors.Is(err, ErrCorrupt) || !errors.Is(read, ErrCorrupt) {
				t.Errorf("without the sector at %d of %d that were synchronised: %v, %v", from, synced, err, read)
			}
			continue
		}
		if err != nil {
			t.Fatalf("without the sector at %d: %v", from, err)
		}
		if dropped := int64(len(content) - want); l.Dropped() != dropped || l.Position().Sequence != at[events-1].Sequence {
			t.Errorf("without the sector at %d: at %d with %d bytes dropped, want %d with %d",
				from, l.Position().Sequence, l.Dropped(), at[events-1].Sequence, dropped)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for from := sector; from+sector <= len(content); from += sector { // of what was closed nothing is lost
		lost := bytes.Clone(closed)
		clear(lost[from : from+sector])
		write(t, path, lost)
		if _, err := OpenFileLog(path, FileLogOptions{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("closed, and without the sector at %d: %v", from, err)
		}
	}
}

// TestMarksAreFew holds that a log is marked once where it was synchronised,
// however often it is opened.
func TestMarksAreFew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events")
	for q := range tq.Sequence(5) {
		l := openLog(t, path, FileLogOptions{})
		if q > 0 {
			if err := appendEvent(l, event(source, q)); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = openLog(t, path, FileLogOptions{})
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	at, torn, damage := contents(path)
	if n := bytes.Count(content, []byte(syncedMark)); err != nil || damage != nil || n != 4 || len(at) != 4 || torn != 0 {
		t.Errorf("%d marks, %d events, %d torn, %v, %v", n, len(at), torn, err, damage)
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCorruptMiddle is invariant 29: damage that no crash leaves is an error with
// its offset, the file stays as it is, and what is before can be read.
func TestCorruptMiddle(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events")
	content, begins := threeEvents(t, path)
	for n := range len(content) - 1 {
		damaged := bytes.Clone(content)
		damaged[n] ^= 0x11
		write(t, path, damaged)
		want, before := int64(0), 0
		for i, b := range begins {
			if b <= n {
				want, before = int64(b), i
			}
		}
		_, err := OpenFileLog(path, FileLogOptions{})
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || corrupt.Offset != want || !errors.Is(err, ErrCorrupt) {
			t.Fatalf("damaged at %d: %v, want the offset %d", n, err, want)
		}
		if at, _, err := contents(path); !errors.Is(err, ErrCorrupt) || len(at) != before {
			t.Errorf("damaged at %d: read %d events, %v", n, len(at), err)
		}
		if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, damaged) {
			t.Fatal("opening a damaged file has changed it")
		}
	}
	write(t, path, []byte("# not a log\n"))
	if _, err := OpenFileLog(path, FileLogOptions{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another file gives %v", err)
	}
}

// TestOldFile is invariant 28: a file written before a field was added, with
// members this version does not know, is read.
func TestOldFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events")
	line := []byte(`E 01234567 {"sequenceNumber":1,"queueName":"q","kind":77,"occurredAt":"2026-11-21T12:22:19Z",` +
		`"taskSequenceId":3,"attempt":1,"tomorrow":{"a":[1]}}`)
	putChecksum(line)
	write(t, path, append(append([]byte(logMagic), line...), '\n'))
	var got Header
	_, err := ReadFileLog(path, func(r *LogRecord) error {
		return DecodeEvent(r.Text, &got, (*jsonwire.Reader).Skip)
	})
	if err != nil || got.Kind != 77 || got.Task.Sequence != 3 {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events")
	l := openLog(t, path, FileLogOptions{})
	var q tq.Sequence
	for _, kind := range []string{"Enqueued", "LeaseGranted", "LeaseExpired", "Restored", "Requeued", "Completed"} {
		h := examples()[kind]
		q++
		h.Sequence = q
		if h.Error != nil {
			h.Error.Message = "two\nlines"
		}
		if err := appendEvent(l, h); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("E 0123"); err != nil {
		t.Fatal(err)
	}
	_ = file.Close()

	var out strings.Builder
	if err := PrintHistory(&out, path, tq.TaskID{Origin: source, Sequence: 17}); err != nil {
		t.Fatal(err)
	}
	const want = `SEQUENCE  OCCURRED                  WHAT          ATTEMPT  OWNER     DETAIL
1         2026-11-21T12:22:19.123Z  Enqueued      1                  ready at 2026-11-21T12:23:19.123Z
2         2026-11-21T12:22:20.123Z  LeaseGranted  2        worker-7  until 2026-11-21T12:22:49.123Z
3         2026-11-21T12:22:26.123Z  LeaseExpired  2                  by expiry, error.taskqueue.lease_expired: two lines
5         2026-11-21T12:22:24.123Z  Requeued      3                  ready at 2026-11-21T12:22:21.123Z, error.taskqueue.failed: two lines
6         2026-11-21T12:22:22.123Z  Completed     2        worker-7  
6 bytes at the end of the log are no whole record
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
