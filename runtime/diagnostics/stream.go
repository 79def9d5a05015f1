package diagnostics

import (
	"net/http"
	"time"
)

// style is what a stream looks like.
type style struct {
	filter func(*http.Request) Filter
	frame  func(*Event) []byte
	own    bool // snapshot, gap, bye and ids: for clients that know them
}

var (
	events            = style{filter, func(e *Event) []byte { return e.frame }, true}
	plainBackpressure = style{
		func(*http.Request) Filter { return signals },
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
		header := w.Header()
		header.Set("Content-Type", "text/event-stream")
		header.Set("Cache-Control", "no-store")
		header.Set("X-Accel-Buffering", "no")
		if r.Method == http.MethodHead {
			return // a stream without events would hold its connection for good
		}
		watch, err := h.watch(Watch{after: lastID(r), wanted: s.filter(r), plain: !s.own})
		if err != nil {
			header.Set("Retry-After", "5")
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		defer watch.Close()
		c := &client{h: h, w: w, to: http.NewResponseController(w), frame: s.frame}
		if err := c.open(); err != nil {
			http.Error(w, "diagnostics: "+err.Error(), http.StatusInternalServerError)
			return
		}
		defer c.hurry() // what the server writes behind the stream
		for there := true; there; {
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

// open sends the header. The error says that w cannot stream.
func (c *client) open() error {
	c.hurry()
	err := c.to.Flush()
	c.rest()

	return err
}

// hurry gives the client so long to take what is written from now on. A server
// that cannot set deadlines does without.
func (c *client) hurry() { _ = c.to.SetWriteDeadline(time.Now().Add(c.h.o.WriteTimeout)) }

// rest takes the deadline away until there is more to write: over HTTP/2 it ends
// a stream that is quiet, too.
func (c *client) rest() { _ = c.to.SetWriteDeadline(time.Time{}) }

func (c *client) write(b []byte) bool {
	c.hurry()
	_, err := c.w.Write(b)

	return err == nil
}

func (c *client) flush() bool {
	err := c.to.Flush()
	c.rest()

	return err == nil
}
