package effect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tqgen/tqgen/runtime/tq"
)

// Options say where a Recorder records, and under which names.
type Options struct {
	// Store keeps outcomes, intents and versions. It must be given.
	Store StateStore
	// Queue is the queue's name in the ids of effects of tasks. In generated
	// packages "" means the directive's. Events carry their queue's name.
	Queue string
	// Prefix begins all ids. "" means DefaultPrefix.
	Prefix string
	// ID makes the ids of effects. nil, and "" from it, leave them to Prefix.
	// An id must be the same whenever the same effect is tried, and no other's.
	ID func(Scope) string
	// Codec is between the JSON of a result and what is recorded. nil records
	// the JSON as it is.
	Codec Codec
	// Initial chooses the version that a change is started with, from lowest to
	// highest, where a version gate has recorded none. nil means the highest.
	Initial func(change string, lowest, highest int) int
	// Now is the clock of records. nil is time.Now.
	Now func() time.Time
	// RecordTimeout is how long an outcome that is known may take to be
	// recorded, also if the caller's context has ended meanwhile. 0 means 10s.
	RecordTimeout time.Duration
	// Observe, if not nil, is told of every call for an effect when it returns,
	// with nothing locked. It is called by several goroutines at once.
	Observe func(Observation)
}

// Codec changes results on their way to and from the store: it compresses or
// encrypts them. Schema is that of the result. Both are called by several
// goroutines at once. What Encode gives Decode must take for as long as records
// are kept.
type Codec interface {
	Encode(schema string, json []byte) ([]byte, error)
	Decode(schema string, stored []byte) (json []byte, err error)
}

// Recorder runs effects and records their outcomes.
type Recorder struct {
	o       Options
	mu      sync.Mutex
	flights map[string]*flight // guarded by mu: what runs here, by id
}

// New gives a recorder.
func New(o Options) (*Recorder, error) {
	if o.Store == nil {
		return nil, errors.New("effect: Options.Store is missing")
	}
	if o.RecordTimeout < 0 {
		return nil, fmt.Errorf("effect: RecordTimeout %v is negative", o.RecordTimeout)
	}
	if o.RecordTimeout == 0 {
		o.RecordTimeout = 10 * time.Second
	}
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	o.Now = clock(o.Now)

	return &Recorder{o: o, flights: map[string]*flight{}}, nil
}

// Options are those of New, with defaults in place.
func (r *Recorder) Options() Options { return r.o }

// Call is what an effect is told when it runs.
type Call struct {
	// ID is under which the outcome will be recorded.
	ID string
	// Key is the idempotency key, 32 hexadecimal digits: the same whenever this
	// effect runs, in whichever process. Hand it to the outside.
	Key string
	// InDoubt says that the effect has been begun before and nothing is known
	// of how it came out: that call failed without being final, or its process
	// died, or it still runs in another process. The effect may have happened.
	InDoubt bool
	// Since is when it was begun first.
	Since time.Time
}

// Do is [Recorder.Capture] for an effect without a result.
func (r *Recorder) Do(ctx context.Context, s Scope, do func(context.Context, Call) error) error {
	_, err := r.Capture(ctx, s, "", func(ctx context.Context, call Call) ([]byte, error) {
		return []byte("null"), do(ctx, call)
	})

	return err
}

// Capture runs do unless an outcome is recorded for s, records what it gives,
// and returns what is recorded. The result is JSON of the given schema, and the
// caller's own.
//
// Of concurrent calls for one id one runs its do; the others wait for it within
// their contexts, and get the same. If it was its own context that ended the
// one, or if its do panicked, which its caller sees as if there were no
// recorder, the next of them runs its own.
//
// A recorded failure is a [*Failure]; an error of do that is not recorded is
// returned as it is. A record of another kind or schema is a [*MismatchError],
// one that cannot be read a [*CorruptError]; do is not called then. If do has
// run and its outcome could not be recorded the error matches
// tq.ErrUncertain. The context given to do is ctx; a do that captures its own id
// waits for itself until that ends.
func (r *Recorder) Capture(
	ctx context.Context, s Scope, schema string, do func(context.Context, Call) ([]byte, error),
) (value []byte, err error) {
	if r.o.Observe != nil {
		return r.observed(ctx, s, schema, do)
	}
	value, _, err = r.capture(ctx, s, schema, do)

	return value, err
}

func (r *Recorder) capture(
	ctx context.Context, s Scope, schema string, do func(context.Context, Call) ([]byte, error),
) ([]byte, Outcome, error) {
	id, err := r.ID(s)
	if err != nil {
		return nil, OutcomeRefused, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, OutcomeRefused, err
		}
		f, first := r.enter(id, schema)
		if first {
			return r.lead(ctx, f, do)
		}
		if f.schema != schema {
			return nil, OutcomeRefused, mismatch(id, KindOutcome, f.schema, KindOutcome, schema)
		}
		select {
		case <-ctx.Done():
			return nil, OutcomeRefused, ctx.Err()
		case <-f.done:
		}
		if f.shared {
			return bytes.Clone(f.value), f.shares(), f.err
		}
	}
}

// flight is one effect that runs in this process.
type flight struct {
	id, schema string
	done       chan struct{} // closed when it is over and the rest is set
	shared     bool          // whoever has waited gets the same; else they try by themselves
	value      []byte
	outcome    Outcome
	err        error
}

// shares is the outcome for those who have waited.
func (f *flight) shares() Outcome {
	switch f.outcome {
	case OutcomeCompleted, OutcomeFailed:
		return OutcomeReplayed
	default:
		return f.outcome
	}
}

// enter gives the flight of an id, and whether the caller is to make it.
func (r *Recorder) enter(id, schema string) (f *flight, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f = r.flights[id]; f != nil {
		return f, false
	}
	f = &flight{id: id, schema: schema, done: make(chan struct{})}
	r.flights[id] = f

	return f, true
}

// lead makes a flight. It lands also if do panics or ends the goroutine.
func (r *Recorder) lead(
	ctx context.Context, f *flight, do func(context.Context, Call) ([]byte, error),
) ([]byte, Outcome, error) {
	defer func() {
		r.mu.Lock()
		delete(r.flights, f.id)
		r.mu.Unlock()
		close(f.done)
	}()

	value, outcome, err := r.run(ctx, f.id, f.schema, do)
	f.value, f.outcome, f.err = bytes.Clone(value), outcome, err
	f.shared = err == nil || ctx.Err() == nil || recordable(err)

	return value, outcome, err
}

// run gives the recorded outcome, after making sure that there is one.
func (r *Recorder) run(
	ctx context.Context, id, schema string, do func(context.Context, Call) ([]byte, error),
) ([]byte, Outcome, error) {
	value, found, err := r.replay(ctx, id, schema)
	if found || err != nil {
		return value, replayed(err), err
	}
	call, err := r.intend(ctx, id, schema)
	if err != nil {
		return nil, OutcomeRefused, err
	}
	if call.InDoubt { // whoever began it may have come to its end since
		if value, found, err = r.replay(ctx, id, schema); found || err != nil {
			return value, replayed(err), err
		}
	}
	value, err = do(ctx, call)
	if err != nil && !recordable(err) {
		return nil, OutcomeRetry, err
	}
	value, err = r.commit(ctx, id, schema, value, err)

	return value, ended(err), err
}

// replay gives the recorded outcome of an effect, if there is one.
func (r *Recorder) replay(ctx context.Context, id, schema string) (value []byte, found bool, err error) {
	stored, found, err := r.o.Store.Get(ctx, id)
	if err != nil {
		return nil, false, storeError("look up", id, err)
	}
	if !found {
		return nil, false, nil
	}
	value, err = r.outcome(id, schema, stored)

	return value, true, err
}

// outcome reads the record of an outcome.
func (r *Recorder) outcome(id, schema string, stored []byte) ([]byte, error) {
	rec, err := decode(id, stored)
	if err != nil {
		return nil, err
	}
	if rec.Kind != KindOutcome || rec.Schema != schema {
		return nil, mismatch(id, rec.Kind, rec.Schema, KindOutcome, schema)
	}
	if rec.Version != format {
		fault := fmt.Sprintf("its form has version %d, and %d is known here", rec.Version, format)

		return nil, &CorruptError{Key: id, Fault: fault}
	}
	var o outcome
	if err := o.readJSON(rec.Payload); err != nil {
		return nil, &CorruptError{Key: id, Fault: err.Error()}
	}
	switch {
	case o.err != nil:
		return nil, &Failure{ID: id, RecordedAt: rec.Time, Err: o.err}
	case r.o.Codec == nil:
		return o.value, nil
	}
	value, err := r.o.Codec.Decode(schema, o.value)
	if err != nil {
		return nil, storeError("decode the result of", id, err)
	}

	return value, nil
}

// intend records that an effect is about to run, or finds that it was begun
// before.
func (r *Recorder) intend(ctx context.Context, id, schema string) (Call, error) {
	call := Call{ID: id, Key: idempotencyKey(id)}
	rec := Record{Kind: KindIntent, Schema: schema, Version: format, Time: r.o.Now()}
	rec.Payload = appendIntent(nil, call.Key)
	text, err := rec.AppendJSON(nil)
	if err != nil {
		return Call{}, err
	}
	added, err := r.o.Store.TryAdd(ctx, id+intentSuffix, text)
	if err != nil {
		return Call{}, storeError("record the intent of", id, err)
	}
	if !added {
		call.InDoubt = true
		stored, found, err := r.o.Store.Get(ctx, id+intentSuffix)
		if err != nil {
			return Call{}, storeError("look up the intent of", id, err)
		}
		if found { // else it was pruned in between
			text = stored
		}
	}
	if rec, err = decode(id+intentSuffix, text); err != nil {
		return Call{}, err
	}
	if rec.Kind != KindIntent {
		return Call{}, mismatch(id+intentSuffix, rec.Kind, rec.Schema, KindIntent, schema)
	}
	if call.Key, err = readIntent(rec.Payload); err != nil {
		return Call{}, &CorruptError{Key: id + intentSuffix, Fault: err.Error()}
	}
	call.Since = rec.Time

	return call, nil
}

// commit records how an effect came out, unless somebody else's outcome is
// recorded already, and gives the one that is.
func (r *Recorder) commit(ctx context.Context, id, schema string, value []byte, failed error) ([]byte, error) {
	text, err := r.encode(schema, value, failed)
	if err != nil {
		return nil, uncertain(id, err)
	}
	// What has happened is recorded also for a caller who has given up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.o.RecordTimeout)
	defer cancel()
	added, err := r.o.Store.TryAdd(ctx, id, text)
	if err != nil {
		return nil, uncertain(id, err)
	}
	if added {
		return r.outcome(id, schema, text) // as everybody will read it
	}
	value, found, err := r.replay(ctx, id, schema)
	if !found && err == nil {
		err = errors.New("the outcome somebody else has recorded is gone")
	}
	if !found {
		return nil, uncertain(id, err)
	}

	return value, err
}

// encode is the record of an outcome.
func (r *Recorder) encode(schema string, value []byte, failed error) ([]byte, error) {
	o := outcome{value: value}
	if failed != nil {
		o.err = sanitised(failed)
	} else if r.o.Codec != nil {
		var err error
		if o.value, err = r.o.Codec.Encode(schema, value); err != nil {
			return nil, err
		}
	}
	rec := Record{Kind: KindOutcome, Schema: schema, Version: format, Time: r.o.Now(), Payload: o.appendJSON(nil)}

	return rec.AppendJSON(nil)
}

// uncertain says that an effect has run and is not recorded.
func uncertain(id string, err error) error {
	return fmt.Errorf("effect: %s has run, and its outcome could not be recorded: %w: %w", id, tq.ErrUncertain, err)
}

// decode reads a record from a store.
func decode(key string, stored []byte) (Record, error) {
	var rec Record
	if err := rec.UnmarshalJSON(stored); err != nil {
		return Record{}, &CorruptError{Key: key, Fault: err.Error()}
	}

	return rec, nil
}

func mismatch(id, kind, schema, wantKind, wantSchema string) error {
	return &MismatchError{ID: id, Kind: kind, Schema: schema, WantKind: wantKind, WantSchema: wantSchema}
}
