// Package names has payloads and fields named like what generated code declares
// or uses.
package names

// Queue is named like the output's interface.
//
//tqgen:queue package=queuequeue
type Queue struct {
	Queue   string `json:"queue"`
	Lease   Lease  `json:"lease"`
	Event   *Event `json:"event"`
	Payload string `json:"payload"`
	Token   string `json:"token"`
	Type    string `json:"type"`
	Len     int    `json:"len"`
}

// Lease is named like the output's lease.
//
//tqgen:queue
type Lease struct {
	Q    int    `json:"q"`
	L    int    `json:"l"`
	P    int    `json:"p"`
	R    int    `json:"r"`
	Dst  []byte `json:"dst"`
	Src  []byte `json:"src"`
	Ctx  string `json:"ctx"`
	Err  string `json:"err"`
	Held bool   `json:"held"`
}

// Event is named like the output's event, and leads back to Queue.
//
//tqgen:queue
type Event struct {
	Header   string            `json:"header"`
	Kind     Kind              `json:"kind"`
	Sequence uint64            `json:"sequence"`
	String   map[string]string `json:"string"`
	Error    Error             `json:"error"`
	Queue    []Queue           `json:"queue"`
}

// Snapshot, Task, Reader, Local and Options are all taken, too.
//
//tqgen:queue
type Snapshot struct {
	Task    Task    `json:"task"`
	Reader  Reader  `json:"reader"`
	Local   Local   `json:"local"`
	Options Options `json:"options"`
}

type (
	// Task has fields named like functions of the output.
	Task struct{ AppendJSON, ParseJSON, New string }
	// Reader has fields that differ in case alone.
	Reader struct {
		Value string `json:"value"`
		VALUE string `json:"VALUE"`
	}
	// Local is a number.
	Local int
	// Kind is a word.
	Kind string
	// Error has the name of a predeclared type in another case.
	Error struct{ Nil, True, String, Any string }
	// Options is a map.
	Options map[string]Local
)
