package effect

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"github.com/tqgen/tqgen/runtime/jsonwire"
	"github.com/tqgen/tqgen/runtime/tq"
)

// Record is what a store holds under one key.
type Record struct {
	Kind    string    // what is recorded: KindOutcome, KindIntent, KindVersion, or a kind of the caller's own
	Schema  string    // what the payload looks like; no Go name, so that it outlives one
	Version int       // of the payload's form, or the version a gate has chosen
	Time    time.Time // when it was recorded
	Payload []byte    // JSON; nil if there is none
}

// Kinds of records.
const (
	KindOutcome = "effect"        // how an effect came out
	KindIntent  = "effect.intent" // that it is about to run
	KindVersion = "version"       // the version a change was started with
)

// format is the Version of outcomes and intents.
const format = 1

// AppendJSON appends the record's wire form to dst: kind, schema, version,
// time, and the payload as it is, which must be JSON.
func (r *Record) AppendJSON(dst []byte) ([]byte, error) {
	if r.Payload != nil && !jsonwire.Valid(r.Payload) {
		return dst, errors.New("effect: the payload of a record of kind " + strconv.Quote(r.Kind) + " is no JSON")
	}
	start := len(dst)
	dst = append(dst, `{"kind":`...)
	dst = jsonwire.AppendString(dst, r.Kind)
	dst = append(dst, `,"schema":`...)
	dst = jsonwire.AppendString(dst, r.Schema)
	dst = append(dst, `,"version":`...)
	dst = strconv.AppendInt(dst, int64(r.Version), 10)
	dst = append(dst, `,"time":`...)
	dst, err := tq.AppendTime(dst, r.Time)
	if err != nil {
		return dst[:start], err
	}
	if r.Payload != nil {
		dst = append(dst, `,"payload":`...)
		dst = append(dst, bytes.TrimSpace(r.Payload)...)
	}

	return append(dst, '}'), nil
}

// MarshalJSON is the record's wire form.
func (r *Record) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil) }

var recordFields = jsonwire.Fields{Names: []string{"kind", "schema", "version", "time", "payload"}}

const requiredOfRecord = 1<<0 | 1<<2 | 1<<3

// UnmarshalJSON reads what [Record.AppendJSON] wrote. One that lacks kind,
// version or time is a *jsonwire.MissingError. After an error the record is as
// it was.
func (r *Record) UnmarshalJSON(src []byte) error {
	var read Record
	var seen uint64
	in := jsonwire.NewReader(src)
	o := in.Object(0, &recordFields)
	for o.Next() {
		seen |= 1 << o.Field
		switch o.Field {
		case 0: // kind
			o.Pos = in.String(o.Pos, &read.Kind)
		case 1: // schema
			o.Pos = in.String(o.Pos, &read.Schema)
		case 2: // version
			o.Pos = in.Int(o.Pos, &read.Version)
		case 3: // time
			o.Pos = tq.ReadTime(&in, o.Pos, &read.Time)
		case 4: // payload
			raw, end := in.Raw(o.Pos)
			read.Payload, o.Pos = bytes.Clone(raw), end
		}
	}
	if err := in.Finish(o.Pos); err != nil {
		return err
	}
	if err := recordFields.Missing("record", seen, requiredOfRecord); err != nil {
		return err
	}
	*r = read

	return nil
}

// outcome is how an effect came out: what it gave, or why it failed for good.
type outcome struct {
	value []byte
	err   *tq.TaskError
}

// appendJSON appends a value that is JSON as it is, any other as base64.
func (o *outcome) appendJSON(dst []byte) []byte {
	switch {
	case o.err != nil:
		dst = append(dst, `{"error":`...)
		dst = o.err.AppendJSON(dst)
	case len(o.value) > 0 && len(bytes.TrimSpace(o.value)) == len(o.value) && jsonwire.Valid(o.value):
		dst = append(dst, `{"value":`...)
		dst = append(dst, o.value...)
	default:
		dst = append(dst, `{"bytes":`...)
		dst = jsonwire.AppendBytes(dst, o.value)
	}

	return append(dst, '}')
}

var outcomeFields = jsonwire.Fields{Names: []string{"value", "bytes", "error"}}

func (o *outcome) readJSON(src []byte) error {
	r := jsonwire.NewReader(src)
	seen := false
	m := r.Object(0, &outcomeFields)
	for m.Next() {
		seen = true
		switch m.Field {
		case 0: // value
			raw, end := r.Raw(m.Pos)
			o.value, m.Pos = bytes.Clone(raw), end
		case 1: // bytes
			m.Pos = r.Bytes(m.Pos, &o.value)
		case 2: // error
			o.err, m.Pos = tq.ReadTaskError(&r, m.Pos)
		}
	}
	if err := r.Finish(m.Pos); err != nil {
		return err
	}
	if !seen {
		return errors.New("it has neither value nor error")
	}

	return nil
}

var intentFields = jsonwire.Fields{Names: []string{"key"}}

func appendIntent(dst []byte, key string) []byte {
	dst = append(dst, `{"key":`...)
	dst = jsonwire.AppendString(dst, key)

	return append(dst, '}')
}

func readIntent(src []byte) (key string, err error) {
	r := jsonwire.NewReader(src)
	o := r.Object(0, &intentFields)
	for o.Next() {
		o.Pos = r.String(o.Pos, &key)
	}
	if err := r.Finish(o.Pos); err != nil {
		return "", err
	}
	if key == "" {
		return "", errors.New("it has no idempotency key")
	}

	return key, nil
}
