package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/diagnostics/client"
)

func newSnapshot(c *connection, s surroundings) *cobra.Command {
	var queues []string
	asJSON := false
	command := &cobra.Command{
		Use:   "snapshot",
		Short: "print what there is now",
		Long: `Print what there is now: queues, monitors and health. The id in the JSON is one for
tqctl watch --since.`,
		Example: `  tqctl snapshot --json | jq '.queues[].pending'`,
		Args:    cobra.NoArgs,

		ValidArgsFunction: cobra.NoFileCompletions,

		RunE: func(command *cobra.Command, _ []string) error {
			h, err := c.open()
			if err != nil {
				return err
			}
			text, snapshot, err := h.snapshot(command.Context())
			if err != nil {
				return err
			}
			if len(queues) > 0 {
				if _, err := choose(h, snapshot, queues); err != nil {
					return err
				}
			}
			if asJSON {
				err = printJSON(s.stdout, text, queues)
			} else {
				err = printText(s.stdout, text, snapshot, queues, widthOf(s.stdout))
			}
			if err != nil {
				return &failure{fmt.Errorf("snapshot of %s: %w", h.name(), err), ""}
			}

			return nil
		},
	}
	f := command.Flags()
	f.StringSliceVar(&queues, "queue", nil, "`name` of a queue to print; repeatable; all if not given")
	f.BoolVar(&asJSON, "json", false, "print what the host tells as JSON")

	return command
}

// widthOf is how many columns a terminal has; what is none has any number.
func widthOf(w io.Writer) int {
	if out, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(out.Fd()); err == nil {
			return width
		}
	}

	return 1 << 20
}

// printJSON prints a snapshot as the host tells it, but for the queues that were
// not asked for.
func printJSON(w io.Writer, text json.RawMessage, queues []string) error {
	members, err := parse[map[string]json.RawMessage](text)
	if err != nil {
		return err
	}
	if len(queues) > 0 {
		for name, value := range members {
			if kept, ok := only(value, queues); ok {
				members[name] = kept
			}
		}
		if text, err = json.Marshal(members); err != nil {
			return err
		}
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", "  "); err != nil {
		return err
	}
	_, err = w.Write(append(bytes.TrimSpace(appendCleanJSON(nil, indented.Bytes())), '\n'))

	return err
}

// only is an array of objects about queues without those about others; false if it
// is none.
func only(value json.RawMessage, queues []string) (json.RawMessage, bool) {
	all, err := parse[[]json.RawMessage](value)
	if err != nil {
		return nil, false
	}
	kept := []json.RawMessage{}
	for _, one := range all {
		about, err := parse[struct{ Queue *string }](one)
		if err != nil || about.Queue == nil {
			return nil, false
		}
		if slices.Contains(queues, *about.Queue) {
			kept = append(kept, one)
		}
	}
	text, err := json.Marshal(kept)

	return text, err == nil
}

// printText prints a snapshot as tables.
func printText(w io.Writer, text json.RawMessage, s diagnostics.Snapshot, queues []string, width int) error {
	e, err := understand(client.Event{ID: s.ID, Type: diagnostics.TypeSnapshot, Data: text})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: %s\n", date(s.ObservedAt), clean(s.Health.Status))
	for _, h := range s.Health.Queues {
		for _, reason := range h.Reasons {
			if len(queues) == 0 || slices.Contains(queues, h.Queue) {
				fmt.Fprintf(w, "  %s: %s\n", clean(h.Queue), clean(reason))
			}
		}
	}
	for _, t := range []topic{topicQueues, topicBackpressure, topicReplication} {
		seen, f := newState(), feed{topic: t, queues: queues}
		seen.apply(e, s.ObservedAt)
		parts, err := unfold(t, s.ID, text)
		if err != nil {
			return err
		}
		for _, part := range parts {
			if f.wants(part) {
				seen.apply(part, s.ObservedAt)
			}
		}
		shown := t.show(seen, s.ObservedAt)
		if len(shown.rows) == 0 && t == topicReplication {
			continue // few have any
		}
		if _, err := fmt.Fprintf(w, "\n%s", shown.text(width)); err != nil {
			return err
		}
	}

	return nil
}
