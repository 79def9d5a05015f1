package diagnostics

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// ErrBusy: as many streams are open as MaxSubscribers lets.
var ErrBusy = errors.New("diagnostics: too many streams")

// Filter says which events are wanted: those of Types and of Queues, where empty
// is all. What tells of the stream itself comes always. Whoever wants the events
// of replication, or dead letters, is told which of them were left out.
type Filter struct {
	Types  []string
	Queues []string
}

func (f *Filter) wants(e *Event) bool {
	return f.wantsType(e.Type) && (e.of == "" || f.wantsType(e.of) || slices.Contains(f.Types, TypeGap)) &&
		(len(f.Queues) == 0 || e.Queue == "" || slices.Contains(f.Queues, e.Queue))
}

func (f *Filter) wantsType(kind string) bool {
	return len(f.Types) == 0 || slices.Contains(f.Types, kind) ||
		kind == TypeGap && (slices.Contains(f.Types, TypeReplication) || slices.Contains(f.Types, TypeDeadLetter))
}

// Watch is one client of the stream, for transports: a place in the ring. It is
// for one goroutine at a time.
type Watch struct {
	h      *Host
	after  string // where it begins
	wanted Filter
	plain  bool // no snapshot, gap and bye
	begun  bool
	over   bool
	closed bool
	quiet  *time.Timer

	at     uint64 // sequence of the last event it was given, or spared
	found  []Event
	events []Event
}

// Watch opens a stream behind the event with an id, or with a snapshot of now if
// that is "": what the HTTP stream gives for the same. Close gives its place back.
// The error matches ErrBusy, or tq.ErrClosed if the host is closed.
func (h *Host) Watch(after string, f Filter) (*Watch, error) {
	f.Types, f.Queues = slices.Clone(f.Types), slices.Clone(f.Queues)

	return h.watch(Watch{after: after, wanted: f})
}

func (h *Host) watch(w Watch) (*Watch, error) {
	if err := h.enter(); err != nil {
		return nil, err
	}
	w.h, w.quiet = h, time.NewTimer(h.o.Heartbeat)

	return &w, nil
}

func (h *Host) enter() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.over:
		return tq.ErrClosed
	case h.streams >= h.o.MaxSubscribers:
		return ErrBusy
	}
	h.streams++

	return nil
}

// Close gives the place of the stream back. Closing twice does nothing.
func (w *Watch) Close() {
	if w.closed {
		return
	}
	w.closed, w.over = true, true
	w.quiet.Stop()
	w.h.mu.Lock()
	defer w.h.mu.Unlock()
	w.h.streams--
}

// Next waits for events that are wanted and gives some, or none after Heartbeat
// without any: then the client is to be told that the stream is alive. They are
// valid until the call after. The error is ctx's, or tq.ErrClosed behind the bye.
func (w *Watch) Next(ctx context.Context) ([]Event, error) {
	if w.over {
		return nil, tq.ErrClosed
	}
	w.events = w.events[:0]
	if !w.begun {
		w.begun = true
		w.begin()
	}
	w.quiet.Reset(w.h.o.Heartbeat)
	for {
		more := w.read()
		if len(w.events) > 0 {
			return w.events, nil
		}
		if more == nil {
			continue
		}
		select {
		case <-more:
		case <-w.quiet.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-w.h.closed:
			if more := w.read(); more == nil {
				continue // something came before it was closed
			}
			w.over = true
			if w.own("", TypeBye, Bye{Reason: "shutdown"}); w.plain {
				return nil, tq.ErrClosed
			}

			return w.events, nil
		}
	}
}

// ID is the client's place, to go on behind: that of the last event it was given,
// or that came before and was not wanted. It is "" where no ids are given.
func (w *Watch) ID() string {
	if w.plain {
		return ""
	}

	return w.h.ring.id(w.at)
}

// begin finds the client's place.
func (w *Watch) begin() {
	if w.after == "" || w.plain {
		w.snapshot(nil)
		return
	}
	seq, ok := w.h.ring.parse(w.after)
	if !ok || seq > w.h.ring.position() {
		w.snapshot(&Gap{Reason: "unknown"})
		return
	}
	w.at = seq
}

// read takes some events behind the client's place. If there is nothing, more is
// closed when there is.
func (w *Watch) read() (more <-chan struct{}) {
	if len(w.events) > 0 { // what comes first
		return nil
	}
	found, to, missed, more := w.h.ring.after(w.at, batch, &w.wanted, w.found[:0])
	w.found = found
	if missed > 0 {
		w.snapshot(&Gap{From: w.at + 1, Reason: "overrun"})
		return nil
	}
	w.at = to
	for i := range found {
		if w.wanted.wants(&found[i]) {
			w.events = append(w.events, found[i])
		}
	}

	return more
}

// snapshot goes on from now. A gap says what the client does not get.
func (w *Watch) snapshot(g *Gap) {
	s, position := w.h.snapshotAt()
	w.at = position
	if g != nil {
		w.h.gaps.Add(1)
		if g.Reason == "overrun" {
			g.To = position
			g.Dropped = g.To - g.From + 1
		}
		w.own("", TypeGap, g)
	}
	w.own(s.ID, TypeSnapshot, s)
}

// own gives an event that is of this stream alone.
func (w *Watch) own(id, kind string, data any) {
	if !w.plain {
		text := encode(data)
		w.events = append(w.events, Event{ID: id, Type: kind, Data: text, frame: frame(id, kind, text)})
	}
}
