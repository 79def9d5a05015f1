package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"
)

// timeNow stamps what comes without a time of its own.
func timeNow() time.Time { return time.Now() }

// aim is when a watch has seen what it was started for.
type aim struct {
	once  bool
	until string // "", "inactive" or "active"
}

func (a aim) some() bool { return a.once || a.until != "" }

// reached is asked after each event, and once a snapshot is complete.
func (a aim) reached(s *state, settled bool) bool {
	switch a.until {
	case "":
		return a.once && (settled || len(s.signals) > 0)
	case "active":
		return s.active()
	default:
		return len(s.signals) > 0 && !s.active()
	}
}

// watching are the flags of watch.
type watching struct {
	connection *connection
	s          surroundings
	json       bool
	aim        aim
	since      string
	queues     []string
	limit      time.Duration
}

func newWatch(c *connection, s surroundings) *cobra.Command {
	w := &watching{connection: c, s: s}
	var names, about []string
	for _, t := range topics {
		names = append(names, t.name)
		about = append(about, fmt.Sprintf("  %-13s %s", t.name, t.short))
	}
	command := &cobra.Command{
		Use:   "watch " + strings.Join(names, "|"),
		Short: "follow queues as they change",
		Long: `Follow queues as they change.

` + strings.Join(about, "\n") + `

On a terminal it takes the whole screen. Otherwise, or with --json, it prints one
JSON object a line: {"id", "type", "data"}, where "snapshot": true marks what there
was when it began, or after a gap, and not what happened. Connections that end are
taken up behind the last event; what did not come is told as taskqueue.gap.

The exit status of a watch that is interrupted is 0, and 130 if it waited for
something with --once or --until. It is 1 if --for ended it before that.`,
		Example: `  tqctl watch queues
  tqctl watch backpressure --until inactive --for 5m && ./load.sh
  tqctl watch deadletters --queue resource-lease --json | jq -r .data.error
  tqctl watch backpressure --url http://orders:8080/omnirelay/control/backpressure/stream`,
		Args: exactlyOne(names),
		RunE: w.run,

		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}

			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	f := command.Flags()
	f.BoolVar(&w.json, "json", false, "print JSON lines though standard output is a terminal")
	f.BoolVar(&w.aim.once, "once", false, "print what there is and end; do not try again")
	f.StringVar(&w.aim.until, "until", "", "end once all monitors are `inactive`, or one is active (backpressure)")
	f.StringVar(&w.since, "since", "", "begin behind the event of this `ID`, not with what there is now")
	f.StringSliceVar(&w.queues, "queue", nil, "`name` of a queue to watch; repeatable; all if not given")
	f.DurationVar(&w.limit, "for", 0, "end after this time; 0 means never")
	f.DurationVar(&c.silence, "silence", time.Minute, "connect anew if a stream is silent for so long; 0 means never")
	complete(command, "until", "inactive", "active")

	return command
}

// exactlyOne wants one of the names.
func exactlyOne(names []string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 || !slices.Contains(names, args[0]) {
			return fmt.Errorf("%s %s: want one of %s", c.Name(), strings.Join(args, " "), strings.Join(names, ", "))
		}

		return nil
	}
}

func (w *watching) check(t topic) error {
	switch {
	case w.aim.until != "" && w.aim.until != "inactive" && w.aim.until != "active":
		return fmt.Errorf("--until %s: want inactive or active", w.aim.until)
	case w.aim.until != "" && t != topicBackpressure:
		return fmt.Errorf("--until is for watch backpressure, not for watch %v", t)
	case w.aim.until != "" && w.aim.once:
		return errors.New("--once and --until do not go together")
	case w.since != "" && w.aim.once:
		return errors.New("--once prints what there is now: it does not go with --since")
	case w.limit < 0 || w.connection.silence < 0:
		return errors.New("--for and --silence are not below zero")
	}

	return nil
}

func (w *watching) run(command *cobra.Command, args []string) error {
	t := topic(0)
	for i := range topics {
		if topics[i].name == args[0] {
			t = topic(i)
		}
	}
	if err := w.check(t); err != nil {
		return err
	}
	h, err := w.connection.open()
	if err != nil {
		return err
	}
	if !h.own && t != topicBackpressure {
		return &failure{
			fmt.Errorf("%s: a stream elsewhere than at %s has backpressure alone", h.name(), streamPath),
			"give the address of the service, or what ends in /diagnostics, as --url",
		}
	}
	ctx, cancel := command.Context(), context.CancelFunc(func() {})
	if w.limit > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, w.limit, errOver)
	}
	defer cancel()
	f := &feed{host: h, topic: t, queues: w.queues, since: w.since, once: w.aim.once}

	return w.end(ctx, w.show(ctx, f))
}

// errOver is the end of --for.
var errOver = errors.New("the time of --for is over")

// errQuit is the end of a watch by its key.
var errQuit = errors.New("quit")

// show is nil once the aim is reached.
func (w *watching) show(ctx context.Context, f *feed) error {
	out, isFile := w.s.stdout.(*os.File)
	switch {
	case w.json || !isFile || !term.IsTerminal(out.Fd()) || w.s.getenv("TERM") == "dumb":
		l := &lines{out: w.s.stdout, complaints: w.s.stderr, aim: w.aim, seen: newState()}

		return l.run(ctx, f)
	case w.aim.once:
		width, _, err := term.GetSize(out.Fd())
		if err != nil {
			width = 80
		}

		return watchOnce(ctx, f, w.s.stdout, w.s.stderr, w.aim, width)
	default:
		return watchScreen(ctx, f, w.s, w.aim)
	}
}

// end is what a watch that ended so is to its caller.
func (w *watching) end(ctx context.Context, err error) error {
	over := errors.Is(context.Cause(ctx), errOver)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, errQuit) && !isEnd(ctx, err):
		return err
	case !w.aim.some():
		return nil
	case over:
		fmt.Fprintf(w.s.stderr, "tqctl: %v passed without what was waited for\n", w.limit)
		return errViolated
	default:
		return errInterrupted
	}
}
