package plan

import (
	"go/build/constraint"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tqgen/tqgen/generator/load"
	"github.com/tqgen/tqgen/generator/model"
)

// output decides where the files go: folder, import path and package name. A
// problem is reported and the default taken instead.
func (p *planner) output(args arguments) model.Package {
	pkg := p.target.Package
	if out, given := args["out"]; given && path.Join(pkg.Path, out.Value) == pkg.Path {
		return p.joined(args)
	}

	name := p.packageName(args)
	folder := p.folder(args, name)
	out := model.Package{
		Name: name,
		Path: path.Join(pkg.Path, folder),
		Dir:  filepath.Join(pkg.Dir, filepath.FromSlash(folder)),
		Own:  true,
	}

	p.alone(args, out)

	return out
}

// joined is the output of out=.: files of the payload's own package.
func (p *planner) joined(args arguments) model.Package {
	pkg := p.target.Package
	if arg, given := args["package"]; given {
		p.errorf(arg.KeyPos, "TQ132", "package=%s does not go with out=.", arg.Value).
			Helpf("the output joins package %s: leave out package, or give another folder", pkg.Name)
	}

	return p.prefixed(args["out"].ValuePos)
}

// packageName reads package, the name of the output's package.
func (p *planner) packageName(args arguments) string {
	fallback := strings.ToLower(p.target.Object.Name()) + "queue"
	arg, given := args["package"]
	if !given {
		if fault := elementFault(fallback); fault != "" && !has(args, "out") {
			p.errorf(p.target.Object.Pos(), "TQ128", "the output of %s cannot be in package %s: %s",
				p.target.Object.Name(), fallback, fault).
				Helpf(plainPackage)
		}

		return fallback
	}

	fault := packageFault(arg.Value)
	if fault == "" && !has(args, "out") {
		fault = elementFault(arg.Value) // it names the folder, too
	}
	if fault != "" {
		d := p.errorf(arg.ValuePos, "TQ128", "package=%s: %s", arg.Value, fault)
		if elementFault(fallback) == "" {
			d.Helpf("write a short name in lower case: package=%s", fallback)
		} else {
			d.Helpf(plainPackage)
		}

		return fallback
	}

	return arg.Value
}

// plainPackage is the help where the name of the type itself will not do.
const plainPackage = "give it another name: package=…queue, in the letters a to z"

func has(args arguments, key string) bool {
	_, given := args[key]

	return given
}

// packageFault says why name cannot be a package of its own, "" if it can.
func packageFault(name string) string {
	switch {
	case token.IsKeyword(name):
		return "a package cannot be named like a keyword"
	case !token.IsIdentifier(name) || name == "_":
		return "a package name is a Go identifier"
	case types.Universe.Lookup(name) != nil:
		return "a package cannot be named like a predeclared identifier"
	case name == "main":
		return "package main cannot be imported"
	case strings.HasSuffix(name, "_test"):
		return "a package name that ends in _test is for tests"
	default:
		return ""
	}
}

// folder reads out, the folder of the output relative to the payload's.
func (p *planner) folder(args arguments, name string) string {
	arg, given := args["out"]
	if !given {
		return name
	}

	folder := path.Clean(arg.Value)
	if fault := folderFault(arg.Value); fault != "" {
		p.errorf(arg.ValuePos, "TQ129", "out=%s: %s", arg.Value, fault).
			Helpf("write a folder relative to the one of %s, as in out=./%s", p.target.Object.Name(), name)

		return name
	}

	if fault := p.outside(folder); fault != "" {
		p.errorf(arg.ValuePos, "TQ130", "out=%s %s", arg.Value, fault).
			Helpf("the output is part of the module of %s: choose a folder inside it", p.target.Object.Name())

		return name
	}

	return folder
}

// folderFault says why text is no relative folder with a usable import path.
func folderFault(text string) string {
	switch {
	case text == "":
		return "the folder is empty"
	case strings.Contains(text, `\`):
		return "folders are separated by /"
	case path.IsAbs(text) || filepath.IsAbs(text) || filepath.VolumeName(text) != "":
		return "the folder is absolute"
	}

	for _, element := range strings.Split(path.Clean(text), "/") {
		if fault := elementFault(element); fault != "" {
			return fault
		}
	}

	return ""
}

// elementFault says why one element of a folder cannot be part of an import path.
func elementFault(element string) string {
	switch {
	case element == "..":
		return ""
	case element == "vendor" || element == "testdata":
		return "packages in a folder named " + element + " cannot be imported or are not seen"
	case strings.HasPrefix(element, ".") || strings.HasPrefix(element, "_"):
		return "the go command does not see folders that begin with . or _"
	case strings.HasSuffix(element, "."):
		return "an import path has no element that ends in a dot"
	}

	for _, r := range element {
		if !importable(r) {
			return "an import path has no " + strconv.QuoteRune(r) + " in it"
		}
	}

	return ""
}

func importable(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._~+", r)
}

// outside says how folder leaves the payload's module, "" if it does not.
func (p *planner) outside(folder string) string {
	module := p.target.Package.Module
	if module == nil {
		return ""
	}

	dir := filepath.Join(p.target.Package.Dir, filepath.FromSlash(folder))
	inside, err := filepath.Rel(module.Dir, dir)
	if err != nil || inside == ".." || strings.HasPrefix(inside, ".."+string(filepath.Separator)) {
		return "is outside of module " + module.Path
	}

	for ; dir != module.Dir; dir = filepath.Dir(dir) {
		if p.prog.Disk.Exists(filepath.Join(dir, "go.mod")) {
			return "is inside of another module, nested in " + module.Path
		}
	}

	return ""
}

// alone reports an output folder that is another payload's too, or that holds
// a package of somebody else.
func (p *planner) alone(args arguments, out model.Package) {
	pos := p.target.Object.Pos()
	if arg, given := args["out"]; given {
		pos = arg.ValuePos
	} else if arg, given := args["package"]; given {
		pos = arg.ValuePos
	}

	folder := strings.ToLower(out.Dir) // for disks that do not tell X from x
	if other := p.folders[folder]; other.target != nil {
		same := "the same output folder " + p.relative(out.Dir)
		if other.dir != out.Dir {
			same = "output folders that differ in letter case alone, " +
				p.relative(other.dir) + " and " + p.relative(out.Dir)
		}
		p.errorf(pos, "TQ131", "%s and %s have %s",
			other.target.Object.Name(), p.target.Object.Name(), same).
			Helpf("give one of them another package or out; only out=. takes several")

		return
	}
	p.folders[folder] = claim{p.target, out.Dir}

	if file, name := p.foreignPackage(out.Dir, out.Name); file != "" {
		p.errorf(pos, "TQ133", "output folder %s already holds package %s (%s)", p.relative(out.Dir), name, file).
			Helpf("choose another folder with out, or name the output alike: package=%s", name)
	}
}

// relative spells dir as seen from the payload's folder.
func (p *planner) relative(dir string) string {
	if rel, err := filepath.Rel(p.target.Package.Dir, dir); err == nil {
		return filepath.ToSlash(rel)
	}

	return dir
}

// foreignPackage finds a Go file in dir that is not ours and belongs to another
// package than name or its external test. Files the go command ignores, and
// those that do not parse, do not count.
func (p *planner) foreignPackage(dir, name string) (file, other string) {
	entries, err := p.prog.Disk.ReadDir(dir)
	if err != nil {
		return "", "" // there is none
	}

	for _, entry := range entries {
		base := entry.Name()
		if entry.IsDir() || !strings.HasSuffix(base, ".go") || strings.IndexAny(base, "_.") == 0 {
			continue
		}

		path := filepath.Join(dir, base)
		if slices.ContainsFunc(p.prog.Outputs, func(o load.Output) bool { return o.Path == path }) {
			continue
		}

		clause := p.packageClause(path)
		if clause != "" && clause != name && !(strings.HasSuffix(base, "_test.go") && clause == name+"_test") {
			return base, clause
		}
	}

	return "", ""
}

// packageClause is the package a file belongs to, "" if it has none that the go
// command would build.
func (p *planner) packageClause(path string) string {
	content, err := p.prog.Disk.ReadFile(path)
	if err != nil {
		return ""
	}
	f, err := parser.ParseFile(token.NewFileSet(), "", content, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		return ""
	}

	for _, group := range f.Comments {
		for _, c := range group.List {
			expr, err := constraint.Parse(c.Text)
			if err == nil && constraint.IsGoBuild(c.Text) && !expr.Eval(notIgnored) {
				return ""
			}
		}
	}

	return f.Name.Name
}

// notIgnored takes every build tag for set, but for the one that by convention
// never is.
func notIgnored(tag string) bool { return tag != "ignore" }

// declare fixes every identifier the output declares and starts its scope. With
// out=. a clash with the payload's package, or with another payload's output
// in it, is reported.
func (p *planner) declare(args arguments, out model.Package) model.Names {
	if out.Own {
		p.scope = newScope(out.Path, nil, "")
		names := plainNames()
		for _, name := range declared(&names) {
			p.scope.claim(*name)
		}

		return names
	}

	names := prefixedNames(p.target.Object.Name())
	list := make([]string, 0, len(declared(&names)))
	for _, name := range declared(&names) {
		list = append(list, *name)
	}
	p.join(args["out"].ValuePos, out, list...)

	return names
}

// join starts the scope of an output that joins the payload's package and
// declares the names there.
func (p *planner) join(pos token.Pos, out model.Package, names ...string) {
	own := p.target.Package.Types
	p.scope = newScope(out.Path, own, p.target.Object.Name())
	p.sharedNames(pos, own)
	if p.claimed[out.Path] == nil {
		p.claimed[out.Path] = map[string]bool{}
	}

	for _, name := range names {
		if !p.shared { // else one report is enough
			p.declareJoined(pos, name)
		}
	}
	p.scope.shared = p.claimed[out.Path]
}

// declareJoined claims one name in the payload's own package.
func (p *planner) declareJoined(pos token.Pos, name string) {
	own := p.target.Package.Types
	claimed := p.claimed[own.Path()]
	switch object := own.Scope().Lookup(name); {
	case object != nil:
		p.errorf(pos, "TQ134", "%s declares %s, which package %s has already", p.joining(), name, own.Name()).
			Helpf("it stands at %s: rename it, or leave %s", p.prog.Position(object.Pos()), p.joiningNot())
	case claimed[name]:
		p.errorf(pos, "TQ134", "%s declares %s, which another payload of package %s has taken",
			p.joining(), name, own.Name()).
			Helpf("rename one of the types, or give one of them a package of its own")
	}

	claimed[name] = true
	p.scope.claim(name)
}

// joining is what has an output join the payload's package.
func (p *planner) joining() string {
	if p.codecOnly {
		return "tqgen:codec"
	}

	return "out=."
}

// joiningNot ends the help about a name that is taken there.
func (p *planner) joiningNot() string {
	if p.codecOnly {
		return "tqgen:codec away"
	}

	return "out=. away for a package of its own"
}

// sharedNames reports declarations of the payload's package that hide what
// generated code needs under its usual name: a package or a predeclared
// identifier.
func (p *planner) sharedNames(pos token.Pos, own *types.Package) {
	for _, name := range own.Scope().Names() {
		use := ""
		switch {
		case fixedImports[name] != "":
			use = "the name of a package that generated code imports"
		case types.Universe.Lookup(name) != nil:
			use = "which generated code uses as predeclared"
		default:
			continue
		}

		p.errorf(pos, "TQ135", "package %s declares %s, %s", own.Name(), name, use).
			Helpf("it stands at %s: rename it, or leave %s", p.prog.Position(own.Scope().Lookup(name).Pos()), p.joiningNot())
	}
}

// reachable reports a payload that the output cannot import because it is
// internal to another tree. The codec looks at the types of fields.
func (p *planner) reachable(args arguments) {
	pos := p.target.Object.Pos()
	if arg, given := args["out"]; given {
		pos = arg.ValuePos
	}

	if path := p.target.Package.Path; !canImport(p.scope.path, path) {
		p.errorf(pos, "TQ136", "the output %s cannot import the internal package %s", p.scope.path, path).
			Helpf("choose a folder below %s", internalRoot(path))
	}
}

// canImport reports whether the rule for internal packages lets from import path.
func canImport(from, path string) bool {
	root := internalRoot(path)

	return root == "" || from == root || strings.HasPrefix(from, root+"/")
}

// internalRoot is the tree that may import path, "" for everybody. The last
// internal element is the most restrictive.
func internalRoot(path string) string {
	elements := strings.Split(path, "/")
	for i := len(elements) - 1; i >= 0; i-- {
		if elements[i] == "internal" {
			return strings.Join(elements[:i], "/")
		}
	}

	return ""
}

// plainNames are the identifiers of an output that has its package to itself.
func plainNames() model.Names {
	return model.Names{
		Queue: "Queue", Local: "Local", New: "New", Options: "Options",
		Lease: "Lease", NewLease: "NewLease", CompleteAll: "CompleteAll",
		Run: "Run", RunOptions: "RunOptions",
		Event: "Event", Reader: "Reader",
		Source: "Source", NewSource: "NewSource", SourceOptions: "SourceOptions",
		Sink: "Sink", NewSink: "NewSink", SinkOptions: "SinkOptions", Fanout: "Fanout",
		FileLog: "FileLog", OpenFileLog: "OpenFileLog", FileLogOptions: "FileLogOptions", Replay: "Replay",
		DeadLetter: "DeadLetter", Task: "Task", Snapshot: "Snapshot",
		Coordinator: "Coordinator", NewCoordinator: "NewCoordinator",
		Replica: "Replica", NewReplica: "NewReplica",
		Follower: "Follower", Follow: "Follow", Pull: "Pull",
		Decoder: "Decoder", Schema: "Schema",
		Metrics:    "Metrics",
		Instrument: "Instrument", NewInstrument: "NewInstrument",
		AppendJSON: "AppendJSON", ParseJSON: "ParseJSON", DecodeJSON: "DecodeJSON",
		Directive: "directive", Store: "store", Worker: "worker",
		ReplicaStore: "replicaStore", Feed: "feed", Lines: "lines", Applier: "applier", Puller: "puller",
		PayloadSize: "payloadSize", PayloadLog: "payloadLog", Series: "series",
		ChunkBits: "chunkBits", ChunkSize: "chunkSize",
	}
}

// prefixedNames are the identifiers of an output that joins the payload's
// package.
func prefixedNames(payload string) model.Names {
	own := lowerFirst(payload)

	return model.Names{
		Queue: payload + "Queue", Local: payload + "Local",
		New: "New" + payload + "Queue", Options: payload + "Options",
		Lease: payload + "Lease", NewLease: "New" + payload + "Lease", CompleteAll: "CompleteAll" + payload,
		Run: "Run" + payload, RunOptions: payload + "RunOptions",
		Event: payload + "Event", Reader: payload + "Reader",
		Source: payload + "Source", NewSource: "New" + payload + "Source", SourceOptions: payload + "SourceOptions",
		Sink: payload + "Sink", NewSink: "New" + payload + "Sink", SinkOptions: payload + "SinkOptions",
		Fanout: payload + "Fanout", Replay: "Replay" + payload,
		FileLog: payload + "FileLog", OpenFileLog: "Open" + payload + "FileLog", FileLogOptions: payload + "FileLogOptions",
		DeadLetter: payload + "DeadLetter", Task: payload + "Task", Snapshot: payload + "Snapshot",
		Coordinator: payload + "Coordinator", NewCoordinator: "New" + payload + "Coordinator",
		Replica: payload + "Replica", NewReplica: "New" + payload + "Replica",
		Follower: payload + "Follower", Follow: "Follow" + payload, Pull: "Pull" + payload,
		Decoder: payload + "Decoder", Schema: payload + "Schema",
		Metrics:    payload + "Metrics",
		Instrument: payload + "Instrument", NewInstrument: "New" + payload + "Instrument",
		AppendJSON: "Append" + payload + "JSON",
		ParseJSON:  "Parse" + payload + "JSON", DecodeJSON: "Decode" + payload + "JSON",
		Directive: own + "Directive", Store: own + "Store", Worker: own + "Worker",
		ReplicaStore: own + "ReplicaStore", Feed: own + "Feed", Lines: own + "Lines",
		Applier: own + "Applier", Puller: own + "Puller",
		PayloadSize: own + "Size", PayloadLog: own + "Log", Series: own + "Series",
		ChunkBits: own + "ChunkBits", ChunkSize: own + "ChunkSize",
	}
}

// declared is every field of names.
func declared(n *model.Names) []*string {
	return []*string{
		&n.Queue, &n.Local, &n.New, &n.Options, &n.Lease, &n.NewLease, &n.CompleteAll,
		&n.Run, &n.RunOptions,
		&n.Event, &n.Reader, &n.Source, &n.NewSource, &n.SourceOptions,
		&n.Sink, &n.NewSink, &n.SinkOptions, &n.Fanout,
		&n.FileLog, &n.OpenFileLog, &n.FileLogOptions, &n.Replay, &n.DeadLetter, &n.Task, &n.Snapshot,
		&n.Coordinator, &n.NewCoordinator, &n.Decoder, &n.Schema, &n.Metrics, &n.Instrument, &n.NewInstrument,
		&n.Replica, &n.NewReplica, &n.Follower, &n.Follow, &n.Pull,
		&n.ReplicaStore, &n.Feed, &n.Lines, &n.Applier, &n.Puller,
		&n.AppendJSON, &n.ParseJSON, &n.DecodeJSON,
		&n.Directive, &n.Store, &n.Worker, &n.PayloadSize, &n.PayloadLog, &n.Series,
		&n.ChunkBits, &n.ChunkSize,
	}
}
