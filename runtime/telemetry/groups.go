package telemetry

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/tqgen/tqgen/internal/instrument"
)

// Groups are sets of instruments that can be switched. Which is in which is in
// docs/telemetry.md.
type Groups uint32

// The groups.
const (
	Depth        Groups = 1 << iota // what is in the queue
	Throughput                      // what goes through it, and how long that takes
	Backpressure                    // monitors
	Replication                     // sources and sinks

	AllGroups = Depth | Throughput | Backpressure | Replication
)

// Attribute keys.
const (
	keyName      = attribute.Key(instrument.KeyName)
	keyShard     = attribute.Key(instrument.KeyShard)
	keyService   = attribute.Key(instrument.KeyService)
	keyError     = attribute.Key(instrument.KeyError)
	keyOperation = attribute.Key(instrument.KeyOperation)
	keyState     = attribute.Key(instrument.KeyState)
	keyPeer      = attribute.Key(instrument.KeyPeer)
	keyKind      = attribute.Key(instrument.KeyKind)
	keyOmniKind  = attribute.Key(instrument.KeyOmniKind)
	keyOmniPeer  = attribute.Key(instrument.KeyOmniPeer)
	keyOmniShard = attribute.Key(instrument.KeyOmniShard)
	keyEffect    = attribute.Key(instrument.KeyEffect)
	keyOutcome   = attribute.Key(instrument.KeyOutcome)
)
