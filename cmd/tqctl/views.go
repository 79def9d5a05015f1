package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tqgen/tqgen/runtime/diagnostics"
)

// pair is a line of the details.
type pair struct{ name, value string }

// show is a topic as a table.
func (t topic) show(s *state, now time.Time) table {
	switch t {
	case topicBackpressure:
		return showSignals(s, now)
	case topicQueues:
		return showQueues(s)
	case topicReplication:
		return showReplication(s)
	default:
		return showLetters(s)
	}
}

// details are all there is to say about a row.
func (t topic) details(s *state, key string) []pair {
	switch t {
	case topicBackpressure:
		for _, k := range sortedSignals(s) {
			if k.String() == key {
				return signalDetails(s, k)
			}
		}
	case topicReplication:
		for _, p := range sortedPeers(s) {
			if p.key() == key {
				return p.details(s)
			}
		}
	case topicQueues:
		if q, ok := s.queues[key]; ok {
			return queueDetails(s, q.QueueStats)
		}
	case topicDeadLetters:
		for _, l := range s.letters {
			if letterKey(l) == key {
				return letterDetails(l)
			}
		}
	}

	return nil
}

func (k signalKey) String() string {
	return fmt.Sprintf("%q %q %d %d", k.queue, k.shard, k.high, k.low)
}

func sortedSignals(s *state) []signalKey {
	return slices.SortedFunc(maps.Keys(s.signals), func(a, b signalKey) int {
		return cmp.Or(cmp.Compare(a.queue, b.queue), cmp.Compare(a.shard, b.shard), cmp.Compare(a.high, b.high),
			cmp.Compare(a.low, b.low))
	})
}

func showSignals(s *state, now time.Time) table {
	t := table{
		columns: []column{
			{title: "QUEUE"}, {title: "SHARD", rank: 3}, {title: "BACKPRESSURE"}, {title: "PENDING THEN", right: true, rank: 6},
			{title: "HIGH", right: true, rank: 4}, {title: "LOW", right: true, rank: 5}, {title: "FOR", right: true, rank: 2},
			{title: "CHANGES", right: true, rank: 1},
		},
		none: "No monitor is attached to the host (Host.AttachMonitor), or none of these queues.",
	}
	for _, k := range sortedSignals(s) {
		v := s.signals[k]
		state := cell{"no", good}
		if v.Active {
			state = cell{"ACTIVE", bad}
		}
		age := now.Add(s.skew).Sub(v.since)
		lasts := seconds(age.Seconds())
		switch {
		case v.since.IsZero(), v.atLeast && age < time.Second:
			lasts = "" // not known
		case v.atLeast:
			lasts = "≥ " + lasts
		}
		t.rows = append(t.rows, row{k.String(), []cell{
			{text: clean(k.queue)}, {text: clean(k.shard)}, state, {text: count(v.Pending)}, {text: count(v.High)},
			{text: count(v.Low)}, {text: lasts}, {text: count(v.Generation)},
		}})
	}

	return t
}

func signalDetails(s *state, k signalKey) []pair {
	v := s.signals[k]

	return []pair{
		{"queue", v.Queue}, {"shard", v.Shard}, {"backpressure", yes(v.Active)},
		{"since", date(v.since)}, {"told", date(v.ObservedAt)}, {"pending then", count(v.Pending)}, {"high watermark", count(v.High)},
		{"low watermark", count(v.Low)}, {"changes", count(v.Generation)},
	}
}

func sortedQueues(s *state) []string { return slices.Sorted(maps.Keys(s.queues)) }

func showQueues(s *state) table {
	t := table{
		columns: []column{
			{title: "QUEUE"}, {title: "STATE", rank: 1}, {title: "PENDING", right: true}, {title: "OF", right: true, rank: 8},
			{title: "ACTIVE", right: true, rank: 2}, {title: "IN/S", right: true, rank: 4},
			{title: "DONE/S", right: true, rank: 3}, {title: "FAILED/S", right: true, rank: 5},
			{title: "OLDEST", right: true, rank: 1}, {title: "WAIT P50", right: true, rank: 10},
			{title: "P99", right: true, rank: 7}, {title: "EXPIRED", right: true, rank: 9},
			{title: "DEAD", right: true, rank: 6}, {title: "PENDING OF LATE", rank: 11},
		},
		none: "No queue is attached to the host (Host.AttachQueue), or none of these.",
	}
	for _, name := range sortedQueues(s) {
		q := s.queues[name]
		pending := cell{text: count(q.Pending)}
		if s.under(name) {
			pending.style = bad
		}
		state := cell{} // and no column, if all queues just work
		switch {
		case q.State != "" && q.State != "open": // "" is of an older host
			state = cell{clean(strings.ToUpper(q.State)), strong}
		case q.Paused:
			state = cell{"PAUSED", bad}
		}
		dead := cell{text: count(q.Dead)}
		if q.Dead > 0 {
			dead.style = strong
		}
		t.rows = append(t.rows, row{name, []cell{
			{text: clean(name)}, state, pending, {text: count(q.Capacity)}, {text: count(q.Active)}, {text: rate(q.PerSec.Enqueued)},
			{text: rate(q.PerSec.Completed)}, {text: rate(q.PerSec.Failed)}, {text: seconds(q.OldestAgeSeconds)},
			{text: seconds(q.WaitP50Seconds)}, {text: seconds(q.WaitP99Seconds)}, {text: count(q.Total.Expired)}, dead,
			{text: sparkline(q.depths)},
		}})
	}

	return t
}

func queueDetails(s *state, q diagnostics.QueueStats) []pair {
	outcome := func(total uint64, perSecond float64) string {
		return fmt.Sprintf("%s, %s/s", count(total), rate(perSecond))
	}
	bounds := [...]string{"1", "2", "3", "4–5", "6–10", "11–25", "more"}
	attempts := ""
	for i, n := range q.Attempts {
		attempts += fmt.Sprintf("%s: %s   ", bounds[i], count(n))
	}
	if q.AttemptsLost > 0 {
		attempts += "not counted: " + count(q.AttemptsLost)
	}

	return []pair{
		{"queue", q.Queue}, {"at", date(q.ObservedAt)}, {"state", clean(q.State)}, {"paused", yes(q.Paused)},
		{"pending", fmt.Sprintf("%s of %s, %s of them delayed", count(q.Pending), count(q.Capacity), count(q.Delayed))},
		{"active", count(q.Active)}, {"dead", count(q.Dead)},
		{"backpressure", fmt.Sprintf("%s, from %s to %s", yes(s.under(q.Queue)), count(q.High), count(q.Low))},
		{"oldest", seconds(q.OldestAgeSeconds)},
		{"wait", fmt.Sprintf("p50 %s, p99 %s", seconds(q.WaitP50Seconds), seconds(q.WaitP99Seconds))},
		{"waiting", plural(q.WaitingProducers, "producer") + ", " + plural(q.WaitingConsumers, "consumer")},
		{"enqueued", outcome(q.Total.Enqueued, q.PerSec.Enqueued)}, {"leased", outcome(q.Total.Leased, q.PerSec.Leased)},
		{"completed", outcome(q.Total.Completed, q.PerSec.Completed)}, {"failed", outcome(q.Total.Failed, q.PerSec.Failed)},
		{"requeued", outcome(q.Total.Requeued, q.PerSec.Requeued)}, {"expired", outcome(q.Total.Expired, q.PerSec.Expired)},
		{"dead-lettered", outcome(q.Total.DeadLettered, q.PerSec.DeadLettered)},
		{"rejected", outcome(q.Total.Rejected, q.PerSec.Rejected)}, {"attempts", attempts},
		{"readers", fmt.Sprintf("%s, the slowest %s behind", count(q.Readers), plural(q.Lag, "event"))},
	}
}

// peer is a peer of a source or sink, or one that has none yet.
type peer struct {
	diagnostics.ReplicationPeer
	of diagnostics.Replication
}

func (p *peer) key() string {
	return fmt.Sprintf("%q %s %q %q %q", p.of.Queue, p.of.Role, p.of.Stream, p.of.Shard, p.Peer)
}

// by is what replicates.
func (p *peer) by() string {
	text := p.of.Role
	for _, part := range []string{p.of.Stream, p.of.Shard} {
		if part != "" {
			text += " " + part
		}
	}

	return text
}

// latest is the kind of the last event of the peer that came, and its number.
func (p *peer) latest(s *state) string {
	e, ok := s.latest[peerKey{p.of.Queue, p.of.Role, p.of.Stream, p.Peer}]
	if !ok {
		return ""
	}

	return e.Kind + " " + count(e.Sequence)
}

func sortedPeers(s *state) []peer {
	var all []peer
	for _, queue := range slices.Sorted(maps.Keys(s.replicas)) {
		for _, r := range s.replicas[queue] {
			for _, p := range r.Peers {
				all = append(all, peer{p, r})
			}
			if len(r.Peers) == 0 {
				all = append(all, peer{diagnostics.ReplicationPeer{Position: r.Position}, r})
			}
		}
	}

	return all
}

func showReplication(s *state) table {
	t := table{
		columns: []column{
			{title: "QUEUE"}, {title: "BY", rank: 1}, {title: "PEER"}, {title: "POSITION", right: true, rank: 5},
			{title: "BEHIND", right: true}, {title: "LAG", right: true, rank: 2},
			{title: "TO CHECKPOINT", right: true, rank: 6}, {title: "EVENTS", right: true, rank: 7},
			{title: "PASSED OVER", right: true, rank: 8}, {title: "GAPS", right: true, rank: 4}, {title: "LATEST", rank: 9},
		},
		none: "No source and no sink is attached to the host (Host.AttachSource, Host.AttachSink), or none of these queues.",
	}
	for _, p := range sortedPeers(s) {
		checkpoint, duplicates, gaps := "", "", ""
		if p.of.Role == diagnostics.RoleSink {
			checkpoint, duplicates, gaps = count(p.Distance), count(p.Duplicates), count(p.Gaps)
		}
		behind := cell{text: count(p.of.Behind)}
		if p.of.Behind > 0 {
			behind.style = strong
		}
		t.rows = append(t.rows, row{p.key(), []cell{
			{text: cmp.Or(clean(p.of.Queue), "not known yet")}, {text: clean(p.by())}, {text: clean(p.Peer)}, {text: count(p.Position)}, behind,
			{text: seconds(p.LagSeconds)}, {text: checkpoint}, {text: count(p.Events)}, {text: duplicates}, {text: gaps},
			{text: clean(p.latest(s))},
		}})
	}

	return t
}

func (p *peer) details(s *state) []pair {
	r := p.of
	pairs := []pair{
		{"queue", r.Queue}, {"role", r.Role}, {"stream", r.Stream}, {"shard", r.Shard}, {"incarnation", r.Incarnation},
		{"position", fmt.Sprintf("%s of %s known, %s behind", count(r.Position), count(r.Known), count(r.Behind))},
		{"checkpoint", plural(r.Distance, "event") + " since"}, {"rate", rate(r.PerSec) + " events/s"},
		{"peer", p.Peer}, {"its position", count(p.Position)}, {"its lag", seconds(p.LagSeconds)},
		{"its events", fmt.Sprintf("%s, %s passed over, %s", count(p.Events), count(p.Duplicates), plural(p.Gaps, "gap"))},
		{"unsaved", plural(p.Distance, "event")},
	}
	e, ok := s.latest[peerKey{r.Queue, r.Role, r.Stream, p.Peer}]
	if !ok {
		return pairs
	}

	return append(pairs,
		pair{"latest", fmt.Sprintf("%s %s of task %s, attempt %s", e.Kind, count(e.Sequence), e.Task, count(e.Attempt))},
		pair{"occurred", date(e.OccurredAt)},
		pair{"place", fmt.Sprintf("%s above the one before, %s known behind it", count(e.SequenceDelta), count(e.Behind))},
	)
}

func letterKey(l diagnostics.DeadLetter) string { return fmt.Sprintf("%q %d", l.Queue, l.Number) }

func showLetters(s *state) table {
	t := table{
		columns: []column{
			{title: "NUMBER", right: true, rank: 2}, {title: "QUEUE"}, {title: "TASK", rank: 4},
			{title: "ATTEMPTS", right: true, rank: 1}, {title: "ENQUEUED", rank: 3}, {title: "OWNER", rank: 5},
			{title: "ERROR"},
		},
		none: "No dead letters.",
	}
	for _, l := range slices.Backward(s.letters) {
		t.rows = append(t.rows, row{letterKey(l), []cell{
			{text: count(l.Number)}, {text: clean(l.Queue)}, {text: clean(l.Task)}, {text: count(l.Attempts)},
			{text: clock(l.EnqueuedAt)}, {text: clean(l.Owner)}, {text: clean(head(l.Error, 400))},
		}})
	}

	return t
}

func letterDetails(l diagnostics.DeadLetter) []pair {
	return []pair{
		{"queue", l.Queue}, {"number", count(l.Number)}, {"task", l.Task}, {"attempts", count(l.Attempts)},
		{"enqueued", date(l.EnqueuedAt)}, {"owner", l.Owner}, {"code", l.Code}, {"error", l.Error},
	}
}
