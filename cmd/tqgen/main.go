// Command tqgen generates typed task queues for annotated structs.
//
// Annotate a struct with //tqgen:queue, put
//
//	//go:generate tqgen
//
// beside it, and run go generate. See docs/directives.md for the directives
// and tqgen help for the flags.
//
// The exit status is 0 if all is well, 1 if there are findings (diagnostics of
// the input, output that was edited or is stale), and 2 after misuse or a
// failure of the tool itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/tqgen/tqgen/generator"
	"github.com/tqgen/tqgen/generator/diag"
)

// Exit statuses.
const (
	exitOK = iota
	exitFindings
	exitFailure
)

const help = `tqgen generates typed task queues for structs annotated with //tqgen:queue.

usage:
  tqgen [flags] [packages]               write the output of packages (default .)
  tqgen check [flags] [packages]         write nothing; tell what a run would change
  tqgen explain [flags] TYPE [packages]  show what TYPE gets, and where each decision comes from
  tqgen observability [flags] [packages] write a dashboard and alerts for queues (default ./...)
  tqgen version                          print the version
  tqgen help                             print this text

Packages are named as for go build: ./... is the folder and all below it. A
package in a folder called check, explain, observability, version or help is
./check and so on.
TYPE is ResourceLease, ./lease.ResourceLease or example.com/m/lease.ResourceLease.

flags, which may stand before or after packages and TYPE:
  -C dir      work in dir; paths are relative to it
  -force      replace output that was edited by hand
  -json       print diagnostics to standard output, one JSON object a line
  -tags list  build tags, separated by commas, as for go build
  -v          tell on standard error what was done and what took how long

flags of observability besides:
  -out dir    write into dir (default observability)
  -check      write nothing; tell what a run would change, as check does
  -drill n    divide the windows and holds of rules by n, to see alerts in seconds

check prints a unified diff on standard output, fit for git apply, and one line
a finding on standard error: edited, missing, stale, damaged, orphan or foreign.

A run that finds nothing to do is recorded in the user's cache folder, or in the
folder TQGENCACHE names, and cuts the next one short if nothing has changed since.
TQGENCACHE=off keeps no records; -force passes over them.

exit status: 0 all is well; 1 diagnostics or findings; 2 misuse or failure of tqgen
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	hurry()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// hurry has this process, and the go command it starts, collect garbage less often:
// both are gone before memory matters. Whoever sets GOGC knows better.
func hurry() {
	if os.Getenv("GOGC") == "" && os.Setenv("GOGC", "400") == nil {
		debug.SetGCPercent(400)
	}
}

// run is the whole command but for the process: it neither exits nor reads the
// arguments, and whatever goes wrong in it becomes a message and a status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (status int) {
	c := &command{stdout: stdout, stderr: stderr}
	defer func() {
		if p := recover(); p != nil {
			status = c.fail(&generator.Bug{What: p, Stack: debug.Stack()})
		}
	}()
	if err := c.parse(args); err != nil {
		return c.misuse(err)
	}

	return c.verbs()[c.verb](ctx)
}

// command is one invocation.
type command struct {
	stdout, stderr io.Writer

	verb           string   // "", "check", "explain", "version" or "help"
	typ            string   // explain's TYPE
	packages       []string // none means "."
	dir, tags      string
	force, json, v bool

	out      string // the flags of observability
	checking bool
	drill    int
}

func (c *command) verbs() map[string]func(context.Context) int {
	return map[string]func(context.Context) int{
		"":        c.generate,
		"check":   c.check,
		"explain": c.explain,
		"version": c.version,
		"help":    c.help,

		"observability": c.observability,
	}
}

// parse reads the arguments. Unlike flag.Parse it lets flags stand after other
// arguments, up to a "--".
func (c *command) parse(args []string) error {
	flags := flag.NewFlagSet("tqgen", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.dir, "C", "", "")
	flags.StringVar(&c.tags, "tags", "", "")
	flags.BoolVar(&c.force, "force", false, "")
	flags.BoolVar(&c.json, "json", false, "")
	flags.BoolVar(&c.v, "v", false, "")
	flags.StringVar(&c.out, "out", "observability", "")
	flags.BoolVar(&c.checking, "check", false, "")
	flags.IntVar(&c.drill, "drill", 1, "")

	words, err := interspersed(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		c.verb = "help"

		return nil
	}
	if err != nil {
		return err
	}
	if len(words) > 0 && words[0] != "" && c.verbs()[words[0]] != nil {
		c.verb, words = words[0], words[1:]
	}
	if err := c.onlyObservability(flags); err != nil {
		return err
	}

	return c.arguments(words)
}

// onlyObservability checks the flags of one verb.
func (c *command) onlyObservability(flags *flag.FlagSet) (err error) {
	flags.Visit(func(f *flag.Flag) {
		if c.verb != "observability" && slices.Contains([]string{"out", "check", "drill"}, f.Name) {
			err = fmt.Errorf("-%s is a flag of tqgen observability", f.Name)
		}
	})
	switch {
	case err != nil:
		return err
	case c.drill < 1:
		return fmt.Errorf("-drill %d: not a number from 1", c.drill)
	case c.out == "":
		return errors.New("-out wants a folder")
	case c.checking && c.force:
		return errors.New("-force does not go with -check")
	default:
		return nil
	}
}

// interspersed parses flags wherever they stand and gives the other arguments.
func interspersed(flags *flag.FlagSet, args []string) (words []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		rest := flags.Args()
		if parsed := len(args) - len(rest); len(rest) == 0 || parsed > 0 && args[parsed-1] == "--" {
			return append(words, rest...), nil
		}
		words, args = append(words, rest[0]), rest[1:]
	}
}

// arguments checks what is left without the flags and the verb.
func (c *command) arguments(words []string) error {
	switch c.verb {
	case "version":
		if len(words) > 0 {
			return errors.New("version takes no arguments")
		}
	case "help": // of a command is that of all
	case "explain":
		if len(words) == 0 {
			return errors.New("explain wants the name of a type")
		}
		c.typ, words = words[0], words[1:]
	}
	if c.force && c.verb != "" && c.verb != "observability" {
		return fmt.Errorf("-force does not go with %s", c.verb)
	}
	c.packages = words

	return nil
}

func (c *command) config() generator.Config {
	return generator.Config{Dir: c.dir, Patterns: c.packages, Tags: c.tags, Records: c.records()}
}

// records is the folder of records, "" if they are not wanted or there is no
// place for them.
func (c *command) records() string {
	if c.force || c.verb == "explain" {
		return ""
	}
	switch dir := os.Getenv("TQGENCACHE"); {
	case filepath.IsAbs(dir):
		return dir
	case dir != "":
		return ""
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}

	return filepath.Join(cache, "tqgen")
}

// generate writes the output.
func (c *command) generate(ctx context.Context) int {
	result, err := generator.Generate(ctx, c.config())
	if err != nil {
		return c.fail(err)
	}
	if c.stages(result); result.Settled {
		return exitOK
	}

	return c.write(result)
}

// observability writes dashboards and alerts, or tells what that would change.
func (c *command) observability(ctx context.Context) int {
	result, err := generator.Observability(ctx, c.config(), generator.Sheets{Out: c.out, Drill: c.drill})
	if err != nil {
		return c.fail(err)
	}
	c.stages(result)
	if c.checking {
		return c.found(result)
	}

	return c.write(result)
}

// write makes the disk what the result says.
func (c *command) write(result *generator.Result) int {
	start := time.Now()
	if err := result.Write(c.force); err != nil {
		return c.fail(err)
	}
	c.written(result, time.Since(start))

	return exitOK
}

// check tells what generate would change.
func (c *command) check(ctx context.Context) int {
	result, err := generator.Generate(ctx, c.config())
	if err != nil {
		return c.fail(err)
	}
	c.stages(result)

	return c.found(result)
}

// found tells what a write would change.
func (c *command) found(result *generator.Result) int {
	findings := result.Findings()
	if len(findings) == 0 {
		return exitOK
	}
	if c.json {
		return c.print(findings, result.Files)
	}
	for i := range result.Files {
		if _, err := c.stdout.Write(result.Files[i].Diff()); err != nil {
			return c.fail(err)
		}
	}

	return c.print(findings, nil)
}

// explain prints what one type gets.
func (c *command) explain(ctx context.Context) int {
	text, err := generator.Explain(ctx, c.config(), c.typ)
	if err != nil {
		return c.fail(err)
	}
	if _, err := io.WriteString(c.stdout, text); err != nil {
		return c.fail(err)
	}

	return exitOK
}

func (c *command) version(context.Context) int {
	version, goVersion := "(unknown)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version, goVersion = info.Main.Version, " "+info.GoVersion
	}
	fmt.Fprintf(c.stdout, "tqgen %s%s\n", version, goVersion)

	return exitOK
}

func (c *command) help(context.Context) int {
	fmt.Fprint(c.stdout, help)

	return exitOK
}

// fail reports an error: diagnostics as such, anything else as a failure.
func (c *command) fail(err error) int {
	if list := (diag.List)(nil); errors.As(err, &list) {
		if misspelt := c.misspelt(list); misspelt != nil {
			return c.misuse(misspelt)
		}

		return c.print(list, nil)
	}
	fmt.Fprintf(c.stderr, "tqgen: %v\n", err)

	return exitFailure
}

// misuse reports arguments that make no sense.
func (c *command) misuse(err error) int {
	fmt.Fprintf(c.stderr, "tqgen: %v\nrun tqgen help for usage\n", err)

	return exitFailure
}

// misspelt is an error if the first argument is close to a command and leads to
// no package. It is asked only then: a package of any name is a package first.
func (c *command) misspelt(list diag.List) error {
	if c.verb != "" || len(c.packages) == 0 || strings.ContainsAny(c.packages[0], `./\`) {
		return nil
	}
	word := c.packages[0]
	meant := diag.Nearest(word, slices.Sorted(maps.Keys(c.verbs()))[1:]) // but for ""
	nowhere := func(d *diag.Diagnostic) bool {
		return d.Code == "TQ501" || d.Code == "TQ502" && d.Pos.Filename == word
	}
	if meant == "" || !slices.ContainsFunc(list, nowhere) {
		return nil
	}

	return fmt.Errorf("unknown command %s, did you mean %s? (a package in folder %[1]s is ./%[1]s)", word, meant)
}

// stages tells what took how long, with -v.
func (c *command) stages(r *generator.Result) {
	if !c.v {
		return
	}
	for _, s := range r.Stages {
		c.took(s.Name, s.Took, s.Note)
	}
	if r.Settled {
		fmt.Fprintln(c.stderr, "nothing has changed since an earlier run had nothing to do")
	}
}

// written tells what became of each file, with -v.
func (c *command) written(r *generator.Result, took time.Duration) {
	if !c.v {
		return
	}
	c.took("write", took, "")
	for i := range r.Files {
		f := &r.Files[i]
		fmt.Fprintf(c.stderr, "%-9s %s\n", outcome(f), f.Name)
	}
}

// outcome is what a write made of a file.
func outcome(f *generator.File) string {
	switch {
	case f.Body == nil:
		return "removed"
	case f.Class == generator.Unchanged:
		return "unchanged"
	default:
		return "written"
	}
}

// took tells how long a step took.
func (c *command) took(step string, d time.Duration, note string) {
	line := fmt.Sprintf("%-8s %6.1fms", step, float64(d)/float64(time.Millisecond))
	if note != "" {
		line += "  " + note
	}
	fmt.Fprintln(c.stderr, line)
}
