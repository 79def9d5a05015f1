// Command tqctl watches and checks the queues of a service that mounts a
// diagnostics host.
//
//	tqctl watch queues --url https://orders.example.com
//	tqctl check --queue resource-lease --max-oldest-age 30s
//	tqctl snapshot
//
// See docs/tqctl.md and tqctl help.
//
// The exit status is 0 if all is well, 1 if a limit is exceeded or a watch ended
// without what it waited for, 2 after misuse or if there is no answer, and 130 if
// a watch with an aim was interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitOK          = 0
	exitViolated    = 1
	exitFailure     = 2
	exitInterrupted = 130
)

// Errors that are an exit status and have been told about, or need not be.
var (
	errViolated    = errors.New("a limit is exceeded")
	errInterrupted = errors.New("interrupted")
)

// surroundings are what the command meets outside.
type surroundings struct {
	stdout, stderr io.Writer
	getenv         func(string) string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends at once
	os.Exit(run(ctx, os.Args[1:], surroundings{os.Stdout, os.Stderr, os.Getenv}))
}

func run(ctx context.Context, args []string, s surroundings) int {
	root := newRoot(s)
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errViolated):
		return exitViolated
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	}
	complain(s.stderr, command, err)

	return exitFailure
}

// failure is an error that is not the arguments', and what to do about it.
type failure struct {
	err  error
	help string // "" if there is nothing to say
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// helpFor is what can be done about an error; "" if that is not known.
func helpFor(err error) string {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.help
	}

	return ""
}

// complain tells of an error. Its text may come from anywhere.
func complain(w io.Writer, command *cobra.Command, err error) {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	fmt.Fprintf(w, "tqctl: %s\n", clean(lines[0]))
	for _, line := range lines[1:] {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintf(w, "\t%s\n", clean(line))
		}
	}
	help := fmt.Sprintf("%s --help lists arguments and flags", command.CommandPath())
	if f, ok := errors.AsType[*failure](err); ok {
		help = f.help
	}
	if help != "" {
		fmt.Fprintf(w, "\thelp: %s\n", clean(help))
	}
}
