// Command demo puts the generated leasequeue under load and under faults, and
// shows that every task is accounted for.
//
// Producers come in bursts. Handlers fail, panic and refuse tasks for good;
// stalled consumers sit on leases until they run out and try to settle all the
// same; an operator redrives and purges dead letters. Half way, under load, the
// queue is drained, its tasks pass through JSON, and a second queue goes on
// with them. The demo keeps its own books of it all, from what each call
// answered, and at the end balances them with what the second queue holds and
// with what both queues counted.
//
// It ends with status 1 if a task is lost or counted twice, or if a queue's
// own figures differ from the books; 2 is a failure of anything else.
//
// While it runs it serves the diagnostics page of its queues on loopback.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout)) }

// settings are the flags.
type settings struct {
	length    time.Duration
	seed      uint64
	producers int
	workers   int
	page      string // address
}

// run is main without the process round it.
func run(args []string, stdout io.Writer) int {
	s, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	d := newDemo(s, stdout)
	closePage, err := d.servePage()
	if err != nil {
		fmt.Fprintln(stdout, "demo:", err)
		return 2
	}
	defer closePage()
	result, err := d.run(ctx)
	if err != nil {
		fmt.Fprintln(stdout, "demo:", err)
		return 2
	}
	result.print(stdout)
	if !result.holds() {
		return 1
	}

	return 0
}

func parse(args []string, stdout io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stdout)
	flags.DurationVar(&s.length, "for", 10*time.Second, "how `long` producers and workers run")
	flags.Uint64Var(&s.seed, "seed", 1, "`number` that decides which tasks go wrong, and how")
	flags.IntVar(&s.producers, "producers", 4, "`number` of producers")
	flags.IntVar(&s.workers, "workers", 4*runtime.GOMAXPROCS(0), "`number` of workers")
	flags.StringVar(&s.page, "page", "127.0.0.1:0", "serve the page of the queues at this `address`; \"\" serves none")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case s.length < 50*time.Millisecond:
		err = fmt.Errorf("-for %v is below 50ms", s.length)
	case s.producers < 1 || s.workers < 1:
		err = errors.New("-producers and -workers are at least 1")
	}
	if err != nil {
		fmt.Fprintln(stdout, "demo:", err)
		flags.Usage()
	}

	return s, err
}
