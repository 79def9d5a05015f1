package diagnostics

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/tq"
)

const root = "/diagnostics/taskqueue"

func (h *Host) mux() http.Handler {
	m := http.NewServeMux()
	read := func(pattern string, f http.HandlerFunc) { m.Handle("GET "+pattern, h.allowed(Read, f)) }
	read(root, h.stream(events))
	read(root+"/snapshot", func(w http.ResponseWriter, _ *http.Request) { reply(w, h.snapshot()) })
	read(root+"/latest", h.latest)
	read(root+"/history", h.history)
	read(root+"/deadletters", h.deadLetters)
	read(root+"/leases", h.leases)
	for path, name := range pageFiles {
		read(path, servePage(name))
	}
	m.HandleFunc("GET /diagnostics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "diagnostics/") // relative: the prefix that was stripped is not known here
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	read("/omnirelay/control/backpressure", h.latestBackpressure)
	read("/omnirelay/control/backpressure/stream", h.stream(plainBackpressure))
	read("/omnirelay/control/lease-health", func(w http.ResponseWriter, _ *http.Request) { reply(w, h.Health()) })
	m.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]string{"status": "alive"})
	})
	m.HandleFunc("GET /readyz", h.ready)
	if h.o.Mutations {
		sameOrigin := http.NewCrossOriginProtection()
		change := func(pattern string, f http.HandlerFunc) {
			m.Handle("POST "+pattern, sameOrigin.Handler(h.allowed(Mutate, f)))
		}
		change(root+"/deadletters/redrive", h.mutate(func(ctx context.Context, q *queue, id tq.TaskID) error {
			return q.probe.Redrive(ctx, id)
		}))
		change(root+"/deadletters/purge", h.mutate(func(ctx context.Context, q *queue, id tq.TaskID) error {
			return q.probe.Purge(ctx, id)
		}))
		change(root+"/pause", h.pause(true))
		change(root+"/resume", h.pause(false))
	}

	return m
}

// allowed asks Authorize first.
func (h *Host) allowed(a Action, f http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.o.Authorize != nil {
			if err := h.o.Authorize(r, a); err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
		}
		f(w, r)
	})
}

func reply(w http.ResponseWriter, data any) { replyStatus(w, http.StatusOK, data) }

func replyStatus(w http.ResponseWriter, status int, data any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(encode(data), '\n')) // to a client that may be gone
}

// Snapshot is everything that is attached, as it is now. The stream goes on
// behind ID.
type Snapshot struct {
	ID           string                `json:"id"`
	ObservedAt   time.Time             `json:"observedAt"`
	Queues       []QueueStats          `json:"queues"`
	Backpressure []backpressure.Signal `json:"backpressure"`
	Replication  []Replication         `json:"replication"` // all sources and sinks
	Health       Health                `json:"health"`
	Mutations    bool                  `json:"mutations"` // Options.Mutations
}

// snapshot reads the position first: what happens meanwhile comes again.
func (h *Host) snapshot() Snapshot {
	s, _ := h.snapshotAt()

	return s
}

func (h *Host) snapshotAt() (Snapshot, uint64) {
	position := h.ring.position()
	now := time.Now()
	h.mu.Lock()
	queues, monitors := slices.Clone(h.queues), slices.Clone(h.monitors)
	h.mu.Unlock()
	s := Snapshot{
		ID: h.ring.id(position), ObservedAt: now, Queues: []QueueStats{}, Backpressure: []backpressure.Signal{},
		Replication: h.replication(), Health: h.Health(), Mutations: h.o.Mutations,
	}
	for _, q := range queues {
		one := q.show(now)
		one.Replication = of(q.name, s.Replication)
		s.Queues = append(s.Queues, one)
	}
	for _, m := range monitors {
		s.Backpressure = append(s.Backpressure, m.source.State())
	}

	return s, position
}

// filter says which events a request wants: all, or those of ?types= and
// ?queues=, which are lists with commas.
func filter(r *http.Request) Filter { return Filter{list(r, "types"), list(r, "queues")} }

func list(r *http.Request, key string) []string {
	if v := r.URL.Query().Get(key); v != "" {
		return strings.Split(v, ",")
	}

	return nil
}

// latest is the latest event that the filter lets through; 204 if there is none.
func (h *Host) latest(w http.ResponseWriter, r *http.Request) {
	wanted := filter(r)
	e, ok := h.ring.latest(&wanted)
	if !ok {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	reply(w, e)
}

// latestBackpressure is the latest signal alone; 204 if there is none.
func (h *Host) latestBackpressure(w http.ResponseWriter, _ *http.Request) {
	e, ok := h.ring.latest(&signals)
	if !ok {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	reply(w, e.Data)
}

var signals = Filter{Types: []string{TypeBackpressure}}

// History is a part of the events that are kept.
type History struct {
	Events []Event `json:"events"`
	// Missed is how many events behind ?after= are no longer kept, of all types; 0
	// if all of those types are that are asked for.
	Missed uint64 `json:"missed"`
	Next   string `json:"next,omitempty"` // ?after= for what follows; "" where nothing does yet
}

const defaultLimit, maxLimit = 100, 1000

// limit is ?limit=.
func limit(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || n < 1 {
		return defaultLimit
	}

	return min(n, maxLimit)
}

// history is what is kept behind ?after=, an id.
func (h *Host) history(w http.ResponseWriter, r *http.Request) {
	after := uint64(0)
	if id := r.URL.Query().Get("after"); id != "" {
		seq, ok := h.ring.parse(id)
		if !ok || seq > h.ring.position() {
			http.Error(w, "after is not an id of this host", http.StatusBadRequest)
			return
		}
		after = seq
	}
	wanted := filter(r)
	found, _, missed, _ := h.ring.after(after, limit(r), &wanted, nil)
	answer := History{Events: []Event{}, Missed: missed}
	if len(found) > 0 {
		answer.Next = found[len(found)-1].ID
	}
	for i := range found {
		if wanted.wants(&found[i]) {
			answer.Events = append(answer.Events, found[i])
		}
	}
	reply(w, answer)
}

// Lease is a lease without its payload.
type Lease struct {
	Queue      string    `json:"queue"`
	Task       string    `json:"task"`
	Owner      string    `json:"owner,omitempty"`
	Attempt    int       `json:"attempt"`
	EnqueuedAt time.Time `json:"enqueuedAt"`
	Deadline   time.Time `json:"deadline"`
}

// Leases is a page of leases, the one that runs out next first.
type Leases struct {
	ObservedAt time.Time `json:"observedAt"`
	Leases     []Lease   `json:"leases"`
	Next       string    `json:"next,omitempty"` // ?after= for what follows; "" where nothing does
}

// asked is the queue that a request names. If there is none it is answered.
func (h *Host) asked(w http.ResponseWriter, r *http.Request) *queue {
	name := r.URL.Query().Get("queue")
	q := h.queue(name)
	switch {
	case name == "":
		http.Error(w, "queue= is missing: which queue?", http.StatusBadRequest)
	case q == nil:
		http.Error(w, "no queue of this name", http.StatusNotFound)
	}

	return q
}

// leases is a page of those of ?queue= behind ?after=.
func (h *Host) leases(w http.ResponseWriter, r *http.Request) {
	q := h.asked(w, r)
	if q == nil {
		return
	}
	deadline, epoch, err := parseLeaseMark(r.URL.Query().Get("after"))
	if err != nil {
		http.Error(w, "after is not the next of a page: "+err.Error(), http.StatusBadRequest)
		return
	}
	limit := limit(r)
	refs, err := q.probe.Leases(deadline, epoch, limit)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	page := Leases{ObservedAt: time.Now(), Leases: []Lease{}}
	for _, ref := range refs {
		page.Leases = append(page.Leases, Lease{
			q.name, ref.ID.String(), ref.Owner, ref.Attempt, ref.EnqueuedAt, ref.Deadline,
		})
	}
	if len(refs) == limit {
		last := refs[limit-1]
		page.Next = fmt.Sprintf("%s_%d", last.Deadline.UTC().Format(time.RFC3339Nano), last.LastToken.Epoch)
	}
	reply(w, page)
}

// parseLeaseMark reads Leases.Next: a deadline and an epoch.
func parseLeaseMark(s string) (deadline time.Time, epoch tq.Epoch, err error) {
	if s == "" {
		return time.Time{}, 0, nil
	}
	at, number, _ := strings.Cut(s, "_")
	if deadline, err = time.Parse(time.RFC3339Nano, at); err != nil {
		return time.Time{}, 0, err
	}
	n, err := strconv.ParseUint(number, 10, 64)

	return deadline, tq.Epoch(n), err
}

// deadLetters is a page of those of ?queue= behind the number ?after=.
func (h *Host) deadLetters(w http.ResponseWriter, r *http.Request) {
	q := h.asked(w, r)
	if q == nil {
		return
	}
	after, err := strconv.ParseUint(cmp.Or(r.URL.Query().Get("after"), "0"), 10, 64)
	if err != nil {
		http.Error(w, "after is not the number of a dead letter", http.StatusBadRequest)
		return
	}
	refs, err := q.probe.DeadLetters(after, limit(r))
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	page := []DeadLetter{}
	for _, ref := range refs {
		page = append(page, letter(q.name, ref))
	}
	reply(w, map[string]any{"deadLetters": page})
}

// pause has ?queue= grant no tasks any more, or go on. What follows the stream
// learns of it at once.
func (h *Host) pause(paused bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := h.asked(w, r)
		if q == nil {
			return
		}
		q.probe.Pause(paused)
		h.publishQueue(q, time.Now())
		w.WriteHeader(http.StatusNoContent)
	}
}

// mutate does f to the dead letter ?task= of ?queue=.
func (h *Host) mutate(f func(context.Context, *queue, tq.TaskID) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := h.asked(w, r)
		if q == nil {
			return
		}
		id, err := tq.ParseTaskID(r.URL.Query().Get("task"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		err = f(r.Context(), q, id)
		switch {
		case errors.Is(err, tq.ErrUnknownTask):
			http.Error(w, err.Error(), http.StatusNotFound)
		case err != nil:
			http.Error(w, err.Error(), http.StatusConflict)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}
}
