// Package templates turns the model into Go source. It decides nothing: every
// name, type and policy is in the model, and no input can make it fail. An
// error is a fault of tqgen and carries the numbered source.
package templates

import (
	"fmt"

	"github.com/tqgen/tqgen/generator/model"
	"github.com/tqgen/tqgen/generator/verify"
)

// File is one rendered output file.
type File struct {
	Name string // base name
	Body []byte // complete: header, formatted source
}

// artefact is one file of every output package.
type artefact struct {
	name string // base name before the suffix
	emit func(*file)
}

// artefacts are the files of an output package.
var artefacts = []artefact{
	{"package", emitPackage},
	{"queue", emitQueue},
	{"lease", emitLease},
	{"event", emitEvent},
	{"source", emitSource},
	{"sink", emitSink},
	{"filelog", emitFileLog},
	{"replica", emitReplica},
	{"codec", emitCodec},
	{"coordinator", emitCoordinator},
	{"metrics", emitMetrics},
}

// Render gives the files of one output package, in the order of the table.
// The same model gives the same bytes.
func Render(q *model.Queue) ([]File, error) {
	list := artefacts
	if q.CodecOnly {
		list = []artefact{{"codec", emitSharedCodec}}
	}
	files := make([]File, 0, len(list))
	for _, a := range list {
		name := q.Package.FilePrefix + a.name + ".tq.go"
		f := newFile(q)
		a.emit(f)

		body, err := f.render()
		if err != nil {
			return nil, fmt.Errorf("render %s of %s: %w", name, q.Source, err)
		}
		files = append(files, File{Name: name, Body: verify.Seal(q.Source, body)})
	}

	return files, nil
}
