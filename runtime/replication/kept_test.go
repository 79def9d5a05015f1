package replication

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tqgen/tqgen/runtime/tq"
)

// counted is a feed that knows how many readers are attached to it.
type counted struct {
	Feed
	readers atomic.Int64
}

type countedLines struct {
	Lines
	of     *counted
	closed bool
}

func (c *counted) Lines(tq.Sequence) (Lines, error) {
	c.readers.Add(1)

	return &countedLines{of: c}, nil
}

func (c *counted) AppendSnapshot(dst []byte) ([]byte, error) { return dst, nil }

func (l *countedLines) Close() error {
	if !l.closed {
		l.closed = true
		l.of.readers.Add(-1)
	}

	return nil
}

// TestKept: a reader is attached while a follower may come, and one only.
func TestKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		feed := &counted{}
		kept := Kept(feed)
		var seen []int64
		see := func() { seen = append(seen, feed.readers.Load()) }
		for range 2 {
			if _, err := kept.AppendSnapshot(nil); err != nil {
				t.Fatal(err)
			}
			see()
			time.Sleep(keepFor - 1)
			synctest.Wait()
			see()
		}
		lines, err := kept.Lines(1)
		if err != nil {
			t.Fatal(err)
		}
		see()
		time.Sleep(2 * keepFor)
		see()
		if err := lines.Close(); err != nil {
			t.Fatal(err)
		}
		see()
		time.Sleep(keepFor)
		synctest.Wait()
		see()
		if diff := cmp.Diff([]int64{1, 1, 1, 1, 1, 1, 1, 0}, seen); diff != "" {
			t.Errorf("readers (-want +got):\n%s", diff)
		}
	})
}
