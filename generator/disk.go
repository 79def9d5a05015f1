package generator

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tqgen/tqgen/generator/diag"
	"github.com/tqgen/tqgen/generator/load"
	"github.com/tqgen/tqgen/generator/model"
	"github.com/tqgen/tqgen/generator/verify"
)

// add reads what is in the file's place, classifies it and adds it to the result.
func (r *run) add(f File) error {
	f.Name = r.name(f.Path)
	mode, err := r.disk.Mode(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Class = New
	case err != nil:
		return fmt.Errorf("read %s: %w", f.Name, err)
	case !mode.IsRegular(): // renaming would replace a link, and fail on a folder
		f.Class = Foreign
	default:
		if f.Disk, err = r.disk.ReadFile(f.Path); err != nil {
			return fmt.Errorf("read %s: %w", f.Name, err)
		}
		f.Class = classify(&f)
		if f.Body == nil {
			f.Class = classifyOrphan(f.Disk)
		}
	}
	if f.Body != nil || f.Class != New {
		r.result.Files = append(r.result.Files, f)
	}

	return nil
}

// orphaned reports whether a file of ours that is not part of the output is left
// over: its payload's package belongs to this run, and the payload is not
// annotated in a file that this run's build constraints exclude, or there is no
// such package any more.
func (r *run) orphaned(o load.Output) bool {
	dot := strings.LastIndexByte(o.Source, '.')
	if dot < 0 || r.prog.Elsewhere[o.Source] {
		return false
	}
	if o.Bereft {
		return true
	}
	_, found := slices.BinarySearchFunc(r.prog.Packages, o.Source[:dot], func(p *load.Package, path string) int {
		return strings.Compare(p.Path, path)
	})

	return found
}

// real is path with the links of its folder resolved: the same file is found by
// way of a link and without it.
func (r *run) real(path string) string {
	dir, err := r.disk.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return path // its folder does not exist yet
	}

	return filepath.Join(dir, filepath.Base(path))
}

// folders are those that can hold temporary files of a killed run.
func (r *run) folders() []string {
	set := map[string]bool{}
	for _, f := range r.result.Files {
		set[filepath.Dir(f.Path)] = true
	}
	for _, o := range r.prog.Outputs {
		set[filepath.Dir(o.Path)] = true
	}

	return slices.Sorted(maps.Keys(set))
}

// obstacles reports output folders that the file system has no room for.
func (r *run) obstacles(queues []*model.Queue) diag.List {
	var list diag.List
	for _, q := range queues {
		t := r.target(q)
		if t.Package.Module == nil {
			continue
		}
		if fault := r.folderFault(t.Package.Module.Dir, q.Package.Dir); fault != "" {
			list.Addf(r.prog.Position(t.Object.Pos()), "TQ403", "output folder %s of %s %s",
				r.name(q.Package.Dir), t.Object.Name(), fault).
				Helpf("move it away, or choose another folder with out=")
		}
	}

	return list
}

// target is the annotated type q was planned from.
func (r *run) target(q *model.Queue) *load.Target {
	for _, t := range slices.Concat(r.prog.Targets, r.prog.Codecs) {
		if source(t) == q.Source {
			return t
		}
	}

	return nil
}

// folderFault says why dir cannot be, or become, a folder inside of root; "" if
// it can. Of a folder that does not exist yet, the nearest one above counts.
func (r *run) folderFault(root, dir string) string {
	realRoot, err := r.disk.EvalSymlinks(root)
	if err != nil {
		return ""
	}
	for ; ; dir = filepath.Dir(dir) {
		if !r.disk.Exists(dir) && dir != filepath.Dir(dir) {
			continue
		}
		target, err := r.disk.EvalSymlinks(dir)
		if err != nil {
			return "is a link that leads nowhere"
		}
		if mode, err := r.disk.Mode(target); err == nil && !mode.IsDir() {
			return "is a file"
		}
		if !within(realRoot, target) {
			return "is a link that leads out of the module"
		}

		return ""
	}
}

// within reports whether path is dir or below it; both are absolute and real.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)

	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// clashes reports what hand-written files in an output's own folder declare
// although the output declares it too.
func (r *run) clashes() diag.List {
	var list diag.List
	for _, p := range r.packages {
		if !p.queue.Package.Own {
			continue
		}
		for name, pos := range verify.Clashes(r.disk, p.queue.Package.Dir, p.queue.Package.Name, p.verified(r)) {
			pos.Filename = r.name(pos.Filename)
			list.Addf(pos, "TQ404", "the output of %s declares %s too", p.queue.Source, name).
				Helpf("rename it, or keep hand-written code out of the output's folder")
		}
	}
	list.Sort()

	return list
}
