package tq

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tqgen/tqgen/runtime/jsonwire"
)

// The wire forms of what has no payload. Members of the established format come
// first and are null where they have no value; ours follow and are left out
// then. Readers take members in any order, skip unknown ones and read null as
// absent. Times are written in UTC with as many digits as they have; any offset
// is accepted.

// String is the token's text form, "sequenceId:attempt:leaseId", with the
// origin of the task as a fourth part where it is not the granting incarnation.
// The lease id is that incarnation and the epoch, 16 hexadecimal digits each.
func (t Token) String() string {
	text, _ := t.AppendText(nil)

	return string(text)
}

// AppendText appends what [Token.String] returns. The error is always nil.
func (t Token) AppendText(dst []byte) ([]byte, error) {
	dst = strconv.AppendUint(dst, t.Task.Sequence, 10)
	dst = strconv.AppendInt(append(dst, ':'), int64(t.Attempt), 10)
	dst = appendHex(append(dst, ':'), uint64(t.Incarnation))
	dst = appendHex(dst, uint64(t.Epoch))
	if t.Task.Origin != t.Incarnation {
		dst = appendHex(append(dst, ':'), uint64(t.Task.Origin))
	}

	return dst, nil
}

// MarshalText is [Token.AppendText] into a new slice.
func (t Token) MarshalText() ([]byte, error) { return t.AppendText(nil) }

// UnmarshalText is [ParseToken].
func (t *Token) UnmarshalText(text []byte) error {
	parsed, err := ParseToken(string(text))
	if err == nil {
		*t = parsed
	}

	return err
}

// ParseToken reads what [Token.String] wrote. Dashes in the lease id are
// accepted.
func ParseToken(s string) (Token, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 && len(parts) != 4 {
		return Token{}, tokenError(s)
	}
	var t Token
	var errs [4]error
	t.Task.Sequence, errs[0] = strconv.ParseUint(parts[0], 10, 64)
	t.Attempt, errs[1] = strconv.Atoi(parts[1])
	errs[2] = t.setLeaseID(parts[2])
	t.Task.Origin = t.Incarnation
	if len(parts) == 4 {
		t.Task.Origin, errs[3] = ParseIncarnation(parts[3])
	}
	if errors.Join(errs[:]...) != nil || t.Attempt < 0 {
		return Token{}, tokenError(s)
	}

	return t, nil
}

func tokenError(s string) error {
	return fmt.Errorf("tq: %q is no token: want sequenceId:attempt:leaseId, and the origin where it differs", s)
}

// ParseIncarnation reads what [Incarnation.String] wrote.
func ParseIncarnation(s string) (Incarnation, error) {
	var b [8]byte
	if len(s) != 2*len(b) {
		return 0, fmt.Errorf("tq: %q is no incarnation: want 16 hexadecimal digits", s)
	}
	if _, err := hex.Decode(b[:], []byte(s)); err != nil {
		return 0, fmt.Errorf("tq: %q is no incarnation: want 16 hexadecimal digits", s)
	}

	return Incarnation(binary.BigEndian.Uint64(b[:])), nil
}

// AppendText appends what [Incarnation.String] returns. The error is always
// nil.
func (i Incarnation) AppendText(dst []byte) ([]byte, error) { return appendHex(dst, uint64(i)), nil }

// setLeaseID reads a GUID, dashes or not: 64 bits of incarnation, 64 of epoch.
func (t *Token) setLeaseID(id string) error {
	digits := id
	if len(id) == 36 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-' {
		digits = id[:8] + id[9:13] + id[14:18] + id[19:23] + id[24:]
	}
	var b [16]byte
	if len(digits) != 2*len(b) {
		return fmt.Errorf("tq: %q is no lease id: want a GUID", id)
	}
	if _, err := hex.Decode(b[:], []byte(digits)); err != nil {
		return fmt.Errorf("tq: %q is no lease id: want a GUID", id)
	}
	t.Incarnation = Incarnation(binary.BigEndian.Uint64(b[:8]))
	t.Epoch = Epoch(binary.BigEndian.Uint64(b[8:]))

	return nil
}

// appendHex appends 16 digits.
func appendHex(dst []byte, v uint64) []byte {
	dst = binary.BigEndian.AppendUint64(dst, hexDigits(v>>32))

	return binary.BigEndian.AppendUint64(dst, hexDigits(v))
}

// appendGUID appends 128 bits as a GUID with dashes.
func appendGUID(dst []byte, hi, lo uint64) []byte {
	middle, next := hexDigits(hi), hexDigits(lo>>32)
	dst = binary.BigEndian.AppendUint64(dst, hexDigits(hi>>32))
	dst = binary.BigEndian.AppendUint32(append(dst, '-'), uint32(middle>>32))
	dst = binary.BigEndian.AppendUint32(append(dst, '-'), uint32(middle))
	dst = binary.BigEndian.AppendUint32(append(dst, '-'), uint32(next>>32))
	dst = binary.BigEndian.AppendUint32(append(dst, '-'), uint32(next))

	return binary.BigEndian.AppendUint64(dst, hexDigits(lo))
}

// hexDigits are the eight digits of the lower half of v, the first one in the
// highest byte.
func hexDigits(v uint64) uint64 {
	v &= 1<<32 - 1
	v = (v<<16 | v) & 0x0000ffff0000ffff
	v = (v<<8 | v) & 0x00ff00ff00ff00ff
	v = (v<<4 | v) & 0x0f0f0f0f0f0f0f0f                           // a byte for each
	letters := (v + 0x0606060606060606) >> 4 & 0x0101010101010101 // those above 9

	return v + '0'*0x0101010101010101 + letters*('a'-10-'0')
}

// AppendJSON appends the token's wire form: sequenceId, attempt, leaseId, and
// origin where it is not the granting incarnation. The zero Token is null.
func (t Token) AppendJSON(dst []byte) []byte {
	if t == (Token{}) {
		return append(dst, "null"...)
	}
	dst = append(dst, `{"sequenceId":`...)
	dst = strconv.AppendUint(dst, t.Task.Sequence, 10)
	dst = append(dst, `,"attempt":`...)
	dst = strconv.AppendInt(dst, int64(t.Attempt), 10)
	dst = append(dst, `,"leaseId":"`...)
	dst = appendGUID(dst, uint64(t.Incarnation), uint64(t.Epoch))
	dst = append(dst, '"')
	if t.Task.Origin != t.Incarnation {
		dst = append(dst, `,"origin":"`...)
		dst = append(appendHex(dst, uint64(t.Task.Origin)), '"')
	}

	return append(dst, '}')
}

// MarshalJSON is [Token.AppendJSON] into a new slice.
func (t Token) MarshalJSON() ([]byte, error) { return t.AppendJSON(nil), nil }

// UnmarshalJSON reads what [Token.AppendJSON] wrote; null is the zero Token.
func (t *Token) UnmarshalJSON(src []byte) error {
	var read Token
	r := jsonwire.NewReader(src)
	if err := r.Finish(read.ReadJSON(&r, 0)); err != nil {
		return err
	}
	*t = read

	return nil
}

var tokenFields = jsonwire.Fields{Names: []string{"sequenceId", "attempt", "leaseId", "origin"}}

const requiredOfToken = 1<<0 | 1<<1 | 1<<2

// ReadJSON reads a token from a document that holds one; null is the zero
// Token. A token that lacks a member stops r with a *jsonwire.MissingError.
func (t *Token) ReadJSON(r *jsonwire.Reader, i int) int {
	*t = Token{}
	if end, null := r.Null(i); null {
		return end
	}
	var seen uint64
	var origin Incarnation
	o := r.Object(i, &tokenFields)
	for o.Next() {
		if o.Null() {
			continue
		}
		seen |= 1 << o.Field
		switch o.Field {
		case 0: // sequenceId
			o.Pos = r.Uint64(o.Pos, &t.Task.Sequence)
		case 1: // attempt
			o.Pos = r.Int(o.Pos, &t.Attempt)
		case 2: // leaseId
			var text []byte
			if text, o.Pos = r.Text(o.Pos); text != nil {
				meaning(r, o.Pos, t.setLeaseID(string(text)))
			}
		case 3: // origin
			o.Pos = ReadIncarnation(r, o.Pos, &origin)
		}
	}
	if !o.Ended() {
		return o.Pos
	}
	if t.Task.Origin = t.Incarnation; seen&(1<<3) != 0 {
		t.Task.Origin = origin
	}
	r.Check(o.Pos, tokenFields.Missing("token", seen, requiredOfToken))

	return o.Pos
}

// ReadIncarnation reads an incarnation in its wire form.
func ReadIncarnation(r *jsonwire.Reader, i int, p *Incarnation) int {
	text, end := r.Text(i)
	if text != nil {
		incarnation, err := ParseIncarnation(string(text))
		if meaning(r, end, err) {
			*p = incarnation
		}
	}

	return end
}

// meaning stops r if err says that the text that ends at i has none, and says
// where it stands; else it reports true.
func meaning(r *jsonwire.Reader, i int, err error) bool {
	if err != nil {
		err = &jsonwire.ValueError{Offset: int64(i), Err: err}
	}

	return r.Check(i, err)
}

// causeSeparator stands between the type and the message of a cause.
const causeSeparator = ": "

// AppendJSON appends the error's wire form: message and code, then cause {type,
// message} and metadata where there are any. A nil error is null.
func (e *TaskError) AppendJSON(dst []byte) []byte {
	if e == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, `{"message":`...)
	dst = jsonwire.AppendString(dst, e.Message)
	dst = append(dst, `,"code":`...)
	dst = jsonwire.AppendString(dst, e.Code)
	if e.Cause != "" {
		dst = append(dst, `,"cause":{`...)
		kind, message, ok := strings.Cut(e.Cause, causeSeparator)
		if ok && kind != "" {
			dst = append(dst, `"type":`...)
			dst = append(jsonwire.AppendString(dst, kind), ',')
		} else {
			message = e.Cause
		}
		dst = append(dst, `"message":`...)
		dst = append(jsonwire.AppendString(dst, message), '}')
	}
	if len(e.Metadata) > 0 {
		dst = append(dst, `,"metadata":`...)
		dst = appendMetadata(dst, e.Metadata)
	}

	return append(dst, '}')
}

func appendMetadata(dst []byte, metadata map[string]Plain) []byte {
	keys := jsonwire.BorrowKeys()
	defer keys.Release()
	for k := range metadata {
		keys.Strings = append(keys.Strings, k)
	}
	dst = append(dst, '{')
	for i, k := range keys.SortedStrings() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsonwire.AppendString(dst, k), ':')
		dst = metadata[k].append(dst)
	}

	return append(dst, '}')
}

// Plain is one value of metadata, as JSON text: a number, a string, true.
type Plain string

// PlainString is the text s as a value.
func PlainString(s string) Plain { return Plain(jsonwire.AppendString(nil, s)) }

// PlainInt is the number n as a value.
func PlainInt(n int64) Plain { return Plain(strconv.FormatInt(n, 10)) }

// String is the value without the quotes and escapes of a JSON string.
func (p Plain) String() string {
	text := string(p)
	r := jsonwire.NewReader([]byte(p))
	if r.IsString(0) {
		r.String(0, &text)
	}

	return text
}

// append adds the value; one that is no JSON is written as the string it is.
func (p Plain) append(dst []byte) []byte {
	if jsonwire.Valid([]byte(p)) {
		return append(dst, p...)
	}

	return jsonwire.AppendString(dst, string(p))
}

// MarshalJSON is [TaskError.AppendJSON] into a new slice.
func (e *TaskError) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// UnmarshalJSON reads what [TaskError.AppendJSON] wrote.
func (e *TaskError) UnmarshalJSON(src []byte) error {
	r := jsonwire.NewReader(src)
	read, end := ReadTaskError(&r, 0)
	if err := r.Finish(end); err != nil {
		return err
	}
	if read != nil {
		*e = *read
	}

	return nil
}

var (
	errorFields = jsonwire.Fields{Names: []string{"message", "code", "cause", "metadata"}}
	causeFields = jsonwire.Fields{Names: []string{"type", "message"}}
)

// ReadTaskError reads an error from a document that holds one; null is nil.
// Metadata is kept as it is written.
func ReadTaskError(r *jsonwire.Reader, i int) (e *TaskError, end int) {
	if end, null := r.Null(i); null {
		return nil, end
	}
	e = new(TaskError)
	o := r.Object(i, &errorFields)
	for o.Next() {
		switch o.Field {
		case 0: // message
			o.Pos = r.String(o.Pos, &e.Message)
		case 1: // code
			o.Pos = r.String(o.Pos, &e.Code)
		case 2: // cause
			e.Cause, o.Pos = readCause(r, o.Pos)
		case 3: // metadata
			e.Metadata, o.Pos = readMetadata(r, o.Pos)
		}
	}

	return e, o.Pos
}

func readCause(r *jsonwire.Reader, i int) (cause string, end int) {
	var kind, message string
	o := r.Object(i, &causeFields)
	for o.Next() {
		switch o.Field {
		case 0: // type
			o.Pos = r.String(o.Pos, &kind)
		case 1: // message
			o.Pos = r.String(o.Pos, &message)
		}
	}
	if kind == "" {
		return message, o.Pos
	}

	return kind + causeSeparator + message, o.Pos
}

func readMetadata(r *jsonwire.Reader, i int) (metadata map[string]Plain, end int) {
	m := r.Map(i)
	for m.Next() {
		var v []byte
		v, m.Pos = r.Raw(m.Pos)
		if k, ok := m.Key(); ok {
			if metadata == nil {
				metadata = make(map[string]Plain)
			}
			metadata[k] = Plain(v)
		}
	}

	return metadata, m.Pos
}

// AppendTask appends a task of a snapshot; value appends its payload. An error
// says which task cannot be written, and why.
//
// The attempt on the wire is that of the next grant, as in events of drained
// and restored tasks; of a leased task it is the present one.
func AppendTask(dst []byte, t *TaskState, value func(dst []byte) ([]byte, error)) ([]byte, error) {
	dst, err := t.appendWire(dst, value)
	if err != nil {
		err = fmt.Errorf("tq: task %v: %w", t.ID, err)
	}

	return dst, err
}

func (t *TaskState) appendWire(dst []byte, value func(dst []byte) ([]byte, error)) ([]byte, error) {
	dst, err := value(append(dst, `{"value":`...))
	if err != nil {
		return dst, err
	}
	dst = append(dst, `,"attempt":`...)
	dst = strconv.AppendInt(dst, int64(t.Attempt+t.notYetGranted()), 10)
	dst = append(dst, `,"enqueuedAt":`...)
	if dst, err = AppendTime(dst, t.EnqueuedAt); err != nil {
		return dst, err
	}
	dst = append(dst, `,"lastError":`...)
	dst = t.LastError.AppendJSON(dst)
	dst = append(dst, `,"sequenceId":`...)
	dst = strconv.AppendUint(dst, t.ID.Sequence, 10)
	dst = append(dst, `,"lastOwnershipToken":`...)
	dst = t.LastToken.AppendJSON(dst)
	dst = append(dst, `,"origin":"`...)
	dst = appendHex(dst, uint64(t.ID.Origin))
	dst = append(dst, `","state":"`...)
	dst = append(append(dst, t.State.String()...), '"')
	if dst, err = appendTimeMember(dst, `,"availableAt":`, t.AvailableAt); err != nil {
		return dst, err
	}
	if dst, err = appendTimeMember(dst, `,"leaseExpiration":`, t.Deadline); err != nil {
		return dst, err
	}
	if t.Owner != "" {
		dst = append(dst, `,"ownerPeerId":`...)
		dst = jsonwire.AppendString(dst, t.Owner)
	}
	if t.TraceParent != "" {
		dst = append(dst, `,"traceparent":`...)
		dst = jsonwire.AppendString(dst, t.TraceParent)
	}

	return append(dst, '}'), nil
}

// notYetGranted is how far the attempt on the wire is ahead.
func (t *TaskState) notYetGranted() int {
	if t.State == Leased {
		return 0
	}

	return 1
}

// AppendTime appends a time in its wire form, the zero time as null. A year
// beyond 9999 is a *jsonwire.MarshalerError.
func AppendTime(dst []byte, t time.Time) ([]byte, error) {
	if t.IsZero() {
		return append(dst, "null"...), nil
	}

	return jsonwire.AppendTime(dst, t.UTC())
}

// appendTimeMember appends a member that is left out when it has no value.
func appendTimeMember(dst []byte, key string, t time.Time) ([]byte, error) {
	if t.IsZero() {
		return dst, nil
	}

	return AppendTime(append(dst, key...), t)
}

// ReadTime reads a time in its wire form. One that its offset takes out of the
// years that can be written in UTC stops r.
func ReadTime(r *jsonwire.Reader, i int, p *time.Time) int {
	var t time.Time
	end := r.Time(i, &t)
	if t.Before(firstTime) || t.After(lastTime) {
		meaning(r, end, fmt.Errorf("the year of %v is not in 0…9999 in UTC", t))
		return end
	}
	if !t.IsZero() {
		*p = t.UTC()
	}

	return end
}

// The times that AppendTime takes.
var (
	firstTime = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	lastTime  = time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
)

var taskFields = jsonwire.Fields{Names: []string{
	"value", "attempt", "enqueuedAt", "lastError", "sequenceId", "lastOwnershipToken",
	"origin", "state", "availableAt", "leaseExpiration", "ownerPeerId", "traceparent",
}}

const requiredOfTask = 1<<0 | 1<<1 | 1<<2 | 1<<4 | 1<<6

// DecodeTask reads what [AppendTask] wrote into *t; value reads the payload. A
// task that lacks value, attempt, enqueuedAt, sequenceId or origin stops r with
// a *jsonwire.MissingError. Without a state it is ready.
func DecodeTask(r *jsonwire.Reader, i int, t *TaskState, value func(r *jsonwire.Reader, i int) int) int {
	*t = TaskState{State: Ready}
	var seen uint64
	o := r.Object(i, &taskFields)
	for o.Next() {
		if o.Field > 0 && o.Null() {
			continue
		}
		seen |= 1 << o.Field
		switch o.Field {
		case 0: // value
			o.Pos = value(r, o.Pos)
		case 1: // attempt
			o.Pos = r.Int(o.Pos, &t.Attempt)
		case 2: // enqueuedAt
			o.Pos = ReadTime(r, o.Pos, &t.EnqueuedAt)
		case 3: // lastError
			t.LastError, o.Pos = ReadTaskError(r, o.Pos)
		case 4: // sequenceId
			o.Pos = r.Uint64(o.Pos, &t.ID.Sequence)
		case 5: // lastOwnershipToken
			o.Pos = t.LastToken.ReadJSON(r, o.Pos)
		case 6: // origin
			o.Pos = ReadIncarnation(r, o.Pos, &t.ID.Origin)
		case 7: // state
			o.Pos = readState(r, o.Pos, &t.State)
		case 8: // availableAt
			o.Pos = ReadTime(r, o.Pos, &t.AvailableAt)
		case 9: // leaseExpiration
			o.Pos = ReadTime(r, o.Pos, &t.Deadline)
		case 10: // ownerPeerId
			o.Pos = r.String(o.Pos, &t.Owner)
		case 11: // traceparent
			o.Pos = r.String(o.Pos, &t.TraceParent)
		}
	}
	if o.Ended() && r.Check(o.Pos, taskFields.Missing("task", seen, requiredOfTask)) {
		t.Attempt -= t.notYetGranted()
		if t.Attempt < 0 {
			r.Check(o.Pos, fmt.Errorf("tq: task %s has an attempt below 1", t.ID))
		}
	}

	return o.Pos
}

func readState(r *jsonwire.Reader, i int, p *State) int {
	text, end := r.Text(i)
	if text == nil {
		return end
	}
	state, ok := ParseState(string(text))
	if !ok {
		r.Check(end, fmt.Errorf("tq: %q is no state of a task", text))
		return end
	}
	*p = state

	return end
}

// AppendSnapshot appends a snapshot of n tasks; task appends the i-th by
// [AppendTask].
func AppendSnapshot(
	dst []byte, h *SnapshotHeader, n int, task func(dst []byte, i int) ([]byte, error),
) (_ []byte, err error) {
	dst = append(dst, `{"version":`...)
	dst = strconv.AppendInt(dst, int64(h.Version), 10)
	dst = append(dst, `,"queueName":`...)
	dst = jsonwire.AppendString(dst, h.Queue)
	dst = append(dst, `,"incarnation":"`...)
	dst = appendHex(dst, uint64(h.Incarnation))
	dst = append(dst, `","sequenceNumber":`...)
	dst = strconv.AppendUint(dst, uint64(h.Sequence), 10)
	dst = append(dst, `,"highestEpoch":`...)
	dst = strconv.AppendUint(dst, uint64(h.HighestEpoch), 10)
	dst = append(dst, `,"id":`...)
	dst = jsonwire.AppendString(dst, h.ID)
	if restored := h.Restored.All(); len(restored) > 0 {
		dst = append(append(append(dst, `,"restored":[`...), listOf(restored)...), ']')
	}
	dst = append(dst, `,"tasks":[`...)
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = task(dst, i); err != nil {
			return dst, err
		}
	}

	return append(dst, ']', '}'), nil
}

var snapshotFields = jsonwire.Fields{Names: []string{
	"version", "queueName", "incarnation", "sequenceNumber", "highestEpoch", "id", "tasks",
	"restored",
}}

const requiredOfSnapshot = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<6

// A VersionError says that a snapshot is of a version this runtime does not
// know.
type VersionError struct{ Version int }

// Error implements error.
func (e *VersionError) Error() string {
	return fmt.Sprintf("tq: snapshot has version %d, this runtime reads %d", e.Version, SnapshotVersion)
}

// DecodeSnapshot reads what [AppendSnapshot] wrote: the header into *h, and
// each task by calling task, which reads exactly one by [DecodeTask]. Another
// version is a *VersionError before anything is read; a missing member other
// than id a *jsonwire.MissingError. After an error *h is zero, and what task
// has kept is worth nothing.
func DecodeSnapshot(src []byte, h *SnapshotHeader, task func(r *jsonwire.Reader, i int) int) error {
	*h = SnapshotHeader{}
	read, err := decodeVersion(src)
	if err != nil {
		return err
	}
	var seen uint64
	r := jsonwire.NewReader(src)
	o := r.Object(0, &snapshotFields)
	for o.Next() {
		if o.Null() {
			continue
		}
		seen |= 1 << o.Field
		switch o.Field {
		case 0: // version
			o.Pos = r.Skip(o.Pos)
		case 1: // queueName
			o.Pos = r.String(o.Pos, &read.Queue)
		case 2: // incarnation
			o.Pos = ReadIncarnation(&r, o.Pos, &read.Incarnation)
		case 3: // sequenceNumber
			o.Pos = r.Uint64(o.Pos, (*uint64)(&read.Sequence))
		case 4: // highestEpoch
			o.Pos = r.Uint64(o.Pos, (*uint64)(&read.HighestEpoch))
		case 5: // id
			o.Pos = r.String(o.Pos, &read.ID)
		case 6: // tasks
			a := r.Array(o.Pos)
			for a.Next() {
				a.Pos = task(&r, a.Pos)
			}
			o.Pos = a.Pos
		case 7: // restored
			var ids []string
			ids, o.Pos = readIDs(&r, o.Pos)
			read.Restored = listOf(ids)
		}
	}
	if err := r.Finish(o.Pos); err != nil {
		return err
	}
	if err := snapshotFields.Missing("snapshot", seen, requiredOfSnapshot); err != nil {
		return err
	}
	*h = read

	return nil
}

var versionField = jsonwire.Fields{Names: snapshotFields.Names[:1]}

// decodeVersion looks for the version alone: nothing else can be relied on
// until it is known.
func decodeVersion(src []byte) (h SnapshotHeader, err error) {
	var seen uint64
	r := jsonwire.NewReader(src)
	o := r.Object(0, &versionField)
	for o.Next() {
		if !o.Null() {
			seen = 1
			o.Pos = r.Int(o.Pos, &h.Version)
		}
	}
	if err = r.Finish(o.Pos); err == nil {
		err = versionField.Missing("snapshot", seen, 1)
	}
	if err == nil && h.Version != SnapshotVersion {
		err = &VersionError{Version: h.Version}
	}

	return h, err
}
