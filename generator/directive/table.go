package directive

import (
	"slices"
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

// nearest gives the name that got was probably meant to be, "" if none is
// close: at most a third of it may differ, letter case aside.
func nearest(got string, names []string) string {
	got = strings.ToLower(got)
	best, at := "", max(1, len(got)/3)+1
	for _, n := range names {
		if d := distance(got, n); d < at {
			best, at = n, d
		}
	}
	if best != "" || len(got) < 3 {
		return best
	}
	// An abbreviation, or a word with something attached to it.
	i := slices.IndexFunc(names, func(n string) bool {
		return strings.HasPrefix(n, got) || strings.HasPrefix(got, n)
	})
	if i < 0 {
		return ""
	}

	return names[i]
}

// distance counts the letters to insert, drop, replace or swap with their
// neighbour to make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			differ := 1
			if a[i-1] == b[j-1] {
				differ = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+differ)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}

	return rows[len(a)][len(b)]
}
