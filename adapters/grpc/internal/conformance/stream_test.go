package conformance

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
)

// collect reads events until one of them is last, or there are no more.
func collect(t *testing.T, c replication.Client, after tq.Position, last string) (got []string, err error) {
	t.Helper()
	done := errors.New("done")
	err = c.Events(t.Context(), after, func(line []byte) error {
		got = append(got, string(line))
		if string(line) == last {
			return done
		}

		return nil
	})
	if errors.Is(err, done) {
		err = nil
	}

	return got, err
}

// once tries what may come before the last stream has given its place back.
func once(f func() error) error {
	for {
		if err := f(); err == nil || !strings.Contains(err.Error(), "as many are served as may be") {
			return err
		}
		runtime.Gosched()
	}
}

// TestResume: a stream begins behind the position it is asked for, whatever the
// size of its events, and goes on with what comes, after heartbeats.
func TestResume(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		long := strings.Repeat("3", 3_000_000)
		s := newShelf("1", "2", long, "4")
		c := serve(s, bounds{heartbeat: time.Millisecond}).client(t, asking{})
		got, err := collect(t, c, tq.Position{Sequence: 1, Incarnation: life}, "4")
		if diff := cmp.Diff([]string{"2", long, "4"}, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got)\n%.1000s", err, diff)
		}

		begun := make(chan bool)
		go func() {
			<-begun
			s.put(tq.ErrDeposed, "5")
		}()
		got = nil
		err = c.Events(t.Context(), tq.Position{Sequence: 3}, func(line []byte) error {
			if got = append(got, string(line)); len(got) == 1 {
				close(begun)
			}

			return nil
		})
		if diff := cmp.Diff([]string{"4", "5"}, got); !errors.Is(err, tq.ErrDeposed) || diff != "" {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
		s.open.Wait() // readers are closed with their streams
	})
}

// TestEnds: what ends a stream at the source is known to the follower, and said to
// be worth another try only where it is.
func TestEnds(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		for end, want := range map[error]error{
			tq.ErrGap: tq.ErrGap, tq.ErrDeposed: tq.ErrDeposed, tq.ErrForeign: tq.ErrForeign,
			tq.ErrClosed: replication.ErrUnavailable, io.ErrNoProgress: replication.ErrUnavailable,
		} {
			s := newShelf("1")
			s.put(end)
			got, err := collect(t, serve(s, bounds{}).client(t, asking{}), tq.Position{}, "")
			if !errors.Is(err, want) || len(got) != 1 {
				t.Errorf("a stream that ends with %v: %q, %v", end, got, err)
			}
			if again := errors.Is(err, replication.ErrUnavailable); again != (want == replication.ErrUnavailable) {
				t.Errorf("a stream that ends with %v can be tried again: %v", end, again)
			}
			s.open.Wait()
		}
	})
}

// TestPositions: what cannot be given is refused for its reason.
func TestPositions(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		s := newShelf("7")
		s.first, s.doc = 7, strings.Repeat(`{"a":"snapshot"}`, 200_000)
		c := serve(s, bounds{}).client(t, asking{})
		if _, err := collect(t, c, tq.Position{Sequence: 5}, "7"); !errors.Is(err, tq.ErrGap) {
			t.Errorf("events that are not held: %v", err)
		}
		if _, err := collect(t, c, tq.Position{Sequence: 6, Incarnation: 9}, "7"); !errors.Is(err, tq.ErrForeign) {
			t.Errorf("another life: %v", err)
		}
		if doc, err := c.Snapshot(t.Context()); err != nil || string(doc) != s.doc {
			t.Errorf("snapshot of %d bytes, want %d: %v", len(doc), len(s.doc), err)
		}
	})
}

// TestAuthorize: whoever is not let in sees nothing, the reason included.
func TestAuthorize(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		s := newShelf("1")
		s.doc = "{}"
		with := serve(s, bounds{authorize: func(token, _ string) error {
			if token != "Bearer good" {
				return errors.New("secret reason")
			}

			return nil
		}})
		good, bad := with.client(t, asking{token: "Bearer good"}), with.client(t, asking{token: "Bearer bad"})
		if got, err := collect(t, good, tq.Position{}, "1"); err != nil || len(got) != 1 {
			t.Errorf("events: %v, %v", got, err)
		}
		if doc, err := good.Snapshot(t.Context()); err != nil || string(doc) != "{}" {
			t.Errorf("snapshot: %q, %v", doc, err)
		}
		_, err := collect(t, bad, tq.Position{}, "1")
		_, err2 := bad.Snapshot(t.Context())
		for _, err := range []error{err, err2} {
			if err == nil || errors.Is(err, replication.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
				t.Errorf("a bad token: %v", err)
			}
		}
	})
}

// TestHandlerIsBounded: streams, snapshots and sizes (19).
func TestHandlerIsBounded(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		s := newShelf("1")
		s.doc = strings.Repeat("d", 1000)
		c := serve(s, bounds{maxStreams: 1, maxLine: 100, maxState: 999}).client(t, asking{})
		busy := errors.New("busy")
		err := c.Events(t.Context(), tq.Position{}, func([]byte) error {
			if _, err := collect(t, c, tq.Position{}, "1"); !errors.Is(err, replication.ErrUnavailable) {
				t.Errorf("a stream too many: %v", err)
			}

			return busy
		})
		if !errors.Is(err, busy) {
			t.Error(err)
		}
		s.open.Wait()
		s.put(nil, strings.Repeat("2", 100), strings.Repeat("3", 101))
		var got []string
		err = once(func() error {
			got, err = collect(t, c, tq.Position{}, "")
			return err
		})
		if len(got) != 2 || !errors.Is(err, replication.ErrTooLarge) || errors.Is(err, replication.ErrUnavailable) {
			t.Errorf("a line too long: %q, %v", got, err)
		}
		_, err = c.Snapshot(t.Context())
		if !errors.Is(err, replication.ErrTooLarge) || errors.Is(err, replication.ErrUnavailable) {
			t.Errorf("a snapshot too large: %v", err)
		}
	})
}

// TestClientIsBounded: what is larger than a client takes ends it, in bounded
// memory.
func TestClientIsBounded(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		s := newShelf("1", strings.Repeat("2", 2<<20))
		s.doc = strings.Repeat("d", 2<<20)
		c := serve(s, bounds{}).client(t, asking{maxLine: 1 << 20, maxState: 1 << 20})
		if got, err := collect(t, c, tq.Position{}, ""); !errors.Is(err, replication.ErrTooLarge) || len(got) != 1 {
			t.Errorf("%d lines, %v", len(got), err)
		}
		if doc, err := c.Snapshot(t.Context()); !errors.Is(err, replication.ErrTooLarge) {
			t.Errorf("a snapshot of %d bytes, %v", len(doc), err)
		}
	})
}

// TestSlowReader: a reader that does not read is cut off, and holds up nobody
// meanwhile (19).
func TestSlowReader(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		s := newShelf()
		for range 2000 {
			s.held = append(s.held, strings.Repeat("x", 10_000))
		}
		s.held = append(s.held, "last")
		patient := serve(s, bounds{}).client(t, asking{})
		slow := serve(s, bounds{writeTimeout: 100 * time.Millisecond}).client(t, asking{})
		others := 0
		for others == 0 { // else it was cut off before it had anything to read
			err := slow.Events(t.Context(), tq.Position{}, func([]byte) error {
				if others == 0 {
					got, err := collect(t, patient, tq.Position{}, "last")
					if others = max(len(got), 1); err != nil {
						t.Errorf("another one: %v", err)
					}
				}
				s.open.Wait() // until this very stream is over at the source

				return nil
			})
			if !errors.Is(err, replication.ErrUnavailable) {
				t.Fatalf("a reader that was cut off: %v", err)
			}
		}
		if others != 2001 {
			t.Errorf("another one got %d events", others)
		}
	})
}

// TestSilence: a source that says nothing for too long is given up, one that has
// nothing to say is not.
func TestSilence(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		silent := serve(newShelf("1"), bounds{heartbeat: time.Hour})
		got, err := collect(t, silent.client(t, asking{silence: 50 * time.Millisecond}), tq.Position{}, "")
		if !errors.Is(err, replication.ErrUnavailable) || len(got) != 1 {
			t.Errorf("a silent source: %q, %v", got, err)
		}

		patiently(t, func(silence time.Duration) error {
			s := newShelf("1")
			quiet := serve(s, bounds{heartbeat: 5 * time.Millisecond})
			over := time.AfterFunc(2*silence, func() { s.put(nil, "2") })
			defer over.Stop()
			got, err := collect(t, quiet.client(t, asking{silence: silence}), tq.Position{}, "2")
			if err == nil && len(got) != 2 {
				t.Errorf("a quiet source: %q", got)
			}

			return err
		})
	})
}

// patiently tries a client that gives up after a silence, where heartbeats are
// what it hears for longer. One that is not run for so long hears nothing, and so
// it is given more time, as far as a minute.
func patiently(t *testing.T, try func(silence time.Duration) error) {
	t.Helper()
	var err error
	for silence := time.Second; silence <= time.Minute; silence *= 4 {
		if err = try(silence); err == nil {
			return
		}
	}
	t.Error(err)
}

// TestCallersEnd: the caller's own context and error come back as they are.
func TestCallersEnd(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		s := newShelf("1")
		c := serve(s, bounds{}).client(t, asking{})
		ctx, cancel := context.WithCancel(t.Context())
		err := c.Events(ctx, tq.Position{}, func([]byte) error {
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) || errors.Is(err, replication.ErrUnavailable) {
			t.Errorf("ended with %v", err)
		}
		if _, err := c.Snapshot(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, replication.ErrUnavailable) {
			t.Errorf("a snapshot ended with %v", err)
		}
		own := errors.New("own")
		if err := c.Events(t.Context(), tq.Position{}, func([]byte) error { return own }); !errors.Is(err, own) ||
			errors.Is(err, replication.ErrUnavailable) {
			t.Errorf("ended with %v", err)
		}
		s.open.Wait()
	})
}

// TestShutdown: a server that ends, and connections that are cut, can be tried
// again.
func TestShutdown(t *testing.T) {
	each(t, func(t *testing.T, serve func(replication.Feed, bounds) *served) {
		s := newShelf("1")
		with := serve(s, bounds{})
		c := with.client(t, asking{})
		for _, end := range []func(){with.cut, with.stop} {
			err := c.Events(t.Context(), tq.Position{}, func([]byte) error {
				go end()
				return nil
			})
			if !errors.Is(err, replication.ErrUnavailable) {
				t.Errorf("ended with %v", err)
			}
			s.open.Wait()
		}
		if _, err := collect(t, c, tq.Position{}, ""); !errors.Is(err, replication.ErrUnavailable) {
			t.Errorf("without a server: %v", err)
		}
		if _, err := c.Snapshot(t.Context()); !errors.Is(err, replication.ErrUnavailable) {
			t.Errorf("a snapshot without a server: %v", err)
		}
	})
}
