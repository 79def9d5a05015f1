package diagnostics

import (
	"net/http"
	"time"
)

// style is what a stream looks like.
type style struct {
	filter func(*http.Request) func(*Event) bool
	frame  func(*Event) []byte
	own    bool // snapshot, gap, bye and ids: for clients that know them
}

var (
	events            = style{filter, func(e *Event) []byte { return e.frame }, true}
	plainBackpressure = style{
		func(*http.Request) func(*Event) bool { return isBackpressure },
		func(e *Event) []byte { return append(append([]byte("data: "), e.Data...), '\n', '\n') },
		false,
	}
)

// batch bounds what is written to a client before its deadline is set anew.
const batch = 64

// stream answers with server-sent events until the client goes, falls silent
// for longer than it may, or the host is closed.
func (h *Host) stream(s style) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !h.enter() {
			w.Header().Set("Retry-After", "5")
			http.Error(w, "too many streams", http.StatusServiceUnavailable)
			return
		}
		defer h.leave()
		header := w.Header()
		header.Set("Content-Type", "text/event-stream")
		header.Set("Cache-Control", "no-store")
		header.Set("X-Accel-Buffering", "no")
		c := &client{h: h, r: r, w: w, to: http.NewResponseController(w), style: s, wanted: s.filter(r)}
		if c.begin() {
			c.run()
		}
	}
}

func (h *Host) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over || h.streams >= h.o.MaxSubscribers {
		return false
	}
	h.streams++

	return true
}

func (h *Host) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams--
}

// client is a place in the ring.
type client struct {
	h      *Host
	r      *http.Request
	w      http.ResponseWriter
	to     *http.ResponseController
	style  style
	wanted func(*Event) bool
	at     uint64 // sequence of the last event it was given, or spared
	events []Event
	quiet  *time.Timer // runs out when the client needs a sign of life
}

// begin finds the client's place and writes what comes first. It says whether
// the client is still there.
func (c *client) begin() bool {
	id := c.r.Header.Get("Last-Event-ID")
	if id == "" {
		id = c.r.URL.Query().Get("lastEventId")
	}
	if id == "" || !c.style.own {
		return c.snapshot(nil)
	}
	seq, ok := c.h.ring.parse(id)
	if !ok || seq > c.h.ring.position() {
		return c.snapshot(&Gap{Reason: "unknown"})
	}
	c.at = seq

	return c.flush()
}

// snapshot goes on from now. A gap says what the client does not get.
func (c *client) snapshot(g *Gap) bool {
	s, position := c.h.snapshotAt()
	c.at = position
	if !c.style.own {
		return c.flush()
	}
	if g != nil {
		if g.Reason == "overrun" {
			g.To = position
			g.Dropped = g.To - g.From + 1
		}
		if !c.write(frame("", TypeGap, encode(g))) {
			return false
		}
	}

	return c.write(frame(s.ID, TypeSnapshot, encode(s))) && c.flush()
}

// run writes events as they come.
func (c *client) run() {
	c.quiet = time.NewTimer(c.h.o.Heartbeat)
	defer c.quiet.Stop()
	for {
		found, missed, more := c.h.ring.after(c.at, batch, c.events[:0])
		c.events = found
		switch {
		case missed > 0:
			if !c.snapshot(&Gap{From: c.at + 1, Reason: "overrun"}) {
				return
			}
			continue
		case more == nil:
			if !c.give() {
				return
			}
			continue
		}
		select {
		case <-more:
		case <-c.quiet.C:
			if !c.alive() {
				return
			}
		case <-c.r.Context().Done():
			return
		case <-c.h.closed:
			c.bye()
			return
		}
	}
}

// give writes the events that were found and that the client wants.
func (c *client) give() bool {
	some := false
	for i := range c.events {
		e := &c.events[i]
		c.at = e.sequence
		if !c.wanted(e) {
			continue
		}
		if !c.write(c.style.frame(e)) {
			return false
		}
		some = true
	}
	if !some {
		return true
	}
	c.quiet.Reset(c.h.o.Heartbeat)

	return c.flush()
}

// alive writes a sign of life. It has the client's place in it, so that one that
// wants few events and comes back is not told that it missed others.
func (c *client) alive() bool {
	c.quiet.Reset(c.h.o.Heartbeat)
	sign := ": alive\n\n"
	if c.style.own {
		sign = "id: " + c.h.ring.id(c.at) + "\n" + sign
	}

	return c.write([]byte(sign)) && c.flush()
}

func (c *client) bye() {
	if c.style.own && c.write(frame("", TypeBye, encode(Bye{Reason: "shutdown"}))) {
		c.flush()
	}
}

// write gives the client so long to take b. A server that cannot set deadlines
// does without.
func (c *client) write(b []byte) bool {
	_ = c.to.SetWriteDeadline(time.Now().Add(c.h.o.WriteTimeout))
	_, err := c.w.Write(b)

	return err == nil
}

func (c *client) flush() bool { return c.to.Flush() == nil }
