package templates

import (
	"bytes"
	"fmt"
	"go/format"
	"go/scanner"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/tqgen/tqgen/generator/model"
)

// file is one output file while it is emitted.
//
// What depends on the payload is put together with jennifer; a line that no
// input changes is written as it stands, through Id. Packages are named by the
// qualifiers of the model, and the import block follows from their use.
type file struct {
	*jen.File
	queue *model.Queue
	names model.Names
	words map[string]string // what $Name in text stands for
	doc   string            // package comment, "" for all files but one
}

func newFile(q *model.Queue) *file {
	f := &file{File: jen.NewFile(q.Package.Name), queue: q, names: q.Names, words: words(q)}
	f.NoFormat = true

	return f
}

// words are the parts of text that the input decides, by the names under which
// emitters write them: $Lease, $Payload.
func words(q *model.Queue) map[string]string {
	n := q.Names
	share, sharing := "", ""
	if q.Codec.SharedStrings {
		share, sharing = "\nr.ShareText()", " Its strings are\nparts of one copy of src, which lives as long as any of them."
	}

	return map[string]string{
		"share": share, "sharing": sharing,
		"Queue": n.Queue, "Local": n.Local, "New": n.New, "Options": n.Options,
		"Lease": n.Lease, "NewLease": n.NewLease, "CompleteAll": n.CompleteAll, "Run": n.Run, "RunOptions": n.RunOptions,
		"Event": n.Event, "Reader": n.Reader,
		"Source": n.Source, "NewSource": n.NewSource, "SourceOptions": n.SourceOptions,
		"Sink": n.Sink, "NewSink": n.NewSink, "SinkOptions": n.SinkOptions, "Fanout": n.Fanout,
		"FileLog": n.FileLog, "OpenFileLog": n.OpenFileLog, "FileLogOptions": n.FileLogOptions, "Replay": n.Replay,
		"Decoder": n.Decoder, "Schema": n.Schema, "DeadLetter": n.DeadLetter, "Task": n.Task, "Snapshot": n.Snapshot,
		"Coordinator": n.Coordinator, "NewCoordinator": n.NewCoordinator,
		"Metrics": n.Metrics, "Instrument": n.Instrument, "NewInstrument": n.NewInstrument, "series": n.Series,
		"Replica": n.Replica, "NewReplica": n.NewReplica,
		"Follower": n.Follower, "Follow": n.Follow, "Pull": n.Pull,
		"replicaStore": n.ReplicaStore, "feed": n.Feed, "lines": n.Lines, "applier": n.Applier, "puller": n.Puller,
		"AppendJSON": n.AppendJSON, "ParseJSON": n.ParseJSON, "DecodeJSON": n.DecodeJSON, "ReadJSON": n.ReadJSON,
		"directive": n.Directive, "store": n.Store, "worker": n.Worker,
		"chunkBits": n.ChunkBits, "chunkSize": n.ChunkSize,
		"payloadSize": n.PayloadSize, "payloadLog": n.PayloadLog,
		"decode": q.Codec.Decoders[0].Name, "zero": q.Payload.Type + "{}",
		"Payload": q.Payload.Type, "PayloadName": q.Payload.Name, "a": q.Payload.Article,
		"package": q.Package.Name,
	}
}

// fill replaces each $Name of text by what the input says. Go has no dollar.
func (f *file) fill(text string) string {
	return os.Expand(text, func(word string) string {
		filled, ok := f.words[word]
		if !ok {
			panic("templates: no word $" + word) //nolint:forbidigo // emitters name only words that words gives
		}

		return filled
	})
}

// comment adds text as wrapped comment lines.
func (f *file) comment(text string) {
	for _, line := range wrap(f.fill(text), docWidth) {
		f.Comment(line)
	}
}

// declare adds a declaration of which the input changes names alone, with its
// doc comment, if it has one, and an empty line in front.
func (f *file) declare(doc, code string) {
	f.Line()
	if doc != "" {
		f.comment(doc)
	}
	f.Id(f.fill(strings.Trim(code, "\n")))
}

// render gives the file's text after the header: an empty line, so that the
// header is no doc comment, build constraint, package comment, package clause,
// imports and declarations, formatted.
func (f *file) render() ([]byte, error) {
	var raw bytes.Buffer
	if err := f.Render(&raw); err != nil {
		return nil, err
	}
	_, body, _ := bytes.Cut(raw.Bytes(), []byte("\n"))

	var out bytes.Buffer
	if f.queue.Constraint != "" {
		fmt.Fprintf(&out, "//go:build %s\n\n", f.queue.Constraint)
	}
	if f.doc != "" {
		fmt.Fprintln(&out, strings.Join(wrap(f.doc, docWidth), "\n"))
	}
	fmt.Fprintf(&out, "package %s\n\n", f.queue.Package.Name)
	writeImports(&out, usedImports(body, f.queue.Imports))
	out.Write(body)

	formatted, err := format.Source(out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, numbered(out.Bytes()))
	}

	return append([]byte("\n"), formatted...), nil
}

// usedImports gives those of imports that body names: an identifier before a
// dot that is not itself after one. Qualifiers are unlike every local and
// every declaration of the output, so nothing else can look like one.
func usedImports(body []byte, imports []model.Import) []model.Import {
	byName := make(map[string]model.Import, len(imports))
	for _, i := range imports {
		byName[i.Name] = i
	}

	var used []model.Import
	previous, name := token.ILLEGAL, ""
	scan(body, func(tok token.Token, literal string) {
		if tok == token.PERIOD && name != "" {
			if i, ok := byName[name]; ok {
				used = append(used, i)
				delete(byName, name)
			}
		}

		name = ""
		if tok == token.IDENT && previous != token.PERIOD {
			name = literal
		}
		previous = tok
	})

	return used
}

// scan calls visit for each token of src; comments are left out.
func scan(src []byte, visit func(tok token.Token, literal string)) {
	var s scanner.Scanner
	set := token.NewFileSet()
	s.Init(set.AddFile("", set.Base(), len(src)), src, nil, 0)
	for {
		_, tok, literal := s.Scan()
		if tok == token.EOF {
			return
		}
		visit(tok, literal)
	}
}

// writeImports writes the import block: the standard library first.
func writeImports(out *bytes.Buffer, imports []model.Import) {
	if len(imports) == 0 {
		return
	}

	var standard, others []string
	for _, i := range imports {
		line := strconv.Quote(i.Path)
		if i.Spelled {
			line = i.Name + " " + line
		}
		if isStandard(i.Path) {
			standard = append(standard, line)
		} else {
			others = append(others, line)
		}
	}

	fmt.Fprintf(out, "import (\n%s\n\n%s\n)\n", joined(standard), joined(others))
}

// joined is one import a line, ordered by path whatever its name.
func joined(lines []string) string {
	path := func(line string) string { return line[strings.Index(line, `"`):] }
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(path(a), path(b)) })

	return strings.Join(lines, "\n")
}

// isStandard reports whether path looks like the standard library's: its
// first element has no dot.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")

	return !strings.Contains(first, ".")
}

// numbered is source with line numbers, for reports about our own faults.
func numbered(src []byte) string {
	var b strings.Builder
	n := 0
	for line := range strings.Lines(string(src)) {
		n++
		fmt.Fprintf(&b, "%5d  %s", n, line)
	}

	return b.String()
}
