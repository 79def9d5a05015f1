package diag

import (
	"errors"
	"maps"
	"slices"
)

// Sentinels, one a family of codes, for callers that decide by kind.
var (
	ErrDirective       = errors.New("bad directive")            // TQ1xx
	ErrUnsupportedType = errors.New("unsupported type")         // TQ2xx about a field's or payload's type
	ErrPlacement       = errors.New("payload cannot live here") // TQ2xx about where a payload stands
	ErrOutput          = errors.New("output cannot be written") // TQ4xx
	ErrLoad            = errors.New("input cannot be loaded")   // TQ5xx
)

// kind is what a code stands for; docs/errors.md has a section for each.
type kind struct {
	err   error
	title string
}

// kinds lists every code tqgen can report. A test holds it against the reject
// and command-line cases: no code without a case, no case without a code.
var kinds = map[Code]kind{
	"TQ101": {ErrDirective, "unknown directive"},
	"TQ102": {ErrDirective, "misplaced directive"},
	"TQ103": {ErrDirective, "comment that only looks like a directive"},
	"TQ104": {ErrDirective, "unknown key"},
	"TQ105": {ErrDirective, "key given twice"},
	"TQ106": {ErrDirective, "directive given twice"},
	"TQ107": {ErrDirective, "heartbeat not below half of the lease"},
	"TQ108": {ErrDirective, "key without a value"},
	"TQ109": {ErrDirective, "quoted value"},
	"TQ110": {ErrDirective, "malformed quoted string"},
	"TQ120": {ErrDirective, "value is not a whole number"},
	"TQ121": {ErrDirective, "number out of range"},
	"TQ122": {ErrDirective, "value is not a duration"},
	"TQ123": {ErrDirective, "duration out of range"},
	"TQ124": {ErrDirective, "value is not a backoff"},
	"TQ125": {ErrDirective, "first delay longer than the longest"},
	"TQ126": {ErrDirective, "bad jitter"},
	"TQ127": {ErrDirective, "bad queue name"},
	"TQ128": {ErrDirective, "bad package name"},
	"TQ129": {ErrDirective, "bad output folder"},
	"TQ130": {ErrDirective, "output folder outside of the module"},
	"TQ131": {ErrDirective, "output folder of two payloads"},
	"TQ132": {ErrDirective, "package given with out=."},
	"TQ133": {ErrDirective, "output folder holds another package"},
	"TQ134": {ErrDirective, "out=. declares what the package has already"},
	"TQ135": {ErrDirective, "package hides a name that out=. needs"},
	"TQ136": {ErrDirective, "output cannot import an internal package"},
	"TQ137": {ErrDirective, "codec beside a queue with out=."},
	"TQ138": {ErrDirective, "high watermark above the capacity"},
	"TQ139": {ErrDirective, "low watermark not below the high one"},
	"TQ140": {ErrDirective, "payload is neither always nor enqueued"},
	"TQ141": {ErrDirective, "bad effect name"},
	"TQ142": {ErrDirective, "effect name is taken"},
	"TQ143": {ErrDirective, "result of an effect is not a type"},
	"TQ144": {ErrDirective, "bad schema id"},
	"TQ145": {ErrDirective, "effect without a queue"},
	"TQ146": {ErrDirective, "effect without a name or a result"},
	"TQ147": {ErrDirective, "strings is neither own nor shared"},
	"TQ148": {ErrDirective, "label of a type without a few values"},
	"TQ149": {ErrDirective, "label without values"},
	"TQ150": {ErrDirective, "too many values"},
	"TQ151": {ErrDirective, "label or value given twice"},
	"TQ152": {ErrDirective, "label on a field that is not the payload's own"},
	"TQ153": {ErrDirective, "bad value of a label"},
	"TQ154": {ErrDirective, "label of a field that must not be shown"},
	"TQ201": {ErrUnsupportedType, "type has no JSON form"},
	"TQ202": {ErrUnsupportedType, "payload is generic"},
	"TQ203": {ErrUnsupportedType, "undefined type"},
	"TQ204": {ErrUnsupportedType, "interface type"},
	"TQ205": {ErrUnsupportedType, "bad map key"},
	"TQ206": {ErrUnsupportedType, "lock held by value"},
	"TQ207": {ErrUnsupportedType, "type or field that the output cannot name"},
	"TQ208": {ErrUnsupportedType, "type of a package that the output cannot import"},
	"TQ210": {ErrUnsupportedType, "embedded pointer to an unexported struct"},
	"TQ211": {ErrUnsupportedType, "omitzero on a type that cannot be compared"},
	"TQ212": {ErrUnsupportedType, "promoted field that cannot be selected"},
	"TQ213": {ErrUnsupportedType, "type named like a variable of the output"},
	"TQ214": {ErrUnsupportedType, "codec of a type with methods of its own"},
	"TQ230": {ErrPlacement, "payload is not a struct"},
	"TQ231": {ErrPlacement, "payload is an alias"},
	"TQ232": {ErrPlacement, "payload is local to a function"},
	"TQ233": {ErrPlacement, "payload in a test file"},
	"TQ234": {ErrPlacement, "payload under two build constraints"},
	"TQ235": {ErrUnsupportedType, "cgo type"},
	"TQ236": {ErrPlacement, "payload in package main"},
	"TQ237": {ErrPlacement, "unexported payload"},
	"TQ238": {ErrPlacement, "payload's package imports its output"},
	"TQ401": {ErrOutput, "edited output"},
	"TQ402": {ErrOutput, "file of somebody else's in the way"},
	"TQ403": {ErrOutput, "output folder cannot be used"},
	"TQ404": {ErrOutput, "declaration clashes with the output"},
	"TQ411": {ErrOutput, "missing output"},
	"TQ412": {ErrOutput, "stale output"},
	"TQ413": {ErrOutput, "damaged output"},
	"TQ414": {ErrOutput, "orphaned output"},
	"TQ415": {ErrOutput, "runtime of another generation"},
	"TQ416": {ErrOutput, "two queues of one name"},
	"TQ417": {ErrOutput, "no queue to watch"},
	"TQ501": {ErrLoad, "no module"},
	"TQ502": {ErrLoad, "pattern matches no package"},
	"TQ503": {ErrLoad, "folder without Go files"},
	"TQ504": {ErrLoad, "build constraints exclude every file"},
	"TQ505": {ErrLoad, "no annotated type in the package"},
	"TQ506": {ErrLoad, "payload file does not parse"},
	"TQ507": {ErrLoad, "package of a field's type cannot be loaded"},
	"TQ508": {ErrLoad, "type does not type-check"},
	"TQ509": {ErrLoad, "runtime missing from go.mod"},
	"TQ510": {ErrLoad, "runtime missing from vendor"},
	"TQ511": {ErrLoad, "package of another module"},
	"TQ512": {ErrLoad, "argument is a file"},
	"TQ513": {ErrLoad, "go command refuses the input"},
	"TQ514": {ErrLoad, "package is a link to another"},
}

// Codes lists every code tqgen can report, in order.
func Codes() []Code { return slices.Sorted(maps.Keys(kinds)) }

// Title is what a code stands for, in a few words; "" for an unknown one.
func Title(c Code) string { return kinds[c].title }
