package replication

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/tqgen/tqgen/runtime/internal/durable"
)

// FileCheckpoints is a [CheckpointStore] and a [Claimer] on the files of one
// folder, which is its own as long as it is open. Each checkpoint is a file,
// written whole and synchronised before it gets its name, so a crash leaves the
// old one or the new one. What is damaged nevertheless is a [*CorruptError],
// never taken for absent or for a checkpoint.
type FileCheckpoints struct {
	claims

	dir  string
	lock *lock
	mu   sync.Mutex // held to write
}

const (
	checkpointMagic  = "tqgen-checkpoint/1"
	checkpointHeader = checkpointMagic + " %x %d\n" // checksum and length of what follows
	checkpointSuffix = ".checkpoint"
	lockName         = "lock"
)

// OpenFileCheckpoints opens the store in dir, which is made if it is not there.
// The error matches [ErrLocked] if it is open already, here or in another
// process. Close it in the end.
func OpenFileCheckpoints(dir string) (*FileCheckpoints, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("replication: open checkpoints: %w", err)
	}
	l, err := lockFile(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("replication: open checkpoints in %s: %w", dir, err)
	}
	err = removeUnfinished(dir)
	if err == nil {
		err = durable.SyncFolder(filepath.Dir(dir))
	}
	if err != nil {
		l.release()
		return nil, fmt.Errorf("replication: open checkpoints: %w", err)
	}

	return &FileCheckpoints{dir: dir, lock: l}, nil
}

// removeUnfinished removes what a writer that died has left behind.
func removeUnfinished(dir string) error {
	entries, err := os.ReadDir(dir) // the name of dir may look like a pattern
	for _, e := range entries {
		if durable.Unfinished(e.Name()) && err == nil {
			err = os.Remove(filepath.Join(dir, e.Name()))
		}
	}

	return err
}

// Close lets go of the folder. Nothing is loaded or saved afterwards.
func (f *FileCheckpoints) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.lock.release()
}

// Load implements [CheckpointStore].
func (f *FileCheckpoints) Load(ctx context.Context, stream string) (Checkpoint, error) {
	if err := ctx.Err(); err != nil {
		return Checkpoint{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.load(stream)
}

func (f *FileCheckpoints) load(stream string) (Checkpoint, error) {
	if f.lock.released() {
		return Checkpoint{}, fmt.Errorf("replication: load checkpoint: %w", fs.ErrClosed)
	}
	path := f.path(stream)
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Checkpoint{Stream: stream}, nil
	case err != nil:
		return Checkpoint{}, fmt.Errorf("replication: load checkpoint: %w", err)
	}
	c, fault := unpackCheckpoint(content)
	if fault == nil && c.Stream != stream {
		fault = fmt.Errorf("it is of stream %q", c.Stream)
	}
	if fault != nil {
		return Checkpoint{}, &CorruptError{Path: path, Fault: fault.Error()}
	}

	return c, nil
}

// Save implements [CheckpointStore].
func (f *FileCheckpoints) Save(ctx context.Context, c Checkpoint, expected uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	stored, err := f.load(c.Stream)
	if err != nil {
		return err
	}
	if stored.Revision != expected {
		return conflict(c.Stream, stored.Revision, expected)
	}
	content, err := packCheckpoint(&c)
	if err == nil {
		err = durable.Put(f.path(c.Stream), content)
	}
	if err != nil {
		return fmt.Errorf("replication: save checkpoint of %q: %w", c.Stream, err)
	}

	return nil
}

// path is the file of a stream, whose name may be anything.
func (f *FileCheckpoints) path(stream string) string {
	sum := sha256.Sum256([]byte(stream))

	return filepath.Join(f.dir, hex.EncodeToString(sum[:16])+checkpointSuffix)
}

// packCheckpoint is the content of a file: a line that says what follows, and
// the checkpoint's wire form.
func packCheckpoint(c *Checkpoint) ([]byte, error) {
	body, err := c.AppendJSON(nil)
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	content := fmt.Appendf(nil, checkpointHeader, sha256.Sum256(body), len(body))

	return append(content, body...), nil
}

// unpackCheckpoint reads what packCheckpoint wrote, or says what is wrong.
func unpackCheckpoint(content []byte) (c Checkpoint, fault error) {
	if !bytes.HasPrefix(content, []byte(checkpointMagic+" ")) {
		return c, errors.New("it does not begin like a " + checkpointMagic)
	}
	head, body, _ := bytes.Cut(content, []byte("\n"))
	if string(head)+"\n" != fmt.Sprintf(checkpointHeader, sha256.Sum256(body), len(body)) {
		return c, errors.New("checksum or length are not those of what follows")
	}

	return c, c.UnmarshalJSON(body)
}

// lock is a file that one holder at a time has open for itself. The operating
// system takes it from a process that dies.
type lock struct{ file *os.File }

// lockFile makes the file at path if it is not there and locks it. ErrLocked,
// at once, if somebody else has.
func lockFile(path string) (*lock, error) {
	file, err := openLocked(path)
	if err != nil {
		return nil, err
	}

	return &lock{file}, nil
}

func (l *lock) released() bool { return l.file == nil }

func (l *lock) release() error {
	if l.released() {
		return nil
	}
	file := l.file
	l.file = nil
	unlock(file)

	return file.Close()
}
