// Command audit says what is in a file of events, which a leasequeue.FileLog has
// written: how the queue stands after the last whole operation, as JSON, or what
// became of one task, an event a line.
//
//	audit FILE
//	audit -task ID FILE
//
// The state has payloads, sensitive fields included. The history has none, and
// works for the file of any queue. For the state of another queue copy this
// command and import that queue's package.
//
// The file may be open for writing. Status 1 says that it is damaged or makes no
// state, 2 that the arguments are wrong.
package main

import (
	"errors"
	"flag"
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
	flags := flag.NewFlagSet("audit", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprintln(stderr, "usage: audit [-task ID] FILE") }
	task := flags.String("task", "", "`ID` of the task whose history to print, instead of the state")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() != 1:
		flags.Usage()
		return 2
	}
	id, err := parseTask(*task)
	if err != nil {
		fmt.Fprintln(stderr, "audit:", err)
		return 2
	}
	if *task == "" {
		err = printState(stdout, stderr, flags.Arg(0))
	} else {
		err = replication.PrintHistory(stdout, flags.Arg(0), id)
	}
	if err != nil {
		fmt.Fprintln(stderr, "audit:", err)
		return 1
	}

	return 0
}

func parseTask(text string) (id tq.TaskID, err error) {
	if text == "" {
		return id, nil
	}

	return tq.ParseTaskID(text)
}

// printState prints the state of the queue that the file makes.
func printState(w, warnings io.Writer, path string) error {
	var a audit
	torn, err := leasequeue.Replay(path, a.apply, a.restore)
	if torn > 0 {
		fmt.Fprintf(warnings, "audit: %d bytes at the end are no whole record, and left out\n", torn)
	}
	if err != nil {
		return err
	}
	if a.replica == nil {
		return errors.New("the file has no records")
	}
	state := a.replica.State()
	doc, err := state.AppendJSON(nil)
	if err != nil {
		return err
	}
	_, err = w.Write(append(doc, '\n'))

	return err
}

// audit makes the state of the queue's last life in a file.
type audit struct {
	replica *leasequeue.Replica // nil before the first record
}

// apply takes an event. With event 1 a life begins, of an empty queue.
func (a *audit) apply(e *leasequeue.Event) error {
	if a.replica == nil || e.Sequence == 1 && e.Incarnation != a.replica.Position().Incarnation {
		if err := a.begin(e.Queue); err != nil {
			return err
		}
	}

	if err := a.replica.Apply(e); err != nil {
		return fmt.Errorf("event %d of %v: %w", e.Sequence, e.Incarnation, err)
	}

	return nil
}

// restore takes a snapshot, which takes the place of all before.
func (a *audit) restore(s *leasequeue.Snapshot) error {
	if err := a.begin(s.Queue); err != nil {
		return err
	}

	if err := a.replica.ApplySnapshot(s); err != nil {
		return fmt.Errorf("snapshot %d of %v: %w", s.Sequence, s.Incarnation, err)
	}

	return nil
}

// begin makes an empty state, with as much room as any queue may have had.
func (a *audit) begin(queue string) (err error) {
	a.replica, err = leasequeue.NewReplica(leasequeue.Options{Name: queue, Capacity: tq.MaxCapacity, Dead: tq.MaxCapacity})

	return err
}
