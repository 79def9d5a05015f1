package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/diagnostics/client"
)

// reader is how a stream is read.
type reader struct {
	// after it has read for so long, it reads nothing for stalls; 0 is never.
	after, stalls time.Duration
}

// tally holds the events of a stream to what they say of themselves: each has
// the number after the one before, or a gap has told which are missing.
type tally struct {
	stream
	node  string
	epoch string
	at    uint64
	gap   *diagnostics.Gap // told, and the snapshot after it has not come yet
	begun bool
}

// take takes the next event.
func (t *tally) take(e client.Event) {
	switch e.Type {
	case diagnostics.TypeGap:
		var gap diagnostics.Gap
		if err := json.Unmarshal(e.Data, &gap); err != nil {
			t.fault("a gap that does not read: %v", err)
		}
		if gap.Reason != "rate" { // that is an event, of what a follower applied and did not publish
			t.gap = &gap
			t.gaps++

			return
		}
	case diagnostics.TypeBye:
		return
	}
	epoch, text, _ := strings.Cut(e.ID, ".")
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.fault("an id that does not read: %q", e.ID)
		return
	}
	if e.Type == diagnostics.TypeSnapshot {
		t.snapshot(epoch, seq)
		return
	}
	t.seen++
	if epoch != t.epoch || seq != t.at+1 {
		t.fault("%s after %s.%d", e.ID, t.epoch, t.at)
	}
	t.epoch, t.at = epoch, seq
}

// snapshot is a new beginning: the first one, or after a gap that has said what
// is missing.
func (t *tally) snapshot(epoch string, seq uint64) {
	switch {
	case !t.begun:
	case t.gap == nil:
		if epoch != t.epoch || seq != t.at {
			t.fault("a snapshot of %s.%d after %s.%d, and no gap was told", epoch, seq, t.epoch, t.at)
		}
	case t.gap.Reason == "overrun":
		if epoch != t.epoch || t.gap.From != t.at+1 || t.gap.To != seq || t.gap.Dropped != seq-t.at {
			t.fault("a gap of %d to %d between %d and %d", t.gap.From, t.gap.To, t.at, seq)
		}
		t.missed += int(t.gap.Dropped)
	case epoch == t.epoch:
		t.fault("a gap of another host, and it is the same one: %s", epoch)
	}
	t.epoch, t.at, t.gap, t.begun = epoch, seq, nil, true
}

func (t *tally) fault(format string, args ...any) {
	t.unannounced = append(t.unannounced, t.node+": "+fmt.Sprintf(format, args...))
}

// follow reads a node's stream until ctx ends, and enters what it has seen.
func (x *scene) follow(ctx context.Context, name string, how reader) *tally {
	t := &tally{node: name}
	c := client.Client{
		URL:        x.s.nodes[name] + "/diagnostics/taskqueue",
		MinBackoff: 20 * time.Millisecond, MaxBackoff: 100 * time.Millisecond,
		HTTP: &http.Client{Transport: &http.Transport{DialContext: how.dial}},
	}
	for e, err := range c.Events(ctx) {
		if err != nil {
			continue // it comes back
		}
		if e.Type == diagnostics.TypeBackpressure {
			x.signal(e.Data)
		}
		t.take(e)
	}
	x.ledger.with(func(l *ledger) { l.streams = append(l.streams, t.stream) })

	return t
}

// signal notes one of backpressure.
func (x *scene) signal(data []byte) {
	var s backpressure.Signal
	if json.Unmarshal(data, &s) != nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.last = s.Active
	if s.Active {
		x.seen++
	}
}

// dial connects by a connection that is read as slowly as it is to be.
func (how reader) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil || how.stalls == 0 {
		return c, err
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(64 << 10) // else the system reads for it
	}

	return &sluggish{Conn: c, how: how, since: time.Now()}, nil
}

// sluggish is a connection that is not read from for a while.
type sluggish struct {
	net.Conn
	how   reader
	since time.Time
}

func (s *sluggish) Read(p []byte) (int, error) {
	if s.how.stalls > 0 && time.Since(s.since) > s.how.after {
		time.Sleep(s.how.stalls)
		s.how.stalls = 0
	}

	return s.Conn.Read(p)
}

// some reads a few events behind those that t has taken.
func (x *scene) some(ctx context.Context, name string, t *tally, n int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := client.Client{URL: x.s.nodes[name] + "/diagnostics/taskqueue"}
	if t.begun {
		c.After = fmt.Sprintf("%s.%d", t.epoch, t.at)
	}
	for e, err := range c.Events(ctx) {
		if err != nil {
			return err
		}
		t.take(e)
		if n--; n == 0 {
			return nil
		}
	}

	return ctx.Err()
}
