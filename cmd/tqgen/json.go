package main

import (
	"encoding/json"
	"fmt"

	"github.com/tqgen/tqgen/generator"
	"github.com/tqgen/tqgen/generator/diag"
)

// diagnostic is what -json prints for each diagnostic and finding, on one line.
type diagnostic struct {
	File   string   `json:"file,omitempty"`
	Line   int      `json:"line,omitempty"`
	Column int      `json:"column,omitempty"`
	Code   string   `json:"code"`
	Text   string   `json:"text"`
	Help   []string `json:"help,omitempty"`
	Class  string   `json:"class,omitempty"` // check: what is wrong with the file
	Diff   string   `json:"diff,omitempty"`  // check: what a run would change in it
}

// print writes diagnostics: as lines for people to standard error, or with
// -json as objects to standard output. Files, if any, add their class and diff.
func (c *command) print(list diag.List, files []generator.File) int {
	if !c.json {
		fmt.Fprintln(c.stderr, list.Error())

		return exitFindings
	}
	byName := make(map[string]*generator.File, len(files))
	for i := range files {
		byName[files[i].Name] = &files[i]
	}
	encoder := json.NewEncoder(c.stdout)
	encoder.SetEscapeHTML(false)
	for _, d := range list {
		o := diagnostic{
			File: d.Pos.Filename, Line: d.Pos.Line, Column: d.Pos.Column,
			Code: string(d.Code), Text: d.Text, Help: d.Help,
		}
		if f := byName[o.File]; f != nil {
			o.Class, o.Diff = f.Class.String(), string(f.Diff())
		}
		if err := encoder.Encode(o); err != nil {
			fmt.Fprintf(c.stderr, "tqgen: %v\n", err)

			return exitFailure
		}
	}

	return exitFindings
}
