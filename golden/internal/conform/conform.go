// Package conform runs any generated queue through the checks of tqtest. Unlike
// a test that is written for one payload it makes payloads by reflection, and
// tells them apart by their JSON form.
package conform

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/tqgen/tqgen/runtime/replication"
	"github.com/tqgen/tqgen/runtime/tq"
	"github.com/tqgen/tqgen/runtime/tqtest"
)

// The generated types, by the methods that say how they hang together.
type (
	local[P, L, D, S, R any] interface {
		tqtest.Plain
		Enqueue(ctx context.Context, p P) (tq.TaskID, error)
		TryEnqueue(ctx context.Context, p P) (tq.TaskID, error)
		EnqueueAt(ctx context.Context, p P, when time.Time) (tq.TaskID, error)
		EnqueueBatch(ctx context.Context, ps []P, ids []tq.TaskID) (int, error)
		Lease(ctx context.Context) (L, error)
		TryLease(ctx context.Context) (L, error)
		LeaseBatch(ctx context.Context, dst []L) (int, error)
		Resume(ctx context.Context, token tq.Token) (L, error)
		DeadLetters(ctx context.Context, after uint64, limit int) ([]D, error)
		Drain(ctx context.Context, grace time.Duration) (S, error)
		Restore(ctx context.Context, s S) error
		Watch(after tq.Sequence) (R, error)
		WatchNow() (S, R)
	}
	lease[L any] interface {
		*L
		tqtest.Lease
	}
	snapshot[S any] interface {
		*S
		AppendJSON(dst []byte) ([]byte, error)
		UnmarshalJSON(src []byte) error
	}
	reader[E any] interface {
		Next(ctx context.Context) (E, error)
		Close() error
	}
	event[E any] interface {
		*E
		UnmarshalJSON(src []byte) error
	}
	replica[E, S, Q any] interface {
		Apply(e *E) error
		ApplySnapshot(s *S) error
		State() S
		Position() tq.Position
		Counters() tq.Counters
		Promote(ctx context.Context, o tq.Options, how replication.Promotion) (Q, error)
	}
)

// Run checks the queues that open gives, by way of run, the generated Run, and
// the replicas that follow gives. makePayload makes the payload of a number, which must show in its JSON form; nil for one
// that has the number in its first field.
func Run[
	I any, P any, L any, PL lease[L], D any, S any, PS snapshot[S], E any, PE event[E], R reader[E],
	Q local[P, L, D, S, R], F replica[E, S, Q],
](
	t *testing.T, open func(tq.Options) (Q, error),
	run func(context.Context, I, tq.RunOptions, func(context.Context, PL) error) error,
	follow func(tq.Options) (F, error), makePayload func(n int) P,
) {
	t.Helper()
	if makePayload == nil {
		makePayload = numbered[P]
	}
	numbers := map[string]int{}
	for n := range 32 {
		text, err := form(makePayload(n))
		if err != nil {
			t.Fatal(err)
		}
		numbers[text] = n
	}
	if len(numbers) != 32 {
		t.Fatalf("payloads of 32 numbers have %d JSON forms", len(numbers))
	}

	adapt := func(q Q) tqtest.Queue {
		return &queue[I, P, L, PL, D, S, PS, E, R, Q]{
			Plain: q, queue: q, run: run, payload: makePayload, numbers: numbers, fixed: makePayload(1),
		}
	}
	opened := func(t testing.TB, o tq.Options) tqtest.Queue {
		q, err := open(o)
		if err != nil {
			t.Fatal(err)
		}

		return adapt(q)
	}
	tqtest.Run(t, opened)
	tqtest.RunReplicas(t, opened, func(t testing.TB, o tq.Options) tqtest.Replica {
		r, err := follow(o)
		if err != nil {
			t.Fatal(err)
		}

		return &follower[E, PE, S, PS, Q, F]{replica: r, adapt: adapt}
	})
}

// form is the JSON form of a payload.
func form(payload any) (string, error) {
	b, err := json.Marshal(payload)

	return string(b), err
}

// numbered makes a payload with n in the first field that can hold it.
func numbered[P any](n int) (p P) {
	number(reflect.ValueOf(&p).Elem(), n)

	return p
}

// number puts n into v, or into the first field of it that takes it, and
// reports whether there is one.
func number(v reflect.Value, n int) bool {
	switch v.Kind() {
	case reflect.String:
		v.SetString(string(rune('A' + n)))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(n))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(n))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(n) + 0.5)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Tag.Get("json") != "-" && number(v.Field(i), n) {
				return true
			}
		}

		return false
	case reflect.Array:
		return v.Len() > 0 && number(v.Index(0), n)
	case reflect.Map:
		key := reflect.New(v.Type().Key()).Elem()
		if !number(key, n) {
			return false
		}
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, reflect.Zero(v.Type().Elem()))
	default:
		return false
	}

	return true
}
