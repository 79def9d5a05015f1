package replicationhttp

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// HandlerOptions bound what a [Handler] does. A zero field means what its
// comment says.
type HandlerOptions struct {
	// Authorize says whether a request may have payloads and all. An error is
	// answered with 403 and not shown. Nil lets everybody in.
	Authorize func(*http.Request) error
	// Heartbeat is how often a stream with nothing to say says so. 5 s.
	Heartbeat time.Duration
	// WriteTimeout is how long a reader may take to accept a piece of what it is
	// sent; then it is cut off. 30 s.
	WriteTimeout time.Duration
	// MaxStreams is how many streams are served at once. 64.
	MaxStreams int
	// MaxSnapshots is how many snapshots are served at once. 2.
	MaxSnapshots int
	// MaxLine is how many bytes an event may have; a stream ends before one that
	// has more. 16 MiB.
	MaxLine int
	// MaxSnapshot is how many bytes a snapshot may have. 1 GiB.
	MaxSnapshot int
	// Synchronous makes the queue's operations wait until one follower that
	// acknowledges has all events up to their own: applied, not only received.
	// Which one that is does not matter, so of several the one that is furthest
	// is to be promoted. Nil makes none wait.
	//
	// Where no follower acknowledges an operation waits for one to come (back),
	// as long as its context and Timeout let it, and then answers a
	// *tq.UncertainError. With Detach the queue does without: those who wait when
	// the last follower goes, or for Timeout, get a *tq.UncertainError, and later
	// operations wait for nobody until a follower has caught up. Set a Timeout
	// then: a follower whose network is cut off looks alive for long.
	Synchronous *tq.SyncOptions
}

func (o HandlerOptions) orDefaults() (HandlerOptions, error) {
	setDefault(&o.MaxStreams, 64)
	setDefault(&o.MaxSnapshots, 2)
	setDefault(&o.MaxLine, maxLine)
	setDefault(&o.MaxSnapshot, maxSnapshot)
	setDuration(&o.Heartbeat, heartbeat)
	setDuration(&o.WriteTimeout, 30*time.Second)
	if min(o.MaxStreams, o.MaxSnapshots, o.MaxLine, o.MaxSnapshot) < 0 || min(o.Heartbeat, o.WriteTimeout) < 0 {
		return o, errors.New("replicationhttp: a bound is negative")
	}

	return o, nil
}

const (
	maxLine     = 16 << 20
	maxSnapshot = 1 << 30
	heartbeat   = 5 * time.Second
	chunk       = 64 << 10 // bytes of a snapshot written under one deadline
)

func setDefault(p *int, value int) {
	if *p == 0 {
		*p = value
	}
}

func setDuration(p *time.Duration, value time.Duration) {
	if *p == 0 {
		*p = value
	}
}

// Names of headers. The end and its reason are trailers of streams.
const (
	headerQueue       = "Tqgen-Queue"
	headerIncarnation = "Tqgen-Incarnation"
	headerEnd         = "Tqgen-End"
	headerReason      = "Tqgen-Reason"
	headerStream      = "Tqgen-Stream"
)

// Handler serves the events and the state of one queue, at events and snapshot
// below where it is mounted with http.StripPrefix, and takes acknowledgements of
// events at acknowledge, if it is synchronous. It is safe for concurrent
// use. A server's WriteTimeout does not apply to it; its ReadHeaderTimeout and
// IdleTimeout do, and should be set.
type Handler struct {
	feed      replication.Feed
	o         HandlerOptions
	streams   chan struct{} // one for each that is served
	snapshots chan struct{}
	gate      *replication.Gate // nil unless it is synchronous
	gated     sync.Map          // of id, the *replication.Gated of each follower that acknowledges
}

// NewHandler serves feed. The error says which option is out of range, or is the
// feed's if it cannot be synchronous.
func NewHandler(feed replication.Feed, o HandlerOptions) (*Handler, error) {
	o, err := o.orDefaults()
	if err != nil {
		return nil, err
	}

	h := &Handler{
		feed: replication.Kept(feed), o: o,
		streams: make(chan struct{}, o.MaxStreams), snapshots: make(chan struct{}, o.MaxSnapshots),
	}
	if o.Synchronous != nil {
		h.gate, err = replication.NewGate(feed, *o.Synchronous)
	}

	return h, err
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serve, busy, method := h.events, h.streams, http.MethodGet
	switch r.URL.Path {
	case "/events", "events":
	case "/snapshot", "snapshot":
		serve, busy = h.snapshot, h.snapshots
	case "/acknowledge", "acknowledge":
		serve, busy, method = h.acknowledge, nil, http.MethodPost
	default:
		refuse(w, http.StatusNotFound, "", "want events, snapshot or acknowledge")
		return
	}
	if r.Method != method {
		w.Header().Set("Allow", method)
		refuse(w, http.StatusMethodNotAllowed, "", "want "+method)
		return
	}
	if h.o.Authorize != nil && h.o.Authorize(r) != nil {
		refuse(w, http.StatusForbidden, "", "forbidden")
		return
	}
	if busy != nil { // an acknowledgement takes no time
		select {
		case busy <- struct{}{}:
			defer func() { <-busy }()
		default:
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusServiceUnavailable, "", "as many are served as may be")
			return
		}
	}
	queue, life := h.feed.Queue()
	w.Header().Set(headerQueue, url.PathEscape(queue))
	w.Header().Set(headerIncarnation, life.String())
	w.Header().Set("Cache-Control", "no-store")
	serve(w, r)
}

// refuse answers an error as the wire has errors.
func refuse(w http.ResponseWriter, status int, code, message string) {
	if code == "" {
		code = tq.CodeFailed
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write((&tq.TaskError{Message: message, Code: code}).AppendJSON(nil)) // the reader has gone
}

// refuseFor answers what the feed says.
func refuseFor(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, tq.ErrGap):
		status = http.StatusGone
	case errors.Is(err, tq.ErrForeign), errors.Is(err, tq.ErrDeposed):
		status = http.StatusConflict
	case errors.Is(err, tq.ErrClosed):
		status = http.StatusServiceUnavailable
	}
	refuse(w, status, tq.ErrorCode(err), err.Error())
}

// events serves a stream.
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	after, err := position(r.URL.Query())
	if acknowledges := r.URL.Query().Has("acknowledge"); err == nil && acknowledges {
		err = h.gate.MayJoin(after)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "", err.Error())
		return
	}
	lines, err := replication.Open(h.feed, after)
	if err != nil {
		refuseFor(w, err)
		return
	}
	defer func() { _ = lines.Close() }() // nothing it says helps anybody
	if r.URL.Query().Has("acknowledge") {
		gated, err := h.gate.Join(lines, after.Sequence)
		if err != nil {
			refuseFor(w, err)
			return
		}
		defer h.gate.Leave(gated)
		id := rand.Text()
		h.gated.Store(id, gated)
		defer h.gated.Delete(id)
		w.Header().Set(headerStream, id)
		lines = gated
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Connection", "close") // a connection whose stream was cut off serves no more
	w.Header().Set("Trailer", headerEnd+", "+headerReason)
	out := writer{w, http.NewResponseController(w), h.o.WriteTimeout}
	if err := out.write(nil); err != nil {
		return
	}
	err = replication.Send(r.Context(), lines, h.o.Heartbeat, h.o.MaxLine, out.write)
	w.Header().Set(headerEnd, tq.ErrorCode(err))
	w.Header().Set(headerReason, url.PathEscape(clip(err.Error())))
	_ = out.renew() // for the trailer
}

// clip shortens a reason to what a header takes.
func clip(reason string) string { return reason[:min(len(reason), 1<<10)] }

// position reads where a stream begins.
func position(q url.Values) (at tq.Position, err error) {
	if text := q.Get("after"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return at, fmt.Errorf("after=%q is no sequence", text)
		}
		at.Sequence = tq.Sequence(n)
	}
	if text := q.Get("incarnation"); text != "" {
		if at.Incarnation, err = tq.ParseIncarnation(text); err != nil {
			return at, err
		}
	}

	return at, nil
}

// snapshot serves the state.
func (h *Handler) snapshot(w http.ResponseWriter, _ *http.Request) {
	doc, err := h.feed.AppendSnapshot(nil)
	if err == nil && len(doc) > h.o.MaxSnapshot {
		err = fmt.Errorf("%w: the snapshot has %d bytes, at most %d are sent: raise MaxSnapshot of the handler",
			replication.ErrTooLarge, len(doc), h.o.MaxSnapshot)
	}
	if err != nil {
		refuseFor(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(doc)))
	w.Header().Set("Connection", "close")
	out := writer{w, http.NewResponseController(w), h.o.WriteTimeout}
	for len(doc) > 0 {
		n := min(chunk, len(doc))
		if out.write(doc[:n]) != nil {
			return
		}
		doc = doc[n:]
	}
}

// writer writes to a reader who has so long to accept it.
type writer struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
}

func (o *writer) renew() error { return o.control.SetWriteDeadline(time.Now().Add(o.timeout)) }

// write leaves no deadline behind: over HTTP/2 one that passes ends the stream,
// be there anything to write or not.
func (o *writer) write(b []byte) error {
	if err := o.renew(); err != nil {
		return err
	}
	if len(b) > 0 {
		if _, err := o.w.Write(b); err != nil {
			return err
		}
	}
	if err := o.control.Flush(); err != nil {
		return err
	}

	return o.control.SetWriteDeadline(time.Time{})
}
