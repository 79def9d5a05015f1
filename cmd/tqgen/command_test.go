package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/tqgen/tqgen/internal/testmodule"
)

var update = flag.Bool("update", false, "rewrite what the cases in golden/cli expect")

// beCommand makes the test binary play the command.
const beCommand = "TQGEN_TEST_BE_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(beCommand) != "" {
		main()
	}
	_ = os.Setenv("TQGENCACHE", "off") // the user's records are none of ours
	os.Exit(m.Run())
}

// TestCommand runs the cases in golden/cli. A case is a txtar archive whose
// sections are carried out from top to bottom:
//
//   - FILE writes the file.
//   - "$ tqgen ARGS" runs the command, "$ go ARGS" the go command. The sections
//     stdout, stderr, exit and changes after it are what it must print, its
//     exit status if not 0, and the files it creates (+), changes (~) and
//     removes (-). Of the go command only the status and the changes count.
//   - "$ rm FILE", "$ ln TARGET FILE", "$ mkdir FOLDER", "$ append FILE",
//     "$ truncate FILE SIZE", "$ replace FILE" do what they say; append adds
//     the section's text, replace puts its second line in place of its first.
//   - "$ same A B" wants two files, or two folders, to be equal.
//   - "env" sets variables for the commands that follow, one a line.
//
// Without a go.mod the case is a module example.com/m. $WORK stands for the
// case's folder and $REPO for this repository. Records are kept from command to
// command: that must not show.
func TestCommand(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("../../golden/cli/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	bin := binaries(t)
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c := &cliCase{t: t, dir: testmodule.Dir(t), bin: bin, env: []string{"TQGENCACHE=" + t.TempDir()}}
			got := &txtar.Archive{Comment: archive.Comment, Files: c.run(archive.Files)}
			if t.Failed() {
				return
			}
			if *update {
				if err := os.WriteFile(path, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}

				return
			}
			if diff := cmp.Diff(string(txtar.Format(archive)), string(txtar.Format(got))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
		})
	}
}

// binaries is a folder, for PATH, in which the test binary is called tqgen.
func binaries(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "tqgen")); err != nil {
		t.Fatal(err)
	}

	return dir
}

// cliCase is one case while it runs.
type cliCase struct {
	t        *testing.T
	dir, bin string
	env      []string
}

// run carries out the sections and gives them as they should read.
func (c *cliCase) run(sections []txtar.File) (got []txtar.File) {
	module := func(f txtar.File) bool { return f.Name == "go.mod" || f.Name == "go.work" }
	if !slices.ContainsFunc(sections, module) {
		testmodule.Write(c.t, c.dir, txtar.File{Name: "go.mod", Data: []byte(testmodule.GoMod)})
	}
	for _, s := range sections {
		switch command, ok := strings.CutPrefix(s.Name, "$ "); {
		case s.Name == "stdout" || s.Name == "stderr" || s.Name == "exit" || s.Name == "changes":
		case s.Name == "env":
			c.env = append(c.env, strings.Fields(string(s.Data))...)
			got = append(got, s)
		case ok:
			got = append(append(got, s), c.do(strings.Fields(command), s.Data)...)
		default:
			testmodule.Write(c.t, c.dir, s)
			got = append(got, s)
		}
	}

	return got
}

// do carries out one command and gives what it printed and changed.
func (c *cliCase) do(words []string, text []byte) []txtar.File {
	c.t.Helper()
	at := func(i int) string { return filepath.Join(c.dir, filepath.FromSlash(words[i])) }
	var err error
	switch words[0] {
	case "tqgen", "go":
		return c.command(words)
	case "rm":
		err = os.RemoveAll(at(1))
	case "mkdir":
		err = os.MkdirAll(at(1), 0o755)
	case "ln":
		err = os.Symlink(words[1], at(2))
	case "append":
		err = edit(at(1), func(old []byte) []byte { return append(old, text...) })
	case "truncate":
		size, convErr := strconv.Atoi(words[2])
		err = errors.Join(convErr, edit(at(1), func(old []byte) []byte { return old[:min(size, len(old))] }))
	case "replace":
		from, to, _ := bytes.Cut(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
		err = edit(at(1), func(old []byte) []byte { return bytes.ReplaceAll(old, from, to) })
	case "same":
		if diff := cmp.Diff(c.tree(words[1]), c.tree(words[2])); diff != "" {
			err = fmt.Errorf("%s and %s differ:\n%s", words[1], words[2], diff)
		}
	default:
		err = errors.New("no such command")
	}
	if err != nil {
		c.t.Fatalf("$ %s: %v", strings.Join(words, " "), err)
	}

	return nil
}

func edit(path string, change func([]byte) []byte) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}

	return os.WriteFile(path, change(old), 0o644)
}

// command runs tqgen or go and gives what it printed and changed.
func (c *cliCase) command(words []string) (got []txtar.File) {
	c.t.Helper()
	before := c.tree(".")
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(words[0], words[1:]...)
	if words[0] == "tqgen" {
		cmd.Path, cmd.Err = filepath.Join(c.bin, "tqgen"), nil
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, &stdout, &stderr
	path := c.bin + string(filepath.ListSeparator) + os.Getenv("PATH")
	cmd.Env = append(testmodule.Env("PATH="+path, "PWD="+c.dir, beCommand+"=1"), c.env...)
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	status := cmd.ProcessState.ExitCode()
	add := func(name, text string) {
		if text != "" {
			got = append(got, txtar.File{Name: name, Data: []byte(text)})
		}
	}
	if words[0] == "tqgen" {
		add("stdout", c.portable(stdout.String()))
		add("stderr", c.portable(stderr.String()))
	} else if status != 0 {
		c.t.Logf("$ %s\n%s%s", strings.Join(words, " "), &stdout, &stderr)
	}
	if status != 0 {
		add("exit", fmt.Sprintln(status))
	}
	add("changes", changes(before, c.tree(".")))

	return got
}

var (
	wholeFile = regexp.MustCompile(`^@@ -(?:0,0 \+1,(\d+)|1,(\d+) \+0,0) @@\n$`)
	sum       = regexp.MustCompile(`Sum: [0-9a-f]{64}`)
)

// portable replaces what differs between machines, and leaves out what is no
// business of a case: the text of whole files.
func (c *cliCase) portable(text string) string {
	text = withoutWholeFiles(text)
	text = sum.ReplaceAllString(text, "Sum: …")
	text = strings.ReplaceAll(text, c.dir, "$WORK")
	text = strings.ReplaceAll(text, testmodule.Repo(), "$REPO")
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n" // txtar sections end so
	}

	return text
}

// withoutWholeFiles leaves the lines out of a diff that make or remove a file.
func withoutWholeFiles(diff string) string {
	var b strings.Builder
	skip := 0
	for line := range strings.Lines(diff) {
		if skip > 0 {
			skip--
			continue
		}
		if m := wholeFile.FindStringSubmatch(line); m != nil {
			skip, _ = strconv.Atoi(m[1] + m[2])
			line = "@@ whole file @@\n"
		}
		b.WriteString(line)
	}

	return b.String()
}

// tree reads the regular files below name; git's and the module's own sums are
// nobody's business.
func (c *cliCase) tree(name string) map[string]string {
	c.t.Helper()
	root := filepath.Join(c.dir, filepath.FromSlash(name))
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		rel, _ := filepath.Rel(root, path)
		files[filepath.ToSlash(rel)] = string(content)

		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}

	return files
}

// changes lists the files that differ between two trees.
func changes(before, after map[string]string) string {
	var list strings.Builder
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(name, "vendor/") {
			continue // the go command's business
		}
		old, was := before[name]
		now, is := after[name]
		switch {
		case !was:
			fmt.Fprintf(&list, "+ %s\n", name)
		case !is:
			fmt.Fprintf(&list, "- %s\n", name)
		case old != now:
			fmt.Fprintf(&list, "~ %s\n", name)
		}
	}

	return list.String()
}
