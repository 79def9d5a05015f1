package model

// Names are the identifiers one output declares, all final. In a package of
// the output's own they are plain words; with out=. the payload's name is part
// of each.
type Names struct {
	Queue, Local, New, Options  string
	Lease, NewLease             string
	CompleteAll                 string
	Run, RunOptions             string
	Event, Reader               string
	Source, NewSource           string
	SourceOptions               string
	Sink, NewSink, SinkOptions  string
	Fanout                      string
	FileLog, OpenFileLog        string
	FileLogOptions, Replay      string
	DeadLetter, Task, Snapshot  string
	Coordinator, NewCoordinator string
	Replica, NewReplica         string
	Follower, Follow, Pull      string
	Decoder, Schema             string
	Metrics                     string
	Instrument, NewInstrument   string

	AppendJSON, ParseJSON, DecodeJSON string
	ReadJSON                          string // of a shared struct

	Directive    string // the directive's policy as Options
	Store        string // tq.Store over the payloads of a Local
	Worker       string // tq.Worker of Run
	ReplicaStore string // tq.Store over the payloads of a Replica
	Feed         string // replication.Feed of a Local
	Lines        string // replication.Lines of a Reader
	Applier      string // replication.Follower of a Follower
	Puller       string // replication.Puller of Pull
	PayloadSize  string // bytes a payload holds
	PayloadLog   string // what logs show of a payload
	Series       string // which series a payload is of; not declared where there are no labels
	ChunkBits    string // payloads in a chunk of storage, as a power of two
	ChunkSize    string // the same as a number
}

// Import is one package the output may name.
type Import struct {
	Name    string // qualifier, "lease"
	Path    string
	Spelled bool // the import declaration gives the name: it is not what the path suggests
}
