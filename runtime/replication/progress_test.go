package replication

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

// script is a random stream and what became of it: the obviously right account
// of which events were applied, beside the progress that is tested.
type script struct {
	rand    *rand.Rand
	events  []Header
	applied map[tq.Sequence]bool
	running map[tq.Sequence]bool
	feed    int // index of the event that comes next in this run
	p       progress
	saved   Checkpoint
	was     map[tq.Sequence]bool // applied when it was saved
}

func newScript(seed uint64) *script {
	s := &script{
		rand: rand.New(rand.NewPCG(seed, 1)), applied: map[tq.Sequence]bool{}, running: map[tq.Sequence]bool{},
		was: map[tq.Sequence]bool{},
	}
	peers := 1 + s.rand.IntN(4)
	for i := range 60 {
		s.events = append(s.events, Header{
			Sequence: tq.Sequence(i + 1), Incarnation: source, OwnerPeer: fmt.Sprint(s.rand.IntN(peers)),
			More: i < 59 && s.rand.IntN(3) == 0,
		})
	}
	s.p.restore(&Checkpoint{})

	return s
}

// step does one thing at random, and says what is wrong.
func (s *script) step() error {
	switch n := s.rand.IntN(20); {
	case n < 9:
		return s.take()
	case n < 16:
		return s.finish()
	case n < 17:
		return s.save()
	case n < 18: // the run ends: an event failed for good
		s.p.end()
		s.begin()
	case n < 19: // a crash
		s.p = progress{}
		s.p.restore(&s.saved)
		s.applied = copied(s.was)
		s.begin()
	default: // the stream is broken off and begins anew at or before what is missing
		s.feed = s.rand.IntN(int(s.p.done) + 1)
	}

	return nil
}

func copied(m map[tq.Sequence]bool) map[tq.Sequence]bool {
	c := map[tq.Sequence]bool{}
	for s := range m {
		c[s] = true
	}

	return c
}

// begin begins a run, at or before the first event that is missing.
func (s *script) begin() {
	clear(s.running)
	s.feed = s.rand.IntN(int(s.p.done) + 1)
}

func (s *script) take() error {
	if s.feed == len(s.events) {
		return nil
	}
	h := &s.events[s.feed]
	if follows := s.p.follows(h, h.OwnerPeer); follows && (s.applied[h.Sequence] || len(s.running) > 0) {
		return fmt.Errorf("event %d is to be applied at once, applied is %v, running are %v",
			h.Sequence, s.applied[h.Sequence], s.running)
	} else if follows && s.rand.IntN(2) == 0 { // as a sink that applies one after another
		s.feed++
		s.p.settle(h, h.OwnerPeer)
		s.applied[h.Sequence] = true

		return s.reached()
	}
	v, err := s.p.take(h, h.OwnerPeer)
	if err != nil {
		return err
	}
	s.feed++
	if known := s.applied[h.Sequence] || s.running[h.Sequence]; (v == skipIt) != known {
		return fmt.Errorf("event %d: skipped is %v, applied is %v", h.Sequence, v == skipIt, known)
	}
	if v == applyIt {
		s.running[h.Sequence] = true
	}

	return nil
}

// finish applies one of the events under way.
func (s *script) finish() error {
	if len(s.running) == 0 {
		return nil
	}
	n := s.rand.IntN(len(s.running))
	for _, h := range s.events {
		if !s.running[h.Sequence] {
			continue
		}
		if n == 0 {
			delete(s.running, h.Sequence)
			s.applied[h.Sequence] = true
			s.p.finish(h.Sequence)

			break
		}
		n--
	}

	return s.reached()
}

// reached says whether the global position has nothing below it that was not
// applied.
func (s *script) reached() error {
	for q := tq.Sequence(1); q <= s.p.at.Sequence; q++ {
		if !s.applied[q] {
			return fmt.Errorf("the global position is %d, and %d was not applied", s.p.at.Sequence, q)
		}
	}

	return nil
}

// save makes a checkpoint, by way of its wire form, and compares what it says.
func (s *script) save() error {
	c := s.p.checkpoint("s", time.Time{}.AddDate(2026, 1, 1), s.saved.Revision+1)
	if c.Position < s.saved.Position {
		return fmt.Errorf("from %d back to %d", s.saved.Position, c.Position)
	}
	if c.Position > 0 && s.events[c.Position-1].More {
		return fmt.Errorf("the checkpoint is at %d, within an operation", c.Position)
	}
	text, err := c.AppendJSON(nil)
	if err != nil {
		return err
	}
	var back Checkpoint
	if err := back.UnmarshalJSON(text); err != nil {
		return err
	}
	for _, h := range s.events {
		says := h.Sequence <= back.Position || h.Sequence <= back.Peers[h.OwnerPeer]
		for _, q := range back.Applied {
			says = says || q == h.Sequence
		}
		if says != s.applied[h.Sequence] {
			return fmt.Errorf("the checkpoint %s says %v of event %d of peer %s, which is wrong",
				text, says, h.Sequence, h.OwnerPeer)
		}
	}
	s.saved, s.was = back, copied(s.applied)

	return nil
}

// TestExactlyTheApplied is invariant 21: whatever the interleaving of peers,
// failures, restarts and crashes, an event is skipped if, and only if, it was
// applied, and checkpoints say so exactly. Theirs is the last whole operation.
func TestExactlyTheApplied(t *testing.T) {
	t.Parallel()
	seeds := uint64(2000)
	if testing.Short() {
		seeds = 200
	}
	for seed := range seeds {
		s := newScript(seed)
		for i := range 300 {
			if err := s.step(); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, i, err)
			}
		}
	}
}

// TestIncarnations is invariant 20: a checkpoint of an earlier incarnation
// skips nothing of a new one, and what was passed stays passed.
func TestIncarnations(t *testing.T) {
	t.Parallel()
	var p progress
	p.restore(&Checkpoint{Incarnation: 1, Position: 41, Peers: map[string]tq.Sequence{"a": 44}, Applied: []tq.Sequence{46}})
	of := func(i tq.Incarnation, s tq.Sequence) *Header { return &Header{Incarnation: i, Sequence: s} }
	steps := []struct {
		h    *Header
		want verdict
		gap  bool
	}{
		{of(2, 42), 0, true}, // not the first of its incarnation: a snapshot is needed
		{of(2, 1), applyIt, false},
		{of(2, 2), applyIt, false},
		{of(1, 41), skipIt, false}, // was passed in the life before
		{of(1, 44), 0, true},       // was not, as far as the global position tells
		{of(3, 1), settleFirst, false},
		{of(2, 4), 0, true},
	}
	for i, s := range steps {
		v, err := p.take(s.h, "a")
		if gap := errors.Is(err, tq.ErrGap); gap != s.gap || !gap && v != s.want {
			t.Errorf("step %d: %v, %v, want %v and gap %v", i, v, err, s.want, s.gap)
		}
	}
	p.finish(1)
	p.finish(2)
	if v, err := p.take(of(3, 1), "a"); v != applyIt || err != nil {
		t.Errorf("the next incarnation gives %v, %v", v, err)
	}
	want := []Position{{Incarnation: 1, Sequence: 41}, {Incarnation: 2, Sequence: 2}}
	if diff := cmp.Diff(want, p.checkpoint("s", time.Time{}, 1).Earlier); diff != "" {
		t.Errorf("earlier incarnations (-want +got)\n%s", diff)
	}
}

func TestCheckpointOnTheWire(t *testing.T) {
	t.Parallel()
	full := Checkpoint{
		Stream: "dispatch/eu", Position: 41, UpdatedAt: at(0), Peers: map[string]tq.Sequence{"worker-7": 44, "a": 42},
		Incarnation: source, Revision: 3, Applied: []tq.Sequence{46, 48}, Earlier: []Position{{Incarnation: 1, Sequence: 7}, {Incarnation: 2}},
	}
	for name, c := range map[string]struct {
		checkpoint Checkpoint
		want       string
	}{
		"empty": {
			Checkpoint{Stream: "s"},
			`{"streamId":"s","globalPosition":0,"updatedAt":null,"peerPositions":{},"revision":0}`,
		},
		"full": {full, `{"streamId":"dispatch/eu","globalPosition":41,"updatedAt":"2026-11-21T12:22:19.1234567Z",` +
			`"peerPositions":{"a":42,"worker-7":44},"incarnation":"6f1c2a7e9b0d4c55","revision":3,"applied":[46,48],` +
			`"earlier":[{"incarnation":"0000000000000001","position":7},{"incarnation":"0000000000000002","position":0}]}`},
	} {
		got, err := c.checkpoint.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, string(got)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
		var back Checkpoint
		if err := back.UnmarshalJSON(got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.checkpoint, back); diff != "" {
			t.Errorf("%s comes back (-want +got)\n%s", name, diff)
		}
	}
	var c Checkpoint
	if err := c.UnmarshalJSON([]byte(`{"streamId":"s"}`)); err == nil {
		t.Error("a checkpoint without globalPosition is accepted")
	}
}
