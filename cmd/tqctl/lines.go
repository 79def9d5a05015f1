package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tqgen/tqgen/runtime/diagnostics"
)

// line is one event as watch prints it.
type line struct {
	ID       string          `json:"id,omitempty"`
	Type     string          `json:"type"`
	Snapshot bool            `json:"snapshot,omitempty"` // what there was, not what happened
	Data     json.RawMessage `json:"data"`
}

// appendJSON appends v as one line, fit to be printed.
func appendJSON(dst []byte, v any) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}

	return appendCleanJSON(dst, text.Bytes()), nil
}

// lines is an ear that prints what it hears, one JSON object a line.
type lines struct {
	out, complaints io.Writer
	aim             aim

	seen   *state // for the aim
	down   string // why there is no connection, as it was told
	text   []byte
	failed error // why it goes on no more
}

func (l *lines) connected() {
	if l.down != "" {
		fmt.Fprintln(l.complaints, "tqctl: connected again")
	}
	l.down = ""
}

func (l *lines) lost(err error) {
	if text := err.Error(); text != l.down {
		l.down = text
		fmt.Fprintf(l.complaints, "tqctl: %s; trying again\n", clean(text))
		if help := helpFor(err); help != "" {
			fmt.Fprintf(l.complaints, "\thelp: %s\n", clean(help))
		}
	}
}

func (l *lines) warn(err error) { fmt.Fprintf(l.complaints, "tqctl: %s\n", clean(err.Error())) }

func (l *lines) heard(e event) bool {
	l.seen.apply(e, timeNow())
	if e.kind == diagnostics.TypeSnapshot {
		return true // it is told by its parts
	}
	text, err := appendJSON(l.text[:0], line{e.id, e.kind, e.snapshot, e.data})
	l.text = text
	if err == nil {
		_, err = l.out.Write(text)
	}
	if err != nil {
		l.failed = &failure{fmt.Errorf("standard output: %w", err), ""}
	}

	return err == nil && (e.snapshot || !l.aim.reached(l.seen, false))
}

func (l *lines) settled() bool {
	if l.aim.until != "" && len(l.seen.signals) == 0 {
		l.failed = &failure{
			errors.New("no monitor is attached to the host, or none of the queues asked for: --until would wait for ever"),
			"Host.AttachMonitor attaches one; tqctl snapshot shows what is there",
		}

		return false
	}

	return !l.aim.reached(l.seen, true)
}

// run ends with nil once the aim is reached.
func (l *lines) run(ctx context.Context, f *feed) error {
	if err := f.follow(ctx, l); l.failed == nil {
		return err
	}

	return l.failed
}
