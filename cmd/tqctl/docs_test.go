package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The document has every command and flag, and the help has examples that are
// accepted.
func TestDocsHaveAll(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/tqctl.md")
	must(t, err)
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if !strings.Contains(string(text), "`"+c.CommandPath()) && c.Name() != "help" {
			t.Errorf("docs/tqctl.md has no %s", c.CommandPath())
		}
		look := func(f *pflag.Flag) {
			if !strings.Contains(string(text), "`--"+f.Name) && f.Name != "help" && f.Name != "version" {
				t.Errorf("docs/tqctl.md has no --%s of %s", f.Name, c.CommandPath())
			}
		}
		c.LocalFlags().VisitAll(look)
		c.PersistentFlags().VisitAll(look)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(surroundings{}))
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                                  "Available Commands:",
		"help watch":                        "--until inactive",
		"check --help":                      "--max-oldest-age duration",
		"version":                           "tqctl ",
		"--version":                         "tqctl ",
		"completion zsh":                    "#compdef tqctl",
		"__complete watch queues --until i": "inactive",
		"__complete watch backpressure --u": "--url",
		"__complete watch ":                 "deadletters",
		"__complete snapshot --j":           "--json",
		"__complete check --j":              "--json",
		"__complete watch queues --j":       "--json",
		"__complete check --max-":           "--max-dead",
		"__complete watch queues ":          ":4",
	} {
		fields := strings.Fields(args)
		if strings.HasSuffix(args, " ") {
			fields = append(fields, "")
		}
		got := tqctl(t, nil, fields...)
		if got.status != exitOK || !strings.Contains(got.stdout, want) {
			t.Errorf("tqctl %s: status %d, want %s:\n%s%s", args, got.status, want, got.stdout, got.stderr)
		}
	}
	if got := tqctl(t, nil, "wach"); got.status != exitFailure || !strings.Contains(got.stderr, "Did you mean this?\n\twatch") {
		t.Errorf("a typing error: status %d, %q", got.status, got.stderr)
	}
}
