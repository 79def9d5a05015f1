package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
)

// What a state keeps at most.
const (
	keptQueues  = 10_000 // and monitors
	keptPoints  = 32     // depths of a queue
	keptLetters = 1000   // dead letters
	keptEntries = 500    // of the journal
	keptError   = 16_384 // bytes of a dead letter's error
)

// state is what the stream has said so far.
type state struct {
	queues   map[string]queueState
	signals  map[signalKey]signalState
	replicas map[string][]diagnostics.Replication // sources and sinks, by queue
	latest   map[peerKey]diagnostics.Replicated   // event
	letters  []diagnostics.DeadLetter             // the newest last
	journal  []entry                              // the newest last

	events   uint64 // that came
	missed   uint64 // by gaps
	spared   uint64 // events of replication that the host did not publish, by its rate
	restarts uint64 // of the host: what was between is not known
	lastID   string
	skew     time.Duration // of the host's clock, against ours
}

type queueState struct {
	diagnostics.QueueStats
	depths []int // pending of late
}

// signalKey is a monitor. A queue may have several.
type signalKey struct {
	queue, shard string
	high, low    int
}

func keyOf(s backpressure.Signal) signalKey { return signalKey{s.Queue, s.Shard, s.High, s.Low} }

type signalState struct {
	backpressure.Signal
	since   time.Time // of this state
	atLeast bool      // it was there already when it was first heard of
}

// peerKey is a peer of a source or sink.
type peerKey struct{ queue, role, stream, peer string }

// entry is something that happened.
type entry struct {
	at   time.Time
	text string
	bad  bool
}

func newState() *state {
	return &state{
		queues: map[string]queueState{}, signals: map[signalKey]signalState{},
		replicas: map[string][]diagnostics.Replication{}, latest: map[peerKey]diagnostics.Replicated{},
	}
}

// clone is a state that stays as it is.
func (s *state) clone() *state {
	c := *s
	c.queues, c.signals = maps.Clone(s.queues), maps.Clone(s.signals)
	c.replicas, c.latest = maps.Clone(s.replicas), maps.Clone(s.latest)
	c.letters, c.journal = slices.Clone(s.letters), slices.Clone(s.journal)

	return &c
}

// apply takes in an event that came at a time.
func (s *state) apply(e event, now time.Time) {
	if !e.snapshot {
		s.events++
	}
	if e.id != "" {
		s.lastID = e.id
	}
	switch v := e.value.(type) {
	case diagnostics.Snapshot:
		if !v.ObservedAt.IsZero() {
			s.skew = v.ObservedAt.Sub(now)
		}
		s.letters = nil
		clear(s.replicas)
		maps.DeleteFunc(s.signals, func(k signalKey, _ signalState) bool {
			return !slices.ContainsFunc(v.Backpressure, func(b backpressure.Signal) bool { return keyOf(b) == k })
		})
		maps.DeleteFunc(s.queues, func(name string, _ queueState) bool {
			return !slices.ContainsFunc(v.Queues, func(q diagnostics.QueueStats) bool { return q.Queue == name })
		})
	case diagnostics.QueueStats:
		if before, known := s.queues[v.Queue]; known || len(s.queues) < keptQueues {
			depths := append(slices.Clone(before.depths), v.Pending)
			s.queues[v.Queue] = queueState{v, depths[max(0, len(depths)-keptPoints):]}
		}
		s.replicate(v.Queue, v.Replication)
	case diagnostics.Replicas:
		s.replicate(v.Queue, v.Replication)
	case diagnostics.Replicated:
		key := peerKey{v.Queue, v.Role, v.Stream, v.Peer}
		if _, known := s.latest[key]; known || len(s.latest) < keptQueues {
			s.latest[key] = v
		}
	case backpressure.Signal:
		s.signal(v, e.snapshot)
	case diagnostics.DeadLetter:
		v.Error = head(v.Error, keptError)
		s.letters = append(s.letters, v)
		s.letters = s.letters[max(0, len(s.letters)-keptLetters):]
	case diagnostics.Gap:
		s.gap(v, now)
	case diagnostics.Bye:
		s.note(now, true, "the host says bye: "+v.Reason)
	}
}

func (s *state) signal(v backpressure.Signal, snapshot bool) {
	before, known := s.signals[keyOf(v)]
	if !known && len(s.signals) >= keptQueues {
		return
	}
	after := signalState{v, v.ObservedAt, snapshot}
	if known && before.Active == v.Active && before.Generation == v.Generation {
		after.since, after.atLeast = before.since, before.atLeast
	}
	s.signals[keyOf(v)] = after
	if before.Active == v.Active && (known || snapshot || !v.Active) || !known && snapshot {
		return
	}
	what := "is no longer"
	if v.Active {
		what = "is"
	}
	s.note(v.ObservedAt, v.Active, fmt.Sprintf("%s %s under backpressure, at %s", nameOf(v), what, count(v.Pending)))
}

// nameOf is the queue of a signal, and its shard.
func nameOf(v backpressure.Signal) string {
	if v.Shard == "" {
		return v.Queue
	}

	return v.Queue + "/" + v.Shard
}

// replicate notes the sources and sinks of a queue.
func (s *state) replicate(queue string, all []diagnostics.Replication) {
	_, known := s.replicas[queue]
	if nameless := s.replicas[""]; queue != "" && len(nameless) > 0 {
		// A sink knows its queue from its first event on.
		s.replicas[""] = slices.DeleteFunc(slices.Clone(nameless), func(r diagnostics.Replication) bool {
			return slices.ContainsFunc(all, func(o diagnostics.Replication) bool { return o.Role == r.Role && o.Stream == r.Stream })
		})
	}
	switch {
	case len(all) == 0:
		delete(s.replicas, queue)
	case known || len(s.replicas) < keptQueues:
		s.replicas[queue] = all
	}
}

func (s *state) gap(g diagnostics.Gap, now time.Time) {
	switch g.Reason {
	case "rate":
		if g.Role == diagnostics.RoleDeadLetters {
			s.note(now, true, fmt.Sprintf("%s: %s gone before they could be told", g.Queue, plural(g.Dropped, "dead letter")))
			return
		}
		s.spared += g.Dropped

		return
	case "unknown":
		s.restarts++
		s.note(now, true, "the host is another one than before: what was between is not known")

		return
	}
	s.missed += g.Dropped
	s.note(now, true, fmt.Sprintf("%s missed, %d to %d: %s", plural(g.Dropped, "event"), g.From, g.To, g.Reason))
}

func (s *state) note(at time.Time, bad bool, text string) {
	s.journal = append(s.journal, entry{at, text, bad})
	s.journal = s.journal[max(0, len(s.journal)-keptEntries):]
}

// active says whether a monitor that is known says so.
func (s *state) active() bool {
	for _, signal := range s.signals {
		if signal.Active {
			return true
		}
	}

	return false
}

// under says whether a queue is under backpressure.
func (s *state) under(queue string) bool {
	for key, signal := range s.signals {
		if key.queue == queue && signal.Active {
			return true
		}
	}

	return false
}

// lost says what did not come; "" if all did.
func (s *state) lost() string {
	switch {
	case s.missed > 0 && s.restarts > 0:
		return plural(s.missed, "event") + " missed; " + plural(s.restarts, "restart") + " of the host"
	case s.missed > 0:
		return plural(s.missed, "event") + " missed"
	case s.restarts > 0:
		return plural(s.restarts, "restart") + " of the host, unknown what was between"
	default:
		return ""
	}
}
