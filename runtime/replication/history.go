package replication

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tqgen/tqgen/runtime/jsonwire"
	"github.com/tqgen/tqgen/runtime/tq"
)

// PrintHistory prints what the log at path says of one task, an event a line,
// without the payload: for whoever has to say what became of it. It reads the
// log as ReadFileLog does, and says at the end if that is torn.
func PrintHistory(w io.Writer, path string, task tq.TaskID) error {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "SEQUENCE\tOCCURRED\tWHAT\tATTEMPT\tOWNER\tDETAIL")
	torn, err := ReadFileLog(path, func(r *LogRecord) error { return printRecord(table, r, task) })
	if flushed := table.Flush(); err == nil {
		err = flushed
	}
	if err == nil && torn > 0 {
		_, err = fmt.Fprintf(w, "%d bytes at the end of the log are no whole record\n", torn)
	}

	return err
}

func printRecord(w io.Writer, r *LogRecord, task tq.TaskID) error {
	if r.Snapshot {
		return printState(w, r, task)
	}
	var h Header
	if err := DecodeEvent(r.Text, &h, (*jsonwire.Reader).Skip); err != nil {
		return r.damaged(err)
	}
	if h.Task != task {
		return nil
	}
	_, err := fmt.Fprintf(w, "%d\t%s\t%v\t%d\t%s\t%s\n",
		h.Sequence, moment(h.OccurredAt), h.Kind, h.Attempt, oneLine(h.OwnerPeer), detail(&h))

	return err
}

// printState prints how the task stands in a snapshot.
func printState(w io.Writer, r *LogRecord, task tq.TaskID) error {
	var h tq.SnapshotHeader
	var found *tq.TaskState
	err := tq.DecodeSnapshot(r.Text, &h, func(r *jsonwire.Reader, i int) int {
		var s tq.TaskState
		end := tq.DecodeTask(r, i, &s, (*jsonwire.Reader).Skip)
		if s.ID == task {
			found = &s
		}

		return end
	})
	if err != nil {
		return r.damaged(err)
	}
	if found == nil {
		return nil
	}
	_, err = fmt.Fprintf(w, "%d\t\tsnapshot: %v\t%d\t%s\t\n", h.Sequence, found.State, found.Attempt, oneLine(found.Owner))

	return err
}

// detail is what else an event says.
func detail(h *Header) string {
	var parts []string
	if h.Flags&tq.FromExpiration != 0 {
		parts = append(parts, "by expiry")
	}
	if !h.Deadline.IsZero() {
		parts = append(parts, "until "+moment(h.Deadline))
	}
	if !h.AvailableAt.IsZero() {
		parts = append(parts, "ready at "+moment(h.AvailableAt))
	}
	if h.Error != nil {
		parts = append(parts, h.Error.Code+": "+oneLine(h.Error.Message))
	}

	return strings.Join(parts, ", ")
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// oneLine keeps text from outside within its cell.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}

		return r
	}, text)
}
