package main

import (
	"encoding/json"
	"fmt"

	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/diagnostics/client"
)

// topic is what a watch is about.
type topic int

const (
	topicBackpressure topic = iota
	topicQueues
	topicReplication
	topicDeadLetters
)

// topics are their names, and the events of the stream that they are made of.
// Snapshots, gaps and the end come besides.
var topics = [...]struct {
	name, short string
	types       []string
}{
	topicBackpressure: {"backpressure", "which queues are under backpressure, and each change of that",
		[]string{diagnostics.TypeBackpressure}},
	topicQueues: {"queues", "the figures of queues: depths, rates, waits, outcomes",
		[]string{diagnostics.TypeStats, diagnostics.TypeBackpressure}},
	topicReplication: {"replication", "sources and sinks: their events, and how far behind each peer is",
		[]string{diagnostics.TypeStats, diagnostics.TypeReplicas, diagnostics.TypeReplication}},
	topicDeadLetters: {"deadletters", "tasks that were given up, and why",
		[]string{diagnostics.TypeDeadLetter}},
}

func (t topic) String() string { return topics[t].name }

// event is one event of the stream, understood.
type event struct {
	id, kind string
	queue    string          // "" for one that is about none
	data     json.RawMessage // as it came
	value    any             // what it says; nil for a type that tqctl does not know
	snapshot bool            // it is part of one
}

// understand reads what came. Events without a type are signals: that is what
// plain streams have.
func understand(e client.Event) (event, error) {
	u := event{id: e.ID, kind: e.Type, data: e.Data}
	if u.kind == "message" {
		u.kind = diagnostics.TypeBackpressure
	}
	var err error
	switch u.kind {
	case diagnostics.TypeBackpressure:
		s, e := parse[backpressure.Signal](u.data)
		u.queue, u.value, err = s.Queue, s, e
	case diagnostics.TypeStats:
		s, e := parse[diagnostics.QueueStats](u.data)
		u.queue, u.value, err = s.Queue, s, e
	case diagnostics.TypeReplicas:
		r, e := parse[diagnostics.Replicas](u.data)
		u.queue, u.value, err = r.Queue, r, e
	case diagnostics.TypeReplication:
		r, e := parse[diagnostics.Replicated](u.data)
		u.queue, u.value, err = r.Queue, r, e
	case diagnostics.TypeDeadLetter:
		l, e := parse[diagnostics.DeadLetter](u.data)
		u.queue, u.value, err = l.Queue, l, e
	case diagnostics.TypeSnapshot:
		u.value, err = parse[diagnostics.Snapshot](u.data)
	case diagnostics.TypeGap:
		g, e := parse[diagnostics.Gap](u.data)
		u.queue, u.value, err = g.Queue, g, e
	case diagnostics.TypeBye:
		u.value, err = parse[diagnostics.Bye](u.data)
	default:
		if !json.Valid(u.data) {
			err = fmt.Errorf("no JSON")
		}
	}
	if err != nil {
		return u, fmt.Errorf("event %s %s: %w", u.id, u.kind, err)
	}

	return u, nil
}

func parse[T any](data []byte) (v T, err error) {
	err = json.Unmarshal(data, &v)
	return v, err
}

// unfold is what a snapshot says about a topic, as the events it stands for.
func unfold(t topic, id string, data json.RawMessage) ([]event, error) {
	parts, err := parse[struct{ Queues, Backpressure []json.RawMessage }](data)
	if err != nil {
		return nil, err
	}
	replicas, err := replicasAlone(data)
	if err != nil {
		return nil, err
	}
	var all []event
	add := func(kind string, parts []json.RawMessage) error {
		for _, part := range parts {
			e, err := understand(client.Event{ID: id, Type: kind, Data: part})
			if err != nil {
				return err
			}
			e.snapshot = true
			all = append(all, e)
		}

		return nil
	}
	for _, kind := range topics[t].types {
		switch kind {
		case diagnostics.TypeStats:
			err = add(kind, parts.Queues)
		case diagnostics.TypeBackpressure:
			err = add(kind, parts.Backpressure)
		case diagnostics.TypeReplicas:
			err = add(kind, replicas)
		}
		if err != nil {
			return nil, err
		}
	}

	return all, nil
}

// replicasAlone are the sources and sinks in a snapshot whose queue is not in it.
func replicasAlone(data json.RawMessage) ([]json.RawMessage, error) {
	s, err := parse[diagnostics.Snapshot](data)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, q := range s.Queues {
		seen[q.Queue] = true
	}
	var all []json.RawMessage
	for _, r := range s.Replication {
		if seen[r.Queue] {
			continue
		}
		seen[r.Queue] = true
		text, err := json.Marshal(diagnostics.Replicas{
			Queue: r.Queue, ObservedAt: s.ObservedAt, Replication: replicationOf(s, r.Queue),
		})
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}

	return all, nil
}

// replicationOf are the sources and sinks of a queue.
func replicationOf(s diagnostics.Snapshot, queue string) []diagnostics.Replication {
	var all []diagnostics.Replication
	for _, r := range s.Replication {
		if r.Queue == queue {
			all = append(all, r)
		}
	}

	return all
}
