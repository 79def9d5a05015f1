// Command history reads a file of events that a leasequeue.FileLog wrote, open
// for writing or not.
//
//	history FILE        the state that the events lead to, as the JSON of a snapshot
//	history FILE TASK   what became of one task, an event a line, without its payload
//
// A task is told as in errors and logs: 5f32ce490bd9b2f5-14. The state has
// payloads whole, sensitive fields included. It ends with status 1 if the file is
// damaged, 2 if the arguments are.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tqgen/tqgen/examples/lease/leasequeue"
	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without the process round it.
func run(args []string, stdout, stderr io.Writer) int {
	var err error
	switch len(args) {
	case 1:
		err = state(stdout, stderr, args[0])
	case 2:
		task, wrong := tq.ParseTaskID(args[1])
		if wrong != nil {
			fmt.Fprintln(stderr, "history:", wrong)
			return 2
		}
		err = replication.PrintHistory(stdout, args[0], task)
	default:
		fmt.Fprintln(stderr, "usage: history FILE [TASK]")
		return 2
	}
	if err != nil {
		fmt.Fprintln(stderr, "history:", err)
		return 1
	}

	return 0
}

// state writes the state that the events lead to.
func state(stdout, stderr io.Writer, path string) error {
	r, err := leasequeue.NewReplica(leasequeue.Options{})
	if err != nil {
		return err
	}
	apply := func(e *leasequeue.Event) error {
		err := r.Apply(e)
		if !errors.Is(err, tq.ErrForeign) || e.Sequence != 1 {
			return err
		}
		if r, err = leasequeue.NewReplica(leasequeue.Options{}); err != nil { // another life begins
			return err
		}

		return r.Apply(e)
	}
	restore := func(s leasequeue.Snapshot) error { return r.ApplySnapshot(&s) }
	torn, err := leasequeue.Replay(path, apply, restore)
	if err != nil {
		return err
	}
	if torn > 0 {
		fmt.Fprintf(stderr, "history: %d bytes at the end are no whole record\n", torn)
	}
	s := r.State()
	doc, err := s.AppendJSON(nil)
	if err != nil {
		return err
	}
	_, err = stdout.Write(append(doc, '\n'))

	return err
}
