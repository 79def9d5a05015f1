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
		watch, err := h.watch(Watch{after: lastID(r), wanted: s.filter(r), plain: !s.own})
		if err != nil {
			w.Header().Set("Retry-After", "5")
			http.Error(w, "too many streams", http.StatusServiceUnavailable)
			return
		}
		defer watch.Close()
		header := w.Header()
		header.Set("Content-Type", "text/event-stream")
		header.Set("Cache-Control", "no-store")
		header.Set("X-Accel-Buffering", "no")
		c := &client{h: h, w: w, to: http.NewResponseController(w), frame: s.frame}
		for there := c.flush(); there; {
			events, err := watch.Next(r.Context())
			switch {
			case err != nil:
				there = false
			case len(events) == 0:
				there = c.alive(watch.ID())
			default:
				there = c.give(events)
			}
		}
	}
}

// lastID is where a client goes on from.
func lastID(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}

	return r.URL.Query().Get("lastEventId")
}

// client is who is written to.
type client struct {
	h     *Host
	w     http.ResponseWriter
	to    *http.ResponseController
	frame func(*Event) []byte
}

// alive writes a sign of life. It has the client's place in it, unless that is
// "", so that one that wants few events and comes back is not told that it missed
// others. It says whether the client is still there.
func (c *client) alive(id string) bool {
	sign := ": alive\n\n"
	if id != "" {
		sign = "id: " + id + "\n" + sign
	}

	return c.write([]byte(sign)) && c.flush()
}

// give writes events. It says whether the client is still there.
func (c *client) give(events []Event) bool {
	for i := range events {
		if !c.write(c.frame(&events[i])) {
			return false
		}
	}

	return c.flush()
}

// write gives the client so long to take b. A server that cannot set deadlines
// does without.
func (c *client) write(b []byte) bool {
	_ = c.to.SetWriteDeadline(time.Now().Add(c.h.o.WriteTimeout))
	_, err := c.w.Write(b)

	return err == nil
}

func (c *client) flush() bool { return c.to.Flush() == nil }
