package effect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tqgen/tqgen/runtime/internal/durable"
)

// Files is a [StateStore] and a [Pruner] on the files of one folder, for any
// number of processes that share its file system. Each value is a file of its
// own, written whole and synchronised before it gets its name, so a crash leaves
// the old value, the new one or none. What is damaged nevertheless is a
// [*CorruptError], never taken for absent or for a value.
//
// TryAdd, which is what recorders and terms of owners use, needs a file system
// with hard links. On Windows Set cannot replace a value while it is read, and
// answers an error then.
type Files struct {
	dir   string
	prune sync.RWMutex // held to prune: what it finds old is not written anew meanwhile by this process
}

const (
	fileSuffix  = ".state"
	fileMagic   = "tqgen-state/1"
	fileHeader  = fileMagic + " %x %d %d\n" // checksum, length of the key, length of the value
	maxHeader   = 128
	missingFile = "the file ends too early"
)

// OpenFiles gives the store in dir, which is made if it is not there.
func OpenFiles(dir string) (*Files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("effect: open store: %w", err)
	}
	if err := durable.SyncFolder(filepath.Dir(dir)); err != nil {
		return nil, fmt.Errorf("effect: open store: %w", err)
	}

	return &Files{dir: dir}, nil
}

// Get implements [StateStore].
func (f *Files) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	path := f.path(key)
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("effect: get %q: %w", key, err)
	}
	value, fault := unpack(content, key)
	if fault != "" {
		return nil, false, &CorruptError{Key: key, Path: path, Fault: fault}
	}

	return value, true, nil
}

// Set implements [StateStore].
func (f *Files) Set(ctx context.Context, key string, value []byte) error {
	f.prune.RLock()
	defer f.prune.RUnlock()
	err := mayWrite(ctx, key)
	if err == nil {
		err = durable.Put(f.path(key), pack(key, value))
	}
	if err != nil {
		return fmt.Errorf("effect: set %q: %w", key, err)
	}

	return nil
}

// TryAdd implements [StateStore].
func (f *Files) TryAdd(ctx context.Context, key string, value []byte) (added bool, err error) {
	f.prune.RLock()
	defer f.prune.RUnlock()
	if err := mayWrite(ctx, key); err != nil {
		return false, fmt.Errorf("effect: add %q: %w", key, err)
	}
	temporary, err := durable.Write(f.dir, pack(key, value))
	if err != nil {
		return false, fmt.Errorf("effect: add %q: %w", key, err)
	}
	err = os.Link(temporary, f.path(key)) // unlike a rename, it replaces nothing
	_ = os.Remove(temporary)              // what stays behind is removed by Prune
	if added = err == nil; !added && !errors.Is(err, fs.ErrExist) {
		return false, fmt.Errorf("effect: add %q: %w", key, err)
	}
	// Also where somebody else was first: the caller relies on that one.
	if err := durable.SyncFolder(f.dir); err != nil {
		return false, fmt.Errorf("effect: add %q: %w", key, err)
	}

	return added, nil
}

// Prune implements [Pruner]. A value is as old as its file. Temporary files of
// processes that died are removed with them.
func (f *Files) Prune(ctx context.Context, before time.Time) (n int, err error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return 0, fmt.Errorf("effect: prune: %w", err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		temporary := durable.Unfinished(e.Name())
		if !temporary && !strings.HasSuffix(e.Name(), fileSuffix) {
			continue
		}
		removed, err := f.removeOld(filepath.Join(f.dir, e.Name()), before)
		if err != nil {
			return n, fmt.Errorf("effect: prune: %w", err)
		}
		if removed && !temporary {
			n++
		}
	}

	return n, nil
}

// removeOld removes one file if it is older than before.
func (f *Files) removeOld(path string, before time.Time) (removed bool, err error) {
	f.prune.Lock()
	defer f.prune.Unlock()
	info, err := os.Stat(path)
	if err == nil && info.ModTime().Before(before) {
		err = os.Remove(path)
		removed = err == nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // somebody else prunes too
	}

	return removed, err
}

// mayWrite says whether a value can be written.
func mayWrite(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}

	return ctx.Err()
}

// path is the file of a key: keys are longer than file names may be, and some
// file systems do not tell upper case from lower.
func (f *Files) path(key string) string {
	sum := sha256.Sum256([]byte(key))

	return filepath.Join(f.dir, hex.EncodeToString(sum[:])+fileSuffix)
}

// pack is the content of a file: a line that says what follows, key, value.
func pack(key string, value []byte) []byte {
	body := append([]byte(key), value...)
	content := fmt.Appendf(nil, fileHeader, sha256.Sum256(body), len(key), len(value))

	return append(content, body...)
}

// unpack reads what pack wrote, or says what is wrong with it.
func unpack(content []byte, key string) (value []byte, fault string) {
	head, _, found := strings.Cut(string(content[:min(len(content), maxHeader)]), "\n")
	if !found {
		return nil, missingFile
	}
	var sum []byte
	var keyLength, valueLength int
	if n, err := fmt.Sscanf(head+"\n", fileHeader, &sum, &keyLength, &valueLength); n != 3 || err != nil {
		return nil, "its first line is not that of a " + fileMagic
	}
	rest := content[len(head)+1:]
	got := sha256.Sum256(rest)
	switch {
	case keyLength < 0 || valueLength < 0 || len(rest) < keyLength+valueLength:
		return nil, missingFile
	case len(rest) > keyLength+valueLength:
		return nil, "something follows its end"
	case string(sum) != string(got[:]):
		return nil, "its checksum is that of other content"
	case string(rest[:keyLength]) != key:
		return nil, fmt.Sprintf("it holds the key %q", rest[:keyLength])
	}

	return rest[keyLength:], ""
}
