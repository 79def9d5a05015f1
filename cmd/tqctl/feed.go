package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/diagnostics/client"
)

// feed is the stream as far as it is about one topic and the queues asked for.
type feed struct {
	host   *host
	topic  topic
	queues []string // none: all
	since  string
	once   bool // ends with the first failure

	listed map[string]uint64 // number of the last dead letter, by queue
}

// ear is told what the feed hears, by one goroutine. What returns false ends it.
type ear interface {
	connected()
	lost(err error) // the connection; it comes back
	warn(err error) // something is missing, and it goes on
	// heard is an event. A snapshot is followed by the events it stands for, and by
	// a settled.
	heard(e event) bool
	settled() bool
}

// follow ends with nil if to wants no more, with ctx's error, or with why it cannot
// go on.
func (f *feed) follow(ctx context.Context, to ear) error {
	c := f.host.client(topics[f.topic].types, f.queues)
	c.After, c.Connected = f.since, to.connected
	f.listed = map[string]uint64{}
	for e, err := range c.Events(ctx) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			if more, err := f.give(ctx, e, to); !more || err != nil {
				return err
			}
		case f.once || final(err):
			return f.host.explain(f.host.stream, err)
		default:
			to.lost(f.host.explain(f.host.stream, err))
		}
	}

	return ctx.Err()
}

// final says whether an error is worth no second attempt.
func final(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)

	return untrusted || client.Permanent(err) || errors.Is(err, errRedirected) || errors.Is(err, http.ErrSchemeMismatch)
}

// give hands one event on.
func (f *feed) give(ctx context.Context, raw client.Event, to ear) (more bool, err error) {
	e, err := understand(raw)
	if err != nil {
		e = event{id: raw.ID, kind: raw.Type, data: quote(raw.Data)}
	}
	switch v := e.value.(type) {
	case diagnostics.Snapshot:
		return f.giveSnapshot(ctx, e, v, to)
	case diagnostics.DeadLetter:
		if v.Number <= f.listed[v.Queue] {
			return true, nil // it was on the list
		}
	}
	if !f.wants(e) {
		return true, nil
	}

	return to.heard(e), nil
}

// wants says whether an event is about what is watched.
func (f *feed) wants(e event) bool {
	if len(f.queues) > 0 && e.queue != "" && !slices.Contains(f.queues, e.queue) {
		return false
	}

	return slices.Contains(topics[f.topic].types, e.kind) || slices.Contains([]string{
		diagnostics.TypeSnapshot, diagnostics.TypeGap, diagnostics.TypeBye,
	}, e.kind)
}

// giveSnapshot hands on a snapshot and what it stands for. Dead letters are not
// in it: they are asked for.
func (f *feed) giveSnapshot(ctx context.Context, e event, s diagnostics.Snapshot, to ear) (more bool, err error) {
	parts, err := unfold(f.topic, e.id, e.data)
	if err != nil {
		return false, &failure{fmt.Errorf("%s: a snapshot: %w", f.host.name(), err), ""}
	}
	if !to.heard(e) {
		return false, nil
	}
	for _, part := range parts {
		if f.wants(part) && !to.heard(part) {
			return false, nil
		}
	}
	if f.topic == topicDeadLetters {
		clear(f.listed)
		for _, q := range s.Queues {
			if len(f.queues) > 0 && !slices.Contains(f.queues, q.Queue) {
				continue
			}
			if more, err := f.list(ctx, e.id, q.Queue, to); !more || err != nil {
				return false, err
			}
		}
	}

	return to.settled(), nil
}

// pageSize is the most that a host gives at a time.
const pageSize = 1000

// list hands on the dead letters that a queue has.
func (f *feed) list(ctx context.Context, id, queue string, to ear) (more bool, err error) {
	for {
		after := f.listed[queue]
		text, err := f.host.get(ctx, "/deadletters", url.Values{
			"queue": {queue}, "after": {strconv.FormatUint(after, 10)}, "limit": {strconv.Itoa(pageSize)},
		})
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil {
			to.warn(err) // the queue may be closed; what comes, comes by the stream
			return true, nil
		}
		page, err := parse[struct{ DeadLetters []json.RawMessage }](text)
		if err != nil {
			return false, &failure{fmt.Errorf("%s: dead letters: %w", f.host.name(), err), ""}
		}
		for _, data := range page.DeadLetters {
			e, err := understand(client.Event{ID: id, Type: diagnostics.TypeDeadLetter, Data: data})
			letter, ok := e.value.(diagnostics.DeadLetter)
			if err != nil || !ok || letter.Number <= f.listed[queue] {
				return false, &failure{fmt.Errorf("%s: dead letters of %s: not as a host lists them", f.host.name(), queue), ""}
			}
			f.listed[queue] = letter.Number
			e.snapshot = true
			if !to.heard(e) {
				return false, nil
			}
		}
		if len(page.DeadLetters) < pageSize {
			return true, nil
		}
	}
}

// quote is a text as JSON.
func quote(text []byte) json.RawMessage {
	quoted, err := json.Marshal(string(text))
	if err != nil {
		return json.RawMessage(`""`)
	}

	return quoted
}

// isEnd says whether an error of follow is the end that was wanted.
func isEnd(ctx context.Context, err error) bool { return ctx.Err() != nil && errors.Is(err, ctx.Err()) }
