// Command failover kills the owner of a queue and accounts for every task it
// had acknowledged.
//
// Two processes on loopback, with a network between them that takes its time: the
// owner accepts tasks, leases them to its own workers and shows its events over
// HTTP; the follower replicates them. Some of the owner's workers stand within an
// effect, which has happened and is not recorded, when the owner is killed with
// SIGKILL, and what it had sent and was still under way is lost. The follower
// notices, claims the next term, goes on with what it has seen, leases included,
// and works it off. Then the old owner comes back and learns that it was
// succeeded.
//
// At the end each acknowledged task the follower had seen is completed, with
// exactly one recorded effect; an effect that ran twice had the same
// idempotency key both times, and knew the second time that it was in doubt.
// Tasks that were acknowledged but never replicated are listed. With -sync the
// owner's operations wait for the follower, and there must be none of those; an
// operation that was waiting when the owner was killed was not acknowledged.
//
// Status 1 says that this does not hold, 2 is a failure of anything else.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// settings are the flags.
type settings struct {
	role  string // "" is the one who starts the others
	dir   string
	url   string // of the owner, for the follower
	seed  uint64
	tasks int
	sync  bool // the owner's operations wait for the follower
}

// run is main without the process round it.
func run(args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch s.role {
	case "owner":
		err = own(ctx, s, stdout)
	case "follower":
		err = follow(ctx, s, stdout)
	default:
		return accountFor(ctx, s, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "failover: %s: %v\n", s.role, err)
		return 2
	}

	return 0
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("failover", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Uint64Var(&s.seed, "seed", 1, "`number` that decides how long things take, and when the owner dies")
	flags.IntVar(&s.tasks, "tasks", 200, "`number` of tasks that are acknowledged, at least, before it does")
	flags.BoolVar(&s.sync, "sync", false, "have the owner's operations wait for the follower: then no task may be lost")
	flags.StringVar(&s.role, "role", "", "`what` to be: owner, follower; by default, the one who starts both")
	flags.StringVar(&s.dir, "dir", "", "`folder` of the shared store, for a role")
	flags.StringVar(&s.url, "url", "", "`address` of the owner, for the follower")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case s.tasks < 1 || s.tasks > 3000:
		err = fmt.Errorf("-tasks %d is not in 1…3000", s.tasks)
	case s.role != "" && s.role != "owner" && s.role != "follower":
		err = fmt.Errorf("-role %q is none", s.role)
	case s.role != "" && s.dir == "":
		err = errors.New("a role needs -dir")
	case s.role == "follower" && s.url == "":
		err = errors.New("the follower needs -url")
	}
	if err != nil {
		fmt.Fprintln(stderr, "failover:", err)
	}

	return s, err
}
