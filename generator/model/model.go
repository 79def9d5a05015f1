// Package model is the plan of one generated package as plain data: every
// name is final, every default applied, nothing in it can fail any more.
//
// It knows neither go/types nor the code that prints it.
package model

import (
	"strings"
	"time"
)

// Queue is everything the templates need for one payload.
type Queue struct {
	CodecOnly bool // a shared struct with a codec of its own: there is no queue, and no policy

	Source     string // import path and type of the payload, "github.com/x/lease.ResourceLease"
	Name       string // queue name in events, metrics and logs, "resource-lease"
	Package    Package
	Payload    Payload
	Imports    []Import // every package the output may name; a file imports those it uses
	Names      Names
	Policy     Policy
	Codec      Codec
	Effects    []Effect
	Guards     []Guard // one a struct or named scalar the codec knows
	Constraint string  // //go:build expression of the payload's file, "" if none
}

// Package is where the output goes.
type Package struct {
	Name, Path string
	Dir        string // absolute
	FilePrefix string // "" or, with out=., "resource_lease_"
	Own        bool   // the package is the output's alone (out=. says no)
}

// Payload is the annotated type.
type Payload struct {
	Name    string // "ResourceLease"
	Type    string // as the output spells it, "lease.ResourceLease"; "ResourceLease" with out=.
	Article string // "a" or "an", for comments
	Fields  []LogField
	Labels  []Label

	ChunkBits  int      // storage is cut into chunks of 1<<ChunkBits payloads
	MemoryOnly []string // exported fields without a JSON form, "Conn"
}

// LogField is one field of the payload as logs show it. Sensitive fields and
// those without a JSON form are not in the list.
type LogField struct {
	Name    string // JSON name
	Expr    string // selector below the payload, "ResourceID", "Base.Zone"
	Kind    LogKind
	Convert string     // conversion the slog constructor needs, "int64"; "" for none
	Group   []LogField // LogGroup: the fields of a struct that holds sensitive ones
}

// LogKind picks what logs show of a field.
type LogKind uint8

const (
	LogAny LogKind = iota
	LogString
	LogPlainInt // an int
	LogInt      // any other integer with a sign
	LogUint
	LogFloat
	LogBool
	LogTime
	LogDuration
	LogGroup
	LogLength   // holds sensitive fields further down: its length alone
	LogPresence // the same behind a pointer: whether it is set
)

// Label is a field with a closed set of values that measurements are told apart
// by.
type Label struct {
	Name   string   // in snake case, "resource_type"
	Field  string   // "ResourceType"
	Func   string   // gives the index of a payload's value
	Text   bool     // the values are strings
	Values []string // as they are called; any other value is one more
}

// Guard makes the output stop compiling when a type the codec was written for
// changes.
type Guard struct {
	Kind   GuardKind
	Name   string       // what comments call the type, "ResourceLease"
	Type   string       // as the output spells it, "lease.ResourceLease"
	Basic  string       // GuardScalar: the underlying type, "int32"
	Fields []GuardField // GuardStruct: all of them; GuardFields: those that are encoded
}

// GuardField is one field of a guarded struct.
type GuardField struct {
	Name string // "" if embedded, in a GuardStruct
	Type string
	Tag  string // unquoted, "" if none
}

// GuardKind is how a type is guarded.
type GuardKind uint8

const (
	GuardStruct GuardKind = iota // the whole struct, tags included
	GuardFields                  // name and type of single fields
	GuardScalar                  // the underlying basic type
)

// Effect is an effect of the payload's tasks that has a result.
type Effect struct {
	Name   string // method for tasks, and in ids: "Notify"
	Type   string // result, as the output spells it: "lease.NotifyResult"
	Append Elem   // call of a function of the codec for it
	Decode string // function of the codec for it
	Schema string // id in records
	Shape  string // what the id follows from where it is not declared, for people
}

// Policy is the directive's policy with defaults applied.
type Policy struct {
	Capacity, Attempts, Dead int
	Lease, Heartbeat         time.Duration
	Backoff                  Backoff
	High, Low                int // watermarks of pending tasks
	Cooldown                 time.Duration
	Sparse                   bool // payload=enqueued: later events of a task leave the payload out
}

// Backoff is the requeue delay after a failed attempt.
type Backoff struct {
	Kind          BackoffKind
	Base, Max     time.Duration
	JitterPercent int
}

// BackoffKind is the shape of a backoff.
type BackoffKind uint8

const (
	NoBackoff BackoffKind = iota
	ConstBackoff
	ExpBackoff
)

// Duration spells d as a directive would: 90s is "1m30s", an hour "1h".
func Duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}

	return text
}
