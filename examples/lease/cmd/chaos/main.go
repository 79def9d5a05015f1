// Command chaos drives a queue into backpressure and out of it, again and again,
// while a client follows the diagnostics stream over HTTP, and shows that the
// client saw every transition, in order and without a gap.
//
// In a spike producers outrun the workers until backpressure is on, and for a
// while beyond. Then they pause, and the workers catch up until it is off. At the
// end of each spike all connections are cut, so the client has to come back and
// go on behind the last event it saw.
//
// It ends with status 1 if a transition is missing, doubled or out of order, or
// if the stream had a gap; 2 is a failure of anything else.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout)) }

// settings are the flags.
type settings struct {
	spikes int
	hold   time.Duration
	page   string // address
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

	seen, transitions, err := chaos(ctx, s, stdout)
	if err != nil {
		fmt.Fprintln(stdout, "chaos:", err)
		return 2
	}
	fmt.Fprintf(stdout, "the queue made %d transitions; the client saw %d, in %d events over %d connections\n",
		transitions, len(seen.signals), seen.events, seen.connections)
	faults := seen.check(transitions)
	for _, fault := range faults {
		fmt.Fprintln(stdout, "FAULT:", fault)
	}
	if len(faults) > 0 {
		return 1
	}
	fmt.Fprintln(stdout, "complete: every transition, in order, without a gap")

	return 0
}

func parse(args []string, stdout io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(stdout)
	flags.IntVar(&s.spikes, "spikes", 3, "`number` of spikes")
	flags.DurationVar(&s.hold, "hold", time.Second, "how `long` a spike and a recovery last at least")
	flags.StringVar(&s.page, "page", "127.0.0.1:0", "serve stream and page at this `address`")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case s.spikes < 1:
		err = errors.New("-spikes is at least 1")
	case s.hold < 0:
		err = errors.New("-hold is not below zero")
	}
	if err != nil {
		fmt.Fprintln(stdout, "chaos:", err)
		flags.Usage()
	}

	return s, err
}
