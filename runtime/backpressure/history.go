package backpressure

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Entry is a signal of a [History] with its number, from 1 on.
type Entry struct {
	Sequence uint64 `json:"sequence"`
	Signal
}

// History keeps the latest signals for any number of readers, who do not slow
// it. Several sources may be written to one. Make one with NewHistory.
type History struct {
	mu   sync.Mutex
	ring []Entry
	last uint64        // number of the latest entry
	more chan struct{} // closed with the next entry; nil: nobody waits
}

// NewHistory makes a history of the latest size signals, at least one. It
// listens by way of its method Listen:
//
//	monitor.Subscribe(history.Listen)
func NewHistory(size int) *History {
	return &History{ring: make([]Entry, max(size, 1))}
}

// Listen is a [Listener].
func (h *History) Listen(_ context.Context, s Signal) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	*h.at(h.last) = Entry{h.last, s}
	if h.more != nil {
		close(h.more)
		h.more = nil
	}

	return nil
}

func (h *History) at(seq uint64) *Entry { return &h.ring[seq%uint64(len(h.ring))] }

// Latest is the latest entry; false if there is none yet.
func (h *History) Latest() (Entry, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()

	return *h.at(h.last), h.last > 0
}

// Since gives the entries numbered above after, oldest first, and how many of
// them are no longer kept.
func (h *History) Since(after uint64) (entries []Entry, missed uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := h.first()
	if after+1 < first {
		missed = first - after - 1
		after = first - 1
	}
	for seq := after + 1; seq <= h.last; seq++ {
		entries = append(entries, *h.at(seq))
	}

	return entries, missed
}

// first is the number of the oldest entry that is kept.
func (h *History) first() uint64 {
	if size := uint64(len(h.ring)); h.last > size {
		return h.last - size + 1
	}

	return 1
}

// GapError says which entries a reader was too slow for. It matches tq.ErrGap.
type GapError struct {
	From, To uint64 // the first and the last of them
}

func (e *GapError) Error() string {
	return fmt.Sprintf("backpressure: signals %d to %d are no longer kept", e.From, e.To)
}

// Unwrap gives tq.ErrGap.
func (e *GapError) Unwrap() error { return tq.ErrGap }

// All gives the entries numbered above after, then new ones as they come. Where
// some are no longer kept it gives a *[GapError] and goes on behind them. It
// ends with ctx's error.
func (h *History) All(ctx context.Context, after uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for {
			e, err := h.next(ctx, after)
			if !yield(e, err) {
				return
			}
			gap, isGap := err.(*GapError) //nolint:errorlint // what next returns itself
			switch {
			case isGap:
				after = gap.To
			case err != nil:
				return
			default:
				after = e.Sequence
			}
		}
	}
}

// next waits for the entry behind the one numbered after.
func (h *History) next(ctx context.Context, after uint64) (Entry, error) {
	for {
		e, more, err := h.look(after)
		if more == nil {
			return e, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Entry{}, ctx.Err()
		}
	}
}

// look gives the entry behind the one numbered after, or what is closed when
// there is one.
func (h *History) look(after uint64) (Entry, <-chan struct{}, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if first := h.first(); after+1 < first {
		return Entry{}, nil, &GapError{after + 1, first - 1}
	}
	if after < h.last {
		return *h.at(after + 1), nil, nil
	}
	if h.more == nil {
		h.more = make(chan struct{})
	}

	return Entry{}, h.more, nil
}
