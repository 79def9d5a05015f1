package load

import (
	"go/token"
	"path/filepath"
	"strings"

	"github.com/tqgen/tqgen/generator/diag"
)

const (
	ownModule   = "github.com/tqgen/tqgen"
	runtimeRoot = ownModule + "/runtime/"
)

// outputImports are the packages an output may import besides the payload's.
// They are asked for together with the patterns, so that checking the output
// needs no second query.
var outputImports = []string{
	RuntimePath, runtimeRoot + "jsonwire", runtimeRoot + "replication",
	"bytes", "cmp", "context", "encoding/base64", "encoding/binary", "errors", "fmt", "io", "iter", "log/slog",
	"maps", "math", "slices", "sort", "strconv", "strings", "sync", "time",
}

// runtime reports that the module of the payloads cannot resolve what their
// output imports.
func (l *loader) runtime(p *Program) {
	if len(p.Targets) == 0 {
		return
	}
	for _, path := range outputImports {
		u := l.units[path]
		if !within(path, ownModule) || u != nil && len(u.list.GoFiles) > 0 {
			continue
		}
		text := "no such package"
		if u != nil && len(u.list.Errors) > 0 {
			text = u.list.Errors[0].Msg
		}
		l.runtimeMissing(p.Targets[0].Package.Module, path, text)

		return
	}
}

// runtimeMissing reports it with the commands that mend it. text is why the go
// command does not find the package.
func (l *loader) runtimeMissing(m *Module, path, text string) {
	gomod := filepath.Join(m.Dir, "go.mod")
	at := token.Position{Filename: l.relative(gomod)}
	if strings.Contains(text, "-mod=vendor") {
		d := l.diags.Addf(at, "TQ510", "the vendor folder has no %s, which the output imports", path)
		if !l.required(gomod) {
			helpGet(d)
		}
		d.Helpf("generate from the module cache, then vendor: GOFLAGS=-mod=mod go generate ./... && go mod vendor")

		return
	}
	text, _, _ = strings.Cut(text, "\n")
	text, _, _ = strings.Cut(text, "; to add")
	if text = strings.TrimPrefix(text, "no required module provides package "+path); text != "" {
		text = ": " + text
	}
	d := l.diags.Addf(at, "TQ509", "module %s does not require %s, which the output imports%s",
		m.Path, path, text)
	if strings.Contains(text, "replacement directory") {
		d.Helpf("correct the replace line")
	} else {
		helpGet(d)
	}
}

// helpGet says how a module comes by the runtime.
func helpGet(d *diag.Diagnostic) {
	d.Helpf("go get %s@latest", ownModule).Helpf(HelpReplace)
}

// HelpReplace is the help for whoever works with a clone of tqgen: what go get
// would fetch need not be what the clone has.
const HelpReplace = "from a clone: go mod edit -replace " + ownModule + "=DIR, then go mod tidy -e"

// required reports whether a go.mod names our module.
func (l *loader) required(gomod string) bool {
	content, err := l.disk.ReadFile(gomod)

	return err == nil && strings.Contains(string(content), ownModule+" ")
}
