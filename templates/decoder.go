package templates

// emitDecoderType prints what reads within limits or strictly:
// golden/accept/minimal.
func emitDecoderType(f *file) {
	f.declare(`
$Decoder reads JSON within limits, or strictly; see jsonwire.Options for both.
They are about payloads, wherever these stand: what is round them in events,
tasks and snapshots is read as ever. The zero $Decoder reads as $ParseJSON,
$DecodeJSON and the UnmarshalJSON methods do.

A payload beyond the limits is a *jsonwire.LimitError, and none of it is read.
What reading strictly refuses is a *jsonwire.MemberError; the payload is good
for nothing then.`, `
type $Decoder jsonwire.Options`)
	f.declare(`
ParseJSON reads a payload into a fresh value: see [$ParseJSON].`, `
func (d $Decoder) ParseJSON(src []byte) (p $Payload, err error) {
	var r jsonwire.Reader
	r.Init(src)$share
	if err = r.Finish(d.read(&r, 0, &p)); r.Malformed() {
		return $zero, err
	}

	return p, err
}`)
	f.declare(`
DecodeJSON reads a payload over what is in p: see [$DecodeJSON]. A payload beyond
the limits leaves p alone, too.`, `
func (d $Decoder) DecodeJSON(src []byte, p *$Payload) error {
	if err := d.Check(src); err != nil {
		return err
	}
	if err := jsonwire.Validate(src); err != nil {
		return err
	}

	var r jsonwire.Reader
	r.Init(src)$share

	return r.Finish(d.read(&r, 0, p))
}`)
	f.declare(`
DecodeEvent reads an event's wire form: see [$Event.UnmarshalJSON].`, `
func (d $Decoder) DecodeEvent(src []byte, e *$Event) error {
	e.Payload = $zero

	return replication.DecodeEvent(src, &e.Header, func(r *jsonwire.Reader, i int) int {$share
		return d.read(r, i, &e.Payload)
	})
}`)
	f.declare(`
DecodeTask reads a task's wire form: see [$Task.UnmarshalJSON].`, `
func (d $Decoder) DecodeTask(src []byte, t *$Task) error {
	r := jsonwire.NewReader(src)

	return r.Finish(d.readTask(&r, 0, t))
}`)
	f.declare(`
DecodeSnapshot reads a snapshot's wire form: see [$Snapshot.UnmarshalJSON].`, `
func (d $Decoder) DecodeSnapshot(src []byte, s *$Snapshot) error {
	s.Tasks = nil

	return tq.DecodeSnapshot(src, &s.SnapshotHeader, func(r *jsonwire.Reader, i int) int {
		s.Tasks = append(s.Tasks, $Task{})

		return d.readTask(r, i, &s.Tasks[len(s.Tasks)-1])
	})
}`)
	f.declare("", `
func (d $Decoder) readTask(r *jsonwire.Reader, i int, t *$Task) int {
	t.Payload = $zero

	return tq.DecodeTask(r, i, &t.TaskState, func(r *jsonwire.Reader, i int) int {
		return d.read(r, i, &t.Payload)
	})
}`)
	f.declare(`
read reads the payload at i into p and returns where it ends.`, `
func (d $Decoder) read(r *jsonwire.Reader, i int, p *$Payload) int {
	r.Apply(i, jsonwire.Options(d))
	i = $decode(r, i, p)
	r.Apply(i, jsonwire.Options{})

	return i
}`)
	f.declare(`
Decoder reads as the Decode options of the queue say.`, `
func (q *$Local) Decoder() $Decoder { return $Decoder(q.engine.Options().Decode) }`)
}
