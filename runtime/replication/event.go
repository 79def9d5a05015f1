package replication

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tqgen/tqgen/runtime/jsonwire"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Header is what an event says besides its payload. The comments give the
// names on the wire where they are not the field's own words. Members of the
// established format are null where they have no value; ours, from Incarnation
// on, are left out then.
type Header struct {
	Sequence    tq.Sequence // sequenceNumber, required
	SourceEvent tq.Sequence // sourceEventId: the sequence at the source; Sequence unless relayed
	Queue       string      // queueName, required
	Kind        tq.Kind     // required; numbers this version does not know are kept
	SourcePeer  string      // sourcePeerId: the node the event comes from
	OwnerPeer   string      // ownerPeerId: who holds the lease
	OccurredAt  time.Time   // required
	RecordedAt  time.Time   // when the event was appended to the log
	Task        tq.TaskID   // taskSequenceId, required, and origin where it is not Incarnation
	Attempt     int         // the grant's number, or that of the next grant; required
	Error       *tq.TaskError
	Token       tq.Token  // ownershipToken
	Deadline    time.Time // leaseExpiration
	Flags       tq.Flags

	Incarnation tq.Incarnation // of the source
	Shard       string
	Schema      string // id of the payload's JSON form: of generated packages, their Schema
	EnqueuedAt  time.Time
	AvailableAt time.Time         // when a delayed task will be ready
	More        bool              // further events of the same operation follow
	TraceParent string            // W3C trace context of whoever enqueued the task
	Metadata    map[string]string // at most MaxMetadata entries
	Term        uint64            // on Restored: that of later epochs
	Snapshot    string            // snapshotId, on Restored and PassedOver: of the snapshot
}

// MaxMetadata is how many entries the metadata of an event may have.
const MaxMetadata = 16

// HeaderOf returns the event of a record of a queue's log. What the log does
// not know, peers, shard and schema, is for the caller to fill in.
func HeaderOf(r tq.Record, queue string, source tq.Incarnation) (h Header) {
	FillHeader(&h, &r, queue, source)

	return h
}

// FillHeader makes h what [HeaderOf] returns, in place: neither is small.
func FillHeader(h *Header, r *tq.Record, queue string, source tq.Incarnation) {
	h.SourcePeer, h.Shard, h.Schema, h.Metadata = "", "", "", nil
	h.Sequence = r.Sequence
	h.SourceEvent = r.Sequence
	h.Queue = queue
	h.Kind = r.Kind
	h.OwnerPeer = r.Owner
	h.OccurredAt = r.At
	h.RecordedAt = r.At
	h.Task = r.Task
	h.Attempt = r.Attempt
	h.Error = r.Err
	h.Token = r.Token
	h.Deadline = r.Deadline
	h.Flags = r.Flags
	h.Incarnation = source
	h.EnqueuedAt = r.EnqueuedAt
	h.AvailableAt = r.AvailableAt
	h.More = r.More
	h.Term = r.Term
	h.TraceParent = r.TraceParent
	h.Snapshot = r.Snapshot
}

// age is how long ago the event was recorded, as far as it says so.
func (h *Header) age(now time.Time) time.Duration {
	at := h.RecordedAt
	if at.IsZero() { // the wire form may leave it out
		at = h.OccurredAt
	}
	if at.IsZero() {
		return 0
	}

	return max(now.Sub(at), 0)
}

// Record fills r with what a queue's log knows of the event; the reverse of
// [HeaderOf].
func (h *Header) Record(r *tq.Record) {
	*r = tq.Record{
		Sequence:    h.Sequence,
		Kind:        h.Kind,
		Flags:       h.Flags,
		More:        h.More,
		Task:        h.Task,
		Attempt:     h.Attempt,
		At:          h.OccurredAt,
		EnqueuedAt:  h.EnqueuedAt,
		AvailableAt: h.AvailableAt,
		Token:       h.Token,
		Deadline:    h.Deadline,
		Owner:       h.OwnerPeer,
		Err:         h.Error,
		Term:        h.Term,
		TraceParent: h.TraceParent,
		Snapshot:    h.Snapshot,
	}
}

// AppendEvent appends the wire form of an event; value appends its payload, or
// is nil where there is none. An error says which event cannot be written, and
// why.
func AppendEvent(dst []byte, h *Header, value func(dst []byte) ([]byte, error)) ([]byte, error) {
	dst, err := h.appendWire(dst, value)
	if err != nil {
		err = fmt.Errorf("replication: event %d (%v of task %v): %w", h.Sequence, h.Kind, h.Task, err)
	}

	return dst, err
}

func (h *Header) appendWire(dst []byte, value func(dst []byte) ([]byte, error)) (_ []byte, err error) {
	if len(h.Metadata) > MaxMetadata {
		return dst, fmt.Errorf("more than %d metadata entries", MaxMetadata)
	}
	dst, occurred, err := h.appendStart(dst)
	if err != nil {
		return dst, err
	}
	dst = append(dst, `,"value":`...)
	if value == nil {
		dst = append(dst, "null"...)
	} else if dst, err = value(dst); err != nil {
		return dst, err
	}
	if dst, err = h.appendLease(dst); err != nil {
		return dst, err
	}
	if dst, err = h.appendAdded(dst, occurred); err != nil {
		return dst, err
	}

	return append(dst, '}'), nil
}

// appendStart appends what comes before the payload, and gives the text of
// OccurredAt.
func (h *Header) appendStart(dst []byte) (_, occurred []byte, err error) {
	dst = append(dst, `{"sequenceNumber":`...)
	at := len(dst)
	dst = strconv.AppendUint(dst, uint64(h.Sequence), 10)
	sequence := dst[at:]
	dst = append(dst, `,"sourceEventId":`...)
	if h.SourceEvent == 0 || h.SourceEvent == h.Sequence {
		dst = append(dst, sequence...)
	} else {
		dst = strconv.AppendUint(dst, uint64(h.SourceEvent), 10)
	}
	dst = append(dst, `,"queueName":`...)
	dst = jsonwire.AppendString(dst, h.Queue)
	dst = append(dst, `,"kind":`...)
	dst = appendSmall(dst, int(h.Kind))
	dst = append(dst, `,"sourcePeerId":`...)
	dst = appendName(dst, h.SourcePeer)
	dst = append(dst, `,"ownerPeerId":`...)
	dst = appendName(dst, h.OwnerPeer)
	dst = append(dst, `,"occurredAt":`...)
	at = len(dst)
	if dst, err = tq.AppendTime(dst, h.OccurredAt); err != nil {
		return dst, nil, err
	}
	occurred = dst[at:]
	if dst, err = h.appendTime(append(dst, `,"recordedAt":`...), h.RecordedAt, occurred); err != nil {
		return dst, nil, err
	}
	dst = append(dst, `,"taskSequenceId":`...)
	dst = strconv.AppendUint(dst, h.Task.Sequence, 10)
	dst = append(dst, `,"attempt":`...)

	return appendSmall(dst, h.Attempt), occurred, nil
}

// appendTime appends a time, which may well be OccurredAt, whose text is given.
func (h *Header) appendTime(dst []byte, t time.Time, occurred []byte) ([]byte, error) {
	if t == h.OccurredAt {
		return append(dst, occurred...), nil
	}

	return tq.AppendTime(dst, t)
}

// appendLease appends the rest of the established members.
func (h *Header) appendLease(dst []byte) (_ []byte, err error) {
	dst = append(dst, `,"error":`...)
	dst = h.Error.AppendJSON(dst)
	dst = append(dst, `,"ownershipToken":`...)
	dst = h.Token.AppendJSON(dst)
	dst = append(dst, `,"leaseExpiration":`...)
	if dst, err = tq.AppendTime(dst, h.Deadline); err != nil {
		return dst, err
	}
	dst = append(dst, `,"flags":`...)

	return appendSmall(dst, int(h.Flags)), nil
}

// appendAdded appends the members that are left out when they have no value.
func (h *Header) appendAdded(dst, occurred []byte) (_ []byte, err error) {
	if h.Incarnation != 0 {
		dst = appendIncarnation(dst, `,"incarnation":"`, h.Incarnation)
	}
	if h.Task.Origin != h.Incarnation {
		dst = appendIncarnation(dst, `,"origin":"`, h.Task.Origin)
	}
	dst = appendMember(dst, `,"shard":`, h.Shard)
	dst = appendMember(dst, `,"schema":`, h.Schema)
	if !h.EnqueuedAt.IsZero() {
		if dst, err = h.appendTime(append(dst, `,"enqueuedAt":`...), h.EnqueuedAt, occurred); err != nil {
			return dst, err
		}
	}
	if !h.AvailableAt.IsZero() {
		if dst, err = tq.AppendTime(append(dst, `,"availableAt":`...), h.AvailableAt); err != nil {
			return dst, err
		}
	}
	if h.More {
		dst = append(dst, `,"more":true`...)
	}
	dst = appendMember(dst, `,"traceparent":`, h.TraceParent)
	if len(h.Metadata) > 0 {
		dst = jsonwire.AppendStringMap(append(dst, `,"metadata":`...), h.Metadata)
	}
	if h.Term != 0 {
		dst = strconv.AppendUint(append(dst, `,"term":`...), h.Term, 10)
	}
	dst = appendMember(dst, `,"snapshotId":`, h.Snapshot)

	return dst, nil
}

func appendIncarnation(dst []byte, key string, i tq.Incarnation) []byte {
	dst, _ = i.AppendText(append(dst, key...)) // never fails

	return append(dst, '"')
}

// appendSmall appends a number that mostly has one digit.
func appendSmall(dst []byte, n int) []byte {
	if n >= 0 && n < 10 {
		return append(dst, byte('0'+n))
	}

	return strconv.AppendInt(dst, int64(n), 10)
}

// appendName appends a string, an empty one as null.
func appendName(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}

	return jsonwire.AppendString(dst, s)
}

// appendMember appends a string member unless it is empty.
func appendMember(dst []byte, key, s string) []byte {
	if s == "" {
		return dst
	}

	return jsonwire.AppendString(append(dst, key...), s)
}

var eventFields = jsonwire.Fields{Names: []string{
	"sequenceNumber", "sourceEventId", "queueName", "kind", "sourcePeerId", "ownerPeerId",
	"occurredAt", "recordedAt", "taskSequenceId", "attempt", "value", "error", "ownershipToken",
	"leaseExpiration", "flags", "incarnation", "origin", "shard", "schema", "enqueuedAt",
	"availableAt", "more", "traceparent", "metadata", "term", "snapshotId",
}}

const (
	fieldOrigin     = 16
	requiredOfEvent = 1<<0 | 1<<2 | 1<<3 | 1<<6 | 1<<8 | 1<<9
)

// DecodeEvent reads what [AppendEvent] wrote: the payload by value, which is
// called unless it is null or absent, and everything else into *h. Errors are
// those of jsonwire, a *jsonwire.MissingError among them. After an error *h is
// zero.
func DecodeEvent(src []byte, h *Header, value func(r *jsonwire.Reader, i int) int) error {
	*h = Header{}
	r := jsonwire.NewReader(src)
	read, seen, end := readHeader(&r, value)
	if err := r.Finish(end); err != nil {
		return err
	}
	if err := eventFields.Missing("event", seen, requiredOfEvent); err != nil {
		return err
	}
	if read.SourceEvent == 0 {
		read.SourceEvent = read.Sequence
	}
	if seen&(1<<fieldOrigin) == 0 {
		read.Task.Origin = read.Incarnation
	}
	*h = read

	return nil
}

// readHeader reads an event and says which members it has that are not null.
func readHeader(
	r *jsonwire.Reader, value func(r *jsonwire.Reader, i int) int,
) (h Header, seen uint64, end int) {
	o := r.Object(0, &eventFields)
	for o.Next() {
		if o.Null() {
			continue
		}
		seen |= 1 << o.Field
		switch o.Field {
		case 0: // sequenceNumber
			o.Pos = r.Uint64(o.Pos, (*uint64)(&h.Sequence))
		case 1: // sourceEventId
			o.Pos = r.Uint64(o.Pos, (*uint64)(&h.SourceEvent))
		case 2: // queueName
			o.Pos = r.String(o.Pos, &h.Queue)
		case 3: // kind
			o.Pos = readKind(r, o.Pos, &h.Kind)
		case 4: // sourcePeerId
			o.Pos = r.String(o.Pos, &h.SourcePeer)
		case 5: // ownerPeerId
			o.Pos = r.String(o.Pos, &h.OwnerPeer)
		case 6: // occurredAt
			o.Pos = tq.ReadTime(r, o.Pos, &h.OccurredAt)
		case 7: // recordedAt
			o.Pos = tq.ReadTime(r, o.Pos, &h.RecordedAt)
		case 8: // taskSequenceId
			o.Pos = r.Uint64(o.Pos, &h.Task.Sequence)
		case 9: // attempt
			o.Pos = r.Int(o.Pos, &h.Attempt)
		case 10: // value
			o.Pos = value(r, o.Pos)
		case 11: // error
			h.Error, o.Pos = tq.ReadTaskError(r, o.Pos)
		case 12: // ownershipToken
			o.Pos = h.Token.ReadJSON(r, o.Pos)
		case 13: // leaseExpiration
			o.Pos = tq.ReadTime(r, o.Pos, &h.Deadline)
		case 14: // flags
			o.Pos = readFlags(r, o.Pos, &h.Flags)
		case 15: // incarnation
			o.Pos = tq.ReadIncarnation(r, o.Pos, &h.Incarnation)
		case fieldOrigin:
			o.Pos = tq.ReadIncarnation(r, o.Pos, &h.Task.Origin)
		case 17: // shard
			o.Pos = r.String(o.Pos, &h.Shard)
		case 18: // schema
			o.Pos = r.String(o.Pos, &h.Schema)
		case 19: // enqueuedAt
			o.Pos = tq.ReadTime(r, o.Pos, &h.EnqueuedAt)
		case 20: // availableAt
			o.Pos = tq.ReadTime(r, o.Pos, &h.AvailableAt)
		case 21: // more
			o.Pos = r.Bool(o.Pos, &h.More)
		case 22: // traceparent
			o.Pos = r.String(o.Pos, &h.TraceParent)
		case 23: // metadata
			o.Pos = readMetadata(r, o.Pos, &h.Metadata)
		case 24: // term
			o.Pos = r.Uint64(o.Pos, &h.Term)
		case 25: // snapshotId
			o.Pos = r.String(o.Pos, &h.Snapshot)
		}
	}

	return h, seen, o.Pos
}

// readKind takes a number, known or not, or a known name.
func readKind(r *jsonwire.Reader, i int, p *tq.Kind) int {
	if !r.IsString(i) {
		return r.Uint8(i, (*uint8)(p))
	}
	var name string
	end := r.String(i, &name)
	kind, ok := tq.ParseKind(name)
	if !ok {
		r.Check(end, fmt.Errorf("replication: %q is no kind of event", name))
		return end
	}
	*p = kind

	return end
}

var flagNames = map[string]tq.Flags{
	"None":           0,
	"FromExpiration": tq.FromExpiration,
	"FromDrain":      tq.FromDrain,
	"DeadLetter":     tq.DeadLetter,
	"AtHead":         tq.AtHead,
}

// readFlags takes a number, or known names with commas between them.
func readFlags(r *jsonwire.Reader, i int, p *tq.Flags) int {
	if !r.IsString(i) {
		return r.Uint8(i, (*uint8)(p))
	}
	var names string
	end := r.String(i, &names)
	var flags tq.Flags
	for name := range strings.SplitSeq(names, ",") {
		flag, ok := flagNames[strings.TrimSpace(name)]
		if !ok {
			r.Check(end, fmt.Errorf("replication: %q is no flag of an event", name))
			return end
		}
		flags |= flag
	}
	*p = flags

	return end
}

// readMetadata stops at the first entry that is too many.
func readMetadata(r *jsonwire.Reader, i int, p *map[string]string) int {
	m := r.Map(i)
	for m.Next() {
		var v string
		m.Pos = r.Plain(m.Pos, &v)
		k, ok := m.Key()
		if !ok {
			break
		}
		if *p == nil {
			*p = make(map[string]string)
		}
		if (*p)[k] = v; len(*p) > MaxMetadata {
			r.Check(m.Pos, fmt.Errorf("replication: event has more than %d metadata entries", MaxMetadata))
		}
	}

	return m.Pos
}
