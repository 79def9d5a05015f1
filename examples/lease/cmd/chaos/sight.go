package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tqgen/tqgen/runtime/backpressure"
	"github.com/tqgen/tqgen/runtime/diagnostics"
	"github.com/tqgen/tqgen/runtime/diagnostics/client"
)

// sight is what a client of the stream sees.
type sight struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when it sees no more

	mu          sync.Mutex
	change      chan struct{} // closed and made anew with each event; guarded by mu
	began       bool          // guarded by mu, as is the rest until done
	last        uint64        // number of the last event
	events      int
	connections int
	signals     []backpressure.Signal
	faults      []string
}

// follow follows the stream at url until end.
func follow(ctx context.Context, url string) *sight {
	ctx, cancel := context.WithCancel(ctx)
	s := &sight{cancel: cancel, done: make(chan struct{}), change: make(chan struct{})}
	c := client.Client{URL: url, MinBackoff: 400 * time.Millisecond, Connected: s.connected}
	go func() {
		defer close(s.done)
		for e, err := range c.Events(ctx) {
			if err == nil {
				s.see(e)
			} // else it comes back by itself
		}
	}()

	return s
}

func (s *sight) connected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections++
}

// see takes one event.
func (s *sight) see(e client.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.change)
	s.change = make(chan struct{})
	s.events++
	switch e.Type {
	case diagnostics.TypeSnapshot:
		if s.began {
			s.fault("a second snapshot, at %s: the stream has begun anew", e.ID)
		}
		s.began, s.last = true, s.number(e.ID)
		return
	case diagnostics.TypeGap:
		s.fault("a gap: %s", e.Data)
		return
	case diagnostics.TypeBye:
		return
	case diagnostics.TypeBackpressure:
		var signal backpressure.Signal
		if err := json.Unmarshal(e.Data, &signal); err != nil {
			s.fault("event %s: %v", e.ID, err)
			return
		}
		s.signal(signal)
	}
	if n := s.number(e.ID); n != s.last+1 {
		s.fault("event %d came after %d", n, s.last)
	} else {
		s.last = n
	}
}

// signal takes a signal. The first one that a monitor tells is the state when it
// was attached, and no transition.
func (s *sight) signal(signal backpressure.Signal) {
	if signal.Generation > 0 {
		s.signals = append(s.signals, signal)
	}
}

func (s *sight) fault(format string, a ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, a...))
}

// number is that of an event's id.
func (s *sight) number(id string) uint64 {
	_, text, _ := strings.Cut(id, ".")
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		s.fault("an event with the id %q", id)
	}

	return n
}

// wait waits until ok says so, or for no longer than is reasonable.
func (s *sight) wait(ctx context.Context, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	for {
		s.mu.Lock()
		met, change := ok(), s.change
		s.mu.Unlock()
		if met {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begun waits for the first event.
func (s *sight) begun(ctx context.Context) error {
	if err := s.wait(ctx, func() bool { return s.began }); err != nil {
		return fmt.Errorf("the client does not see the stream: %w", err)
	}

	return nil
}

// await waits for the last transition. If it does not come, check will say so.
func (s *sight) await(ctx context.Context, transitions uint64) {
	_ = s.wait(ctx, func() bool {
		return len(s.signals) > 0 && s.signals[len(s.signals)-1].Generation >= transitions
	})
}

// end waits until it sees no more; what it saw may be read then.
func (s *sight) end() {
	s.cancel()
	<-s.done
}

// check says what is wrong with what was seen of so many transitions.
func (s *sight) check(transitions uint64) []string {
	faults := s.faults
	for i, signal := range s.signals {
		want := uint64(i + 1)
		if signal.Generation != want {
			return append(faults, fmt.Sprintf("transition %d where %d comes next", signal.Generation, want))
		}
		if signal.Active != (want%2 == 1) {
			return append(faults, fmt.Sprintf("transition %d tells that backpressure is %v", want, signal.Active))
		}
	}
	if n := uint64(len(s.signals)); n < transitions {
		faults = append(faults, fmt.Sprintf("transitions %d to %d were not seen", n+1, transitions))
	}

	return faults
}
