package replication

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

func probed(seq tq.Sequence, owner string) *Header {
	return &Header{
		Sequence: seq, Queue: "q", Incarnation: 7, OwnerPeer: owner, Kind: tq.Completed, RecordedAt: time.Now(),
	}
}

// Every kind has a count of its own, unknown ones share one.
func TestKindCounts(t *testing.T) {
	t.Parallel()
	var c KindCounts
	want := map[string]uint64{"other": 2}
	for i, k := range kinds {
		want[k.String()] = uint64(i + 1)
		for range i + 1 {
			c.add(k)
		}
	}
	c.add(50)
	c.add(200)
	if diff := cmp.Diff(want, maps.Collect(c.All())); diff != "" || c.Total() != 14*15/2+2 {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// A probe tells so many peers apart, and loses no count beyond.
func TestPeersAreCapped(t *testing.T) {
	t.Parallel()
	p := NewSinkProbe("s")
	for round := range 2 {
		for i := range 100 {
			_ = p.Applied(probed(tq.Sequence(100*round+i+1), fmt.Sprint("w", i)), nil)
		}
	}
	_ = p.Applied(probed(201, ""), nil)
	_ = p.Applied(probed(203, "w1"), &GapError{})
	total, byPeer := uint64(0), map[string]uint64{}
	for _, s := range p.Stats().Peers {
		total += s.Events.Total()
		byPeer[s.Peer] = s.Events.Total()
		if s.Peer == "w1" && s.Gaps != 1 {
			t.Errorf("%d gaps", s.Gaps)
		}
	}
	if len(byPeer) != MaxPeers+1 || total != 201 || byPeer[OtherPeers] != 201-2*MaxPeers {
		t.Errorf("%d peers, %d events, %v", len(byPeer), total, byPeer)
	}
}

// A probe of what is no sink knows where that is.
func TestProbeAlone(t *testing.T) {
	t.Parallel()
	var none *SinkProbe
	if none.MovedTo(Position{}); none.Applied(probed(1, ""), tq.ErrFull) != tq.ErrFull { //nolint:errorlint // the very one
		t.Error("a probe that is none keeps the error")
	}
	p := NewSinkProbe("s")
	p.MovedTo(Position{Incarnation: 7, Sequence: 4})
	_ = p.Applied(probed(5, "a"), nil)
	_ = p.Applied(probed(6, ""), nil)
	s := p.Stats()
	peers := []PeerStats{{Peer: "a", Position: 5}, {Peer: DefaultPeer, Position: 6}}
	for i := range peers {
		peers[i].Events.add(tq.Completed)
		s.Peers[i].applied = 0
	}
	want := ProbeStats{
		Queue: "q", Stream: "s", Position: Position{Incarnation: 7, Sequence: 6}, Known: 6, Peers: peers,
	}
	if diff := cmp.Diff(want, s, cmp.AllowUnexported(PeerStats{})); diff != "" || s.Behind() != 0 {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

// An event is as old as it says: one that leaves out when it was recorded is
// not of the year 1, and one from a clock that is fast is of now.
func TestDelayIsSound(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		recorded, occurred time.Time
		want               time.Duration
	}{
		"recorded": {now.Add(-time.Second), now.Add(-time.Hour), time.Second},
		"occurred": {time.Time{}, now.Add(-time.Hour), time.Hour},
		"neither":  {},
		"fast":     {now.Add(time.Hour), now.Add(time.Hour), 0},
	} {
		h := probed(1, "w")
		h.RecordedAt, h.OccurredAt = c.recorded, c.occurred
		p := NewSinkProbe("s")
		tap := p.Tap(1)
		_ = p.Applied(h, nil)
		got, _ := tap.Take(nil)
		if d := got[0].Delay - c.want; d < 0 || d > time.Minute || p.Stats().Peers[0].Delay != got[0].Delay {
			t.Errorf("%s: a delay of %v, want %v", name, got[0].Delay, c.want)
		}
	}
}

// What has no room in a tap is counted, and the one that fills it never waits;
// others have what they have room for.
func TestTapIsBounded(t *testing.T) {
	t.Parallel()
	p := NewSinkProbe("s")
	small, large := p.Tap(2), p.Tap(100)
	for i := range 5 {
		_ = p.Applied(probed(tq.Sequence(i+1), "w"), nil)
	}
	<-small.Wake()
	got, lost := small.Take(nil)
	if len(got) != 2 || got[0].Sequence != 1 || got[1].Sequence != 2 || lost != (Lost{Events: 3, From: 3, To: 5}) {
		t.Errorf("%v, %+v", got, lost)
	}
	_ = p.Applied(probed(6, "w"), nil)
	again, lost := small.Take(got)
	if len(again) != 1 || again[0].Sequence != 6 || again[0].Peer != "w" || again[0].Kind != tq.Completed || lost != (Lost{}) {
		t.Errorf("%v, %+v", again, lost)
	}
	if err := small.Close(); err != nil || small.Close() != nil {
		t.Error(err)
	}
	_ = p.Applied(probed(7, "w"), nil)
	if got, _ := small.Take(nil); len(got) != 0 {
		t.Errorf("closed, and has %v", got)
	}
	if got, lost := large.Take(nil); len(got) != 7 || lost.Events != 0 {
		t.Errorf("%d events, %+v", len(got), lost)
	}
}

// Every event is in a tap or counted as lost, whatever the schedule.
func TestTapConcurrently(t *testing.T) {
	t.Parallel()
	p := NewSinkProbe("s")
	tap := p.Tap(64)
	const each, writers = 5000, 4
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				_ = p.Applied(probed(tq.Sequence(i+1), fmt.Sprint("w", w)), nil)
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	var seen uint64
	var buf []Passage
	take := func() {
		var lost Lost
		buf, lost = tap.Take(buf)
		seen += uint64(len(buf)) + lost.Events
	}
	for open := true; open; {
		select {
		case <-tap.Wake():
			take()
		case <-done:
			open = false
		}
	}
	take()
	if seen != each*writers {
		t.Errorf("%d events are accounted for, want %d", seen, each*writers)
	}
}

// refusing is a store that can be made to refuse.
type refusing struct {
	MemoryCheckpoints
	err error
}

func (r *refusing) Save(ctx context.Context, c Checkpoint, expected uint64) error {
	if r.err != nil {
		return r.err
	}

	return r.MemoryCheckpoints.Save(ctx, c, expected)
}

// The distance to the checkpoint is that of what was applied and not saved, by
// peer; a save that fails leaves it.
func TestCheckpointDistance(t *testing.T) {
	t.Parallel()
	store := new(refusing)
	s, err := NewSink(SinkOptions{Stream: "s", Store: store, Batch: 3, Interval: time.Hour, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	distances := func() map[string]uint64 {
		m := map[string]uint64{}
		for _, p := range s.Probe().Stats().Peers {
			m[p.Peer] = p.Unsaved
		}

		return m
	}
	wants := func(when string, a, b uint64) {
		t.Helper()
		if diff := cmp.Diff(map[string]uint64{"a": a, "b": b}, distances()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	run := func(feed func(apply func(seq tq.Sequence, owner string) error) error) error {
		return s.Run(t.Context(), func(context.Context, int) error { return nil }, func(r *SinkRun) error {
			return feed(func(seq tq.Sequence, owner string) error {
				slot, err := r.Slot()
				if err != nil {
					return err
				}

				return r.Apply(slot, probed(seq, owner))
			})
		})
	}
	err = run(func(apply func(tq.Sequence, string) error) error {
		err := errors.Join(apply(1, "a"), apply(2, "b"))
		wants("before the batch is full", 1, 1)
		err = errors.Join(err, apply(3, "a"))
		wants("saved", 0, 0)

		return errors.Join(err, apply(4, "b"), apply(5, "b"))
	})
	if wants("at the end", 0, 0); err != nil {
		t.Error(err)
	}

	store.err = errors.New("full")
	err = run(func(apply func(tq.Sequence, string) error) error { return errors.Join(apply(6, "a"), apply(7, "b")) })
	if wants("not saved", 1, 1); !errors.Is(err, store.err) {
		t.Error(err)
	}
	store.err = nil
	err = run(func(apply func(tq.Sequence, string) error) error { return apply(7, "b") })
	if wants("saved later", 0, 0); err != nil {
		t.Error(err)
	}
	for _, p := range s.Probe().Stats().Peers {
		if p.Peer == "b" && p.Duplicates != 1 {
			t.Errorf("%d events of b were passed over", p.Duplicates)
		}
	}
}
