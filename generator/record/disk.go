package record

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Disk reads files and folders, and notes a digest of every answer, errors
// included. Names are absolute. A nil Disk reads as well, and notes nothing. It
// may be used from several goroutines.
type Disk struct {
	mu   sync.Mutex
	seen map[look]sum // guarded by mu
	torn bool         // guarded by mu: one look had two answers
}

// look is one question to the disk.
type look struct {
	kind kind
	name string
}

// kind says what a look is for.
type kind byte

const (
	file   kind = 'f' // all of a file
	head   kind = 'h' // its first HeadBytes
	folder kind = 'd' // names and types in it
	mode   kind = 'm' // what it is, links not followed
	target kind = 'l' // its path without links
	tree   kind = 't' // files below a module's folder; the name ends in a pattern
)

// HeadBytes is how much Head reads.
const HeadBytes = 1024

// sum is a digest of an answer, long enough that no two of them meet.
type sum [16]byte

func (d *Disk) note(k kind, name string, answer []byte, err error) {
	if d == nil {
		return
	}
	s := digest(answer, err)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil {
		d.seen = map[look]sum{}
	}
	at := look{k, name}
	if old, ok := d.seen[at]; ok && old != s {
		d.torn = true
	}
	d.seen[at] = s
}

func digest(answer []byte, err error) (s sum) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		answer = []byte("\x00absent")
	case err != nil:
		answer = []byte("\x00error: " + err.Error())
	}
	whole := sha256.Sum256(answer)
	copy(s[:], whole[:])

	return s
}

// ReadFile is os.ReadFile.
func (d *Disk) ReadFile(name string) ([]byte, error) {
	content, err := os.ReadFile(name)
	d.note(file, name, content, err)

	return content, err
}

// Head reads the first HeadBytes of a file.
func (d *Disk) Head(name string) ([]byte, error) {
	content, err := readHead(name)
	d.note(head, name, content, err)

	return content, err
}

func readHead(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()

	return io.ReadAll(io.LimitReader(f, HeadBytes))
}

// ReadDir is os.ReadDir. Of an entry only name and type are to be used.
func (d *Disk) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(name)
	var answer bytes.Buffer
	for _, e := range entries {
		fmt.Fprintf(&answer, "%s\x00%d\x00", e.Name(), e.Type())
	}
	d.note(folder, name, answer.Bytes(), err)

	return entries, err
}

// Mode gives the type bits of what is there. It does not follow links.
func (d *Disk) Mode(name string) (fs.FileMode, error) {
	info, err := os.Lstat(name)
	var m fs.FileMode
	if err == nil {
		m = info.Mode().Type()
	}
	d.note(mode, name, fmt.Append(nil, uint32(m)), err)

	return m, err
}

// Exists reports whether there is anything, be it a link that leads nowhere.
func (d *Disk) Exists(name string) bool {
	_, err := d.Mode(name)

	return err == nil
}

// EvalSymlinks is filepath.EvalSymlinks.
func (d *Disk) EvalSymlinks(name string) (string, error) {
	path, err := filepath.EvalSymlinks(name)
	d.note(target, name, []byte(path), err)

	return path, err
}

// Tree gives the files below the folder of a module whose names end in suffix,
// in lexical order: those in folders where the go command looks for packages of
// that module. Folders that cannot be read have none.
func (d *Disk) Tree(root, suffix string) (paths []string) {
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fs.SkipDir
		case e.IsDir():
			if path != root && skipped(path, e.Name()) {
				return fs.SkipDir
			}
		case strings.HasSuffix(path, suffix):
			paths = append(paths, path)
		}

		return nil
	})
	d.note(tree, filepath.Join(root, "*"+suffix), []byte(strings.Join(paths, "\x00")), nil)

	return paths
}

// skipped reports whether the module's packages stop above a folder.
func skipped(path, name string) bool {
	if name[0] == '.' || name[0] == '_' || name == "vendor" || name == "testdata" || name == "node_modules" {
		return true
	}
	_, err := os.Lstat(filepath.Join(path, "go.mod"))

	return err == nil
}

// holds reports whether a look still has the answer it had.
func (l look) holds(was sum) bool {
	var now Disk
	switch l.kind {
	case file:
		_, _ = now.ReadFile(l.name) // an error is an answer, too
	case head:
		_, _ = now.Head(l.name)
	case folder:
		_, _ = now.ReadDir(l.name)
	case mode:
		_, _ = now.Mode(l.name)
	case target:
		_, _ = now.EvalSymlinks(l.name)
	case tree:
		now.Tree(filepath.Dir(l.name), filepath.Base(l.name)[1:])
	}
	s, ok := now.seen[l]

	return ok && s == was
}
