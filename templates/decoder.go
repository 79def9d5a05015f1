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
func (d $Decoder) ParseJSON(src []byte) ($Payload, error) {
	var p $Payload
	r := jsonwire.NewReader(src)$share
	d.read(&r, &p)
	err := r.Finish()
	if r.Malformed() {
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

	r := jsonwire.NewReader(src)$share
	d.read(&r, p)

	return r.Finish()
}`)
	f.declare(`
DecodeEvent reads an event's wire form: see [$Event.UnmarshalJSON].`, `
func (d $Decoder) DecodeEvent(src []byte, e *$Event) error {
	e.Payload = $zero

	return replication.DecodeEvent(src, &e.Header, func(r *jsonwire.Reader) {$share
		d.read(r, &e.Payload)
	})
}`)
	f.declare(`
DecodeTask reads a task's wire form: see [$Task.UnmarshalJSON].`, `
func (d $Decoder) DecodeTask(src []byte, t *$Task) error {
	r := jsonwire.NewReader(src)
	d.readTask(&r, t)

	return r.Finish()
}`)
	f.declare(`
DecodeSnapshot reads a snapshot's wire form: see [$Snapshot.UnmarshalJSON].`, `
func (d $Decoder) DecodeSnapshot(src []byte, s *$Snapshot) error {
	s.Tasks = nil

	return tq.DecodeSnapshot(src, &s.SnapshotHeader, func(r *jsonwire.Reader) {
		s.Tasks = append(s.Tasks, $Task{})
		d.readTask(r, &s.Tasks[len(s.Tasks)-1])
	})
}`)
	f.declare("", `
func (d $Decoder) readTask(r *jsonwire.Reader, t *$Task) {
	t.Payload = $zero
	tq.DecodeTask(r, &t.TaskState, func(r *jsonwire.Reader) { d.read(r, &t.Payload) })
}`)
	f.declare(`
read reads the payload that r is at.`, `
func (d $Decoder) read(r *jsonwire.Reader, p *$Payload) {
	r.Apply(jsonwire.Options(d))
	$decode(r, p)
	r.Apply(jsonwire.Options{})
}`)
	f.declare(`
Decoder reads as the Decode options of the queue say.`, `
func (q *$Local) Decoder() $Decoder { return $Decoder(q.engine.Options().Decode) }`)
}
