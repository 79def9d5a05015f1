package replication

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Feed is a queue as a transport shows it: its events and its state, as JSON.
// Generated queues give one. All methods are safe for concurrent use.
type Feed interface {
	// Queue is the queue's name, and which life of it this is.
	Queue() (name string, life tq.Incarnation)
	// Lines gives the events after a sequence, or after what there is by now if
	// that is tq.Latest. The error is tq.ErrGap if they are not held.
	Lines(after tq.Sequence) (Lines, error)
	// AppendSnapshot appends the state's wire form.
	AppendSnapshot(dst []byte) ([]byte, error)
}

// Lines are the events of a feed, one reader's. They are for one goroutine at a
// time, but for the methods that say otherwise; Close may be called from any.
type Lines interface {
	// Append waits for an event and appends its wire form, and those of some
	// that are there after it, each with a line feed at its end. The error is
	// ctx's, tq.ErrGap if the reader fell behind the log, tq.ErrClosed or
	// tq.ErrDeposed if nothing more comes, or what keeps an event from being
	// written; dst is returned as it was then.
	Append(ctx context.Context, dst []byte) ([]byte, error)
	// Lag is how many events the reader has not taken yet. It may be called from
	// any goroutine, and so may the methods below.
	Lag() tq.Sequence
	// Synchronous makes the queue's operations wait for this reader, Acknowledge
	// says what it has for good, and Fail that it cannot take more: see
	// [tq.Cursor.Synchronous].
	Synchronous(o tq.SyncOptions) error
	Acknowledge(seq tq.Sequence)
	Fail(err error)
	Close() error
}

// Client reaches the feed of a queue elsewhere. Errors match ErrUnavailable
// where trying again may help, and the sentinels of tq that the feed answers.
type Client interface {
	// Events calls line for each event after a position, in turn, until line
	// returns an error or there is no more to be had, which is an error, too.
	// line does not keep what it gets. tq.ErrGap if the events are not held,
	// tq.ErrForeign if the position is in another life of the queue.
	Events(ctx context.Context, after tq.Position, line func([]byte) error) error
	// Snapshot gives the state.
	Snapshot(ctx context.Context) ([]byte, error)
}

// ErrTooLarge: an event or a snapshot is larger than the one who sends it or
// the one who reads it allows. The error says which limit that is; trying again
// does not help before it was raised. Its code is [CodeTooLarge].
var ErrTooLarge error = &codedError{"replication: too large", CodeTooLarge}

// CodeTooLarge is the stable code of ErrTooLarge.
const CodeTooLarge = "error.taskqueue.too_large"

// codedError is a sentinel that is not one of tq.
type codedError struct{ message, code string }

func (e *codedError) Error() string { return e.message }
func (e *codedError) Code() string  { return e.code }

// ErrUnavailable: the source cannot be reached at present, or has broken off.
// Trying again may help.
var ErrUnavailable = errors.New("replication: source is unavailable")

// Puller takes the events of one queue.
type Puller interface {
	// Position is where to go on from.
	Position() tq.Position
	// ApplyEvent takes the wire form of the next event, which it does not keep.
	ApplyEvent(ctx context.Context, line []byte) error
}

// Follower takes events, and snapshots where events are missing. Generated code
// makes one of whatever takes typed ones.
type Follower interface {
	Puller
	// ApplySnapshot takes the wire form of a snapshot.
	ApplySnapshot(ctx context.Context, doc []byte) error
}

// FollowOptions say how Follow and Pull retry. The zero value is 100 ms to 30 s.
type FollowOptions struct {
	// MinBackoff is the wait after a first failure. It doubles with each
	// further one, up to MaxBackoff, and begins anew once an event came. Each
	// wait is between half of that and all of it, at random.
	MinBackoff, MaxBackoff time.Duration
	// Failed is told what is going to be tried again, and when. May be nil.
	Failed func(err error, wait time.Duration)
	// Missed is told why a snapshot is taken, once for each that is needed: the
	// error matches tq.ErrGap where the events that come next are not held any
	// more, and says which were asked for and which there are, or tq.ErrForeign
	// where the queue has begun another life. Neither is a failure. May be nil.
	Missed func(err error)
	// Probe, if set, sees what Follow applies, for telemetry and diagnostics: one
	// of NewSinkProbe. Pull leaves that to the sink it feeds.
	Probe *SinkProbe
	// Random gives numbers in [0, 1) for the waits; nil is math/rand/v2.
	Random func() float64
}

func (o FollowOptions) orDefaults() (FollowOptions, error) {
	if o.MinBackoff == 0 {
		o.MinBackoff = 100 * time.Millisecond
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = max(30*time.Second, o.MinBackoff)
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.MinBackoff < 0 || o.MaxBackoff < o.MinBackoff {
		return o, fmt.Errorf("replication: MinBackoff %v, MaxBackoff %v", o.MinBackoff, o.MaxBackoff)
	}

	return o, nil
}

// Follow keeps a follower up to date until ctx ends. It asks for the events
// after the follower's position, and goes on from there when the source breaks
// off. After a gap, and where the queue has begun another life, it takes a
// snapshot first.
//
// It ends with ctx's error, with tq.ErrDeposed once the source has been
// succeeded, or with the first error that trying again does not mend: what the
// follower refuses, what cannot be read, what the source forbids, what is larger
// than a limit of either side (ErrTooLarge; the error names the limit).
func Follow(ctx context.Context, c Client, f Follower, o FollowOptions) error {
	return (&follow{client: c, to: f, snapshots: f, o: o}).run(ctx)
}

// Pull is Follow for what cannot go on from a snapshot: tq.ErrGap and
// tq.ErrForeign end it, too.
func Pull(ctx context.Context, c Client, p Puller, o FollowOptions) error {
	return (&follow{client: c, to: p, o: o}).run(ctx)
}

// follow is one run of Follow or Pull.
type follow struct {
	client    Client
	to        Puller
	snapshots Follower // nil if there are to be none
	o         FollowOptions
	failures  int  // in a row
	gaps      int  // since the last event
	snapshot  bool // the next thing to do is to take one
}

func (l *follow) run(ctx context.Context) (err error) {
	if l.o, err = l.o.orDefaults(); err != nil {
		return err
	}
	for {
		missed, err := l.once(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !missed && !errors.Is(err, ErrUnavailable) {
			return err
		}
		if !pause(ctx, l.tell(missed, err)) {
			return ctx.Err()
		}
	}
}

// once follows until something is wrong. It is to be tried again if events are
// missing for which there are snapshots, or the error is ErrUnavailable.
func (l *follow) once(ctx context.Context) (missed bool, err error) {
	if l.snapshot {
		if err := l.takeSnapshot(ctx); err != nil {
			return false, err
		}
		l.snapshot = false
	}
	var refused error
	err = l.client.Events(ctx, l.to.Position(), func(line []byte) error {
		if refused = l.to.ApplyEvent(ctx, line); refused != nil {
			return refused
		}
		l.failures, l.gaps = 0, 0

		return nil
	})
	if l.snapshots != nil && isGap(err) {
		l.snapshot = true
		if refused == nil { // the follower's own have been counted
			l.o.Probe.missing()
		}

		return true, err
	}
	if err == nil {
		return false, fmt.Errorf("%w: no more events", ErrUnavailable)
	}

	return false, err
}

func (l *follow) takeSnapshot(ctx context.Context) error {
	doc, err := l.client.Snapshot(ctx)
	if err != nil {
		return err
	}

	return l.snapshots.ApplySnapshot(ctx, doc)
}

// tell counts what went wrong, decides how long to wait before the next try, and
// tells of it. A first snapshot is not waited for, however long the source was away
// before: it is there now, and its operations may wait for this follower.
func (l *follow) tell(missed bool, err error) (wait time.Duration) {
	l.failures++
	wait = l.backoff()
	if missed {
		if l.gaps++; l.gaps == 1 {
			wait = 0
		}
	}
	switch {
	case missed && l.o.Missed != nil:
		l.o.Missed(err)
	case !missed && l.o.Failed != nil:
		l.o.Failed(err, wait)
	}

	return wait
}

func (l *follow) backoff() time.Duration {
	d := l.o.MaxBackoff
	if n := l.failures - 1; n < 40 && l.o.MinBackoff<<n < d && l.o.MinBackoff<<n > 0 {
		d = l.o.MinBackoff << n
	}

	return d/2 + time.Duration(l.o.Random()*float64(d-d/2))
}

// Order is how far a stream of events was read, by one goroutine. The zero
// Order is before all events.
type Order struct{ At tq.Position }

// Next says whether h is the next event, and goes on behind it. The error
// matches tq.ErrForeign if it is of another life of the queue, tq.ErrGap if
// events are missing, tq.ErrDiverged if it came before.
func (o *Order) Next(h *Header) error {
	switch want := o.At.Sequence + 1; {
	case o.At.Incarnation != 0 && h.Incarnation != o.At.Incarnation:
		return fmt.Errorf("%w: event %d is of incarnation %v, followed is %v",
			tq.ErrForeign, h.Sequence, h.Incarnation, o.At.Incarnation)
	case h.Sequence > want:
		return fmt.Errorf("%w: event %d came, %d is next", tq.ErrGap, h.Sequence, want)
	case h.Sequence < want:
		return fmt.Errorf("%w: event %d came, %d is next", tq.ErrDiverged, h.Sequence, want)
	}
	o.At = tq.Position{Incarnation: h.Incarnation, Sequence: h.Sequence}

	return nil
}
