package directive

import (
	"strings"
)

// Place is what a directive may stand on.
type Place uint8

const (
	OnType Place = iota + 1
	OnField
)

func (p Place) String() string {
	if p == OnField {
		return "a struct field"
	}

	return "a struct type"
}

// Kind is what the value of a key looks like.
type Kind uint8

const (
	Text     Kind = iota // a name
	Folder               // a path relative to the payload's package
	Count                // a whole number
	Duration             // as time.ParseDuration reads it
	Backoff              // const(2s) or exp(1s,1m,20%)
	Word                 // one of a few
	Values               // a,b,c
)

// Spec declares one directive.
type Spec struct {
	Name  string
	Place Place
	Keys  []Key // sorted by name
	Doc   string

	Repeats bool // it may stand several times on one declaration
}

// Key declares one key of a directive.
type Key struct {
	Name    string
	Kind    Kind
	Example string
	Doc     string
}

// Specs are the directives there are, sorted by name; docs/directives.md has a
// section for each and for each of their keys.
var Specs = []Spec{
	{
		Name: "codec", Place: OnType,
		Doc: "gives the struct type an exported codec, which payloads use",
	},
	{
		Name: "effect", Place: OnType, Repeats: true,
		Doc: "gives the queue's Coordinator a method for an effect of its tasks",
		Keys: []Key{
			{"name", Text, "Notify", "name of the method, and of the effect in its records"},
			{"result", Text, "NotifyResult", "Go type of what the effect gives"},
			{"schema", Text, "notify/1", "schema id of the result in records"},
		},
	},
	{
		Name: "label", Place: OnField,
		Doc: "has measurements told apart by the field",
		Keys: []Key{
			{"values", Values, "eu,us", "values with a name of their own; all else is other"},
		},
	},
	{
		Name: "queue", Place: OnType,
		Doc: "emits a task queue for the struct type",
		Keys: []Key{
			{"attempts", Count, "5", "grants before a task is dead"},
			{"backoff", Backoff, "exp(1s,1m,20%)", "delay before a failed task is ready again"},
			{"capacity", Count, "512", "live tasks the queue holds"},
			{"cooldown", Duration, "5s", "pause between two backpressure signals"},
			{"dead", Count, "512", "dead letters kept"},
			{"heartbeat", Duration, "10s", "interval at which Run extends a lease"},
			{"high", Count, "384", "pending tasks at which backpressure begins"},
			{"lease", Duration, "30s", "time a worker has before its lease expires"},
			{"low", Count, "192", "pending tasks at which backpressure ends"},
			{"name", Text, "resource-lease", "queue name in events, metrics and logs"},
			{"out", Folder, "./leasequeue", "folder of the output"},
			{"package", Text, "leasequeue", "package name of the output"},
			{"payload", Word, "enqueued", "events that carry the payload"},
			{"strings", Word, "shared", "how strings that are read are kept"},
		},
	},
	{
		Name: "sensitive", Place: OnField,
		Doc: "keeps the field out of logs, spans and errors",
	},
}

// Lookup finds a directive by name.
func Lookup(name string) (*Spec, bool) {
	for i := range Specs {
		if Specs[i].Name == name {
			return &Specs[i], true
		}
	}

	return nil, false
}

// key finds a key by name.
func (s *Spec) key(name string) (*Key, bool) {
	for i := range s.Keys {
		if s.Keys[i].Name == name {
			return &s.Keys[i], true
		}
	}

	return nil, false
}

func (s *Spec) keyNames() []string {
	names := make([]string, len(s.Keys))
	for i, k := range s.Keys {
		names[i] = k.Name
	}

	return names
}

// specNames are the names of all directives.
func specNames() []string {
	names := make([]string, len(Specs))
	for i, s := range Specs {
		names[i] = s.Name
	}

	return names
}

// directory lists all directives for a help line.
func directory() string {
	var b strings.Builder
	for i, s := range Specs {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("tqgen:" + s.Name + " (on " + s.Place.String() + ")")
	}

	return b.String()
}
