// Package record remembers states of the disk in which there is nothing to do,
// so that the next run needs only look whether this is one of them.
//
// A run is a function of its configuration, of the program that tqgen is, of
// what the go command answers, and of what it reads from the disk. The first two
// are the key of a record. The record itself holds digests of the rest: of the
// answer, and of everything that was read through Disk, the present output
// included. It is kept of runs that had nothing to report, to write or to remove. If
// the go command answers the same, and every look at the disk does, the same run
// would end the same way.
//
// A record is never needed. One that cannot be read, or that something is wrong
// with, does not hold; failing to write one is no failure of the run.
//
// Records are written whole, then renamed, one file each, and the oldest are
// removed when there are too many. A library that caches files would bring a
// module for these few lines.
package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	// version is the first line of a record. It rises when its form does, or when
	// a look means something else.
	version = "tqgen record 1"

	suffix      = ".record"
	tempPattern = "*.tmp"

	// maxRecords is how many records a folder may hold: some tens of megabytes.
	maxRecords = 1000
)

// Record is what an earlier run found, and what this one finds.
type Record struct {
	disk   *Disk
	folder string
	path   string        // "" if there can be none
	read   chan struct{} // closed when the following are set
	answer string        // of the go command, as a digest; "" if there is no record
	change string        // the first look that has another answer now, "" if there is none
}

// Open looks for a record in folder, and at what it speaks of, in the
// background. The key is what the run depends on besides the disk and the go
// command. Without a folder there is no record, and none is kept.
func Open(folder string, key ...string) *Record {
	r := &Record{folder: folder, read: make(chan struct{})}
	if !filepath.IsAbs(folder) {
		close(r.read)

		return r
	}
	r.disk = &Disk{}
	go func() {
		defer close(r.read)
		r.find(key)
	}()

	return r
}

// Disk is what the run is to read through. It is nil if no record will be kept.
func (r *Record) Disk() *Disk { return r.disk }

// Holds reports whether an earlier run found nothing to do, and nothing has changed
// since; else why not. answer is a digest of what the go command says now.
func (r *Record) Holds(answer string) (ok bool, why string) {
	<-r.read
	switch {
	case r.path == "":
		return false, "no records are kept"
	case r.answer == "":
		return false, "no record"
	case r.answer != answer:
		return false, "the go command answers otherwise"
	case r.change != "":
		return false, r.change + " has changed"
	}

	return true, ""
}

// Keep writes the record of this run, which has found nothing to do.
func (r *Record) Keep(answer string) {
	<-r.read
	if r.path == "" {
		return
	}
	r.disk.mu.Lock()
	defer r.disk.mu.Unlock()
	if r.disk.torn || os.MkdirAll(r.folder, 0o777) != nil {
		return
	}
	trim(r.folder)
	writeFile(r.folder, r.path, encode(answer, r.disk.seen))
}

// find reads the record, and looks whether it still holds.
func (r *Record) find(key []string) {
	program, err := identity()
	if err != nil {
		return
	}
	name := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%q", version, program, key))
	r.path = filepath.Join(r.folder, hex.EncodeToString(name[:])+suffix)
	content, err := os.ReadFile(r.path)
	if err != nil {
		return
	}
	answer, seen, err := decode(content)
	if err != nil {
		return
	}
	r.change = changed(seen)
	r.answer = answer
}

// seen is one look and its answer.
type seen struct {
	look
	sum
}

// changed gives the name of the first look that has another answer now, "" if
// there is none.
func changed(list []seen) string {
	holds := make([]bool, len(list))
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(list); i += workers {
				holds[i] = list[i].holds(list[i].sum)
			}
		})
	}
	wg.Wait()
	if i := slices.Index(holds, false); i >= 0 {
		return list[i].name
	}

	return ""
}

// encode spells a record: a line for the answer, one for each look in order, and
// a digest of them all, so that half a record is none.
func encode(answer string, looks map[look]sum) []byte {
	lines := make([]string, 0, len(looks))
	for l, s := range looks {
		if _, whole := looks[look{file, l.name}]; whole && l.kind == head {
			continue
		}
		lines = append(lines, fmt.Sprintf("%c %x %q\n", l.kind, s, l.name))
	}
	slices.Sort(lines)
	text := fmt.Appendf(nil, "%s\n%q\n", version, answer)
	for _, l := range lines {
		text = append(text, l...)
	}

	return fmt.Appendf(text, "%x\n", sha256.Sum256(text))
}

// decode is the reverse of encode.
func decode(content []byte) (answer string, list []seen, err error) {
	body, end, ok := cutLast(content)
	if !ok || end != fmt.Sprintf("%x\n", sha256.Sum256(body)) {
		return "", nil, fmt.Errorf("damaged")
	}
	lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	if len(lines) < 2 || lines[0] != version {
		return "", nil, fmt.Errorf("of another version")
	}
	if answer, err = strconv.Unquote(lines[1]); err != nil {
		return "", nil, err
	}
	for _, line := range lines[2:] {
		s, err := decodeSeen(line)
		if err != nil {
			return "", nil, err
		}
		list = append(list, s)
	}

	return answer, list, nil
}

func decodeSeen(line string) (s seen, err error) {
	k, rest, _ := strings.Cut(line, " ")
	digest, name, _ := strings.Cut(rest, " ")
	if len(k) != 1 || len(digest) != 2*len(s.sum) {
		return s, fmt.Errorf("no look: %q", line)
	}
	s.kind = kind(k[0])
	if _, err = hex.Decode(s.sum[:], []byte(digest)); err != nil {
		return s, err
	}
	s.name, err = strconv.Unquote(name)

	return s, err
}

// cutLast takes the last line off.
func cutLast(content []byte) (body []byte, line string, ok bool) {
	i := bytes.LastIndexByte(bytes.TrimSuffix(content, []byte("\n")), '\n')
	if i < 0 {
		return nil, "", false
	}

	return content[:i+1], string(content[i+1:]), true
}

// writeFile puts a file in place whole, or not at all.
func writeFile(folder, path string, content []byte) {
	f, err := os.CreateTemp(folder, tempPattern)
	if err != nil {
		return
	}
	_, err = f.Write(content)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // if it stays, trim takes it one day
	}
}

// trim makes room for a record: it removes the oldest quarter once there are too
// many, and what killed runs left.
func trim(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) < maxRecords {
		return
	}
	type aged struct {
		name string
		fs.FileInfo
	}
	var ours []aged
	for _, e := range entries {
		info, err := e.Info()
		if ext := filepath.Ext(e.Name()); err == nil && info.Mode().IsRegular() && (ext == suffix || ext == ".tmp") {
			ours = append(ours, aged{e.Name(), info})
		}
	}
	slices.SortFunc(ours, func(a, b aged) int { return a.ModTime().Compare(b.ModTime()) })
	for _, f := range ours[:len(ours)/4] {
		_ = os.Remove(filepath.Join(folder, f.name)) // another run may have been first
	}
}
