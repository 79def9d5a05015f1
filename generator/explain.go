package generator

import (
	"context"
	"fmt"
	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tqgen/tqgen/generator/load"
	"github.com/tqgen/tqgen/generator/model"
	"github.com/tqgen/tqgen/internal/instrument"
)

// Explain tells what one annotated type gets, and where each decision comes
// from. The type is named as the command's help says; c.Patterns says where to
// look for a name without a package.
func Explain(ctx context.Context, c Config, name string) (string, error) {
	pkg, typ := splitType(name)
	if pkg != "" {
		c.Patterns = []string{pkg}
	}
	r := &run{Config: c}
	if err := r.list(ctx); err != nil {
		return "", err
	}
	if err := r.load(ctx); err != nil {
		return "", err
	}
	if err := r.plan(ctx); err != nil {
		return "", err
	}
	q, err := r.choose(typ)
	if err != nil {
		return "", err
	}
	e := explainer{
		run: r, queue: q, codec: r.codec(q), target: r.target(q), functions: map[string]model.Elem{},
	}

	return e.explain(), nil
}

// splitType takes "./lease.ResourceLease" apart; the package of a bare name is "".
func splitType(name string) (pkg, typ string) {
	slash := strings.LastIndexByte(name, '/')
	dot := strings.LastIndexByte(name, '.')
	if dot <= slash {
		return "", name
	}

	return name[:dot], name[dot+1:]
}

// choose finds the queue of the type called typ, or the codec of one that has
// no queue.
func (r *run) choose(typ string) (*model.Queue, error) {
	var found []*model.Queue
	var others []string
	for _, q := range r.result.Queues {
		if q.CodecOnly && r.queued(q) {
			continue
		}
		if q.Payload.Name == typ {
			found = append(found, q)
		}
		others = append(others, q.Source)
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0 && len(others) == 0:
		return nil, fmt.Errorf("no annotated type %s", typ)
	case len(found) == 0:
		return nil, fmt.Errorf("no annotated type %s; there is %s", typ, strings.Join(others, ", "))
	default:
		return nil, fmt.Errorf("%s is ambiguous: %s or %s", typ, found[0].Source, found[1].Source)
	}
}

// queued reports whether the type of a codec has a queue too.
func (r *run) queued(codec *model.Queue) bool {
	return slices.ContainsFunc(r.result.Queues, func(q *model.Queue) bool {
		return !q.CodecOnly && q.Source == codec.Source
	})
}

// codec gives the codec that says what the JSON of q's payload looks like: q's
// own, or that of the payload, which q calls.
func (r *run) codec(q *model.Queue) *model.Codec {
	for _, other := range r.result.Queues {
		if other.CodecOnly && other.Source == q.Source {
			return &other.Codec
		}
	}

	return &q.Codec
}

// explainer prints one queue, or one codec.
type explainer struct {
	*run
	queue     *model.Queue
	codec     *model.Codec // of the payload
	target    *load.Target
	functions map[string]model.Elem // of the codec, by name
	shown     []string              // functions whose fields have been listed
	out       strings.Builder
}

func (e *explainer) explain() string {
	for _, f := range e.codec.Appenders {
		e.functions[f.Name] = f.Elem
	}
	e.head()
	if !e.queue.CodecOnly {
		e.policy()
	}
	e.shape()
	if !e.queue.CodecOnly {
		e.labels()
		e.effects()
		e.timeline()
		e.events()
		e.metrics()
	}

	return e.out.String()
}

// head says which type it is and where the output goes.
func (e *explainer) head() {
	q := e.queue
	fmt.Fprintf(&e.out, "%s\n\tdeclared at %s\n", q.Source, e.prog.Position(e.target.Object.Pos()))
	if !q.CodecOnly {
		fmt.Fprintf(&e.out, "\tqueue %q, package %s in %s\n", q.Name, q.Package.Name, e.name(q.Package.Dir))
	}
	if _, ok := e.target.Directive("codec"); ok {
		fmt.Fprintf(&e.out, "\tcodec of its own: Append%sJSON, Parse%[1]sJSON, Decode%[1]sJSON in %s\n",
			q.Payload.Name, e.name(e.target.Package.Dir))
	}
	fmt.Fprintf(&e.out, "\timport %q\n", q.Package.Path)
	if q.Constraint != "" {
		fmt.Fprintf(&e.out, "\tbuilt where %s\n", q.Constraint)
	}
}

// policy lists every key of the directive with its value and origin.
func (e *explainer) policy() {
	given := map[string]token.Pos{}
	for _, d := range e.target.Directives {
		for _, a := range d.Args {
			if d.Name == "queue" {
				given[a.Key] = a.KeyPos
			}
		}
	}
	rows := e.table("\npolicy\n")
	values := e.values()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		origin := "default" + defaults[key]
		if key == "package" && !e.queue.Package.Own {
			origin = "the payload's own, by out=."
		}
		if pos, ok := given[key]; ok {
			origin = e.prog.Position(pos).String()
		}
		rows.row(key, values[key], origin)
	}
	rows.flush()
}

// defaults say where a value comes from that the directive does not give and
// that is not always the same.
var defaults = map[string]string{
	"dead":      ": the capacity",
	"high":      ": three quarters of the capacity",
	"low":       ": half of high",
	"heartbeat": ": a third of the lease",
	"name":      ": the type's name in kebab case",
	"out":       ": the name of the package",
	"package":   ": the type's name in lower case, and queue",
}

// values are the keys of the directive as they came out.
func (e *explainer) values() map[string]string {
	q, p := e.queue, e.queue.Policy
	out := "./" + strings.TrimPrefix(strings.TrimPrefix(q.Package.Path, e.target.Package.Path), "/")
	if !strings.HasPrefix(q.Package.Path, e.target.Package.Path) {
		out = q.Package.Path
	}

	return map[string]string{
		"attempts":  fmt.Sprint(p.Attempts),
		"backoff":   backoff(p.Backoff),
		"capacity":  fmt.Sprint(p.Capacity),
		"cooldown":  model.Duration(p.Cooldown),
		"dead":      fmt.Sprint(p.Dead),
		"heartbeat": model.Duration(p.Heartbeat),
		"high":      fmt.Sprint(p.High),
		"lease":     model.Duration(p.Lease),
		"low":       fmt.Sprint(p.Low),
		"name":      q.Name,
		"out":       path.Clean(out),
		"package":   q.Package.Name,
		"payload":   payload(p),
		"strings":   keptStrings(q.Codec.SharedStrings),
	}
}

// payload spells which events carry the payload.
func payload(p model.Policy) string {
	if p.Sparse {
		return "enqueued"
	}

	return "always"
}

func keptStrings(shared bool) string {
	if shared {
		return "shared"
	}

	return "own"
}

// backoff spells a backoff as the directive does.
func backoff(b model.Backoff) string {
	switch b.Kind {
	case model.ConstBackoff:
		return fmt.Sprintf("const(%s)", model.Duration(b.Base))
	case model.ExpBackoff:
		return fmt.Sprintf("exp(%s,%s,%d%%)", model.Duration(b.Base), model.Duration(b.Max), b.JitterPercent)
	default:
		return "none"
	}
}

// shape lists the members of the payload's JSON, and the fields that have none.
func (e *explainer) shape() {
	root := e.codec.Appenders[0]
	fmt.Fprintf(&e.out, "\njson: %s", e.form(root.Elem))
	if schema := e.queue.Codec.Schema; schema != "" {
		fmt.Fprintf(&e.out, ", schema %s", schema)
	}
	e.out.WriteByte('\n')
	e.members("", root.Name)
	e.skipped()
	e.unread()
	var sensitive []string
	for _, f := range e.target.Fields {
		if f.Name == "sensitive" {
			sensitive = append(sensitive, f.Field.Name())
		}
	}
	if len(sensitive) > 0 {
		e.out.WriteString("\nsensitive: absent from logs and errors, not from json\n")
		fmt.Fprintf(&e.out, "\t%s\n", strings.Join(sensitive, ", "))
	}
}

// labels lists what measurements are told apart by.
func (e *explainer) labels() {
	rows := e.table("\nlabels\n")
	for _, l := range e.queue.Payload.Labels {
		rows.row(l.Field, instrument.KeyLabel+l.Name, strings.Join(l.Values, ", ")+", other")
	}
	rows.flush()
}

// effects lists the effects of the payload's tasks: methods, result, and the
// schema id of its records with the JSON that it stands for.
func (e *explainer) effects() {
	rows := e.table("\neffects\n")
	for _, f := range e.queue.Effects {
		origin := f.Shape
		if !strings.HasPrefix(f.Schema, "shape-") {
			origin = "declared, for " + f.Shape
		}
		rows.row(f.Name+", "+f.Name+"Event", f.Type, f.Schema, origin)
	}
	rows.flush()
}

// members lists the fields of the struct that a function of the codec writes,
// and of those within it.
func (e *explainer) members(indent, function string) {
	elem := e.functions[function]
	if elem.Struct == nil || slices.Contains(e.shown, function) {
		return
	}
	e.shown = append(e.shown, function)
	type nested struct{ title, function string }
	var inner []nested
	rows := e.table("")
	for _, f := range elem.Struct.Fields {
		origin := f.Origin
		if len(f.Keep) > 0 && !strings.Contains(origin, "omit") {
			origin += ", left out when empty"
		}
		field := f.Selector + " " + strings.ReplaceAll(f.Elem.GoType, "[]uint8", "[]byte")
		if f.Never() {
			rows.row(fmt.Sprintf("%s%q", indent, f.Name), "never written, always empty", field, f.Origin)
			continue
		}
		rows.row(fmt.Sprintf("%s%q", indent, f.Name), e.form(f.Elem), field, origin)
		if function := e.leaf(f.Elem); function != "" && !slices.Contains(e.shown, function) {
			inner = append(inner, nested{e.functions[function].GoType, function})
		}
	}
	rows.flush()
	for _, n := range inner {
		switch {
		case slices.Contains(e.shown, n.function):
			continue
		case len(e.functions[n.function].Struct.Fields) == 0:
			fmt.Fprintf(&e.out, "\t%s is an object without members\n", n.title)
		default:
			fmt.Fprintf(&e.out, "\t%s is an object of\n", n.title)
		}
		e.members(indent+"  ", n.function)
	}
}

// leaf is the function of the struct that elem holds, behind pointers, slices,
// arrays and maps; "" if it holds none.
func (e *explainer) leaf(elem model.Elem) string {
	for range len(e.functions) + 1 { // a type that holds nothing but itself has no end
		for elem.Func == "" && elem.Elem != nil {
			elem = *elem.Elem
		}
		if elem.Func == "" {
			return ""
		}
		f := e.functions[elem.Func]
		if f.Struct != nil {
			return elem.Func
		}
		elem = f
		elem.Func = ""
	}

	return ""
}

// skipped lists the fields that do not stand in JSON, with the reason.
func (e *explainer) skipped() {
	rows := e.table("\nnot in json\n")
	for _, function := range e.shown {
		elem := e.functions[function]
		for _, s := range elem.Struct.Skipped {
			rows.row(elem.GoType+"."+s.Name, s.Reason)
		}
	}
	rows.flush()
}

// orNull ends the form of values that may be nil.
const orNull = ", or null"

// forms say how the values of a kind stand in JSON.
var forms = map[model.Kind]string{
	model.Bool:          "true or false",
	model.Int:           "integer",
	model.Uint:          "integer",
	model.Float:         "number",
	model.String:        "string",
	model.Bytes:         "base64 string" + orNull,
	model.Time:          "RFC 3339 string",
	model.RawMessage:    "any JSON, as it is",
	model.Number:        "number, as it is",
	model.JSONMarshaler: "what MarshalJSON gives",
	model.TextMarshaler: "string that MarshalText gives",
	model.StructKind:    "object",
}

// form is how an element stands in JSON, in words. Within are the functions
// whose elements it is part of: a type that holds itself is named there.
func (e *explainer) form(elem model.Elem, within ...string) string {
	if f, ok := e.functions[elem.Func]; ok && elem.Func != "" {
		if f.Kind != model.StructKind && slices.Contains(within, elem.Func) {
			return elem.GoType
		}
		within = append(slices.Clip(within), elem.Func)
		quoted := elem.Quoted
		elem = f
		elem.Func, elem.Quoted = "", quoted
	}
	part := func() string {
		if elem.Elem == nil {
			return forms[model.String] // the one part the runtime has functions for
		}
		form := e.form(*elem.Elem, within...)
		if strings.HasSuffix(form, orNull) && elem.Kind != model.Pointer {
			form = "(" + form + ")"
		}

		return form
	}
	form := forms[elem.Kind]
	switch elem.Kind {
	case model.Slice:
		form = "array of " + part() + orNull
	case model.Array:
		form = fmt.Sprintf("array of %d: %s", elem.Length, part())
	case model.Map:
		form = "object of " + part() + orNull
		if elem.Key != nil && elem.Key.Kind != model.StringKey {
			form = "object by " + elem.Key.GoType + " of " + part() + orNull
		}
	case model.Pointer:
		form = strings.TrimSuffix(part(), orNull) + orNull
	case model.JSONMarshaler:
		form = by(elem, form)
	case model.TextMarshaler:
		form = by(elem, form)
	}
	if elem.Shared && elem.Func != "" {
		form += ", by " + elem.Func
	}
	if elem.Quoted {
		form += " within a string"
	}

	return form
}

// timeline follows one lease that nobody settles, and the attempts of a task
// that always fails.
func (e *explainer) timeline() {
	p := e.queue.Policy
	rows := e.table("\none lease\n")
	rows.row("0s", "LeaseGranted: the lease holds until "+model.Duration(p.Lease))
	rows.row(model.Duration(p.Heartbeat), fmt.Sprintf("Heartbeat, by Run every %s: the lease holds for another %s",
		model.Duration(p.Heartbeat), model.Duration(p.Lease)))
	rows.row(model.Duration(p.Lease), "without heartbeats: LeaseExpired, its token settles nothing any more")
	rows.flush()

	rows = e.table("\none task that always fails\n")
	for attempt := 1; attempt < p.Attempts && attempt <= maxAttemptsShown; attempt++ {
		rows.row(fmt.Sprintf("attempt %d", attempt), "Failed, Requeued: ready again "+delay(p.Backoff, attempt))
	}
	if p.Attempts > maxAttemptsShown+1 {
		rows.row("…", "")
	}
	kept := fmt.Sprintf("Failed, DeadLettered: kept with up to %d others", p.Dead-1)
	rows.row(fmt.Sprintf("attempt %d", p.Attempts), kept)
	rows.flush()
}

// maxAttemptsShown bounds the attempts that are listed one by one.
const maxAttemptsShown = 8

// delay is when a task is ready again after a failed attempt.
func delay(b model.Backoff, attempt int) string {
	d := b.Base
	switch b.Kind {
	case model.NoBackoff:
		return "at once"
	case model.ExpBackoff:
		for range attempt - 1 {
			d = min(2*d, b.Max)
		}
	}
	text := "after " + model.Duration(d.Round(time.Microsecond))
	if b.JitterPercent > 0 {
		text += fmt.Sprintf(", give or take %d%%", b.JitterPercent)
	}

	return text
}

// events lists what each operation appends to the log.
func (e *explainer) events() {
	rows := e.table("\nevents\n")
	for _, op := range [][2]string{
		{"Enqueue, EnqueueAt", "Enqueued 0"},
		{"Lease", "LeaseGranted 1"},
		{"Heartbeat", "Heartbeat 2"},
		{"Complete", "Completed 3"},
		{"Fail", "Failed 4, then Requeued 5 or DeadLettered 6"},
		{"DeadLetter", "Failed 4, DeadLettered 6"},
		{"expiry", "LeaseExpired 7, then Requeued 5 or DeadLettered 6"},
		{"Drain", "Drained 8, one a task"},
		{"Release", "Released 100"},
		{"Restore", "Restored 101, one a task; PassedOver 104 if all are here"},
		{"Redrive", "Redriven 102"},
		{"Purge", "Purged 103"},
	} {
		rows.row(op[0], op[1])
	}
	rows.flush()
}

// metrics lists what telemetry reports of the queue, and by what it is told
// apart besides the queue's name.
func (e *explainer) metrics() {
	rows := e.table("\nmetrics\n")
	for _, i := range instrument.Table {
		attributes := slices.Clone(i.Attributes)
		for _, l := range e.queue.Payload.Labels {
			if i.Labelled {
				attributes = append(attributes, instrument.KeyLabel+l.Name)
			}
		}
		if !i.Omni {
			rows.row(string(i.Name), i.Kind.String(), i.Unit, strings.Join(attributes, ", "))
		}
	}
	rows.flush()
}

// table collects aligned rows; the title is printed with the first one.
type table struct {
	e     *explainer
	title string
	w     *tabwriter.Writer
}

func (e *explainer) table(title string) *table { return &table{e: e, title: title} }

func (t *table) row(cells ...string) {
	if t.w == nil {
		t.e.out.WriteString(t.title)
		t.w = tabwriter.NewWriter(&t.e.out, 0, 8, 2, ' ', tabwriter.TabIndent)
	}
	for len(cells) > 1 && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1]
	}
	fmt.Fprintf(t.w, "\t%s\n", strings.Join(cells, "\t"))
}

func (t *table) flush() {
	if t.w != nil {
		_ = t.w.Flush() // a strings.Builder takes everything
	}
}
