package replication

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

// script is a client whose answers are written down: what the next request
// gives, line by line, and the error after it.
type scripted struct {
	answers []answer
	asked   []string
}

type answer struct {
	events string // numbers of events, a digit each
	doc    string // of a snapshot
	err    error
}

var errScript = errors.New("the script is over")

func (s *scripted) next(asked string) answer {
	s.asked = append(s.asked, asked)
	if len(s.answers) == 0 {
		return answer{err: errScript}
	}
	a := s.answers[0]
	s.answers = s.answers[1:]

	return a
}

func (s *scripted) Events(_ context.Context, after tq.Position, line func([]byte) error) error {
	a := s.next(fmt.Sprint("events ", after.Sequence))
	for _, c := range a.events {
		if err := line([]byte(string(c))); err != nil {
			return err
		}
	}

	return a.err
}

func (s *scripted) Snapshot(context.Context) ([]byte, error) {
	a := s.next("snapshot")

	return []byte(a.doc), a.err
}

// tally follows numbers.
type tally struct {
	at tq.Sequence
}

func (f *tally) Position() tq.Position { return tq.Position{Incarnation: 7, Sequence: f.at} }

func (f *tally) ApplyEvent(_ context.Context, line []byte) error {
	n, err := strconv.Atoi(string(line))
	if err != nil {
		return err
	}
	order := Order{f.Position()}
	if err := order.Next(&Header{Sequence: tq.Sequence(n), Incarnation: 7}); err != nil {
		return err
	}
	f.at = order.At.Sequence

	return nil
}

func (f *tally) ApplySnapshot(_ context.Context, doc []byte) error {
	n, err := strconv.Atoi(string(doc))
	f.at = tq.Sequence(n)

	return err
}

// TestFollow plays what a source may do (invariant 17: sequence = previous + 1,
// or a snapshot).
func TestFollow(t *testing.T) {
	t.Parallel()
	down := fmt.Errorf("%w: broken pipe", ErrUnavailable)
	for _, c := range []struct {
		name    string
		answers []answer
		asked   []string
		at      tq.Sequence
		pull    tq.Sequence // where Pull ends, which takes no snapshots
		err     error
		pullErr error // nil: err
	}{
		{
			name:    "it resumes",
			answers: []answer{{events: "12", err: down}, {err: down}, {events: "34", err: down}},
			asked:   []string{"events 0", "events 2", "events 2", "events 4"}, at: 4, pull: 4, err: errScript,
		},
		{
			name:    "a gap",
			answers: []answer{{events: "1", err: tq.ErrGap}, {doc: "5"}, {events: "6", err: down}},
			asked:   []string{"events 0", "snapshot", "events 5", "events 6"}, at: 6, pull: 1, err: errScript, pullErr: tq.ErrGap,
		},
		{
			name:    "a hole in the stream",
			answers: []answer{{events: "13"}, {doc: "4"}, {events: "5", err: down}},
			asked:   []string{"events 0", "snapshot", "events 4", "events 5"}, at: 5, pull: 1, err: errScript, pullErr: tq.ErrGap,
		},
		{
			name:    "another life of the queue",
			answers: []answer{{err: tq.ErrForeign}, {doc: "2"}, {events: "3", err: down}},
			asked:   []string{"events 0", "snapshot", "events 2", "events 3"}, at: 3, err: errScript, pullErr: tq.ErrForeign,
		},
		{
			name:    "a snapshot that is not to be had yet",
			answers: []answer{{err: tq.ErrGap}, {err: down}, {doc: "2"}},
			asked:   []string{"events 0", "snapshot", "snapshot", "events 2"}, at: 2, err: errScript, pullErr: tq.ErrGap,
		},
		{
			name:    "a snapshot that is none",
			answers: []answer{{err: tq.ErrGap}, {doc: "two"}},
			asked:   []string{"events 0", "snapshot"}, err: strconv.ErrSyntax, pullErr: tq.ErrGap,
		},
		{
			name:    "an event beyond a limit",
			answers: []answer{{events: "1", err: ErrTooLarge}},
			asked:   []string{"events 0"}, at: 1, pull: 1, err: ErrTooLarge,
		},
		{
			name:    "a snapshot beyond a limit",
			answers: []answer{{err: tq.ErrGap}, {err: ErrTooLarge}},
			asked:   []string{"events 0", "snapshot"}, err: ErrTooLarge, pullErr: tq.ErrGap,
		},
		{
			name:    "an event twice",
			answers: []answer{{events: "122"}},
			asked:   []string{"events 0"}, at: 2, pull: 2, err: tq.ErrDiverged,
		},
		{
			name:    "an event that is none",
			answers: []answer{{events: "1x"}},
			asked:   []string{"events 0"}, at: 1, pull: 1, err: strconv.ErrSyntax,
		},
		{
			name:    "the owner was succeeded",
			answers: []answer{{events: "1", err: tq.ErrDeposed}},
			asked:   []string{"events 0"}, at: 1, pull: 1, err: tq.ErrDeposed,
		},
		{
			name:    "no reason to end",
			answers: []answer{{events: "1"}},
			asked:   []string{"events 0", "events 1"}, at: 1, pull: 1, err: errScript,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, f := &scripted{answers: c.answers}, &tally{}
				err := Follow(t.Context(), s, f, FollowOptions{})
				if !errors.Is(err, c.err) || f.at != c.at {
					t.Errorf("ended at %d with %v", f.at, err)
				}
				if diff := cmp.Diff(c.asked, s.asked); diff != "" {
					t.Errorf("asked (-want +got)\n%s", diff)
				}
				want := c.pullErr
				if want == nil {
					want = c.err
				}
				f = &tally{}
				if err := Pull(t.Context(), &scripted{answers: c.answers}, f, FollowOptions{}); !errors.Is(err, want) || f.at != c.pull {
					t.Errorf("pull ended at %d with %v", f.at, err)
				}
			})
		})
	}
}

// TestFollowBacksOff: waits double up to a bound, are spread, begin anew with an
// event, and end with ctx.
func TestFollowBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{answers: make([]answer, 9)}
		for i := range s.answers {
			s.answers[i].err = ErrUnavailable
		}
		s.answers[5].events = "1"
		var waits []time.Duration
		random := 1.0
		o := FollowOptions{
			MinBackoff: time.Second, MaxBackoff: 5 * time.Second, Random: func() float64 { random = 1 - random; return random },
			Failed: func(err error, wait time.Duration) {
				if !errors.Is(err, ErrUnavailable) {
					t.Errorf("told %v", err)
				}
				waits = append(waits, wait)
			},
		}
		begun := time.Now()
		if err := Follow(t.Context(), s, &tally{}, o); !errors.Is(err, errScript) {
			t.Error(err)
		}
		want := []time.Duration{500, 2000, 2000, 5000, 2500, 1000, 1000, 4000, 2500}
		total := time.Duration(0)
		for i := range want {
			want[i] *= time.Millisecond
			total += want[i]
		}
		if diff := cmp.Diff(want, waits); diff != "" {
			t.Errorf("waits (-want +got)\n%s", diff)
		}
		if passed := time.Since(begun); passed != total {
			t.Errorf("waited %v, want %v", passed, total)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.answers = []answer{{err: ErrUnavailable}}
		begun = time.Now()
		err := Follow(ctx, s, &tally{}, FollowOptions{MinBackoff: time.Hour})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Second {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		if err := Follow(ctx, s, &tally{}, FollowOptions{MinBackoff: time.Hour, MaxBackoff: 1}); err == nil {
			t.Error("a bound below its beginning is accepted")
		}
	})
}

// TestFollowSnapshotAtOnce: a source that was away for long and has begun another
// life is asked for a snapshot at once; if that does not mend it, later each time.
func TestFollowSnapshotAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down, other := answer{err: ErrUnavailable}, answer{err: tq.ErrForeign}
		s := &scripted{answers: []answer{down, down, down, other, {doc: "5"}, {events: "6", err: ErrUnavailable}, other, down, {doc: "7"}, other, {doc: "8"}}}
		o := FollowOptions{MinBackoff: time.Second, MaxBackoff: time.Hour, Random: func() float64 { return 1 }}
		begun := time.Now()
		if err := Follow(t.Context(), s, &tally{}, o); !errors.Is(err, errScript) {
			t.Error(err)
		}
		// Three failures; then one behind the event, a snapshot that is not to be
		// had, and a second gap in a row.
		want := (1 + 2 + 4 + 1 + 4 + 8) * time.Second
		if passed := time.Since(begun); passed != want {
			t.Errorf("waited %v, want %v", passed, want)
		}
	})
}

// A gap that the source knows of is counted, as one that the follower finds, and
// told of once: it is no failure.
func TestFollowCountsGaps(t *testing.T) {
	t.Parallel()
	probe := NewSinkProbe("follower")
	script := &scripted{answers: []answer{{events: "1", err: tq.ErrGap}, {err: ErrUnavailable}, {doc: "5"}, {events: "6"}}}
	var missed, failed []error
	err := Follow(t.Context(), script, &tally{}, FollowOptions{
		MinBackoff: 1, Probe: probe,
		Missed: func(err error) { missed = append(missed, err) },
		Failed: func(err error, _ time.Duration) { failed = append(failed, err) },
	})
	if !errors.Is(err, errScript) {
		t.Fatal(err)
	}
	if len(missed) != 1 || missed[0] != tq.ErrGap {
		t.Errorf("told of gaps %q, want one", missed)
	}
	if len(failed) != 2 || !errors.Is(failed[0], ErrUnavailable) || !errors.Is(failed[1], ErrUnavailable) {
		t.Errorf("told of failures %q: the snapshot that was not to be had, and the end of the stream", failed)
	}
	s := probe.Stats()
	if len(s.Peers) != 1 || s.Peers[0].Peer != DefaultPeer || s.Peers[0].Gaps != 1 || s.Peers[0].Events.Total() != 0 {
		t.Errorf("a gap of the source: %+v", s.Peers)
	}
}
