package generator

import (
	"bytes"
	"go/token"
	"time"

	"github.com/tqgen/tqgen/generator/diag"
	"github.com/tqgen/tqgen/generator/model"
	"github.com/tqgen/tqgen/generator/monitoring"
	"github.com/tqgen/tqgen/generator/verify"
)

// Result is one run's output in memory, and how the disk compares with it.
type Result struct {
	Files  []File         // sorted by path
	Queues []*model.Queue // what the files were rendered from, sorted by package and position
	Stages []Stage        // what took how long, in order

	// Settled says that a record tells of an earlier run, like this one would be,
	// that found every file as it should be. Then there are no Files and Queues.
	Settled bool

	folders []string // where leftovers of a killed run can be
}

// Stage is one step of a run.
type Stage struct {
	Name string // "list", "recall", "load", "plan", "render", "verify", "compare", "remember"
	Took time.Duration
	Note string // of recall, why the run goes on
}

// File is one file the output consists of, or one that is no longer part of it.
type File struct {
	Path   string // absolute
	Name   string // relative to the working folder, with slashes
	Class  Class
	Source string // the payload it belongs to, "import/path.Type"
	Body   []byte // what the file should be, nil if it should not exist
	Disk   []byte // what it is, nil if it does not exist

	sheet bool // a dashboard or alerts, and not Go
}

// Class says how a file on disk compares with the output.
type Class uint8

const (
	Unchanged    Class = iota // line ends aside
	New                       // not there
	Stale                     // as an earlier run wrote it
	Damaged                   // ours, but truncated or full of conflict markers
	Edited                    // ours, changed by hand since
	Orphan                    // as an earlier run wrote it, and no longer part of the output
	EditedOrphan              // no longer part of the output, and not as a run wrote it
	Foreign                   // what stands in its place is not ours
)

var classNames = [...]string{
	Unchanged: "unchanged", New: "missing", Stale: "stale", Damaged: "damaged",
	Edited: "edited", Orphan: "orphan", EditedOrphan: "edited orphan", Foreign: "foreign",
}

// String is the word check prints: unchanged, missing, stale, damaged, edited,
// orphan, edited orphan or foreign.
func (c Class) String() string { return classNames[c] }

// classify compares what is on disk with what a run rendered.
func classify(f *File) Class {
	if bytes.Equal(verify.Normalize(f.Disk), f.Body) {
		return Unchanged
	}
	state, _ := verify.Inspect(f.Disk)
	if f.sheet {
		state = monitoring.Inspect(f.Disk)
	}
	switch {
	case state == verify.Intact:
		return Stale
	case state == verify.Edited && !bytes.HasPrefix(f.Body, verify.Normalize(f.Disk)):
		return Edited
	case state == verify.NotOurs:
		return Foreign
	default: // a beginning of the output is Go if it ends between declarations
		return Damaged
	}
}

// classifyOrphan judges a file of ours that is no longer part of the output.
func classifyOrphan(disk []byte) Class {
	if state, _ := verify.Inspect(disk); state == verify.Intact {
		return Orphan
	}

	return EditedOrphan
}

// Diff is what a run would change in the file, as a unified diff that git apply
// takes; nil if it would change nothing, or must not.
func (f *File) Diff() []byte {
	if f.Class == Unchanged || f.Class == Foreign {
		return nil
	}

	return unified(f.Name, f.Disk, f.Body)
}

// finding is what check has to say about a class.
type finding struct {
	code diag.Code
	text string
	help string
}

// findings are the codes and sentences check has for each class.
var findings = map[Class]finding{
	New:     {"TQ411", "missing: part of the output of %s", "run go generate"},
	Stale:   {"TQ412", "stale: %s, its directive or tqgen changed since", "run go generate"},
	Damaged: {"TQ413", "damaged: not the Go file that was generated from %s", "run go generate"},
	Orphan:  {"TQ414", "orphan: no longer part of the output of %s", "run tqgen ./..., which removes it"},
}

// Findings tells for each file that is not as it should be why. It is what
// check reports, and empty if a Write would change nothing.
func (r *Result) Findings() diag.List {
	var list diag.List
	for i := range r.Files {
		f := &r.Files[i]
		known, args := findings, []any{f.Source}
		if f.sheet {
			known, args = sheetFindings, nil
		}
		if finding, ok := known[f.Class]; ok {
			list.Addf(f.position(), finding.code, finding.text, args...).Helpf("%s", finding.help)
		} else {
			f.refuse(&list, false)
		}
	}
	list.Sort()

	return list
}

// refuse adds a diagnostic if the file must not be written or removed; force
// gives up what was edited, never what is not ours.
func (f *File) refuse(list *diag.List, force bool) {
	switch {
	case f.sheet && f.Class == Edited && !force:
		list.Addf(f.position(), "TQ401", "edited since it was generated").
			Helpf("to keep the change, copy the file to a name of your own").
			Helpf("to give it up, delete the file or run tqgen observability -force")
	case f.sheet && f.Class == Foreign:
		list.Addf(f.position(), "TQ402", "in the way of the output, and not written by tqgen").
			Helpf("move or delete it, or choose another folder with -out")
	case f.Class == Edited && !force:
		list.Addf(f.position(), "TQ401", "edited since it was generated").
			Helpf("to keep the change, make it in %s or its directive", f.Source).
			Helpf("to give it up, delete the file or run tqgen -force")
	case f.Class == EditedOrphan && !force:
		list.Addf(f.position(), "TQ401", "edited since it was generated, and no longer output of %s", f.Source).
			Helpf("to keep it, move its code to a file without tqgen's header").
			Helpf("to give it up, delete the file or run tqgen -force")
	case f.Class == Foreign:
		list.Addf(f.position(), "TQ402", "in the way of the output of %s, and not written by tqgen", f.Source).
			Helpf("move or delete it, or choose another folder with out=")
	}
}

// position is that of a diagnostic about the whole file.
func (f *File) position() token.Position { return token.Position{Filename: f.Name} }
