package generator

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/tqgen/tqgen/generator/diag"
)

// tempPrefix starts the names of temporary files. The go command ignores files
// whose names start with a dot, so one that a killed run left breaks nothing.
const tempPrefix = ".tqgen-"

// Write makes the disk what the result says. A diag.List tells which files
// stand in the way; then, as after any other error before the first rename,
// nothing has changed. With force, files that were edited are replaced too.
//
// A file is written under another name in its folder and renamed, so whoever
// reads it, even after a run was killed, sees the old or the new one. Files
// that are as they should be are not touched.
func (r *Result) Write(force bool) error {
	var refused diag.List
	for i := range r.Files {
		r.Files[i].refuse(&refused, force)
	}
	if refused.Sort(); len(refused) > 0 {
		return refused
	}

	removeLeftovers(r.folders)
	var w writer
	if err := w.stage(r.Files); err != nil {
		return errors.Join(err, w.undo())
	}

	return errors.Join(w.rename(), w.remove(r.Files))
}

// checkpoint is called between steps of a Write; tests die there.
var checkpoint = func(string) {}

// writer is the state of one Write.
type writer struct {
	staged []staged
	made   []string // folders, in the order in which they were created
}

// staged is a file written whole under its temporary name.
type staged struct {
	temp string
	file *File
}

// stage writes every new body under its temporary name, before the first file
// is replaced: a full disk or a missing permission shows here.
func (w *writer) stage(files []File) error {
	for i := range files {
		f := &files[i]
		if f.Body == nil || f.Class == Unchanged {
			continue
		}
		if err := w.makeFolder(filepath.Dir(f.Path)); err != nil {
			return err
		}
		temp, err := writeTemp(f)
		if err != nil {
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
		w.staged = append(w.staged, staged{temp, f})
		checkpoint("staged " + f.Name)
	}

	return nil
}

// undo removes what stage created.
func (w *writer) undo() error {
	var errs []error
	for _, s := range w.staged {
		errs = append(errs, os.Remove(s.temp))
	}
	for _, dir := range slices.Backward(w.made) {
		errs = append(errs, os.Remove(dir))
	}

	return errors.Join(errs...)
}

// makeFolder creates dir and its parents, and remembers which ones it created.
func (w *writer) makeFolder(dir string) error {
	err := os.Mkdir(dir, 0o777)
	if errors.Is(err, fs.ErrNotExist) {
		if err := w.makeFolder(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o777)
	}
	switch {
	case err == nil:
		w.made = append(w.made, dir)
	case errors.Is(err, fs.ErrExist):
		return nil
	}

	return err
}

// rename gives every staged file its name. It goes on after an error, so that
// as much as possible of the output is of one run.
func (w *writer) rename() error {
	var errs []error
	for _, s := range w.staged {
		err := os.Rename(s.temp, s.file.Path)
		// A run of the same output that started meanwhile takes the temporary
		// file for a leftover, once.
		if errors.Is(err, fs.ErrNotExist) {
			if s.temp, err = writeTemp(s.file); err == nil {
				err = os.Rename(s.temp, s.file.Path)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("write %s: %w", s.file.Name, err), os.Remove(s.temp))
		}
		checkpoint("renamed " + s.file.Name)
	}

	return errors.Join(errs...)
}

// remove deletes orphans, and the folders that are empty without them.
func (w *writer) remove(files []File) error {
	var errs []error
	for i := range files {
		f := &files[i]
		if f.Body != nil {
			continue
		}
		if err := os.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove %s: %w", f.Name, err))

			continue
		}
		removeEmpty(filepath.Dir(f.Path))
		checkpoint("removed " + f.Name)
	}

	return errors.Join(errs...)
}

// removeEmpty removes dir and then its parents as long as they are empty. A
// link to a folder stays.
func removeEmpty(dir string) {
	for {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || os.Remove(dir) != nil {
			return
		}
		dir = filepath.Dir(dir)
	}
}

// writeTemp writes the file's body under a name nobody else uses and gives the
// name. The file gets the permissions of the one it will replace.
func writeTemp(f *File) (name string, err error) {
	perm := fs.FileMode(0o666)
	old, err := os.Stat(f.Path)
	if err == nil {
		perm = old.Mode().Perm()
	}
	temp, err := createTemp(filepath.Dir(f.Path), perm)
	if err != nil {
		return "", err
	}
	checkpoint("created " + f.Name)
	if old != nil {
		err = temp.Chmod(perm)
	}
	if err == nil {
		_, err = temp.Write(f.Body)
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return "", errors.Join(err, os.Remove(temp.Name()))
	}

	return temp.Name(), nil
}

// tempNumber makes names of temporary files unique within the process, also
// those that another run has removed meanwhile.
var tempNumber atomic.Int64

// createTemp is os.CreateTemp with permissions that the umask still narrows.
func createTemp(dir string, perm fs.FileMode) (*os.File, error) {
	for {
		name := filepath.Join(dir, fmt.Sprintf("%s%d-%d.tmp", tempPrefix, os.Getpid(), tempNumber.Add(1)))
		temp, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		if !errors.Is(err, fs.ErrExist) {
			return temp, err
		}
	}
}

// removeLeftovers deletes the temporary files of runs that were killed. What
// cannot be read or deleted stays; it is in nobody's way.
func removeLeftovers(folders []string) {
	for _, dir := range folders {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), tempPrefix) && strings.HasSuffix(e.Name(), ".tmp") {
				_ = os.Remove(filepath.Join(dir, e.Name()))
			}
		}
	}
}
