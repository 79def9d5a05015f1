// Package archtest holds the house in order: which package may import which,
// and what runtime and generated code do without. It has tests only.
package archtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/tqgen/tqgen"

// room is one package of the module, or with a trailing /... a subtree, and
// what it may import directly besides the standard library. Where several
// rooms fit a package, the first is its own.
type room struct {
	path  string
	own   []string // rooms of this module
	other []string // modules
}

const (
	jennifer = "github.com/dave/jennifer"
	xtools   = "golang.org/x/tools"
	gocmp    = "github.com/google/go-cmp"
	xtime    = "golang.org/x/time"
	otel     = "go.opentelemetry.io/otel"
)

// runtimes is what generated code may import.
var runtimes = []string{"runtime/jsonwire", "runtime/tq", "runtime/effect", "runtime/replication"}

// house lists every room. A package that is not listed is a violation: where
// it stands is to be decided, not found out.
var house = []room{
	{path: "cmd/tqgen", own: []string{"generator", "generator/diag"}},
	{path: "generator", own: []string{
		"generator/diag", "generator/directive", "generator/load", "generator/plan", "generator/model", "generator/monitoring",
		"generator/record", "generator/verify", "internal/instrument", "templates",
	}},
	{path: "generator/diag"},
	{path: "generator/directive", own: []string{"generator/diag"}},
	{path: "generator/load", own: []string{
		"generator/diag", "generator/directive", "generator/record", "generator/verify",
	}, other: []string{xtools}},
	{path: "generator/plan", own: []string{
		"generator/diag", "generator/directive", "generator/load", "generator/model",
	}, other: []string{xtools}}, // for maps by type
	{path: "generator/model"},
	{path: "generator/monitoring", own: []string{"generator/model", "generator/verify", "internal/instrument"}},
	{path: "generator/record"},
	{path: "generator/verify", own: []string{"generator/diag", "generator/record"}},
	{path: "templates", own: []string{"generator/model", "generator/verify"}, other: []string{jennifer}},

	// The order of the runtime: jsonwire ← tq ← effect ← replication.
	{path: "runtime/jsonwire"},
	{path: "runtime/tq", own: []string{"runtime/jsonwire"}},
	{path: "runtime/internal/durable"}, // of effect and replication
	{path: "runtime/effect", own: []string{"runtime/internal/durable", "runtime/jsonwire", "runtime/tq"}},
	{path: "runtime/replication", own: []string{
		"runtime/internal/durable", "runtime/jsonwire", "runtime/tq", "runtime/effect",
	}},
	{path: "runtime/replicationhttp", own: []string{"runtime/tq", "runtime/replication"}},
	{path: "runtime/backpressure", own: []string{"runtime/tq"}, other: []string{xtime}},
	{path: "runtime/backpressurehttp", own: []string{"runtime/backpressure"}},
	{
		path:  "runtime/telemetry",
		own:   []string{"runtime/replication", "runtime/tq", "runtime/effect", "runtime/backpressure", "internal/instrument"},
		other: []string{otel, otel + "/metric", otel + "/trace"},
	},
	{path: "runtime/diagnostics", own: []string{"runtime/replication", "runtime/tq", "runtime/backpressure"}},
	{path: "runtime/diagnostics/client"},
	{path: "runtime/tqtest", own: runtimes, other: []string{gocmp}},

	{path: "examples/lease/peers", own: append([]string{"examples/lease/leasequeue"}, runtimes...), other: []string{
		otel, otel + "/metric",
	}},
	{path: "examples/...", own: append([]string{
		"examples/...", "runtime/replicationhttp", "runtime/backpressure", "runtime/backpressurehttp", "runtime/diagnostics",
		"runtime/diagnostics/client",
	}, runtimes...)},
	{path: "golden"},          // tests only, as here
	{path: "golden/typefuzz"}, // tests only
	{
		path: "golden/internal/...", own: append([]string{"runtime/tqtest", "golden/internal/jsonmethods"}, runtimes...),
		other: []string{gocmp},
	}, // for tests
	{path: "internal/archtest"},
	{path: "internal/instrument"},
	{path: "internal/testmodule", other: []string{xtools}}, // for tests
	{path: "golden/accept/...", own: append([]string{"golden/accept/..."}, runtimes...)},
}

// confined says where else than in the rooms named an import may not appear.
var confined = []struct {
	imports string
	rooms   []string
}{
	{"go/ast", []string{"generator/directive", "generator/load", "generator/plan", "generator/verify"}},
	{"go/types", []string{"generator/load", "generator/plan", "generator/verify"}},
	{xtools + "/go/packages", []string{"generator/load"}},
	{jennifer + "/...", []string{"templates"}},
	{otel + "/...", []string{"runtime/telemetry", "examples/lease/peers"}},
}

// unreachable says what must not be among everything a room leads to.
var unreachable = []struct {
	room    string
	imports []string
}{
	{"generator/model", []string{"go/ast", "go/types"}},
	{"runtime/...", []string{module + "/generator/...", module + "/templates", jennifer + "/...", xtools + "/..."}},
	{"runtime/jsonwire", []string{"net/http"}},
	{"runtime/tq", []string{"net/http"}},
	{"runtime/effect", []string{"net/http"}},
	{"runtime/replication", []string{"net/http"}},
	{"runtime/backpressure", []string{"net/http"}},
}

// namesNothing are package names that say nothing.
var namesNothing = []string{"util", "utils", "common", "types"}

// listed is what go list says of a package.
type listed struct {
	ImportPath string
	Name       string
	Imports    []string
	Deps       []string
	Module     *struct{ Path string }
}

func TestHouse(t *testing.T) {
	t.Parallel()
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("go list found %d packages, so this test would hold nothing", len(packages))
	}

	for _, v := range violations(packages) {
		t.Error(v)
	}
}

// list gives the packages of the module and of everything they lead to, tests
// aside.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(),
		"go", "list", "-deps", "-json=ImportPath,Name,Imports,Deps,Module", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}

	var packages []listed
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}

	return packages
}

// violations is what packages do against the rules above, in their order.
func violations(packages []listed) []string {
	modules := make(map[string]string, len(packages)) // by import path; "" for the standard library
	for _, p := range packages {
		if p.Module != nil {
			modules[p.ImportPath] = p.Module.Path
		}
	}

	var found []string
	for _, p := range packages {
		if p.Module == nil || p.Module.Path != module {
			continue
		}
		where := strings.TrimPrefix(p.ImportPath, module+"/")
		if slices.Contains(namesNothing, p.Name) || slices.Contains(namesNothing, path.Base(where)) {
			found = append(found, where+": the name says nothing")
		}
		found = append(found, direct(p, where, modules)...)
		found = append(found, indirect(p, where)...)
	}

	return found
}

// direct checks the import statements of one package.
func direct(p listed, where string, modules map[string]string) []string {
	at := slices.IndexFunc(house, func(r room) bool { return within(where, r.path) })
	if at < 0 {
		return []string{where + ": not in the list of rooms"}
	}

	var found []string
	for _, i := range p.Imports {
		below, own := strings.CutPrefix(i, module+"/")
		fits := func(pattern string) bool { return within(below, pattern) }
		switch {
		case own && !slices.ContainsFunc(house[at].own, fits),
			!own && modules[i] != "" && !slices.Contains(house[at].other, modules[i]):
			found = append(found, fmt.Sprintf("%s: imports %s", where, i))
		}
		for _, c := range confined {
			if within(i, c.imports) && !slices.Contains(c.rooms, where) {
				found = append(found, fmt.Sprintf("%s: imports %s, which is for %s", where, i, strings.Join(c.rooms, ", ")))
			}
		}
	}

	return found
}

// indirect checks everything one package leads to.
func indirect(p listed, where string) []string {
	var found []string
	for _, u := range unreachable {
		if !within(where, u.room) {
			continue
		}
		for _, d := range p.Deps {
			if slices.ContainsFunc(u.imports, func(pattern string) bool { return within(d, pattern) }) {
				found = append(found, fmt.Sprintf("%s: leads to %s", where, d))
			}
		}
	}

	return found
}

// within reports whether pattern, a path or with a trailing /... a path and
// everything below it, fits p.
func within(p, pattern string) bool {
	above, all := strings.CutSuffix(pattern, "/...")

	return p == above || all && strings.HasPrefix(p, above+"/")
}

// TestViolationsAreSeen breaks each kind of rule once.
func TestViolationsAreSeen(t *testing.T) {
	t.Parallel()
	pkg := func(path string, imports ...string) listed {
		p := listed{ImportPath: path, Name: path[strings.LastIndexByte(path, '/')+1:], Imports: imports, Deps: imports}
		if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
			parts := strings.SplitN(path, "/", 4)
			p.Module = &struct{ Path string }{strings.Join(parts[:3], "/")}
		}

		return p
	}
	jen := jennifer + "/jen"

	cases := map[string]struct {
		packages []listed
		want     []string
	}{
		"in order": {
			packages: []listed{
				pkg(module+"/cmd/tqgen", "flag", module+"/generator"), pkg(module+"/templates", "go/format", jen), pkg(jen),
				pkg(module+"/examples/lease/leasequeue", module+"/examples/lease", module+"/runtime/tq"),
			},
		},
		"against the direction": {
			packages: []listed{pkg(module+"/generator/model", module+"/generator/plan")},
			want:     []string{"generator/model: imports " + module + "/generator/plan"},
		},
		"round the generator": {
			packages: []listed{pkg(module+"/cmd/tqgen", module+"/generator/load")},
			want:     []string{"cmd/tqgen: imports " + module + "/generator/load"},
		},
		"runtime out of order": {
			packages: []listed{pkg(module+"/runtime/jsonwire", module+"/runtime/tq")},
			want:     []string{"runtime/jsonwire: imports " + module + "/runtime/tq"},
		},
		"a module too many": {
			packages: []listed{pkg(module+"/runtime/tq", "example.com/a/b"), pkg("example.com/a/b")},
			want:     []string{"runtime/tq: imports example.com/a/b"},
		},
		"syntax past the plan": {
			packages: []listed{pkg(module+"/templates", "go/types")},
			want:     []string{"templates: imports go/types, which is for generator/load, generator/plan, generator/verify"},
		},
		"runtime leads to a server": {
			packages: []listed{pkg(module+"/runtime/tq", "net/http")},
			want:     []string{"runtime/tq: leads to net/http"},
		},
		"nowhere": {
			packages: []listed{pkg(module + "/helpers")},
			want:     []string{"helpers: not in the list of rooms"},
		},
		"a name that says nothing": {
			packages: []listed{pkg(module + "/examples/util")},
			want:     []string{"examples/util: the name says nothing"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, violations(c.packages)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}
