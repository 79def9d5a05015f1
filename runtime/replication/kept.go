package replication

import (
	"sync"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Kept is feed for a transport whose followers come and go. A queue holds events
// only while a reader is attached; this one has it hold them for three minutes
// more where there is none: behind a snapshot that was taken, and behind a stream
// that has ended, so that a follower can go on from there. It stands for that
// follower in the queue's readers and their lag.
func Kept(feed Feed) Feed { return &kept{Feed: feed} }

// keepFor is as long as clients wait for a snapshot, and between two tries.
const keepFor = 3 * time.Minute

type kept struct {
	Feed

	mu    sync.Mutex
	lines Lines       // read by nobody; nil if there was no need yet; guarded by mu
	over  *time.Timer // closes lines; guarded by mu
}

func (k *kept) AppendSnapshot(dst []byte) ([]byte, error) {
	k.keep()

	return k.Feed.AppendSnapshot(dst)
}

func (k *kept) Lines(after tq.Sequence) (Lines, error) {
	lines, err := k.Feed.Lines(after)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.letGo()

	return &keptLines{lines, k}, nil
}

// keep has the queue hold its events from now on, or from where it does already.
func (k *kept) keep() {
	lines, err := k.Feed.Lines(tq.Latest)
	if err != nil {
		return // a follower that comes back takes a snapshot then
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.letGo()
	k.lines, k.over = lines, time.AfterFunc(keepFor, func() { closeQuietly(lines) })
}

// letGo closes what nobody reads; k.mu is held.
func (k *kept) letGo() {
	if k.lines != nil {
		k.over.Stop()
		closeQuietly(k.lines)
		k.lines, k.over = nil, nil
	}
}

// closeQuietly: nothing that lines say which nobody reads helps anybody.
func closeQuietly(lines Lines) { _ = lines.Close() }

// keptLines are those of one follower.
type keptLines struct {
	Lines
	feed *kept
}

func (l *keptLines) Close() error {
	l.feed.keep() // before there is no reader

	return l.Lines.Close()
}
