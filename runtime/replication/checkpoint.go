package replication

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tqgen/tqgen/runtime/jsonwire"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Position is how far the events of a queue were followed.
type Position = tq.Position

// Checkpoint says what of a stream was applied: the events of Incarnation at or
// below Position, those of a peer at or below the peer's position in Peers, and
// those in Applied. No other event of this incarnation was. Names on the wire
// are in the comments where they are not the field's own words.
type Checkpoint struct {
	Stream    string                 // streamId
	Position  tq.Sequence            // globalPosition: the last event of an operation
	UpdatedAt time.Time              // updatedAt
	Peers     map[string]tq.Sequence // peerPositions: those above Position

	Incarnation tq.Incarnation
	Revision    uint64
	Applied     []tq.Sequence // above Position and above that of their peer, rising
	Earlier     []Position    // where earlier incarnations ended, the latest last; at most MaxEarlier
}

// MaxEarlier is how many earlier incarnations a checkpoint remembers.
const MaxEarlier = 64

// CheckpointStore keeps a checkpoint for each stream. All methods are safe for
// concurrent use. tqtest.RunCheckpointStore holds a store to what is said here.
type CheckpointStore interface {
	// Load gives the checkpoint of a stream. One that was never saved has only
	// its Stream.
	Load(ctx context.Context, stream string) (Checkpoint, error)

	// Save puts c, whose Revision is expected+1, in the place of the checkpoint
	// of c.Stream with the revision expected, 0 for none. The error matches
	// ErrConflict if there is another; then, and with any other error that
	// comes before the write, nothing has changed. A nil error means that c
	// survives the process, as far as the store survives it at all. The store
	// does not keep the map and the slices of c.
	Save(ctx context.Context, c Checkpoint, expected uint64) error
}

// Claimer is a store that knows who applies a stream, so that a second run
// fails before it has applied anything, and not at its first checkpoint.
type Claimer interface {
	// Claim is ErrRunning if the stream is claimed; else it is until release.
	Claim(stream string) (release func(), err error)
}

// clone is c with a map and slices of its own.
func (c Checkpoint) clone() Checkpoint {
	c.Peers = maps.Clone(c.Peers)
	c.Applied = slices.Clone(c.Applied)
	c.Earlier = slices.Clone(c.Earlier)

	return c
}

// AppendJSON appends the checkpoint's wire form to dst.
func (c *Checkpoint) AppendJSON(dst []byte) (_ []byte, err error) {
	dst = append(dst, `{"streamId":`...)
	dst = jsonwire.AppendString(dst, c.Stream)
	dst = append(dst, `,"globalPosition":`...)
	dst = strconv.AppendUint(dst, uint64(c.Position), 10)
	dst = append(dst, `,"updatedAt":`...)
	if dst, err = tq.AppendTime(dst, c.UpdatedAt); err != nil {
		return dst, err
	}
	dst = append(dst, `,"peerPositions":{`...)
	for i, peer := range slices.SortedFunc(maps.Keys(c.Peers), cmp.Compare[string]) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsonwire.AppendString(dst, peer), ':')
		dst = strconv.AppendUint(dst, uint64(c.Peers[peer]), 10)
	}
	dst = append(dst, '}')
	if c.Incarnation != 0 {
		dst = appendIncarnation(dst, `,"incarnation":"`, c.Incarnation)
	}
	dst = append(dst, `,"revision":`...)
	dst = strconv.AppendUint(dst, c.Revision, 10)

	return append(c.appendAdded(dst), '}'), nil
}

// appendAdded appends the members that are left out when they are empty.
func (c *Checkpoint) appendAdded(dst []byte) []byte {
	for i, s := range c.Applied {
		dst = append(dst, separator(i, `,"applied":[`)...)
		dst = strconv.AppendUint(dst, uint64(s), 10)
	}
	if len(c.Applied) > 0 {
		dst = append(dst, ']')
	}
	for i, p := range c.Earlier {
		dst = appendIncarnation(append(dst, separator(i, `,"earlier":[`)...), `{"incarnation":"`, p.Incarnation)
		dst = append(dst, `,"position":`...)
		dst = append(strconv.AppendUint(dst, uint64(p.Sequence), 10), '}')
	}
	if len(c.Earlier) > 0 {
		dst = append(dst, ']')
	}

	return dst
}

func separator(i int, first string) string {
	if i == 0 {
		return first
	}

	return ","
}

// MarshalJSON is the checkpoint's wire form.
func (c Checkpoint) MarshalJSON() ([]byte, error) { return c.AppendJSON(nil) }

var (
	checkpointFields = jsonwire.Fields{Names: []string{
		"streamId", "globalPosition", "updatedAt", "peerPositions", "incarnation", "revision", "applied", "earlier",
	}}
	positionFields = jsonwire.Fields{Names: []string{"incarnation", "position"}}
)

const requiredOfCheckpoint = 1<<0 | 1<<1

// UnmarshalJSON reads the checkpoint's wire form. One without streamId or
// globalPosition is a *jsonwire.MissingError. After an error *c is zero.
func (c *Checkpoint) UnmarshalJSON(src []byte) error {
	*c = Checkpoint{}
	r := jsonwire.NewReader(src)
	read, seen, end := readCheckpoint(&r)
	if err := r.Finish(end); err != nil {
		return err
	}
	if err := checkpointFields.Missing("checkpoint", seen, requiredOfCheckpoint); err != nil {
		return err
	}
	*c = read

	return nil
}

func readCheckpoint(r *jsonwire.Reader) (c Checkpoint, seen uint64, end int) {
	o := r.Object(0, &checkpointFields)
	for o.Next() {
		if o.Null() {
			continue
		}
		seen |= 1 << o.Field
		switch o.Field {
		case 0: // streamId
			o.Pos = r.String(o.Pos, &c.Stream)
		case 1: // globalPosition
			o.Pos = r.Uint64(o.Pos, (*uint64)(&c.Position))
		case 2: // updatedAt
			o.Pos = tq.ReadTime(r, o.Pos, &c.UpdatedAt)
		case 3: // peerPositions
			o.Pos = readPeers(r, o.Pos, &c)
		case 4: // incarnation
			o.Pos = tq.ReadIncarnation(r, o.Pos, &c.Incarnation)
		case 5: // revision
			o.Pos = r.Uint64(o.Pos, &c.Revision)
		case 6: // applied
			a := r.Array(o.Pos)
			for a.Next() {
				var s tq.Sequence
				a.Pos = r.Uint64(a.Pos, (*uint64)(&s))
				c.Applied = append(c.Applied, s)
			}
			o.Pos = a.Pos
		case 7: // earlier
			a := r.Array(o.Pos)
			for a.Next() {
				var p Position
				a.Pos = readPosition(r, a.Pos, &p)
				c.Earlier = append(c.Earlier, p)
			}
			o.Pos = a.Pos
		}
	}

	return c, seen, o.Pos
}

func readPeers(r *jsonwire.Reader, i int, c *Checkpoint) int {
	m := r.Map(i)
	for m.Next() {
		var s tq.Sequence
		m.Pos = r.Uint64(m.Pos, (*uint64)(&s))
		peer, ok := m.Key()
		if !ok {
			break
		}
		if c.Peers == nil {
			c.Peers = map[string]tq.Sequence{}
		}
		c.Peers[peer] = s
	}

	return m.Pos
}

func readPosition(r *jsonwire.Reader, i int, p *Position) int {
	o := r.Object(i, &positionFields)
	for o.Next() {
		switch o.Field {
		case 0: // incarnation
			o.Pos = tq.ReadIncarnation(r, o.Pos, &p.Incarnation)
		case 1: // position
			o.Pos = r.Uint64(o.Pos, (*uint64)(&p.Sequence))
		}
	}

	return o.Pos
}

// MemoryCheckpoints is a [CheckpointStore] in the memory of this process, and a
// [Claimer]. The zero value is empty and ready to use.
type MemoryCheckpoints struct {
	claims

	mu    sync.Mutex
	saved map[string]Checkpoint // guarded by mu
}

// Load implements [CheckpointStore].
func (m *MemoryCheckpoints) Load(ctx context.Context, stream string) (Checkpoint, error) {
	if err := ctx.Err(); err != nil {
		return Checkpoint{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.saved[stream]
	if !ok {
		c.Stream = stream
	}

	return c.clone(), nil
}

// Save implements [CheckpointStore].
func (m *MemoryCheckpoints) Save(ctx context.Context, c Checkpoint, expected uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if got := m.saved[c.Stream].Revision; got != expected {
		return conflict(c.Stream, got, expected)
	}
	if m.saved == nil {
		m.saved = map[string]Checkpoint{}
	}
	m.saved[c.Stream] = c.clone()

	return nil
}

func conflict(stream string, got, expected uint64) error {
	return fmt.Errorf("%w: %q has revision %d, not %d", ErrConflict, stream, got, expected)
}

// claims is a [Claimer] within one process.
type claims struct {
	mu    sync.Mutex
	taken map[string]bool // guarded by mu
}

// Claim implements [Claimer].
func (c *claims) Claim(stream string) (release func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken[stream] {
		return nil, fmt.Errorf("%w: %q", ErrRunning, stream)
	}
	if c.taken == nil {
		c.taken = map[string]bool{}
	}
	c.taken[stream] = true

	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.taken, stream)
	}, nil
}
