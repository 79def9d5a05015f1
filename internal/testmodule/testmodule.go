// Package testmodule lays out modules of test cases on disk: real go.mod files
// that find this repository without a network.
package testmodule

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// GoMod is the go.mod of a module without one of its own. $REPO stands for this
// repository, in it and in the files of cases.
const GoMod = `module example.com/m

go 1.26.0

require github.com/tqgen/tqgen v0.0.0

replace github.com/tqgen/tqgen => $REPO
`

// Repo is the root of this repository.
func Repo() string {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		panic("no caller")
	}

	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Dir makes a folder for a module. Links in its path are resolved, so that it
// is spelled as the go command does.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}

	return dir
}

// Write writes files below dir. A module file without its go.sum gets the one
// of this repository.
func Write(t testing.TB, dir string, files ...txtar.File) {
	t.Helper()
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		data := f.Data
		if base := filepath.Base(path); base == "go.mod" || base == "go.work" || base == "modules.txt" {
			data = []byte(strings.ReplaceAll(string(data), "$REPO", filepath.ToSlash(Repo())))
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if filepath.Base(path) == "go.mod" {
			copySum(t, filepath.Dir(path))
		}
	}
}

func copySum(t testing.TB, dir string) {
	t.Helper()
	sum, err := os.ReadFile(filepath.Join(Repo(), "go.sum"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Env is the environment of a go command or of tqgen in such a module: this
// process's, without what would change the outcome.
func Env(more ...string) []string {
	env := os.Environ()[:0:0]
	for _, v := range os.Environ() {
		switch name, _, _ := strings.Cut(v, "="); name {
		case "TQGENCACHE", "GOFLAGS", "GOWORK", "GOFILE", "GOPACKAGE", "GOOS", "GOARCH", "PWD", "GO111MODULE":
		default:
			env = append(env, v)
		}
	}
	env = append(env, "GOPROXY=off", "GOTOOLCHAIN=local", "GOFLAGS=", "TQGENCACHE=off")

	return append(env, more...)
}
