// Package durable writes files that are whole, or not there, whatever happens.
package durable

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// pattern is that of the names of files that are not finished.
const pattern = "new-*.tmp"

// Unfinished reports whether a file of that name is one of Write's, which a
// process that died may have left behind.
func Unfinished(name string) bool {
	ours, _ := filepath.Match(pattern, name) // the pattern is a good one

	return ours
}

// Write writes content to a file in dir that has no name of its own yet, and
// makes it last. The caller renames, links or removes it.
func Write(dir string, content []byte) (path string, err error) {
	t, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return "", err
	}
	_, err = t.Write(content)
	if err == nil {
		err = t.Sync()
	}
	if closed := t.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(t.Name()))
	}

	return t.Name(), nil
}

// Put puts content at path: the file is what it was or has all of it, whatever
// happens. After nil it lasts.
func Put(path string, content []byte) error {
	temporary, err := Write(filepath.Dir(path), content)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}

	return SyncFolder(filepath.Dir(path))
}

// SyncFolder makes the names in a folder last.
func SyncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // it has no such thing, and does not need it
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closed := d.Close(); err == nil {
		err = closed
	}

	return err
}
